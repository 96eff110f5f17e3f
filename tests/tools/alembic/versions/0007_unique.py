"""Unique constraints."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_unique_constraint("users_email_key", "users", ["email"])
        op.create_unique_constraint("products_sku_key", "products", ["sku"], deferrable=True)

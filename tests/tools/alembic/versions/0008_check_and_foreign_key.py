"""Constraints on what is there."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_check_constraint("products_price_check", "products", "price >= 0")
        op.create_foreign_key(
            "products_owner_id_fkey",
            "products",
            "users",
            ["owner_id"],
            ["id"],
            ondelete="CASCADE",
            initially="DEFERRED",
        )

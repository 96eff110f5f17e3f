"""What careful people write without Interlock: it is left as it is."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_check_constraint("products_stock_check", "products", "stock >= 0", postgresql_not_valid=True)
    op.create_foreign_key(
        "products_origin_id_fkey", "products", "products", ["origin_id"], ["id"], postgresql_not_valid=True
    )
    op.create_check_constraint("body_is_there", "posts", "body IS NOT NULL", postgresql_not_valid=True)

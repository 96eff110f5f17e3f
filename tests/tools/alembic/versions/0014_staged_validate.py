"""And its second half."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.execute("ALTER TABLE products VALIDATE CONSTRAINT products_stock_check")
    op.execute("ALTER TABLE products VALIDATE CONSTRAINT products_origin_id_fkey")
    op.execute("ALTER TABLE posts VALIDATE CONSTRAINT body_is_there")
    op.alter_column("posts", "body", existing_type=sa.Text, nullable=False)
    op.drop_constraint("body_is_there", "posts")

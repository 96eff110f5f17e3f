"""A column with a foreign key."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.add_column("posts", sa.Column("author_id", sa.BigInteger))
        op.create_foreign_key("posts_author_id_fkey", "posts", "users", ["author_id"], ["id"])

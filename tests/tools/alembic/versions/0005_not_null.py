"""Columns that may no longer be NULL."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.alter_column("users", "email", existing_type=sa.Text, nullable=False)
        op.alter_column("posts", "author_id", existing_type=sa.BigInteger, nullable=False)

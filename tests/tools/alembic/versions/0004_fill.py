"""Data."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    users = sa.table("users", sa.column("age", sa.Integer))
    op.execute(users.update().where(users.c.age.is_(None)).values(age=18))
    op.execute("UPDATE posts SET author_id = id WHERE author_id IS NULL")

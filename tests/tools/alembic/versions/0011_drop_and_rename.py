"""A column dropped, another renamed."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.drop_column("posts", "legacy")
    op.alter_column("users", "nickname", new_column_name="handle")

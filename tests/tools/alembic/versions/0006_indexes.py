"""Indexes: plain, partial, by expression, and one that is concurrent already."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index("posts_title_idx", "posts", ["title"])
        op.create_index("posts_recent_idx", "posts", [sa.text("created_at DESC")], postgresql_where=sa.text("id > 100"))
        op.create_index("users_lower_idx", "users", [sa.text("lower(email)")], unique=True, postgresql_using="btree")
        op.create_index(
            "posts_created_at_idx", "posts", ["created_at"], postgresql_concurrently=True, if_not_exists=True
        )

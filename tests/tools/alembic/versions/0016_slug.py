"""The last one."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("posts", sa.Column("slug", sa.Text))
    op.create_index("posts_slug_idx", "posts", ["slug"])


def downgrade() -> None:
    op.drop_index("posts_slug_idx", "posts")
    op.drop_column("posts", "slug")

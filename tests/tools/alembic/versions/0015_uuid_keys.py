"""A foreign key to uuids, and data by them in batches."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("posts", sa.Column("token_id", sa.Uuid, sa.ForeignKey("tokens.id")))
    op.create_index("posts_token_id_idx", "posts", ["token_id"])
    tokens = sa.table("tokens", sa.column("id", sa.Uuid), sa.column("label", sa.Text))
    some = sa.select(tokens.c.id).where(tokens.c.label == "old").limit(1000)
    while op.get_bind().execute(tokens.update().where(tokens.c.id.in_(some)).values(label="new")).rowcount:
        pass

"""A default that is another for each row."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    uid = sa.Column("uid", postgresql.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False)
    op.add_column("products", uid)

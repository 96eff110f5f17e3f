"""A table and its index, in the transaction that makes both."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "categories",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("slug", sa.String(50), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
    )
    op.create_index(op.f("ix_categories_slug"), "categories", ["slug"], unique=True)

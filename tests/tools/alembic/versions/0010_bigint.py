"""A wider type."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("SET LOCAL interlock.allow = 'column-type-rewrite: a maintenance window was announced'")
    op.alter_column("products", "stock", existing_type=sa.Integer, type_=sa.BigInteger, existing_nullable=False)

"""The shop's tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "customer",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("email", sa.Text),
    )
    op.create_table(
        "purchase",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("customer_id", sa.BigInteger),
        sa.Column("number", sa.Text),
        sa.Column("total", sa.Numeric(12, 2)),
        sa.Column("placed_at", sa.DateTime(timezone=True)),
    )
    # Rows, for what comes next is harmless on an empty table and Interlock leaves small ones alone.
    op.execute("INSERT INTO customer SELECT i, 'buyer' || i || '@example.com' FROM generate_series(1, 1000) i")
    op.execute(
        "INSERT INTO purchase SELECT i, 1 + i % 1000, 'N-' || i, i % 1000, now() FROM generate_series(1, 300000) i"
    )


def downgrade() -> None:
    op.drop_table("purchase")
    op.drop_table("customer")

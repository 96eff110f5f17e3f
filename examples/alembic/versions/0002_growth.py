"""What a growing shop asks for."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index("purchase_placed_at_idx", "purchase", ["placed_at"])
    op.create_index("customer_email_idx", "customer", ["email"], unique=True)
    op.create_foreign_key("purchase_customer_id_fkey", "purchase", "customer", ["customer_id"], ["id"])
    op.create_check_constraint("total_positive", "purchase", "total >= 0")
    op.alter_column("purchase", "customer_id", nullable=False)
    op.create_unique_constraint("purchase_number_key", "purchase", ["number"])
    op.create_index("purchase_total_idx", "purchase", ["total"])
    op.drop_index("purchase_total_idx", "purchase")


def downgrade() -> None:
    op.drop_constraint("purchase_number_key", "purchase")
    op.alter_column("purchase", "customer_id", nullable=True)
    op.drop_constraint("total_positive", "purchase")
    op.drop_constraint("purchase_customer_id_fkey", "purchase")
    op.drop_index("customer_email_idx", "customer")
    op.drop_index("purchase_placed_at_idx", "purchase")

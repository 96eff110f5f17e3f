"""An index dropped."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("users_age_idx", "users")

"""The book: heads, journal, refusals, accounts, entries, and the records of the first rooms."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SELECT 1")

"""The way out for operations that block, whose author has made sure that it does no harm."""

from django.db.migrations import RunSQL
from django.db.migrations.operations.base import Operation

ALLOW = "SET LOCAL interlock.allow = 'all: a maintenance window was announced'"


def knowingly(*operations: Operation) -> tuple[Operation, ...]:
    """The operations of an atomic migration, allowed forwards and backwards, and on record with the reason."""
    return (RunSQL(ALLOW, RunSQL.noop), *operations, RunSQL(RunSQL.noop, ALLOW))

"""What a session knows to stand in ``interlock.jobs`` without asking, while nothing can have changed it.

Each statement behind a strong lock keeps the application waiting for as long as it takes, and the same question again
is the better half of that.
"""

from __future__ import annotations

from proxy.session.pending import Pending
from proxy.sql.statements import AlterTable, CreateIndex, CreateTable, Statement

OURS = "interlock"


class Noted:
    """What was written down in the open transaction; to be forgotten once anything of the client's own has run but that
    it read or wrote rows, as each tool does in its table of versions.

    Whoever inserts into the table holds a lock on it till the end of the transaction that lets nobody else change it.  The
    client itself may (ROLLBACK TO, DROP, DELETE, a function).  What is not noticed in time fails the insertion, and the
    transaction with it.
    """

    def __init__(self) -> None:
        self._known: list[Pending] | None = None
        self._written = False
        self._made = False
        self._same_settings = False

    @property
    def known(self) -> list[Pending] | None:
        """What waits for the COMMIT of the transaction that is open; None: it has to be asked for."""
        return list(self._known) if self._known is not None else None

    @property
    def is_usable(self) -> bool:
        """Whether the table has been written to since it was looked at, or made, and can be written to again."""
        return self._written or self._made

    @property
    def last(self) -> int | None:
        """The job that was written down last, if no setting can have changed since."""
        return self._known[-1].job if self._known and self._written and self._same_settings else None

    def rows_passed(self) -> None:
        """The client has read or written rows: SELECT set_config(…) may have been among it."""
        self._same_settings = False

    def found(self, pending: list[Pending]) -> None:
        """It has been asked for."""
        self._known, self._written = list(pending), False

    def made(self) -> None:
        """The table has been made in this transaction: nobody else can change it."""
        self._made = True

    def add(self, one: Pending, *, first: bool) -> None:
        """It has been written down; ``first``: nothing had been before in this transaction, as is known for certain."""
        known = [] if first else self.known
        if known is None:
            self.forget()
            return
        self.found([*known, one])
        self._written = self._same_settings = True

    def forget(self) -> None:
        self._known, self._written, self._made = None, False, False

    def ran(self, statement: Statement, relations: tuple[tuple[str, str], ...]) -> None:
        """A statement of the client's was run for it: only of some is it certain that they leave the table alone."""
        alone = isinstance(statement.node, AlterTable | CreateIndex | CreateTable)
        if not alone or not relations or any(schema in (OURS, "") for schema, _ in relations):
            self.forget()


__all__ = ["Noted"]

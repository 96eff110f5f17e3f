"""Transaction control."""

from __future__ import annotations

from proxy.sql.cursor import Cursor
from proxy.sql.statements import Transaction


def transaction(c: Cursor) -> Transaction:
    """BEGIN, START, COMMIT, END, ROLLBACK, ABORT, SAVEPOINT, RELEASE."""
    match c.name():
        case "begin":
            c.take_one("work", "transaction")
            _modes(c)
            return Transaction("BEGIN")
        case "start":
            c.need("transaction")
            _modes(c)
            return Transaction("BEGIN")
        case "savepoint":
            c.name()
            return Transaction("SAVEPOINT")
        case "release":
            _savepoint(c)
            return Transaction("RELEASE")
        case "commit" if c.take("prepared"):
            c.string()
            return Transaction("COMMIT PREPARED")
        case "commit" | "end":
            c.take_one("work", "transaction")
            return Transaction("COMMIT", _chain(c))
        case _:
            return _rollback(c)


def prepare_transaction(c: Cursor) -> Transaction:
    """What follows ``PREPARE TRANSACTION``."""
    c.string()
    return Transaction("PREPARE TRANSACTION")


def _rollback(c: Cursor) -> Transaction:
    """What follows ROLLBACK or ABORT."""
    if c.take("prepared"):
        c.string()
        return Transaction("ROLLBACK PREPARED")
    c.take_one("work", "transaction")
    if c.take("to"):
        _savepoint(c)
        return Transaction("ROLLBACK TO")
    return Transaction("ROLLBACK", _chain(c))


def _savepoint(c: Cursor) -> None:
    """``[SAVEPOINT] name``; savepoint is a name too."""
    if c.peek(1) is not None:
        c.need("savepoint")
    c.name()


def _chain(c: Cursor) -> bool:
    """``[AND [NO] CHAIN]``"""
    if not c.take("and"):
        return False
    chain = not c.take("no")
    c.need("chain")
    return chain


def _modes(c: Cursor) -> None:
    """``ISOLATION LEVEL …``, READ ONLY and the like, with or without commas between them."""
    while not c.done:
        if c.take("isolation", "level"):
            c.need_phrase("serializable", "repeatable read", "read committed", "read uncommitted")
        else:
            c.need_phrase("read only", "read write", "deferrable", "not deferrable")
        c.take(",")

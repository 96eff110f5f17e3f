"""What a query string says of the open transaction before anything else: that has to be run before we ask the server anything.

SET TRANSACTION ISOLATION LEVEL, and BEGIN with modes inside a transaction, count only as long as no query has been run in it
(25001); a question of ours about the catalog is one.
Source: Postgres docs, "SET TRANSACTION"; check_transaction_isolation (commands/variable.c).
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.sql.statements import SetVariable, Statement, Transaction, Unreadable

MAY_SAY_SO = (b"transaction", b"isolation", b"deferrable", b"read only", b"read write")
MODES = frozenset(
    {"transaction", "transaction snapshot", "transaction_isolation", "transaction_read_only", "transaction_deferrable"}
)
TIMEOUTS = frozenset({"lock_timeout", "statement_timeout"})  # often stand in front of it


def may_set_modes(sql: bytes) -> bool:
    """Whether a text is worth to be read for that."""
    lower = sql.lower()
    return any(word in lower for word in MAY_SAY_SO)


def leading(statements: Sequence[Statement]) -> int:
    """Where in their text (an offset in code points) the part ends that sets modes; 0 if there is none, or nothing behind it."""
    if any(isinstance(statement.node, Unreadable) for statement in statements):
        return 0  # the server reads all of a text before it runs a part of it
    end = 0
    for statement in statements[:-1]:
        match statement.node:
            case Transaction(kind="BEGIN"):
                end = statement.span.end
            case SetVariable(name=name) if name in MODES:
                end = statement.span.end
            case SetVariable(name=name) if name in TIMEOUTS:
                pass
            case _:
                break
    return end


def without(text: str, end: int) -> str:
    """The text without what stands before ``end``, and all else at its place."""
    return "".join(c if c in "\r\n" else " " for c in text[:end]) + text[end:]

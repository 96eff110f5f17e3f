"""Queries about a new column whose rows get their values only behind COMMIT: they would find NULL in each of them."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.session.dependents import Refused
from proxy.session.pending import Pending, words
from proxy.sql.statements import CreateTableAs, Query, Statement
from proxy.sql.written import written

READ = frozenset({"COPY", "DECLARE CURSOR", "PREPARE"})


def reads_unfilled(statement: Statement, pending: Sequence[Pending]) -> Refused | None:
    """Refuses a query that names such a column and its table; rows that it only adds have values of their own.

    Of a transaction before, which others see, too, only what keeps the NULL: by then the session may be an application's.
    """
    filling = [one for one in pending if one.fills and one.here]
    if not filling or not (isinstance(statement.node, Query | CreateTableAs) or statement.node.kind in READ):
        return None
    if not (isinstance(statement.node, CreateTableAs) or written(statement)):
        filling = [one for one in filling if not one.left]
    named = words(statement.sql)
    if statement.node.kind == "COPY" and "to" not in named:
        return None
    for one in filling:
        column = next((name for name in one.fills if name in named), None)
        if column is None or one.table not in named:
            continue
        if one.fills[column].always or not _only_adds(statement, named):
            return Refused(column, one.sql, left=one.left, unfilled=True)
    return None


def _only_adds(statement: Statement, named: frozenset[str]) -> bool:
    writes = written(statement)
    return len(writes) == 1 and writes[0].verb == "INSERT" and not writes[0].is_query and "conflict" not in named


__all__ = ["reads_unfilled"]

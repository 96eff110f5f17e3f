"""The server's own error for a statement that is to be rejected: whoever would be refused anyway is told why by Postgres."""

from __future__ import annotations

from proxy.plans.refused_anyway import TOLD, trial
from proxy.policy.verdict import Action
from proxy.run.connection import Connection, ServerError
from proxy.session.case import Case, is_refused_read_only
from proxy.session.defer import READ_ONLY, as_raised
from proxy.session.gone import Fails
from proxy.sql.statements import Statement, Unreadable

SYNTAX_ERROR = "42601"


async def unreadable_for_all(own: Connection, case: Case) -> dict[str, str] | None:
    """The server's own error, if it cannot read the statement either: a typing error, or syntax of a later version.

    The server's raw parser is asked by a Parse of our own.  A transaction fails with that, as it would have.  In the extended
    protocol the client's own Parse has let it pass, and nothing is to be asked; nor in a pipeline, which our Sync would commit.
    """
    unreadable = isinstance(case.statement.node, Unreadable)
    if own.relay.pipeline_open or not (unreadable or case.verdict.action is Action.REJECT):
        return None
    try:
        await own.parse_only(with_semicolon(case.statement))
    except ServerError as error:
        # Several commands in one Parse give the same SQLSTATE, but that the server could read them.
        is_read = error.fields.get("R") == "exec_parse_message"
        # What a statement that we can read names may be made by what stands before it in its text.
        return error.fields if not is_read and (unreadable or error.sqlstate == SYNTAX_ERROR) else None
    return None


async def refused_anyway(own: Connection, case: Case) -> dict[str, str] | None:
    """The error that the server has for a statement before it would do any work for it; None if it has none.

    Nothing else of the client's text may stand before the statement.  A transaction may have failed then, also with None.
    Beside what waits for COMMIT nobody is asked: once that is done the server may take it.
    """
    if case.facts.read_only and is_refused_read_only(case.statement):
        return Fails(READ_ONLY, f"cannot execute {case.statement.node.kind} in a read-only transaction").fields
    if case.beside or (tried := trial(case.statement, case.facts)) is None:
        return None
    try:
        await own.run([(tried.sql, ())], notices=False)
    except ServerError as error:
        case.behind = tried
        is_its = "inline_code_block" in error.fields.get("W", "")  # and not that there is no PL/pgSQL
        return as_raised(error.fields, case) if is_its and error.sqlstate[:2] in TOLD else None
    return None


def with_semicolon(statement: Statement) -> str:
    """Its text with the semicolon that stands right behind it, at which the server may say that the error is."""
    after = statement.text[statement.span.end :]
    gap = len(after) - len(after.lstrip())
    return statement.sql + (after[: gap + 1] if after[gap : gap + 1] == ";" else "")

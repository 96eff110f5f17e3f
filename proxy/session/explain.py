"""``EXPLAIN <ddl>`` and ``SHOW interlock.…``: answered by a query that gives the rows.

The words are free, since to Postgres both are errors.  The query takes the place of the client's text, so
that the server itself describes, binds and executes it, in whichever protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy import __version__
from proxy.session import aside
from proxy.session.reading import Reading
from proxy.sql.interest import answered_by_us
from proxy.sql.statements import Explain, Show

if TYPE_CHECKING:
    from proxy.session.guard import Guard

SHOWN: dict[str, Callable[[Guard], str]] = {
    "interlock.version": lambda guard: __version__,
    "interlock.policy": lambda guard: guard.policy().name,
    "interlock.mode": lambda guard: guard.policy().mode,
}


async def replacement(text: str, guard: Guard, reading: Reading) -> str | None:
    """The query to run instead of this text; None if the text is not ours to answer."""
    statements = await aside.statements(text, reading)
    if len(statements) != 1 or not answered_by_us(statements[0].node):
        return None
    match statements[0].node:
        case Show(name=name) if name in SHOWN:
            return rows(name, [SHOWN[name](guard)])
        case Explain(target_span=span):
            return rows("QUERY PLAN", await guard.examiner.explain(text, span))
        case _:
            return None


def rows(column: str, lines: list[str]) -> str:
    """A query of one text column; ASCII but for what ``lines`` hold."""
    values = ", ".join(literal(line) for line in lines)
    name = '"' + column.replace('"', '""') + '"'
    return (
        f"/* interlock */ SELECT l AS {name} FROM pg_catalog.unnest(ARRAY[{values}]::pg_catalog.text[])"
        " WITH ORDINALITY AS _(l, n) ORDER BY n"
    )


def literal(text: str) -> str:
    """A literal that no setting changes the meaning of: dollar-quoted, with a tag that the text does not hold."""
    tag, n = "$l$", 0
    while tag in text + tag[:-1]:
        n += 1
        tag = f"$l{n}$"
    return f"{tag}{text}{tag}"

"""What would make a name that what waits for COMMIT says mean something else by then: another function, type, operator or table.

Directly the index or constraint would be there already, and know the object itself, whatever comes behind it.

Source: Postgres docs, "Function Type Resolution" (10.3), "Operator Type Resolution" (10.2), "The Schema Search Path" (5.10.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxy.catalog.facts import Facts
from proxy.session.pending import Pending
from proxy.sql.cursor import NAMES, Cursor, NotRead
from proxy.sql.lexer import LexError, Token, lex
from proxy.sql.objects import ROUTINES
from proxy.sql.statements import (
    AlterTable,
    CreateIndex,
    CreateTable,
    CreateTableAs,
    Other,
    OtherAction,
    Statement,
)

TYPES = frozenset(
    {"TYPE", "DOMAIN", "COLLATION", "TEXT SEARCH CONFIGURATION", "TEXT SEARCH DICTIONARY", "OPERATOR CLASS"}
)
LESS_THAN_IMMUTABLE = frozenset({"volatile", "stable"})  # what an index may not call


def takes_over(statement: Statement, pending: Sequence[Pending], facts: Facts) -> tuple[str, str] | None:
    """What waits and would find something else, by its own name and its statement."""
    match statement.node:
        case CreateTable(relation=name, temporary=False) | CreateTableAs(relation=name, temporary=False):
            said = _about_table(name.name, name.schema or _first(facts), pending, facts)
        case AlterTable(relation=table, actions=(OtherAction(what="RENAME TO", name=str(new)),)):
            known = facts.find(table)
            said = _about_table(new, known.schema if known is not None else table.schema, pending, facts)
        case AlterTable(relation=table, actions=(OtherAction(what="SET SCHEMA", name=str(new)),)):
            said = _about_table(table.name, new, pending, facts)
        case Other(kind="CREATE VIEW", relations=(name, *_)):
            said = _about_table(name.name, name.schema or _first(facts), pending, facts)
        case Other(kind=kind, options=options) if kind.startswith(("CREATE ", "ALTER ")):
            said = _about_object(statement, kind, options, pending, facts)
        case _:
            return None
    one = next(said, None)
    return (one.name or statement.node.kind, one.sql) if one is not None else None


def _first(facts: Facts) -> str | None:
    """The schema in which something new is made."""
    return next(iter(facts.own_path), None)


def _about_table(name: str, schema: str | None, pending: Sequence[Pending], facts: Facts) -> Iterator[Pending]:
    """What names its table without a schema, and would find one of that name in ``schema`` first."""
    if schema not in facts.path:
        return
    behind = facts.path[facts.path.index(schema) + 1 :]
    for one in pending:
        node = one.statement.node if one.statement is not None else None
        about = node.relation if isinstance(node, AlterTable | CreateIndex) else None
        if about is not None and about.parts == (name,) and one.schemas.issubset(behind):
            yield one


def _about_object(
    statement: Statement, kind: str, options: frozenset[str], pending: Sequence[Pending], facts: Facts
) -> Iterator[Pending]:
    verb, _, object_type = kind.partition(" ")
    try:
        c = Cursor(lex(statement.sql))
        c.any()
        c.take("or", "replace")
        c.need(*object_type.lower().split())
        name = c.operator_name() if object_type == "OPERATOR" else c.path()
        found = [one for one in pending if _is_searched(name.schema, one, facts)]
        match verb:
            case "CREATE" if object_type == "OPERATOR":
                yield from (one for one in found if name.name in _operators_later(one))
            case "CREATE" if object_type in ROUTINES:
                yield from (one for one in found if name.name in _called(one.sql) | _called_later(one))
            case "CREATE" if object_type in TYPES:
                yield from (one for one in found if name.name in one.later_words)
            case "ALTER" if object_type in ROUTINES:
                if not LESS_THAN_IMMUTABLE.isdisjoint(t.value for t in c.tokens[c.i :] if t.kind == "word"):
                    yield from (one for one in found if name.name in _called_later(one))
                if "RENAME TO" in options:
                    yield from (one for one in found if c.tokens[-1].value in _called_later(one))
            case "ALTER" if object_type in TYPES and "RENAME TO" in options:
                yield from (one for one in found if c.tokens[-1].value in one.later_words)
    except (LexError, NotRead):
        return


def _is_searched(schema: str | None, one: Pending, facts: Facts) -> bool:
    """Whether a name in that schema may be found by what waits."""
    return schema is None or not facts.path or schema in facts.path or schema in one.later_words


def _operators_later(one: Pending) -> frozenset[str]:
    tokens = (token for step in one.steps for sql in step.statements for token in lex(sql))
    return frozenset(token.value for token in tokens if token.kind == "op")


def _called_later(one: Pending) -> frozenset[str]:
    return frozenset().union(*(_called(sql) for step in one.steps for sql in step.statements))


def _called(sql: str) -> frozenset[str]:
    """Names that may be those of functions: before a parenthesis, or, as a field, behind a dot."""
    tokens: list[Token] = lex(sql)
    behind = [*(token.value for token in tokens[1:]), ""]
    before = ["", *(token.value for token in tokens[:-1])]
    return frozenset(
        token.value
        for token, left, right in zip(tokens, before, behind, strict=True)
        if token.kind in NAMES and (right == "(" or left == ".")
    )


__all__ = ["takes_over"]

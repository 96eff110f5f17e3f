"""CREATE TABLE with a foreign key to what is not unique yet: the table without it at once, the key behind what waits.

Source: transformCreateStmt, transformFKConstraints (parser/parse_utilcmd.c): Postgres itself adds a table's foreign keys
by an ALTER TABLE behind its CREATE.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from proxy.catalog.facts import Facts
from proxy.plans import done
from proxy.plans.inline import written
from proxy.plans.plan import Edit, Lock, Plan, Step
from proxy.plans.target import Target, target
from proxy.sql import edit
from proxy.sql.lexer import LexError, Token, lex
from proxy.sql.names import constraint_name
from proxy.sql.statements import (
    ColumnConstraint,
    CreateTable,
    Name,
    Statement,
    TableConstraint,
    quote_identifier,
)

Waits = Callable[[Name, Sequence[str]], bool]
"""Whether a foreign key to these columns of that table can only be added later."""


def key_behind(statement: Statement, node: CreateTable, facts: Facts, waits: Waits) -> Plan | None:
    """None if no key has to wait, or if it cannot: then the server says what is missing."""
    relation = facts.find(node.relation)
    if node.temporary or node.foreign or node.partition_of is not None or (relation is not None and relation.exists):
        return None
    found = _waiting(node, waits)
    if not found or any(c.not_enforced or _is_not_valid(c) for _, c in found):
        return None
    try:
        tokens = lex(statement.sql)
    except LexError:
        return None
    edits = [_without(c, statement, tokens) for _, c in found]
    names = _names(node, facts, relation.schema if relation is not None else "")
    if None in edits or names is None or _is_partitioned(tokens):
        return None
    table = target(node.relation, relation, statement)
    cut = tuple(one for one in edits if one is not None)
    kept = {target(name, facts.find(name), statement).key for name in _kept(node, [c for _, c in found])}
    at_once = Step(
        (edit.apply(statement.sql, cut),),
        Lock.SHARE_ROW_EXCLUSIVE if kept else Lock.NONE,
        "makes the table, without the key to what is not unique yet",
        relations=tuple(sorted(kept)),
        edits=cut,
    )
    later = [
        step
        for columns, c in found
        for step in _added(statement, table, names[c], _words(statement, columns, c), facts, c)
    ]
    return Plan(node.kind, (at_once, *later))


def _waiting(node: CreateTable, waits: Waits) -> list[tuple[str, ColumnConstraint | TableConstraint]]:
    """The keys, with the column of those that stand inside one."""
    inline = [(column.name, c) for column in node.columns for c in column.constraints]
    every: list[tuple[str, ColumnConstraint | TableConstraint]] = [*inline, *(("", c) for c in node.constraints)]
    return [
        (column, c) for column, c in every if c.references is not None and waits(c.references, c.referenced_columns)
    ]


def _kept(node: CreateTable, waiting: Sequence[ColumnConstraint | TableConstraint]) -> list[Name]:
    """What its other keys point to."""
    every: list[ColumnConstraint | TableConstraint] = [*node.constraints]
    for column in node.columns:
        every += column.constraints
    return [c.references for c in every if c.references is not None and c not in waiting]


def _is_not_valid(c: ColumnConstraint | TableConstraint) -> bool:
    return isinstance(c, TableConstraint) and c.not_valid is not None


def _without(c: ColumnConstraint | TableConstraint, statement: Statement, tokens: list[Token]) -> Edit | None:
    """Takes it out of the text, with the comma in front of it if it is an element of its own."""
    start, end = c.span.start - statement.span.start, c.span.end - statement.span.start
    if isinstance(c, ColumnConstraint):
        return Edit(start, end, "")
    before = [token for token in tokens if token.end <= start]
    return Edit(before[-1].start, end, "") if before and before[-1].value == "," else None


def _is_partitioned(tokens: list[Token]) -> bool:
    """Whether it may be: such a table takes no key that is NOT VALID."""
    return any(token.kind == "word" and token.value == "partition" for token in tokens)


def _names(node: CreateTable, facts: Facts, schema: str) -> dict[ColumnConstraint | TableConstraint, str] | None:
    """The name of each foreign key; None if Postgres may choose another one."""
    taken = set(facts.taken_constraints.get(schema, ()))
    names: dict[ColumnConstraint | TableConstraint, str] = {}
    for column in node.columns:
        for c in column.constraints:
            if c.references is not None:
                names[c] = c.name or constraint_name(node.relation.name, [column.name], "fkey", taken)
    for t in node.constraints:
        if t.references is not None:
            names[t] = t.name or constraint_name(node.relation.name, t.columns, "fkey", taken)
    return names if len(set(names.values())) == len(names) else None


def _words(statement: Statement, column: str, c: ColumnConstraint | TableConstraint) -> str:
    """``FOREIGN KEY (…) REFERENCES …`` in the author's words."""
    if isinstance(c, TableConstraint):
        return statement.text[c.body.start : c.span.end]
    return f"FOREIGN KEY ({quote_identifier(column)}) {written(statement.text, c)}"


def _added(
    statement: Statement,
    table: Target,
    name: str,
    words: str,
    facts: Facts,
    c: ColumnConstraint | TableConstraint,
) -> tuple[Step, Step]:
    assert c.references is not None
    quoted = quote_identifier(name)
    parent = target(c.references, facts.find(c.references), statement)
    made = table if table.schema else done.named(next(iter(facts.own_path), ""), table.name)
    # IF EXISTS: the table may be dropped before its turn comes.
    add = Step(
        (f"ALTER TABLE IF EXISTS {table.sql} ADD CONSTRAINT {quoted} {words} NOT VALID",),
        Lock.SHARE_ROW_EXCLUSIVE,
        "checks new rows from now on",
        relations=tuple(sorted({table.key, parent.key})),
        when="after_commit",
        done=done.constraint(made, name),
    )
    check = Step(
        (f"ALTER TABLE IF EXISTS {table.sql} VALIDATE CONSTRAINT {quoted}",),
        Lock.SHARE_UPDATE_EXCLUSIVE,
        "checks the old rows while reads and writes go on",
        relations=(table.key,),
        budget="builds",
        when="after_commit",
        done=done.constraint(made, name, validated=True),
    )
    return add, check


__all__ = ["Waits", "key_behind"]

"""What a column definition demands of the rows, as an ALTER TABLE of its own that the other plans can work on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from proxy.plans.staged_not_null import NATIVE
from proxy.plans.target import Target
from proxy.sql import lexer
from proxy.sql.read import read
from proxy.sql.statements import AddColumn, AlterTable, ColumnConstraint, ColumnDefinition, Statement, quote_identifier

NAMED = ("CHECK", "UNIQUE", "PRIMARY KEY", "REFERENCES")


@dataclass(frozen=True, slots=True)
class Inline:
    statement: Statement | None  # None: nothing is demanded
    staged: bool = False  # NOT NULL is one of its actions
    not_null: bool = False  # the column is to be NOT NULL, by that or as a primary key
    not_null_name: str | None = None  # the name that the author gave to that constraint


def inline(
    statement: Statement, action: AddColumn, table: Target, demands: Sequence[ColumnConstraint], *, not_null: bool
) -> Inline:
    """``demands`` as constraints of the table; ``not_null``: the column is so even if no word says it."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    text, name = statement.text, quote_identifier(action.column.name)
    strict = [c for c in demands if c.kind == "NOT NULL"]
    words = [f"ALTER COLUMN {name} SET NOT NULL"] if strict or not_null else []
    words += [_words(text, c, name) for c in demands if c.kind != "NOT NULL"]
    if not words:
        return Inline(None)
    given = next((c.name for c in strict if c.name), None)
    key = "PRIMARY KEY" in [c.kind for c in demands]
    head = f"ALTER TABLE {'IF EXISTS ' if alter.if_exists else ''}{table.sql} "
    made = _read(head + ", ".join(words))
    staged = bool(strict) or not_null
    return Inline(made, staged=staged, not_null=staged or key, not_null_name=given)


def named(column: ColumnDefinition, major: int) -> Iterator[tuple[str, ColumnConstraint]]:
    """The constraints of a column that get a name of the author's.  Before 18, nothing becomes of that of a NOT NULL."""
    for c in column.constraints:
        if c.name is not None and (c.kind in NAMED or (c.kind == "NOT NULL" and major >= NATIVE)):
            yield c.name, c


@lru_cache(maxsize=64)
def _read(sql: str) -> Statement:
    """Our own text: the same is asked for by each who looks at the column, and again when its turn comes."""
    [made] = read(sql)
    assert isinstance(made.node, AlterTable)
    return made


def _words(text: str, c: ColumnConstraint, column: str) -> str:
    """``ADD [CONSTRAINT name] CHECK (…)`` and the like, in the author's words."""
    named = f"ADD CONSTRAINT {quote_identifier(c.name)} " if c.name is not None else "ADD "
    body = written(text, c)
    match c.kind:
        case "UNIQUE" | "PRIMARY KEY":
            at = _behind_words(body)
            return f"{named}{body[:at]} ({column}){body[at:]}"
        case "REFERENCES":
            return f"{named}FOREIGN KEY ({column}) {body}"
        case _:
            return named + body


def written(text: str, c: ColumnConstraint) -> str:
    """From the constraint's own keyword on."""
    whole = c.span.of(text)
    if c.name is None:
        return whole
    return whole[lexer.lex(whole)[2].start :]  # CONSTRAINT name …


def _behind_words(body: str) -> int:
    """Where the list of columns would stand: behind ``UNIQUE [NULLS [NOT] DISTINCT]`` or ``PRIMARY KEY``."""
    end = 0
    for token in lexer.lex(body):
        if token.kind != "word" or token.value not in ("unique", "primary", "key", "nulls", "not", "distinct"):
            break
        if token.value == "not" and not body[:end].rstrip().lower().endswith("nulls"):
            break  # NOT DEFERRABLE
        end = token.end
    return end

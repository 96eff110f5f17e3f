"""The relation that generated SQL is about, and the small words such SQL is written with."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from proxy.catalog.facts import Relation
from proxy.sql.names import clip
from proxy.sql.statements import AlterTable, Name, Statement, quote_identifier

OWN = "_interlock_"


@dataclass(frozen=True, slots=True)
class Target:
    """A table, matview or index.  ``sql`` is how generated SQL writes it: qualified where the schema is known."""

    sql: str
    schema: str  # empty if not known
    name: str

    @property
    def key(self) -> tuple[str, str]:
        return (self.schema, self.name)

    def sibling(self, name: str) -> Target:
        """An object of that name in the same schema: a table's index."""
        return Target(qualify(self.schema, name), self.schema, name)


def target(name: Name, relation: Relation | None, statement: Statement) -> Target:
    """``name`` as resolved by the server, or, where no facts are known, as the client spelt it."""
    if relation is not None and relation.exists and relation.schema:
        return Target(qualify(relation.schema, relation.name), relation.schema, relation.name)
    return Target(name.span.of(statement.text), name.schema or "", name.name)


def qualify(schema: str, name: str) -> str:
    """``schema.name`` with quotes where SQL needs them; the bare name if the schema is not known."""
    return f"{quote_identifier(schema)}.{quote_identifier(name)}" if schema else quote_identifier(name)


def literal(value: str) -> str:
    """``value`` as a string literal that reads the same under either standard_conforming_strings."""
    quoted = value.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in value else f"'{quoted}'"


def altering(table: Target, alter: AlterTable, action: str, *, only: bool = False) -> str:
    """An ALTER TABLE of our own beside the client's.

    ONLY is not carried over unless asked for: VALIDATE and DROP CONSTRAINT on a table with children refuse
    it, and go no further than the constraint itself does.
    """
    words = ["ALTER TABLE", "IF EXISTS" if alter.if_exists else "", "ONLY" if only and alter.only else "", table.sql]
    return " ".join([word for word in (*words, action) if word])


def own_name(kind: str, *about: str) -> str:
    """The name of a passing object of ours: the same for the same thing, so that a left-over one is recognised."""
    return clip(f"{OWN}{kind}_{sha256(chr(0).join(about).encode()).hexdigest()[:12]}")


def is_own(name: str) -> bool:
    """Whether it is the name of a passing object of ours."""
    return name.startswith(OWN)

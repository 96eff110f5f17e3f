"""The CHECK that proves that all rows of a table lie within the bounds of a partition, or, denied, that none does.

Postgres must find it to be the partition's own constraint, down to operators and constants, or it reads the rows
under lock after all.  Where the words for that are certain they are written here; elsewhere the server writes them:
a passing partition of a passing table tells its constraint.
Source: get_qual_from_partbound (partitioning/partbounds.c), ConstraintImpliedByRelConstraint (commands/tablecmds.c).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from proxy.catalog.bounds import Range, bound, key_column
from proxy.catalog.facts import Relation
from proxy.plans.target import Target, literal, qualify
from proxy.sql.lexer import LexError, lex
from proxy.sql.statements import quote_identifier

INTEGERS = ("smallint", "integer", "bigint")
TEXTS = ("date", "text", "uuid", "timestamp without time zone", "timestamp with time zone")
# All words of bounds that are constants; those of others may be functions.
WORDS = frozenset({
    "for", "values", "from", "to", "in", "minvalue", "maxvalue", "null", "true", "false", "date", "time", "timestamp",
    "timestamptz", "with", "without", "zone", "interval", "uuid", "int", "integer", "bigint", "smallint", "numeric", "text",
    "varchar", "boolean",
})  # fmt: skip
OVER = "IL000"  # the SQLSTATE with which the passing tables are taken back


@dataclass(frozen=True, slots=True)
class PartitionCheck:
    """``parent`` is the partitioned table, ``bounds`` what stands behind ATTACH PARTITION name: ``FOR VALUES …``."""

    parent: Relation
    bounds: str

    @property
    def possible(self) -> bool:
        """Whether such a CHECK is believed, now and when the partition is attached.

        None is for what a hash function gives, nor where the key has a collation that its column has not; and
        bounds may say something else tomorrow.
        """
        key = self.parent.partition_key
        if not key or key.startswith("HASH") or " COLLATE " in key:
            return False
        try:
            tokens = lex(self.bounds)
        except LexError:
            return False
        return all(
            token.kind in ("string", "number", "op") or (token.kind == "word" and token.value in WORDS)
            for token in tokens
        )

    @property
    def words(self) -> str | None:
        """The condition, where it can be said here."""
        column = self.parent.columns.get(key_column(self.parent) or "")
        wanted = bound(self.bounds)
        if column is None or wanted is None or column.collation or column.base not in ("", column.type):
            return None
        name = quote_identifier(column.name)
        if isinstance(wanted, Range):
            limits = ((">=", wanted.low), ("<", wanted.high))
            texts = [(op, _literal(value, column.type)) for op, value in limits if value is not None]
        else:
            texts = [("", _literal(value, column.type)) for value in sorted(wanted, key=str)]
        if any(text is None for _, text in texts):
            return None
        said = (
            [f"{name} {operator} {text}" for operator, text in texts]
            if isinstance(wanted, Range)
            else [f"{name} IN ({', '.join(str(text) for _, text in texts)})"]
        )
        return " AND ".join([f"{name} IS NOT NULL", *said])

    def add(self, table: Target, name: str, *, denied: bool = False) -> str:
        """The statement that adds the CHECK, NOT VALID, to a table that becomes a partition, or to the default one."""
        # What the parent's own place in a tree asks for is asked of a new partition, and known of the default one.
        above = "" if denied else self.parent.partition_constraint
        adding = f"ALTER TABLE {table.sql} ADD CONSTRAINT {name} CHECK "
        if self.words is not None:
            condition = f"NOT ({self.words})" if denied else self.words
            both = f"({condition}) AND {above}" if above else condition
            return f"{adding}({both}) NOT VALID"
        return self._by_server(adding, above, denied=denied)

    def _by_server(self, adding: str, above: str, *, denied: bool) -> str:
        whole, part = "_interlock_whole", "_interlock_part"
        made = [
            f"CREATE TEMP TABLE {whole} (LIKE {qualify(*self.parent.qualified)}) PARTITION BY {self.parent.partition_key}",
            f"CREATE TEMP TABLE {part} PARTITION OF pg_temp.{whole} {self.bounds}",
        ]
        before, after = ("NOT (", ")") if denied else ("(", f") AND {above}" if above else ")")
        body = (
            "DECLARE rows pg_catalog.text; BEGIN BEGIN"
            + "".join(f" EXECUTE {literal(sql)};" for sql in made)
            + f" rows := pg_catalog.pg_get_partition_constraintdef({literal(f'pg_temp.{part}')}::pg_catalog.regclass);"
            f" RAISE EXCEPTION USING ERRCODE = '{OVER}'; EXCEPTION WHEN SQLSTATE '{OVER}' THEN NULL; END;"
            f" EXECUTE pg_catalog.concat({literal(f'{adding}({before}')}, rows, {literal(f'{after}) NOT VALID')}); END"
        )
        return f"DO LANGUAGE plpgsql {literal(body)}"


def _literal(value: Decimal | str | None, type_: str) -> str | None:
    """A constant of the column's own type; None if it would be another one than in the bound."""
    if type_ in INTEGERS:
        text = str(value)
        return f"'{text}'" if text.lstrip("-").isdecimal() and text.isascii() else None
    return literal(value) if type_ in TEXTS and isinstance(value, str) else None

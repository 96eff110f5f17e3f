"""What hangs on a column, as a second one is to get it: each thing under a passing name until both change places."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.catalog.facts import Column, Constraint, Facts, Index, Relation
from proxy.plans.renamed import brackets, renamed
from proxy.plans.staged_not_null import NATIVE
from proxy.plans.swap_refused import Refused, refuse_key
from proxy.plans.target import Target, own_name
from proxy.records import replace
from proxy.sql.lexer import LexError
from proxy.sql.read import read
from proxy.sql.statements import (
    AddConstraint,
    AlterColumnType,
    AlterTable,
    CreateIndex,
    Statement,
    quote_identifier,
)


@dataclass(frozen=True, slots=True)
class Made:
    """A constraint or an index of the second column: its passing name, and what it is called in the end."""

    passing: str
    name: str
    sql: str  # of a constraint what stands behind its name; of an index the whole statement
    valid: bool = True
    comment: str | None = None
    other: tuple[str, str] | None = None  # the table at the other end


class Second:
    """The second column of ``relation``.  What it is asked for raises Refused if it cannot be had exactly."""

    def __init__(
        self, statement: Statement, action: AlterColumnType, table: Target, relation: Relation, facts: Facts
    ) -> None:
        self.action = action
        self.table = table
        self.relation = relation
        self.facts = facts
        self.about = (*table.key, action.column)
        self.sql = statement.sql
        self.column: Column = relation.columns[action.column]
        self.name = self.own("new", action.column)
        self.proof = self.own("nn", "")  # of NOT NULL
        self.not_null = self._not_null_name()  # what its constraint is called in the end, on 18
        self.checks = self._checks()
        self.keys = self._keys()
        self.referring = self._referring()
        self.indexes = self._indexes([i for i in self._mentioned() if i.constraint is None])
        self.attached = self._attached()

    def own(self, kind: str, about: str) -> str:
        return own_name(kind, *self.about, about, self.sql)

    @property
    def is_begun(self) -> bool:
        """Whether an interrupted run has made it."""
        return self.name in self.relation.columns

    @property
    def fits(self) -> bool:
        """Whether all that an interrupted run has made is what this one would make."""
        checks = {self.proof, *(c.passing for c in (*self.checks, *self.keys))}
        indexes = {i.passing for i in (*self.indexes, *(one for one, _ in self.attached))}
        there = {c.name for c in self.relation.constraints.values() if self.name in c.columns and c.kind != "n"}
        built = {i.name for i in self.relation.indexes.values() if self.name in i.mentions}
        pointing = {key.name for key in self.relation.referring if self.name in key.columns}
        return there <= checks and built <= indexes and pointing <= {key.passing for key in self.referring}

    # ------------------------------------------------ what there is

    def _of_column(self, kind: str) -> list[Constraint]:
        return [c for c in self.relation.constraints.values() if c.kind == kind and self.action.column in c.columns]

    def _not_null_name(self) -> str | None:
        if not self.column.not_null or self.facts.major < NATIVE:
            return None
        for c in self._of_column("n"):
            if c.columns == (self.action.column,) and c.validated and not c.inherited:
                return c.name
        raise Refused("its NOT NULL is not valid yet")

    def _checks(self) -> list[Made]:
        made = []
        for c in self._of_column("c"):
            sql = renamed(c.definition or "", self.action.column, self.name)
            if not sql:
                raise Refused(f'CHECK "{c.name}" cannot be read')
            made.append(Made(self.own("ck", c.name), c.name, sql, c.validated and c.enforced, c.comment))
        return made

    def _keys(self) -> list[Made]:
        """Foreign keys that the column is part of."""
        made = []
        for c in self._of_column("f"):
            sql = _in_brackets(c.definition or "", self.action.column, self.name, 0, 2)
            if c.references in (None, self.relation.qualified):
                raise Refused(f'foreign key "{c.name}" points to the table itself')
            if sql is None:
                raise Refused(f'foreign key "{c.name}" cannot be read')
            refuse_key(c.name, self.column, self.action)
            valid = c.validated and c.enforced
            made.append(Made(self.own("fk", c.name), c.name, sql, valid, c.comment, c.references))
        return made

    def _referring(self) -> list[Made]:
        """Foreign keys of other tables that point to the column."""
        made = []
        for key in self.relation.referring:
            if self.action.column not in key.columns:
                continue
            if key.table == self.relation.qualified:
                raise Refused(f'foreign key "{key.name}" points to the table itself')
            if key.parted:
                raise Refused(f'foreign key "{key.name}" is one of a partitioned table, "{key.table[1]}"')
            sql = _in_brackets(key.definition or "", self.action.column, self.name, 1)
            if sql is None:
                raise Refused(f'foreign key "{key.name}" of "{key.table[1]}" cannot be read')
            refuse_key(key.name, self.column, self.action)
            passing = self.own("fk", f"{key.table} {key.name}")
            made.append(Made(passing, key.name, sql, key.validated, key.comment, key.table))
        return made

    def _attached(self) -> list[tuple[Made, str]]:
        """Indexes of UNIQUE and PRIMARY KEY, with what gives each to its constraint."""
        if other := [*self._of_column("x"), *self._of_column("t")]:
            raise Refused(f'constraint "{other[0].name}" cannot be made beside the one that is there')
        found = [i for i in self._mentioned() if i.constraint is not None]
        attached = []
        for index, one in zip(found, self._indexes(found), strict=True):
            constraint = self.relation.constraints[index.constraint or ""]
            [parsed] = read(f"ALTER TABLE t ADD {constraint.definition}")
            match parsed.node:
                case AlterTable(actions=(AddConstraint(constraint=c),)) if not c.without_overlaps:
                    tail = f" {c.deferrable.of(parsed.text)}" if c.deferrable else ""
                    name = quote_identifier(constraint.name)
                    words = f"ADD CONSTRAINT {name} {c.kind} USING INDEX {one.passing}{tail}"
                    attached.append((replace(one, comment=constraint.comment), words))
                case _:
                    raise Refused(f'constraint "{constraint.name}" cannot be read')
        return attached

    def _mentioned(self) -> list[Index]:
        return [i for i in self.relation.indexes.values() if self.action.column in i.mentions and i.valid]

    def _indexes(self, found: list[Index]) -> list[Made]:
        made = []
        for index in found:
            if not index.plain:
                raise Refused(
                    f'index "{index.name}" has a comment, a tablespace or a statistics target of its own,'
                    " or is the replica identity"
                )
            sql = _index(index, self.action.column, self.name, passing := self.own("ix", index.name))
            if sql is None:
                raise Refused(f'index "{index.name}" cannot be read')
            made.append(Made(passing, index.name, sql))
        return made


def _in_brackets(definition: str, column: str, new: str, *which: int) -> str | None:
    """``definition`` with the other name in the first, second or third pair of brackets."""
    try:
        for n in which:
            found = brackets(definition)
            if n < len(found):
                changed = renamed(definition, column, new, *found[n])
                if changed is None:
                    return None
                definition = changed
        return definition if brackets(definition) else None
    except LexError:
        return None


def _index(index: Index, column: str, new: str, passing: str) -> str | None:
    """The statement that builds the like index on the second column, concurrently."""
    match [s.node for s in read(index.definition)]:
        case [CreateIndex(keyword=keyword, name=name, relation=relation)] if name is not None:
            changed = renamed(index.definition, column, new, relation.span.end)
            if changed is None:
                return None
            head, tail = changed[: keyword.end], changed[name.span.end :]
            return f"{head} CONCURRENTLY {passing}{tail}"
        case _:
            return None

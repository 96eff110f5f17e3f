"""ALTER COLUMN … TYPE that copies the table, by a second column: filled in batches, and swapped in at the end.

A trigger keeps the second column in step while the old rows are filled.  Then it gets what the first one has, under
passing names: NOT NULL, constraints, indexes, foreign keys from other tables.  One short transaction drops the first
column and gives its name, and all names, to the second.  The column ends up as the last of the table.
Source: ATExecAlterColumnType, ATPostAlterTypeCleanup (commands/tablecmds.c).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from proxy.catalog.facts import Column, Constraint, Facts, Index, Referring, Relation
from proxy.catalog.type_change import is_same, missing
from proxy.catalog.type_names import head
from proxy.catalog.volatility import is_volatile
from proxy.plans import done, in_step, reading
from proxy.plans.build_index import build, drop_leftover, is_leftover
from proxy.plans.plan import Batch, Failure, Lock, Rewrite, Step
from proxy.plans.renamed import brackets, renamed
from proxy.plans.staged_not_null import NATIVE
from proxy.plans.target import Target, literal, own_name, qualify, target
from proxy.sql import lexer
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

OVER = "IL000"  # the SQLSTATE with which the rehearsal takes itself back


def swap_column(statement: Statement, action: AlterColumnType, facts: Facts) -> Rewrite | None:
    """The rewrite; None if something hangs on the column that the other one could not be given exactly."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    relation = facts.find(alter.relation)
    if relation is None or not _possible(statement, action, relation, facts):
        return None
    swap = _Swap(statement, action, target(alter.relation, relation, statement), relation, facts)
    steps = swap.steps()
    if steps is None:
        return None
    hooks = tuple(name for name in relation.on_update if not in_step.is_ours(name))
    return Rewrite((), before=steps, table=swap.table.key, hooks=hooks)


def _possible(statement: Statement, action: AlterColumnType, relation: Relation, facts: Facts) -> bool:
    alter = statement.node
    assert isinstance(alter, AlterTable)
    column = relation.columns.get(action.column)
    if len(alter.actions) != 1 or column is None or relation.kind != "r" or relation.has_children or relation.parents:
        return False
    if column.generated or column.dependents or not column.plain or (column.identity and column.numbering is None):
        return False
    written = action.type.span.of(statement.text)
    known = facts.types.get(written)
    if missing(written, facts) or (known is not None and known.constrained):
        return False  # a domain would be checked, and the table copied, when the column is added
    name = in_step.trigger_name(target(alter.relation, relation, statement), action.column, statement.sql)
    if any(other > name for other in relation.triggers):
        return False  # it would fire after ours, and could change the value
    if action.using is None:
        return True
    using = action.using.of(statement.text)
    return (
        not is_same(statement, replace(action, using=None), column, facts)  # whether it is done could not be told
        and reading.columns(using) == (action.column,)
        and not any(t.kind == "op" and t.value == "." for t in lexer.lex(using))
        and is_volatile(using, facts) == (False, True)
    )


@dataclass(frozen=True, slots=True)
class _Made:
    """A constraint or an index of the second column: its passing name, and what it is called in the end."""

    passing: str
    name: str
    sql: str  # of a constraint what stands behind its name; of an index the whole statement
    valid: bool = True
    comment: str | None = None
    other: tuple[str, str] | None = None  # the table at the other end


class _Swap:
    def __init__(
        self, statement: Statement, action: AlterColumnType, table: Target, relation: Relation, facts: Facts
    ) -> None:
        self.statement = statement
        self.action = action
        self.table = table
        self.relation = relation
        self.facts = facts
        self.column: Column = relation.columns[action.column]
        self.name = quote_identifier(action.column)
        self.fresh = self.own("new", action.column)
        self.using = action.using.of(statement.text) if action.using else None
        self.finished = done.negate(done.typed(table, self.column.name, self.column.type, self.column.collation))

    def own(self, kind: str, about: str) -> str:
        return own_name(kind, *self.table.key, self.action.column, about, self.statement.sql)

    def steps(self) -> tuple[Step, ...] | None:
        checks, keys = self.checks(), self.keys()
        indexes, attached, referring = self.indexes(), self.attached(), self.referring()
        if checks is None or keys is None or indexes is None or attached is None or referring is None:
            return None
        if self.column.not_null and self.facts.major >= NATIVE and self.not_null_name() is None:
            return None
        steps = [self.rehearse(), self.begin(), self.fill(), *self.demand(checks), *self.refer(keys, self.table)]
        for index in (*indexes, *(made for made, _ in attached)):
            steps += self.build(index)
        for key in referring:
            assert key.other is not None
            child = Target(qualify(*key.other), *key.other)
            steps += self.refer([replace(key, other=self.table.key)], child, undo=True)
        steps += [self.analyze(), self.swap(checks, keys, indexes, attached, referring)]
        return tuple(
            replace(step, done=done.either(step.done, self.finished) if step.done else self.finished) for step in steps
        )

    # ------------------------------------------------ what there is

    def of_column(self, kind: str) -> list[Constraint]:
        return [c for c in self.relation.constraints.values() if c.kind == kind and self.action.column in c.columns]

    def not_null_name(self) -> str | None:
        found = [
            c for c in self.of_column("n") if c.columns == (self.action.column,) and c.validated and not c.inherited
        ]
        return found[0].name if found else None

    def checks(self) -> list[_Made] | None:
        made = []
        for c in self.of_column("c"):
            sql = renamed(c.definition, self.action.column, self.fresh)
            if sql is None or c.inherited:
                return None
            made.append(_Made(self.own("ck", c.name), c.name, sql, c.validated and c.enforced, c.comment))
        return made

    def keys(self) -> list[_Made] | None:
        """Foreign keys that the column is part of."""
        made = []
        for c in self.of_column("f"):
            sql = _in_brackets(c.definition, self.action.column, self.fresh, 0, 2)
            if sql is None or c.inherited or c.references in (None, self.relation.qualified):
                return None
            valid = c.validated and c.enforced
            made.append(_Made(self.own("fk", c.name), c.name, sql, valid, c.comment, c.references))
        return made

    def referring(self) -> list[_Made] | None:
        """Foreign keys of other tables that point to the column."""
        made = []
        for key in self.relation.referring:
            if self.action.column not in key.columns:
                continue
            sql = _in_brackets(key.definition or "", self.action.column, self.fresh, 1)
            if sql is None or key.table == self.relation.qualified:
                return None
            made.append(
                _Made(self.own("fk", f"{key.table} {key.name}"), key.name, sql, key.validated, key.comment, key.table)
            )
        return made

    def indexes(self) -> list[_Made] | None:
        """Indexes that belong to no constraint."""
        return self._indexes([i for i in self._mentioned() if i.constraint is None])

    def attached(self) -> list[tuple[_Made, str]] | None:
        """Indexes of UNIQUE and PRIMARY KEY, with what gives each to its constraint."""
        if self.of_column("x") or self.of_column("t"):
            return None
        found = [i for i in self._mentioned() if i.constraint is not None]
        made = self._indexes(found)
        if made is None:
            return None
        attached = []
        for index, one in zip(found, made, strict=True):
            constraint = self.relation.constraints[index.constraint or ""]
            [parsed] = read(f"ALTER TABLE t ADD {constraint.definition}")
            match parsed.node:
                case AlterTable(actions=(AddConstraint(constraint=c),)) if not c.without_overlaps:
                    tail = f" {c.deferrable.of(parsed.text)}" if c.deferrable else ""
                    words = (
                        f"ADD CONSTRAINT {quote_identifier(constraint.name)} {c.kind} USING INDEX {one.passing}{tail}"
                    )
                    attached.append((replace(one, comment=constraint.comment), words))
                case _:
                    return None
        return attached

    def _mentioned(self) -> list[Index]:
        return [i for i in self.relation.indexes.values() if self.action.column in i.mentions and i.valid]

    def _indexes(self, found: list[Index]) -> list[_Made] | None:
        made = []
        for index in found:
            sql = _index(index, self.action.column, self.fresh, passing := self.own("ix", index.name))
            if sql is None or not index.plain:
                return None
            made.append(_Made(passing, index.name, sql))
        return made

    # ------------------------------------------------ the steps

    def step(self, statements: tuple[str, ...], lock: Lock, why: str, *others: tuple[str, str]) -> Step:
        return Step(statements, lock, why, relations=tuple(sorted({self.table.key, *others})))

    def altering(self, words: str) -> str:
        return f"ALTER TABLE {self.table.sql} {words}"

    def rehearse(self) -> Step:
        """The author's own words on an empty copy: what Postgres would refuse at once it refuses here."""
        copy = self.table.sibling(own_name("re", str(self.relation.oid))).sql
        made = f"CREATE TABLE {copy} (LIKE {self.table.sql} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)"
        altered = f"ALTER TABLE {copy} {self.action.span.of(self.statement.text)}"
        body = (
            f"BEGIN BEGIN EXECUTE {literal(made)}; EXECUTE {literal(altered)}; RAISE EXCEPTION USING ERRCODE = '{OVER}';"
            f" EXCEPTION WHEN SQLSTATE '{OVER}' THEN NULL; END; END"
        )
        return Step(
            (f"DO LANGUAGE plpgsql {literal(body)}",),
            Lock.NONE,
            "tries the change on an empty copy, and takes that back",
        )

    def begin(self) -> Step:
        column, sql = self.action.column, self.statement.sql
        text, span = self.statement.text, self.action.span
        words = lexer.lex(text[self.action.type.span.start : span.end])
        using = next((t.start for t in words if t.kind == "word" and t.value == "using"), None) if self.using else None
        end = span.end if using is None else self.action.type.span.start + using
        type_ = text[self.action.type.span.start : end].strip()
        pure = (
            self.using is None and {head(self.column.base or self.column.type), self.action.type.name} <= in_step.PURE
        )
        function = in_step.function(self.table, column, self.fresh, self.using, sql, pure=pure)
        drop_trigger, drop_function = in_step.gone(self.table, column, sql)
        undo = (drop_trigger, self.altering(f"DROP COLUMN IF EXISTS {self.fresh}"), drop_function)
        why = "adds a second column, and a trigger that gives it the value of the first in new and changed rows"
        statements = (
            self.altering(f"ADD COLUMN {self.fresh} {type_}"),
            function,
            *in_step.trigger(self.table, column, sql),
        )
        if self.fresh in self.relation.columns:  # by an interrupted run, which this one goes on with, and takes back
            return replace(self.step((function,), Lock.NONE, why), undo=undo)
        return replace(
            self.step(statements, Lock.ACCESS_EXCLUSIVE, why), undo=undo, done=done.column(self.table, self.fresh)
        )

    def fill(self) -> Step:
        value = self.using or self.name
        left = (
            f"{self.fresh} IS NULL AND ({value}) IS NOT NULL"
            if self.using
            else f"{self.fresh} IS NULL AND {value} IS NOT NULL"
        )
        return Step(
            (f"UPDATE {self.table.sql} SET {self.fresh} = {value} WHERE {left}",),
            Lock.ROW_EXCLUSIVE,
            "fills the old rows, a few at a time, each few in a transaction of their own",
            relations=(self.table.key,),
            transaction=False,
            budget="builds",
            batch=Batch(self.table.key, left, f"{self.fresh} = {value}", only=True),
        )

    def demand(self, checks: list[_Made]) -> list[Step]:
        """NOT NULL and CHECKs, first NOT VALID."""
        words = [f"ADD CONSTRAINT {c.passing} {_not_valid(c.sql)}" for c in checks]
        proofs = [c.passing for c in checks if c.valid]
        hides = [
            Failure(
                "23514",
                c.passing,
                "23514",
                (f'check constraint "{c.name}" of relation "', '" is violated by some row'),
                name=c.name,
            )
            for c in checks
        ]
        if self.column.not_null:
            proof = self.own("nn", "")
            native = self.facts.major >= NATIVE
            words.append(
                f"ADD CONSTRAINT {proof} {f'NOT NULL {self.fresh}' if native else f'CHECK ({self.fresh} IS NOT NULL)'} NOT VALID"
            )
            proofs.append(proof)
            null = (f'column "{self.action.column}" of relation "', '" contains null values')
            hides.append(
                Failure("23502" if native else "23514", "" if native else proof, "23502", null, self.action.column)
            )
        if not words:
            return []
        names = [self.own("nn", "")] * self.column.not_null + [c.passing for c in checks]
        added = self.step(
            (self.altering(", ".join(words)),),
            Lock.ACCESS_EXCLUSIVE,
            "has new rows checked from now on, and reads no old row",
        )
        steps = [replace(added, done=done.both(*(done.constraint(self.table, name) for name in names)))]
        if proofs:
            steps.append(replace(self.validate(self.table, proofs), hides=tuple(hides)))
        return steps

    def validate(self, table: Target, names: list[str]) -> Step:
        return Step(
            tuple(f"ALTER TABLE {table.sql} VALIDATE CONSTRAINT {name}" for name in names),
            Lock.SHARE_UPDATE_EXCLUSIVE,
            "checks the old rows while reads and writes go on",
            relations=(table.key,),
            budget="builds",
            done=done.both(*(done.constraint(table, name, validated=True) for name in names)),
        )

    def refer(self, keys: list[_Made], table: Target, *, undo: bool = False) -> list[Step]:
        """Foreign keys of ``table``, NOT VALID and then validated."""
        steps = []
        for key in keys:
            assert key.other is not None
            added = Step(
                (f"ALTER TABLE {table.sql} ADD CONSTRAINT {key.passing} {_not_valid(key.sql)}",),
                Lock.SHARE_ROW_EXCLUSIVE,
                "has new rows looked up from now on, and reads no old row",
                relations=tuple(sorted({table.key, key.other})),
                done=done.constraint(table, key.passing),
                undo=(f"ALTER TABLE {table.sql} DROP CONSTRAINT IF EXISTS {key.passing}",) if undo else (),
            )
            steps += [added, self.validate(table, [key.passing])] if key.valid else [added]
        return steps

    def build(self, made: _Made) -> list[Step]:
        index = self.table.sibling(made.passing)
        step = build(index, self.table, made.sql, finished=done.index_valid(index))
        words = (f'could not create unique index "{made.name}"',)
        hides = (Failure("23505", made.passing, "23505", words, name=made.name),)
        cleared = [drop_leftover(index, self.table)] if is_leftover(made.passing, self.facts, self.relation) else []
        return [*cleared, replace(step, hides=hides)]

    def analyze(self) -> Step:
        return Step(
            (f"ANALYZE {self.table.sql} ({self.fresh})",),
            Lock.SHARE_UPDATE_EXCLUSIVE,
            "tells the planner what is in the new column",
            relations=(self.table.key,),
            budget="builds",
        )

    def swap(
        self,
        checks: list[_Made],
        keys: list[_Made],
        indexes: list[_Made],
        attached: list[tuple[_Made, str]],
        referring: list[_Made],
    ) -> Step:
        column, sql = self.action.column, self.statement.sql
        statements = [in_step.insisted(self.table, column, sql)]
        proof, native = self.own("nn", ""), self.facts.major >= NATIVE
        if self.column.not_null and not native:
            statements.append(self.altering(f"ALTER COLUMN {self.fresh} SET NOT NULL"))
            statements.append(self.altering(f"DROP CONSTRAINT {proof}"))
        statements += self.numbers_before()
        if self.column.default is not None:
            statements.append(self.altering(f"ALTER COLUMN {self.fresh} SET DEFAULT {self.column.default}"))
        statements += in_step.gone(self.table, column, sql)
        for key in referring:
            assert key.other is not None
            statements.append(f"ALTER TABLE {qualify(*key.other)} DROP CONSTRAINT {quote_identifier(key.name)}")
        statements.append(self.altering(f"DROP COLUMN {self.name}"))
        statements.append(self.altering(f"RENAME COLUMN {self.fresh} TO {self.name}"))
        if attached:
            statements.append(self.altering(", ".join(words for _, words in attached)))
        renames = [(c.passing, c.name) for c in (*checks, *keys)]
        if self.column.not_null and native:
            renames.append((proof, self.not_null_name() or ""))
        statements += [self.altering(f"RENAME CONSTRAINT {a} TO {quote_identifier(b)}") for a, b in renames]
        statements += [
            f"ALTER INDEX {self.table.sibling(i.passing).sql} RENAME TO {quote_identifier(i.name)}" for i in indexes
        ]
        for key in referring:
            assert key.other is not None
            on = qualify(*key.other)
            statements.append(f"ALTER TABLE {on} RENAME CONSTRAINT {key.passing} TO {quote_identifier(key.name)}")
            statements += _commented(key, on)
        statements += self.numbers_after()
        if self.column.comment is not None:
            statements.append(f"COMMENT ON COLUMN {self.table.sql}.{self.name} IS {literal(self.column.comment)}")
        for made in (*checks, *keys, *(one for one, _ in attached)):
            statements += _commented(made, self.table.sql)
        others = [key.other for key in (*keys, *referring) if key.other is not None]
        why = (
            "drops the first column and gives its name, and all that hung on it, to the second; it is the last one then"
        )
        return self.step(tuple(statements), Lock.ACCESS_EXCLUSIVE, why, *others)

    # ------------------------------------------------ sequences

    def sequences(self) -> list[tuple[str, str]]:
        return [(schema, name) for owner, schema, name in self.relation.sequences if owner == self.action.column]

    def numbers_before(self) -> list[str]:
        """While both columns are there: a serial's sequence changes hands, an identity's is made again and goes on."""
        statements = []
        for schema, name in self.sequences():
            if not self.column.identity:
                statements.append(f"ALTER SEQUENCE {qualify(schema, name)} OWNED BY {self.table.sql}.{self.fresh}")
                continue
            passing = qualify(schema, self.own("seq", name))
            when = "ALWAYS" if self.column.identity == "a" else "BY DEFAULT"
            counts = f"(SEQUENCE NAME {passing} {self.column.numbering})"
            statements.append(self.altering(f"ALTER COLUMN {self.fresh} ADD GENERATED {when} AS IDENTITY {counts}"))
            statements.append(
                f"SELECT pg_catalog.setval({literal(passing)}::pg_catalog.regclass, last_value, is_called)"
                f" FROM {qualify(schema, name)}"
            )
        return statements

    def numbers_after(self) -> list[str]:
        if not self.column.identity:
            return []
        return [
            f"ALTER SEQUENCE {qualify(schema, self.own('seq', name))} RENAME TO {quote_identifier(name)}"
            for schema, name in self.sequences()
        ]


def _not_valid(definition: str) -> str:
    words = [t.value for t in lexer.lex(definition)[-2:]]
    return definition if words in (["not", "valid"], ["not", "enforced"]) else f"{definition} NOT VALID"


def _commented(made: _Made, table: str) -> list[str]:
    if made.comment is None:
        return []
    return [f"COMMENT ON CONSTRAINT {quote_identifier(made.name)} ON {table} IS {literal(made.comment)}"]


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
            head_, tail = changed[: keyword.end], changed[name.span.end :]
            return f"{head_} CONCURRENTLY {passing}{tail}"
        case _:
            return None


__all__ = ["Referring", "swap_column"]

"""ALTER COLUMN … TYPE that copies the table, by a second column: filled in batches, and swapped in at the end.

A trigger keeps the second column in step while the old rows are filled.  Then it gets what the first one has, under
passing names: NOT NULL, constraints, indexes, foreign keys from other tables.  One short transaction drops the first
column and gives its name, and all names, to the second.  The column ends up as the last of the table.
Source: ATExecAlterColumnType, ATPostAlterTypeCleanup (commands/tablecmds.c).
"""

from __future__ import annotations

from proxy.catalog.facts import Facts
from proxy.catalog.type_names import head
from proxy.plans import done, in_step
from proxy.plans.build_index import build, drop_leftover, is_leftover
from proxy.plans.plan import Batch, Failure, Lock, Rewrite, Step
from proxy.plans.second_column import Made, Second
from proxy.plans.staged_not_null import NATIVE
from proxy.plans.swap_refused import Refused, refuse
from proxy.plans.target import Target, literal, own_name, qualify, target
from proxy.records import replace
from proxy.sql import lexer
from proxy.sql.statements import AlterColumnType, AlterTable, Statement, quote_identifier

OVER = "IL000"  # the SQLSTATE with which the rehearsal takes itself back


def swap_column(statement: Statement, action: AlterColumnType, facts: Facts) -> Rewrite | str | None:
    """The rewrite; or a clause that says why there is none; None if the table is not known."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    relation = facts.find(alter.relation)
    if relation is None or not relation.exists:
        return None
    try:
        refuse(statement, action, relation, facts)
        table = target(alter.relation, relation, statement)
        second = Second(statement, action, table, relation, facts)
    except Refused as refused:
        return str(refused)
    hooks = tuple(name for name in relation.on_update if not in_step.is_ours(name))
    return Rewrite((), before=_Swap(statement, second).steps(), table=table.key, hooks=hooks)


class _Swap:
    def __init__(self, statement: Statement, second: Second) -> None:
        self.statement = statement
        self.second = second
        self.action = second.action
        self.table = second.table
        self.relation = second.relation
        self.facts = second.facts
        self.column = second.column
        self.name = quote_identifier(self.action.column)
        self.fresh = second.name
        self.native = self.facts.major >= NATIVE
        self.using = self.action.using.of(statement.text) if self.action.using else None
        heads = frozenset({head(self.column.base or self.column.type), self.action.type.name})
        self.pure = self.using is None and heads <= in_step.PURE
        self.agree = in_step.agree(self.column.name, self.fresh, heads) if self.pure else ""
        self.finished = done.negate(done.typed(self.table, self.column.name, self.column.type, self.column.collation))

    def steps(self) -> tuple[Step, ...]:
        second = self.second
        steps = [self.rehearse(), self.begin(), self.fill(), *self.demand(), *self.refer(second.keys, self.table)]
        for index in (*second.indexes, *(made for made, _ in second.attached)):
            steps += self.build(index)
        for key in second.referring:
            assert key.other is not None
            child = Target(qualify(*key.other), *key.other)
            steps += self.refer([replace(key, other=self.table.key)], child, undo=True)
        steps += [self.analyze(), self.swap()]
        return tuple(
            replace(step, done=done.either(step.done, self.finished) if step.done else self.finished) for step in steps
        )

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
        function = in_step.function(self.table, column, self.fresh, self.using, sql, pure=self.pure)
        drop_trigger, drop_function = in_step.gone(self.table, column, sql)
        # At once: without the trigger nothing fills the column, and without the column the trigger fails.
        gone = (drop_trigger, self.altering(f"DROP COLUMN IF EXISTS {self.fresh}"), drop_function)
        keys = tuple(
            f"ALTER TABLE {qualify(*key.other)} DROP CONSTRAINT IF EXISTS {key.passing}"
            for key in self.second.referring
            if key.other is not None
        )
        body = f"BEGIN {'; '.join(gone)}; END"
        undo = (*keys, f"DO LANGUAGE plpgsql {literal(body)}")
        why = "adds a second column, and a trigger that gives it the value of the first in new and changed rows"
        statements = (
            self.altering(f"ADD COLUMN {self.fresh} {type_}"),
            *function,
            *in_step.trigger(self.table, column, sql, self.agree),
        )
        if not self.second.is_begun:
            step = self.step(statements, Lock.ACCESS_EXCLUSIVE, why)
            return replace(step, undo=undo, done=done.column(self.table, self.fresh))
        # An interrupted run has made it, and this one goes on with it, and takes it back if it fails.
        there = in_step.trigger_name(self.table, column, sql) in self.relation.triggers
        if self.pure and there and self.second.fits:
            return replace(self.step(function, Lock.NONE, why), undo=undo)
        # Or begins again: under which settings those rows were computed is not known, or it is not what is wanted now.
        pointing = [key for key in self.relation.referring if self.fresh in key.columns]
        freed = tuple(
            f"ALTER TABLE {qualify(*key.table)} DROP CONSTRAINT {quote_identifier(key.name)}" for key in pointing
        )
        others = [key.table for key in pointing]
        return replace(self.step((*freed, *gone, *statements), Lock.ACCESS_EXCLUSIVE, why, *others), undo=undo)

    def fill(self) -> Step:
        value = self.using or self.name
        # Not IS NULL, which is true of a row of NULLs, and neither true nor false of others.
        left = f"{self.fresh} IS NOT DISTINCT FROM NULL AND ({value}) IS DISTINCT FROM NULL"
        words = ('interlock: the new type makes NULL of some values of "', '", so rows that are done cannot be told')
        return Step(
            (f"UPDATE {self.table.sql} SET {self.fresh} = {value} WHERE {left}",),
            Lock.ROW_EXCLUSIVE,
            "fills the old rows, a few at a time, each few in a transaction of their own",
            relations=(self.table.key,),
            transaction=False,
            budget="builds",
            batch=Batch(
                self.table.key,
                left,
                f"{self.fresh} = {value}",
                only=True,
                repeatable=True,
                stuck=Failure("", "", "0A000", words, self.action.column),
            ),
        )

    def demand(self) -> list[Step]:
        """NOT NULL and CHECKs, first NOT VALID."""
        checks = self.second.checks
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
            proof, native = self.second.proof, self.native
            demanded = f"NOT NULL {self.fresh}" if native else f"CHECK ({self.fresh} IS NOT NULL)"
            words.append(f"ADD CONSTRAINT {proof} {demanded} NOT VALID")
            proofs.append(proof)
            null = (f'column "{self.action.column}" of relation "', '" contains null values')
            hides.append(
                Failure("23502" if native else "23514", "" if native else proof, "23502", null, self.action.column)
            )
        if not words:
            return []
        names = [self.second.proof] * self.column.not_null + [c.passing for c in checks]
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

    def refer(self, keys: list[Made], table: Target, *, undo: bool = False) -> list[Step]:
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

    def build(self, made: Made) -> list[Step]:
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

    def swap(self) -> Step:
        second, column, sql = self.second, self.action.column, self.statement.sql
        checks, keys, indexes, attached = second.checks, second.keys, second.indexes, second.attached
        referring, proof, native = second.referring, second.proof, self.native
        statements = [in_step.insisted(self.table, column, self.column.state, sql)]
        if self.column.not_null and not native:
            statements.append(self.altering(f"ALTER COLUMN {self.fresh} SET NOT NULL"))
            statements.append(self.altering(f"DROP CONSTRAINT {proof}"))
        statements += self.numbers()
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
            renames.append((proof, second.not_null or ""))
        statements += [self.altering(f"RENAME CONSTRAINT {a} TO {quote_identifier(b)}") for a, b in renames]
        statements += [
            f"ALTER INDEX {self.table.sibling(i.passing).sql} RENAME TO {quote_identifier(i.name)}" for i in indexes
        ]
        for key in referring:
            assert key.other is not None
            on = qualify(*key.other)
            statements.append(f"ALTER TABLE {on} RENAME CONSTRAINT {key.passing} TO {quote_identifier(key.name)}")
            statements += _commented(key, on)
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

    def numbers(self) -> list[str]:
        """While both columns are there: a serial's sequence changes hands, an identity's is made again and goes on."""
        statements = []
        for schema, name in self.sequences():
            if not self.column.identity:
                statements.append(f"ALTER SEQUENCE {qualify(schema, name)} OWNED BY {self.table.sql}.{self.fresh}")
                continue
            passing, own = self.second.own("seq", name), qualify(schema, name)
            # Under its lock, and under another name: whoever asks it for a number now waits, and gets none twice.
            statements.append(f"ALTER SEQUENCE {own} RENAME TO {passing}")
            when = "ALWAYS" if self.column.identity == "a" else "BY DEFAULT"
            counts = f"(SEQUENCE NAME {own} {self.column.numbering})"
            statements.append(self.altering(f"ALTER COLUMN {self.fresh} ADD GENERATED {when} AS IDENTITY {counts}"))
            statements.append(
                f"SELECT pg_catalog.setval({literal(own)}::pg_catalog.regclass, last_value, is_called)"
                f" FROM {qualify(schema, passing)}"
            )
        return statements


def _not_valid(definition: str) -> str:
    words = [t.value for t in lexer.lex(definition)[-2:]]
    return definition if words in (["not", "valid"], ["not", "enforced"]) else f"{definition} NOT VALID"


def _commented(made: Made, table: str) -> list[str]:
    if made.comment is None:
        return []
    return [f"COMMENT ON CONSTRAINT {quote_identifier(made.name)} ON {table} IS {literal(made.comment)}"]

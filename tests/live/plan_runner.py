"""Runs plans on a real server step by step, as Interlock does, and watches what each step does there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import errors

from proxy.catalog.facts import Facts
from proxy.plans.compose import compose
from proxy.plans.plan import Batch, Lock, Plan, Step
from proxy.rules.base import examine, rules
from proxy.run import batch_sql
from proxy.sql.read import read
from proxy.sql.statements import Statement
from tests.facts import ask

TABLE = re.compile(r'table "([^"]*)"')
WORK = re.compile(r'^(rewriting table|verifying table|building index (?!"pg_toast_)|validating foreign key)')
LOCKS = """
    SELECT n.nspname, c.relname, l.mode, c.relkind IN ('i', 'I') FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE l.pid = pg_backend_pid() AND c.relkind IN ('r', 'p', 'm', 'f', 'i', 'I') AND n.nspname !~ '^pg_'
"""
EXISTING = "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_'"


def statement_of(sql: str) -> Statement:
    [statement] = read(sql)
    return statement


def facts_for(session: psycopg.Connection, statement: Statement) -> Facts:
    return ask(session, statement, in_transaction=False)


def plan_for(session: psycopg.Connection, sql: str) -> Plan | None:
    """The plan of a statement whose every finding about blocking is rewritten; None if there is none to rewrite."""
    statement = statement_of(sql)
    facts = facts_for(session, statement)
    found = [(node, f) for node, f in examine(statement, facts) if rules()[f.rule].harm == "blocks" or f.rewrite]
    for _, finding in found:
        assert finding.rewrite is not None, f"no rewrite: {finding.problem}"
    if not found:
        return None
    return compose(statement, [(node, f.rewrite) for node, f in found if f.rewrite], facts)


def of_others(work: Sequence[str], before: set[tuple[str, str]], step: Step) -> list[str]:
    """Messages of work but for that on tables that are made in the same step, which keeps nobody waiting."""
    there = {name for _, name in before}
    made = step.transaction and any(
        sql.startswith(("CREATE TABLE", "CREATE UNLOGGED TABLE")) for sql in step.statements
    )
    on = (TABLE.search(message) for message in work)
    return [m for m, t in zip(work, on, strict=True) if (t[1] in there if t else not made)]


@dataclass
class Seen:
    """What a step did: messages of work, and the strongest lock on each table, and each index, that was there before."""

    work: list[str] = field(default_factory=list)
    locks: dict[tuple[str, str], Lock] = field(default_factory=dict)
    indexes: dict[tuple[str, str], Lock] = field(default_factory=dict)


class Session:
    """An autocommit connection that runs steps and undoes them, by the rules in plan.py."""

    def __init__(self, url: str, schema: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        self.schema = schema
        self.moves = False  # columns may stand in another order
        self._work: list[str] = []
        self.connection.add_notice_handler(self._notice)
        self.connection.execute(f'SET search_path = "{schema}"')

    def _notice(self, diagnostic: errors.Diagnostic) -> None:
        message = diagnostic.message_primary or ""
        if WORK.match(message):
            self._work.append(message)

    def close(self) -> None:
        self.connection.close()

    def execute(self, sql: str) -> None:
        self.connection.execute(sql)

    @contextmanager
    def watching(self) -> Iterator[list[str]]:
        self._work = []
        self.connection.execute("SET client_min_messages = debug1")
        try:
            yield self._work
        finally:
            self.connection.execute("RESET client_min_messages")

    def is_done(self, step: Step) -> bool:
        if step.done is None:
            return False
        row = self.connection.execute(step.done).fetchone()
        assert row is not None
        assert row[0] in (True, False)
        return bool(row[0])

    def step(self, step: Step) -> Seen | None:
        """Run a step unless it is done; what it did, or None."""
        if self.is_done(step):
            return None
        self.clear(step)
        seen = Seen()
        before = set(self.connection.execute(EXISTING).fetchall())
        with self.watching() as work:
            if step.batch is not None:
                self.batch(step.batch)
            elif not step.transaction:
                for sql in step.statements:
                    self.connection.execute(sql)
            else:
                with self.connection.transaction():
                    for sql in step.statements:
                        self.connection.execute(sql)
                    rows = self.connection.execute(LOCKS).fetchall()
                for schema, name, mode, is_index in rows:
                    if (schema, name) in before:
                        locks = seen.indexes if is_index else seen.locks
                        known = locks.get((schema, name), Lock.NONE)
                        locks[schema, name] = max(known, Lock(mode), key=lambda lock: lock.rank)
            seen.work = of_others(work, before, step)
        return seen

    def clear(self, step: Step) -> None:
        for (command,) in self.connection.execute(step.left).fetchall() if step.left is not None else ():
            self.connection.execute(bytes.fromhex(command).decode())

    def batch(self, batch: Batch) -> None:
        """A few rows at a time, as ``run.batches`` does, but for its pace."""
        cursor = psycopg.RawCursor(self.connection)
        version = self.connection.info.server_version // 10000
        for row in cursor.execute(batch_sql.LEAVES, [*batch.table, batch.only]).fetchall():
            leaf = batch_sql.Leaf(row[0], *(bytes.fromhex(value).decode() for value in row[1:]))
            pages, block_size, _ = cursor.execute(batch_sql.PAGES, [leaf.oid]).fetchone() or (0, 0, 0)
            slots = batch_sql.most_places(int(block_size))
            where = batch_sql.places(0, max(1, pages), version=version, slots=slots)
            while True:
                changed = cursor.execute(batch_sql.change(batch, leaf, where, 7)).fetchone()
                assert changed is not None
                assert not changed[1], "a row is changed and still to be changed"
                if changed[0] < 7:
                    break

    def run(self, plan: Plan) -> list[tuple[Step, Seen]]:
        """Every step that is not done; on an error all is undone and the error raised."""
        ran: list[tuple[Step, Seen]] = []
        begun: list[Step] = []
        for step in plan.steps:
            begun.append(step)
            try:
                seen = self.step(step)
            except psycopg.Error as error:
                if step.transaction or isinstance(error, errors.DuplicateTable):
                    begun.pop()  # it had no effect
                self.undo(begun)
                raise
            if seen is not None:
                ran.append((step, seen))
        return ran

    def undo(self, begun: Sequence[Step]) -> None:
        onward = [at for at, step in enumerate(begun, 1) if step.forward][-1:]
        for step in reversed(begun[onward[0] :] if onward else begun):
            for sql in step.undo:
                self.connection.execute(sql)
            self.clear(step)

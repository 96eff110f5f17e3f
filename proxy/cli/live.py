"""Facts from a database for inputs that nobody runs: one read-only transaction, rolled back at the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import click
import psycopg

from proxy.catalog import answer, lookup, routine_lookup
from proxy.catalog.estimate import EXPLAIN, changed_rows
from proxy.catalog.facts import Facts
from proxy.catalog.routines import Known, Sought
from proxy.catalog.unfinished import SQL, Unfinished, decode
from proxy.cli import Misuse
from proxy.sql.statements import SetVariable, Statement, Transaction
from proxy.sql.written import written

CONNECT_TIMEOUT_S = 10
PATIENCE = "SET LOCAL statement_timeout = '30s'"
BRIEFLY = "SET LOCAL lock_timeout = '50ms'"


@dataclass(slots=True)
class LiveFacts:
    """Asks about each statement as the session of the input would see it, its ``SET search_path`` and ``SET ROLE`` included."""

    connection: psycopg.Connection[tuple[str]]
    server_version: int | None  # judge as that version, whatever the database's own is
    estimates: bool = False  # ask the planner how many rows an UPDATE or DELETE is about

    @classmethod
    def connect(cls, url: str, *, server_version: int | None, estimates: bool = False) -> Self:
        """Raises Misuse if the database cannot be reached or the URL is none; the message holds no password."""
        try:
            connection = psycopg.connect(
                url, connect_timeout=CONNECT_TIMEOUT_S, fallback_application_name="interlock", prepare_threshold=None
            )
        except psycopg.ProgrammingError as error:
            raise Misuse("--database: this is no connection URL; write postgres://user@host:port/database") from error
        except psycopg.Error as error:
            raise Misuse(f"--database: {' '.join(str(error).split())}") from error
        connection.read_only = True
        return cls(connection, server_version, estimates)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def begin_input(self) -> Callable[[Statement], Facts]:
        """The facts for the statements of one input, in order."""
        try:
            self.connection.rollback()
            self.connection.execute(PATIENCE)
            settings = _Settings(self.connection)
        except psycopg.Error as error:
            raise Misuse(f"--database: {' '.join(str(error).split())}") from error

        def facts(statement: Statement) -> Facts:
            try:
                found = self._ask(statement)
                settings.follow(statement)
            except (psycopg.Error, answer.UnreadableAnswer) as error:
                raise Misuse(f"--database: cannot look at the catalog: {' '.join(str(error).split())}") from error
            return found if self.server_version is None else replace(found, server_version=self.server_version)

        return facts

    def unfinished(self) -> list[Unfinished]:
        """What is half-done in the whole database.  Raises Misuse."""
        try:
            self.connection.execute(PATIENCE)
            return decode(self.connection.execute(SQL.encode()).fetchall())
        except psycopg.Error as error:
            raise Misuse(f"--database: cannot look at the catalog: {' '.join(str(error).split())}") from error

    def routines(self, sought: Sequence[Sought]) -> Known:
        """The routines that calls may mean, as the session of the input would find them now."""
        try:
            cursor = psycopg.RawCursor(self.connection)
            row = cursor.execute(routine_lookup.SQL.encode(), [routine_lookup.parameter(sought)]).fetchone()
            assert row is not None  # one row, always
            return routine_lookup.decode(row[0], sought)
        except (psycopg.Error, answer.UnreadableAnswer) as error:
            raise Misuse(f"--database: cannot look at the catalog: {' '.join(str(error).split())}") from error

    def _ask(self, statement: Statement) -> Facts:
        asked: lookup.Request | None = lookup.request(statement, in_transaction=False)
        cursor = psycopg.RawCursor(self.connection)
        while asked is not None:
            row = cursor.execute(asked.sql.encode(), [asked.parameter]).fetchone()
            assert row is not None  # one row, always
            found = lookup.decode(row[0], asked, now=datetime.now(UTC), in_transaction=False)
            asked = lookup.more(asked, statement, found)
        if self.estimates and any(one.verb != "INSERT" for one in written(statement)):
            found = replace(found, estimate=self._estimate(statement))
        return found

    def _estimate(self, statement: Statement) -> int | None:
        """How many rows the planner thinks that it changes; None if it cannot say, for one because a table is not there yet.

        EXPLAIN runs nothing and needs the statement's own rights. Its locks are given back at once, and are not waited for.
        """
        try:
            with self.connection.transaction(force_rollback=True):
                self.connection.execute(BRIEFLY)
                row = self.connection.execute(EXPLAIN.encode() + statement.sql.encode()).fetchone()
        except psycopg.Error:
            return None
        return changed_rows(json.loads(row[0]) if row is not None and isinstance(row[0], str) else row and row[0])


FOLLOWED = ("role", "search_path")


class _Settings:
    """The search_path and the role, followed through the input's SET, COMMIT and ROLLBACK."""

    def __init__(self, connection: psycopg.Connection[tuple[str]]) -> None:
        self.connection = connection
        self.at_begin = self.after_commit = self._now()

    def follow(self, statement: Statement) -> None:
        match statement.node:
            case SetVariable(name=str(name), local=local) if name in FOLLOWED:
                try:
                    with self.connection.transaction():
                        self.connection.execute(statement.sql.encode())
                except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidParameterValue) as error:
                    why = error.diag.message_primary
                    click.echo(f"interlock: --database: {statement.sql}: {why}; judged as without it", err=True)
                if not local:
                    self.after_commit = self._now()
            case Transaction(kind="BEGIN"):
                self.at_begin = self.after_commit
            case Transaction(kind="COMMIT" | "PREPARE TRANSACTION"):
                self._set(self.after_commit)
            case Transaction(kind="ROLLBACK"):
                self.after_commit = self.at_begin
                self._set(self.at_begin)

    def _now(self) -> tuple[str, ...]:
        values = []
        for name in FOLLOWED:
            row = self.connection.execute("SELECT pg_catalog.current_setting(%s)", [name]).fetchone()
            assert row is not None
            values.append(row[0])
        return tuple(values)

    def _set(self, values: tuple[str, ...]) -> None:
        for name, value in zip(FOLLOWED, values, strict=True):
            self.connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", [name, value])

"""Databases of one migration history: one that the tool reached directly, one that it reaches through Interlock."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg.sql import SQL, Identifier

from tests.live.conftest import start_guard
from tests.proxies import Proxy
from tests.servers import Server, database_name
from tests.tools import witness

HERE = Path(__file__).parent
TABLES = ("users", "posts", "products")
POPULATED = "ANALYZE users, posts, products;"  # the end of rows.sql
DIFFERS = ["uid", "applied"]  # columns that hold other values in each run: random ones and the time
BOOKKEEPING = {  # likewise, in tables of the tools' own
    "knex_migrations": ["migration_time"],
    "ar_internal_metadata": ["created_at", "updated_at"],
    "databasechangelog": ["dateexecuted", "deployment_id"],
    "_yoyo_log": ["id", "created_at_utc"],
    "_yoyo_migration": ["applied_at_utc"],
    "_yoyo_version": ["installed_at_utc"],
    "goose_db_version": ["tstamp"],
}
SAMPLED = {"test_knex.py", "test_dbmate.py"}
REST = {
    f"test_{tool}.py"
    for tool in ("drizzle", "golang_migrate", "goose", "liquibase", "rails", "sequelize", "typeorm", "yoyo")
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """``make test`` runs a sample of the tools, on one version; ``make conformance`` runs them all."""
    for item in items:
        name = item.path.name
        if item.path.parent == HERE and (name in REST or (name in SAMPLED and "pg18" not in item.name)):
            item.add_marker("conformance")


@dataclass(frozen=True, slots=True)
class Ran:
    """A migration tool's run: its exit status, and what it printed on both of its outputs."""

    status: int
    output: str


@dataclass(frozen=True, slots=True)
class Way:
    """A database, and the URL by which the migration tool reaches it."""

    server: Server
    database: str
    url: str

    def populate(self) -> None:
        self.server.run("psql", "-v", "ON_ERROR_STOP=1", "-f", str(HERE / "rows.sql"), database=self.database)

    @property
    def schema(self) -> str:
        return self.server.dump(self.database)

    @property
    def rows(self) -> dict[str, list[str]]:
        """The rows of every table, the tool's bookkeeping among them."""
        with self.server.connect(self.database) as session:
            tables = session.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"
            ).fetchall()
            query = SQL("SELECT (to_jsonb(t) - %s::text[])::text FROM public.{} t ORDER BY 1")
            return {
                t: [r for (r,) in session.execute(query.format(Identifier(t)), (DIFFERS + BOOKKEEPING.get(t, []),))]
                for (t,) in tables
            }

    @property
    def statements(self) -> list[str]:
        """What the server was told to run since the tables hold rows."""
        told = self.server.statements(self.database)
        return told[told.index(POPULATED) + 1 :] if POPULATED in told else told

    @property
    def heavy(self) -> list[str]:
        """Of these, what holds up the users of the populated tables."""
        return witness.heavy(self.statements, TABLES)

    def leftovers(self) -> list[str]:
        """Invalid indexes, constraints not validated, and what is Interlock's own by its name."""
        with self.server.connect(self.database) as session:
            rows = session.execute(
                "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
                " UNION ALL SELECT conname FROM pg_constraint WHERE NOT convalidated OR conname LIKE '%interlock%'"
                " UNION ALL SELECT relname FROM pg_class WHERE relname LIKE '%interlock%' OR relname LIKE '%\\_ccnew%'"
            )
            return [name for (name,) in rows]


@dataclass(frozen=True, slots=True)
class Ways:
    direct: Way
    guarded: Way

    def __iter__(self) -> Iterator[Way]:
        yield from (self.direct, self.guarded)


REJECTING = "rules: { index-not-concurrent: { action: rewrite, in_transaction: reject } }"


@pytest.fixture
def more() -> str:
    """What the policy says besides; tests that want another give it as a parameter."""
    return ""


@pytest.fixture
def guarded(
    postgres: Server, database: str, start_proxy: Callable[..., Proxy], tmp_path: Path, more: str
) -> Iterator[Way]:
    """An empty database behind an Interlock to which no table is small."""
    proxy = start_guard(start_proxy, tmp_path, more)
    yield Way(postgres, database_name(database), proxy.url(database))
    print(proxy.stderr_text())  # which pytest shows if the test failed


@pytest.fixture
def forked(migrated: Way, guarded: Way) -> Iterator[Ways]:
    """Two copies of ``migrated``, which each module defines: all migrations of its tool, run directly, with rows."""
    server = migrated.server
    server.drop_database(guarded.database)
    other = server.create_database()
    server.drop_database(other)
    with server.connect() as session:
        for name in (guarded.database, other):
            names = {"name": Identifier(name), "template": Identifier(migrated.database)}
            session.execute(SQL("CREATE DATABASE {name} TEMPLATE {template}").format(**names))
    yield Ways(Way(server, other, server.url(other)), guarded)
    server.drop_database(other)


@contextlib.contextmanager
def direct(server: Server) -> Iterator[Way]:
    """An empty database without Interlock, for a while."""
    name = server.create_database()
    yield Way(server, name, server.url(name))
    server.drop_database(name)


def run_python(folder: Path, *arguments: str, env: Mapping[str, str]) -> Ran:
    """Run a Python program in a project's folder, as its users do from a shell."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**clean, "PYTHONDONTWRITEBYTECODE": "1", **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    return Ran(done.returncode, done.stdout)


def same(direct: Way, guarded: Way) -> None:
    """Both databases are in the same state, and only the direct way held up the application."""
    assert guarded.schema == direct.schema
    assert guarded.rows == direct.rows
    assert guarded.leftovers() == []
    assert direct.heavy, "the direct run held nobody up: this compares nothing"
    assert guarded.heavy == []

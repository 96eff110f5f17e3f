"""A database and the way to it, direct or through Interlock, and what can be said of it when a tool is done."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg.sql import SQL, Identifier

from tests.proxies import Proxy
from tests.servers import Server, database_name
from tests.tools import witness

HERE = Path(__file__).parent
TABLES = ("users", "posts", "products", "tokens")
POPULATED = "ANALYZE users, posts, products, tokens;"  # the end of rows.sql
DIFFERS = ["uid", "applied"]  # columns that hold other values in each run: random ones and the time
BOOKKEEPING = {  # likewise, in tables of the tools' own
    "knex_migrations": ["migration_time"],
    "ar_internal_metadata": ["created_at", "updated_at"],
    "databasechangelog": ["dateexecuted", "deployment_id"],
    "_yoyo_log": ["id", "created_at_utc"],
    "_yoyo_migration": ["applied_at_utc"],
    "_yoyo_version": ["installed_at_utc"],
    "goose_db_version": ["tstamp"],
    "pgmigrations": ["run_on"],
    "_prisma_migrations": ["id", "started_at", "finished_at"],
    "mikro_orm_migrations": ["executed_at"],
    "kysely_migration": ["timestamp"],
    "migrations": ["executed_at", "run_on", "date"],
    "flyway_schema_history": ["installed_on", "execution_time"],
    "gorp_migrations": ["applied_at"],
    "migration": ["ran_on"],
    "migratehistory": ["migrated_at"],
    "_sqlx_migrations": ["installed_on", "execution_time"],
    "__diesel_schema_migrations": ["run_on"],
    "seaql_migrations": ["applied_at"],
    "atlas_schema_revisions": ["executed_at", "execution_time", "operator_version"],
    "refinery_schema_history": ["applied_on"],
    "changes": ["committed_at", "planned_at", "change_id", "script_hash"],
    "dependencies": ["change_id"],
    "events": ["committed_at", "planned_at", "change_id"],
    "projects": ["created_at"],
    "releases": ["installed_at"],
    "tags": ["committed_at", "planned_at", "tag_id", "change_id"],
}


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
    audit: Path | None = None
    """Interlock's record, if it stands between."""
    since: int = 0
    """How long the server's log was when nothing had come this way yet."""

    def populate(self) -> None:
        self.server.run("psql", "-v", "ON_ERROR_STOP=1", "-f", str(HERE / "rows.sql"), database=self.database)

    def sql(self, text: str) -> None:
        """Run statements on the server itself."""
        self.server.run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-c", text, database=self.database)

    @property
    def schema(self) -> str:
        return self.server.dump(self.database)

    @property
    def rows(self) -> dict[str, list[str]]:
        """The rows of every table, the tool's bookkeeping among them."""
        return self.rows_without({})

    def rows_without(self, columns: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Likewise, without these columns of these tables."""
        with self.server.connect(self.database) as session:
            tables = session.execute(
                "SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'r'"
                " AND nspname <> ALL ('{pg_catalog,information_schema,pg_toast,interlock}') ORDER BY 1, 2"
            ).fetchall()
            query = SQL("SELECT (to_jsonb(t) - %s::text[])::text FROM {} t ORDER BY 1")
            return {
                f"{schema}.{table}": [
                    row
                    for (row,) in session.execute(
                        query.format(Identifier(schema, table)),
                        ([*DIFFERS, *BOOKKEEPING.get(table, []), *columns.get(table, ())],),
                    )
                ]
                for schema, table in tables
            }

    @property
    def statements(self) -> list[str]:
        """What the server was told to run since the tables hold rows."""
        told = self.server.statements(self.database, since=self.since)
        return told[told.index(POPULATED) + 1 :] if POPULATED in told else told

    @property
    def heavy(self) -> list[str]:
        """Of these, what holds up the users of the populated tables."""
        return witness.heavy(self.statements, TABLES)

    @property
    def copies(self) -> list[str]:
        """Likewise, what has one of these tables copied while nobody can read it."""
        return witness.rewrites(self.statements, TABLES)

    @property
    def decisions(self) -> list[tuple[str, str]]:
        """What Interlock decided of each statement: the statement and the action."""
        return [(record["statement"], record["action"]) for record in self.records]

    @property
    def records(self) -> list[dict[str, Any]]:
        """What Interlock's record says of each statement that it decided about."""
        if self.audit is None:
            return []
        whole, _, _ = self.audit.read_bytes().rpartition(b"\n")  # the last line may be half written yet
        records = [json.loads(line) for line in whole.splitlines()]
        return [record for record in records if record["action"]]

    def leftovers(self) -> list[str]:
        """Invalid indexes, constraints not validated, and what is Interlock's own by its name."""
        with self.server.connect(self.database) as session:
            rows = session.execute(
                "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
                " UNION ALL SELECT conname FROM pg_constraint WHERE NOT convalidated OR conname LIKE '%interlock%'"
                " UNION ALL SELECT relname FROM pg_class WHERE relname LIKE '%\\_interlock%' OR relname LIKE '%\\_ccnew%'"
            )
            return [name for (name,) in rows]

    def fork(self, proxy: Proxy | None = None) -> Way:
        """A copy of the database, to be reached directly or through a proxy."""
        other = self.server.create_database()
        self.server.drop_database(other)
        with self.server.connect() as session:
            names = {"name": Identifier(other), "template": Identifier(self.database)}
            session.execute(SQL("CREATE DATABASE {name} TEMPLATE {template}").format(**names))
        return through(proxy, self.server, other) if proxy else straight(self.server, other)


def through(proxy: Proxy, server: Server, database: str) -> Way:
    return Way(server, database_name(database), proxy.url(database), proxy.audit, server.log_bytes)


def straight(server: Server, database: str) -> Way:
    return Way(server, database, server.url(database), since=server.log_bytes)


@contextlib.contextmanager
def direct(server: Server) -> Iterator[Way]:
    """An empty database without Interlock, for a while."""
    name = server.create_database()
    yield straight(server, name)
    server.drop_database(name)


def same(direct: Way, guarded: Way) -> None:
    """Both databases are in the same state, and only the direct way held up the application."""
    assert guarded.schema == direct.schema
    assert guarded.rows == direct.rows
    assert guarded.leftovers() == []
    assert direct.heavy, "the direct run held nobody up: this compares nothing"
    assert guarded.heavy == []
    assert all("bigint" in copying.lower() for copying in guarded.copies), guarded.copies  # by an exception

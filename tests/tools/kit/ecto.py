"""Ecto, replayed: its packages cannot be had here, so a raw client sends what mix ecto.migrate was recorded to send.

(ecto_sql 3.13, Postgrex 0.21.)  Two connections that change places from migration to migration, one of them with the
lock in a transaction, or a session's advisory lock; Flush in the place of Sync; a portal left open; the version as a
binary parameter; pings; a CancelRequest at the end, and no goodbye.
"""

from __future__ import annotations

import itertools
import re
import socket
import struct
from functools import partial
from pathlib import Path

from proxy.wire import messages as m
from tests.live.raw import Answer, Raw, error, kinds
from tests.tools.scenario import Tool, sources
from tests.tools.ways import Ran, Way

PATIENCE_S = 100  # Postgrex waits without limit for a migration's statements
TYPES = """SELECT t.oid, t.typname, t.typsend, t.typreceive, t.typoutput, t.typinput,
       coalesce(d.typelem, t.typelem), coalesce(r.rngsubtype, 0), ARRAY (
  SELECT a.atttypid FROM pg_attribute AS a
  WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
)
FROM pg_type AS t
LEFT JOIN pg_type AS d ON t.typbasetype = d.oid
LEFT JOIN pg_range AS r ON r.rngtypid = t.oid OR (t.typbasetype <> 0 AND r.rngtypid = t.typbasetype)
WHERE (t.typrelid = 0) AND (t.typelem = 0 OR NOT EXISTS (
  SELECT 1 FROM pg_catalog.pg_type s WHERE s.typrelid != 0 AND s.oid = t.typelem))"""
TABLE = (
    'CREATE TABLE IF NOT EXISTS "schema_migrations"'
    ' ("version" bigint, "inserted_at" timestamp(0), PRIMARY KEY ("version"))'
)
LOCK = 'LOCK TABLE "schema_migrations" IN SHARE UPDATE EXCLUSIVE MODE'
TRY, UNLOCK = "SELECT pg_try_advisory_lock(17284655)", "SELECT pg_advisory_unlock(17284655)"
VERSIONS = 'SELECT s0."version" FROM "schema_migrations" AS s0'
INSERT = 'INSERT INTO "schema_migrations" ("version","inserted_at") VALUES ($1,$2)'
DELETE = 'DELETE FROM "schema_migrations" AS s0 WHERE (s0."version" = $1::bigint)'
ALONE = "@disable_ddl_transaction"


class PostgrexError(Exception):
    def __init__(self, fields: dict[str, str]) -> None:
        said = f"** (Postgrex.Error) ERROR {fields['C']} (nil) {fields['M']}"
        said += "".join(f"\n\n    {name}: {fields[key]}" for name, key in (("hint", "H"),) if fields.get(key))
        super().__init__(said + (f"\n\n{fields['D']}" if fields.get("D") else ""))


def bind(name: bytes, *values: int) -> bytes:
    """Binary parameters and results."""
    body = b"\0" + name + b"\0" + struct.pack(">HHH", 1, 1, len(values))
    body += b"".join(struct.pack(">Iq", 8, value) for value in values) + struct.pack(">HH", 1, 1)
    return b"B" + struct.pack(">I", len(body) + 4) + body


class Connection:
    """A connection of the pool."""

    def __init__(self, url: str) -> None:
        self.raw = Raw(url)
        self.raw.socket.settimeout(PATIENCE_S)
        self.names: set[bytes] = set()
        self.said: list[str] = []

    def _heard(self, *until: str) -> list[Answer]:
        answers = self.raw.until(*until)
        self.said += [m.read_fields(body)["M"] for kind, body in answers if kind == "N"]
        return answers

    def _until(self, *wanted: str) -> list[Answer]:
        """Up to one of these types; an error is answered by Sync, and raised."""
        answers: list[Answer] = []
        while not answers or answers[-1][0] not in (*wanted, "E"):
            answers.append(self.raw.next(answers))
        if answers[-1][0] == "E":
            self.raw.send(m.sync())
            self.raw.until("Z")
            raise PostgrexError(error(answers))
        return answers

    def _done(self) -> list[Answer]:
        answers = self._heard("Z")
        if "E" in kinds(answers):
            raise PostgrexError(error(answers))
        return answers

    def simple(self, sql: str) -> None:
        self.raw.send(m.query(sql.encode()))
        self._done()

    def ddl(self, sql: str) -> None:
        self.raw.send(m.parse(b"", sql.encode()), m.describe(b"S", b""), m.flush())
        self._until("n", "T")
        self.raw.send(bind(b""), m.execute(b""), m.close(b"S", b""), m.sync())
        self._done()

    def named(self, sql: str, name: str, *values: int, flush: bool = True) -> list[list[bytes | None]]:
        """The first time prepared, up to Flush or Sync; its portal stays open."""
        key = name.encode()
        if key not in self.names:
            end = m.flush() if flush else m.sync()
            self.raw.send(m.close(b"S", key), m.parse(key, sql.encode()), m.describe(b"S", key), end)
            self._until(*("n", "T") if flush else "Z")
            self.names.add(key)
        self.raw.send(bind(key, *values), m.execute(b""), m.sync())
        return [m.read_data_row(body) for kind, body in self._done() if kind == "D"]

    def ping(self) -> None:
        self.raw.send(m.sync())
        self._heard("Z")

    def drop(self) -> None:
        """As Postgrex does when the VM ends: a CancelRequest on another connection, and the sockets are closed."""
        with socket.create_connection(self.raw.address) as other:
            other.sendall(m.cancel_request(*self.raw.key))
            other.recv(1)
        self.raw.close()


class Migrator:
    def __init__(self, way: Way, lock: str) -> None:
        self.pool = Connection(way.url), Connection(way.url)
        self.lock = lock
        self.numbers = itertools.count(418)
        self.printed: list[str] = []
        self.pool[0].simple(TYPES)
        self.pool[0].ddl(TABLE)

    def applied(self, one: Connection, *, flush: bool = True) -> list[int]:
        return [int.from_bytes(v or b"", "big") for (v,) in one.named(VERSIONS, "ecto_418", flush=flush)]

    def pending(self) -> list[int]:
        lock, other = self.pool
        other.simple("BEGIN")
        other.ddl(LOCK)
        found = self.applied(other, flush=False)
        other.simple("COMMIT")
        self.pool = other, lock
        return found

    def step(self, version: int, text: str, *, down: bool) -> None:
        """One migration; the connections have changed places when it is done."""
        locker, worker = self.pool
        alone = ALONE in text
        up, _, back = text.partition("-- down\n")
        lines = [line for line in (back if down else up).splitlines() if not line.startswith("--")]
        statements = [line.removesuffix(";") for line in lines if line]
        if not alone:
            self._take(locker)
        try:
            if (version in self.applied(locker)) is not down:
                return  # another node has done it meanwhile
            if not alone:
                worker.simple("BEGIN")
            for number, sql in enumerate(statements):
                self._statement(worker, version * 100 + number, sql)
                locker.ping()
            recorder = locker if alone else worker
            if down:
                recorder.named(DELETE, "ecto_722", version, flush=False)
            else:
                recorder.named(INSERT, "ecto_insert_schema_migrations_0", version, 0)
            if not alone:
                worker.simple("COMMIT")
        except PostgrexError:
            if not alone:
                worker.simple("ROLLBACK")
            raise
        finally:
            if not alone:
                self._release(locker)
            self.printed += [f"[warning] {said}" for one in self.pool for said in one.said]
            for one in self.pool:
                one.said.clear()
        self.pool = worker, locker

    def _statement(self, worker: Connection, number: int, sql: str) -> None:
        if sql.startswith(("UPDATE", "SELECT")):
            worker.named(sql, f"ecto_{number}", flush=False)
        else:
            worker.ddl(sql)

    def _take(self, locker: Connection) -> None:
        if self.lock == "table":
            locker.simple("BEGIN")
            locker.ddl(LOCK)
        else:
            while locker.named(TRY, "ecto_700") != [[b"\1"]]:
                pass

    def _release(self, locker: Connection) -> None:
        if self.lock == "table":
            locker.simple("COMMIT")
        else:
            locker.named(UNLOCK, "ecto_701")


def migrate(lock: str, folder: Path, way: Way, *, down: bool = False) -> Ran:
    migrator = Migrator(way, lock)
    done = set(migrator.pending())
    files = {int(path.name[:14]): path for path in sorted((folder / "priv/repo/migrations").glob("*.sql"))}
    chosen = [max(done)] if down else [version for version in files if version not in done]
    try:
        for version in chosen:
            migrator.printed.append(
                f"[info] == {version} {files[version].stem[15:]} {'backward' if down else 'forward'}"
            )
            migrator.step(version, files[version].read_text(), down=down)
    except PostgrexError as problem:
        return Ran(1, "\n".join([*migrator.printed, str(problem)]))
    finally:
        for one in migrator.pool:
            one.drop()
    return Ran(0, "\n".join(migrator.printed))


MIGRATIONS = sources("ecto/migrations", "priv/repo/migrations/")
REMEDIED = {
    re.sub("slug", "slug_index", path): f"-- {ALONE} true, @disable_migration_lock true\n" + text
    for path, text in MIGRATIONS[-1].items()
}
TOOLS = {
    f"ecto-{lock}": Tool(
        f"Ecto 3.13, {told} (Postgrex 0.21; replayed)",
        MIGRATIONS,
        partial(migrate, lock),
        back=partial(migrate, lock, down=True),
        remedied=REMEDIED,
        shown=("in Ecto: put @disable_ddl_transaction true and @disable_migration_lock true",),
    )
    for lock, told in (("table", "table lock"), ("advisory", "advisory lock"))
}

"""Message sequences of real drivers' migrations, as recorded on the wire, and a client that sends them.

A line is ``connection [messages] text``, a message as in the protocol's own letters: Q Query, P Parse with the name of the
statement, B Bind, Ds and Dp Describe of statement and portal, E Execute, Cs Close of the statement, H Flush, S Sync; at ``|`` the
driver waits for the answer.  ``(name)`` before the text is the statement that is bound, ``;;`` stands between texts, and before
parameters.  ``retry``: again until its row says true.  Indented lines are sent only if the query before them had no row.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from proxy.wire import messages as m
from tests.live.raw import Answer, Raw, error, kinds

ECTO = """
c1 [Q] SELECT t.oid, t.typname, t.typsend, t.typreceive, t.typoutput, t.typinput FROM pg_type AS t WHERE t.typrelid = 0
c1 [P'' Ds H | B E Cs S] CREATE TABLE IF NOT EXISTS "schema_migrations" ("version" bigint, "inserted_at" timestamp(0), PRIMARY KEY ("version"))
c2 [Q] BEGIN
c2 [P'' Ds H | B E Cs S] LOCK TABLE "schema_migrations" IN SHARE UPDATE EXCLUSIVE MODE
c2 [Cs P'ecto_418' Ds S | B E S] SELECT s0."version" FROM "schema_migrations" AS s0
c2 [Q] COMMIT
c1 [Q] BEGIN
c1 [P'' Ds H | B E Cs S] LOCK TABLE "schema_migrations" IN SHARE UPDATE EXCLUSIVE MODE
c1 [Cs P'ecto_418' Ds H | B E S] SELECT s0."version" FROM "schema_migrations" AS s0
  c2 [Q] BEGIN
  c2 [P'' Ds H | B E Cs S] CREATE UNIQUE INDEX "orders_email_index" ON "orders" ("email")
  c2 [P'' Ds H | B E Cs S] ALTER TABLE "orders" ALTER COLUMN "email" SET NOT NULL
  c2 [Cs P'ecto_insert_schema_migrations_0' Ds H | B E S] INSERT INTO "schema_migrations" ("version","inserted_at") VALUES ($1,$2) ;; 20240101000001 2024-01-01
  c2 [Q] COMMIT
c1 [Q] COMMIT
"""
FLYWAY = """
c1 [P'' B E S] SET extra_float_digits = 3
c1 [P'' B E S] SET application_name = 'PostgreSQL JDBC Driver'
c2 [P'' B E S] SET application_name = 'PostgreSQL JDBC Driver'
c1 [P'' B E P'' B Dp E S] BEGIN ;; SELECT 1
c1 [P'S_1' B E S] COMMIT
c2 [P'' B E P'' B Dp E S] BEGIN ;; SELECT 1
c2 [P'S_1' B E S] COMMIT
c1 [P'' B E P'' B Dp E S] BEGIN ;; SELECT 1
c1 retry [P'' B Dp E S] SELECT pg_try_advisory_xact_lock(77433833903597)
c2 [P'' B Dp E S] CREATE TABLE IF NOT EXISTS "schema_migrations" ("version" bigint, "inserted_at" timestamp(0), PRIMARY KEY ("version"))
c2 [P'' B Dp E S] SELECT "version" FROM "schema_migrations" WHERE "version" > $1 ;; -1
  c2 [P'' B E P'' B Dp E S] BEGIN ;; CREATE UNIQUE INDEX orders_email_index ON orders (email)
  c2 [P'' B Dp E S] ALTER TABLE orders ALTER COLUMN email SET NOT NULL
  c2 [P'' B Dp E S] INSERT INTO "schema_migrations" VALUES ($1, $2) ;; 20240101000001 2024-01-01
  c2 [B E S] (S_1) COMMIT
c1 [B E S] (S_1) COMMIT
"""
LARAVEL = """
c1 [P'pdo_stmt_00000001' S | B Dp E S] set names 'utf8'
c1 [Q] DEALLOCATE pdo_stmt_00000001
c1 [P'pdo_stmt_00000002' S | B Dp E S] create table if not exists "schema_migrations" ("version" bigint not null, "inserted_at" timestamp(0))
c1 [Q] DEALLOCATE pdo_stmt_00000002
c1 [P'pdo_stmt_00000003' S | B Dp E S] select "version" from "schema_migrations" order by "version" asc
  c1 [Q] DEALLOCATE pdo_stmt_00000003
  c1 [Q] BEGIN
  c1 [P'pdo_stmt_00000004' S | B Dp E S] create unique index "orders_email_index" on "orders" ("email")
  c1 [Q] DEALLOCATE pdo_stmt_00000004
  c1 [P'pdo_stmt_00000005' S | B Dp E S] alter table "orders" alter column "email" set not null
  c1 [Q] DEALLOCATE pdo_stmt_00000005
  c1 [Q] COMMIT
  c1 [P'pdo_stmt_00000006' S | B Dp E S] insert into "schema_migrations" values ($1, $2) ;; 20240101000001 2024-01-01
  c1 [Q] DEALLOCATE pdo_stmt_00000006
"""
ASYNCPG = """
c1 [P'__asyncpg_stmt_1__' Ds H | B E S] CREATE TABLE IF NOT EXISTS "schema_migrations" ("version" bigint PRIMARY KEY, "inserted_at" timestamp(0))
c1 [Q] BEGIN;
c1 [P'__asyncpg_stmt_2__' Ds H | B E S] SELECT "version" FROM "schema_migrations"
  c1 [P'__asyncpg_stmt_3__' Ds H | B E S] CREATE UNIQUE INDEX orders_email_index ON orders (email)
  c1 [P'__asyncpg_stmt_4__' Ds H | B E S] ALTER TABLE orders ALTER COLUMN email SET NOT NULL
  c1 [P'__asyncpg_stmt_5__' Ds H | B E S] INSERT INTO "schema_migrations" VALUES ($1, $2) ;; 20240101000001 2024-01-01
c1 [Q] COMMIT;
"""
PG8000 = """
c1 [Q] CREATE TABLE IF NOT EXISTS "schema_migrations" ("version" bigint PRIMARY KEY, "inserted_at" timestamp(0))
c1 [Q] begin transaction
c1 [P'' H S | Ds H S | B H E H S] SELECT "version" FROM "schema_migrations" WHERE "version" > $1 ;; -1
  c1 [Q] CREATE UNIQUE INDEX orders_email_index ON orders (email)
  c1 [Q] ALTER TABLE orders ALTER COLUMN email SET NOT NULL
  c1 [P'' H S | Ds H S | B H E H S] INSERT INTO "schema_migrations" VALUES ($1, $2) ;; 20240101000001 2024-01-01
c1 [P'' H S | Ds H S | B H E H S] commit
"""
RECORDINGS = {"Ecto": ECTO, "Flyway, pgjdbc": FLYWAY, "Laravel, PDO": LARAVEL, "asyncpg": ASYNCPG, "pg8000": PG8000}
RETRY_S = 0.05


class Stopped(Exception):
    """The migration failed, and the driver rolls back and goes; its fields."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(fields["M"])
        self.fields = fields


def play(recording: str, connections: Mapping[str, Raw]) -> None:
    """Send it all.  Raises Stopped at the first error, TimeoutError if an answer does not come."""
    said: list[Answer] = []
    for line in recording.strip().splitlines():
        if line.startswith("  ") and "D" in kinds(said):
            continue
        name, _, rest = line.strip().partition(" ")
        head, _, text = rest.partition("] ")
        shape = head.partition("[")[2].split()
        while True:
            answer = _send(connections[name], shape, text)
            if not line.startswith("  "):
                said = answer
            if not head.startswith("retry") or _is_true(answer):
                break
            time.sleep(RETRY_S)


def _is_true(said: list[Answer]) -> bool:
    return any(kind == "D" and body.endswith(b"t") for kind, body in said)


def _send(raw: Raw, shape: list[str], text: str) -> list[Answer]:
    texts = text.split(" ;; ")
    bound, parsed = b"", ""
    if texts[0].startswith("("):
        name, _, texts[0] = texts[0][1:].partition(") ")
        bound = name.encode()
    many = sum(token.startswith("P") for token in shape)
    parameters = [value.encode() for value in texts[many].split()] if many < len(texts) and many else []
    said: list[Answer] = []
    flight: list[bytes] = []
    waits: list[str] = []
    for token in [*shape, "|"]:
        match token[0]:
            case "Q":
                flight.append(m.query(text.encode()))
                waits.append("Z")
            case "P":
                bound, parsed = token[2:-1].encode(), texts.pop(0)
                flight.append(m.parse(bound, parsed.encode()))
            case "B":
                flight.append(m.bind(b"", bound, parameters if "$1" in parsed else []))
            case "D":
                flight.append(m.describe(b"S", bound) if token == "Ds" else m.describe(b"P", b""))
            case "E":
                flight.append(m.execute(b""))
            case "C":
                flight.append(m.close(b"S", bound))
            case "H":
                flight.append(m.flush())
            case "S":
                flight.append(m.sync())
                waits.append("Z")
            case _:
                raw.send(*flight)
                said += raw.until(*waits) if waits else _flushed(raw)
                flight, waits = [], []
                if "E" in kinds(said):
                    if "Z" not in kinds(said):
                        raw.send(m.sync())
                        raw.until("Z")
                    raise Stopped(error(said))
    return said


def _flushed(raw: Raw) -> list[Answer]:
    """The answer to Parse and Describe behind a Flush."""
    said: list[Answer] = []
    while not said or said[-1][0] not in "nTE":
        said.append(raw.next(said))
    return said

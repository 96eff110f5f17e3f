"""``interlock unfinished`` lists what is left half-done, and what it says finishes it."""

from __future__ import annotations

import json

import psycopg
import pytest
from click.testing import CliRunner, Result

from proxy.cli import main
from tests.servers import Server

SCHEMA = """
CREATE SCHEMA "my app";
CREATE TABLE "my app"."Orders" (id int PRIMARY KEY, total int, twice int);
INSERT INTO "my app"."Orders" VALUES (1, 1, 1), (2, 2, 1);
ALTER TABLE "my app"."Orders" ADD CONSTRAINT "is positive" CHECK (total > 0) NOT VALID;
CREATE TABLE fine (id int PRIMARY KEY, CHECK (id > 0));
CREATE TABLE parted (k int, w int) PARTITION BY RANGE (k);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (9);
CREATE INDEX parted_w ON ONLY parted (w);
"""


def look(url: str, *more: str) -> Result:
    return CliRunner().invoke(main, ["unfinished", "--database", url, *more], prog_name="interlock")


def test_what_is_left_and_what_finishes_it(database: str, postgres: Server) -> None:
    with psycopg.connect(database, autocommit=True) as session:
        assert (look(database).exit_code, look(database).stdout) == (0, "")
        session.execute(SCHEMA)
        with pytest.raises(psycopg.errors.UniqueViolation):
            session.execute('CREATE UNIQUE INDEX CONCURRENTLY "one of each" ON "my app"."Orders" (twice)')
        expected = [
            ("NOT VALID", "Orders", "is positive"),
            ("invalid index", "Orders", "one of each"),
            ("invalid index", "parted", "parted_w"),
        ]
        if postgres.version >= 14:
            half_detached(database, session)
            expected.append(("half detached", "logs", "public.logs_1"))
        result = look(database, "--format", "json")
        found = json.loads(result.stdout)["unfinished"]
        assert result.exit_code == 1
        assert sorted((f["kind"], f["table"], f["name"]) for f in found) == sorted(expected)
        said = look(database).stdout
        assert '    = ALTER TABLE "my app"."Orders" VALIDATE CONSTRAINT "is positive";' in said
        for one in found:
            for sql in one["finish"]:
                if not sql.startswith("--"):
                    session.execute(sql)
        session.execute("CREATE INDEX parted_1_w ON parted_1 (w); ALTER INDEX parted_w ATTACH PARTITION parted_1_w")
    assert look(database).exit_code == 0


def half_detached(url: str, session: psycopg.Connection) -> None:
    session.execute(
        "CREATE TABLE logs (k int) PARTITION BY RANGE (k); CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (9)"
    )
    with psycopg.connect(url) as reader:
        reader.execute("SELECT * FROM logs")
        session.execute("SET statement_timeout = '300ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            session.execute("ALTER TABLE logs DETACH PARTITION logs_1 CONCURRENTLY")
    session.execute("RESET statement_timeout")


def test_an_index_that_is_being_built_is_not_left(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as session, psycopg.connect(database) as builder:
        session.execute(SCHEMA)
        session.execute('DROP INDEX parted_w; ALTER TABLE "my app"."Orders" DROP CONSTRAINT "is positive"')
        with pytest.raises(psycopg.errors.UniqueViolation):
            session.execute('CREATE UNIQUE INDEX CONCURRENTLY twice ON "my app"."Orders" (twice)')
        builder.execute('LOCK TABLE "my app"."Orders" IN SHARE UPDATE EXCLUSIVE MODE')  # as a build holds it
        assert look(database).exit_code == 0
    assert look(database).exit_code == 1


def test_a_database_that_is_not_there(postgres: Server) -> None:
    result = look(postgres.url("nowhere"))
    assert result.exit_code == 2
    assert result.stderr.startswith("interlock: --database: ")

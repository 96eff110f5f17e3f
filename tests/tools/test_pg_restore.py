"""pg_restore through Interlock: each command by itself, in one transaction, by several connections, and over what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.binaries import run_client
from tests.servers import Server
from tests.tools.scenario import STEPS
from tests.tools.ways import Way, direct


@pytest.fixture(scope="module")
def shop(postgres: Server) -> Iterator[Way]:
    """What psql makes of the whole history, with rows."""
    if postgres.version < 17:
        pytest.skip("pg_restore 18 sets transaction_timeout, which servers have from 17 on: it fails directly, too")
    with direct(postgres) as way:
        way.sql(STEPS[0].up)
        way.populate()
        for step in STEPS[1:]:
            for statement in step.statements():
                way.sql(statement)
        yield way


@pytest.fixture
def dump(shop: Way, tmp_path: Path) -> Path:
    run_client("pg_dump", "-Fd", "--no-sync", "-f", str(tmp_path / "dump"), url=shop.url)
    return tmp_path / "dump"


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("-1",), ("-j", "2")], ids=" ".join)
def test_into_an_empty_database(options: tuple[str, ...], shop: Way, dump: Path, guarded: Way) -> None:
    """A table of the session's own is left alone, with its indexes and constraints."""
    done = run_client("pg_restore", "--exit-on-error", *options, str(dump), url=guarded.url, check=False)
    assert done.returncode == 0, done.stderr
    assert guarded.schema == shop.schema
    assert guarded.rows == shop.rows
    assert guarded.leftovers() == []


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("-1",)], ids=" ".join)
def test_over_what_is_there(
    options: tuple[str, ...], shop: Way, dump: Path, start_way: Callable[..., Way], guarded: Way
) -> None:
    there = start_way(shop)
    arguments = ("--exit-on-error", "--clean", "--if-exists", *options, str(dump))
    done = run_client("pg_restore", *arguments, url=there.url, check=False)
    assert done.returncode == 0, done.stderr
    assert there.schema == shop.schema
    assert there.rows == shop.rows
    assert there.leftovers() == []
    shop.server.drop_database(there.database)


@pytest.mark.slow
def test_psql_tells_what_ran_instead(start_way: Callable[..., Way], shop: Way, guarded: Way) -> None:
    there = start_way(shop)
    outside = run_client("psql", "-c", "ALTER TABLE products ADD CHECK (id > 0)", url=there.url)
    notices = [line for line in outside.stderr.splitlines() if "interlock:" in line]
    assert "NOT VALID" in notices[0]
    assert "VALIDATE CONSTRAINT" in notices[1]
    assert "done in" in notices[-1]
    inside = run_client("psql", "-1", "-c", "CREATE INDEX later ON posts (slug)", url=there.url)
    assert "after COMMIT CREATE INDEX CONCURRENTLY later ON posts (slug)" in inside.stderr
    shop.server.drop_database(there.database)

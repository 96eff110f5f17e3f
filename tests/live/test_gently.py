"""DROPs that would lock several tables at once take their foreign keys away before, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.live.conftest import start_guard, through
from tests.live.test_batches import run
from tests.proxies import Proxy
from tests.servers import Server

SCHEMA = """
CREATE TABLE shops (id int PRIMARY KEY); CREATE TABLE users (id int PRIMARY KEY);
CREATE TABLE visits (id int PRIMARY KEY, shop int REFERENCES shops, guest int, rival int REFERENCES shops);
ALTER TABLE visits ADD CONSTRAINT is_known FOREIGN KEY (guest) REFERENCES users NOT VALID;
COMMENT ON CONSTRAINT is_known ON visits IS 'who';
CREATE TABLE notes (visit int REFERENCES visits);
"""


@pytest.fixture
def proxied(
    postgres: Server, database: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> tuple[str, str, Proxy]:
    run(database, SCHEMA)
    proxy = start_guard(start_proxy, tmp_path)
    return database, through(proxy, database), proxy


def steps(proxy: Proxy, sql: str) -> list[str]:
    return [step["sql"] for record in proxy.records() if record["statement"] == sql for step in record["steps"]]


CASES = {
    "DROP TABLE notes, visits": [
        "ALTER TABLE public.visits DROP CONSTRAINT is_known",
        "ALTER TABLE public.visits DROP CONSTRAINT visits_rival_fkey",
        "ALTER TABLE public.visits DROP CONSTRAINT visits_shop_fkey",
    ],
    "DROP TABLE visits CASCADE": [
        "ALTER TABLE public.visits DROP CONSTRAINT is_known",
        "ALTER TABLE public.visits DROP CONSTRAINT visits_rival_fkey",
        "ALTER TABLE public.visits DROP CONSTRAINT visits_shop_fkey",
        "ALTER TABLE public.notes DROP CONSTRAINT notes_visit_fkey",
    ],
    "ALTER TABLE visits DROP COLUMN shop, DROP guest": [
        "ALTER TABLE public.visits DROP CONSTRAINT visits_shop_fkey",
        "ALTER TABLE public.visits DROP CONSTRAINT is_known",
    ],
    "ALTER TABLE visits DROP COLUMN shop": [],
    "DROP TABLE visits": [],  # it fails
    "DROP TABLE notes": [],
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("sql", CASES)
def test_one_at_a_time(sql: str, postgres: Server, proxied: tuple[str, str, Proxy]) -> None:
    database, url, proxy = proxied
    expected = postgres.create_database()
    run(postgres.url(expected), SCHEMA)
    outcomes = []
    for each in (postgres.url(expected), url):
        try:
            run(each, sql)
            outcomes.append("")
        except psycopg.Error as error:
            outcomes.append(error.diag.sqlstate or "")
    assert outcomes[0] == outcomes[1]
    assert postgres.dump(database.rpartition("/")[2]) == postgres.dump(expected)
    assert steps(proxy, sql) == [*CASES[sql], sql]
    postgres.drop_database(expected)


def test_what_depends_on_it_in_a_way_that_is_not_known_brings_the_keys_back(
    postgres: Server, proxied: tuple[str, str, Proxy]
) -> None:
    database, url, _ = proxied
    run(database, "DROP TABLE notes; CREATE FUNCTION f(visits) RETURNS int LANGUAGE sql AS 'SELECT 1'")
    before = postgres.dump(database.rpartition("/")[2])
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        run(url, "DROP TABLE visits")
    assert postgres.dump(database.rpartition("/")[2]) == before

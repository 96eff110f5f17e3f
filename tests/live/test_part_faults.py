"""Partitions, REINDEX and REFRESH: whoever dies or cancels at whichever point, and what the application can do meanwhile.

As tests/live/test_faults.py does it for tables: an event trigger or a snapshot holds the server at the point.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
import pytest

from tests.live.test_faults import NO_GATES, THERE_ALREADY, VICTIMS, Place, Story, place, places, stopped_at, strike
from tests.live.test_patience import until
from tests.live.test_undo import INVALID, LEFT, rows

__all__ = ["place", "places"]

TABLES = """
CREATE TABLE people (id int PRIMARY KEY, name text);
CREATE TABLE idle (id int);
INSERT INTO people SELECT g, 'p' || g FROM generate_series(0, 99) g;
CREATE TABLE ev (id int, at int NOT NULL, kind text) PARTITION BY RANGE (at);
CREATE TABLE ev_1 PARTITION OF ev FOR VALUES FROM (0) TO (10);
CREATE TABLE ev_2 PARTITION OF ev FOR VALUES FROM (10) TO (20);
INSERT INTO ev SELECT g, g % 20, 'k' || g FROM generate_series(0, 89) g;
CREATE INDEX ON ev (kind);
"""
DEFAULT = "CREATE TABLE ev_d PARTITION OF ev DEFAULT; INSERT INTO ev VALUES (1, 99, 'x');"
NEW = "CREATE TABLE new (id int, at int NOT NULL, kind text); INSERT INTO new SELECT g, 40 + g % 5, 'k' FROM generate_series(0, 49) g;"
VIEW = "CREATE MATERIALIZED VIEW seen AS SELECT id FROM people; CREATE UNIQUE INDEX ON seen (id); INSERT INTO people VALUES (100, 'new');"
# Of an ATTACH and a DETACH that are sent twice: it is a partition, it is none.
ALREADY = (*THERE_ALREADY, "42809", "42P01")


@dataclass(frozen=True)
class Form:
    sql: str
    more: str = ""  # to be made beside TABLES
    waits_for: str = "idle"
    since: int = 13


FORMS = {
    "key": Form("ALTER TABLE ev ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES people"),
    "attach": Form("ALTER TABLE ev ATTACH PARTITION new FOR VALUES FROM (40) TO (45)", DEFAULT + NEW),
    "of": Form("CREATE TABLE new PARTITION OF ev FOR VALUES FROM (40) TO (45)", DEFAULT),
    "detach": Form("ALTER TABLE ev DETACH PARTITION ev_1", waits_for="ev WHERE at = 15", since=14),
    "reindex": Form("REINDEX TABLE people"),
    "reindex at its end": Form("REINDEX TABLE people", waits_for="people"),
    "reindex of an index": Form("REINDEX INDEX people_pkey"),
    "reindex of partitions": Form("REINDEX TABLE ev", since=14),
    "reindex of a schema": Form("REINDEX SCHEMA public"),
    "refresh": Form("REFRESH MATERIALIZED VIEW seen", VIEW),
}
USE = [
    "SELECT count(*) FROM ev",
    "INSERT INTO ev VALUES (3, 13, 'more'), (4, 13, 'more')",
    "UPDATE ev SET kind = 'other' WHERE id = 3",
    "DELETE FROM ev WHERE id = 3",
    "SELECT count(*) FROM people",
    "INSERT INTO people VALUES (200, 'more')",
    "UPDATE people SET name = 'other' WHERE id = 200",
    "DELETE FROM people WHERE id = 200",
]


def points(story: Story, form: str) -> list[tuple[int, str]]:
    if "reindex" in form:  # event triggers know of it from 17 on
        return [(number, "late" if form == "reindex at its end" else "in") for number in range(len(story.steps))]
    return story.points


@pytest.fixture
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def story(form: str, place: Place) -> Iterator[Story]:
    asked = FORMS[form]
    if place.server.version < asked.since:
        pytest.skip(f"from {asked.since} on")
    one = Story(place, asked.sql, TABLES + asked.more, asked.waits_for)
    yield one
    place.server.drop_database(one.direct)


every_form = pytest.mark.parametrize("form", FORMS, indirect=True)


@pytest.mark.timeout(300)
@pytest.mark.sampled(12)
@pytest.mark.parametrize("victim", VICTIMS)
@every_form
def test_the_same_statement_again_completes(victim: str, form: str, story: Story) -> None:
    strike(story, victim, points(story, form), ALREADY)


@pytest.mark.sampled(4)
@pytest.mark.timeout(300)
@every_form
def test_a_cancel_takes_all_back_or_says_what_is_left(form: str, story: Story) -> None:
    for number, where in points(story, form):
        with (
            psycopg.connect(story.place.through(story.direct), autocommit=True) as client,
            ThreadPoolExecutor(1) as pool,
        ):
            with story.held_at(number, where) as stopped:
                running = pool.submit(client.execute, story.sql)
                stopped_at(story, stopped, f"step {number}: should stop {where} it")
                story.open_gates()
                client.cancel_safe()
                half = is_half_detached(story, number, where)  # what finishes it waits for the same, without queueing
                until(
                    lambda s=stopped, r=running, h=half: r.done() or (rows(story.direct, s) == []) is h, "the way back"
                )
            with pytest.raises(psycopg.errors.QueryCanceled) as caught:
                running.result(timeout=60)
            for name in ("lock_timeout", "statement_timeout"):
                assert client.execute(f"SHOW {name}").fetchone() == ("0",)
        hint = caught.value.diag.message_hint or ""
        if half:  # its rows are no longer the table's: it is detached
            assert "DROP CONSTRAINT IF EXISTS" in hint
            assert story.send() == ""
            story.check(story.wanted)
        else:
            assert "run by hand" not in hint, hint
            story.check(story.before, f"step {number}, {where}")
        story.reset()


def is_half_detached(story: Story, number: int, where: str) -> bool:
    detaching = [
        at for at, step in enumerate(story.steps) if step.sql.endswith("CONCURRENTLY") and "DETACH" in step.sql
    ]
    return bool(detaching) and (number, where) > (detaching[0], "before")


@pytest.mark.sampled(2)
@every_form
def test_the_application_goes_on_while_rows_are_read(form: str, story: Story) -> None:
    """In the midst of a concurrent step, and with all locks of one that reads rows in a transaction: reads and writes pass."""
    long = [(n, where) for n, where in points(story, form) if where != "before" and story.steps[n].budget == "builds"]
    assert long or form == "refresh"
    for number, where in long:
        with ThreadPoolExecutor(1) as pool:
            with story.held_at(number, where) as stopped:
                running = pool.submit(story.send)
                stopped_at(story, stopped, f"step {number}: should stop in it")
                with psycopg.connect(story.direct, autocommit=True) as application:
                    application.execute("SET lock_timeout = '5s'")
                    for sql in USE:
                        application.execute(sql)
                    if form == "attach":
                        application.execute("SELECT count(*) FROM new")
                        application.execute("INSERT INTO new VALUES (3, 43, 'more')")
                story.open_gates()
            assert running.result(timeout=60) == ""
        assert rows(story.direct, LEFT) + rows(story.direct, INVALID) == []
        with psycopg.connect(story.direct, autocommit=True) as session:
            session.execute(NO_GATES)
        story.reset()


# ---------------------------------------------------------------- what is not ours


@pytest.mark.parametrize("form", ["reindex"], indirect=True)
def test_only_what_a_reindex_has_left_is_dropped(form: str, story: Story) -> None:
    """A valid index of such a name stays, and so does an invalid one that is named after no index of the table."""
    with psycopg.connect(story.direct, autocommit=True) as session:
        session.execute("CREATE INDEX people_pkey_ccnew ON people (name)")
        session.execute("INSERT INTO people SELECT g, 'p' FROM generate_series(300, 301) g")
        with pytest.raises(psycopg.errors.UniqueViolation):
            session.execute("CREATE UNIQUE INDEX CONCURRENTLY mine_ccnew ON people (name)")
        session.execute("DELETE FROM people WHERE id = 301")
    with ThreadPoolExecutor(1) as pool:
        with story.held_at(0, "in") as stopped:
            running = pool.submit(story.send)
            pid = stopped_at(story, stopped, "it should stop")
            assert sorted(str(name) for name in rows(story.direct, INVALID)) == ["mine_ccnew", "mine_ccnew_ccnew"]
            rows(story.direct, f"SELECT pg_terminate_backend({pid})")
        assert running.result(timeout=60) == "57P01"
    assert "mine_ccnew_ccnew" in rows(story.direct, INVALID)
    assert story.send() == ""
    names = "SELECT relname FROM pg_class JOIN pg_index ON indexrelid = oid WHERE indrelid = 'people'::regclass AND indisvalid"
    assert sorted(str(name) for name in rows(story.direct, names)) == ["mine_ccnew", "people_pkey", "people_pkey_ccnew"]

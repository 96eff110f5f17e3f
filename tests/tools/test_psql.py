"""psql runs SQL scripts through Interlock, statement by statement and in one transaction."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import Server, run_client
from tests.tools.conftest import HERE, REJECTING, Ran, Way, Ways, direct, same

FIRST, *OTHERS = sorted((HERE / "psql").glob("*.sql"))
LATER = """
ALTER TABLE posts ADD COLUMN slug text;
CREATE INDEX posts_slug_idx ON posts (slug);
INSERT INTO schema_history VALUES (14, 'slug');
"""


def psql(way: Way, *arguments: str, text: str = "") -> Ran:
    done = run_client("psql", "-q", "-v", "ON_ERROR_STOP=1", *arguments, url=way.url, text=text, check=False)
    return Ran(done.returncode, done.stdout + done.stderr)


def migrate(way: Way) -> None:
    ran = psql(way, "-f", str(FIRST))
    assert ran.status == 0, ran.output
    way.populate()
    for script in OTHERS:
        ran = psql(way, "-f", str(script))
        assert ran.status == 0, ran.output


@pytest.fixture(scope="module")
def migrated(postgres: Server) -> Iterator[Way]:
    with direct(postgres) as way:
        migrate(way)
        yield way


@pytest.mark.slow
def test_all_scripts(migrated: Way, guarded: Way) -> None:
    migrate(guarded)
    same(migrated, guarded)


@pytest.mark.slow
def test_in_one_transaction(forked: Ways) -> None:
    """The index is there when psql is done, and was built without holding anybody up."""
    for way in forked:
        ran = psql(way, "-1", "-f", "-", text=LATER)
        assert ran.status == 0, ran.output
    assert "after COMMIT CREATE INDEX CONCURRENTLY posts_slug_idx ON posts (slug)" in ran.output
    same(*forked)


@pytest.mark.slow
@pytest.mark.parametrize("more", [REJECTING], ids=["rejecting"])
def test_in_one_transaction_where_it_may_not_wait(forked: Ways) -> None:
    """Refused as a whole; without -1 it runs."""
    way = forked.guarded
    before = way.schema, way.rows

    ran = psql(way, "-1", "-f", "-", text=LATER)
    assert ran.status == 3
    assert 'CREATE INDEX would block writes to "posts" until it is built [index-not-concurrent]' in ran.output
    assert "without -1 / --single-transaction" in ran.output
    assert (way.schema, way.rows) == before

    assert psql(forked.direct, "-f", "-", text=LATER).status == 0
    ran = psql(way, "-f", "-", text=LATER)
    assert ran.status == 0, ran.output
    assert "1/1 CREATE INDEX CONCURRENTLY posts_slug_idx ON posts (slug)" in ran.output
    same(*forked)


@pytest.mark.slow
def test_the_notices_say_what_ran_instead(forked: Ways) -> None:
    ran = psql(forked.guarded, "-c", "ALTER TABLE products ADD CHECK (id > 0)")
    notices = [line for line in ran.output.splitlines() if "interlock:" in line]
    assert "NOT VALID" in notices[0]
    assert "VALIDATE CONSTRAINT" in notices[1]
    assert "done in" in notices[-1]

"""A job whose last step was done, and died before that was written down: whoever does it again finds it done.

Postgres refuses most of what waits behind an index a second time, and makes an unnamed constraint twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psycopg
import pytest
from click.testing import CliRunner

from proxy.cli import main
from tests.live.conftest import POLICY
from tests.live.stories import TABLES
from tests.proxies import Proxy
from tests.servers import Server

ID_UNIQUE = "ALTER TABLE orders ADD CONSTRAINT k UNIQUE (id)"
UNFILLED = "ALTER TABLE orders ADD COLUMN y int DEFAULT (random() * 0)::int"
INDEX = "CREATE INDEX i ON orders (email)"
UNIQUE = "CREATE UNIQUE INDEX i ON orders (id)"
NOT_VALID_KEY = "ALTER TABLE base ADD FOREIGN KEY (id) REFERENCES orders (id) NOT VALID"
ASIDE = "SET LOCAL search_path = aside, public"
STORIES: list[Sequence[str]] = [
    (INDEX, "ALTER INDEX i RENAME TO j"),
    (INDEX, "ALTER INDEX i RENAME TO j", "ALTER INDEX j RENAME TO l"),
    (INDEX, "ALTER INDEX i SET (fillfactor = 50)"),
    ("CREATE INDEX i ON events (kind)", "ALTER INDEX i RENAME TO j"),
    (ASIDE, "CREATE INDEX i ON stock (n)", "ALTER INDEX i RENAME TO j"),
    ("CREATE INDEX i ON aside.stock (n)", "ALTER INDEX aside.i RENAME TO j"),
    ("CREATE INDEX ON orders (email)", "CREATE INDEX ON orders (email)"),
    (INDEX, "ALTER TABLE orders CLUSTER ON i"),
    (UNIQUE, "ALTER TABLE orders REPLICA IDENTITY USING INDEX i"),
    (UNIQUE, "ALTER TABLE orders ADD CONSTRAINT k UNIQUE USING INDEX i"),
    (UNIQUE, "ALTER TABLE orders ADD UNIQUE USING INDEX i"),
    (UNIQUE, "ALTER TABLE orders ADD PRIMARY KEY USING INDEX i"),
    (
        UNIQUE,
        "CREATE UNIQUE INDEX j ON orders (id, email)",
        "ALTER TABLE orders ADD UNIQUE USING INDEX i, ADD CONSTRAINT k UNIQUE USING INDEX j",
    ),
    (ID_UNIQUE, "ALTER TABLE orders RENAME CONSTRAINT k TO l"),
    (ID_UNIQUE, "ALTER INDEX k RENAME TO l"),
    ("ALTER TABLE orders ADD CONSTRAINT k CHECK (id > 0)", "ALTER TABLE orders RENAME CONSTRAINT k TO l"),
    ("ALTER TABLE events ADD PRIMARY KEY (id, at)", "ALTER TABLE events RENAME CONSTRAINT events_pkey TO k"),
    (ID_UNIQUE, "CREATE TABLE lines (o bigint REFERENCES orders (id))"),
    (ASIDE, "ALTER TABLE stock ADD UNIQUE (n)", "CREATE TABLE lines (n numeric REFERENCES stock (n))"),
    (ID_UNIQUE, NOT_VALID_KEY),
    (ID_UNIQUE, NOT_VALID_KEY, NOT_VALID_KEY),
    (ID_UNIQUE, NOT_VALID_KEY, "ALTER TABLE base VALIDATE CONSTRAINT base_id_fkey"),
    (UNFILLED, "ALTER TABLE orders ADD CHECK (y >= 0) NOT VALID"),
    (UNFILLED, "ALTER TABLE orders ADD CHECK (y >= 0) NOT VALID", "ALTER TABLE orders ADD CHECK (y > -1) NOT VALID"),
    (UNFILLED, "ALTER TABLE orders ADD CHECK (y >= 0) NOT VALID, ADD CHECK (y > -1) NOT VALID"),
    (UNFILLED, "ALTER TABLE orders ADD CONSTRAINT c CHECK (y >= 0) NOT VALID"),
    (UNFILLED, "ALTER TABLE orders ADD CHECK (y >= 0), ALTER y SET NOT NULL"),
    (UNFILLED, "ALTER TABLE orders ADD PRIMARY KEY (id, y)"),
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("statements", STORIES, ids=[" / ".join(s)[:80] for s in STORIES])
def test_a_job_that_was_done_and_not_written_down(
    statements: Sequence[str], postgres: Server, share_proxy: Callable[[str], Proxy]
) -> None:
    proxy = share_proxy(POLICY)
    direct, through = postgres.create_database(), postgres.create_database()
    for database, url in ((direct, postgres.url(direct)), (through, proxy.url(through))):
        with postgres.connect(database) as session:
            session.execute(TABLES)
        with psycopg.connect(url, autocommit=True) as session:
            for sql in ("BEGIN", *statements, "COMMIT"):
                session.execute(sql)
    wanted = postgres.dump(direct)
    assert postgres.dump(through) == wanted
    with postgres.connect(through) as looking:
        states = "SELECT state FROM interlock.jobs ORDER BY id DESC LIMIT 1"
        again = "UPDATE interlock.jobs SET state = 'running', finished_at = NULL WHERE id = (SELECT max(id) FROM interlock.jobs)"
        assert looking.execute(states).fetchall() == [("done",)]
        looking.execute(again)
        ran = CliRunner().invoke(main, ["jobs", "run", "--wait", "--database", postgres.url(through)])
        assert ran.exit_code == 0, ran.output
        assert looking.execute(states).fetchall() == [("done",)]
    assert postgres.dump(through) == wanted
    for database in (direct, through):
        postgres.drop_database(database)


@pytest.mark.parametrize(
    ("makes", "drops"),
    [
        ("CREATE UNIQUE INDEX k ON orders (id)", "DROP INDEX k"),
        (ID_UNIQUE, "ALTER TABLE orders DROP CONSTRAINT k"),
    ],
)
def test_what_is_not_there_since_its_job_has_failed_is_not_dropped(
    makes: str, drops: str, postgres: Server, share_proxy: Callable[[str], Proxy]
) -> None:
    """When both are tried again it is made, and dropped."""
    proxy, name = share_proxy(POLICY), postgres.create_database()
    with postgres.connect(name) as looking, psycopg.connect(proxy.url(name), autocommit=True) as session:
        looking.execute(TABLES)
        before = postgres.dump(name)
        about = "INDEX k" if makes.startswith("CREATE") else "CONSTRAINT k ON orders"
        for sql in ("BEGIN", makes, f"COMMENT ON {about} IS 'x'", drops):
            session.execute(sql)
        looking.execute("INSERT INTO orders SELECT * FROM orders WHERE id = 1")  # behind the look
        with pytest.raises(psycopg.Error, match="committed, but not finished"):
            session.execute("COMMIT")
        states = "SELECT state FROM interlock.jobs ORDER BY id"
        assert looking.execute(states).fetchall() == [("failed",)] * 3
        looking.execute("DELETE FROM orders WHERE ctid = (SELECT max(ctid) FROM orders WHERE id = 1)")
        ran = CliRunner().invoke(main, ["jobs", "run", "--failed", "--wait", "--database", postgres.url(name)])
        assert ran.exit_code == 0, ran.output
        assert looking.execute(states).fetchall() == [("done",)] * 3
    assert postgres.dump(name) == before
    postgres.drop_database(name)

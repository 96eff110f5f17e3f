"""``interlock jobs`` on real servers: doing, trying again, giving up, and what a pipeline hears of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from proxy.catalog import lookup
from proxy.cli import main, own
from proxy.plans.compose import defer
from proxy.plans.plan import Lock, Step
from proxy.rules.base import examine, rules
from proxy.run import jobs
from proxy.run.jobs import NewJob
from proxy.run.side import Side
from proxy.sql.read import read
from proxy.sql.statements import AlterTable, CreateIndex, DropIndex
from tests.live.raw import eventually
from tests.proxies import Proxy
from tests.servers import Server

TABLES = """
CREATE TABLE customers (id bigint PRIMARY KEY, name text);
CREATE TABLE orders (id bigint NOT NULL, customer_id bigint, email text, total numeric, at timestamptz);
INSERT INTO customers SELECT g, 'c' || g FROM generate_series(1, 20) g;
INSERT INTO orders SELECT g, g % 20 + 1, 'e' || g, g, '2024-01-01' FROM generate_series(1, 50) g;
CREATE INDEX orders_total_idx ON orders (total);
"""
UNIQUE = "CREATE UNIQUE INDEX orders_email ON orders (email)"


CONTENTS = """SELECT 'index', indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'constraint', conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'row', t::text FROM (SELECT * FROM orders) t ORDER BY 1, 2"""


def execute(url: str, *statements: str) -> list[tuple[object, ...]]:
    """The rows of the last."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def orders(database: str) -> str:
    execute(database, TABLES)
    return database


async def migrate(own: Side, sql: str, *before: str, session: str = "token") -> int:
    """What Interlock does about a statement in a transaction: what is short at once, and a note of the rest."""
    await own.run([("BEGIN", ())])
    await jobs.prepare(own)
    for statement in before:
        await own.run([(statement, ())])
    [statement_] = read(sql)
    asked = lookup.request(statement_)
    answer = (await own.fetch(asked.sql, asked.parameter))[0][0] or b""
    facts = lookup.decode(answer.decode(), asked, now=datetime.now(UTC), in_transaction=True)
    found = [
        (node, f.rewrite)
        for node, f in examine(statement_, facts)
        if rules()[f.rule].harm == "blocks" and f.rewrite is not None
    ]
    plan = defer(statement_, found, facts)
    assert plan.later, sql
    for step in plan.now:
        await own.run([(text, ()) for text in step.statements])
    node = statement_.node
    about = [node.relation] if isinstance(node, AlterTable | CreateIndex) else []
    about += node.names if isinstance(node, DropIndex) else []
    relations = [relation for name in about if (relation := facts.find(name)) is not None]
    tables = tuple(r.index.table_oid if r.index is not None else r.oid for r in relations)
    new = NewJob(session, plan.title, sql, plan.later, tables, plan.give_up, tool="Alembic")
    number = await jobs.add(own, new)
    await own.run([("COMMIT", ())])
    return number


def left(url: str, sql: str, *before: str) -> int:
    """A job that a migration has left."""

    async def story() -> int:
        own = await Side.connect(url, print)
        try:
            return await migrate(own, sql, *before)
        finally:
            await own.close()

    return asyncio.run(story())


def interlock(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(main, ["jobs", *words], prog_name="interlock", env=environment)


def states(url: str) -> list[str]:
    return [str(row[0]) for row in execute(url, "SELECT state FROM interlock.jobs ORDER BY id")]


def invalid(url: str) -> list[tuple[object, ...]]:
    return execute(url, "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``interlock jobs`` as a process of its own."""
    running: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "INTERLOCK_"))}
        running.append(
            subprocess.Popen(
                [sys.executable, "-m", "proxy", "jobs", *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
                cwd=Path(__file__).parent.parent.parent,
            )
        )
        return running[-1]

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


# ---------------------------------------------------------------- doing

MIGRATIONS = [
    "CREATE INDEX orders_email ON orders (email)",
    UNIQUE,
    "CREATE INDEX ON orders (email, total)",
    "DROP INDEX orders_total_idx",
    "ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0)",
    "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers",
    "ALTER TABLE orders ALTER email SET NOT NULL",
    "ALTER TABLE orders ADD CONSTRAINT u UNIQUE (email) DEFERRABLE",
    "ALTER TABLE orders ADD PRIMARY KEY (id)",
    "ALTER TABLE orders ADD PRIMARY KEY (id), ADD COLUMN z int DEFAULT 1, ALTER total SET NOT NULL",
]


def test_jobs_end_in_the_schema_of_the_statements(orders: str, postgres: Server) -> None:
    for sql in MIGRATIONS:
        execute(orders, "DROP TABLE orders, customers", TABLES)
        direct = postgres.create_database()
        execute(postgres.url(direct), TABLES, sql)
        left(orders, sql)
        result = interlock("run", "--database", orders)
        assert result.exit_code == 0, result.stderr
        assert result.stderr.endswith("1 job done, 0 failed, 0 left\n")
        assert postgres.dump(orders) == postgres.dump(direct), sql
        assert not invalid(orders)
        postgres.drop_database(direct)
    assert set(states(orders)) == {"done"}


def test_settings_and_role_are_those_of_the_statement(orders: str, postgres: Server) -> None:
    """A name, a literal and a right, each of which means something else in the session that does the job."""
    role = f"owner_{orders.rpartition('/')[2]}"
    execute(
        orders,
        f"CREATE ROLE {role}",
        f"CREATE SCHEMA shop AUTHORIZATION {role}",
        "CREATE TABLE shop.orders AS SELECT * FROM orders",
        f"ALTER TABLE shop.orders OWNER TO {role}",
        "CREATE FUNCTION shop.who() RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT current_user::text'",
        f"CREATE FUNCTION shop.mine(numeric) RETURNS bool IMMUTABLE LANGUAGE sql AS $$ SELECT current_user = '{role}' $$",
    )
    before = (f"SET LOCAL ROLE {role}", "SET LOCAL search_path = shop", "SET LOCAL \"TimeZone\" = 'Asia/Tokyo'")
    left(orders, "CREATE INDEX since ON orders (id) WHERE at > '2024-01-01 00:00'", *before)
    left(orders, "ALTER TABLE orders ADD CONSTRAINT mine CHECK (shop.mine(total))", *before)
    result = interlock("run", "--database", orders)
    assert result.exit_code == 0, result.stderr
    assert execute(orders, "SET timezone = 'UTC'", "SELECT pg_get_indexdef('shop.since'::regclass)") == [
        (
            "CREATE INDEX since ON shop.orders USING btree (id) WHERE (at > '2023-12-31 15:00:00+00'::timestamp with time zone)",
        )
    ]
    assert execute(orders, "SELECT convalidated FROM pg_constraint WHERE conname = 'mine'") == [(True,)]
    assert execute(orders, "SELECT role::text FROM interlock.jobs") == [(role,)] * 2
    execute(orders, f"REASSIGN OWNED BY {role} TO postgres", f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_nothing_to_do(orders: str) -> None:
    for _ in range(2):
        result = interlock("run", "--wait", "--database", orders)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "0 jobs done, 0 failed, 0 left\n")
        assert interlock("list", "--database", orders).stderr == "no job waits, runs or has failed\n"
        assert interlock("install", "--database", orders).exit_code == 0


def test_the_upstream_of_serve_is_the_database(orders: str) -> None:
    left(orders, UNIQUE)
    assert interlock("run", INTERLOCK_UPSTREAM=orders).exit_code == 0
    assert states(orders) == ["done"]


def test_only_these(orders: str) -> None:
    for n in range(3):
        left(orders, f"CREATE INDEX i{n} ON orders (email)")
    result = interlock("run", "2", "--database", orders)
    assert result.exit_code == 0
    assert states(orders) == ["waiting", "done", "waiting"]
    assert interlock("run", "--database", orders).exit_code == 0
    assert states(orders) == ["done"] * 3


def test_through_interlock_itself(orders: str, share_proxy: Callable[[str], Proxy]) -> None:
    """Somebody gives the proxy's URL: the proxy's session does it, or the command does."""
    left(orders, UNIQUE)
    url = share_proxy("").url(orders)
    result = interlock("run", "--database", url)
    assert result.exit_code == 0, result.stderr
    assert states(orders) == ["done"]
    assert not invalid(orders)


# ---------------------------------------------------------------- failing


def test_a_job_that_fails_is_tried_again_or_given_up(orders: str, postgres: Server) -> None:
    before = postgres.dump(orders)
    left(orders, "ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0)")
    left(orders, UNIQUE)
    execute(orders, "INSERT INTO orders (id, email, total) VALUES (100, 'e1', 1)")  # after the look at the rows
    result = interlock("run", "--wait", "--database", orders)
    assert result.exit_code == 1
    assert states(orders) == ["done", "failed"]
    assert "job 2 has failed: CREATE UNIQUE INDEX" in result.stderr
    assert "interlock jobs retry 2; to give it up: interlock jobs cancel 2" in result.stderr
    assert result.stderr.endswith("1 job done, 1 failed, 0 left\n")
    assert not invalid(orders)
    again = interlock("run", "--wait", "--database", orders)  # a deploy that finds it so has not succeeded
    assert again.exit_code == 1
    assert again.stderr.endswith("0 jobs done, 1 failed, 0 left\n")
    shown = interlock("show", "2", "--database", orders)
    assert shown.exit_code == 0
    for line in (
        'job 2: failed: could not create unique index "orders_email"',
        f"  {UNIQUE}",
        "tables:   public.orders",
        "from:     Alembic",
        "SQLSTATE: 23505",
        "detail: Key (email)=(e1) is duplicated.",
        "  1. CREATE UNIQUE INDEX CONCURRENTLY orders_email ON orders (email)",
        "when the cause is mended:  interlock jobs retry 2",
        "to give it up:  interlock jobs cancel 2",
    ):
        assert line in shown.stdout.splitlines()
    assert interlock("retry", "2", "--database", orders).exit_code == 1
    execute(orders, "DELETE FROM orders WHERE id = 100")
    assert interlock("retry", "2", "--database", orders).exit_code == 0
    assert states(orders) == ["done", "done"]
    assert execute(orders, "SELECT attempts FROM interlock.jobs WHERE id = 2") == [(3,)]
    execute(orders, "ALTER TABLE orders DROP CONSTRAINT positive; DROP INDEX orders_email")
    assert postgres.dump(orders) == before


GIVEN_UP = [sql for sql in MIGRATIONS if "z int" not in sql]


@pytest.mark.parametrize("sql", GIVEN_UP)
def test_giving_up_takes_back_what_the_migration_did_for_it(sql: str, orders: str, postgres: Server) -> None:
    """Before an attempt, and after one that has failed."""
    before = postgres.dump(orders)
    number = left(orders, sql)
    result = interlock("cancel", str(number), "--database", orders)
    assert result.exit_code == 0, result.stderr
    assert postgres.dump(orders) == before
    if not any(word in sql for word in ("UNIQUE", "PRIMARY", "CHECK", "FOREIGN", "NOT NULL")):
        return  # no row stands in its way
    execute(
        orders,
        "SET session_replication_role = replica",
        "INSERT INTO orders VALUES (1, 99, 'e1', -1)",
        "INSERT INTO orders (id) VALUES (2)",
    )
    number = left(orders, sql)
    assert interlock("run", str(number), "--database", orders).exit_code == 1
    assert states(orders) == ["cancelled", "failed"]
    assert interlock("cancel", str(number), "--database", orders).exit_code == 0
    assert not invalid(orders)
    assert postgres.dump(orders) == before


def test_a_job_that_was_given_up_is_not_done(orders: str) -> None:
    left(orders, UNIQUE)
    assert interlock("cancel", "1", "--database", orders).exit_code == 0
    result = interlock("cancel", "1", "--database", orders)
    assert result.exit_code == 1
    assert "job 1 is cancelled: it is not given up" in result.stderr
    assert interlock("run", "--wait", "--failed", "--database", orders).exit_code == 0
    assert states(orders) == ["cancelled"]
    listed = interlock("list", "--all", "--database", orders)
    assert "cancelled" in listed.stdout


@pytest.mark.parametrize("words", ["list", "show 1", "run --wait", "run 1", "retry 1", "cancel 1"])
def test_nobody_waits_for_who_has_locked_the_table(
    words: str, orders: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(orders, UNIQUE)
    monkeypatch.setattr(own, "LOOK_MS", 100)
    patience = tmp_path / "policy.yaml"
    patience.write_text("version: 1\nextends: recommended\nlocks: { timeout: 100ms }\n")
    command, *numbers = words.split()
    policy = [] if command in ("list", "show") else ["--policy", str(patience)]
    with psycopg.connect(orders) as other:
        other.execute("LOCK TABLE interlock.jobs IN ACCESS EXCLUSIVE MODE")
        result = interlock(command, *numbers, "--database", orders, *policy)
    assert result.exit_code == 1
    assert "another session has a lock on interlock.jobs" in result.stderr
    assert states(orders) == ["waiting"]
    assert interlock("run", "--wait", "--database", orders).exit_code == 0  # the lock is gone


def test_what_an_interrupted_attempt_left_is_cleared(orders: str) -> None:
    """A session that died in the build: the job says running, nobody has it, and its index is invalid."""
    for how in ("run", "cancel"):
        number = left(orders, "CREATE INDEX orders_email ON orders (email)")
        with psycopg.connect(orders) as holder, psycopg.connect(orders, autocommit=True) as builder:
            holder.execute("SELECT * FROM orders LIMIT 1")
            holder.execute("LOCK TABLE orders IN ROW EXCLUSIVE MODE")
            builder.execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                builder.execute("CREATE INDEX CONCURRENTLY orders_email ON orders (email)")
        execute(orders, f"UPDATE interlock.jobs SET state = 'running', attempts = 1 WHERE id = {number}")
        assert invalid(orders) == [("orders_email",)]
        assert "interrupted; whoever comes next does it" in interlock("list", "--database", orders).stdout
        result = interlock(how, str(number), "--database", orders)
        assert result.exit_code == 0, result.stderr
        assert not invalid(orders)
        there = execute(orders, "SELECT to_regclass('orders_email') IS NOT NULL")
        assert there == [(how == "run",)]
        execute(orders, "DROP INDEX IF EXISTS orders_email")


def test_the_table_is_gone(orders: str) -> None:
    left(orders, UNIQUE)
    execute(orders, "DROP TABLE orders")
    result = interlock("run", "--database", orders)
    assert result.exit_code == 0
    assert "job 1 has nothing left to do: the table has been dropped since" in result.stderr


def test_the_table_has_another_name(orders: str) -> None:
    left(orders, UNIQUE)
    execute(orders, "ALTER TABLE orders RENAME TO bills")
    result = interlock("run", "--database", orders)
    assert result.exit_code == 1
    assert 'relation "orders" does not exist' in result.stderr
    assert states(orders) == ["failed"]


def test_another_table_is_relationsby_its_name(orders: str) -> None:
    execute(orders, "CREATE SCHEMA aside")
    left(orders, UNIQUE, "SET LOCAL search_path = aside, public")
    execute(orders, "CREATE TABLE aside.orders (email text)")
    result = interlock("run", "--database", orders)
    assert result.exit_code == 1
    assert (
        "orders means aside.orders now; the statement was about another, which is called public.orders now"
        in result.stderr
    )
    assert execute(orders, "SELECT 1 FROM pg_indexes WHERE indexname = 'orders_email'") == []
    execute(orders, "DROP TABLE aside.orders")
    assert interlock("retry", "1", "--database", orders).exit_code == 0
    assert execute(orders, "SELECT schemaname FROM pg_indexes WHERE indexname = 'orders_email'") == [("public",)]


@pytest.mark.parametrize(
    ("sql", "changed", "said"),
    [
        (
            UNIQUE,
            "ALTER TABLE orders RENAME TO bills; CREATE TABLE orders (email text)",
            "orders means public.orders now; the statement was about another, which is called public.bills now",
        ),
        (
            "ALTER TABLE orders ALTER email SET NOT NULL",
            "ALTER TABLE orders RENAME TO bills; CREATE TABLE orders (email text)",
            "public.bills",
        ),
        (
            "ALTER TABLE orders ADD COLUMN r float DEFAULT random()",
            "ALTER TABLE orders RENAME TO bills; CREATE TABLE orders (id bigint, r float); INSERT INTO orders VALUES (1)",
            "public.bills",
        ),
        (
            "DROP INDEX orders_total_idx",
            "ALTER INDEX orders_total_idx RENAME TO o; CREATE INDEX orders_total_idx ON customers (name)",
            "orders_total_idx means",
        ),
        (UNIQUE, "CREATE UNIQUE INDEX orders_email ON customers (name)", 'relation "orders_email" already exists'),
        (UNIQUE, "CREATE INDEX orders_email ON orders (email)", 'relation "orders_email" already exists'),
        (
            UNIQUE,
            "CREATE UNIQUE INDEX orders_email ON orders (email) WHERE id > 3",
            'relation "orders_email" already exists',
        ),
        (UNIQUE, "CREATE UNIQUE INDEX orders_email ON orders (id)", 'relation "orders_email" already exists'),
        ("DROP INDEX orders_total_idx", "ALTER INDEX orders_total_idx RENAME TO o", "does not exist"),
        *(
            (f"CREATE INDEX i ON orders {mine}", f"CREATE INDEX i ON orders {theirs}", 'relation "i" already exists')
            for mine, theirs in (
                ("(lower(email))", "(email)"),
                ("(lower(email))", "(upper(email))"),
                ("((id + 1))", "((total + 1))"),
                ("(id)", "(id DESC)"),
                ("(id NULLS FIRST)", "(id)"),
                ("(id)", "(id) INCLUDE (total)"),
                ("(id) WHERE total > 3", "(id) WHERE length(email) > 3"),
            )
        ),
        (
            "ALTER TABLE orders ADD CONSTRAINT u UNIQUE (email)",
            "ALTER TABLE orders ADD CONSTRAINT u UNIQUE (id)",
            'relation "u" already exists',
        ),
        (
            "ALTER TABLE orders ADD PRIMARY KEY (id)",
            "ALTER TABLE orders ADD PRIMARY KEY (total)",
            "already exists",
        ),
    ],
)
def test_what_has_the_name_now_is_left_alone(sql: str, changed: str, said: str, orders: str) -> None:
    left(orders, sql)
    execute(orders, changed)
    before = execute(orders, CONTENTS)
    result = interlock("run", "--database", orders)
    assert result.exit_code == 1
    assert said in result.stderr
    assert states(orders) == ["failed"]
    assert execute(orders, CONTENTS) == before


@pytest.mark.parametrize(
    "sql",
    [
        UNIQUE,
        *(
            f"CREATE INDEX i ON orders {what}"
            for what in (
                "((email))", "((id + 1))", '(lower("email") DESC, id)', "((total::numeric(10,2)))", "(CAST(email AS varchar(20)))",
                "((email::text))", "(substring(email from 2), id)", "(position('x' in email))", "(COALESCE(email, 'x'))",
                "(trim(email))", "(id DESC NULLS LAST, total NULLS FIRST) WHERE total BETWEEN 1 AND 3 AND lower(email) IN ('a', 'b')",
                "USING gin (to_tsvector('simple', email))", "USING hash (email)", "((email ~ 'x')) INCLUDE (id, total)",
                "(overlay(email placing 'x' from 1))", "((extract(year from timestamp '2020-01-01')::int + id))",
                '(email COLLATE "C" text_pattern_ops)', "(pg_catalog.int4(id)) WITH (fillfactor = 70)", "((orders.id * 2))",
            )
        ),
    ],
)  # fmt: skip
def test_what_it_would_build_is_there_already(sql: str, orders: str) -> None:
    left(orders, sql)
    execute(orders, sql)
    assert interlock("run", "--database", orders).exit_code == 0
    assert states(orders) == ["done"]


def test_an_index_that_is_to_be_dropped_is_in_another_schema(orders: str) -> None:
    left(orders, "DROP INDEX orders_total_idx")
    execute(orders, "CREATE SCHEMA aside; ALTER TABLE orders SET SCHEMA aside")
    assert interlock("run", "--database", orders).exit_code == 1
    assert states(orders) == ["failed"]
    execute(orders, "ALTER TABLE aside.orders SET SCHEMA public")
    assert interlock("retry", "1", "--database", orders).exit_code == 0
    assert execute(orders, "SELECT to_regclass('orders_total_idx')") == [(None,)]


def test_its_table_is_relationsin_another_schema(orders: str) -> None:
    execute(orders, "CREATE SCHEMA aside")
    left(orders, UNIQUE, "SET LOCAL search_path = aside, public")
    execute(orders, "ALTER TABLE orders SET SCHEMA aside")
    assert interlock("run", "--database", orders).exit_code == 0
    assert execute(orders, "SELECT schemaname FROM pg_indexes WHERE indexname = 'orders_email'") == [("aside",)]
    assert invalid(orders) == []


@pytest.mark.parametrize(
    "temporary", ["TABLE orders (email text)", "VIEW orders AS SELECT 1", "SEQUENCE orders_total_idx"]
)
@pytest.mark.parametrize("sql", [UNIQUE, "DROP INDEX orders_total_idx", "ALTER TABLE orders ALTER email SET NOT NULL"])
def test_what_is_temporary_in_the_session_is_not_found(sql: str, temporary: str, orders: str, guarded: str) -> None:
    with psycopg.connect(guarded) as connection:
        for statement in (sql, f"CREATE TEMP {temporary}"):
            connection.execute(statement.encode())
        connection.commit()
        name = temporary.split()[1]
        [found] = connection.execute("SELECT relpersistence FROM pg_class WHERE oid = %s::regclass", (name,)).fetchall()
        assert found == ("t",)  # the search path is as it was
    assert states(orders) == ["done"]
    found = {str(row[0]) for row in execute(orders, "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")}
    assert ("orders_email" in found) == (sql == UNIQUE)
    assert ("orders_total_idx" in found) == (not sql.startswith("DROP"))
    assert invalid(orders) == []


def test_the_role_is_gone(orders: str) -> None:
    role = f"owner_{orders.rpartition('/')[2]}"
    execute(orders, f"CREATE ROLE {role}; ALTER TABLE orders OWNER TO {role}; GRANT CREATE ON SCHEMA public TO {role}")
    left(orders, UNIQUE, f"SET LOCAL ROLE {role}")
    execute(orders, f"REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}")
    result = interlock("run", "--database", orders)
    assert result.exit_code == 1
    assert f'role "{role}" does not exist' in result.stderr
    assert states(orders) == ["failed"]
    assert f"its role {role} no longer exists" in interlock("list", "--database", orders).stdout
    shown = interlock("show", "1", "--database", orders).stdout
    assert f"CREATE ROLE {role}; (or rename it back)" in shown
    assert "DELETE FROM interlock.jobs WHERE id = 1;" in shown
    result = interlock("cancel", "1", "--database", orders)
    assert result.exit_code == 1
    assert "DELETE FROM interlock.jobs WHERE id = 1;" in result.stderr
    execute(orders, "DELETE FROM interlock.jobs WHERE id = 1")
    assert interlock("run", "--database", orders).exit_code == 0


def test_the_right_was_revoked(orders: str) -> None:
    login = f"login_{orders.rpartition('/')[2]}"
    url = orders.replace("postgres@", f"{login}@")
    execute(
        orders,
        f"CREATE ROLE {login} LOGIN; ALTER TABLE orders OWNER TO {login}; GRANT CREATE ON SCHEMA public TO {login}",
        f"GRANT CREATE ON DATABASE {orders.rpartition('/')[2]} TO {login}",
    )
    left(url, UNIQUE)
    execute(orders, "ALTER TABLE orders OWNER TO postgres")
    result = interlock("run", "--database", url)
    assert result.exit_code == 1
    assert "must be owner of table orders" in result.stderr
    execute(orders, f"REASSIGN OWNED BY {login} TO postgres; DROP OWNED BY {login}; DROP ROLE {login}")


def test_a_job_that_cannot_be_read_is_left(orders: str) -> None:
    left(orders, UNIQUE)
    left(orders, "DROP INDEX orders_total_idx")
    execute(orders, "UPDATE interlock.jobs SET plan = replace(plan, '\"version\": 1', '\"version\": 2') WHERE id = 1")
    for words in (["run", "--wait"], ["run", "--failed"], ["retry", "1"]):
        result = interlock(*words, "--database", orders)
        assert result.exit_code == 1
        assert "job 1 is left: it is not to be read by this Interlock (the plan is of version 2" in result.stderr
    assert states(orders) == ["waiting", "done"]
    shown = interlock("show", "1", "--database", orders).stdout
    assert "left to the Interlock that wrote it: the plan is of version 2" in shown
    assert "to do it:  the later Interlock's own  interlock jobs run 1" in shown


BAD = {
    "settings = '[1, 2]'": "its column settings is not a JSON object of texts: it has been changed",
    "tables = '[5000000000]'": "its column tables is not a JSON list of OIDs: it has been changed",
    "plan = '{bad'": "its column plan is not a plan of Interlock's: it has been changed",
    "state = 'nonsense'": "its column state is 'nonsense'",
}


@pytest.mark.parametrize("sql", BAD)
def test_a_row_that_has_been_changed_is_passed_over_and_named(sql: str, orders: str, guarded: str) -> None:
    left(orders, UNIQUE)
    left(orders, "CREATE INDEX k ON customers (name)")
    execute(orders, f"UPDATE interlock.jobs SET {sql} WHERE id = 1")
    [[state]] = execute(orders, "SELECT state FROM interlock.jobs WHERE id = 1")
    listed = interlock("list", "--database", orders).stdout
    assert str(state) in listed
    assert f"it cannot be read: {BAD[sql]}" in listed
    result = interlock("run", "--wait", "--database", orders)
    assert result.exit_code == 1
    assert f"job 1 is left: it is not to be read by this Interlock ({BAD[sql]}" in result.stderr
    assert result.stderr.endswith("1 job done, 0 failed, 1 left\n")
    shown = interlock("show", "1", "--database", orders).stdout
    assert shown.endswith("to forget it, and take nothing back:  DELETE FROM interlock.jobs WHERE id = 1;\n")
    for no in ("interlock jobs", "left to the Interlock that wrote it"):
        assert no not in shown + listed
    result = interlock("cancel", "1", "--database", orders)
    assert result.exit_code == 1
    assert f"job 1 is not given up: it cannot be read: {BAD[sql]}" in result.stderr
    with psycopg.connect(guarded) as connection:  # nor does it stop a migration, or its job
        connection.execute("CREATE INDEX later ON customers (name)")
        connection.commit()
    assert states(orders) == [state, "done", "done"]
    execute(orders, "DELETE FROM interlock.jobs WHERE id = 1")
    assert interlock("run", "--wait", "--database", orders).exit_code == 0


def test_a_job_that_was_begun_as_often_as_can_be_counted_is_done(orders: str) -> None:
    left(orders, UNIQUE)
    left(orders, "CREATE INDEX k ON customers (name)")
    execute(orders, "UPDATE interlock.jobs SET attempts = 2147483647 WHERE id = 1")
    result = interlock("run", "--wait", "--database", orders)
    assert result.exit_code == 0, result.stderr
    assert states(orders) == ["done", "done"]


def test_a_job_that_cannot_be_begun_is_passed_over(orders: str) -> None:
    """Somebody has its row.  What is about the same table comes behind it; the others are done."""
    left(orders, "CREATE INDEX i ON orders (email)")
    left(orders, "CREATE INDEX j ON orders (total)")
    left(orders, "CREATE INDEX k ON customers (name)")
    with psycopg.connect(orders) as other:
        other.execute("SELECT FROM interlock.jobs WHERE id = 1 FOR UPDATE")
        result = interlock("run", "--wait", "--database", orders + "?options=-c%20lock_timeout%3D300ms")
    assert result.exit_code == 1
    assert "job 1 cannot be begun, and is left: another session has a lock on interlock.jobs" in result.stderr
    assert "job 1 is left: it is waiting: CREATE INDEX i" in result.stderr
    assert states(orders) == ["waiting", "waiting", "done"]
    assert interlock("run", "--wait", "--database", orders).exit_code == 0


def test_a_table_that_was_damaged_does_not_stop_the_application(orders: str, guarded: str) -> None:
    left(orders, UNIQUE)
    version = "COMMENT ON TABLE interlock.jobs IS 'version \N{SUPERSCRIPT TWO}: x'"
    for damage in (version, "ALTER TABLE interlock.jobs ALTER statement DROP NOT NULL"):
        execute(orders, damage, "UPDATE interlock.jobs SET error = error")
        assert execute(guarded, "SELECT count(*) FROM orders") == [(50,)]
        for words in (["list"], ["show", "1"], ["run", "--wait"]):
            result = interlock(*words, "--database", orders)
            assert result.exit_code == 2
            assert "interlock.jobs is not as Interlock made it" in result.stderr
        execute(orders, f"COMMENT ON TABLE interlock.jobs IS 'version {jobs.VERSION}: x'")


def test_a_failure_without_a_reason(orders: str) -> None:
    left(orders, UNIQUE)
    execute(orders, "UPDATE interlock.jobs SET state = 'failed'")
    assert f"job 1 has failed: {UNIQUE}\n" in interlock("run", "--database", orders).stderr


# ---------------------------------------------------------------- others


class Other:
    """Another session, that has claimed jobs."""

    def __init__(self, url: str, *ids: int) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        for number in ids:
            self.connection.execute("SELECT pg_advisory_lock(%s, %s)", [jobs.SPACE, number])
            self.connection.execute("UPDATE interlock.jobs SET state = 'running' WHERE id = %s", [number])

    def end(self, *sql: str) -> None:
        for statement in sql:
            self.connection.execute(statement.encode())
        self.connection.close()


def asks(url: str, what: str) -> bool:
    """Whether a command has asked, last, for what matches ``what``."""
    found = execute(
        url, "SELECT query FROM pg_stat_activity WHERE application_name = 'interlock' AND datname = current_database()"
    )
    return any(what in str(query) for (query,) in found)


def test_what_another_session_does(orders: str, started: Callable[..., subprocess.Popen[str]]) -> None:
    """Without --wait it is left; with it, it is waited for.  What comes behind it on the same table waits too."""
    left(orders, "CREATE INDEX i ON orders (email)")
    left(orders, "CREATE INDEX j ON orders (total)")
    left(orders, "CREATE INDEX k ON customers (name)")
    other = Other(orders, 1)
    pid = other.connection.info.backend_pid
    for words in (["run"], ["run", "--wait", "--timeout", "0"]):
        result = interlock(*words, "--database", orders)
        assert result.exit_code == 1
        assert f"job 1 is left: it is being done by process {pid}" in result.stderr
        assert "job 2 is left: it is waiting" in result.stderr
    assert states(orders) == ["running", "waiting", "done"]
    assert (
        f"job 1 is being done by process {pid}: it is not given up"
        in interlock("cancel", "1", "--database", orders).stderr
    )
    assert f"in process {pid}" in interlock("list", "--database", orders).stdout
    process = started("run", "--wait", "--database", orders)
    eventually("it waits for the other session", lambda: asks(orders, "pg_try_advisory_lock"))
    assert process.poll() is None
    other.end("CREATE INDEX CONCURRENTLY i ON orders (email)", "UPDATE interlock.jobs SET state = 'done' WHERE id = 1")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert states(orders) == ["done"] * 3


def test_another_session_dies(orders: str, started: Callable[..., subprocess.Popen[str]]) -> None:
    left(orders, "CREATE INDEX i ON orders (email)")
    other = Other(orders, 1)
    process = started("run", "--wait", "--database", orders)
    eventually("it waits for the other session", lambda: asks(orders, "pg_try_advisory_lock"))
    other.end()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert states(orders) == ["done"]


def test_two_commands_at_once(orders: str, started: Callable[..., subprocess.Popen[str]]) -> None:
    for n in range(6):
        left(orders, f"CREATE INDEX i{n} ON {'orders (email)' if n % 2 else 'customers (name)'}")
    both = [started("run", "--wait", "--database", orders) for _ in range(2)]
    for process in both:
        _, said = process.communicate(timeout=100)
        assert process.returncode == 0, said
    assert states(orders) == ["done"] * 6
    assert execute(orders, "SELECT sum(attempts) FROM interlock.jobs") == [(6,)]
    assert not invalid(orders)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_interrupts_it_leaves_it_waiting(
    number: signal.Signals, orders: str, started: Callable[..., subprocess.Popen[str]]
) -> None:
    left(orders, "CREATE INDEX i ON orders (email)")
    left(orders, "CREATE INDEX j ON orders (total)")
    with psycopg.connect(orders) as holder:
        holder.execute("LOCK TABLE orders IN ROW EXCLUSIVE MODE")
        process = started("run", "--wait", "--database", orders)
        eventually("it builds", lambda: invalid(orders))
        listed = interlock("list", "--database", orders)
        assert "waiting for writers before build" in listed.stdout
        assert f"for process {holder.info.backend_pid}" in listed.stdout
        process.send_signal(number)
        _, said = process.communicate(timeout=60)  # to clear the index away it would wait for the same holder
    assert process.returncode == 1, said
    assert "canceling statement due to user request" in said
    assert said.endswith("0 jobs done, 0 failed, 2 left\n")
    assert states(orders) == ["waiting", "waiting"]
    assert interlock("run", "--database", orders).exit_code == 0
    assert not invalid(orders)


def test_a_deadlock_is_tried_again(orders: str, started: Callable[..., subprocess.Popen[str]]) -> None:
    """Somebody whose transaction the build waits for waits for the session that builds."""
    number = left(orders, "CREATE INDEX i ON orders (email)")
    with psycopg.connect(orders) as other, ThreadPoolExecutor(1) as pool:
        other.execute("SET LOCAL deadlock_timeout = '1h'")
        other.execute("LOCK TABLE orders IN ROW EXCLUSIVE MODE")
        process = started("run", "--database", orders + "?options=-c%20deadlock_timeout%3D3s")
        eventually("it builds", lambda: invalid(orders))
        waits = pool.submit(other.execute, "SELECT pg_advisory_xact_lock(%s, %s)", [jobs.SPACE, number])
        waits.result(timeout=60)
        other.commit()
        _, said = process.communicate(timeout=60)
    assert "job 1 failed: deadlock detected" in said
    assert process.returncode == 0, said
    assert said.endswith("1 job done, 0 failed, 0 left\n")
    assert execute(orders, "SELECT attempts FROM interlock.jobs") == [(2,)]
    assert not invalid(orders)


def test_the_connection_is_lost(orders: str, started: Callable[..., subprocess.Popen[str]]) -> None:
    left(orders, "CREATE INDEX i ON orders (email)")
    with psycopg.connect(orders) as holder:
        holder.execute("LOCK TABLE orders IN ROW EXCLUSIVE MODE")
        process = started("run", "--wait", "--database", orders)
        eventually("it builds", lambda: invalid(orders))
        execute(
            orders,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'interlock'"
            " AND datname = current_database()",
        )
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the connection to the database was lost; what was begun waits in interlock.jobs" in said
    assert "Traceback" not in said
    assert states(orders) == ["running"]
    assert interlock("run", "--wait", "--database", orders).exit_code == 0
    assert not invalid(orders)


def test_another_logins_jobs(orders: str) -> None:
    login = f"login_{orders.rpartition('/')[2]}"
    execute(
        orders,
        f"CREATE ROLE {login} LOGIN; ALTER TABLE orders OWNER TO {login}; GRANT CREATE ON SCHEMA public TO {login}",
    )
    url = orders.replace("postgres@", f"{login}@")
    assert interlock("install", "--database", url).exit_code == 2
    made = interlock("install", "--database", orders)
    assert (made.exit_code, made.stderr) == (0, "interlock.jobs is made; it belongs to postgres\n")
    left(url, UNIQUE)
    left(orders, "CREATE INDEX k ON customers (name)")
    assert interlock("show", "2", "--database", url).exit_code == 2
    assert "there is no job 2" in interlock("cancel", "2", "--database", url).stderr
    assert interlock("list", "--database", url).stdout.count("waiting") == 1
    listed = interlock("list", "--database", orders)  # a superuser sees both
    assert listed.stdout.count("waiting") == 2
    assert login in listed.stdout
    for words in (["run", "1"], ["retry", "1"], ["cancel", "1"]):
        result = interlock(*words, "--database", orders)
        assert result.exit_code == 2
        assert f"job 1 is one of {login}'s" in result.stderr
    assert interlock("run", "--wait", "--database", orders).exit_code == 0  # his own
    assert states(orders) == ["waiting", "done"]
    assert interlock("run", "--database", url).exit_code == 0
    execute(orders, f"REASSIGN OWNED BY {login} TO postgres; DROP OWNED BY {login}; DROP ROLE {login}")


@pytest.mark.parametrize("how", ["DROP ROLE {0}", "ALTER ROLE {0} RENAME TO {0}_x"])
def test_the_login_is_gone(how: str, orders: str) -> None:
    login = f"login_{orders.rpartition('/')[2]}"
    url = orders.replace("postgres@", f"{login}@")
    assert interlock("install", "--database", orders).exit_code == 0
    execute(orders, f"CREATE ROLE {login} LOGIN; GRANT CREATE ON SCHEMA public TO {login}")
    execute(orders, f"ALTER TABLE orders OWNER TO {login}")
    left(url, UNIQUE)
    execute(orders, "ALTER TABLE orders OWNER TO postgres", f"DROP OWNED BY {login}", how.format(login))
    listed = interlock("list", "--database", orders)
    assert f"its login {login} no longer exists" in listed.stdout
    [job] = document("list", "--database", orders)
    assert (job["login"], job["gone"]) == (login, "login")
    shown = interlock("show", "1", "--database", orders).stdout
    assert f"job 1: waiting: its login {login} no longer exists" in shown
    assert f"CREATE ROLE {login} LOGIN; (or rename it back), give it its rights" in shown
    assert "DELETE FROM interlock.jobs WHERE id = 1;" in shown
    assert "to do it now" not in shown
    for words in (["run", "1"], ["cancel", "1"]):
        result = interlock(*words, "--database", orders)
        assert result.exit_code == 2
        assert f"{login}'s, a login that no longer exists" in result.stderr
    result = interlock("run", "--wait", "--database", orders)
    assert result.exit_code == 1
    assert f"job 1 is left: it is {login}'s, a login that no longer exists: {UNIQUE}" in result.stderr
    assert "interlock jobs show 1" in result.stderr
    assert result.stderr.endswith("0 jobs done, 0 failed, 1 left\n")
    execute(orders, "DELETE FROM interlock.jobs WHERE id = 1")
    assert interlock("run", "--wait", "--database", orders).exit_code == 0
    execute(orders, f"DROP ROLE IF EXISTS {login}, {login}_x")


# ---------------------------------------------------------------- looking


def test_list(orders: str) -> None:
    left(orders, UNIQUE)
    left(orders, "CREATE INDEX k\n  ON customers (name)")
    assert interlock("run", "1", "--database", orders).exit_code == 0
    lines = interlock("list", "--database", orders).stdout.splitlines()
    assert [line.split()[:2] for line in lines if line.strip() and line.split()[0].isdigit()] == [["2", "waiting"]]
    assert any("CREATE INDEX k ON customers (name)" in line for line in lines)
    assert [job["id"] for job in document("list", "--all", "--database", orders)] == [1, 2]
    [job] = document("list", "--database", orders)
    assert {name: job[name] for name in ("id", "state", "kind", "relations", "login", "role", "tool", "attempts")} == {
        "id": 2, "state": "waiting", "kind": "CREATE INDEX", "relations": ["public.customers"], "login": "postgres",
        "role": "postgres", "tool": "Alembic", "attempts": 0,
    }  # fmt: skip
    assert job["steps"] == [
        {
            "sql": "CREATE INDEX CONCURRENTLY k\n  ON customers (name)", "lock": "ShareUpdateExclusiveLock",
            "transaction": False, "why": "builds the index while reads and writes go on",
        }
    ]  # fmt: skip
    assert document("show", "2", "--database", orders) == [job]


def document(*words: str) -> list[dict[str, object]]:
    result = interlock(*words, "--format", "json")
    assert result.exit_code == 0
    found: list[dict[str, object]] = json.loads(result.stdout)["jobs"]
    return found


def test_watch_ends_when_nothing_waits(orders: str, started: Callable[..., subprocess.Popen[str]]) -> None:
    left(orders, UNIQUE)
    process = started("list", "--watch", "--database", orders)
    eventually("it looks", lambda: asks(orders, "FROM interlock.jobs"))
    assert process.poll() is None
    assert interlock("run", "--database", orders).exit_code == 0
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_what_is_shown_says_nothing_to_the_terminal(orders: str) -> None:
    """Escape sequences in a statement, and what rich would take for markup."""

    async def story() -> None:
        own = await Side.connect(orders, print)
        await own.run([("BEGIN", ())])
        await jobs.prepare(own)
        step = Step(("SELECT '\x1b[2J[red]'",), Lock.NONE, "x")
        new = NewJob("t", "X", "SELECT '\x1b[2J[red]'", (step,), give_up=("SELECT '\x1b[1m'",), tool="\x1b[5m")
        await jobs.add(own, new)
        await own.run([("COMMIT", ())])
        await own.close()

    asyncio.run(story())
    for words in (["list"], ["show", "1"], ["run"]):
        result = interlock(*words, "--database", orders)
        assert "\x1b" not in result.output
        assert "[red]" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run"], "say which database: --database URL, or INTERLOCK_UPSTREAM"),
        (["run", "--database", "postgresql://postgres@127.0.0.1:1/x"], "--database: connection failed"),
        (["run", "--database", "nonsense://secret"], "--database: this is no connection URL"),
        (["run", "x"], "'x' is not a valid integer"),
        (["retry"], "Missing argument"),
        (["run", "--policy", "/nowhere", "--database", "postgresql://x@127.0.0.1:1/x"], "/nowhere"),
        (["nothing"], "No such command"),
    ],
)
def test_wrong_usage(words: list[str], said: str) -> None:
    result = interlock(*words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "secret" not in result.stderr


def test_where_it_cannot_be(orders: str) -> None:
    assert interlock("run", "7", "--database", orders).exit_code == 2
    left(orders, UNIQUE)
    assert "there is no job 7, 8 of this login" in interlock("run", "7", "1", "8", "--database", orders).stderr
    result = interlock("run", "--database", orders + "?options=-c%20default_transaction_read_only%3Don")
    assert result.exit_code == 2
    assert "nothing can be written here" in result.stderr
    execute(orders, "ALTER TABLE interlock.jobs ADD more text")
    for words in (["run"], ["list"], ["show", "1"], ["install"]):
        result = interlock(*words, "--database", orders)
        assert result.exit_code == 2
        assert "interlock.jobs is not as Interlock made it" in result.stderr


def test_an_owner_who_is_not_trusted_by_all_is_told(orders: str) -> None:
    login = f"login_{orders.rpartition('/')[2]}"
    execute(orders, f"CREATE ROLE {login} LOGIN; GRANT CREATE ON DATABASE {orders.rpartition('/')[2]} TO {login}")
    result = interlock("install", "--database", orders.replace("postgres@", f"{login}@"))
    assert result.exit_code == 0
    assert "better have a superuser own it" in result.stderr
    execute(orders, f"DROP OWNED BY {login}; DROP ROLE {login}")

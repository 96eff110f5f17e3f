"""Every plan, on real servers: it ends in the schema that the statement itself makes, and never works under lock."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import psycopg
import psycopg.sql
import pytest

from proxy.plans.plan import Lock, Plan
from tests.live.part_cases import PARTS, make_tablespace
from tests.live.plan_cases import CASES, SAME_EMAIL, Case
from tests.live.plan_runner import Session, plan_for
from tests.servers import Server

numbers = itertools.count(1)
BESIDES = """
    SELECT 'index', i.indexrelid::regclass::text, i.indisvalid, i.indisready, i.indislive, h.inhparent::regclass::text
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid
    WHERE c.relnamespace = to_regnamespace(%(schema)s)
    UNION ALL
    SELECT 'constraint', concat(k.conrelid::regclass, ' ', k.conname, ' ', k.confrelid::regclass),
        -- Up to 17, VALIDATE leaves the rows that a key has for the partitions of the table that it refers to.
        k.convalidated OR (k.contype = 'f' AND k.conparentid <> 0 AND current_setting('server_version_num')::int < 180000),
        -- A primary key of a partition marks the NOT NULLs that it has from above as its own, too (18).
        k.conislocal OR (k.contype = 'n' AND k.coninhcount > 0), k.conparentid <> 0, k.coninhcount::text
    FROM pg_constraint k WHERE k.connamespace = to_regnamespace(%(schema)s)
    UNION ALL
    SELECT 'column', concat(a.attrelid::regclass, ' ', a.attname, ' ', a.attidentity, a.attstorage), a.attnotnull,
        a.attislocal, a.atthasdef, a.attinhcount::text
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = to_regnamespace(%(schema)s) AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 'trigger', concat(t.tgrelid::regclass, ' ', t.tgfoid::regproc), t.tgisinternal, t.tgdeferrable, true, count(*)::text
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = to_regnamespace(%(schema)s)
    GROUP BY 1, 2, 3, 4, 5
    ORDER BY 1, 2, 3, 4, 5, 6
"""

EVERY = [*CASES, *PARTS]


class Copies:
    """Two databases; a test takes a schema of one name in each, with the same tables and rows."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.databases = (server.create_database(), server.create_database())
        make_tablespace(server)

    def session(self, which: int, schema: str, case: Case, *, bad: bool = False) -> Session:
        return self._session(self.databases[which], schema, case, bad=bad)

    def _session(self, database: str, schema: str, case: Case, *, bad: bool) -> Session:
        with self.server.connect(database) as connection:
            connection.execute(f"CREATE SCHEMA {schema}")
        session = Session(self.server.url(database), schema)
        session.moves = case.moves
        for sql in (case.tables, case.bad if bad else "", case.before):
            if sql:
                session.execute(sql)
        return session

    def dump(self, which: int, session: Session) -> str:
        arguments = ("--schema-only", "--no-sync", "-n", session.schema)
        text = self.server.run("pg_dump", *arguments, database=self.databases[which]).stdout
        lines = [line for line in text.splitlines() if line.strip()]
        lines = [line for line in lines if not line.startswith(("--", "\\restrict", "\\unrestrict"))]
        if session.moves:
            lines = sorted(line.rstrip(",") for line in lines)
        # What a dump does not tell: what is valid, and what is whose part.
        lines += [str(row) for row in session.connection.execute(BESIDES, {"schema": session.schema}).fetchall()]
        return "\n".join(lines)


@pytest.fixture(scope="module")
def all_copies() -> Iterator[dict[int, Copies]]:
    made: dict[int, Copies] = {}
    yield made
    for copies in made.values():
        for database in copies.databases:
            copies.server.drop_database(database)


@pytest.fixture
def copies(postgres: Server, all_copies: dict[int, Copies]) -> Copies:
    if postgres.version not in all_copies:
        all_copies[postgres.version] = Copies(postgres)
    return all_copies[postgres.version]


class Opened:
    """Gives sessions on schemas that are dropped after the test."""

    def __init__(self, copies: Copies) -> None:
        self.copies = copies
        self.open_now: list[Session] = []

    def both(self, case: Case, *, bad: bool = False) -> tuple[Session, Session]:
        """A session on each of the two copies, in schemas of one name."""
        schema = f"s{next(numbers)}"
        self.open_now += (self.copies.session(which, schema, case, bad=bad) for which in (0, 1))
        return self.open_now[-2], self.open_now[-1]

    def one(self, case: Case) -> Session:
        """A session on the second copy."""
        self.open_now.append(self.copies.session(1, f"s{next(numbers)}", case))
        return self.open_now[-1]


@pytest.fixture
def opened(copies: Copies) -> Iterator[Opened]:
    made = Opened(copies)
    yield made
    for session in made.open_now:
        session.execute(f"DROP SCHEMA {session.schema} CASCADE")
        session.close()


def planned(session: Session, sql: str) -> Plan:
    plan = plan_for(session.connection, sql)
    assert plan is not None, "no finding: it would run as it is"
    return plan


def cases(chosen: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", chosen, ids=[f"{n}-{case.id}" for n, case in enumerate(chosen)])


@pytest.mark.sampled(6)
@cases(EVERY)
def test_same_schema_and_no_work_under_lock(case: Case, copies: Copies, opened: Opened) -> None:
    direct, through = opened.both(case)
    direct.execute(case.sql)
    plan = planned(through, case.sql)
    for step, seen in through.run(plan):
        if step.lock.rank >= Lock.SHARE.rank:
            assert not seen.work, f"under {step.lock}: {seen.work}\n{step.sql}"
            for schema, name, lock in step.others:
                assert seen.locks.get((schema, name)) is lock, f"{name}: {seen.locks.get((schema, name))}\n{step.sql}"
        strong = {key: lock for key, lock in seen.locks.items() if lock.rank >= Lock.SHARE.rank}
        if step.transaction:
            for key in step.relations:
                got = seen.locks.get(key) or seen.indexes.get(key)
                assert got is step.lock, f"{key} locked {got}, claimed {step.lock}\n{step.sql}"
        for key, lock in strong.items():
            claimed = {*step.relations, *((schema, name) for schema, name, _ in step.others)}
            assert claimed & above(through, key), f"{key} locked {lock}, not claimed\n{step.sql}"
            assert lock.rank <= step.lock.rank, f"{key} locked {lock}, claimed {step.lock}\n{step.sql}"
    wanted = copies.dump(0, direct)
    assert copies.dump(1, through) == wanted
    assert not leftovers(through)
    if case.moves:
        assert rows_of(through) == rows_of(direct)
    if case.repeats:  # a plan that is run twice ends as if it was run once
        through.run(plan)
        assert copies.dump(1, through) == wanted
        assert not leftovers(through)


def rows_of(session: Session) -> list[list[str]]:
    """All rows of all tables, whatever the order of columns."""
    names = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind = 'r' ORDER BY 1"
    tables = session.connection.execute(names, (session.schema,)).fetchall()
    found = []
    for (name,) in tables:
        sql = psycopg.sql.SQL("SELECT to_jsonb(t)::text FROM {} t ORDER BY 1").format(psycopg.sql.Identifier(name))
        found.append([row[0] for row in session.connection.execute(sql).fetchall()])
    return found


def above(session: Session, key: tuple[str, str]) -> set[tuple[str, str]]:
    """A table, and all that it is a part of."""
    rows = session.connection.execute(
        "WITH RECURSIVE up (oid) AS (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s UNION SELECT i.inhparent FROM up JOIN pg_inherits i ON i.inhrelid = up.oid)"
        " SELECT n.nspname, c.relname FROM up JOIN pg_class c ON c.oid = up.oid JOIN pg_namespace n ON n.oid = c.relnamespace",
        key,
    ).fetchall()
    return {(schema, name) for schema, name in rows}


def leftovers(session: Session) -> list[str]:
    """Invalid indexes, and whatever still has a name of ours."""
    rows = session.connection.execute(
        "SELECT c.relname FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid"
        " WHERE c.relnamespace = to_regnamespace(%(s)s) AND (c.relname ~ '^_interlock' OR NOT i.indisvalid)"
        " UNION ALL SELECT conname FROM pg_constraint WHERE connamespace = to_regnamespace(%(s)s) AND conname ~ '^_interlock'"
        " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace(%(s)s) AND proname ~ '^_interlock'"
        " UNION ALL SELECT tgname FROM pg_trigger WHERE tgname ~ '^~_interlock'"
        " AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = to_regnamespace(%(s)s))",
        {"s": session.schema},
    ).fetchall()
    return [row[0] for row in rows]


@pytest.mark.sampled(5)
@cases([case for case in EVERY if case.bad])
def test_failure_says_what_postgres_says_and_leaves_nothing(case: Case, copies: Copies, opened: Opened) -> None:
    direct, through = opened.both(case, bad=True)
    with pytest.raises(psycopg.Error) as expected:
        direct.execute(case.sql)
    before = copies.dump(1, through)
    plan = planned(through, case.sql)
    with pytest.raises(psycopg.Error) as got:
        through.run(plan)
    assert copies.dump(1, through) == before
    assert not leftovers(through)
    assert shown(got.value, plan) == shown(expected.value, plan)


def shown(error: psycopg.Error, plan: Plan) -> tuple[str | None, str | None]:
    """SQLSTATE and message as the client gets them."""
    for step in plan.steps:
        for failure in step.hides:
            if (error.sqlstate, error.diag.constraint_name or "") == (failure.sqlstate, failure.constraint):
                return failure.instead, failure.message(error.diag.table_name or "")
    return error.sqlstate, error.diag.message_primary


@pytest.mark.sampled(14)
@cases([case for case in EVERY if case.repeats or case.replans])
def test_interrupted_after_any_step(case: Case, copies: Copies, opened: Opened) -> None:
    """The connection dies after a step: the same plan, or the same statement sent again, goes on from there."""
    direct, first = opened.both(case)
    direct.execute(case.sql)
    wanted = copies.dump(0, direct).replace(direct.schema, "S")
    last = len(planned(first, case.sql).steps) - 1
    for number in sorted({1, 2, last // 2, last - 1, last} & set(range(1, last + 1))):
        through = opened.one(case)
        plan = planned(through, case.sql)
        for step in plan.steps[:number]:
            through.step(step)
        if case.replans:
            again = plan_for(through.connection, case.sql)
            if again is None:
                through.execute(case.sql)
            else:
                through.run(again)
        else:
            through.run(plan)
        assert copies.dump(1, through).replace(through.schema, "S") == wanted, (
            f"interrupted after {plan.steps[number - 1].sql}"
        )
        assert not leftovers(through)


@cases(
    [
        Case("CREATE UNIQUE INDEX orders_email ON orders (email)"),
        Case("CREATE UNIQUE INDEX IF NOT EXISTS orders_email ON orders (email)"),
        Case("ALTER TABLE orders ADD CONSTRAINT orders_email UNIQUE (email)"),
        Case("ALTER TABLE orders ADD CONSTRAINT orders_email PRIMARY KEY (email)"),
    ]
)
def test_invalid_index_in_the_way(case: Case, copies: Copies, opened: Opened) -> None:
    direct, through = opened.both(case)
    direct.execute(case.sql)
    through.execute(SAME_EMAIL)
    with pytest.raises(psycopg.errors.UniqueViolation):
        through.execute("CREATE UNIQUE INDEX CONCURRENTLY orders_email ON orders (email)")
    assert leftovers(through) == ["orders_email"]
    through.execute("UPDATE orders SET email = 'e' || id")
    through.run(planned(through, case.sql))
    assert copies.dump(1, through) == copies.dump(0, direct)
    assert not leftovers(through)


def test_index_of_another_table_is_not_dropped(opened: Opened) -> None:
    """The name is an invalid index's of another table: Postgres says that it is taken, and it stays."""
    session = opened.one(Case("", before=SAME_EMAIL))
    with pytest.raises(psycopg.errors.UniqueViolation):
        session.execute("CREATE UNIQUE INDEX CONCURRENTLY u ON orders (email)")
    assert plan_for(session.connection, "CREATE INDEX u ON customers (code)") is None
    assert leftovers(session) == ["u"]


def test_finished_index_of_another_kind_is_not_taken(opened: Opened) -> None:
    """A valid index has the constraint's name: the error is Postgres's, and the index stays."""
    session = opened.one(Case("", before="CREATE UNIQUE INDEX u ON orders (email DESC)"))
    plan = planned(session, "ALTER TABLE orders ADD CONSTRAINT u UNIQUE (email)")
    with pytest.raises(psycopg.errors.DuplicateTable):
        session.run(plan)
    [row] = session.connection.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'u'").fetchall()
    assert "email DESC" in row[0]


@cases(
    [
        Case("ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 1)"),
        Case("ALTER TABLE orders ADD CONSTRAINT c FOREIGN KEY (customer_id) REFERENCES customers"),
    ]
)
def test_another_constraint_of_that_name_is_not_taken(case: Case, opened: Opened) -> None:
    """NOT VALID, but not the same: nothing is found, and Postgres says that the name is taken."""
    session = opened.one(case)
    session.execute("ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0) NOT VALID")
    assert plan_for(session.connection, case.sql) is None
    with pytest.raises(psycopg.errors.DuplicateObject):
        session.execute(case.sql)


def test_done_is_not_hijacked(opened: Opened) -> None:
    """Operators and functions of the client's own, first in its search_path, do not answer a step's query."""
    case = Case(
        "ALTER TABLE orders ADD UNIQUE (email), ADD CHECK (total > 0), ALTER note SET NOT NULL, DROP COLUMN region"
    )
    session = opened.one(case)
    plan = planned(session, case.sql)
    session.run(plan)
    session.execute(
        f"""
        CREATE SCHEMA {session.schema}_evil;
        SET search_path = {session.schema}_evil, pg_catalog, {session.schema};
        CREATE FUNCTION no(name, text) RETURNS bool LANGUAGE sql AS 'SELECT false';
        CREATE FUNCTION no(name, name) RETURNS bool LANGUAGE sql AS 'SELECT false';
        CREATE FUNCTION no(oid, oid) RETURNS bool LANGUAGE sql AS 'SELECT false';
        CREATE OPERATOR = (LEFTARG = name, RIGHTARG = text, FUNCTION = no);
        CREATE OPERATOR = (LEFTARG = name, RIGHTARG = name, FUNCTION = no);
        CREATE OPERATOR = (LEFTARG = oid, RIGHTARG = oid, FUNCTION = no);
        CREATE FUNCTION unnest(anyarray) RETURNS SETOF anyelement LANGUAGE sql AS 'SELECT $1[1] WHERE false';
        CREATE FUNCTION to_jsonb(anyelement) RETURNS jsonb LANGUAGE sql AS $$SELECT NULL::jsonb$$;
        """
    )
    try:
        asked = [step for step in plan.steps if step.done is not None]
        assert asked
        assert all(session.is_done(step) for step in asked)
    finally:
        session.execute(f"SET search_path = {session.schema}; DROP SCHEMA {session.schema}_evil CASCADE")

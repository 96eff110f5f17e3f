"""The table interlock.jobs on real servers: who makes it, who may write what, and when it is not used at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

import psycopg
import pytest

from proxy.admin.databases import Look
from proxy.admin.job_row import of_job
from proxy.plans.plan import Lock, Step
from proxy.render.jobs import document, lines, when
from proxy.run import jobs, store
from proxy.run.jobs import Job, JobsUnusable, NewJob
from proxy.run.side import Side
from proxy.run.stored_job import job_of
from proxy.wire.messages import error_response
from tests import servers
from tests.servers import Server

STEP = Step(
    ("CREATE INDEX CONCURRENTLY i ON public.t (a)",),
    Lock.SHARE_UPDATE_EXCLUSIVE,
    "builds",
    relations=(("public", "t"),),
    transaction=False,
    budget="builds",
    index=("public", "i"),
)
NEW = NewJob(
    "token", "CREATE INDEX", "CREATE INDEX i ON t (a) -- Ünïcödé \\ \"q\" 's'", (STEP,), (4_000_000_000, 1259)
)  # one of its tables is left
HOSTILE = """
CREATE SCHEMA evil;
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (VALUE IS NULL);
CREATE DOMAIN evil.name AS pg_catalog.text;
CREATE DOMAIN evil.timestamptz AS pg_catalog.int4;
CREATE FUNCTION evil.bad() RETURNS pg_catalog.bool LANGUAGE plpgsql AS $$ BEGIN RAISE 'resolved by the search_path'; END $$;
CREATE FUNCTION evil.eq(pg_catalog.text, pg_catalog.text) RETURNS pg_catalog.bool LANGUAGE sql AS 'SELECT evil.bad()';
CREATE FUNCTION evil.eq(pg_catalog.name, pg_catalog.name) RETURNS pg_catalog.bool LANGUAGE sql AS 'SELECT evil.bad()';
CREATE FUNCTION evil.eq(pg_catalog.int8, pg_catalog.int8) RETURNS pg_catalog.bool LANGUAGE sql AS 'SELECT evil.bad()';
CREATE FUNCTION evil.eq(pg_catalog.oid, pg_catalog.oid) RETURNS pg_catalog.bool LANGUAGE sql AS 'SELECT evil.bad()';
CREATE OPERATOR evil.= (LEFTARG = pg_catalog.text, RIGHTARG = pg_catalog.text, FUNCTION = evil.eq);
CREATE OPERATOR evil.= (LEFTARG = pg_catalog.name, RIGHTARG = pg_catalog.name, FUNCTION = evil.eq);
CREATE OPERATOR evil.= (LEFTARG = pg_catalog.int8, RIGHTARG = pg_catalog.int8, FUNCTION = evil.eq);
CREATE OPERATOR evil.= (LEFTARG = pg_catalog.oid, RIGHTARG = pg_catalog.oid, FUNCTION = evil.eq);
CREATE FUNCTION evil.now() RETURNS pg_catalog.timestamptz LANGUAGE sql AS 'SELECT NULL::pg_catalog.timestamptz';
CREATE TABLE evil.pg_roles (a int); CREATE TABLE evil.pg_settings (a int); CREATE TABLE evil.pg_class (a int);
GRANT USAGE ON SCHEMA evil TO PUBLIC;
"""


class House:
    """A database, roles of its own, and sessions on it."""

    def __init__(self, server: Server, url: str) -> None:
        self.server = server
        self.url = url
        self.name = url.rpartition("/")[2]
        self.alice, self.bob, self.team = (f"{who}_{self.name}" for who in ("alice", "bob", "team"))
        self.roles = [self.alice, self.bob, self.team]
        self.sql(*(f"CREATE ROLE {role} LOGIN" for role in self.roles))
        self.grant_create(*self.roles)

    def grant_create(self, *roles: str) -> None:
        self.sql(*(f"GRANT CREATE ON DATABASE {self.name} TO {role}" for role in roles))

    def sql(self, *statements: str, user: str = "postgres") -> list[tuple[object, ...]]:
        """The rows of the last."""
        with psycopg.connect(self.server.url(self.name, user=user), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def run(self, story: Callable[..., Awaitable[None]], *users: str, options: str = "") -> None:
        """A story about sessions, one of each of these logins."""

        async def told() -> None:
            urls = [self.server.url(self.name, user=user or "postgres") + options for user in users or ("",)]
            sides = [await Side.connect(url, print) for url in urls]
            try:
                await story(*sides)
            finally:
                for side in sides:
                    await side.close()

        asyncio.run(told())

    def install(self, user: str = "postgres") -> None:
        async def story(own: Side) -> None:
            await begin(own)
            await jobs.prepare(own)
            await commit(own)

        self.run(story, user)

    def written(self, user: str = "", job: NewJob = NEW) -> None:
        async def story(own: Side) -> None:
            await begin(own)
            await jobs.prepare(own)
            await jobs.add(own, job)
            await commit(own)

        self.run(story, user)


async def begin(own: Side, how: str = "") -> None:
    await own.run([(f"BEGIN {how}", ())])


async def commit(own: Side) -> None:
    await own.run([("COMMIT", ())])


async def rollback(own: Side) -> None:
    await own.run([("ROLLBACK", ())])


async def until(holds: Callable[[], Awaitable[object]]) -> None:
    """Bounded by the test's own timeout."""
    while not await holds():  # noqa: ASYNC110 (nothing tells us)
        await asyncio.sleep(0.01)


@pytest.fixture
def house(postgres: Server, database: str) -> Iterator[House]:
    made = House(postgres, database)
    yield made
    names = ", ".join(made.roles)
    made.sql(f"REASSIGN OWNED BY {names} TO postgres", f"DROP OWNED BY {names}", f"DROP ROLE {names}")


# ---------------------------------------------------------------- writing down


@pytest.mark.parametrize("user", ["postgres", "alice"])
def test_a_job_is_read_as_it_was_written(house: House, user: str) -> None:
    login = {"alice": house.alice}.get(user, user)

    async def story(own: Side, other: Side) -> None:
        assert not await jobs.exists(own)
        assert await jobs.waiting(own) == []
        await begin(own)
        await own.run([("SET LOCAL \"TimeZone\" = 'Asia/Tokyo'", ())])
        await own.run([('SET LOCAL search_path = "Ärger", public', ())])
        await jobs.prepare(own)
        number = await jobs.add(
            own, replace(NEW, give_up=("DROP x", "ä"), tool="Alembic", migration="a1", client="::1")
        )
        assert [job.id for job in await jobs.of_session(own, "token")] == [number]
        assert await jobs.of_session(own, "another") == []
        assert await jobs.waiting(other) == []
        await commit(own)
        [job] = await jobs.waiting(other)
        assert job.created_at
        assert replace(job, created_at="") == Job(
            number, "waiting", login, "token", "CREATE INDEX", NEW.statement, NEW.tables, (STEP,), ("DROP x", "ä"),
            {"search_path": '"Ärger", public', "TimeZone": "Asia/Tokyo"}, 0, {}, login, (("public", "t"),), "::1", "",
            "Alembic", "a1",
        )  # fmt: skip

    house.run(story, login, login)


def test_rollback_takes_it_all_back(house: House) -> None:
    async def story(own: Side) -> None:
        await begin(own)
        await jobs.prepare(own)
        await jobs.add(own, NEW)
        await rollback(own)
        assert not await jobs.exists(own)
        await begin(own)
        await own.run([("SAVEPOINT a", ())])
        await jobs.prepare(own)
        await jobs.add(own, NEW)
        await own.run([("ROLLBACK TO a", ())])
        assert not await jobs.exists(own)
        await jobs.prepare(own)
        assert await jobs.of_session(own, "token") == []
        await commit(own)

    house.run(story, house.alice)


def test_without_parameters_it_is_the_same(house: House) -> None:
    """As it stands in a query string of several statements."""
    tricky = replace(NEW, statement="a '' $1::x \\ $2::pg_catalog.text", kind="$3::", tool="\\'")
    for scs in ("on", "off"):
        house.install()
        house.sql(f"SET standard_conforming_strings = {scs}; SET escape_string_warning = off; {tricky.sql}")
    expected = [tricky.statement, tricky.kind, tricky.tool]
    assert [list(row) for row in house.sql("SELECT statement, kind, tool FROM interlock.jobs")] == [expected] * 2


@pytest.mark.parametrize("encoding", ["LATIN1", "SJIS", "UTF8"])
def test_other_client_encodings(house: House, encoding: str) -> None:
    """What is read is not spoiled by an encoding that another client has."""
    job = replace(NEW, statement="naïve – 表", steps=(replace(STEP, why="表\\"),), give_up=("表",))
    house.written(job=job)

    async def story(own: Side) -> None:
        await own.run([(f"SET client_encoding = '{encoding}'", ())])
        [found] = await jobs.waiting(own)
        assert (found.statement, found.steps, found.give_up) == (job.statement, job.steps, job.give_up)

    house.run(story)


def test_hostile_search_path(house: House) -> None:
    """Every name is qualified: nothing that stands first in the search_path is called."""
    house.sql(HOSTILE)

    async def story(own: Side) -> None:
        await own.run([("SET search_path = evil, pg_catalog", ())])
        await begin(own)
        await jobs.prepare(own)
        number = await jobs.add(own, NEW)
        await commit(own)
        await own.run([(NEW.sql, ())])
        first, second = await jobs.waiting(own)
        assert first.id == number
        assert first.settings["search_path"] == "evil, pg_catalog"
        assert await jobs.claim(own, first.id)
        await jobs.end(own, first.id, "failed", {"M": "x"})
        assert await jobs.claim(own, second.id)
        await jobs.end(own, second.id, "done")
        assert [job.state for job in await jobs.everything(own)] == ["failed", "done"]
        assert (await jobs.find(own, number)) is not None
        assert [job.state for job in await jobs.unfinished(own)] == ["failed"]

    house.run(story, house.alice)
    types = "SELECT DISTINCT typnamespace::regnamespace::text FROM pg_attribute JOIN pg_type y ON y.oid = atttypid WHERE attrelid = 'interlock.jobs'::regclass"
    assert house.sql(types) == [("pg_catalog",)]


def test_settings_that_the_client_did_not_make_are_not_kept(house: House) -> None:
    house.sql(f"ALTER ROLE {house.alice} SET \"DateStyle\" = 'German'")

    async def story(own: Side) -> None:
        await own.run([("SET work_mem = '5MB'", ()), ("SET \"IntervalStyle\" = 'iso_8601'", ())])
        await begin(own)
        await jobs.prepare(own)
        await jobs.add(own, NEW)
        await commit(own)
        [job] = await jobs.waiting(own)
        assert job.settings == {
            "search_path": '"$user", public', "IntervalStyle": "iso_8601", "maintenance_work_mem": "70MB",
        }  # fmt: skip

    house.run(story, house.alice, options="?options=-c%20maintenance_work_mem%3D70MB")


def test_a_setting_that_is_none_of_ours_is_not_believed(house: House) -> None:
    house.written()
    house.sql('UPDATE interlock.jobs SET settings = \'{"role": "postgres"}\'')

    async def story(own: Side) -> None:
        assert await jobs.waiting(own) == []
        [job] = await jobs.unfinished(own)
        assert job.unreadable.startswith("its column settings has some that a job does not keep (role)")

    house.run(story)


def test_one_that_cannot_be_read_does_not_keep_others_waiting(house: House) -> None:
    for _ in range(3):
        house.written()
    house.sql(
        'UPDATE interlock.jobs SET plan = \'{"version": 9, "steps": []}\' WHERE id = 1',
        "UPDATE interlock.jobs SET give_up = '[1]', error = 'no json' WHERE id = 2",
    )

    async def story(own: Side) -> None:
        assert [job.id for job in await jobs.waiting(own)] == [3]
        first, second, third = await jobs.unfinished(own)
        assert first.unreadable.startswith("the plan is of version 9")
        assert first.later
        assert second.unreadable == "its column give_up is not a JSON list of texts: it has been changed"
        assert not second.later
        assert second.error == {"M": "no json"}
        assert not third.unreadable

    house.run(story)


CHANGED = {
    "plan = '{bad'": "plan is not a plan of Interlock's",
    "plan = '[]'": "plan is not a plan of Interlock's",
    'plan = \'{"version": "x", "steps": []}\'': "plan is not a plan of Interlock's",
    "plan = replace(plan, 'CREATE', '\\u0000')": "plan is not a plan of Interlock's",
    "relations = '{}'": "relations is not a JSON list of pairs of texts",
    "relations = '[\"ab\"]'": "relations is not a JSON list of pairs of texts",
    'relations = \'[["\\ud800", "t"]]\'': "relations is not a JSON list of pairs of texts",
    "tables = '[\"x\"]'": "tables is not a JSON list of OIDs",
    "tables = '[true]'": "tables is not a JSON list of OIDs",
    "tables = '[-5]'": "tables is not a JSON list of OIDs",
    "tables = '[5000000000]'": "tables is not a JSON list of OIDs",
    "tables = '[99999999999999999999]'": "tables is not a JSON list of OIDs",
    "tables = repeat('[', 100000)": "tables is not a JSON list of OIDs",
    "give_up = 'null'": "give_up is not a JSON list of texts",
    "settings = '[1, 2]'": "settings is not a JSON object of texts",
    "settings = '{\"TimeZone\": 1}'": "settings is not a JSON object of texts",
    "state = 'nonsense'": "state is 'nonsense', and not waiting, running, failed, done or cancelled",
}


@pytest.mark.parametrize("sql", CHANGED)
def test_a_column_that_is_not_as_it_was_written_is_named(house: House, sql: str) -> None:
    for _ in range(2):
        house.written()
    house.sql(f"UPDATE interlock.jobs SET {sql} WHERE id = 1")

    async def story(own: Side) -> None:
        assert [job.id for job in await jobs.waiting(own)] == [2]
        for found in (await jobs.unfinished(own), await jobs.everything(own)):
            assert found[0].unreadable == f"its column {CHANGED[sql]}: it has been changed"
            assert not found[0].later
            assert not found[1].unreadable
            assert all(lines(job, None) and document(job, None) and when(job) for job in found)

    house.run(story)


@pytest.mark.parametrize("column", store.NEEDED)
def test_null_where_there_must_be_none(house: House, column: str) -> None:
    """The table is not used where it may come to that; where a row has it nevertheless, that row is not."""
    house.written()
    [[row]] = house.sql("SELECT row_to_json(j) FROM interlock.jobs j")
    assert isinstance(row, dict)
    job = job_of({**row, column: None})
    assert job.unreadable == f"its column {column} is NULL: it has been changed"
    assert list(lines(job, None))[-1].endswith("DELETE FROM interlock.jobs WHERE id = 1;")
    assert document(job, None)["unreadable"] == job.unreadable
    assert of_job(Look("db"), job, None)
    when(job)
    house.written()
    house.sql(f"ALTER TABLE interlock.jobs ALTER {column} DROP NOT NULL")

    async def unusable(own: Side) -> None:
        with pytest.raises(JobsUnusable, match="is not as Interlock made it"):
            await jobs.waiting(own)

    house.run(unusable)
    if house.server.version < 18 or column in ("login", "role"):
        return
    house.sql(
        f"UPDATE interlock.jobs SET {column} = NULL WHERE id = 1",
        f"ALTER TABLE interlock.jobs ADD CONSTRAINT needed NOT NULL {column} NOT VALID",
    )

    async def story(own: Side) -> None:
        assert [one.id for one in await jobs.waiting(own)] == [2]
        assert (await jobs.unfinished(own))[0].unreadable == job.unreadable

    house.run(story)


@pytest.mark.parametrize("error", ["[1]", "1", '{"M": "a\\u0000\\ud800b", "": "x", "CC": "x", "1": 2}', "["])
def test_an_error_that_is_none_can_be_shown(house: House, error: str) -> None:
    house.written()
    house.sql(f"UPDATE interlock.jobs SET state = 'failed', error = '{error}', finished_at = 'infinity'")

    async def story(own: Side) -> None:
        [job] = await jobs.unfinished(own)
        assert not job.unreadable
        assert error_response({"S": "ERROR", **job.error})
        assert set(job.error) <= {"M"}
        assert "\n".join(lines(job, None)).encode()

    house.run(story)


# ---------------------------------------------------------------- making the table


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_two_transactions_make_it_at_once(house: House, level: str) -> None:
    """The second waits, but in no queue, and finds it made, unless it cannot see it."""

    async def story(first: Side, second: Side, watcher: Side) -> None:
        await begin(first)
        await begin(second, f"ISOLATION LEVEL {level}")
        await second.fetch("SELECT 1")
        await jobs.prepare(first)
        preparing = asyncio.create_task(jobs.prepare(second))
        polling = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query ~ 'SELECT EXISTS .* OR pg_catalog.to_regnamespace' AND state ~ '^idle in'"
        await until(lambda: watcher.fetch(polling))
        blocked = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0 AND datname = current_database()"
        assert (await watcher.fetch(blocked))[0][0] == b"0"
        assert not preparing.done()
        await commit(first)
        if level == "READ COMMITTED":
            await preparing
            await jobs.add(second, NEW)
            await commit(second)
        else:
            with pytest.raises(JobsUnusable, match="after this transaction had begun") as told:
                await preparing
            assert told.value.hint == "Run the migration again."
            await second.fetch("SELECT 1")  # nothing has failed
            await rollback(second)
            await begin(second, f"ISOLATION LEVEL {level}")
            await jobs.prepare(second)
            await jobs.add(second, NEW)
            await commit(second)
        assert len(await jobs.waiting(watcher)) == 1

    house.run(story, house.alice, house.alice, house.alice)


def test_who_waits_too_long_is_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAKING_S", 0.2)

    async def story(first: Side, second: Side) -> None:
        await begin(first)
        await jobs.prepare(first)
        await begin(second)
        with pytest.raises(JobsUnusable, match="does not end") as told:
            await jobs.prepare(second)
        assert "interlock jobs install" in told.value.hint
        monkeypatch.setattr(store, "MAKING_S", 1000)
        cancelled = asyncio.Event()
        cancelled.set()
        with pytest.raises(JobsUnusable, match="does not end"):
            await jobs.prepare(second, cancelled)
        await rollback(first)
        await jobs.prepare(second)
        await commit(second)

    house.run(story, house.alice, house.alice)


def test_ten_transactions_at_once(house: House) -> None:
    async def story(*sides: Side) -> None:
        async def migrate(own: Side) -> None:
            await begin(own)
            await jobs.prepare(own)
            await jobs.add(own, NEW)
            await commit(own)

        await asyncio.gather(*(migrate(own) for own in sides))
        assert len(await jobs.waiting(sides[0])) == 10

    house.run(story, *[house.alice] * 10)


def test_a_role_that_may_not_make_it(house: House) -> None:
    house.sql(f"REVOKE CREATE ON DATABASE {house.name} FROM {house.bob}")

    async def story(own: Side) -> None:
        assert not await jobs.exists(own)
        assert await jobs.waiting(own) == []  # to look is no error
        await begin(own)
        with pytest.raises(JobsUnusable, match=f"{house.bob} may not make the schema interlock") as told:
            await jobs.prepare(own)
        assert "interlock jobs install" in told.value.hint
        assert f"GRANT CREATE ON DATABASE {house.name} TO {house.bob};" in told.value.hint
        await own.fetch("SELECT 1")  # the client's transaction goes on
        await rollback(own)

    house.run(story, house.bob)
    house.install()
    house.written(house.bob)
    assert house.sql("SELECT login::text FROM interlock.jobs") == [(house.bob,)]


def test_somebodys_empty_schema(house: House) -> None:
    """It is there, and this role may make nothing in it; or it belongs to somebody who could drop what is in it."""
    house.sql("CREATE SCHEMA interlock")

    async def refused(own: Side) -> None:
        assert not await jobs.exists(own)
        await begin(own)
        with pytest.raises(JobsUnusable, match="may not make a table in the schema interlock") as told:
            await jobs.prepare(own)
        assert f"GRANT CREATE ON SCHEMA interlock TO {house.alice};" in told.value.hint

    house.run(refused, house.alice)
    house.sql(f"ALTER SCHEMA interlock OWNER TO {house.bob}", f"GRANT ALL ON SCHEMA interlock TO {house.alice}")

    async def distrusted(own: Side) -> None:
        await begin(own)
        with pytest.raises(JobsUnusable, match=f"belongs to {house.bob}"):
            await jobs.prepare(own)

    house.run(distrusted, house.alice)


@pytest.mark.parametrize("how", ["READ ONLY", "default"])
def test_where_nothing_can_be_written(house: House, how: str) -> None:
    house.written()

    async def story(own: Side) -> None:
        if how == "default":
            await own.run([("SET default_transaction_read_only = on", ())])
            assert await jobs.waiting(own) == []
            assert len(await jobs.everything(own)) == 1  # to look is allowed
        await begin(own, "READ ONLY" if how == "READ ONLY" else "")
        with pytest.raises(JobsUnusable, match="nothing can be written here"):
            await jobs.prepare(own)
        await own.fetch("SELECT 1")

    house.run(story)


def test_on_a_standby(postgres: Server) -> None:
    server = servers.start(postgres.version)
    try:
        house = House(server, server.url(server.create_database()))
        house.written()
        server.become_standby()

        async def story(own: Side) -> None:
            assert await jobs.waiting(own) == []
            assert len(await jobs.everything(own)) == 1
            await begin(own)
            with pytest.raises(JobsUnusable, match="the server is a standby"):
                await jobs.prepare(own)

        house.run(story)
    finally:
        server.stop()


def test_a_superuser_who_has_another_role_on(house: House) -> None:
    """The table is the superuser's, or he could not trust it later; the role is as before, in the transaction and after it."""
    for n, (before, inside, after) in enumerate(
        [
            (f"SET ROLE {house.alice}", "SELECT 1", house.alice),
            ("RESET ROLE", f"SET LOCAL ROLE {house.alice}", "none"),
            ("RESET ROLE", f"SET ROLE {house.alice}", house.alice),
        ]
    ):

        async def story(own: Side, before: str = before, inside: str = inside, after: str = after, n: int = n) -> None:
            await own.run([("DROP SCHEMA IF EXISTS interlock CASCADE", ())])
            await own.run([(before, ())])
            await begin(own)
            await own.run([(inside, ())])
            await jobs.prepare(own)
            assert await own.fetch("SELECT current_user, current_setting('role')") == [[house.alice.encode()] * 2]
            await jobs.add(own, NEW)
            await commit(own)
            assert await own.fetch("SELECT current_setting('role')") == [[after.encode()]]
            [job] = await jobs.waiting(own)
            assert (job.login, job.role) == ("postgres", house.alice)

        house.run(story)
        assert house.sql("SELECT relowner::regrole::text FROM pg_class WHERE oid = 'interlock.jobs'::regclass") == [
            ("postgres",)
        ]


# ---------------------------------------------------------------- whose it is


def test_an_owner_whom_the_login_need_not_trust(house: House) -> None:
    house.install(house.bob)

    async def story(own: Side, superuser: Side, owner: Side) -> None:
        for one in (own, superuser):
            for ask in (jobs.exists, jobs.waiting):
                with pytest.raises(JobsUnusable, match=f"belongs to {house.bob}, who could have") as told:
                    await ask(one)
            await begin(one)
            with pytest.raises(JobsUnusable, match="belongs to"):
                await jobs.prepare(one)
            await rollback(one)
            assert "ALTER TABLE interlock.jobs OWNER TO CURRENT_USER;" in told.value.hint
        assert await jobs.exists(owner)

    house.run(story, house.alice, "", house.bob)
    house.sql("ALTER SCHEMA interlock OWNER TO CURRENT_USER", "ALTER TABLE interlock.jobs OWNER TO CURRENT_USER")
    house.written(house.alice)


def test_owners_whom_the_login_trusts(house: House) -> None:
    """A role that it belongs to, and the database's owner; a superuser trusts neither."""
    house.sql(f"GRANT {house.team} TO {house.alice}")
    house.install(house.team)
    house.written(house.alice)

    async def superuser(own: Side) -> None:
        with pytest.raises(JobsUnusable, match=f"belongs to {house.team}"):
            await jobs.exists(own)
        await own.run([(f"SET ROLE {house.team}", ())])  # which he could reset, and whoever's code he ran could
        with pytest.raises(JobsUnusable, match=f"belongs to {house.team}"):
            await jobs.exists(own)

    house.run(superuser)
    house.sql(f"REVOKE {house.team} FROM {house.alice}", f"ALTER DATABASE {house.name} OWNER TO {house.team}")
    house.written(house.alice)
    house.run(superuser)


PLANTED = {
    "trigger": "CREATE TRIGGER x BEFORE INSERT ON interlock.jobs FOR EACH ROW EXECUTE FUNCTION public.f()",
    "disabled trigger": "CREATE TRIGGER x BEFORE INSERT ON interlock.jobs FOR EACH ROW EXECUTE FUNCTION public.f();"
    " ALTER TABLE interlock.jobs DISABLE TRIGGER x",
    "rule": "CREATE RULE x AS ON INSERT TO interlock.jobs DO ALSO SELECT public.g()",
    "default": "ALTER TABLE interlock.jobs ALTER tool SET DEFAULT public.g()",
    "domain": "CREATE DOMAIN public.d AS text CHECK (public.g(VALUE) <> ''); ALTER TABLE interlock.jobs ALTER tool TYPE public.d",
    "check": "ALTER TABLE interlock.jobs ADD CHECK (public.g(tool) <> '')",
    "expression index": "CREATE INDEX ON interlock.jobs (public.g(tool))",
    "predicate": "CREATE INDEX ON interlock.jobs (id) WHERE public.g(tool) = ''",
    "exclusion": "ALTER TABLE interlock.jobs ADD EXCLUDE (session WITH =)",
    "policy": "ALTER POLICY written ON interlock.jobs WITH CHECK (public.g() = '')",
    "policy with a sub-select": "ALTER POLICY seen ON interlock.jobs USING (EXISTS (SELECT FROM public.view))",
    "another policy": "CREATE POLICY all_of_it ON interlock.jobs USING (true)",
    "no policy": "DROP POLICY written ON interlock.jobs",
    "no row security": "ALTER TABLE interlock.jobs DISABLE ROW LEVEL SECURITY",
    "one column more": "ALTER TABLE interlock.jobs ADD more text",
    "one column less": "ALTER TABLE interlock.jobs DROP tool",
    "another type": "ALTER TABLE interlock.jobs ALTER tool TYPE varchar",
    "generated": "ALTER TABLE interlock.jobs DROP tool, ADD tool text GENERATED ALWAYS AS (public.g(kind)) STORED",
    "a child": "CREATE TABLE public.child () INHERITS (interlock.jobs)",
    "a parent": "CREATE TABLE public.parent (tool text NOT NULL); ALTER TABLE interlock.jobs INHERIT public.parent",
    "a foreign key": "CREATE TABLE public.other (j bigint REFERENCES interlock.jobs)",
    "unlogged": "ALTER TABLE interlock.jobs SET UNLOGGED",
    "a view": "ALTER TABLE interlock.jobs RENAME TO kept; CREATE VIEW interlock.jobs AS SELECT * FROM interlock.kept",
    "NULL allowed": "ALTER TABLE interlock.jobs ALTER statement DROP NOT NULL",
    "NULL forbidden": "ALTER TABLE interlock.jobs ALTER error SET NOT NULL",
    "a version in other digits": "COMMENT ON TABLE interlock.jobs IS 'version \N{SUPERSCRIPT TWO}: x'",
    "a version in many digits": f"COMMENT ON TABLE interlock.jobs IS 'version {'9' * 5000}: x'",
    "no comment": "COMMENT ON TABLE interlock.jobs IS NULL",
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_table_that_was_changed_is_not_used(house: House, name: str) -> None:
    house.sql(
        "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'planted code has run'; END $$",
        "CREATE FUNCTION public.g(text DEFAULT '') RETURNS text IMMUTABLE LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE 'planted code has run'; END $$",
        "CREATE VIEW public.view AS SELECT 1",
    )
    house.install()
    house.sql(*PLANTED[name].split("; "))

    async def story(own: Side, superuser: Side) -> None:
        for one in (own, superuser):
            with pytest.raises(JobsUnusable, match="is not as Interlock made it") as told:
                await jobs.waiting(one)
            assert "ALTER SCHEMA interlock RENAME TO interlock_changed;" in told.value.hint
            await begin(one)
            with pytest.raises(JobsUnusable):
                await jobs.prepare(one)

    house.run(story, house.alice, "")
    house.sql("ALTER SCHEMA interlock RENAME TO interlock_changed")  # the hint's way out is one
    house.written()


def test_a_later_version(house: House) -> None:
    house.install()
    house.sql("COMMENT ON TABLE interlock.jobs IS 'version 2: whatever'", "ALTER TABLE interlock.jobs ADD more text")

    async def story(own: Side) -> None:
        with pytest.raises(JobsUnusable, match="is of version 2, and this Interlock knows version 1"):
            await jobs.waiting(own)

    house.run(story)


def test_rights_that_were_revoked(house: House) -> None:
    house.install()
    for revoke in (
        "REVOKE USAGE ON SCHEMA interlock FROM PUBLIC",
        "REVOKE INSERT (plan) ON interlock.jobs FROM PUBLIC",
        "REVOKE UPDATE (state) ON interlock.jobs FROM PUBLIC",
        "REVOKE SELECT ON interlock.jobs FROM PUBLIC",
        "REVOKE DELETE ON interlock.jobs FROM PUBLIC",
    ):
        house.sql(revoke)
        told: list[JobsUnusable] = []

        async def story(own: Side, told: list[JobsUnusable] = told) -> None:
            await begin(own)
            with pytest.raises(JobsUnusable, match="has not the rights") as raised:
                await jobs.prepare(own)
            await own.fetch("SELECT 1")
            told.append(raised.value)

        house.run(story, house.alice)
        house.sql(*(line.strip() for line in told[0].hint.splitlines()[1:]))
        house.written(house.alice)


def test_row_security_off(house: House) -> None:
    house.install()

    async def story(own: Side) -> None:
        await own.run([("SET row_security = off", ())])
        with pytest.raises(JobsUnusable, match="row_security is off") as told:
            await jobs.waiting(own)
        assert told.value.hint == "SET row_security = on;"

    house.run(story, house.alice)


# ---------------------------------------------------------------- who may do what

DENIED = [
    "INSERT INTO interlock.jobs (login, session, kind, statement, relations, tables, plan, give_up, settings, client, application, tool, migration)"
    " VALUES ('{alice}', '', '', '', '', '', '', '', '', '', '', '', '')",
    "INSERT INTO interlock.jobs (role, session, kind, statement, relations, tables, plan, give_up, settings, client, application, tool, migration)"
    " VALUES ('{alice}', '', '', '', '', '', '', '', '', '', '', '', '')",
    "INSERT INTO interlock.jobs (id, session, kind, statement, relations, tables, plan, give_up, settings, client, application, tool, migration)"
    " OVERRIDING SYSTEM VALUE VALUES (7, '', '', '', '', '', '', '', '', '', '', '', '')",
    "UPDATE interlock.jobs SET plan = ''",
    "UPDATE interlock.jobs SET login = '{alice}'",
    "UPDATE interlock.jobs SET role = '{alice}'",
    "UPDATE interlock.jobs SET settings = ''",
    "TRUNCATE interlock.jobs",
    "DROP TABLE interlock.jobs",
    "ALTER TABLE interlock.jobs DISABLE ROW LEVEL SECURITY",
    "CREATE TRIGGER x BEFORE INSERT ON interlock.jobs FOR EACH ROW EXECUTE FUNCTION public.f()",
    "CREATE TABLE interlock.mine (a int)",
    "CREATE INDEX ON interlock.jobs (id)",
]


def test_another_login_sees_and_changes_nothing(house: House) -> None:
    house.sql("CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$")
    house.install()
    house.written(house.alice)
    house.written(house.bob)
    for statement in DENIED:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            house.sql(statement.format(alice=house.alice), user=house.bob)

    async def story(own: Side) -> None:
        assert [job.login for job in await jobs.everything(own)] == [house.bob]
        assert await jobs.find(own, 1) is None
        assert not await jobs.claim(own, 1)
        await jobs.end(own, 1, "done")
        await own.run([("UPDATE interlock.jobs SET state = 'cancelled'", ()), ("DELETE FROM interlock.jobs", ())])

    house.run(story, house.bob)
    assert house.sql("SELECT login::text, state FROM interlock.jobs") == [(house.alice, "waiting")]


def test_a_superuser_does_not_do_others_jobs(house: House) -> None:
    house.install()
    house.written(house.alice)

    async def story(own: Side) -> None:
        assert [job.login for job in await jobs.everything(own)] == [house.alice]  # but may look
        assert await jobs.waiting(own) == await jobs.unfinished(own) == await jobs.of_session(own, "token") == []
        assert not await jobs.claim(own, 1)
        await jobs.end(own, 1, "done")
        assert (await jobs.everything(own))[0].state == "waiting"
        await own.run([(f"SET ROLE {house.alice}", ())])
        assert await jobs.waiting(own) == []

    house.run(story)


WRITE = (
    "INSERT INTO interlock.jobs (session, kind, statement, relations, tables, plan, give_up, settings, client, application, tool, migration)"
    " VALUES ('', '', 'planted', '', '', '', '', '', '', '', '', '')"
)


def test_code_that_a_superuser_calls_writes_no_job_of_his(house: House) -> None:
    """A job under the superuser's login would be run in his session, where its SQL could RESET ROLE."""
    house.install()
    house.sql(f"GRANT CREATE ON SCHEMA public TO {house.bob}")
    house.sql(
        f"CREATE FUNCTION public.definer() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN {WRITE}; END $$",
        f"CREATE FUNCTION public.write() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {WRITE}; END $$",
        "CREATE FUNCTION public.owners(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN"
        " IF session_user = 'postgres' THEN PERFORM public.write(); END IF; RETURN i; END $$",
        "CREATE TABLE public.mine AS SELECT 1 AS i",
        "CREATE INDEX mine_i ON public.mine (public.owners(i))",
        user=house.bob,
    )
    for call in ("SELECT public.definer()", "REINDEX INDEX public.mine_i", "ANALYZE public.mine"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            house.sql(call)
    assert house.sql("SELECT count(*) FROM interlock.jobs") == [(0,)]
    house.sql(f"GRANT {house.team} TO {house.alice}")
    house.sql(f"SET ROLE {house.team}", WRITE, user=house.alice)  # a role that is SET is another matter
    assert house.sql("SELECT login::text, role::text FROM interlock.jobs") == [(house.alice, house.team)]


# ---------------------------------------------------------------- doing


def test_taken_back_in_its_own_transaction(house: House) -> None:
    async def story(own: Side) -> None:
        await begin(own)
        await jobs.prepare(own)
        number = await jobs.add(own, NEW)
        await jobs.remove(own, number)
        await commit(own)
        assert await jobs.everything(own) == []

    house.run(story, house.alice)


def test_claims(house: House) -> None:
    house.written(house.alice)

    async def story(first: Side, second: Side) -> None:
        assert await jobs.claim(first, 1)
        assert not await jobs.claim(second, 1)
        [job] = await jobs.waiting(second)  # whether its claim is gone, claiming says
        assert (job.state, job.attempts, bool(job.started_at)) == ("running", 1, True)
        assert await jobs.of_session(second, "token") == []
        await jobs.end(first, 1, "waiting")
        assert await jobs.claim(second, 1)
        await jobs.end(second, 1, "failed", {"C": "23505", "M": "ü"})
        assert await jobs.waiting(first) == []
        [job] = await jobs.unfinished(first)
        assert (job.state, job.attempts, job.error) == ("failed", 2, {"C": "23505", "M": "ü"})
        assert job.finished_at
        assert not await jobs.claim(first, 1)
        assert await jobs.claim(first, 1, states=("failed",))
        await jobs.end(first, 1, "done")
        assert not await jobs.claim(first, 1)
        assert not await jobs.claim(first, 99)
        held = await first.fetch("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert held == [[b"0"]]

    house.run(story, house.alice, house.alice)


def test_attempts_are_counted_as_far_as_numbers_go(house: House) -> None:
    house.written()
    for attempts in (2_147_483_647, 2_147_483_646, 0):
        house.sql(f"UPDATE interlock.jobs SET attempts = {attempts}")

        async def story(own: Side) -> None:
            assert await jobs.claim(own, 1)
            await jobs.end(own, 1, "waiting")

        house.run(story)
        assert house.sql("SELECT attempts FROM interlock.jobs") == [(min(attempts + 1, 2_147_483_647),)]


def test_a_claim_goes_with_its_session(house: House) -> None:
    house.written()

    async def story(first: Side, second: Side) -> None:
        assert await jobs.claim(first, 1)
        await first.close()
        await until(lambda: jobs.claim(second, 1))
        [job] = await jobs.unfinished(second)
        assert job.attempts == 2

    house.run(story, "", "")


def test_one_of_many_sessions_does_each_job(house: House) -> None:
    for _ in range(20):
        house.written()

    async def story(*sides: Side) -> None:
        taken: list[int] = []

        async def work(own: Side) -> None:
            for job in await jobs.waiting(own):
                if await jobs.claim(own, job.id):
                    taken.append(job.id)
                    await jobs.end(own, job.id, "done")

        await asyncio.gather(*(work(own) for own in sides))
        assert sorted(taken) == list(range(1, 21))

    house.run(story, *[""] * 10)


def test_old_jobs_that_are_done_go(house: House) -> None:
    for _ in range(4):
        house.written()
    house.sql(
        "UPDATE interlock.jobs SET state = 'done', finished_at = now() - interval '31 days' WHERE id = 1",
        "UPDATE interlock.jobs SET state = 'done', finished_at = now() - interval '29 days' WHERE id = 2",
        "UPDATE interlock.jobs SET state = 'failed', finished_at = now() - interval '99 days' WHERE id = 3",
    )

    async def story(own: Side) -> None:
        assert await jobs.claim(own, 4)
        await jobs.end(own, 4, "done")
        assert [job.id for job in await jobs.everything(own)] == [2, 3, 4]

    house.run(story)


@pytest.mark.parametrize(("job", "expected"), [(1, 1), (2**31, -(2**31)), (2**32 + 5, 5), (2**32 - 1, -1)])
def test_the_key_of_a_claim_is_an_int4(job: int, expected: int) -> None:
    assert jobs.key(job) == str(expected)


def test_what_is_kept_is_ascii(house: House) -> None:
    """Whatever the client_encoding, a plan can be read back."""
    house.written(job=replace(NEW, steps=(replace(STEP, why="ü"),), give_up=("ü",)))
    [(plan, give_up)] = house.sql("SELECT plan, give_up FROM interlock.jobs")
    assert str(plan).isascii()
    assert json.loads(str(give_up)) == ["ü"]

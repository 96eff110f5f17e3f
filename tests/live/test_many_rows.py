"""UPDATE and DELETE of very many rows, in batches where the policy asks for it: each row once, and as one statement would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tests.live.conftest import POLICY, start_guard, through
from tests.live.test_batches import SLOWLY, one, run
from tests.live.test_patience import until
from tests.proxies import Proxy
from tests.servers import Server

BATCHES = POLICY + SLOWLY + "rules: { large-update: rewrite }\n"
FIRING = POLICY + "backfills: { target: 4ms, pause: 1ms, triggers: fire }\nrules: { large-update: rewrite }\n"
ROWS = 12_000
MANY = f"""
CREATE TABLE many (id int PRIMARY KEY, code text UNIQUE, n int NOT NULL DEFAULT 1, state text, tags text[]);
INSERT INTO many SELECT g, 'c' || g, g % 10, CASE g % 3 WHEN 0 THEN 'new' END FROM generate_series(1, {ROWS}) g;
CREATE TABLE "Two Keys" ("A" text COLLATE "C", b uuid, "C" numeric(9,2), x int, PRIMARY KEY ("A", b, "C"));
INSERT INTO "Two Keys" SELECT chr(60 + g % 40) || '''"\\', md5((g % 70)::text)::uuid, g, g FROM generate_series(1, {ROWS}) g;
CREATE TABLE dated (day date, name varchar(9), x int, PRIMARY KEY (name, day));
INSERT INTO dated SELECT date '2020-01-01' + g % 400, 'N' || g / 400, g FROM generate_series(1, {ROWS}) g;
CREATE TABLE keyless (n int); INSERT INTO keyless SELECT generate_series(1, {ROWS});
CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree, n int); INSERT INTO tree SELECT g, nullif(g - 1, 0) FROM generate_series(1, {ROWS}) g;
CREATE TABLE boxed (b bool PRIMARY KEY, n int); INSERT INTO boxed VALUES (true), (false);
CREATE TABLE parted (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
CREATE TABLE parted_one PARTITION OF parted FOR VALUES FROM (0) TO (99999); INSERT INTO parted SELECT generate_series(1, {ROWS});
CREATE FUNCTION steady(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
ANALYZE;
"""


@pytest.fixture
def many(database: str) -> str:
    run(database, MANY)
    return database


@pytest.fixture
def batching(many: str, share_proxy: Callable[[str], Proxy]) -> str:
    return through(share_proxy(BATCHES), many)


@pytest.fixture
def other(postgres: Server) -> Iterator[str]:
    """The same tables once more, for the statement as it is."""
    name = postgres.create_database()
    run(postgres.url(name), MANY)
    yield postgres.url(name)
    postgres.drop_database(name)


def transactions(url: str, table: str = "many") -> object:
    """How many transactions have written the rows that are there."""
    return one(url, f"SELECT count(DISTINCT xmin::text) FROM {table}")


STATEMENTS = [
    "UPDATE many SET state = 'done', tags = ARRAY['a', 'b, c'] -- all of them",
    "UPDATE public.many AS m SET state = upper(m.code) || ':' || m.id, n = 7 WHERE m.n <> 3 AND (m.state IS NULL OR state IS DISTINCT FROM 'x') -- some",
    'UPDATE "Two Keys" SET x = 5',
    'UPDATE ONLY "Two Keys" two SET x = length(two."A") WHERE x > 0 -- :',
    "UPDATE dated SET x = extract(day FROM day)::int WHERE x > 100",
    "/* why */ DELETE FROM many WHERE n > 0 OR state = 'new'",
    "DELETE FROM dated *",
    'DELETE FROM ONLY "Two Keys" AS t WHERE t.x > 1',
    "update many set state = substring(code from 2 for 3) where n in (1, 2, 3, 4, 5, 6, 7, 8, 9)",
]


@pytest.mark.sampled(6)
@pytest.mark.parametrize("sql", STATEMENTS)
def test_it_ends_as_the_statement_would(sql: str, many: str, batching: str, other: str) -> None:
    with psycopg.connect(other, autocommit=True) as direct, psycopg.connect(batching, autocommit=True) as client:
        said: list[str] = []
        client.add_notice_handler(lambda d: said.append(d.message_primary or ""))
        wanted = direct.execute(sql).statusmessage
        assert client.execute(sql).statusmessage == wanted
        assert any("1/1" in words for words in said), said
        for table in ("many", '"Two Keys"', "dated"):
            rows = f"SELECT t::text FROM {table} t ORDER BY 1"
            assert client.execute(rows).fetchall() == direct.execute(rows).fetchall()
    if "UPDATE" in sql:
        table = next(name for name in ('"Two Keys"', "dated", "many") if name in sql)
        assert transactions(many, table) > 2  # type: ignore[operator]


@pytest.mark.parametrize("sql", ["UPDATE many SET state = 'x'", "DELETE FROM many WHERE id > 0"])
def test_it_is_not_done_unless_the_policy_says_so(sql: str, many: str, share_proxy: Callable[[str], Proxy]) -> None:
    for policy in (POLICY, POLICY + "rules: { large-update: reject }\n", BATCHES + "mode: warn\n"):
        with psycopg.connect(through(share_proxy(policy), many)) as client:
            assert client.execute(sql).statusmessage == f"{sql.split()[0]} {ROWS}"
            client.rollback()
            client.autocommit = True
            said: list[str] = []
            client.add_notice_handler(lambda d: said.append(d.message_primary or ""))  # noqa: B023
            client.execute(sql.replace("many", "many /* again */") if "UPDATE" in sql else "UPDATE many SET n = 1")
            assert not said
    assert transactions(many) == 1


def test_what_has_parameters_or_stands_in_a_transaction_is_the_applications(many: str, batching: str) -> None:
    with psycopg.connect(batching) as client:
        client.execute("UPDATE many SET state = 'x'")
        client.commit()
        assert transactions(many) == 1
        client.autocommit = True
        client.execute("UPDATE many SET state = %s", ("y",))
        assert transactions(many) == 1
        client.execute("BEGIN; UPDATE many SET state = 'z'; COMMIT")
        assert transactions(many) == 1
        client.execute("UPDATE many SET state = 'few' WHERE id < 5")
        assert transactions(many) == 2


REFUSED = {
    "UPDATE many SET n = n + 1": "it computes from n, which it changes",
    "UPDATE many SET state = 'x', n = length(state)": "it computes from state, which it changes",
    "UPDATE many SET state = many": "many is no column of the table",
    "UPDATE many SET id = id": "it computes from id",
    "UPDATE many SET id = n": 'index "many_pkey" may find two rows equal',
    "UPDATE many SET code = n::text": 'index "many_code_key" may find two rows equal',
    "UPDATE many SET n = DEFAULT": "DEFAULT may not be the same",
    "UPDATE many SET state = now()": r"now\(\) may not be the same in every batch",
    "UPDATE many SET state = current_user": "current_user may not be the same",
    "UPDATE many SET n = steady(id)": r"steady\(\) may not be the same",
    "UPDATE many SET state = 'x' WHERE random() IS NOT NULL": r"random\(\) may not be the same",
    "UPDATE many SET state = 'x' RETURNING id": "it has RETURNING",
    "UPDATE many SET state = 'x' FROM tree": "it has FROM",
    "UPDATE many SET (state, n) = ('x', 1)": "it sets something else than columns",
    "UPDATE many SET tags[1] = 'x'": "it sets something else than columns",
    "UPDATE many SET n = (SELECT 1)": "there is a query in it",
    "DELETE FROM many USING tree": "it has USING",
    "DELETE FROM tree": "rows point to other rows of the table",
    "UPDATE keyless SET n = 1": "the table has no primary key",
    "UPDATE parted SET n = 1": "has partitions or children",
    "UPDATE watched SET state = 'x'": '"watch" would be set off once for each batch',
    "DELETE FROM ruled": '"rule_it" would be set off once for each batch',
    "UPDATE moved SET state = 'x'": 'would set off "move"',
    "UPDATE moved_of SET state = 'x'": 'would set off "move"',
}
WATCHES = """
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE watched (LIKE many INCLUDING ALL); INSERT INTO watched SELECT * FROM many;
CREATE TABLE ruled (LIKE many INCLUDING ALL); INSERT INTO ruled SELECT * FROM many;
CREATE TABLE moved (LIKE many INCLUDING ALL); INSERT INTO moved SELECT * FROM many;
CREATE TABLE moved_of (LIKE many INCLUDING ALL); INSERT INTO moved_of SELECT * FROM many;
CREATE TRIGGER watch AFTER UPDATE ON watched REFERENCING NEW TABLE AS new FOR EACH STATEMENT EXECUTE FUNCTION f();
CREATE RULE rule_it AS ON DELETE TO ruled DO ALSO NOTIFY x;
CREATE TRIGGER move BEFORE UPDATE ON moved FOR EACH ROW EXECUTE FUNCTION f();
CREATE TRIGGER move BEFORE UPDATE OF state ON moved_of FOR EACH ROW EXECUTE FUNCTION f();
ANALYZE;
"""


def test_what_would_not_be_the_same_is_refused(many: str, batching: str) -> None:
    run(many, WATCHES)
    with psycopg.connect(batching, autocommit=True) as client:
        for sql, reason in REFUSED.items():
            with pytest.raises(psycopg.Error, match=r"\[large-update\]") as caught:
                client.execute(sql)
            detail = caught.value.diag.message_detail or ""
            assert caught.value.diag.sqlstate == "IL001", sql
            with pytest.raises(AssertionError, match=reason):  # for the reason's words
                raise AssertionError(detail)
    assert transactions(many) == 1


def test_each_row_once_while_the_application_goes_on(many: str, share_proxy: Callable[[str], Proxy]) -> None:
    """A row that others have locked is waited for without keeping anybody else; those that come behind the end stay."""
    run(
        many,
        "CREATE TABLE log (id int, tx bigint)",
        "CREATE FUNCTION logs() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO log VALUES (OLD.id, txid_current()); RETURN NULL; END'",
        "CREATE TRIGGER logs AFTER UPDATE OR DELETE ON many FOR EACH ROW EXECUTE FUNCTION logs()",
    )
    url = through(share_proxy(FIRING), many)
    with psycopg.connect(many) as holder, ThreadPoolExecutor(1) as pool:
        client = psycopg.connect(url, autocommit=True)
        holder.execute("SELECT FROM many WHERE id = 6000 FOR UPDATE")
        running = pool.submit(client.execute, "UPDATE many SET state = 'done'")
        # Rows before it are done, and nobody keeps them.
        until(lambda: one(many, "SELECT state FROM many WHERE id = 5000") == "done", "half of it should be done")
        run(many, "SET lock_timeout = '3s'; INSERT INTO many (id, state) VALUES (99999, 'late')")
        run(many, "SET lock_timeout = '3s'; DELETE FROM many WHERE id IN (5, 11999)")
        holder.execute("UPDATE many SET state = 'mine' WHERE id = 6000")
        holder.commit()
        assert running.result(timeout=60).statusmessage == f"UPDATE {ROWS - 1}"
        client.close()
    assert one(many, "SELECT count(*) FROM many WHERE state = 'done'") == ROWS - 2
    assert one(many, "SELECT state FROM many WHERE id = 99999") == "late"
    assert one(many, "SELECT count(*) FROM (SELECT id FROM log GROUP BY id HAVING count(*) > 1) x") == 2
    run(many, "TRUNCATE log")
    with psycopg.connect(url, autocommit=True) as client:
        assert client.execute("DELETE FROM many").statusmessage == f"DELETE {ROWS - 1}"
    assert one(many, "SELECT count(DISTINCT tx) > 2 AND count(*) = count(DISTINCT id) FROM log") is True


@pytest.mark.sampled(2)
@pytest.mark.parametrize("how", ["cancel", "server session", "proxy"])
def test_what_is_interrupted_is_finished_by_the_same_statement(
    how: str, many: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    sql = "UPDATE many SET state = upper(code) WHERE state IS DISTINCT FROM upper(code)"
    policy = SLOWLY + "rules: { large-update: rewrite }\n"
    proxy = start_guard(start_proxy, tmp_path, policy)
    with psycopg.connect(many) as holder, ThreadPoolExecutor(1) as pool:
        client = psycopg.connect(through(proxy, many), autocommit=True, application_name="migrator")
        holder.execute("SELECT FROM many WHERE id = 6000 FOR UPDATE")
        running = pool.submit(client.execute, sql)
        until(lambda: one(many, "SELECT state FROM many WHERE id = 5000") == "C5000", "half of it should be done")
        if how == "cancel":
            client.cancel_safe()
        elif how == "proxy":
            proxy.kill()
        else:
            one(many, f"SELECT pg_terminate_backend({client.info.backend_pid})")
        with pytest.raises(psycopg.Error) as caught:
            running.result(timeout=60)
        if how == "cancel":
            assert caught.value.diag.sqlstate == "57014"
            assert "rows have been changed before" in (caught.value.diag.message_hint or "")
        gone = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'migrator' AND state <> 'idle'"
        until(lambda: one(many, gone) == 0, "it should be over")
        client.close()
    done = one(many, "SELECT count(*) FROM many WHERE state = upper(code)")
    assert 5000 <= done < 6000  # type: ignore[operator]
    again = proxy if how != "proxy" else start_guard(start_proxy, tmp_path, policy)
    with psycopg.connect(through(again, many), autocommit=True) as client:
        assert client.execute(sql).statusmessage == f"UPDATE {ROWS - done}"  # type: ignore[operator]
    assert one(many, "SELECT count(*) FROM many WHERE state = upper(code)") == ROWS


def test_an_error_on_the_way_says_what_stays(many: str, batching: str) -> None:
    run(many, "ALTER TABLE many ADD CHECK (state <> 'C9000')")
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        run(batching, "UPDATE many SET state = upper(code)")
    assert "rows have been changed before, in transactions of their own, and stay so" in (
        caught.value.diag.message_hint or ""
    )
    changed = one(many, "SELECT count(*) FROM many WHERE state = upper(code)")
    assert (caught.value.diag.message_hint or "").startswith(f"{changed:,} rows")


def test_rows_that_a_policy_hides_are_not_passed_over(many: str, batching: str) -> None:
    """Row security would let a batch see less than the statement was meant to: an error, and nothing is changed."""
    run(
        many,
        "DROP ROLE IF EXISTS clerk_of_many; CREATE ROLE clerk_of_many; GRANT SELECT, UPDATE ON many TO clerk_of_many",
        "ALTER TABLE many ENABLE ROW LEVEL SECURITY; CREATE POLICY part ON many USING (id > 5)",
    )
    with psycopg.connect(batching, autocommit=True) as client:
        client.execute("SET ROLE clerk_of_many")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            client.execute("UPDATE many SET state = 'x'")
    assert transactions(many) == 1
    run(many, "DROP OWNED BY clerk_of_many; DROP ROLE clerk_of_many")

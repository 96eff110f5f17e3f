"""New types in steps, while the application goes on: no write is lost, and what is interrupted is finished or taken back."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from proxy.cli import main
from tests.live.conftest import ORDERS, POLICY, start_guard, through
from tests.live.plan_runner import plan_for
from tests.live.test_batches import GATE, SLOWLY, left_over, one, run
from tests.live.test_patience import until
from tests.proxies import Proxy
from tests.servers import Server

SWAP = POLICY + SLOWLY + "rules: { column-type-rewrite: rewrite, column-type-rebuilds-index: rewrite }\n"
KEYED = """
ALTER TABLE orders ALTER total TYPE int;
ALTER TABLE orders ADD PRIMARY KEY (id);
CREATE TABLE items (id bigserial PRIMARY KEY, small int NOT NULL, order_id bigint REFERENCES orders, item int UNIQUE);
INSERT INTO items (small, order_id, item) SELECT g, g, g FROM generate_series(1, 5000) g;
CREATE TABLE parts (item int REFERENCES items (item) ON UPDATE CASCADE);
INSERT INTO parts SELECT g FROM generate_series(1, 100) g;
"""


@pytest.fixture
def keyed(orders: str) -> str:
    run(orders, KEYED)
    return orders


@pytest.fixture
def swapping(keyed: str, share_proxy: Callable[[str], Proxy]) -> str:
    return through(share_proxy(SWAP), keyed)


def until_there_is_the_trigger(url: str) -> None:
    """Which keeps the second column like the first: from then on its rows are filled, for a moment in which to look."""
    with psycopg.connect(url, autocommit=True) as watcher:
        count = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"
        until(lambda: watcher.execute(count).fetchone() == (1,), "the trigger should be there")


def type_of(url: str, table: str, column: str) -> object:
    return one(
        url,
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
        f" WHERE attrelid = '{table}'::regclass AND attname = '{column}'",
    )


def test_it_is_refused_unless_the_policy_asks_for_it(keyed: str, guarded: str) -> None:
    with pytest.raises(psycopg.Error, match=r"\[column-type-rewrite\]") as caught:
        run(guarded, "ALTER TABLE items ALTER small TYPE bigint")
    assert caught.value.diag.sqlstate == "IL001"
    assert "it would end up as the last one of the table" in (caught.value.diag.message_detail or "")


@pytest.mark.parametrize("replica", [False, True], ids=["as usual", "as a replica"])
def test_no_write_is_lost(replica: bool, keyed: str, swapping: str) -> None:
    """Whatever the application does meanwhile is in the column of the new type, too."""
    stop, seen, errors = threading.Event(), [0], []

    def application() -> None:
        with psycopg.connect(keyed, autocommit=True) as connection:
            if replica:
                connection.execute("SET session_replication_role = replica")
            while not stop.is_set():
                i = seen[0]
                try:
                    connection.execute("UPDATE items SET small = small + 1 WHERE id %% 50 = %s", (i % 50,))
                    connection.execute("INSERT INTO items (small, item) VALUES (%s, %s)", (i, 100_000 + i))
                    connection.execute("DELETE FROM items WHERE id = %s", (5000 - i,))
                    with connection.cursor().copy("COPY items (small, item) FROM stdin") as copy:
                        copy.write_row((3, 200_000 + i))
                    connection.execute(
                        "INSERT INTO items (small, item) VALUES (9, %s) ON CONFLICT (item) DO UPDATE SET small = 7",
                        (100_000 + i,),
                    )
                except psycopg.Error as error:
                    errors.append(error)
                seen[0] = i + 1

    before = one(keyed, "SELECT sum(small) FROM items")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(application)
        until(lambda: seen[0] > 3, "the application should be at it")
        begun = seen[0]
        try:
            run(swapping, "ALTER TABLE items ALTER small TYPE bigint")
        finally:
            stop.set()
        running.result(timeout=30)
    assert not errors
    assert seen[0] > begun  # some of it came meanwhile
    assert type_of(keyed, "items", "small") == "bigint"
    n = seen[0]
    expected = expected_sum(n)
    assert one(keyed, "SELECT sum(small) FROM items") == expected, before
    assert left_over(keyed) == 0
    assert one(keyed, "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == 0


def expected_sum(n: int) -> int:
    """What the application's n rounds make of the sum."""
    rows = {g: g for g in range(1, 5001)}
    for i in range(n):
        for key in rows:
            if key % 50 == i % 50:
                rows[key] += 1
        rows[5001 + 3 * i], rows[5002 + 3 * i] = 7, 3  # the third id is that of the conflict
        rows.pop(5000 - i, None)
    return sum(rows.values())


def test_keys_and_numbers_go_on(keyed: str, swapping: str) -> None:
    run(swapping, "ALTER TABLE items ALTER item TYPE bigint", "ALTER TABLE items ALTER id TYPE int")
    assert one(keyed, "INSERT INTO items (small, item) VALUES (1, 9999) RETURNING id") == 5001
    with pytest.raises(psycopg.errors.UniqueViolation, match="items_item_key"):
        run(keyed, "INSERT INTO items (small, item) VALUES (1, 9999)")
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="parts_item_fkey"):
        run(keyed, "INSERT INTO parts VALUES (12345)")
    run(keyed, "UPDATE items SET item = 77777 WHERE item = 5")
    assert one(keyed, "SELECT count(*) FROM parts WHERE item = 77777") == 1
    assert one(keyed, "SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == 0


def test_an_identity_gives_no_number_twice(postgres: Server, keyed: str) -> None:
    """From where the new sequence takes over, the old one answers nobody, not even who asks it by name."""
    run(keyed, "CREATE TABLE goods (id int GENERATED ALWAYS AS IDENTITY)")
    sql = "ALTER TABLE goods ALTER id TYPE bigint"
    with psycopg.connect(keyed) as swapping, psycopg.connect(keyed, autocommit=True) as application:
        plan = plan_for(swapping, sql)
        assert plan is not None
        for words in [words for step in plan.steps[:-1] if not step.batch for words in step.statements]:
            swapping.execute(words)
        swap = plan.steps[-1].statements
        taken_over = next(i for i, words in enumerate(swap) if "setval" in words)
        for words in swap[1 : taken_over + 1]:  # without what insists on the state that is there
            swapping.execute(words)
        application.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            application.execute("SELECT nextval('goods_id_seq')")


FAILING = {
    "ALTER TABLE items ALTER small TYPE smallint": ("UPDATE items SET small = 70000 WHERE id = 4000", "22003"),
    "ALTER TABLE orders ALTER email TYPE int USING email::int": ("", "22P02"),
    "ALTER TABLE orders ALTER email TYPE int": ("", "42804"),
    "ALTER TABLE items ALTER item TYPE int USING item / 2": ("", "IL001"),
    "ALTER TABLE items ALTER item TYPE bigint USING item / 2": ("", "23505"),
    "ALTER TABLE items ALTER small TYPE bigint USING nullif(small, 4000)": ("", "23502"),
}


@pytest.mark.parametrize("sql", FAILING)
def test_what_does_not_fit_takes_all_back(sql: str, postgres: Server, keyed: str, swapping: str) -> None:
    spoil, sqlstate = FAILING[sql]
    if spoil:
        run(keyed, spoil)
    before = lines(postgres.dump(keyed.rpartition("/")[2], schema_only=False))
    with pytest.raises(psycopg.Error) as caught:
        run(swapping, sql)
    assert caught.value.diag.sqlstate == sqlstate
    assert "_interlock" not in (caught.value.diag.message_primary or "")
    assert lines(postgres.dump(keyed.rpartition("/")[2], schema_only=False)) == before


BIGINT = "ALTER TABLE items ALTER small TYPE bigint"
REFUSED = {
    "view": ("CREATE VIEW small_items AS SELECT small FROM items", "view small_items depends on the column"),
    "matview": ("CREATE MATERIALIZED VIEW m AS SELECT small FROM items", "materialized view m depends"),
    "generated": ("ALTER TABLE items ADD more int GENERATED ALWAYS AS (small + 1) STORED", "column more of table items"),
    "policy": ("CREATE POLICY mine ON items USING (small > 0)", "policy mine on table items"),
    "statistics": ("CREATE STATISTICS pair ON small, item FROM items", "statistics object pair depends"),
    "trigger": (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        " CREATE TRIGGER t AFTER UPDATE OF small ON items FOR EACH ROW EXECUTE FUNCTION f()",
        "trigger t on table items depends",
    ),
    "later trigger": (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        ' CREATE TRIGGER "~~" BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION f()',
        'trigger "~~" would fire behind',
    ),
    "rule": (
        "CREATE RULE s AS ON DELETE TO items WHERE OLD.small > 9 DO ALSO DELETE FROM parts",
        "rule s on table items depends",
    ),
    "rights": ("GRANT SELECT (small) ON items TO PUBLIC", "the column has rights, options"),
    "statistics target": ("ALTER TABLE items ALTER small SET STATISTICS 7", "a statistics target"),
    "options": ("ALTER TABLE items ALTER small SET (n_distinct = 5)", "has rights, options"),
    "publication": ("CREATE PUBLICATION p FOR TABLE items", 'publication "p" would send'),
    "all published": ("CREATE PUBLICATION p FOR ALL TABLES", 'publication "p" would send'),
    "row held": ("CREATE TABLE box (it items)", "column it of table box holds rows of the table"),
    "rows held": ("CREATE TABLE box (these items[])", "column these of table box holds rows of the table"),
    "row type": ("CREATE TYPE boxed AS (it items)", "holds rows of the table"),
    "index comment": ("CREATE INDEX i ON items (small); COMMENT ON INDEX i IS 'x'", 'index "i" has a comment'),
    "clustered": ("CREATE INDEX i ON items (small); ALTER TABLE items CLUSTER ON i", 'index "i" has a comment'),
    "identity": ("CREATE UNIQUE INDEX i ON items (small); ALTER TABLE items REPLICA IDENTITY USING INDEX i", 'index "i" has a comment'),
    "whole rows": ("CREATE INDEX i ON items ((items IS NULL))", "index i depends on the column"),
    "exclusion": ("ALTER TABLE items ADD CONSTRAINT x EXCLUDE (small WITH =)", 'constraint "x" cannot be made'),
    "itself": ("ALTER TABLE items ADD CONSTRAINT s FOREIGN KEY (small) REFERENCES items (item)", 'foreign key "s" points to the table itself'),
    "child": ("CREATE TABLE more () INHERITS (items)", "part of an inheritance tree"),
    "partitioned": (
        "ALTER TABLE items ADD UNIQUE (small); CREATE TABLE ps (small int REFERENCES items (small)) PARTITION BY LIST (small)",
        'is one of a partitioned table, "ps"',
    ),
}  # fmt: skip
MORE = {
    f"{BIGINT}, ADD z int": "other changes stand beside it",
    f"{BIGINT} USING items::text::int8": "speaks of other things",
    f"{BIGINT} USING item": "speaks of other things",
    f"{BIGINT} USING small + length(current_user)": "current_user, which may not be the same for every writer",
    f"{BIGINT} USING small + extract(epoch from 'now'::timestamptz)::int": "'now', which may not be the same",
    f"{BIGINT} USING steady(small)": r"steady\(\), which may not be",
    f"{BIGINT} USING small * random()": r"random\(\), which may not be",
    f"{BIGINT} USING public.steady(small)": "a name with a schema",
    "ALTER TABLE items ALTER small TYPE small": "small is a domain with a constraint",
    "ALTER TABLE items ALTER small TYPE three": "three has a default of its own",
    "ALTER TABLE items ALTER order_id TYPE numeric": 'foreign key "items_order_id_fkey" would have to compare other types',
    "ALTER TABLE parts ALTER id TYPE int": "the sequence of the column has rights",
}
SOME = """
CREATE FUNCTION steady(int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 1::bigint';
CREATE DOMAIN small AS bigint CHECK (value > 0); CREATE DOMAIN three AS bigint DEFAULT 3;
"""


@pytest.mark.sampled(3)
@pytest.mark.parametrize("what", [*REFUSED, *MORE])
def test_what_could_not_be_kept_is_named_before_anything_is_done(
    what: str, postgres: Server, keyed: str, swapping: str
) -> None:
    schema, reason = REFUSED.get(what) or (SOME, MORE[what])
    if "TYPE int" in what:
        schema = "ALTER TABLE parts ADD id bigint GENERATED ALWAYS AS IDENTITY; COMMENT ON SEQUENCE parts_id_seq IS 'x'"
    run(keyed, schema)
    before = postgres.dump(keyed.rpartition("/")[2])
    sql = BIGINT if what in REFUSED else what
    with pytest.raises(psycopg.Error) as caught:
        run(swapping, sql)
    told = caught.value.diag
    if told.sqlstate != "IL001":  # Postgres itself refuses it, for a view, say
        assert (told.sqlstate, told.message_primary, told.message_detail) == refused_directly(keyed, sql)
    else:
        assert "[column-type-re" in (told.message_primary or "")
        detail = told.message_detail or ""
        assert re.search(f"It cannot be done in steps, by a second column: .*{reason}", detail), detail
    assert postgres.dump(keyed.rpartition("/")[2]) == before


def refused_directly(url: str, sql: str) -> tuple[str | None, ...] | None:
    with psycopg.connect(url) as direct:
        try:
            direct.execute(sql.encode())
        except psycopg.Error as error:
            return error.diag.sqlstate, error.diag.message_primary, error.diag.message_detail
        finally:
            direct.rollback()
    return None


def test_between_integers_neither_the_fill_nor_writers_of_other_columns_call_the_function(
    keyed: str, swapping: str
) -> None:
    """What the trigger would set is there already; here its function fails whoever calls it all the same."""
    with psycopg.connect(keyed) as holder, ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, swapping, BIGINT)
        until_there_is_the_trigger(keyed)
        holder.execute("SELECT FROM items WHERE id = 5000 FOR UPDATE")
        function = one(keyed, "SELECT tgfoid::regproc::text FROM pg_trigger WHERE NOT tgisinternal")
        fails = "RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'called'; END $$"
        run(keyed, f"CREATE OR REPLACE FUNCTION {function}() {fails}")
        fresh = "SELECT key FROM jsonb_object_keys(to_jsonb(i)) AS key WHERE key LIKE '\\_interlock%'"
        filled = f"SELECT to_jsonb(i) ->> ({fresh}) FROM items AS i WHERE id = 4000"
        until(lambda: one(keyed, filled) == "4000", "all other rows should be filled")
        run(keyed, "UPDATE items SET order_id = 1 WHERE id = 4000")
        with pytest.raises(psycopg.Error, match="called"):
            run(keyed, "UPDATE items SET small = 1 WHERE id = 4000")
        with pytest.raises(psycopg.Error, match="called"):
            run(keyed, "INSERT INTO items (small) VALUES (1)")
        holder.rollback()
        running.result(timeout=60)
    assert type_of(keyed, "items", "small") == "bigint"
    assert one(keyed, "SELECT bool_and(small = id) FROM items") is True


def test_another_new_type_waits_until_an_interrupted_one_is_done(
    keyed: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    """The other one's trigger holds the column, so it could not be dropped in the end."""
    policy = "rules: { column-type-rewrite: rewrite }\n" + SLOWLY
    proxy = start_guard(start_proxy, tmp_path, policy)
    with psycopg.connect(keyed) as holder, ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, through(proxy, keyed), BIGINT)
        until_there_is_the_trigger(keyed)
        holder.execute("SELECT FROM items WHERE id = 5000 FOR UPDATE")
        proxy.kill()
        with pytest.raises(psycopg.Error):
            running.result(timeout=60)
    swapping = through(start_guard(start_proxy, tmp_path, policy), keyed)
    with pytest.raises(psycopg.Error, match="column-type-rewrite") as caught:
        run(swapping, "ALTER TABLE items ALTER small TYPE numeric")
    assert re.search(r"trigger ~_interlock_sync_\w+ on table items depends", caught.value.diag.message_detail or "")
    run(swapping, BIGINT, "ALTER TABLE items ALTER small TYPE numeric")
    assert type_of(keyed, "items", "small") == "numeric"
    assert left_over(keyed) == 0


def test_a_trigger_that_was_disabled_meanwhile_stops_it(postgres: Server, keyed: str, swapping: str) -> None:
    """A row may have been missed: that is told, and all is taken back."""
    run(
        keyed,
        f"CREATE FUNCTION waits(int) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN $1; END $$",
    )
    before = lines(postgres.dump(keyed.rpartition("/")[2], schema_only=False))
    with psycopg.connect(keyed, autocommit=True) as gate, ThreadPoolExecutor(1) as pool:
        gate.execute("SELECT pg_advisory_lock(%s)", (GATE,))
        running = pool.submit(run, swapping, "ALTER TABLE items ALTER small TYPE bigint USING waits(small)")
        until_there_is_the_trigger(keyed)
        run(keyed, "ALTER TABLE items DISABLE TRIGGER USER")
        gate.execute("SELECT pg_advisory_unlock_all()")
        with pytest.raises(psycopg.Error, match="somebody has dropped or disabled the trigger"):
            running.result(timeout=60)
    assert lines(postgres.dump(keyed.rpartition("/")[2], schema_only=False)) == before


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "meanwhile",
    [
        "CREATE INDEX CONCURRENTLY late ON items (small)",
        "ALTER TABLE items ADD CONSTRAINT late CHECK (small < 99999)",
        "GRANT SELECT (small) ON items TO PUBLIC",
        "COMMENT ON COLUMN items.small IS 'late'",
        "ALTER TABLE items ALTER small SET DEFAULT 3",
        "ALTER TABLE items ALTER small DROP NOT NULL",
        "CREATE STATISTICS late ON small, item FROM items",
    ],
)
def test_what_others_have_changed_meanwhile_is_not_lost(
    meanwhile: str, postgres: Server, keyed: str, swapping: str
) -> None:
    """The second column would not have it: that is told, and all is taken back."""
    with psycopg.connect(keyed) as holder, ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, swapping, BIGINT)
        until_there_is_the_trigger(keyed)
        holder.execute("SELECT FROM items WHERE id IN (1, 4000) FOR UPDATE")
        with ThreadPoolExecutor(1) as other:
            changing = other.submit(run, keyed, meanwhile)  # it may have to wait for the holder
            queued = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            until(lambda: changing.done() or one(keyed, queued) != 0, "the other change should be under way")
            holder.commit()
            changing.result(timeout=60)
        with pytest.raises(psycopg.Error, match='somebody has changed column "small", or what hangs on it') as caught:
            running.result(timeout=60)
    assert caught.value.diag.sqlstate == "55000"
    expected = postgres.create_database()
    run(postgres.url(expected), ORDERS + KEYED, meanwhile)
    assert postgres.dump(keyed.rpartition("/")[2]) == postgres.dump(expected)
    assert left_over(keyed) == 0
    postgres.drop_database(expected)


WRITER = """
ALTER TABLE items ADD made timestamp DEFAULT '2020-01-01 12:00';
CREATE FUNCTION shifted(timestamp) RETURNS timestamptz LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1 + interval '1 day'; END $$;
REVOKE ALL ON FUNCTION shifted FROM PUBLIC;
DROP ROLE IF EXISTS writer_of_items; CREATE ROLE writer_of_items LOGIN PASSWORD 'x';
GRANT INSERT, SELECT, UPDATE ON items TO writer_of_items; GRANT USAGE ON SEQUENCE items_id_seq TO writer_of_items;
"""


@pytest.mark.parametrize("using", ["", " USING shifted(made)"])
def test_values_are_the_authors_whoever_writes(using: str, keyed: str, swapping: str) -> None:
    """A role with fewer rights, in another time zone, and with a type and a function of its own of the same names."""
    run(keyed, WRITER)
    rows = "SELECT made::text FROM items ORDER BY id DESC LIMIT 1"
    with (
        psycopg.connect(keyed) as holder,
        psycopg.connect(keyed, autocommit=True) as writer,
        psycopg.connect(swapping, autocommit=True) as author,
        ThreadPoolExecutor(1) as pool,
    ):
        writer.execute("SET SESSION AUTHORIZATION writer_of_items")
        writer.execute("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'; SET search_path = pg_temp")
        writer.execute("CREATE DOMAIN pg_temp.timestamptz AS text CHECK (false)")
        author.execute("SET TimeZone = 'Europe/Berlin'")
        running = pool.submit(author.execute, f"ALTER TABLE items ALTER made TYPE timestamptz{using}")
        until_there_is_the_trigger(keyed)
        holder.execute("SELECT FROM items WHERE id IN (1, 4000) FOR UPDATE")
        writer.execute("INSERT INTO public.items (small, made) VALUES (1, '2020-05-01 12:00')")
        holder.commit()
        running.result(timeout=60)
        assert author.execute(rows).fetchone() == (f"2020-05-0{2 if using else 1} 12:00:00+02",)
        author.execute("SET TimeZone = 'UTC'")
        assert author.execute("SELECT DISTINCT made::text FROM items WHERE id <= 5000").fetchall() == [
            (f"2020-01-0{2 if using else 1} 11:00:00+00",)
        ]
    assert left_over(keyed) == 0
    run(keyed, "DROP OWNED BY writer_of_items; DROP ROLE writer_of_items")


def test_sent_again_under_other_settings_it_begins_again(
    keyed: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    """Rows that were computed under the first ones are computed anew."""
    run(keyed, "ALTER TABLE items ADD made timestamp DEFAULT '2020-01-01 12:00'")
    sql = "ALTER TABLE items ALTER made TYPE timestamptz"
    proxy = start_guard(start_proxy, tmp_path, "rules: { column-type-rewrite: rewrite }\n" + SLOWLY)
    url = through(proxy, keyed)
    with psycopg.connect(keyed) as holder, ThreadPoolExecutor(1) as pool:
        client = psycopg.connect(url, autocommit=True)
        client.execute("SET TimeZone = 'Asia/Tokyo'")
        running = pool.submit(client.execute, sql)
        until_there_is_the_trigger(keyed)
        holder.execute("SELECT FROM items WHERE id = 4000 FOR UPDATE")
        # The holder's row alone is left.
        until(
            lambda: (
                one(
                    keyed,
                    "SELECT coalesce((SELECT (xpath('//n/text()', query_to_xml(format('SELECT count(%I) AS n FROM items', attname),"
                    " false, true, '')))[1]::text::int FROM pg_attribute WHERE attrelid = 'items'::regclass"
                    " AND attname ~ '^_interlock_new' AND NOT attisdropped), 0)",
                )
                == 4999
            ),
            "all but one row should be filled",
        )
        one(keyed, f"SELECT pg_terminate_backend({client.info.backend_pid})")
        with pytest.raises(psycopg.Error):
            running.result(timeout=30)
    with psycopg.connect(url, autocommit=True) as client:
        client.execute("SET TimeZone = 'UTC'")
        client.execute(sql)
        assert client.execute("SELECT made::text, count(*) FROM items GROUP BY 1").fetchall() == [
            ("2020-01-01 12:00:00+00", 5000)
        ]
    assert left_over(keyed) == 0


@pytest.mark.parametrize("how", ["server session", "proxy"])
def test_an_interrupted_swap_goes_on(
    how: str, postgres: Server, keyed: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    sql = "ALTER TABLE items ALTER item TYPE bigint"
    policy = "rules: { column-type-rewrite: rewrite }\n" + SLOWLY
    proxy = start_guard(start_proxy, tmp_path, policy)
    client = psycopg.connect(through(proxy, keyed), autocommit=True, application_name="migrator")
    with psycopg.connect(keyed) as holder, ThreadPoolExecutor(1) as pool:
        running = pool.submit(client.execute, sql)
        until_there_is_the_trigger(keyed)
        holder.execute("SELECT FROM items WHERE id IN (1, 4000) FOR UPDATE")
        if how == "proxy":
            proxy.kill()
        else:
            one(keyed, f"SELECT pg_terminate_backend({client.info.backend_pid})")
        with pytest.raises(psycopg.Error):
            running.result(timeout=30)
        gone = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'migrator'"
        until(lambda: one(keyed, gone) == 0, "its session should be over")
    run(keyed, "INSERT INTO items (small, item) VALUES (1, 9999)")  # the application is none the worse for it
    again = proxy if how != "proxy" else start_guard(start_proxy, tmp_path, policy)
    run(through(again, keyed), sql)
    expected = postgres.create_database()
    run(postgres.url(expected), ORDERS + KEYED, sql)
    assert lines(postgres.dump(keyed.rpartition("/")[2])) == lines(postgres.dump(expected))
    assert one(keyed, "SELECT array_agg(item::text) = array_agg(small::text) FROM items WHERE item <> 9999") is True
    postgres.drop_database(expected)


def test_a_swap_that_is_given_up_is_listed_with_what_takes_it_back(
    postgres: Server, keyed: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    """All that a killed proxy may leave: column, trigger, constraints, indexes, a foreign key of another table."""
    before = postgres.dump(keyed.rpartition("/")[2])
    with psycopg.connect(keyed, autocommit=True) as session:
        plan = plan_for(session, "ALTER TABLE items ALTER item TYPE bigint")
        assert plan is not None
        for words in [words for step in plan.steps[:-1] for words in step.statements]:
            session.execute(words)
    run(keyed, "UPDATE parts SET item = item + 1000 WHERE item = 5")
    found = CliRunner().invoke(main, ["unfinished", "--database", keyed, "--format", "json"], prog_name="interlock")
    [second] = [f for f in json.loads(found.stdout)["unfinished"] if f["kind"] == "second column"]
    assert (second["schema"], second["table"]) == ("public", "items")
    run(keyed, *(sql for sql in second["finish"] if not sql.startswith("--")))
    assert postgres.dump(keyed.rpartition("/")[2]) == before


def lines(dump: str) -> list[str]:
    """The column has moved."""
    return sorted(line.rstrip(",") for line in dump.splitlines())


CHECKED = f"""
ALTER TABLE orders ADD code varchar(10) DEFAULT 'x';
CREATE FUNCTION fits(text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN $1 <> ''; END $$;
ALTER TABLE orders ADD CONSTRAINT fitting CHECK (fits(code));
CREATE INDEX orders_code ON orders (lower(code));
"""


@pytest.mark.parametrize("indexed", [False, True], ids=["under a CHECK", "under an index"])
def test_a_new_type_that_cannot_be_taken_back_is_finished(
    indexed: bool, postgres: Server, orders: str, share_proxy: Callable[[str], Proxy]
) -> None:
    """Cancelled while the CHECK is validated: the error says what is left, and the same statement does it."""
    sql = "ALTER TABLE orders ALTER code TYPE text, ADD COLUMN z int"
    schema = CHECKED if indexed else CHECKED.replace("CREATE INDEX", "-- CREATE INDEX")
    run(orders, schema)
    url = through(share_proxy(SWAP), orders)
    with (
        psycopg.connect(orders, autocommit=True) as gate,
        psycopg.connect(url, autocommit=True) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        gate.execute("SELECT pg_advisory_lock(%s)", (GATE,))
        running = pool.submit(client.execute, sql)
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND query ~ 'VALIDATE'"
        until(lambda: one(orders, waits) == 1, "the CHECK should be validated")
        client.cancel_safe()
        with pytest.raises(psycopg.errors.QueryCanceled) as caught:
            running.result(timeout=30)
        gate.execute("SELECT pg_advisory_unlock_all()")
    hint = caught.value.diag.message_hint or ""
    assert "VALIDATE CONSTRAINT fitting" in hint
    assert ("CREATE INDEX CONCURRENTLY orders_code" in hint) == indexed
    assert type_of(orders, "orders", "code") == "text"
    run(url, sql)
    expected = postgres.create_database()
    run(postgres.url(expected), ORDERS + schema, sql)
    assert postgres.dump(orders.rpartition("/")[2]) == postgres.dump(expected)
    assert left_over(orders) == 0
    postgres.drop_database(expected)


@pytest.mark.parametrize(
    "sql", ["ALTER TABLE orders ALTER code TYPE text", "ALTER TABLE orders ALTER code TYPE text, ADD CHECK (total > 0)"]
)
def test_nothing_that_may_fail_stands_beside_what_cannot_be_taken_back(sql: str, orders: str, guarded: str) -> None:
    run(orders, CHECKED.replace("CREATE INDEX", "-- CREATE INDEX"))
    if "CHECK" not in sql:
        run(guarded, sql)
        return
    with pytest.raises(psycopg.Error, match=r"\[column-type-scan\]") as caught:
        run(guarded, sql)
    assert caught.value.diag.sqlstate == "IL001"
    assert "send it as a statement of its own" in (caught.value.diag.message_detail or "")


def test_as_utc_through_the_proxy(orders: str, guarded: str) -> None:
    run(orders, "ALTER TABLE orders ADD made timestamp DEFAULT '2020-01-01 12:00'")
    file = one(orders, "SELECT relfilenode FROM pg_class WHERE relname = 'orders'")
    with psycopg.connect(guarded, autocommit=True) as client:
        client.execute("SET TimeZone = 'Asia/Tokyo'")
        client.execute("ALTER TABLE orders ALTER made TYPE timestamptz USING made AT TIME ZONE 'UTC'")
        assert client.execute("SHOW TimeZone").fetchone() == ("Asia/Tokyo",)
    with psycopg.connect(guarded) as client:
        client.execute("SET LOCAL TimeZone = 'Asia/Tokyo'")
        client.execute("ALTER TABLE orders ALTER made TYPE timestamp USING made AT TIME ZONE 'UTC'")
        assert client.execute("SHOW TimeZone").fetchone() == ("Asia/Tokyo",)
        assert client.execute("SELECT made::text FROM orders LIMIT 1").fetchone() == ("2020-01-01 12:00:00",)
    assert one(orders, "SELECT relfilenode FROM pg_class WHERE relname = 'orders'") == file

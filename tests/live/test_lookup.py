"""Facts read from real servers: right under any search_path and settings, with PUBLIC's rights, without waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql as psql

from proxy.catalog import blockers, built_in_types, leftover, lookup
from proxy.catalog.facts import MISSING, Facts, Relation
from proxy.plans.plan import Lock
from proxy.sql.read import read
from tests import facts
from tests.servers import Server

Session = psycopg.Connection[Any]
Open = Callable[..., Session]

# Whoever comes first in the search_path; each would make an unqualified query fail or lie.
EVIL = """
CREATE SCHEMA evil;
CREATE FUNCTION evil.no(anyelement, anyelement) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE ''hijacked''; END';
CREATE FUNCTION evil.no_name(name, name) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE ''hijacked''; END';
CREATE FUNCTION evil.no_text(text, text) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE ''hijacked''; END';
CREATE FUNCTION evil.no_oid(oid, oid) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE ''hijacked''; END';
CREATE FUNCTION evil.no_char("char", "char") RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE ''hijacked''; END';
CREATE FUNCTION evil.no_int(int8, int8) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE ''hijacked''; END';
CREATE OPERATOR evil.= (FUNCTION = evil.no, LEFTARG = anyelement, RIGHTARG = anyelement);
CREATE OPERATOR evil.= (FUNCTION = evil.no_name, LEFTARG = name, RIGHTARG = name);
CREATE OPERATOR evil.= (FUNCTION = evil.no_text, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR evil.= (FUNCTION = evil.no_oid, LEFTARG = oid, RIGHTARG = oid);
CREATE OPERATOR evil.= (FUNCTION = evil.no_char, LEFTARG = "char", RIGHTARG = "char");
CREATE OPERATOR evil.<> (FUNCTION = evil.no_oid, LEFTARG = oid, RIGHTARG = oid);
CREATE OPERATOR evil.> (FUNCTION = evil.no_int, LEFTARG = int8, RIGHTARG = int8);
CREATE OPERATOR evil.< (FUNCTION = evil.no_int, LEFTARG = int8, RIGHTARG = int8);
CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE sql AS 'SELECT ''evil''';
CREATE FUNCTION evil.current_database() RETURNS name LANGUAGE sql AS 'SELECT ''evil''::name';
CREATE FUNCTION evil.pg_relation_size(regclass, text) RETURNS int8 LANGUAGE sql AS 'SELECT 666::int8';
CREATE VIEW evil.pg_class AS SELECT 1 AS oid;
CREATE VIEW evil.pg_locks AS SELECT 1 AS pid;
CREATE VIEW evil.pg_namespace AS SELECT 1 AS oid;
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false);
CREATE DOMAIN evil.name AS pg_catalog.name CHECK (false);
GRANT USAGE ON SCHEMA evil TO PUBLIC;
"""


@pytest.fixture
def open_session(database: str) -> Iterator[Open]:
    with ExitStack() as stack:

        def open_one(**more: Any) -> Session:
            return stack.enter_context(psycopg.connect(database, autocommit=True, **more))

        yield open_one


@pytest.fixture
def session(open_session: Open) -> Session:
    return open_session()


def facts_of(session: Session, sql: str) -> Facts:
    (statement,) = read(sql)
    request = lookup.request(statement)
    row = psycopg.RawCursor(session).execute(lookup.SQL, (request.parameter,)).fetchone()
    assert row is not None
    return lookup.decode(row[0], request, now=datetime.now(UTC), in_transaction=False)


def relation(session: Session, name: str) -> Relation | None:
    """What is known of a relation, as ALTER TABLE finds it."""
    (statement,) = read(f"ALTER TABLE {name} ADD COLUMN interlock_probe int")
    return facts_of(session, statement.sql).find(statement.node.relation)  # type: ignore[union-attr]


def found(session: Session, name: str) -> Relation:
    known = relation(session, name)
    assert known is not None
    assert known.exists
    return known


def is_new(session: Session, name: str) -> bool:
    return found(session, name).is_new


# ---------------------------------------------------------------- what is read


def test_a_table_with_everything(session: Session, postgres: Server) -> None:
    session.execute(
        """
        CREATE TABLE p (id int PRIMARY KEY);
        CREATE TABLE t (id int CONSTRAINT t_key PRIMARY KEY, a varchar(20) NOT NULL, b int REFERENCES p,
                        g int GENERATED ALWAYS AS (id) STORED, CONSTRAINT positive CHECK (b > 0));
        ALTER TABLE t ADD CONSTRAINT later CHECK (a <> '') NOT VALID;
        CREATE UNIQUE INDEX t_a ON t (a);
        INSERT INTO t SELECT i, i FROM generate_series(1, 1000) AS i;
        ANALYZE t;
        """
    )
    t = found(session, "t")
    assert (t.schema, t.name, t.kind, t.persistence, t.is_new) == ("public", "t", "r", "p", False)
    assert t.rows == 1000
    assert session.execute("SELECT pg_relation_size('t')").fetchone() == (t.size_bytes,)
    assert [(c.name, c.type, c.not_null, c.generated) for c in t.columns.values()] == [
        ("id", "integer", True, False),
        ("a", "character varying(20)", True, False),
        ("b", "integer", False, False),
        ("g", "integer", False, True),
    ]
    mine = {n: c for n, c in t.constraints.items() if c.kind != "n"}
    assert {(c.name, c.kind, c.validated, c.columns, c.index, c.references) for c in mine.values()} == {
        ("t_key", "p", True, ("id",), "t_key", None),
        ("positive", "c", True, ("b",), None, None),
        ("later", "c", False, ("a",), None, None),
        ("t_b_fkey", "f", True, ("b",), None, ("public", "p")),
    }
    assert t.constraints["positive"].definition == "CHECK ((b > 0))"
    assert {(i.name, i.unique, i.valid, i.constraint) for i in t.indexes.values()} == {
        ("t_key", True, True, "t_key"),
        ("t_a", True, True, None),
    }
    if postgres.version >= 18:
        assert t.constraints["t_a_not_null"].columns == ("a",)


def test_the_session(session: Session, postgres: Server, database: str) -> None:
    session.execute(
        "DO $$ BEGIN CREATE ROLE il_inner; CREATE ROLE il_outer; GRANT il_inner TO il_outer; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    session.execute("SET SESSION AUTHORIZATION il_outer")
    session.execute(
        "SET ROLE il_inner; SET lock_timeout = 1500; SET interlock.allow = 'x: y'; SET application_name = 'tool'"
    )
    facts = facts_of(session, "DROP INDEX nothing")
    assert facts.server_version // 10000 == postgres.version == facts.major
    assert (facts.user, facts.session_user, facts.roles) == ("il_inner", "il_outer", {"il_inner", "il_outer"})
    assert (facts.allow, facts.application_name, facts.in_recovery) == ("x: y", "tool", False)
    assert facts.database == database.rpartition("/")[2]
    assert (facts.settings["lock_timeout"].value, facts.settings["lock_timeout"].by_client) == ("1500ms", True)
    assert (facts.settings["statement_timeout"].value, facts.settings["statement_timeout"].by_client) == ("0", False)


def test_settings_of_the_connection_string_are_the_clients_own(open_session: Open) -> None:
    session = open_session(options="-c lock_timeout=7s -c interlock.allow=x")
    facts = facts_of(session, "DROP INDEX nothing")
    assert facts.settings["lock_timeout"].value == "7s"
    assert facts.settings["lock_timeout"].by_client
    assert facts.allow == "x"


def test_a_superuser_is_a_member_of_no_role_by_being_one(session: Session) -> None:
    assert facts_of(session, "DROP INDEX nothing").roles == {"postgres"}


def test_an_index_comes_with_its_table(session: Session) -> None:
    session.execute("CREATE SCHEMA s; CREATE TABLE s.t (a int); CREATE INDEX i ON s.t (a); INSERT INTO s.t VALUES (1)")
    session.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 's.i'::regclass")
    facts = facts_of(session, "DROP INDEX s.i")
    index = facts.relations[("s", "i")].index
    assert index is not None
    assert (index.valid, index.table_schema, index.table) == (False, "s", "t")
    assert facts.relations[("s", "t")].size_bytes == 8192


def test_a_new_indexs_name_is_looked_for_in_its_tables_schema(session: Session) -> None:
    session.execute("CREATE SCHEMA s; CREATE TABLE s.t (a int); CREATE INDEX i ON s.t (a); CREATE TABLE j (a int)")
    facts = facts_of(session, "CREATE INDEX i ON s.t (a)")
    assert facts.relations[("i",)].schema == "s"
    assert facts_of(session, "CREATE INDEX j ON s.t (a)").relations[("j",)] is MISSING


def test_a_new_table_is_looked_for_where_it_would_go(session: Session) -> None:
    session.execute("CREATE SCHEMA first; CREATE TABLE public.t (a int); SET search_path = first, public")
    facts = facts_of(session, "CREATE TABLE IF NOT EXISTS t (a int)")
    assert facts.relations[("t",)] is MISSING
    assert facts_of(session, "DROP TABLE t").relations[("t",)].schema == "public"


def test_sizes_and_rows_of_partitions_are_summed(session: Session) -> None:
    session.execute(
        """
        CREATE TABLE m (k int, v text) PARTITION BY RANGE (k);
        CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (100);
        CREATE TABLE m2 PARTITION OF m FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (k);
        CREATE TABLE m2a PARTITION OF m2 FOR VALUES FROM (100) TO (150);
        CREATE TABLE m2b PARTITION OF m2 DEFAULT;
        CREATE INDEX m_v ON m (v);
        INSERT INTO m SELECT i % 200, repeat('x', 100) FROM generate_series(0, 1999) AS i;
        ANALYZE m, m1, m2, m2a, m2b;
        """
    )
    m = found(session, "m")
    (size,) = session.execute("SELECT sum(pg_relation_size(c)) FROM unnest('{m1,m2a,m2b}'::regclass[]) AS c").fetchone()  # type: ignore[misc]
    assert (m.partitioned, m.partitions, m.has_children, m.size_bytes, m.rows) == (True, 3, True, size, 2000)
    assert found(session, "m2").default_partition == ("public", "m2b")
    assert (found(session, "m2a").is_partition, found(session, "m2a").parents) == (True, (("public", "m2"),))
    assert m.indexes["m_v"].partitioned
    assert next(iter(found(session, "m1").indexes.values())).partition


def test_toast_counts_and_an_empty_table_has_no_bytes(session: Session) -> None:
    session.execute("CREATE TABLE t (a text); ALTER TABLE t ALTER a SET STORAGE EXTERNAL")
    assert (found(session, "t").size_bytes, found(session, "t").rows) == (0, 0)
    session.execute("INSERT INTO t SELECT repeat('x', 100000)")
    known = found(session, "t").size_bytes
    assert known is not None
    assert known > 100_000
    assert found(session, "t").rows is None


def test_constraints_that_are_not_valid_or_not_enforced(session: Session, postgres: Server) -> None:
    if postgres.version < 18:
        pytest.skip("not before 18")
    session.execute("CREATE TABLE t (a int, b int); ALTER TABLE t ADD CONSTRAINT n NOT NULL a NOT VALID")
    session.execute("ALTER TABLE t ADD CONSTRAINT c CHECK (b > 0) NOT ENFORCED")
    t = found(session, "t")
    assert (t.columns["a"].not_null, t.columns["a"].not_null_valid) == (True, False)
    assert t.columns["b"].not_null_valid
    assert (t.constraints["n"].kind, t.constraints["n"].validated) == ("n", False)
    assert (t.constraints["c"].enforced, t.constraints["n"].enforced) == (False, True)


def test_taken_names(session: Session) -> None:
    session.execute(
        "CREATE SCHEMA s; CREATE TABLE s.tab (a int); CREATE SEQUENCE s.tab_a_key; CREATE TABLE s.zzz (a int)"
    )
    session.execute("ALTER TABLE s.zzz ADD CONSTRAINT tab_a_check CHECK (a > 0)")
    facts = facts_of(session, "ALTER TABLE s.tab ADD UNIQUE (a)")
    assert facts.taken_relations == {"s": {"tab", "tab_a_key"}}
    assert facts.taken_constraints == {"s": {"tab_a_check"}}
    assert facts.taken("s") == {"tab", "tab_a_key", "tab_a_check"}


def test_who_refers_to_a_table_that_is_dropped(session: Session) -> None:
    session.execute("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (a int REFERENCES p, b int REFERENCES p)")
    assert facts_of(session, "DROP TABLE p").relations[("p",)].referenced_by == (("public", "c"),)


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name", ['we"ird', "Näme", "名前😀", "x" * 63, "a\nb", "'; --", "select", "a.b", " ", "\\", "%s $1"]
)
def test_odd_names(session: Session, name: str) -> None:
    quoted = psql.Identifier(name).as_string(session)
    session.execute(f"CREATE SCHEMA {quoted}; CREATE TABLE {quoted}.{quoted} ({quoted} int CHECK ({quoted} > 0))")  # type: ignore[arg-type]
    t = found(session, f"{quoted}.{quoted}")
    assert (t.schema, t.name, list(t.columns)) == (name, name, [name])


@pytest.mark.parametrize(
    ("encoding", "client"),
    [
        ("UTF8", "LATIN1"),
        ("UTF8", "SQL_ASCII"),
        ("UTF8", "SJIS"),
        ("SQL_ASCII", "SQL_ASCII"),
        ("SQL_ASCII", "UTF8"),
        ("LATIN1", "UTF8"),
        ("LATIN1", "LATIN1"),
        ("EUC_JP", "UTF8"),
        ("EUC_JP", "SJIS"),
    ],
)
def test_every_encoding_of_server_and_client(postgres: Server, encoding: str, client: str) -> None:
    name = f"encoding_{encoding}_{client}".lower()
    with postgres.connect() as session:
        session.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")  # type: ignore[arg-type]
    word = "Ä" if encoding == "LATIN1" else "名"
    try:
        with postgres.connect(name) as session:
            session.execute("SET client_encoding = 'UTF8'")
            session.execute(f'CREATE TABLE "{word}" (a int)')  # type: ignore[arg-type]
        with postgres.connect(name) as session:
            session.execute(f"SET client_encoding = '{client}'")  # type: ignore[arg-type]
            assert found(session, f'"{word}"').name == word
    finally:
        postgres.drop_database(name)


def test_names_of_other_databases_and_closed_schemas_are_missing(session: Session, database: str) -> None:
    session.execute("CREATE SCHEMA closed; CREATE TABLE closed.t (a int); CREATE TABLE t (a int)")
    session.execute(
        "DO $$ BEGIN CREATE ROLE il_nobody; EXCEPTION WHEN duplicate_object THEN NULL; END $$; SET ROLE il_nobody"
    )
    name = database.rpartition("/")[2]
    assert relation(session, "closed.t") is MISSING
    assert relation(session, "nowhere.t") is MISSING
    assert relation(session, "elsewhere.public.t") is MISSING
    assert found(session, f"{name}.public.t").name == "t"
    session.execute("SET search_path = closed, nowhere, public")
    assert found(session, "t").schema == "public"
    session.execute("SET search_path = ''")
    assert relation(session, "t") is MISSING


def test_a_temporary_table_hides_another(session: Session) -> None:
    session.execute("CREATE TABLE t (a int)")
    assert not found(session, "t").temporary
    session.execute("CREATE TEMP TABLE t (a int)")
    assert found(session, "t").temporary
    assert found(session, "pg_temp.t").temporary
    assert not found(session, "public.t").temporary
    session.execute("SET search_path = public, pg_temp")
    assert not found(session, "t").temporary


def test_what_the_snapshot_cannot_see_is_not_known_rather_than_missing(open_session: Open) -> None:
    session, other = open_session(), open_session()
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
    other.execute("CREATE TABLE t (a int)")
    assert relation(session, "t") is None
    assert relation(session, "public.t") is None
    assert relation(session, "missing") is MISSING


# ---------------------------------------------------------------- hostile and poor surroundings

SETTINGS = (
    "SET search_path = evil, pg_catalog, public",
    "SET search_path = ''",
    "SET standard_conforming_strings = off; SET escape_string_warning = on; SET backslash_quote = off",
    "SET quote_all_identifiers = on; SET bytea_output = escape; SET DateStyle = 'SQL, DMY'; SET extra_float_digits = -15",
    "SET transform_null_equals = on; SET array_nulls = off; SET IntervalStyle = sql_standard; SET TimeZone = 'Asia/Kolkata'",
    "SET default_transaction_read_only = on; SET default_transaction_isolation = serializable",
    "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; SET jit_above_cost = 0",
    "SET plan_cache_mode = force_custom_plan; SET enable_nestloop = off; SET enable_indexscan = off; SET work_mem = '64kB'",
    "SET row_security = off; SET client_encoding = 'LATIN1'; SET xmloption = document",
)


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_answer_is_the_same_under_any_settings_and_without_rights(open_session: Open, settings: str) -> None:
    owner = open_session()
    owner.execute(EVIL)  # type: ignore[arg-type]
    owner.execute(
        "CREATE TABLE public.t (id int PRIMARY KEY, a text CHECK (a <> 'x')); INSERT INTO public.t VALUES (1)"
    )
    owner.execute("DO $$ BEGIN CREATE ROLE il_poor; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    plain = found(owner, "public.t")
    poor = open_session()
    poor.execute("SET SESSION AUTHORIZATION il_poor")
    poor.execute(settings)  # type: ignore[arg-type]
    seen = found(poor, "public.t")
    assert (seen.size_bytes, list(seen.columns), list(seen.constraints), list(seen.indexes)) == (
        plain.size_bytes,
        list(plain.columns),
        list(plain.constraints),
        list(plain.indexes),
    )
    assert blockers.decode(ask(poor, blockers.SQL, blockers.parameter((("public", "t"),), Lock.ACCESS_EXCLUSIVE))) == ()
    assert isinstance(blockers.decode(ask(poor, blockers.SNAPSHOTS, blockers.builder())), tuple)


def ask(session: Session, sql: str, parameter: str) -> Any:
    row = psycopg.RawCursor(session).execute(sql, (parameter,)).fetchone()
    assert row is not None
    return row[0]


def test_asking_leaves_the_transaction_as_it_was(session: Session) -> None:
    session.execute("CREATE TABLE t (a int)")
    session.execute("BEGIN")
    facts_of(session, "CREATE INDEX ON t (a)")
    assert session.info.transaction_status is psycopg.pq.TransactionStatus.INTRANS
    assert session.execute("SELECT pg_current_xact_id_if_assigned()").fetchone() == (None,)


# ---------------------------------------------------------------- locks of others


def test_a_locked_table_is_answered_for_at_once_without_its_size(open_session: Open) -> None:
    session, other = open_session(), open_session()
    session.execute(
        "CREATE TABLE t (a int PRIMARY KEY, b int CHECK (b > 0)); CREATE INDEX t_b ON t ((b + 1)) WHERE b > 3"
    )
    session.execute("SET lock_timeout = '50ms'")  # waiting at all would be an error
    assert found(session, "t").size_bytes == 0
    other.execute("BEGIN; LOCK TABLE t")
    t = found(session, "t")
    assert (t.size_bytes, list(t.columns), list(t.indexes)) == (None, ["a", "b"], ["t_b", "t_pkey"])
    facts = facts_of(session, "DROP INDEX t_b")
    assert facts.relations[("public", "t")].size_bytes is None


def test_a_queued_lock_counts_as_much(open_session: Open) -> None:
    session, reader, writer = open_session(), open_session(), open_session()
    session.execute("CREATE TABLE t (a int)")
    reader.execute("BEGIN; SELECT * FROM t")
    waiting = threading.Thread(target=lambda: writer.execute("ALTER TABLE t ADD b int"))
    waiting.start()
    try:
        until(session, "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 't'::regclass)")
        session.execute("SET lock_timeout = '50ms'")
        assert found(session, "t").size_bytes is None
    finally:
        reader.execute("COMMIT")
        waiting.join()


def until(session: Session, question: str) -> None:
    """Ask until the answer is true; the test's own timeout is the bound."""
    while session.execute(question).fetchone() != (True,):  # type: ignore[arg-type]
        pass


def test_a_locked_partition_hides_the_size_of_the_whole(open_session: Open) -> None:
    session, other = open_session(), open_session()
    session.execute("CREATE TABLE m (k int) PARTITION BY LIST (k); CREATE TABLE m1 PARTITION OF m DEFAULT")
    other.execute("BEGIN; LOCK TABLE m1")
    session.execute("SET lock_timeout = '50ms'")
    assert found(session, "m").size_bytes is None


def test_a_prepared_transactions_lock_counts(open_session: Open) -> None:
    session, other = open_session(), open_session()
    session.execute("CREATE TABLE t (a int)")
    other.execute("BEGIN; LOCK TABLE t; PREPARE TRANSACTION 'lookup_prepared'")
    try:
        session.execute("SET lock_timeout = '50ms'")
        assert found(session, "t").size_bytes is None
        (blocker,) = in_the_way(session, "t", Lock.ACCESS_SHARE)
        assert (blocker.pid, blocker.gid, blocker.user) == (0, "lookup_prepared", "postgres")
    finally:
        other.execute("ROLLBACK PREPARED 'lookup_prepared'")


def test_ones_own_lock_hides_nothing(session: Session) -> None:
    session.execute("CREATE TABLE t (a int)")
    session.execute("BEGIN; LOCK TABLE t")
    assert found(session, "t").size_bytes == 0


def test_being_built(open_session: Open) -> None:
    session, other = open_session(), open_session()
    session.execute("CREATE TABLE t (a int); CREATE INDEX i ON t (a)")
    assert not found(session, "t").being_built
    other.execute("BEGIN; LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE")
    assert found(session, "t").being_built
    assert facts_of(session, "DROP INDEX i").relations[("i",)].being_built
    assert not found(other, "t").being_built


def test_an_index_that_another_role_is_building_is_no_leftover(open_session: Open) -> None:
    session, other = open_session(), open_session()
    session.execute("CREATE TABLE t (a int); CREATE INDEX i ON t (a)")
    session.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass")
    session.execute("DO $$ BEGIN CREATE ROLE il_poor; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    session.execute("SET SESSION AUTHORIZATION il_poor")

    def is_leftover() -> object:
        return psycopg.RawCursor(session).execute(leftover.SQL, ("public", "i")).fetchone()

    assert is_leftover() == (True,)
    other.execute("BEGIN; LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE")
    assert is_leftover() == (False,)
    assert facts_of(session, "DROP INDEX i").relations[("i",)].being_built


# ---------------------------------------------------------------- new in this transaction

ISOLATION = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")


def busy(other: Session) -> None:
    """Transactions of somebody else, so that our own ids do not follow one another."""
    for _ in range(3):
        other.execute("SELECT pg_current_xact_id()")


@pytest.mark.parametrize("isolation", ISOLATION)
def test_a_relation_of_this_transaction_is_new(open_session: Open, isolation: str) -> None:
    session, other = open_session(), open_session()
    session.execute(f"BEGIN ISOLATION LEVEL {isolation}; SELECT 1")  # type: ignore[arg-type]
    busy(other)
    session.execute(
        """
        CREATE TABLE n (a int PRIMARY KEY); CREATE UNLOGGED TABLE u (a int); CREATE TABLE c AS SELECT 1 AS a;
        CREATE TABLE m (k int) PARTITION BY LIST (k); CREATE TABLE m1 PARTITION OF m DEFAULT;
        CREATE VIEW v AS SELECT 1 AS a; CREATE MATERIALIZED VIEW w AS SELECT 1 AS a; CREATE SEQUENCE s;
        """
    )
    busy(other)
    assert [name for name in ("n", "u", "c", "m", "m1", "v", "w", "s", "n_pkey") if not is_new(session, name)] == []
    session.execute(
        """
        ALTER TABLE c ADD b text; ALTER TABLE c ALTER a TYPE text; TRUNCATE c; GRANT SELECT (tableoid) ON c TO PUBLIC;
        ALTER TABLE c RENAME TO d; CREATE INDEX d_a ON d (a); ANALYZE d;
        """
    )
    assert is_new(session, "d")
    assert is_new(session, "d_a")
    session.execute("COMMIT")
    assert not is_new(session, "n")
    session.execute("BEGIN; CREATE TABLE another (a int); LOCK TABLE n")
    assert not is_new(session, "n")


@pytest.mark.parametrize("isolation", ISOLATION)
def test_an_older_relation_never_looks_new(open_session: Open, isolation: str) -> None:
    session, other = open_session(), open_session()
    session.execute("CREATE TABLE old (a int); CREATE VIEW v AS SELECT 1 AS a; CREATE INDEX old_a ON old (a)")
    session.execute(f"BEGIN ISOLATION LEVEL {isolation}; CREATE TABLE n (a int)")  # type: ignore[arg-type]
    busy(other)
    for change in (
        "LOCK TABLE old",
        "ALTER TABLE old ADD b int DEFAULT random() * 5",
        "TRUNCATE old",
        "ALTER TABLE old ALTER a TYPE bigint",
        "GRANT SELECT (tableoid, ctid, xmin) ON old TO PUBLIC",
        "CLUSTER old USING old_a",
        "ALTER TABLE old OWNER TO CURRENT_USER",
        "ALTER TABLE old RENAME TO older; ALTER TABLE older RENAME TO old",
        "SAVEPOINT s; ALTER TABLE old ADD c int; RELEASE s",
        "COMMENT ON TABLE old IS 'x'",
        "REINDEX TABLE old",
    ):
        session.execute(change)  # type: ignore[arg-type]
        assert not is_new(session, "old"), change
        assert not is_new(session, "old_a"), change
    session.execute("CREATE OR REPLACE VIEW v AS SELECT 1 AS a, 2 AS b; ALTER VIEW v RENAME a TO z")
    assert not is_new(session, "v")


@pytest.mark.parametrize("isolation", ISOLATION)
def test_savepoints(open_session: Open, isolation: str) -> None:
    session, other = open_session(), open_session()
    session.execute(f"BEGIN ISOLATION LEVEL {isolation}; SELECT 1; SAVEPOINT a; CREATE TABLE x (a int)")  # type: ignore[arg-type]
    assert is_new(session, "x")
    busy(other)
    session.execute("SAVEPOINT b; CREATE TABLE y (a int)")
    assert is_new(session, "x")
    assert is_new(session, "y")
    busy(other)
    session.execute("RELEASE b")
    assert is_new(session, "y")
    busy(other)
    session.execute("RELEASE a; SAVEPOINT c; CREATE TABLE z (a int)")
    assert [is_new(session, name) for name in "xyz"] == [True, True, True]
    session.execute("ROLLBACK TO c")
    assert relation(session, "z") is MISSING
    assert [is_new(session, name) for name in "xy"] == [True, True]


def test_somebody_elses_table_is_not_new_to_us(open_session: Open) -> None:
    session, other = open_session(), open_session()
    session.execute("BEGIN; CREATE TABLE mine (a int)")
    other.execute("BEGIN; CREATE TABLE theirs (a int)")
    assert relation(session, "theirs") is MISSING
    other.execute("COMMIT")
    assert not is_new(session, "theirs")
    session.execute("LOCK TABLE theirs")
    assert not is_new(session, "theirs")


# ---------------------------------------------------------------- blockers


WRITTEN = ("pg_catalog.uuid", "integer[]", "varchar(20)", "timestamp(3) with time zone", "no_such_type", "public.uuid")


@pytest.mark.parametrize("path", ["public", "evil, pg_catalog", "pg_catalog, evil", "''"])
def test_what_a_built_in_type_is_needs_no_asking(session: Session, path: str) -> None:
    session.execute("CREATE SCHEMA evil; CREATE TABLE public.t (id int)")
    session.execute("CREATE DOMAIN evil.timestamptz AS pg_catalog.timestamptz CHECK (VALUE > '2020-01-01')")
    session.execute("CREATE TYPE evil.uuid AS ENUM ('a'); CREATE DOMAIN evil.int4 AS pg_catalog.int4 DEFAULT 3")
    session.execute(f"SET search_path = {path}")
    for name in (*(name for (*_, name) in built_in_types.NAMES), *WRITTEN):
        (statement,) = read(f"ALTER TABLE public.t ADD COLUMN c {name}")
        described = replace(lookup.request(statement), again=True)
        told = lookup.decode(
            ask(session, described.sql, described.parameter), described, now=datetime.now(UTC), in_transaction=False
        )
        assert facts.ask(session, statement).types == told.types, name


@pytest.mark.parametrize(
    ("sql", "in_json"),
    [
        ("ALTER TABLE t ADD COLUMN c timestamptz, ADD COLUMN d int4", False),
        ("ALTER TABLE T ADD COLUMN c no_such_type", False),
        ("ALTER TABLE no_such ADD COLUMN c int4", False),
        ("ALTER TABLE t ALTER COLUMN id SET NOT NULL", False),
        ("ALTER TABLE t ADD FOREIGN KEY (id) REFERENCES u", False),
        ("CREATE INDEX i ON t (id)", False),
        ("CREATE INDEX ON t (id)", False),
        ("DROP INDEX CONCURRENTLY t_pkey, i", False),
        ("TRUNCATE t, u", False),
        (f"ALTER TABLE {'x' * 63} ADD COLUMN c text", False),
        (f"ALTER TABLE {'x' * 64} ADD COLUMN c text", False),  # cut to the same
        ('ALTER TABLE "select" ADD COLUMN c text', False),
        ('ALTER TABLE "T" ADD COLUMN c text', False),
        ('ALTER TABLE "o\'clock" ADD COLUMN c text', True),
        ('ALTER TABLE "back\\slash" ADD COLUMN c text', True),
        ('ALTER TABLE "a.b" ADD COLUMN c text', True),
        ('ALTER TABLE "quo""te" ADD COLUMN c text', True),
        ("ALTER TABLE größe ADD COLUMN c text", True),
        ("ALTER TABLE public.t ADD COLUMN c text", True),
        ("ALTER TABLE t ADD COLUMN c public.mood", True),
        ("CREATE TABLE fresh (id int)", True),
    ],
)
@pytest.mark.parametrize("scs", ["on", "off"])
def test_a_question_with_its_values_in_it_is_answered_alike(
    session: Session, sql: str, in_json: bool, scs: str
) -> None:
    names = ("t", "u", "x" * 63, "select", "T", "o'clock", "back\\slash", "a.b", 'quo"te', "größe")
    for name in names:
        session.execute(psql.SQL("CREATE TABLE {} (id int PRIMARY KEY, note text)").format(psql.Identifier(name)))
    session.execute("CREATE INDEX i ON t (note); CREATE TYPE mood AS ENUM ('a'); CREATE SCHEMA other")
    session.execute("CREATE TYPE other.timestamptz AS ENUM ('a'); CREATE TABLE other.u (other int)")
    session.execute("SET search_path = other, public, pg_catalog")
    session.execute(f"SET standard_conforming_strings = {scs}")
    (statement,) = read(sql)
    request = lookup.request(statement, in_transaction=False)
    cursor, now = psycopg.RawCursor(session), datetime.now(UTC)

    def told(asked: lookup.Request, row: tuple[Any, ...] | None) -> Facts:
        assert row is not None
        return lookup.decode(row[0], asked, now=now, in_transaction=False)

    for asked in (request, replace(request, again=True)):
        by_parameter = cursor.execute(asked.sql, (asked.parameter,)).fetchone()
        assert told(asked, cursor.execute(asked.inlined).fetchone()) == told(asked, by_parameter)
        assert ("'names'" in asked.inlined) == in_json


def test_who_builds_is_asked_where_an_index_is_not_valid(open_session: Open) -> None:
    session, other = open_session(), open_session()
    session.execute("CREATE TABLE t (a int); CREATE INDEX i ON t (a)")
    other.execute("BEGIN; LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE")
    for sql in ("CREATE INDEX ON t (a)", "DROP INDEX i", "ALTER TABLE t ALTER COLUMN a SET NOT NULL"):
        (statement,) = read(sql)
        first = lookup.request(statement, in_transaction=False)
        session.execute("UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'i'::regclass")
        assert "'building'" not in first.inlined
        assert not facts.ask(session, statement).relations[("t",) if "t" in sql.split() else ("i",)].being_built
        session.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass")
        assert facts.ask(session, statement).relations[("t",) if "t" in sql.split() else ("i",)].being_built


def in_the_way(session: Session, name: str, lock: Lock, schema: str = "public") -> tuple[blockers.Blocker, ...]:
    found = blockers.decode(ask(session, blockers.SQL, blockers.parameter(((schema, name),), lock)))
    assert not found or is_anyone(session, name, lock, schema=schema)
    return found


def is_anyone(session: Session, name: str, lock: Lock, *, age_ms: float = 0, schema: str = "public") -> bool:
    parameters = blockers.anyone(((schema, name),), lock, age_ms)
    if parameters is None:
        return True
    row = psycopg.RawCursor(session).execute(blockers.ANYONE.encode(), parameters).fetchone()
    return row == (True,)


def pid(session: Session) -> int:
    return session.info.backend_pid


def test_who_holds_what_conflicts(open_session: Open) -> None:
    session, other = open_session(), open_session(application_name="web")
    session.execute('CREATE TABLE "T" (a int); INSERT INTO "T" VALUES (1)')
    assert in_the_way(session, "T", Lock.ACCESS_EXCLUSIVE) == ()
    other.execute('BEGIN; SELECT * FROM "T" FOR UPDATE')
    (blocker,) = in_the_way(session, "T", Lock.ACCESS_EXCLUSIVE)
    assert (blocker.pid, blocker.mode, blocker.granted, blocker.user) == (pid(other), "RowShareLock", True, "postgres")
    assert (blocker.application_name, blocker.state, blocker.relation) == (
        "web",
        "idle in transaction",
        ("public", "T"),
    )
    assert blocker.query == 'BEGIN; SELECT * FROM "T" FOR UPDATE'
    assert in_the_way(session, "T", Lock.SHARE) == ()
    assert [b.pid for b in in_the_way(session, "T", Lock.ACCESS_EXCLUSIVE, schema="")] == [pid(other)]
    assert in_the_way(session, "missing", Lock.ACCESS_EXCLUSIVE) == ()


def test_whether_anyone_is_in_the_way_for_longer_than_that(open_session: Open) -> None:
    session, other = open_session(), open_session()
    session.execute("""CREATE TABLE "a\\""b" (a int); CREATE TABLE "Straße" (a int)""")
    assert not is_anyone(session, 'a\\"b', Lock.ACCESS_EXCLUSIVE)
    other.execute("""BEGIN; LOCK TABLE "a\\""b" IN ROW EXCLUSIVE MODE""")
    assert is_anyone(session, 'a\\"b', Lock.ACCESS_EXCLUSIVE)
    assert not is_anyone(session, 'a\\"b', Lock.ACCESS_EXCLUSIVE, age_ms=3_600_000)
    assert not is_anyone(session, 'a\\"b', Lock.ROW_EXCLUSIVE)
    session.execute("BEGIN")
    until(
        session,
        """SELECT clock_timestamp() > xact_start + '50ms' FROM pg_stat_activity WHERE state = 'idle in transaction'""",
    )
    assert is_anyone(session, 'a\\"b', Lock.ACCESS_EXCLUSIVE, age_ms=50)  # each look is a new one
    session.execute("ROLLBACK; DO $$ BEGIN CREATE ROLE il_poor; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    session.execute("SET SESSION AUTHORIZATION il_poor")
    assert is_anyone(session, 'a\\"b', Lock.ACCESS_EXCLUSIVE, age_ms=3_600_000)  # whose age is hidden may be old
    assert blockers.anyone((("public", "Straße"),), Lock.SHARE, 0) is None
    assert blockers.anyone((("", "t"),), Lock.SHARE, 0) is None


def test_a_waiter_in_front_of_us_is_in_the_way_too(open_session: Open) -> None:
    session, reader, writer = open_session(), open_session(), open_session()
    session.execute("CREATE TABLE t (a int)")
    reader.execute("BEGIN; SELECT * FROM t")
    waiting = threading.Thread(target=lambda: writer.execute("ALTER TABLE t ADD b int"))
    waiting.start()
    try:
        until(session, "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 't'::regclass)")
        assert [(b.pid, b.granted) for b in in_the_way(session, "t", Lock.ROW_EXCLUSIVE)] == [(pid(writer), False)]
        both = in_the_way(session, "t", Lock.ACCESS_EXCLUSIVE)
        assert [(b.pid, b.granted) for b in both] == [(pid(reader), True), (pid(writer), False)]
    finally:
        reader.execute("COMMIT")
        waiting.join()


def test_a_lock_on_a_partition_is_in_the_way_of_its_table(open_session: Open) -> None:
    session, other = open_session(), open_session()
    session.execute("CREATE TABLE m (k int) PARTITION BY LIST (k); CREATE TABLE m1 PARTITION OF m DEFAULT")
    other.execute("BEGIN; SELECT * FROM m1")
    assert [b.relation for b in in_the_way(session, "m", Lock.ACCESS_EXCLUSIVE)] == [("public", "m1")]


def test_inside_a_transaction_every_look_is_a_new_one(open_session: Open) -> None:
    session, other = open_session(), open_session()
    session.execute("CREATE TABLE t (a int)")
    session.execute("BEGIN")
    assert in_the_way(session, "t", Lock.ACCESS_EXCLUSIVE) == ()
    other.execute("BEGIN; SELECT 1 FROM t")
    (first,) = in_the_way(session, "t", Lock.ACCESS_EXCLUSIVE)
    other.execute("SELECT 2 FROM t")
    (second,) = in_the_way(session, "t", Lock.ACCESS_EXCLUSIVE)
    assert (first.query, second.query) == ("BEGIN; SELECT 1 FROM t", "SELECT 2 FROM t")
    assert first.transaction == second.transaction
    other.execute("COMMIT")
    other.execute("BEGIN; SELECT 3 FROM t")
    (third,) = in_the_way(session, "t", Lock.ACCESS_EXCLUSIVE)
    assert third.transaction != second.transaction


def test_without_rights_pid_and_user_remain(open_session: Open) -> None:
    session, other = open_session(), open_session(application_name="web")
    session.execute("CREATE TABLE t (a int)")
    session.execute("DO $$ BEGIN CREATE ROLE il_poor; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    other.execute("BEGIN; LOCK TABLE t")
    session.execute("SET SESSION AUTHORIZATION il_poor")
    (blocker,) = in_the_way(session, "t", Lock.ACCESS_SHARE)
    assert (blocker.pid, blocker.user, blocker.application_name) == (pid(other), "postgres", "web")
    assert (blocker.state, blocker.query, blocker.transaction_age_ms) == ("", "", 0)


def test_whose_snapshot_a_concurrent_build_waits_for(open_session: Open) -> None:
    session, reader, builder = open_session(), open_session(application_name="report"), open_session()
    session.execute("CREATE TABLE t (a int); CREATE TABLE unrelated (a int)")
    assert pid(reader) not in [b.pid for b in snapshots(session, None)]
    reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM unrelated")
    assert pid(reader) in [b.pid for b in snapshots(session, None)]
    building = threading.Thread(target=lambda: builder.execute("CREATE INDEX CONCURRENTLY ON t (a)"))
    building.start()
    try:
        until(session, f"SELECT {pid(reader)} = ANY (pg_blocking_pids({pid(builder)}))")
        (blocker,) = snapshots(session, pid(builder))
        assert (blocker.pid, blocker.granted, blocker.application_name) == (pid(reader), True, "report")
        assert blockers.describe(blocker).startswith(
            f'pid {pid(reader)} (postgres, "report"): idle in transaction for '
        )
    finally:
        reader.execute("COMMIT")
        building.join()


def snapshots(session: Session, builder: int | None) -> tuple[blockers.Blocker, ...]:
    return blockers.decode(ask(session, blockers.SNAPSHOTS, blockers.builder(builder)))

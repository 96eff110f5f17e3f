"""Names are those that the server gives, and quoted names come back as they were."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sql.keywords import NOT_BARE
from proxy.sql.names import choose_name, clip, constraint_name, fold, make_object_name
from proxy.sql.statements import quote_identifier
from tests.servers import Server

LONG = "a_rather_long_table_name_that_fills_more_than_half_of_it"
LONGER = "and_a_column_name_that_is_even_longer_than_the_table_is_itself"
UMLAUTS = "täbellenname_mit_umläuten_wie_ä_ö_ü_in_vielen_teilen_äöüäöü"
# What is added to a table, its columns, the label, and the columns that its name is made of.
CASES = [
    ("UNIQUE ({0})", 1, "key"),
    ("UNIQUE ({0}, {1})", 2, "key"),
    ("FOREIGN KEY ({0}) REFERENCES target", 1, "fkey"),
    ("CHECK ({0} > 0)", 1, "check"),
    ("CHECK ({0} > 0 AND {0} < 9)", 1, "check"),
    ("CHECK ({0} > {1})", 2, "check"),
    ("CHECK (true)", 0, "check"),
    ("EXCLUDE ({0} WITH =)", 1, "excl"),
    ("PRIMARY KEY ({0})", 1, "pkey"),
    ("NOT NULL {0}", 1, "not_null"),
]
TABLES = [
    ("t", "a", "b"),
    (LONG, "a", LONGER),
    ("t", LONGER, "b"),
    (LONG, LONGER, LONGER[:-1] + "2"),
    (UMLAUTS, UMLAUTS[2:], "ß" * 31),
]


def taken(session: psycopg.Connection) -> frozenset[str]:
    rows = session.execute("SELECT relname FROM pg_class UNION SELECT conname FROM pg_constraint").fetchall()
    return frozenset(name for (name,) in rows)


@pytest.mark.parametrize(("clause", "count", "label"), CASES, ids=[case[0] for case in CASES])
@pytest.mark.parametrize("names", TABLES, ids=range(len(TABLES)))
def test_default_names_of_constraints(
    postgres: Server, database: str, names: tuple[str, str, str], clause: str, count: int, label: str
) -> None:
    if label == "not_null" and postgres.version < 18:
        pytest.skip("NOT NULL constraints have names from 18 on")
    table, *columns = (clip(name) for name in names)
    quoted = [quote_identifier(c) for c in columns]
    on = quote_identifier(table)
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("CREATE TABLE target (x int PRIMARY KEY)")
        for n in range(3):  # collisions are numbered, also after the name is cut
            session.execute(f"CREATE TABLE IF NOT EXISTS {on} ({quoted[0]} int, {quoted[1]} int)")
            before = taken(session)
            session.execute(f"ALTER TABLE {on} ADD {clause.format(*quoted)}")
            made = {constraint_name(table, columns[:count], label, before)}
            if label == "pkey" and postgres.version >= 18:  # it makes its columns NOT NULL, by name
                made.add(constraint_name(table, columns[:count], "not_null", before))
            assert taken(session) - before == made
            if label in ("pkey", "not_null"):
                session.execute(f"ALTER TABLE {on} RENAME TO moved{n}")


def test_names_taken_by_other_relations_are_passed_over(postgres: Server, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("CREATE TABLE t (a int); CREATE VIEW t_a_key AS SELECT 1; CREATE TABLE t_a_key1 ()")
        before = taken(session)
        session.execute("ALTER TABLE t ADD UNIQUE (a)")
        assert taken(session) - before == {constraint_name("t", ["a"], "key", before)} == {"t_a_key2"}


def test_default_names_of_indexes(postgres: Server, database: str) -> None:
    """An index's name is made as a constraint's is, with the label idx."""
    with psycopg.connect(database, autocommit=True) as session:
        for table, first, second in TABLES:
            table, first, second = clip(table), clip(first), clip(second)
            on, a, b = map(quote_identifier, (table, first, second))
            session.execute(f"CREATE TABLE {on} ({a} int, {b} int)")
            before = taken(session)
            session.execute(f"CREATE INDEX ON {on} ({a}, {b})")
            assert taken(session) - before == {constraint_name(table, [first, second], "idx", before)}
            session.execute(f"DROP TABLE {on}")


@given(
    st.text(min_size=1, max_size=80), st.none() | st.text(max_size=80), st.sampled_from(["key", "fkey12", "not_null"])
)
def test_made_names_fit(name1: str, name2: str | None, label: str) -> None:
    """A made name has at most 63 bytes and ends in its label."""
    name = make_object_name(name1, name2, label)
    assert len(name.encode()) <= 63
    assert name.endswith("_" + label)


def test_choose_name_counts_up() -> None:
    assert choose_name("t", "a", "key", {"t_a_key", "t_a_key1"}) == "t_a_key2"


@pytest.mark.parametrize("word", ["Orders", "ORDERS", "Ärger", "İstanbul", "K"])
def test_names_are_folded_and_cut_as_the_server_does(postgres: Server, database: str, word: str) -> None:
    with psycopg.connect(database) as session:
        for name in (word, word * 20):
            [column] = session.execute(f"SELECT 1 AS {name}").description or []
            assert clip(fold(name)) == column.name


def test_keywords_are_quoted_where_any_version_wants_it(postgres: Server, database: str) -> None:
    with psycopg.connect(database) as session:
        words = session.execute("SELECT word FROM pg_get_keywords() WHERE catcode <> 'U'").fetchall()
    assert {word for (word,) in words} <= NOT_BARE


@pytest.mark.parametrize("name", ["a", "A", "a b", 'a"b', "select", "1a", "ä", "a$", "_x", "user", "a;b", "x" * 63])
def test_a_quoted_name_is_read_back_as_itself(postgres: Server, database: str, name: str) -> None:
    with psycopg.connect(database) as session:
        for always in (False, True):
            session.execute(f"CREATE TABLE {quote_identifier(name, always=always)} ({quote_identifier(name)} int)")
            found = session.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            ).fetchall()
            assert found == [(name,)]
            session.rollback()

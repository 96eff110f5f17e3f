"""What a DO block runs: every statement in it is found, at its own place, and what is not read is said."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sql.body import open_literal
from proxy.sql.lexer import lex
from proxy.sql.read import read
from proxy.sql.statements import CreateIndex, Opaque, Statement

INDEX = "CREATE INDEX i ON orders (email)"
OPAQUE = "opaque code"


def do(text: str, *, standard_conforming_strings: bool = True) -> Statement:
    [statement] = read(text, standard_conforming_strings=standard_conforming_strings)
    assert statement.node.kind == "DO"
    return statement


def run_by(body: str) -> list[str]:
    return [one.node.kind if isinstance(one.node, Opaque) else one.sql for one in do(f"DO $do$ {body} $do$").inner]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f"BEGIN {INDEX}; END", [INDEX]),
        (f"BEGIN {INDEX}; END;", [INDEX]),
        ("BEGIN END", []),
        (f"<<a>> DECLARE x int := (SELECT 1); y text = ';'; BEGIN {INDEX}; END a", [INDEX]),
        (f"DECLARE c CURSOR (k int) FOR SELECT 1; DECLARE z record; BEGIN {INDEX}; END", [INDEX]),
        (f"#variable_conflict use_column\nBEGIN {INDEX}; END", [INDEX]),
        (f"BEGIN IF NOT EXISTS (SELECT 1 FROM t WHERE a = ';') THEN {INDEX}; END IF; END", [INDEX]),
        ("BEGIN IF a THEN DROP TABLE a; ELSIF b THEN DROP TABLE b; ELSEIF c THEN DROP TABLE c; ELSE DROP TABLE d; END IF; END",
         ["DROP TABLE a", "DROP TABLE b", "DROP TABLE c", "DROP TABLE d"]),
        ("BEGIN CASE x WHEN 1, 2 THEN DROP TABLE a; ELSE DROP TABLE b; END CASE; CASE WHEN x THEN DROP TABLE c; END CASE; END",
         ["DROP TABLE a", "DROP TABLE b", "DROP TABLE c"]),
        ("BEGIN LOOP DROP TABLE a; EXIT WHEN x; END LOOP; WHILE x LOOP DROP TABLE b; END LOOP l; END", ["DROP TABLE a", "DROP TABLE b"]),
        ("BEGIN FOR i IN REVERSE 1..10 BY 2 LOOP DROP TABLE a; END LOOP; FOR r IN SELECT 1 LOOP DROP TABLE b; END LOOP; END",
         ["DROP TABLE a", "DROP TABLE b"]),
        ("BEGIN FOREACH x SLICE 1 IN ARRAY y LOOP DROP TABLE a; END LOOP; END", ["DROP TABLE a"]),
        ("BEGIN BEGIN DROP TABLE a; EXCEPTION WHEN undefined_table OR others THEN DROP TABLE b; END; DROP TABLE c; END",
         ["DROP TABLE a", "DROP TABLE b", "DROP TABLE c"]),
        # No DDL: queries, and what is PL/pgSQL's own.
        ("BEGIN x := 1; r.f = 2; a[1] := 3; $1 := 4; PERFORM f(); SELECT 1 INTO x; INSERT INTO t VALUES (1) RETURNING a INTO x; "
         "GET STACKED DIAGNOSTICS x = ROW_COUNT; OPEN c FOR SELECT 1; FETCH c INTO x; MOVE c; CLOSE c; NULL; RAISE NOTICE '%', x; "
         "ASSERT x; COMMIT; ROLLBACK AND CHAIN; RETURN; WITH w AS (SELECT 1) UPDATE t SET a = 1; (SELECT 1); MERGE INTO t USING u ON a "
         "WHEN MATCHED THEN DELETE; CONTINUE; END", ["COMMIT", "ROLLBACK AND CHAIN"]),
        # A variable of a keyword's name.
        ("DECLARE open int; BEGIN open := 1; exception := 2; DROP TABLE a; END", ["DROP TABLE a"]),
        # EXECUTE: of a constant, or not; as a cursor it can only read.
        ("BEGIN EXECUTE 'DROP TABLE a; DROP TABLE b'; EXECUTE format('DROP TABLE c') INTO x USING 1; END",
         ["DROP TABLE a", "DROP TABLE b", "DROP TABLE c"]),
        ("BEGIN EXECUTE $q$DROP TABLE a$q$; EXECUTE E'DROP\\nTABLE b'; END", ["DROP TABLE a", "DROP\n TABLE b"]),
        ("BEGIN EXECUTE x; END", [OPAQUE]),
        ("BEGIN EXECUTE 'DROP TABLE ' || x; END", [OPAQUE]),
        ("BEGIN EXECUTE format('DROP TABLE %I', x); END", [OPAQUE]),
        ("BEGIN EXECUTE format('DROP TABLE %s'); END", [OPAQUE]),
        ("BEGIN RETURN QUERY EXECUTE x; END", [OPAQUE]),
        ("BEGIN EXECUTE 'SELECT 1' INTO x; END", []),
        ("BEGIN FOR r IN EXECUTE x USING 1 LOOP DROP TABLE a; END LOOP; OPEN c FOR EXECUTE x; END", ["DROP TABLE a"]),
        ("BEGIN EXECUTE x; DROP TABLE a; EXECUTE y; END", [OPAQUE, "DROP TABLE a"]),
        # Blocks in blocks.
        ("BEGIN DO $x$ BEGIN DROP TABLE a; END $x$; EXECUTE 'DO ''BEGIN DROP TABLE b; END'''; END", ["DROP TABLE a", "DROP TABLE b"]),
        ("BEGIN CALL p(); END", ["CALL p()"]),
        ("BEGIN PERFORM set_config('search_path', 'x', true); DROP TABLE a; END", ["set_config", "DROP TABLE a"]),
        # Not read.
        ("BEGIN DROP TABEL a; DROP TABLE b; END", [OPAQUE, "DROP TABLE b"]),
        ("BEGIN DROP TABLE b", [OPAQUE]),
        ("BEGIN IF x; END", [OPAQUE]),
        ("BEGIN x := (1; DROP TABLE a; END", [OPAQUE]),
        ("BEGIN CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); END", [OPAQUE]),
        ("BEGIN CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; END", [OPAQUE]),
        ("BEGIN CREATE OR REPLACE VIEW v AS SELECT CASE WHEN a THEN 1 END; END", ["CREATE OR REPLACE VIEW v AS SELECT CASE WHEN a THEN 1 END"]),
        ("BEGIN END; END", [OPAQUE]),
        ("DECLARE x END; DROP TABLE a; BEGIN END", []),  # the server refuses it: x is of the type "end"
        ("DROP TABLE a; BEGIN END", [OPAQUE]),
        ("BEGIN RAISE 'unclosed; END", [OPAQUE]),
        ("", [OPAQUE]),
    ],
)  # fmt: skip
def test_what_a_body_runs(body: str, expected: list[str]) -> None:
    assert run_by(body) == expected


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        (f"DO 'BEGIN {INDEX}; END'", INDEX),
        (f"DO LANGUAGE plpgsql $$BEGIN {INDEX}; END$$", INDEX),
        (f"DO $$BEGIN {INDEX}; END$$ LANGUAGE 'plpgsql'", INDEX),
        (f'DO $$BEGIN {INDEX}; END$$ LANGUAGE "plpgsql"', INDEX),
        ("DO E'BEGIN \\x44ROP TABLE t; END'", "DROP    TABLE t"),
        ("DO E'BEGIN \\104ROP\\tTABLE t; END'", "DROP     TABLE t"),
        ("DO E'BEGIN \\u0044ROP TABLE t; END'", "DROP      TABLE t"),
        ("DO 'BEGIN DROP'\n' TABLE t; END'", "DROP    TABLE t"),
        ("DO 'BEGIN DROP TABLE t; END' LANGUAGE plperl", OPAQUE),
        ("DO U&'BEGIN DROP TABLE t; END'", OPAQUE),
        ("DO 'BEGIN DROP' -- it''s\n' TABLE t; END'", OPAQUE),
        ("DO E'BEGIN COMMENT ON TABLE t IS ''\\xc3\\xa9''; END'", OPAQUE),
        ("DO 'a' 'b'", OPAQUE),
        ("DO x", OPAQUE),
    ],
)
def test_forms_of_a_body(text: str, inner: str) -> None:
    [one] = do(text).inner
    assert (one.node.kind if isinstance(one.node, Opaque) else one.sql) == inner


def test_a_backslash_is_an_escape_where_the_session_says_so() -> None:
    text = r"DO 'BEGIN DROP TABLE \x61; END'"
    assert [one.sql for one in do(text, standard_conforming_strings=False).inner] == ["DROP TABLE a"]
    assert [one.node.kind for one in do(text).inner] == [OPAQUE]


def test_places_are_those_of_the_clients_text() -> None:
    text = "SELECT 1; DO 'BEGIN\n  COMMENT ON TABLE t IS ''it''''s'';\n  CREATE INDEX i ON orders (email) WHERE a = ''x'';\nEND'"
    comment, index = read(text)[1].inner
    assert comment.sql.replace("  ", "") == "COMMENT ON TABLE t IS 'it''s'"
    assert isinstance(index.node, CreateIndex)
    assert index.node.keyword.of(text) == "INDEX"
    assert index.node.relation.span.of(text) == "orders"
    assert index.node.where is not None
    assert index.node.where.of(index.text) == "a = 'x'"
    assert text[index.span.start :].startswith("CREATE INDEX i ON orders (email) WHERE a = ''x''")


def test_comments_count_for_the_whole_block() -> None:
    text = "/* interlock: allow a: b */ DO $$ /* interlock: allow c: d */ BEGIN EXECUTE '/* interlock: allow e: f */ DROP TABLE t'; END $$"
    assert do(text).comments == ("interlock: allow a: b", "interlock: allow c: d", "interlock: allow e: f")


def test_more_than_one_place_that_is_not_read_is_one() -> None:
    [one] = do("DO $$ BEGIN EXECUTE a; EXECUTE b; DO $x$ BEGIN EXECUTE c; EXECUTE d; END $x$; END $$").inner
    assert isinstance(one.node, Opaque)
    assert one.node.others == 3
    assert one.sql == "a"


@given(st.text(alphabet="ab'\\\n é\"$-/*", max_size=30), st.booleans())
def test_a_literal_opens_to_its_value_at_its_place(value: str, escaped: bool) -> None:
    """The tokens of a quoted value are those of the value, and each of them starts at its own first character."""
    quoted = value.replace("'", "''")
    quoted = "E'" + quoted.replace("\\", "\\\\") + "'" if escaped else f"'{quoted}'"
    text = f"DO {quoted} -- behind"
    [_, literal] = lex(text)
    body = open_literal(text, literal, standard_conforming_strings=True)
    try:
        expected = lex(value)
    except ValueError:
        assert body is None
        return
    assert body is not None
    assert len(body.text) == len(text)
    assert [(t.kind, t.value) for t in body.tokens] == [(t.kind, t.value) for t in expected]
    for token in body.tokens:
        assert body.text[token.start] == text[token.start] or text[token.start] == "\\"


@pytest.mark.parametrize(
    "text",
    [
        "DO $$" + "BEGIN " * 100_000 + "$$",
        "DO $$ BEGIN " + "IF a THEN DROP TABLE t; END IF; " * 10_000 + "END $$",
        "DO $$ BEGIN " + "EXECUTE 'DROP TABLE \"a''b\"'; " * 10_000 + "END $$",
        "DO $$ BEGIN x := " + "(" * 100_000 + "; END $$",
        "".join(f"DO $a{n}$ BEGIN " for n in range(2000)) + "".join(f" END $a{n}$;" for n in reversed(range(2000))),
    ],
)
def test_hostile_bodies_end_in_time(text: str) -> None:
    begun = time.process_time()
    [statement] = read(text)
    assert statement.inner
    assert time.process_time() - begun < 20

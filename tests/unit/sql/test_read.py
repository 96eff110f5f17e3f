"""What a text says: every part at its place, comments with their statement, and refusals that name a place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.sql.read import read
from proxy.sql.statements import (
    AddColumn,
    AddConstraint,
    AlterColumnType,
    AlterTable,
    AttachPartition,
    ConstraintKind,
    CreateIndex,
    CreateTable,
    CreateTableAs,
    DetachPartition,
    Drop,
    DropIndex,
    ExecutePrepared,
    Explain,
    Other,
    OtherAction,
    Query,
    SetNotNull,
    SetVariable,
    Show,
    Span,
    Statement,
    TableConstraint,
    Transaction,
    Unreadable,
    ValidateConstraint,
)


def one(text: str) -> Statement:
    [statement] = read(text)
    return statement


def cut(span: Span | None, text: str) -> str | None:
    return span.of(text) if span else None


def kinds(text: str) -> list[str]:
    return [s.node.kind for s in read(text)]


def constraint(text: str) -> TableConstraint:
    node = one("ALTER TABLE t ADD " + text).node
    assert isinstance(node, AlterTable)
    [action] = node.actions
    assert isinstance(action, AddConstraint)
    return action.constraint


# ---------------------------------------------------------------- statements in a text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" ; ;; -- nothing\n /* ; */", []),
        ("SELECT 1; ; CREATE TABLE t ()", ["SELECT", "CREATE TABLE"]),
        ("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 1", ["CREATE RULE", "SELECT"]),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; DROP TABLE t",
         ["CREATE FUNCTION", "DROP TABLE"]),
        ("CREATE PROCEDURE p() BEGIN ATOMIC END; DROP TABLE t", ["CREATE PROCEDURE", "DROP TABLE"]),
        ('CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS "end"; SELECT 2; END; DROP TABLE t',
         ["CREATE FUNCTION", "DROP TABLE"]),
        ("SELECT 1 ); DROP TABLE t", ["unreadable", "DROP TABLE"]),
        ("SELECT (1; DROP TABLE t", ["unreadable"]),
        ("BEGIN; ALTER TABLE t ADD a int; COMMIT", ["BEGIN", "ALTER TABLE", "COMMIT"]),
    ],
)  # fmt: skip
def test_statements_of_a_text(text: str, expected: list[str]) -> None:
    assert kinds(text) == expected


def test_a_statement_is_its_author_s_text_without_the_semicolon() -> None:
    first, second = read("  ALTER TABLE t ADD a int ; -- x\nDROP TABLE é;")
    assert (first.sql, second.sql) == ("ALTER TABLE t ADD a int", "DROP TABLE é")


def test_comments_belong_to_the_statement_that_they_stand_in_or_before() -> None:
    first, second, third = read(
        "-- interlock: a\nSELECT 1 /* interlock: b */ -- interlock: c\n; -- interlock: d\nSELECT 2; SELECT 3 -- interlock: e"
    )
    assert first.comments == ("interlock: a", "interlock: b", "interlock: c")
    assert second.comments == ("interlock: d",)
    assert third.comments == ("interlock: e",)


# ---------------------------------------------------------------- indexes


def test_create_index() -> None:
    s = one('CREATE UNIQUE INDEX "I" ON ONLY s.t USING gin (a, lower(b), (c + 1)) WHERE a > 0')
    node = s.node
    assert isinstance(node, CreateIndex)
    assert (node.relation.parts, node.only, node.unique, node.concurrently) == (("s", "t"), True, True, False)
    assert str(node.name) == '"I"'
    assert node.columns == ("a", None, None)
    assert node.method == "gin"
    assert node.keyword.of(s.text) == "INDEX"
    assert cut(node.where, s.text) == "a > 0"


@pytest.mark.parametrize(
    ("text", "concurrently", "name"),
    [
        ("CREATE INDEX ON t (a)", False, None),
        ("CREATE INDEX CONCURRENTLY ON t (a)", True, None),
        ("CREATE INDEX CONCURRENTLY concurrently ON t (a)", True, "concurrently"),
        ('CREATE INDEX "concurrently" ON t (a)', False, "concurrently"),
        ("CREATE INDEX IF NOT EXISTS i ON t (a)", False, "i"),
    ],
)
def test_create_index_concurrently(text: str, concurrently: bool, name: str | None) -> None:
    node = one(text).node
    assert isinstance(node, CreateIndex)
    assert (node.concurrently, node.name.name if node.name else None) == (concurrently, name)


def test_drop_index() -> None:
    s = one("DROP INDEX IF EXISTS a, s.b CASCADE")
    assert isinstance(s.node, DropIndex)
    assert [n.parts for n in s.node.names] == [("a",), ("s", "b")]
    assert (s.node.if_exists, s.node.cascade, s.node.concurrently) == (True, True, False)
    assert s.node.keyword.of(s.text) == "INDEX"


# ---------------------------------------------------------------- ALTER TABLE


def test_actions_and_their_places() -> None:
    s = one(
        "SELECT 1; ALTER TABLE IF EXISTS ONLY s.t ADD COLUMN a int NOT NULL DEFAULT f(1, 2), ALTER b TYPE numeric(10, 2) USING b::int,"
        " ALTER c SET NOT NULL, DROP CONSTRAINT d, VALIDATE CONSTRAINT e".removeprefix("SELECT 1; ")
    )
    node = s.node
    assert isinstance(node, AlterTable)
    assert (node.only, node.if_exists, node.relation.parts) == (True, True, ("s", "t"))
    assert node.head.of(s.text) == "ALTER TABLE IF EXISTS ONLY s.t "
    assert [a.span.of(s.text) for a in node.actions] == [
        "ADD COLUMN a int NOT NULL DEFAULT f(1, 2)",
        "ALTER b TYPE numeric(10, 2) USING b::int",
        "ALTER c SET NOT NULL",
        "DROP CONSTRAINT d",
        "VALIDATE CONSTRAINT e",
    ]
    add, retype, not_null, _, validate = node.actions
    assert isinstance(add, AddColumn)
    assert isinstance(retype, AlterColumnType)
    default = add.column.constraint("DEFAULT")
    assert default is not None
    assert cut(default.expression, s.text) == "f(1, 2)"
    assert add.column.span.of(s.text) == "a int NOT NULL DEFAULT f(1, 2)"
    assert (retype.type.name, retype.type.span.of(s.text)) == ("numeric", "numeric(10, 2)")
    assert cut(retype.using, s.text) == "b::int"
    assert not_null == SetNotNull(not_null.span, "c")
    assert validate == ValidateConstraint(validate.span, "e")


def test_head_and_actions_are_the_whole_statement() -> None:
    text = "/* x */ ALTER TABLE t /* y */ ADD a int , DROP b"
    s = one(text)
    assert isinstance(s.node, AlterTable)
    assert s.node.head.of(text) == "ALTER TABLE t /* y */ "
    assert s.node.head.start == s.span.start
    assert s.node.actions[-1].span.end == s.span.end


def test_foreign_key() -> None:
    text = "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a, b) REFERENCES s.o (x, y) ON DELETE SET NULL (a) DEFERRABLE INITIALLY DEFERRED NOT VALID"
    k = constraint(text.removeprefix("ALTER TABLE t ADD "))
    assert (k.kind, k.name, k.columns, k.referenced_columns) == (
        ConstraintKind.FOREIGN_KEY,
        "k",
        ("a", "b"),
        ("x", "y"),
    )
    assert str(k.references) == "s.o"
    assert cut(k.columns_span, text) == "a, b"
    assert cut(k.not_valid, text) == "NOT VALID"
    assert cut(k.deferrable, text) == "DEFERRABLE INITIALLY DEFERRED"
    assert k.span.of(text) == text.removeprefix("ALTER TABLE t ADD ")
    assert k.body.of(text) == text.removeprefix("ALTER TABLE t ADD CONSTRAINT k ")


def test_unique() -> None:
    prefix = "ALTER TABLE t ADD "
    text = (
        'UNIQUE NULLS NOT DISTINCT (a, "B") INCLUDE (c, d) WITH (fillfactor = 70) USING INDEX TABLESPACE ts DEFERRABLE'
    )
    k = constraint(text)
    assert (k.kind, k.name, k.columns, k.nulls_not_distinct, k.tablespace) == (
        ConstraintKind.UNIQUE,
        None,
        ("a", "B"),
        True,
        "ts",
    )
    assert cut(k.include, prefix + text) == "c, d"
    assert cut(k.with_options, prefix + text) == "fillfactor = 70"
    assert k.span == k.body


@pytest.mark.parametrize(
    ("text", "kind", "field", "value"),
    [
        ("PRIMARY KEY USING INDEX i", ConstraintKind.PRIMARY_KEY, "using_index", "i"),
        ("UNIQUE (a, b WITHOUT OVERLAPS)", ConstraintKind.UNIQUE, "without_overlaps", True),
        ("FOREIGN KEY (a, PERIOD b) REFERENCES o (x, PERIOD y)", ConstraintKind.FOREIGN_KEY, "columns", ("a", "b")),
        ("FOREIGN KEY (a, period) REFERENCES o", ConstraintKind.FOREIGN_KEY, "columns", ("a", "period")),
        ("CHECK (a > 0) NO INHERIT", ConstraintKind.CHECK, "no_inherit", True),
        ("CHECK (a > 0) NOT ENFORCED", ConstraintKind.CHECK, "not_enforced", True),
        ("NOT NULL a", ConstraintKind.NOT_NULL, "columns", ("a",)),
        ("EXCLUDE USING gist (a WITH =)", ConstraintKind.EXCLUDE, "columns", ()),
    ],
)
def test_constraints(text: str, kind: ConstraintKind, field: str, value: object) -> None:
    k = constraint(text)
    assert (k.kind, getattr(k, field)) == (kind, value)


def test_check_s_expression_is_what_its_brackets_hold() -> None:
    text = "ALTER TABLE t ADD CHECK ( (a) > 0 ) NOT VALID"
    k = constraint(text.removeprefix("ALTER TABLE t ADD "))
    assert cut(k.expression, text) == " (a) > 0 "


@pytest.mark.parametrize(
    ("text", "what", "column", "name"),
    [
        ("ALTER TABLE t RENAME TO u", "RENAME TO", None, "u"),
        ("ALTER TABLE t RENAME a TO b", "RENAME COLUMN", "a", "b"),
        ("ALTER TABLE t RENAME CONSTRAINT a TO b", "RENAME CONSTRAINT", None, "a"),
        ("ALTER TABLE t SET SCHEMA s", "SET SCHEMA", None, "s"),
        ("ALTER TABLE t OWNER TO r", "OWNER TO", None, "r"),
        ("ALTER TABLE t ENABLE TRIGGER USER", "ENABLE TRIGGER USER", None, None),
        ("ALTER TABLE t ALTER a SET STATISTICS 100", "SET STATISTICS", "a", None),
        ("ALTER TABLE t SET UNLOGGED", "SET UNLOGGED", None, None),
        ("ALTER SEQUENCE q RESTART WITH 7", "SEQUENCE OPTIONS", None, None),
    ],
)
def test_other_actions(text: str, what: str, column: str | None, name: str | None) -> None:
    node = one(text).node
    assert isinstance(node, AlterTable)
    [action] = node.actions
    assert isinstance(action, OtherAction)
    assert (action.what, action.column, action.name) == (what, column, name)


def test_inherit_names_the_other_relation_that_it_locks() -> None:
    node = one("ALTER TABLE t INHERIT s.p").node
    assert isinstance(node, AlterTable)
    assert isinstance(node.actions[0], OtherAction)
    assert str(node.actions[0].relation) == "s.p"


def test_partitions() -> None:
    attach = one("ALTER TABLE t ATTACH PARTITION p DEFAULT").node
    detach = one("ALTER TABLE t DETACH PARTITION p CONCURRENTLY").node
    assert isinstance(attach, AlterTable)
    assert isinstance(detach, AlterTable)
    a, d = attach.actions[0], detach.actions[0]
    assert isinstance(a, AttachPartition)
    assert isinstance(d, DetachPartition)
    assert (a.partition.parts, a.is_default) == (("p",), True)
    assert (d.partition.parts, d.concurrently, d.finalize) == (("p",), True, False)


# ---------------------------------------------------------------- tables and queries


def test_create_table() -> None:
    s = one(
        "CREATE TEMP TABLE IF NOT EXISTS t (id bigint PRIMARY KEY, o int CONSTRAINT k REFERENCES s.o (x) NOT ENFORCED, LIKE u,"
        " FOREIGN KEY (id) REFERENCES q) INHERITS (p)"
    )
    node = s.node
    assert isinstance(node, CreateTable)
    assert (node.temporary, node.if_not_exists) == (True, True)
    assert [(c.name, c.type.name) for c in node.columns] == [("id", "int8"), ("o", "int4")]
    assert [r.parts for r in node.references] == [("s", "o"), ("q",)]
    assert [p.parts for p in node.inherits] == [("p",)]
    k = node.columns[1].constraint("REFERENCES")
    assert k is not None
    assert k.not_enforced
    assert k.span.of(s.text) == "CONSTRAINT k REFERENCES s.o (x) NOT ENFORCED"


@pytest.mark.parametrize(
    ("text", "relation", "kind", "temporary"),
    [
        ("SELECT a INTO t FROM u", "t", "CREATE TABLE AS", False),
        ("(SELECT 1 AS a INTO gone)", "gone", "CREATE TABLE AS", False),
        ("WITH x AS (SELECT 1 AS a) SELECT * INTO TEMP s.t FROM x", "s.t", "CREATE TABLE AS", True),
        ("CREATE TABLE t (a, b) AS VALUES (1, 2)", "t", "CREATE TABLE AS", False),
        ("CREATE TABLE t AS EXECUTE p (1)", "t", "CREATE TABLE AS", False),
        ("CREATE MATERIALIZED VIEW m AS SELECT 1", "m", "CREATE MATERIALIZED VIEW", False),
    ],
)
def test_tables_made_by_queries(text: str, relation: str, kind: str, temporary: bool) -> None:
    node = one(text).node
    assert isinstance(node, CreateTableAs)
    assert (str(node.relation), node.kind, node.temporary) == (relation, kind, temporary)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("SELECT 1 AS into", "SELECT"),
        ("SELECT t.into FROM t", "SELECT"),
        ("WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", "SELECT"),
        ("WITH d AS (SELECT 1) INSERT INTO t SELECT * FROM d", "INSERT"),
        ("VALUES (1)", "SELECT"),
        ("TABLE t", "SELECT"),
        ("MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", "MERGE"),
    ],
)
def test_queries(text: str, kind: str) -> None:
    assert one(text).node == Query(kind)


# ---------------------------------------------------------------- everything else


@pytest.mark.parametrize(
    ("text", "relations", "options", "concurrently"),
    [
        ("TRUNCATE TABLE ONLY t, s.u * RESTART IDENTITY CASCADE", ["t", "s.u"], {"RESTART IDENTITY", "CASCADE"}, False),
        ("VACUUM (FULL, ANALYZE) t (a)", ["t"], {"FULL"}, False),
        ("VACUUM (FULL false) t", ["t"], set(), False),
        ("REINDEX (CONCURRENTLY) TABLE t", ["t"], {"TABLE"}, True),
        ("REINDEX (CONCURRENTLY off) INDEX CONCURRENTLY i", ["i"], {"INDEX"}, True),
        ("REINDEX SCHEMA s", [], {"SCHEMA"}, False),
        ("CLUSTER t USING i", ["t"], set(), False),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY m", ["m"], set(), True),
        ("REFRESH MATERIALIZED VIEW m WITH NO DATA", ["m"], {"WITH NO DATA"}, False),
        ("LOCK TABLE t, u IN SHARE ROW EXCLUSIVE MODE NOWAIT", ["t", "u"], {"SHARE ROW EXCLUSIVE", "NOWAIT"}, False),
        ("LOCK t", ["t"], {"ACCESS EXCLUSIVE"}, False),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", ["v"], {"OR REPLACE"}, False),
        ("CREATE TRIGGER g BEFORE UPDATE OF a ON s.t EXECUTE FUNCTION f()", ["s.t"], set(), False),
        ("CREATE POLICY p ON t USING (true)", ["t"], set(), False),
        ("COMMENT ON COLUMN s.t.a IS 'x'", ["s.t"], set(), False),
        ("COMMENT ON CONSTRAINT k ON t IS NULL", ["t"], set(), False),
        ("GRANT SELECT ON t, u TO r", ["t", "u"], set(), False),
        ("CREATE SCHEMA s CREATE TABLE t (a int) CREATE INDEX ON t (a)", ["t", "t"], {"CREATE TABLE", "CREATE INDEX"}, False),
        ("PREPARE p AS SELECT 1 INTO t", ["t"], {"CREATE TABLE AS"}, False),
        ("ALTER TYPE e ADD VALUE IF NOT EXISTS 'x'", [], {"ADD VALUE"}, False),
        ("ALTER DOMAIN d ADD CHECK (VALUE > 0) NOT VALID", [], {"ADD CONSTRAINT", "NOT VALID"}, False),
        ("ALTER TRIGGER g ON t RENAME TO h", ["t"], {"RENAME TO"}, False),
        ("DO $$ BEGIN END $$", [], set(), False),
    ],
)  # fmt: skip
def test_others(text: str, relations: list[str], options: set[str], concurrently: bool) -> None:
    node = one(text).node
    assert isinstance(node, Other)
    assert [str(r) for r in node.relations] == relations
    assert (node.options, node.concurrently) == (options, concurrently)


@pytest.mark.parametrize(
    ("text", "kind", "names", "on"),
    [
        ("DROP TABLE IF EXISTS a, s.b CASCADE", "DROP TABLE", ["a", "s.b"], None),
        ("DROP TRIGGER g ON s.t", "DROP TRIGGER", ["g"], "s.t"),
        ("DROP FUNCTION f(int), g", "DROP FUNCTION", ["f", "g"], None),
        ("DROP MATERIALIZED VIEW m", "DROP MATERIALIZED VIEW", ["m"], None),
        ("DROP USER u", "DROP ROLE", ["u"], None),
    ],
)
def test_drops(text: str, kind: str, names: list[str], on: str | None) -> None:
    node = one(text).node
    assert isinstance(node, Drop)
    assert (node.kind, [str(n) for n in node.names], str(node.on) if node.on else None) == (kind, names, on)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY", Transaction("BEGIN", read_only=True)),
        ("END", Transaction("COMMIT")),
        ("ABORT AND CHAIN", Transaction("ROLLBACK", chain=True)),
        ("ROLLBACK WORK TO SAVEPOINT a", Transaction("ROLLBACK TO")),
        ("RELEASE a", Transaction("RELEASE")),
        ("PREPARE TRANSACTION 'x'", Transaction("PREPARE TRANSACTION")),
        ("COMMIT PREPARED 'x'", Transaction("COMMIT PREPARED")),
        ("SET LOCAL Lock_Timeout = '5s'", SetVariable("lock_timeout", local=True)),
        ("SET interlock.allow TO 'x: y'", SetVariable("interlock.allow")),
        ("SET TIME ZONE 'UTC'", SetVariable("timezone")),
        ("SET session = 1", SetVariable("session")),
        ("RESET ALL", SetVariable(None)),
        ("DISCARD ALL", SetVariable(None)),
        ('SHOW "Interlock".Version', Show("interlock.version")),
        ("EXECUTE p (1)", ExecutePrepared("p")),
    ],
)
def test_session_statements(text: str, node: object) -> None:
    assert one(text).node == node


@pytest.mark.parametrize(
    ("text", "target", "analyze"),
    [
        ("EXPLAIN SELECT 1", "SELECT", False),
        ("EXPLAIN (ANALYZE, BUFFERS) DELETE FROM t", "DELETE", True),
        ("EXPLAIN (ANALYZE off) DELETE FROM t", "DELETE", False),
        ("EXPLAIN ANALYZE VERBOSE CREATE TABLE t AS SELECT 1", "CREATE TABLE AS", True),
        ("EXPLAIN (SELECT 1)", "SELECT", False),
        ("EXPLAIN CREATE INDEX ON t (a)", "CREATE INDEX", False),  # ours: Postgres has no such thing
        ("EXPLAIN ALTER TABLE t ALTER a SET NOT NULL", "ALTER TABLE", False),
    ],
)
def test_explain(text: str, target: str, analyze: bool) -> None:
    s = one(text)
    assert isinstance(s.node, Explain)
    assert (s.node.target.kind, s.node.analyze) == (target, analyze)
    assert [t.node.kind for t in read(s.node.target_span.of(text))] == [target]


# ---------------------------------------------------------------- names and types


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Public.Orders", ("public", "orders")),
        ('"Public".orders', ("Public", "orders")),
        (r'U&"\0074"', ("t",)),
        ("U&\"!0074\" UESCAPE '!'", ("t",)),
        ("db.s.t", ("db", "s", "t")),
        ("é" * 40, ("é" * 31,)),
    ],
)
def test_names_are_those_of_the_catalog(text: str, parts: tuple[str, ...]) -> None:
    node = one(f"DROP TABLE {text}").node
    assert isinstance(node, Drop)
    [name] = node.names
    assert name.parts == parts
    assert name.span.of(f"DROP TABLE {text}") == text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("integer", "int4"), ("VARCHAR(20)", "varchar"), ("character varying (20)", "varchar"), ("double precision", "float8"),
        ("timestamp(3) with time zone", "timestamptz"), ("interval day to second(3)", "interval"), ("float(24)", "float4"),
        ("bit varying(3)", "varbit"), ("serial", "serial"), ("s.MyType[3][]", "s.mytype[][]"), ("int ARRAY[3]", "int4[]"),
        ("pg_catalog.int4", "int4"), ("numeric(10, 2)", "numeric"), ("geometry(Point, 4326)", "geometry"),
    ],
)  # fmt: skip
def test_types(text: str, name: str) -> None:
    s = one(f"ALTER TABLE t ADD a {text} NOT NULL")
    assert isinstance(s.node, AlterTable)
    assert isinstance(s.node.actions[0], AddColumn)
    type_ = s.node.actions[0].column.type
    assert (type_.name, type_.span.of(s.text)) == (name, text)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("FOO bar", 0, "a statement"),
        ("ALTER TABLE t FLY", 14, "an action of ALTER TABLE"),
        ("ALTER TABLE t ADD a int,", 24, "an action of ALTER TABLE"),
        ("CREATE INDEX i ON t a", 20, "("),
        ("CREATE INDEX IF NOT EXISTS ON t (a)", 30, "ON"),
        ("DROP TABLE", 10, "a name"),
        ("DROP TABLE t u", 13, "the end of the statement"),
        ("DROP TABLE a.b.c.d", 11, "a name of at most three parts"),
        ("ALTER TABLE t ADD CONSTRAINT k", 30, "CHECK, FOREIGN KEY, UNIQUE, PRIMARY KEY, EXCLUDE or NOT NULL"),
        ("DROP TABLE 'x", 11, "the end of the quoted string"),
        ("SELECT \\ 1", 7, "a character that SQL has"),
        ("EXPLAIN EXPLAIN SELECT 1", 8, "a statement other than EXPLAIN"),
        ('DROP TABLE U&"\\D83D"', 11, "a name ('utf-16-le' codec can't decode"),
    ],
)
def test_unreadable_names_the_place_and_what_was_expected(text: str, at: int, expected: str) -> None:
    node = one(text).node
    assert isinstance(node, Unreadable)
    assert node.at == at
    assert node.expected.startswith(expected)


def test_one_unreadable_statement_leaves_the_others_readable() -> None:
    assert kinds("FOO; DROP TABLE t") == ["unreadable", "DROP TABLE"]


HOSTILE = {
    "brackets": "ALTER TABLE t ADD CHECK " + "(" * 100_000 + "true" + ")" * 100_000,
    "open brackets": "SELECT " + "(" * 100_000,
    "brackets first": "(" * 100_000 + "SELECT 1" + ")" * 100_000,
    "closing brackets": "SELECT 1" + ")" * 100_000,
    "square brackets": "ALTER TABLE t ADD a int DEFAULT " + "[" * 50_000 + "]" * 50_000,
    "comments": "SELECT " + "/*" * 50_000 + "*/" * 50_000 + "1",
    "open comments": "/*" * 100_000,
    "literal": "INSERT INTO t VALUES ('" + "x''y\\" * 1_000_000 + "')",
    "continued literal": "SELECT '" + "a'\n'" * 500_000 + "'",
    "unterminated": "SELECT '" + "a" * 5_000_000,
    "unterminated after many": "SELECT " + "'a' " * 100_000 + "'",
    "gaps": "SELECT " + "'a'\n--x\n" * 100_000 + "1",
    "pluses": "SELECT 1 " + "+" * 200_000,
    "pluses and comments": "SELECT 1 " + "+/**/" * 100_000,
    "slashes": "SELECT 1 " + "/" * 200_000,
    "dollars": "SELECT " + "$a$ $b$ " * 50_000,
    "explains": "EXPLAIN " * 50_000 + "SELECT 1",
    "schemas": "CREATE SCHEMA s " + "CREATE SCHEMA s " * 20_000,
    "schema elements": "CREATE SCHEMA s " + "CREATE TABLE t (a int) " * 10_000,
    "cases": "ALTER TABLE t ALTER a SET DEFAULT " + "CASE WHEN a THEN " * 20_000 + "1" + " END" * 20_000,
    "actions": "ALTER TABLE t " + ", ".join(["ADD a int NOT NULL"] * 20_000),
    "attributes": "ALTER TABLE t ADD CHECK (true)" + " NOT VALID NO INHERIT DEFERRABLE" * 20_000,
    "column attributes": "CREATE TABLE t (a int NOT NULL" + " DEFERRABLE" * 20_000 + ")",
    "names": "DROP TABLE " + ".".join(["a"] * 100_000),
    "underscores": "SELECT " + "1_" * 200_000,
    "semicolons": ";" * 500_000,
    "words": "a" * 5_000_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.timeout(30)
def test_hostile_text_is_read_in_bounded_time(text: str) -> None:
    read(text)


WORDS = """
    alter table create index drop t a ( ) , ; . [ ] only if exists add column constraint check unique primary key foreign references
    not null valid using default set type case end explain analyze select into from with as prepare schema function begin atomic 'x' "q"
    U&"\\D83D" uescape '!' $1 1 -1 * = :: rename to grant on comment is vacuum full reindex concurrently domain trigger language
"""


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(WORDS.split()), max_size=14).map(" ".join))
def test_read_never_raises_and_spans_stay_in_order(text: str) -> None:
    """Whatever the text, its statements lie inside it, one after the other."""
    edges = [edge for s in read(text) for edge in (s.span.start, s.span.end)]
    assert edges == sorted(edges)
    assert all(0 <= edge <= len(text) for edge in edges)

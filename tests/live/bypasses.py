"""Attempts to have a guarded statement run unseen.  ``tests/live/test_no_way_around.py`` says what becomes of each.

Each is tried directly first, where it must take effect: what does not even work is no attempt.
Sources: the lexer's and the protocol's manuals, source and past vulnerabilities of proxies.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from proxy.wire import messages as m

DROP = "DROP TABLE t"
NBSP = "\N{NO-BREAK SPACE}"
LONG = "x" * 63  # the longest name; what follows is cut off
FUNCTION = "CREATE FUNCTION {}() RETURNS void LANGUAGE plpgsql AS 'BEGIN DROP TABLE t; END'"
PROCEDURE = "CREATE PROCEDURE {}() LANGUAGE plpgsql AS 'BEGIN DROP TABLE t; END'"
TRIGGER = "CREATE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DROP TABLE t; RETURN NULL; END'"


@dataclass(frozen=True)
class Attempt:
    """``before`` is there already when the client comes; each of ``flights`` is sent and waited for."""

    flights: tuple[bytes, ...]
    before: tuple[str, ...] = ()
    startup: dict[str, str] = field(default_factory=dict)
    since: int = 13
    until: int = 99
    harmless: bool = False
    """The server itself refuses it; that nothing happens through Interlock either is all there is to see."""


def q(*texts: str | bytes, **more: object) -> Attempt:
    """Simple queries, each a message of its own."""
    return Attempt(tuple(m.query(t.encode() if isinstance(t, str) else t) for t in texts), **more)  # type: ignore[arg-type]


def p(*flights: bytes, **more: object) -> Attempt:
    """Flights of protocol messages."""
    return Attempt(flights, **more)  # type: ignore[arg-type]


def run(sql: str, name: str = "", portal: str = "", bound: str | None = None, executed: str | None = None) -> bytes:
    """Parse, Bind, Execute; ``bound`` and ``executed`` name the statement and the portal otherwise than they were made."""
    statement = (name if bound is None else bound).encode()
    made = m.parse(name.encode(), sql.encode()) + m.bind(portal.encode(), statement)
    return made + m.execute((portal if executed is None else executed).encode())


def function_call(oid_of: str) -> bytes:
    """A placeholder: the test puts the function's oid into it."""
    return b"F" + oid_of.encode()


# ------------------------------------------------------------------------------------ what a text says

TEXTS: dict[str, Attempt] = {
    "as it is": q(DROP),
    "a second statement": q(f"SELECT 1; {DROP}"),
    "empty statements before": q(f";;;/**/;{DROP}"),
    "behind TABLE t": q(f"TABLE t; {DROP}"),
    "behind ABORT": q(f"BEGIN; ABORT; {DROP}"),
    "behind COMMIT in one text": q(f"BEGIN; SELECT 1; COMMIT; {DROP}"),
    "behind COMMIT AND CHAIN": q(f"BEGIN; SELECT 1; COMMIT AND CHAIN; {DROP}; COMMIT"),
    "behind a savepoint": q(f"BEGIN; SAVEPOINT a; {DROP}; RELEASE a; COMMIT"),
    "comments for spaces": q("DROP/**/TABLE/* /* */ */t"),
    "other white space": q("DROP\fTABLE\rt"),
    "a vertical tab": q("DROP\vTABLE\vt", since=16),
    "letters of either case": q("dRoP tAbLe T"),
    "a quoted name": q('DROP TABLE "t"'),
    "a name in parts": q('DROP TABLE "public" . /* */ t'),
    "IF EXISTS and others before": q("DROP TABLE IF EXISTS nowhere, public.t"),
    "escapes in a name": q('DROP TABLE U&"\\0074"'),
    "escapes of one's own": q("DROP TABLE U&\"!0074\" UESCAPE '!'"),
    "a name that is cut": q(f"DROP TABLE {LONG}yz", before=(f"ALTER TABLE t RENAME TO {LONG}",)),
    "renamed": q("ALTER TABLE t RENAME TO gone"),
    "renamed as an index": q("ALTER INDEX t RENAME TO gone"),
    "renamed as a view": q("ALTER VIEW t RENAME TO gone", harmless=True),
    "its column renamed as a view's": q("ALTER VIEW t RENAME COLUMN a TO gone"),
    "its column renamed as a materialized view's": q("ALTER MATERIALIZED VIEW t RENAME a TO gone"),
    "its column renamed as a foreign table's": q("ALTER FOREIGN TABLE t RENAME a TO gone"),
    "its column renamed as a type's attribute": q("ALTER TYPE t RENAME ATTRIBUTE a TO gone"),
    "its column renamed as a type's attribute, in a block": q(
        "DO $$ BEGIN ALTER TYPE t RENAME ATTRIBUTE a TO gone; END $$"
    ),
    "moved": q("CREATE SCHEMA s; ALTER TABLE t SET SCHEMA s"),
    "its rows": q("TRUNCATE t"),
    "its rows, without TABLE": q("TRUNCATE ONLY t, t"),
    "its column": q("ALTER TABLE t DROP a"),
    "with its schema": q("DROP SCHEMA public CASCADE"),
    "its column with a type": q("DROP TYPE e CASCADE", before=("CREATE TYPE e AS ENUM ('x')", "ALTER TABLE t ADD e e")),
    "its column with a domain": q("DROP DOMAIN d CASCADE", before=("CREATE DOMAIN d AS int", "ALTER TABLE t ADD d d")),
    "its column with an extension": q(
        "DROP EXTENSION citext CASCADE", before=("CREATE EXTENSION citext SCHEMA public", "ALTER TABLE t ADD c citext")
    ),
    "its column's name": q("ALTER TABLE t RENAME a TO gone"),
    "an index": q("CREATE INDEX ON t (a)"),
    "an index as a constraint": q("ALTER TABLE t ADD UNIQUE (a)"),
    "rewritten": q("CLUSTER t USING t_a"),
    "rewritten by VACUUM": q("VACUUM (FULL, VERBOSE FALSE) t"),
    "rewritten by a type": q("ALTER TABLE t ALTER a TYPE bigint"),
    "a space that is a letter": q(f"SELECT 1 AS {NBSP}$$; {DROP}; SELECT 1 AS {NBSP}$$"),
    "a line separator that is a letter": q(f"SELECT 1 AS \u2028$$; {DROP}; SELECT 1 AS \u2028$$"),
    "a next line that is a letter": q(f"SELECT 1 AS \u0085$$; {DROP}; SELECT 1 AS \u0085$$"),
    "an ideographic space that is a letter": q(f"SELECT 1 AS \u3000$$; {DROP}; SELECT 1 AS \u3000$$"),
    "a letter, in SET": q(f"SET application_name = {NBSP}$$; {DROP}; SET application_name = {NBSP}$$"),
    "a dollar in a name": q(f"SELECT 1 AS a$b$; {DROP}; SELECT 1 AS a$b$"),
    "parameters for a dollar quote": q(
        f"PREPARE a(int,int) AS SELECT $1,$2; {DROP}; PREPARE b(int,int) AS SELECT $1,$2"
    ),
    "a number before a dollar": q(f"SELECT 1_0$$; {DROP}; SELECT 1_0$$", until=14),
    "a number with a tail": q(f"SELECT 0x1$$; {DROP}; SELECT 0x1$$", until=14),
    "a comment that opens another": q(f"/*/*/ ' */ */ {DROP}; --'"),
    "a comment that opens another, in a query": q(f"SELECT 1 /*/*/ - '*/ */; {DROP}; --'"),
    "an operator eats a comment": q(f"SELECT 5 #--'\n 6; {DROP}; --'"),
    "an operator eats another": q(f"SELECT 5 |/*'*/ 6; {DROP}; --'"),
    "an operator ends in a comment": q(f"SELECT '5' ||/*'*/ '6'; {DROP}; --'"),
    "a carriage return ends a comment": q(f"SELECT 1; -- \r{DROP}"),
    "a literal goes on": q(f"SET application_name = E'a'\n'\\''; {DROP}; --'"),
    "a literal goes on behind a comment": q(f"SELECT E'a' -- x\n'\\''; {DROP}; --'"),
    "a literal goes on in PREPARE": q(f"PREPARE z AS SELECT E'a'\n'\\''; {DROP}; --'"),
    "an escape of its own ends a literal": q(f"SELECT U&'a' UESCAPE '!'; {DROP}"),
    "bits": q(f"SELECT B'1'; {DROP}"),
    "a backslash that is none": q(f"SELECT 'a\\'; {DROP}; --'"),
    "behind a megabyte of comment": q(f"/*{'-' * 1_000_000}*/ {DROP}"),
    "behind a megabyte of spaces": q(f"{' ' * 1_000_000}{DROP}"),
    "behind a long literal": q(f"SELECT length('{'x' * 200_000}'); {DROP}"),
    "behind ten thousand statements": q(f"{'SELECT;' * 10_000}{DROP}"),
    "behind brackets, deep": q(f"SELECT {'(' * 900}1{')' * 900}; {DROP}"),
    "behind a NUL": q(b"SELECT 1\0; DROP TABLE t", harmless=True),
    "behind a body with semicolons": q(
        f"CREATE FUNCTION g() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END; {DROP}", since=14
    ),
    "behind a rule with semicolons": q(
        f"CREATE TABLE r (a int); CREATE RULE x AS ON INSERT TO r DO (SELECT 1; SELECT 2); {DROP}"
    ),
    "as an element of a schema": q("CREATE SCHEMA s CREATE INDEX i ON public.t (a)", harmless=True),
    "a template of another language": q(f"SELECT 1 {{{{ ; {DROP}; }}}}", harmless=True),
    "behind COPY": p(m.query(f"COPY other FROM STDIN; {DROP}".encode()) + b"c\0\0\0\4"),
}

# ------------------------------------------------------------------------------------ what words mean in this session

SETTINGS: dict[str, Attempt] = {
    "backslashes escape": q("SET standard_conforming_strings = off", f"SELECT 'a\\''; {DROP}; --'"),
    "backslashes escape from the start": q(
        f"SELECT 'a\\''; {DROP}; --'", startup={"standard_conforming_strings": "off"}
    ),
    "backslashes escape by options": q(
        f"SELECT 'a\\''; {DROP}; --'", startup={"options": "-c standard_conforming_strings=off"}
    ),
    "backslashes escape by set_config": q(
        "SELECT set_config('standard_conforming_strings', 'off', false)", f"SELECT 'a\\''; {DROP}; --'"
    ),
    "backslashes escape in a transaction": q(
        "BEGIN", "SET LOCAL standard_conforming_strings = off", f"SELECT 'a\\''; {DROP}; --'", "COMMIT"
    ),
    "backslashes escape no more": q(
        "BEGIN; SET standard_conforming_strings = off; ROLLBACK", f"SELECT 'a\\'; {DROP}; --'"
    ),
    "backslashes escape by a function": q(
        "SELECT off()",
        f"SELECT 'a\\''; {DROP}; --'",
        before=(
            "CREATE FUNCTION off() RETURNS text LANGUAGE sql AS $$ SELECT set_config('standard_conforming_strings', 'off', false) $$",
        ),
    ),
    "backslashes do not escape yet": q(f"SET standard_conforming_strings = off; SELECT 'a\\'; {DROP}; --'"),
    "Shift JIS": q("SET client_encoding = SJIS", b"SELECT E'\x83\x5c'; DROP TABLE t; --'"),
    "Shift JIS from the start": q(b"SELECT E'\x83\x5c'; DROP TABLE t; --'", startup={"client_encoding": "SJIS"}),
    "Shift JIS by NAMES": q("SET NAMES 'SJIS'", b"SELECT E'\x83\x5c'; DROP TABLE t; --'"),
    "Shift JIS 2004": q("SET client_encoding = SHIFT_JIS_2004", b"SELECT E'\x83\x5c'; DROP TABLE t; --'"),
    "Big5": q("SET client_encoding = BIG5", b"SELECT E'\xa5\x5c'; DROP TABLE t; --'"),
    "GBK": q("SET client_encoding = GBK", b"SELECT E'\x81\x5c'; DROP TABLE t; --'"),
    "GB18030": q("SET client_encoding = GB18030", b"SELECT E'\x81\x5c'; DROP TABLE t; --'"),
    "a byte that is no character": q(b"SELECT E'\xc3'; DROP TABLE t; --'", harmless=True),
    "any byte": q("SET client_encoding = SQL_ASCII", b"SELECT '\xc3\x28'; DROP TABLE t; --'", harmless=True),
    "a name found elsewhere": q("SET search_path = nowhere, public", DROP),
    "the second of that name": q("CREATE TEMP TABLE t (a int); DROP TABLE t; DROP TABLE t"),
    "the second of that name, in three messages": q("CREATE TEMP TABLE t (a int)", DROP, DROP),
    "the second of a path": q(
        "CREATE SCHEMA s; CREATE TABLE s.t (a int); SET search_path = s, public; DROP TABLE t; DROP TABLE t"
    ),
    "under the name of a new one": q("CREATE TABLE n (a int); DROP TABLE n; ALTER TABLE t RENAME TO n; DROP TABLE n"),
    "new for a savepoint": q(
        "BEGIN; SAVEPOINT a; CREATE TABLE n (a int); ROLLBACK TO a; ALTER TABLE t RENAME TO n; DROP TABLE n; COMMIT"
    ),
    "other operators": q(
        "SET search_path = evil, pg_catalog, public",
        DROP,
        before=(
            "CREATE SCHEMA evil",
            "CREATE FUNCTION evil.no(oid, oid) RETURNS bool LANGUAGE sql AS 'SELECT false'",
            "CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, PROCEDURE = evil.no)",
        ),
    ),
    "a way out that nobody has": q("SET interlock.allow = 'drop-table: please'", DROP),
    "a way out in a comment": q("/* interlock: allow drop-table: please */ DROP TABLE t"),
    "a way out for all": q("/* interlock: allow all: please */ DROP TABLE t"),
    "a way out from the start": q(DROP, startup={"options": "-c interlock.allow=all:please"}),
    "another role": q("SET ROLE pg_monitor; RESET ROLE", DROP),
}

# ------------------------------------------------------------------------------------ statements that run others

CODE: dict[str, Attempt] = {
    "DO": q(f"DO $$ BEGIN {DROP}; END $$"),
    "DO, escaped": q("DO E'BEGIN \\x44ROP TABLE t; END'"),
    "DO, in Unicode": q("DO U&'BEGIN \\0044ROP TABLE t; END'"),
    "DO, in two literals": q("DO 'BEGIN DROP '\n'TABLE t; END'"),
    "DO, language first": q(f"DO LANGUAGE plpgsql $x$ BEGIN {DROP}; END $x$"),
    "DO, EXECUTE": q(f"DO $$ BEGIN EXECUTE '{DROP}'; END $$"),
    "DO, EXECUTE of two": q("DO $$ BEGIN EXECUTE 'DROP ' || 'TABLE t'; END $$"),
    "DO, EXECUTE of a variable": q(f"DO $$ DECLARE s text := '{DROP}'; BEGIN EXECUTE s; END $$"),
    "DO, EXECUTE of format": q("DO $$ BEGIN EXECUTE format('DROP TABLE %I', 't'); END $$"),
    "DO, in a handler": q(f"DO $$ BEGIN PERFORM 1 / 0; EXCEPTION WHEN OTHERS THEN {DROP}; END $$"),
    "DO in DO": q(
        f"DO $a$ BEGIN DO $b$ BEGIN DO $c$ BEGIN DO $d$ BEGIN DO $e$ BEGIN {DROP}; END $e$; END $d$; END $c$; END $b$; END $a$"
    ),
    "DO, makes a function": q(f"DO $a$ BEGIN {FUNCTION.format('f')}; PERFORM f(); END $a$"),
    "CALL": q("CALL f()", before=(PROCEDURE.format("f"),)),
    "CALL of a call": q("CALL g()", before=(PROCEDURE.format("f"), "CREATE PROCEDURE g() LANGUAGE sql AS 'CALL f()'")),
    "CALL that commits": q(
        "CALL f()", before=("CREATE PROCEDURE f() LANGUAGE plpgsql AS 'BEGIN COMMIT; DROP TABLE t; END'",)
    ),
    "CALL with its own rights": q("CALL f()", before=(PROCEDURE.format("f") + " SECURITY DEFINER",)),
    "CALL from a path": q(
        "SET search_path = s, public", "CALL f()", before=("CREATE SCHEMA s", PROCEDURE.format("s.f"))
    ),
    "own function": q(FUNCTION.format("f"), "SELECT f()"),
    "own function, at once": q(f"{FUNCTION.format('f')}; SELECT f(); DROP FUNCTION f()"),
    "own function in SQL": q("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DROP TABLE t'", "SELECT * FROM f()"),
    "own function, quoted": q(FUNCTION.format('"F x"'), 'SELECT U&"F\\0020x"()'),
    "own function, replaced": q(
        FUNCTION.format("f").replace("CREATE", "CREATE OR REPLACE"),
        "SELECT public.f()",
        before=("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'SELECT 1'",),
    ),
    "own function, renamed": q(FUNCTION.format("f"), "ALTER FUNCTION f() RENAME TO g", "SELECT g()"),
    "own function, moved": q(
        "CREATE SCHEMA s", FUNCTION.format("f"), "ALTER FUNCTION f() SET SCHEMA s", "SELECT s.f()"
    ),
    "own function, opaque": q(
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DROP ' || 'TABLE t'; END $$",
        "SELECT f()",
    ),
    "own function in COPY": q(FUNCTION.format("f"), "COPY (SELECT f()) TO STDOUT"),
    "own function in EXPLAIN ANALYZE": q(FUNCTION.format("f"), "EXPLAIN ANALYZE SELECT f()"),
    "own function in CREATE TABLE AS": q(FUNCTION.format("f"), "CREATE TABLE n AS SELECT 1 AS a WHERE f() IS NULL"),
    "own function, prepared": q(FUNCTION.format("f"), "PREPARE s AS SELECT f()", "EXECUTE s"),
    "own function in a cursor": q(FUNCTION.format("f"), "BEGIN; DECLARE c CURSOR FOR SELECT f(); FETCH c; COMMIT"),
    "own function in a condition": q(FUNCTION.format("f"), "DELETE FROM other USING (SELECT f()) AS x"),
    "own trigger": q(
        "INSERT INTO other VALUES (1)",
        TRIGGER.format("f"),
        "CREATE TRIGGER x AFTER INSERT ON other FOR EACH ROW EXECUTE FUNCTION f()",
        "INSERT INTO other VALUES (1)",
    ),
    "own event trigger": q(
        "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN DROP TABLE IF EXISTS t; END'",
        "CREATE EVENT TRIGGER x ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION f()",
        "CREATE TABLE n ()",
    ),
}

# ------------------------------------------------------------------------------------ the protocol

PROTOCOL: dict[str, Attempt] = {
    "extended": p(run(DROP) + m.sync()),
    "extended, by name": p(m.parse(b"s", DROP.encode()) + m.sync(), m.bind(b"", b"s") + m.execute(b"") + m.sync()),
    "extended, in a pipeline": p(run("SELECT 1") + run(DROP) + run("SELECT 2") + m.sync()),
    "EXECUTE of a protocol's statement": p(m.parse(b"s", DROP.encode()) + m.sync(), m.query(b"EXECUTE s")),
    "EXECUTE, extended": p(m.parse(b"s", DROP.encode()) + m.sync(), run("EXECUTE s") + m.sync()),
    "EXECUTE in EXPLAIN ANALYZE": p(m.parse(b"s", DROP.encode()) + m.sync(), m.query(b"EXPLAIN ANALYZE EXECUTE s"), harmless=True),
    "a statement's name that is cut": p(run(DROP, name=LONG + "abc", bound=LONG + "xyz") + m.sync()),
    "a statement's name that is cut, by EXECUTE": p(m.parse((LONG + "abc").encode(), DROP.encode()) + m.sync(), m.query(f"EXECUTE {LONG}z".encode())),
    "a portal's name that is cut": p(run(DROP, portal=LONG + "abc", executed=LONG + "xyz") + m.sync()),
    "a portal outlives its statement": p(
        m.parse(b"", DROP.encode()) + m.bind(b"a", b"") + m.parse(b"", b"SELECT 1") + m.execute(b"a") + m.sync()
    ),
    "a portal outlives its named statement": p(
        m.parse(b"s", DROP.encode()) + m.bind(b"a", b"s") + m.close(b"S", b"s") + m.execute(b"a") + m.sync()
    ),
    "a second Parse of that name fails": p(
        m.parse(b"s", DROP.encode()) + m.sync(),
        m.parse(b"s", b"SELECT 1") + m.sync(),
        m.bind(b"", b"s") + m.execute(b"") + m.sync(),
    ),
    "a Close that the server skips": p(
        m.parse(b"s", DROP.encode()) + m.sync(),
        m.parse(b"x", b"SELEC") + m.close(b"S", b"s") + m.sync(),
        m.bind(b"", b"s") + m.execute(b"") + m.sync(),
    ),
    "a Parse that the server skips": p(
        m.parse(b"s", DROP.encode()) + m.sync(),
        m.parse(b"x", b"SELEC") + m.close(b"S", b"s") + m.parse(b"s", b"SELECT 1") + m.sync(),
        m.bind(b"", b"s") + m.execute(b"") + m.sync(),
    ),
    "a DEALLOCATE that fails": p(
        m.parse(b"s", DROP.encode()) + m.sync(),
        m.query(b"BEGIN; SELECT 1 / 0; DEALLOCATE s"),
        m.query(b"ROLLBACK"),
        m.bind(b"", b"s") + m.execute(b"") + m.sync(),
    ),
    "prepared before it was harmful": p(
        m.parse(b"s", b"DROP TABLE IF EXISTS later") + m.sync(),
        m.query(b"BEGIN; CREATE SCHEMA s; SET LOCAL search_path = s; CREATE TABLE later (a int); ROLLBACK"),
        m.bind(b"", b"s") + m.execute(b"") + m.sync(),
        before=("ALTER TABLE t RENAME TO later",),
    ),
    "a replication connection": q(DROP, startup={"replication": "database"}),
    "a replication connection, said twice": q(DROP, startup={"replication": "database", "options": "-c application_name=x"}),
    "a replication connection that runs code": q(f"DO $$ BEGIN {DROP}; END $$", startup={"replication": "database"}),
}  # fmt: skip

# ------------------------------------------------------------------------------------ what Interlock does not see (docs/limits.md)

UNSEEN: dict[str, Attempt] = {
    "a function that was there": q("SELECT f()", before=(FUNCTION.format("f"),)),
    "a function with its owner's rights": q("SELECT f()", before=(FUNCTION.format("f") + " SECURITY DEFINER",)),
    "a trigger": q(
        "INSERT INTO other VALUES (1)",
        before=(TRIGGER.format("f"), "CREATE TRIGGER x AFTER INSERT ON other FOR EACH ROW EXECUTE FUNCTION f()"),
    ),
    "an event trigger": q(
        "CREATE TABLE n ()",
        before=(
            "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN DROP TABLE IF EXISTS t; END'",
            "CREATE EVENT TRIGGER x ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION f()",
        ),
    ),
    "a rule": q(
        "INSERT INTO other VALUES (1)",
        before=(FUNCTION.format("f"), "CREATE RULE x AS ON INSERT TO other DO ALSO SELECT f()"),
    ),
    "a view": q("SELECT * FROM v", before=(FUNCTION.format("f"), "CREATE VIEW v AS SELECT 1 AS a WHERE f() IS NULL")),
    "a default": q(
        "INSERT INTO n DEFAULT VALUES",
        before=(
            "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN DROP TABLE t; RETURN 1; END'",
            "CREATE TABLE n (a int DEFAULT f())",
        ),
    ),
    "an operator": q(
        "SELECT 1 ## 2",
        before=(
            "CREATE FUNCTION f(int, int) RETURNS int LANGUAGE plpgsql AS 'BEGIN DROP TABLE t; RETURN 1; END'",
            "CREATE OPERATOR ## (LEFTARG = int, RIGHTARG = int, PROCEDURE = f)",
        ),
    ),
    "an aggregate": q(
        "SELECT agg(a) FROM other2",
        before=(
            "CREATE FUNCTION f(int, int) RETURNS int LANGUAGE plpgsql AS 'BEGIN DROP TABLE IF EXISTS t; RETURN 1; END'",
            "CREATE AGGREGATE agg(int) (SFUNC = f, STYPE = int)",
            "CREATE TABLE other2 AS SELECT 1 AS a",
        ),
    ),
    "a function replaced behind a prepared statement": p(
        m.parse(b"s", b"SELECT f()") + m.sync(),
        m.query(FUNCTION.format("f").replace("CREATE", "CREATE OR REPLACE").encode()),
        m.bind(b"", b"s") + m.execute(b"") + m.sync(),
        before=("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'SELECT 1'",),
    ),
    "the protocol's function call": p(function_call("f()"), before=(FUNCTION.format("f"),)),
    "another connection of the server's": q(
        "SELECT dblink_exec('host=127.0.0.1 user=postgres port=' || current_setting('port') || ' dbname=' || current_database(), 'DROP TABLE t')",
        before=("CREATE EXTENSION dblink",),
    ),
}

# ------------------------------------------------------------------------------------ what Interlock sees and has no rule about (docs/limits.md)

WITHOUT_RULE: dict[str, Attempt] = {
    "with its owner": q("DROP OWNED BY leaver CASCADE", before=("ALTER TABLE t OWNER TO leaver",)),
    "its column with a collation": q(
        "DROP COLLATION c CASCADE", before=('CREATE COLLATION c FROM "C"', "ALTER TABLE t ADD x text COLLATE c")
    ),
}

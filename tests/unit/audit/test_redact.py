"""What a password is to the server never stands in the log; the rest of a statement does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.audit.redact import redact

S = "hunter2"

SECRETS = [
    (f"CREATE ROLE a LOGIN PASSWORD '{S}'", "CREATE ROLE a LOGIN PASSWORD '…'"),
    (f"ALTER USER a WITH ENCRYPTED PASSWORD E'{S}' VALID UNTIL '2030-01-01'", "ALTER USER a WITH ENCRYPTED PASSWORD '…' VALID UNTIL '2030-01-01'"),
    (f"alter role a\n  PassWord\n  $x${S}$x$ createdb", "alter role a\n  PassWord\n  '…' createdb"),
    (f"ALTER ROLE a PASSWORD '{S}'\n'more'", "ALTER ROLE a PASSWORD '…'"),
    (f"ALTER ROLE a PASSWORD /* {S} */ '{S}'", "ALTER ROLE a PASSWORD /* … */ '…'"),
    (f"ALTER ROLE a PASSWORD -- {S}\n '{S}'", "ALTER ROLE a PASSWORD /* … */\n'…'"),
    (f"ALTER ROLE a PASSWORD U&'{S}' UESCAPE '!'", "ALTER ROLE a PASSWORD '…' UESCAPE '!'"),
    (f"CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'bob', password '{S}')", "CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'bob', password '…')"),
    (f"ALTER SERVER s OPTIONS (SET \"sslpassword\" '{S}', ADD host 'h')", "ALTER SERVER s OPTIONS (SET \"sslpassword\" '…', ADD host 'h')"),
    (f"ALTER SERVER s OPTIONS (U&\"p\\0061ssword\" '{S}')", "ALTER SERVER s OPTIONS (U&\"p\\0061ssword\" '…')"),
    (f"CREATE SUBSCRIPTION s CONNECTION 'host=h dbname=d {S}' PUBLICATION p", "CREATE SUBSCRIPTION s CONNECTION '…' PUBLICATION p"),
    (f"ALTER SUBSCRIPTION s CONNECTION $$host=h password={S}$$", "ALTER SUBSCRIPTION s CONNECTION '…'"),
    (f"ALTER SYSTEM SET primary_conninfo = 'host=h {S}'", "ALTER SYSTEM SET primary_conninfo = '…'"),
    (f"SET my.password TO {S}", "SET my.password TO '…'"),
    (f"SET my.secret = 'a', {S}, 3", "SET my.secret = '…', '…', '…'"),
    (f"ALTER ROLE a SET app.api_key = {S}", "ALTER ROLE a SET app.api_key = '…'"),
    (f"SELECT set_config('app.password', '{S}', false)", "SELECT set_config('app.password', '…', false)"),
    (f"SELECT dblink('host=h password={S}')", "SELECT dblink('…')"),
    (f"SELECT dblink('postgres://u:{S}@h/db', 'SELECT 1')", "SELECT dblink('…', 'SELECT 1')"),
    (f"SELECT dblink_exec('c', 'ALTER ROLE a PASSWORD ''{S}''')", "SELECT dblink_exec('c', '…')"),
    (f"DO $$BEGIN ALTER ROLE a PASSWORD '{S}'; PERFORM 'x'; END$$", "DO $$BEGIN ALTER ROLE a PASSWORD '…'; PERFORM 'x'; END$$"),
    (f"DO $$BEGIN EXECUTE 'ALTER ROLE a PASSWORD ' || quote_literal('{S}'); END$$", "DO $$BEGIN EXECUTE '…' || quote_literal('…'); END$$"),
    (f"DO $$BEGIN EXECUTE format('ALTER ROLE %I PASSWORD %L', 'a', '{S}'); END$$", "DO $$BEGIN EXECUTE format('…', '…', '…'); END$$"),
    (f"CREATE FUNCTION f() RETURNS void AS $f$ BEGIN PERFORM $$ALTER ROLE a PASSWORD '{S}'$$; END $f$", None),
    (f"CREATE FUNCTION f() RETURNS void AS 'ALTER ROLE a PASSWORD ''{S}''' LANGUAGE sql", "CREATE FUNCTION f() RETURNS void AS '…' LANGUAGE sql"),
    (f"DO $$ it's password {S} $$", None),
    (f"ALTER ROLE a PASSWORD '{S}", "ALTER … (30 characters that cannot be read)"),
    (f"'{S}", "… (8 characters that cannot be read)"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "clean"), SECRETS)
def test_secrets_go(sql: str, clean: str | None) -> None:
    out = redact(sql, literals=False)
    assert S not in out
    assert clean is None or out == clean


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER ROLE a PASSWORD NULL",
        "CREATE TABLE users (password text NOT NULL, token uuid DEFAULT gen_random_uuid(), kind text DEFAULT 'x')",
        "ALTER TABLE users ADD CONSTRAINT c CHECK (password <> other), ALTER COLUMN kind SET DEFAULT 'y'",
        "COMMENT ON COLUMN users.password IS 'the password, hashed'",
        "CREATE INDEX i ON t (a) WHERE state = 'open' /* why */",
        "CREATE FUNCTION f() RETURNS int AS $$ SELECT length('abc') $$ LANGUAGE sql",
        "SET lock_timeout = '2s'",
        "CREATE SUBSCRIPTION s",
        "SELECT 'see https://example.org/x'",
        "",
    ],
)
def test_what_is_no_secret_stays_as_written(sql: str) -> None:
    assert redact(sql, literals=False) == sql


@pytest.mark.parametrize(
    ("sql", "clean"),
    [
        ("ALTER TABLE t ADD c varchar(20) DEFAULT 'a''b'", "ALTER TABLE t ADD c varchar(0) DEFAULT '…'"),
        ("CREATE INDEX i ON t (a) WHERE b = -1.5e3 AND c = $$x$$", "CREATE INDEX i ON t (a) WHERE b = -0 AND c = '…'"),
        ("DROP TABLE t /* of Mrs Smith */", "DROP TABLE t /* … */\n".replace("\n", " ")),
        ("DROP TABLE t /* interlock: allow drop: x */", "DROP TABLE t /* interlock: allow drop: x */"),
        ('DROP TABLE "t 7" -- 8', 'DROP TABLE "t 7" /* … */\n'),
    ],
)
def test_with_literals_nothing_but_names_and_words_stays(sql: str, clean: str) -> None:
    assert redact(sql, literals=True) == clean


def test_backslashes_are_read_as_the_session_reads_them() -> None:
    sql = rf"ALTER ROLE a PASSWORD 'x\'{S}'"
    assert redact(sql, literals=False, standard_conforming_strings=False) == "ALTER ROLE a PASSWORD '…'"
    assert S not in redact(sql, literals=False)


secrets = st.text(st.characters(codec="utf-8", exclude_characters="'\\$\0"), min_size=1, max_size=20).map(
    lambda s: f"Zq7{s}Zq7"
)


@given(
    secret=secrets,
    before=st.sampled_from(["ALTER ROLE a PASSWORD ", "SET x.password = ", "ALTER SERVER s OPTIONS (password "]),
    quoted=st.sampled_from(["'{}'", "E'{}'", "$${}$$", "U&'{}'"]),
    after=st.text(max_size=10),
    literals=st.booleans(),
)
def test_whatever_a_password_holds_and_whatever_follows_it_is_gone(
    secret: str, before: str, quoted: str, after: str, literals: bool
) -> None:
    assert secret not in redact(before + quoted.format(secret) + after, literals=literals)


@given(st.text(st.sampled_from("'\"$-/* a1\\EU&;()=,password\n"), max_size=60), st.booleans())
def test_any_text_at_all_gives_text(sql: str, literals: bool) -> None:
    redact(sql, literals=literals)


def test_depth_and_size_are_bounded() -> None:
    nested = "SELECT 'x'"
    for i in range(200):
        nested = f"DO $t{i}$ {nested} $t{i}$"
    redact(nested, literals=False)
    redact("SELECT '" + "password''" * 500_000 + "'", literals=True)

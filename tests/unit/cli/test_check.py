"""``interlock check`` and ``interlock plan``: what they print, and with which exit code they end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from proxy.cli import main
from proxy.render.text import excerpt
from proxy.sql.statements import Span

GOLDEN = Path(__file__).parent / "golden"
INPUTS = sorted(file.name for file in GOLDEN.glob("*.sql"))
POLICIES = Path(__file__).parents[3] / "policies"


def run(*arguments: str, text: str = "") -> tuple[int, str, str]:
    result = CliRunner().invoke(main, arguments, input=text, prog_name="interlock", env={"GITHUB_ACTIONS": None})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("command", ["check", "plan"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_golden(
    name: str, command: str, form: str, golden: Callable[[Path, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(GOLDEN)
    code, out, talk = run(command, name, "--format", form, "--pg-version", "17")
    shown = f"{out}---- stderr\n{talk}---- exit code {code}\n"
    golden(GOLDEN / f"{name.removesuffix('.sql')}.{command}.{form}.txt", shown)


def test_a_folder_is_every_sql_file_in_it(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.sql").write_text("DROP INDEX i;")
    (tmp_path / "1.sql").write_text("CREATE TABLE t (a int);")
    (tmp_path / "b" / "3.sql").write_text(
        "CREATE INDEX ON t (a);"
    )  # t was made in another file: long ago, for all we know
    (tmp_path / "notes.txt").write_text("hello")
    code, out, talk = run("check", str(tmp_path))
    assert code == 0
    assert [line.split(": ")[1] for line in out.splitlines() if line.startswith(str(tmp_path))] == [
        "rewrite  drop-index-not-concurrent",
        "rewrite  index-not-concurrent",
    ]
    assert talk == (
        f"checked 3 statements in 3 files: 2 to rewrite\nSee what would run: interlock plan {tmp_path / 'b' / '2.sql'}\n"
    )


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"", 0, "checked 0 statements in 1 file: nothing to say"),
        (b"SELECT 1;", 0, "checked 1 statement in 1 file: nothing to say"),
        (b"\xef\xbb\xbfSELECT 1;", 0, "nothing to say"),
        (b"BEGIN; CREATE INDEX ON t (a);", 0, "1 to defer"),
        (b"BEGIN; ALTER TABLE t SET LOGGED;", 1, "1 rejected"),
        (b"DROP TABEL t;", 1, "1 with a warning"),
        (b"SELECT 'x", 1, "1 with a warning"),
        (b"SELECT 1;\n-- \xff\n", 2, "f.sql:2: not UTF-8 (byte 0xff); convert the file to UTF-8"),
    ],
)
def test_exit_codes(tmp_path: Path, content: bytes, code: int, said: str) -> None:
    file = tmp_path / "f.sql"
    file.write_bytes(content)
    ended, _, talk = run("check", str(file))
    assert ended == code
    assert said in talk


def test_a_folder_without_sql_and_a_broken_policy_are_usage_errors(tmp_path: Path) -> None:
    assert run("check", str(tmp_path)) == (2, "", f"interlock: {tmp_path}: no .sql file in this folder or below it\n")
    policy = tmp_path / "p.yaml"
    policy.write_text("version: 1\nruls: {}\n")
    code, _, talk = run("check", "--policy", str(policy), "-", text="SELECT 1")
    assert code == 2
    assert "p.yaml:2:1: unknown key 'ruls'" in talk


def test_observe_says_what_would_be() -> None:
    code, out, talk = run("check", "--policy", "observe", "-", text="CREATE INDEX ON t (a)")
    assert code == 0
    assert "mode observe: would be rewrite" in out
    assert "1 would be otherwise if the policy's mode were enforce" in talk


def test_several_commands_are_one_input() -> None:
    code, out, _ = run("plan", "-c", "CREATE TABLE t (a int)", "-c", "CREATE INDEX ON t (a)")
    assert code == 0
    assert "rewrite" not in out


def test_an_escape_sequence_in_a_file_does_not_reach_the_terminal() -> None:
    _, out, _ = run("check", "-", text='CREATE INDEX ON "t\x1b[2J" (a)\r\n')
    assert "\x1b" not in out
    assert "CREATE INDEX ON" in out


@given(st.text(st.sampled_from("ab\t字é\n"), max_size=400), st.data())
def test_the_caret_stands_under_the_place_however_long_the_line(source: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(source)))
    end = data.draw(st.integers(start, len(source)))
    shown, carets = excerpt(source, Span(start, end))
    assert shown.index("|") == carets.index("|")
    assert len(shown) < 180
    assert "^" in carets
    if start < len(source) and source[start] not in "\n\t字" and "字" not in shown:
        assert shown[carets.index("^")] == source[start]


# ---------------------------------------------------------------- with a database


def live(database: str, sql: str, *arguments: str) -> dict[str, Any]:
    _, out, talk = run("check", "--format", "json", "--database", database, *arguments, "-", text=sql)
    assert out, talk
    statements: list[dict[str, Any]] = json.loads(out)["statements"]
    return statements[-1]


@pytest.fixture
def shop(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE orders AS SELECT g AS id, repeat('x', 500) AS note FROM generate_series(1, 40000) g"
        )
        connection.execute("CREATE SCHEMA other")
        connection.execute("CREATE TABLE other.tiny (id int)")
        connection.execute("ANALYZE")
    return database


def test_live_facts_tell_a_large_table_from_a_small_one(shop: str) -> None:
    large = live(shop, "CREATE INDEX ON orders (id)")
    assert (large["action"], large["relations"]) == ("rewrite", ["public.orders"])
    assert "40,000 rows" in large["findings"][0]["detail"]
    small = live(shop, "CREATE INDEX ON other.tiny (id)")
    assert small["action"] == "allow"
    assert "is small" in small["findings"][0]["note"]


def test_the_search_path_of_the_input_is_followed(shop: str) -> None:
    assert live(shop, "SET search_path = other; CREATE INDEX ON tiny (id)")["relations"] == ["other.tiny"]
    inside = "BEGIN; SET LOCAL search_path = other; {} CREATE INDEX ON tiny (id)"
    assert live(shop, inside.format(""))["relations"] == ["other.tiny"]
    assert live(shop, inside.format("COMMIT;"))["relations"] == []
    assert live(shop, inside.format("ROLLBACK;"))["relations"] == []
    assert live(shop, "SET search_path = other; BEGIN; SET search_path = public; ROLLBACK; CREATE INDEX ON tiny (id)")[
        "relations"
    ] == ["other.tiny"]


def test_each_file_begins_with_the_path_of_the_session(shop: str, tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text("SET search_path = other;")
    (tmp_path / "2.sql").write_text("CREATE INDEX ON tiny (id);")
    _, out, _ = run("check", "--format", "json", "--database", shop, str(tmp_path))
    assert json.loads(out)["statements"][-1]["relations"] == []


def test_nothing_is_run_and_nothing_is_left_behind(shop: str) -> None:
    live(shop, "DROP TABLE orders; CREATE TABLE new (a int); SET search_path = other")
    with psycopg.connect(shop) as connection:
        assert connection.execute("SELECT to_regclass('orders') IS NOT NULL, to_regclass('new') IS NULL").fetchone() == (True, True)  # fmt: skip


def test_another_version_than_the_databases_can_be_asked_for(shop: str) -> None:
    thirteen = live(shop, "ALTER TABLE orders ALTER note SET NOT NULL", "--pg-version", "13")
    eighteen = live(shop, "ALTER TABLE orders ALTER note SET NOT NULL", "--pg-version", "18")
    assert "CHECK" in thirteen["plan"][0]["sql"]
    assert "NOT NULL" in eighteen["plan"][0]["sql"]
    assert "CHECK" not in eighteen["plan"][0]["sql"]


def test_a_failing_look_is_one_line(shop: str) -> None:
    code, _, talk = run(
        "check", "--database", shop, "-", text="SET search_path = ''; SET search_path = a.b.c.d, '\"'; SELECT 1"
    )
    assert code in (0, 1, 2)
    assert "Traceback" not in talk

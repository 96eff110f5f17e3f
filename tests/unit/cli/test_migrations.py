"""``interlock check`` over folders as migration tools keep them: what is judged, as what, and what a reviewer reads of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import __version__
from proxy.cli.migrations import goes_back, parts
from proxy.render.placeholders import restore, stand_in
from proxy.sql.read import read
from proxy.sql.statements import Unreadable
from tests.unit.cli.test_check import GOLDEN, run

FOLDERS = Path(__file__).parent / "folders"
NAMES = sorted(folder.name for folder in FOLDERS.iterdir())


@pytest.mark.parametrize("form", ["text", "github", "gitlab", "sarif", "json"])
@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str, form: str, golden: Callable[[Path, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    if form != "text" and name not in ("flyway", "goose"):
        return  # what tells the tools apart is in the text
    monkeypatch.chdir(FOLDERS)
    code, out, talk = run("check", name, "--format", form, "--pg-version", "17")
    if form == "sarif":
        log = json.loads(out)
        for rule in log["runs"][0]["tool"]["driver"]["rules"]:
            rule["help"]["markdown"] = "the rule's page"
        out = json.dumps(log, indent=2) + "\n"
    shown = f"{out.replace(__version__, 'VERSION')}---- stderr\n{talk}---- exit code {code}\n"
    golden(GOLDEN / f"folder.{name}.{form}.txt", shown)


def test_what_goes_back_is_looked_at_if_it_is_asked_for_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDERS)
    _, out, talk = run("check", "goose")
    assert "drop-column" not in out
    assert "left out: 2 parts that take migrations back" in talk
    _, out, talk = run("check", "goose", "--down")
    assert "goose/00003_orders.sql:20:" in out  # ALTER TABLE orders DROP COLUMN, at its line in the file
    assert "left out" not in talk
    _, out, talk = run("check", "flyway/U2__state.sql")
    assert "drop-table" in out
    assert "left out" not in talk


def test_a_section_is_judged_in_the_transaction_that_its_tool_opens(tmp_path: Path) -> None:
    file = tmp_path / "1.sql"

    def action(head: str) -> str:
        file.write_text(f"{head}\nCREATE INDEX ON t (a);\n")
        return run("check", str(file))[1].split(": ")[1].split()[0]

    assert action("-- migrate:up") == action("-- +goose Up") == action("-- +migrate Up") == "defer"
    assert action("-- Up Migration") == "defer"
    assert action("-- migrate:up transaction:false") == "rewrite"
    assert action("-- +goose NO TRANSACTION\n-- +goose Up") == "rewrite"
    assert action("-- +migrate Up notransaction") == "rewrite"
    assert action("-- just a comment") == "rewrite"


@pytest.mark.parametrize(
    ("text", "up", "down"),
    [
        ("-- migrate:up\nA;\n-- migrate:down\nB;\n", ["A"], ["B"]),
        ("--  +GOOSE  up\nA;\n-- +goose Down\nB;", ["A"], ["B"]),
        ("-- +migrate Down\nB;\n-- +migrate Up\nA;", ["A"], ["B"]),
        ("# --- !Ups\nA;\n\n# --- !Downs\nB;", ["A"], ["B"]),
        ("-- !Ups\nA;\n-- !Downs\nB;", ["A"], ["B"]),
        ("-- // a title\nA;\n-- //@UNDO\nB;", ["A"], ["B"]),
        ("A;\n---- create above / drop below ----\nB;", ["A"], ["B"]),
        ("-- Up Migration\nA;\n-- Down Migration\n", ["A"], []),
        ("-- migrate:up\n-- nothing yet\n-- migrate:down\nB;", [], ["B"]),
        ("-- goes up\nA;\nB;", ["A", "B"], []),
    ],
)
def test_sections(text: str, up: list[str], down: list[str]) -> None:
    found = {part.way: part.text for part in parts(text)}
    for way, words in (("up", up), ("down", down)):
        assert [one.sql.strip() for one in read(found.get(way, ""))] == words  # type: ignore[call-overload]


@given(st.lists(st.sampled_from(["-- migrate:up", "-- migrate:down", "A;", "", "\tB;\r", "-- é", "# --- !Downs"])))
def test_every_character_of_a_section_stands_where_it_was(lines: list[str]) -> None:
    text = "\n".join(lines)
    for part in parts(text):
        assert len(part.text) == len(text)
        assert all(a in (b, " ") for a, b in zip(part.text, text, strict=True))


@pytest.mark.parametrize(
    ("path", "back"),
    [
        ("000001_base.up.sql", False), ("000001_base.down.sql", True), ("V2__x.sql", False), ("U2__x.sql", True),
        ("U1.2__x.sql", True), ("users__all.sql", False), ("R__view.sql", False), ("0003.x.rollback.sql", True),
        ("2024_down.sql", False), ("down.sql", False),
    ],
)  # fmt: skip
def test_files_that_go_back_are_told_by_their_names(path: str, back: bool, tmp_path: Path) -> None:
    assert goes_back(tmp_path / path) is back


def test_files_that_go_back_are_told_by_what_stands_beside_them(tmp_path: Path) -> None:
    for name in ("one/up.sql", "one/down.sql", "deploy/a.sql", "revert/a.sql", "verify/a.sql"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    back = {
        name for name in ("one/up.sql", "one/down.sql", "deploy/a.sql", "revert/a.sql") if goes_back(tmp_path / name)
    }
    assert back == {"one/down.sql", "revert/a.sql"}
    assert goes_back(tmp_path / "verify/a.sql")


# ---------------------------------------------------------------- what a tool fills in


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE ${schema}.orders ADD COLUMN a int",
        "ALTER TABLE {{ schema }}.orders ADD COLUMN a int",
        "ALTER TABLE :schema.orders ADD COLUMN a int",
        'ALTER TABLE :"schema".orders ADD COLUMN a int',
        "ALTER TABLE orders_${env} ADD COLUMN a int DEFAULT :'value'",
        "GRANT SELECT ON ${Flyway.Schema:x}.t TO ${READER_ROLE}",
        "SELECT a[1:n], b::int, '${x} :y', \"${z}\" FROM ${t} -- ${c}",
    ],
)
def test_a_placeholder_can_be_read_and_is_shown_as_it_was_written(text: str) -> None:
    filled = stand_in(text)
    assert len(filled) == len(text)
    assert not any(isinstance(one.node, Unreadable) for one in read(filled))
    assert restore(filled) == text


@pytest.mark.parametrize(
    "text", ["SELECT $a${b}$a$, '${x}', \"{{y}}\"", "SELECT a[1:n], b::int", "f(a := 1)", "{", "$", "${"]
)
def test_what_is_no_placeholder_stays(text: str) -> None:
    assert stand_in(text) == text


@given(st.text(alphabet="${}:ab\"' .[]1", max_size=30))
def test_stand_ins_are_as_long_and_are_taken_back(text: str) -> None:
    filled = stand_in(text)
    assert len(filled) == len(text)
    if '"' not in text:
        assert restore(filled) == text


def test_names_of_placeholders_are_bare_in_what_we_write(tmp_path: Path) -> None:
    file = tmp_path / "1.sql"
    file.write_text("ALTER TABLE :MY_SCHEMA.t ALTER COLUMN a SET NOT NULL;")
    _, out, _ = run("check", str(file))
    assert "ALTER TABLE :MY_SCHEMA.t VALIDATE CONSTRAINT" in out
    assert (
        run("check", str(file), "--format", "json")[1].count("ALTER TABLE :MY_SCHEMA.t VALIDATE") == 2
    )  # hint and plan
    assert "ALTER TABLE :MY_SCHEMA.t VALIDATE CONSTRAINT" in run("plan", str(file))[1]


def test_a_hint_has_a_statement_a_line(tmp_path: Path) -> None:
    file = tmp_path / "1.sql"
    file.write_text("ALTER TABLE t\n  DROP CONSTRAINT c,\nADD CONSTRAINT c CHECK (\n  a > 0);")
    _, out, _ = run("check", str(file))
    assert "        1. ALTER TABLE t ADD CONSTRAINT c CHECK ( a > 0) NOT VALID" in out.splitlines()


def test_findings_about_one_statement_stand_in_its_own_order(tmp_path: Path) -> None:
    file = tmp_path / "1.sql"
    file.write_text("ALTER TABLE t ADD COLUMN k text UNIQUE CHECK (k <> '');")
    _, out, _ = run("check", str(file))
    places = [int(line.split(":")[2]) for line in out.splitlines() if line.startswith(str(file))]
    assert places == sorted(places)
    assert len(places) == 2
    assert "    = runs instead: the steps below" in out.splitlines()

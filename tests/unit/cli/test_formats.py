"""What a code review gets from ``interlock check``, and which statements it is about."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest
from click.testing import CliRunner

from proxy.cli import main
from proxy.cli.inputs import natural
from proxy.cli.psql import server_part
from proxy.render.review import fingerprint

SQL = """\
CREATE INDEX orders_email_idx
    ON orders (email);
/* interlock: allow index-not-concurrent: tiny */ CREATE INDEX ON colours (a);
BEGIN;
ALTER TABLE "50%, a:b" SET LOGGED;
COMMIT;
FLURB;
"""


def run(*arguments: str, text: str = "", github: bool = False) -> tuple[int, str, str]:
    environment = {"GITHUB_ACTIONS": "true" if github else None}
    result = CliRunner().invoke(main, ["check", *arguments], input=text, prog_name="interlock", env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def git(*arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with a migration, seen from a folder in it."""
    (tmp_path / "db" / "migrations").mkdir(parents=True)
    (tmp_path / "db" / "migrations" / "1 a.sql").write_text(SQL)
    monkeypatch.chdir(tmp_path)
    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-qm", "one")
    monkeypatch.chdir(tmp_path / "db")
    return tmp_path


# ---------------------------------------------------------------- formats


@pytest.mark.parametrize("arguments", [("--format", "github"), ()])
def test_github(repository: Path, arguments: tuple[str, ...]) -> None:
    code, out, talk = run("migrations", *arguments, github=True)
    assert code == 1
    first, second, third = out.splitlines()
    place = "file=db/migrations/1 a.sql,line=1,endLine=1,col=8,endColumn=12"
    assert first.startswith(f"::notice {place},title=rewrite%3A index-not-concurrent::CREATE INDEX would block writes")
    assert "%0AThrough Interlock this runs instead:%0A  CREATE INDEX CONCURRENTLY" in first
    assert second.startswith("::error file=db/migrations/1 a.sql,line=5,")
    assert "50%25, a:b" in second
    assert third.startswith("::warning file=db/migrations/1 a.sql,line=7,")
    assert talk.startswith("checked 6 statements in 1 file: 1 to rewrite, 1 with a warning, 1 rejected")


def test_in_a_github_workflow_another_format_can_be_asked_for(repository: Path) -> None:
    assert "::" not in run("migrations", "--format", "text", github=True)[1]
    assert "::" not in run("migrations")[1]


def test_what_comes_from_no_file_has_no_place() -> None:
    assert run("-", "--format", "github", text=SQL)[1].startswith("::notice title=rewrite")
    (log,) = json.loads(run("-", "--format", "sarif", text=SQL)[1])["runs"]
    assert all("locations" not in result for result in log["results"])
    assert json.loads(run("-", "--format", "gitlab", text=SQL)[1]) == []


SARIF = json.loads((Path(__file__).parents[2] / "schemas" / "sarif-2.1.0.json").read_text(encoding="utf-8-sig"))


@pytest.mark.parametrize("arguments", [("migrations",), ("-",), ("migrations", "--policy", "strict")])
def test_sarif_by_the_whole_schema(repository: Path, arguments: tuple[str, ...]) -> None:
    log = json.loads(run(*arguments, "--format", "sarif", text=SQL)[1])
    assert log["runs"][0]["results"]
    validator = jsonschema.Draft202012Validator(SARIF)
    assert [f"{list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(log)] == []
    log["runs"][0]["results"][0]["level"] = "fatal"  # the validator does look
    assert not validator.is_valid(log)


def test_sarif(repository: Path) -> None:
    code, out, _ = run("migrations", "--format", "sarif")
    assert code == 1
    log: dict[str, Any] = json.loads(out)
    (found,) = log["runs"]
    driver = found["tool"]["driver"]
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    assert driver["name"] == "Interlock"
    for result in found["results"]:
        assert result["message"]["text"]
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        (location,) = result["locations"]
        artifact, region = location["physicalLocation"]["artifactLocation"], location["physicalLocation"]["region"]
        assert artifact == {"uri": "db/migrations/1%20a.sql", "uriBaseId": "%SRCROOT%"}
        assert (region["startLine"], region["startColumn"]) <= (region["endLine"], region["endColumn"])
    assert [(r["level"], r["ruleId"]) for r in found["results"]] == [
        ("note", "index-not-concurrent"),
        ("error", "set-logged"),
        ("warning", "unreadable-statement"),
    ]


def test_gitlab(repository: Path) -> None:
    code, out, _ = run("migrations", "--format", "gitlab")
    entries = json.loads(out)
    assert code == 1
    assert [(e["severity"], e["location"]["path"], e["location"]["lines"]["begin"]) for e in entries] == [
        ("info", "db/migrations/1 a.sql", 1),
        ("critical", "db/migrations/1 a.sql", 5),
        ("major", "db/migrations/1 a.sql", 7),
    ]
    assert all(e["description"] and e["check_name"] for e in entries)
    # https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format: what each has to have, and of what kind
    for entry in entries:
        assert entry["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert not entry["location"]["path"].startswith(("./", "/"))
        assert type(entry["location"]["lines"]["begin"]) is int
        assert isinstance(entry["fingerprint"], str)
    assert len({e["fingerprint"] for e in entries}) == len(entries)


def test_a_fingerprint_is_of_the_rule_and_the_tokens() -> None:
    one = fingerprint("r", "CREATE INDEX i ON t (a)")
    assert one == fingerprint("r", "create  index I\n on T /* why */ (a)")
    assert one != fingerprint("s", "CREATE INDEX i ON t (a)")
    assert one != fingerprint("r", 'CREATE INDEX i ON "T" (a)')
    assert one != fingerprint("r", "CREATE INDEX i ON t (b)")


def test_the_same_statement_twice_has_two_fingerprints(repository: Path) -> None:
    (repository / "db" / "2.sql").write_text("CREATE INDEX ON t (a);\n\nCREATE INDEX ON t (a);\n")
    prints = [e["fingerprint"] for e in json.loads(run("2.sql", "--format", "gitlab")[1])]
    assert len(set(prints)) == 2
    (repository / "db" / "2.sql").write_text("-- moved\nCREATE INDEX ON t (a);\n")
    assert [e["fingerprint"] for e in json.loads(run("2.sql", "--format", "gitlab")[1])] == prints[:1]


# ---------------------------------------------------------------- --since


def rules_at(*arguments: str) -> list[str]:
    code, out, talk = run(*arguments)
    assert code in (0, 1), talk
    return [line.partition(": ")[0] for line in out.splitlines() if line[:1] not in " "]


def test_since_is_about_statements_with_an_added_line(repository: Path) -> None:
    git("checkout", "-qb", "feature")
    file = repository / "db" / "migrations" / "1 a.sql"
    file.write_text(SQL + "CREATE TABLE n (a int);\nCREATE INDEX ON n (a);\nDROP INDEX\n  old_idx;\n")
    (repository / "db" / "2.sql").write_text("DROP INDEX untracked_idx;\n")
    (repository / "db" / "notes.txt").write_text("DROP INDEX no_sql;\n")
    assert rules_at("--since", "main") == ["2.sql:1:6", "migrations/1 a.sql:10:6"]
    git("add", "-A")
    git("commit", "-qm", "two")
    assert rules_at("--since", "main") == ["2.sql:1:6", "migrations/1 a.sql:10:6"]
    assert rules_at("--since", "main", "2.sql") == ["2.sql:1:6"]
    assert rules_at("--since", "HEAD") == []


def test_since_counts_from_where_the_branch_began(repository: Path) -> None:
    git("checkout", "-qb", "feature")
    (repository / "db" / "2.sql").write_text("DROP INDEX mine;\n")
    git("add", "-A")
    git("commit", "-qm", "mine")
    git("checkout", "-q", "main")
    (repository / "db" / "migrations" / "1 a.sql").write_text("SELECT 1;\n")
    git("commit", "-qam", "theirs")
    git("checkout", "-q", "feature")
    assert rules_at("--since", "main") == ["2.sql:1:6"]


def test_a_file_that_was_only_moved_adds_nothing_and_odd_names_are_read(repository: Path) -> None:
    git("mv", "migrations/1 a.sql", "moved.sql")
    (repository / "db" / 'ü "q"\tt.sql').write_text("+++ b/x\n@@ -1 +1 @@\n;DROP INDEX i;\n")
    git("add", "-A")
    git("commit", "-qm", "two")
    assert any("t.sql:3:7" in place for place in rules_at("--since", "HEAD~1"))
    assert not any("moved" in place for place in rules_at("--since", "HEAD~1"))


@pytest.mark.parametrize("revision", ["nonsense", "--output=x"])
def test_since_a_revision_that_is_none(repository: Path, revision: str) -> None:
    code, _, talk = run(f"--since={revision}")
    assert code == 2
    assert talk.startswith(f"interlock: --since {revision}: no such revision here")


def test_since_outside_of_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    code, _, talk = run("--since", "HEAD")
    assert (code, talk.startswith("interlock: --since wants a git repository")) == (2, True)


# ---------------------------------------------------------------- inputs


def test_numbers_in_names_count_as_numbers() -> None:
    names = ["10_b.sql", "2_a.sql", "V1.10__x.sql", "V1.9__x.sql", "V1__x.sql", "a/3.sql", "V2__x.sql"]
    assert sorted(names, key=natural) == [
        "2_a.sql", "10_b.sql", "V1__x.sql", "V1.9__x.sql", "V1.10__x.sql", "V2__x.sql", "a/3.sql",
    ]  # fmt: skip


DATA = "1\tit's\n;DROP TABLE x;\n\\N\t$$\n\\.\n"


@pytest.mark.parametrize(
    "copy",
    [
        "COPY t (a, b) FROM stdin;\n",
        "copy public.t from STDIN with (format csv);\n",
        "SELECT ';'; COPY t\n  FROM STDIN;\n",
        "\\copy t from stdin csv\n",
        "CREATE TABLE t (a text DEFAULT 'stdin;\n'); COPY t FROM stdin ;\n",
    ],
)
def test_the_data_of_copy_are_not_sql(copy: str) -> None:
    left = server_part(f"{copy}{DATA}CREATE INDEX ON t (a);\nCOPY u FROM stdin;\n'\n\\.\nSELECT 1;")
    assert len(left) == len(f"{copy}{DATA}CREATE INDEX ON t (a);\nCOPY u FROM stdin;\n'\n\\.\nSELECT 1;")
    assert "it's" not in left
    assert "DROP TABLE" not in left
    assert left.endswith("CREATE INDEX ON t (a);\nCOPY u FROM stdin;\n \n  \nSELECT 1;")


@pytest.mark.parametrize(
    "text",
    [
        "COPY t FROM 'stdin';\nDROP TABLE x;\n",
        "COPY t TO stdout;\nDROP TABLE x; -- from stdin\n",
        "SELECT 'COPY t FROM stdin;\n';\nDROP TABLE x;\n",
        "/* COPY t FROM stdin;\n*/ DROP TABLE x;\n",
        'COPY t FROM "stdin";\nDROP TABLE x;\n',
    ],
)
def test_what_is_no_copy_from_stdin_hides_nothing(text: str) -> None:
    assert server_part(text) == text


# ---------------------------------------------------------------- with a database


def test_set_role_is_followed(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS check_owner")
        connection.execute("CREATE ROLE check_owner")
        connection.execute("CREATE SCHEMA check_owner AUTHORIZATION check_owner")
        connection.execute("CREATE TABLE check_owner.mine (a int)")
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA check_owner TO check_owner")
    try:
        index = "CREATE INDEX ON mine (a)"
        for text, found in [
            (index, False),
            (f"SET ROLE check_owner; {index}", True),
            (f"SET ROLE check_owner; RESET ROLE; {index}", False),
            (f"BEGIN; SET LOCAL ROLE check_owner; COMMIT; {index}", False),
            (f"SET ROLE nobody_at_all; {index}", False),
        ]:
            _, out, talk = run("-", "--format", "json", "--database", database, text=text)
            relations = json.loads(out)["statements"][-1]["relations"]
            assert relations == (["check_owner.mine"] if found else []), text
            assert ("judged as without it" in talk) == ("nobody" in text)
    finally:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("DROP SCHEMA check_owner CASCADE")
            connection.execute("DROP ROLE check_owner")

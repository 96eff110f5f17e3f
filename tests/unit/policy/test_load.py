"""Files in; policies, or every mistake with its place, out."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.load import PolicyError, Problem, load, pack_names
from proxy.policy.model import RuleSetting
from proxy.policy.verdict import Action
from proxy.rules.base import rules
from tests.unit.policy.packs import POLICIES, line_of

VALID = """\
version: 1
extends: recommended
mode: warn
rules:
  index-not-concurrent: reject
  not-null-scan: { action: rewrite, in_transaction: warn }
unreadable: reject
locks:
  timeout: 100ms
  backoff: { first: 20ms, factor: 1.5, max: 1s }
  in_transaction: { give_up_after: 3s }
builds: { timeout: 2h }
small_tables: { under: 1GB, treat_as: warn }
exceptions:
  - match: { schema: analytics, role: etl }
    rules: [index-not-concurrent, unreadable-statement]
    action: allow
    reason: Loaded nightly.
    until: 2026-12-31
overrides: { enabled: true, roles: [dba, "42"], reason: optional }
audit: { fsync: always, on_failure: open, redact_literals: true }
"""

CHECK_VALIDATED = line_of("recommended", "  check-validated:")

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a file of the current folder, so that its name in messages is short."""
    monkeypatch.chdir(tmp_path)

    def write(text: str | bytes, name: str = "p.yaml") -> Path:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return Path(name)

    return write


def problems(source: str | Path) -> list[str]:
    """``line:column: message`` of each problem; the file's name too if it is not the source."""
    with pytest.raises(PolicyError) as caught:
        load(source)
    found = caught.value.problems
    return [f"{'' if p.file == str(source) else p.file + ':'}{p.line}:{p.column}: {p.message}" for p in found]


# ---------------------------------------------------------------- packs


@pytest.mark.parametrize("name", ["recommended", "strict", "observe"])
def test_packs_load_and_start_with_the_modeline(name: str) -> None:
    assert name in pack_names()
    policy = load(name)
    assert policy.name == name
    text = (POLICIES / f"{name}.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=./policy.schema.json\n")


@pytest.mark.parametrize("name", ["recommended", "strict"])
def test_packs_name_every_rule(name: str) -> None:
    assert set(load(name).settings.rules) == set(rules())


def test_observe_judges_as_recommended_does_and_rejects_nothing() -> None:
    observe, recommended = load("observe"), load("recommended")
    assert (observe.mode, recommended.mode) == ("observe", "enforce")
    assert (observe.audit.on_failure, recommended.audit.on_failure) == ("open", "closed")
    differing = {"mode", "extends", "audit"}
    assert observe.settings.model_dump(exclude=differing) == recommended.settings.model_dump(exclude=differing)


# ---------------------------------------------------------------- values and sources


def test_values(write: Write) -> None:
    policy = load(write(VALID))
    assert policy.mode == "warn"
    assert policy.rule("index-not-concurrent") == RuleSetting(action=Action.REJECT)
    assert policy.rule("not-null-scan") == RuleSetting(action=Action.REWRITE, in_transaction=Action.WARN)
    assert policy.unreadable is Action.REJECT
    assert (policy.locks.timeout.ms, policy.locks.first_timeout.ms, policy.locks.look.ms) == (100, 5, 100)
    assert (policy.locks.backoff.first.ms, policy.locks.backoff.factor, policy.locks.backoff.max.ms) == (20, 1.5, 1000)
    assert policy.locks.in_transaction.give_up_after.ms == 3_000
    assert policy.builds.timeout.ms == 7_200_000
    assert (policy.small_tables.under.bytes, policy.small_tables.treat_as) == (2**30, Action.WARN)
    (exception,) = policy.exceptions
    assert (exception.match.schema_, exception.match.role, exception.until) == ("analytics", "etl", date(2026, 12, 31))
    assert policy.overrides.roles == ("dba", "42")
    assert (policy.audit.fsync, policy.audit.on_failure, policy.audit.redact_literals) == ("always", "open", True)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (("mode",), "p.yaml:3"),
        (("rules", "index-not-concurrent", "action"), "p.yaml:5"),
        (("rules", "not-null-scan", "in_transaction"), "p.yaml:6"),
        (("rules", "index-not-concurrent", "in_transaction"), "built-in default"),
        (("rules", "check-validated", "action"), CHECK_VALIDATED),
        (("locks", "timeout"), "p.yaml:9"),
        (("locks", "look"), "built-in default"),
        (("exceptions", 0), "p.yaml:15"),
        (("overrides", "roles"), "p.yaml:20"),
    ],
)
def test_sources(write: Write, path: tuple[str | int, ...], source: str) -> None:
    assert str(load(write(VALID)).source(*path)) == source


def test_every_effective_value_has_its_source(write: Write) -> None:
    found = {path: (value, str(source)) for path, value, source in load(write(VALID)).values()}
    assert found["locks", "timeout"] == ("100ms", "p.yaml:9")
    assert found["locks", "give_up_after"] == ("10m", "built-in default")
    assert found["rules", "check-validated", "action"] == ("rewrite", CHECK_VALIDATED)
    assert found["overrides", "roles"] == (["dba", "42"], "p.yaml:20")
    assert {path[1] for path in found if path[0] == "rules"} == set(rules())


def test_a_file_of_nothing_but_its_version_has_the_defaults(write: Write) -> None:
    policy = load(write("version: 1"))
    assert policy.mode == "enforce"
    assert policy.rule("index-not-concurrent") == RuleSetting(action=Action.REWRITE, in_transaction=Action.DEFER)
    assert policy.files == ("p.yaml",)


def test_sha_follows_the_texts_of_both_files(write: Write) -> None:
    base = write("version: 1", "base.yaml")
    own = write("version: 1\nextends: base.yaml")
    before = load(own).sha
    assert load(own).sha == before
    base.write_text("version: 1\n# a comment")
    assert load(own).sha != before


def test_expired_exceptions_are_found_the_day_after(write: Write) -> None:
    policy = load(write(VALID))
    assert policy.expired(datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == []
    ((source, exception),) = policy.expired(datetime(2027, 1, 1, tzinfo=UTC))
    assert (str(source), exception.reason) == ("p.yaml:15", "Loaded nightly.")


# ---------------------------------------------------------------- extends


def test_a_file_extends_another_one_beside_it(write: Write) -> None:
    write(
        """\
version: 1
mode: warn
rules:
  check-validated: { action: reject, in_transaction: allow }
locks: { timeout: 70ms, look: 1s }
exceptions:
  - { match: { schema: base }, rules: [all], action: warn, reason: base }
overrides: { roles: [a, b] }
""",
        "team/base.yaml",
    )
    policy = load(
        write(
            """\
version: 1
extends: base.yaml
rules: { check-validated: warn }
locks: { timeout: 80ms }
exceptions:
  - { match: { schema: own }, rules: [all], action: warn, reason: own }
overrides: { roles: [c] }
""",
            "team/prod.yaml",
        )
    )
    assert policy.files == ("team/prod.yaml", "team/base.yaml")
    assert (policy.mode, str(policy.source("mode"))) == ("warn", "team/base.yaml:2")
    assert policy.rule("check-validated") == RuleSetting(action=Action.WARN, in_transaction=Action.ALLOW)
    assert (policy.locks.timeout.ms, policy.locks.look.ms) == (80, 1000)
    assert [e.reason for e in policy.exceptions] == ["own", "base"]
    assert [str(policy.source("exceptions", i)) for i in range(2)] == ["team/prod.yaml:6", "team/base.yaml:7"]
    assert policy.overrides.roles == ("c",)
    assert str(policy.source("overrides", "roles")) == "team/prod.yaml:7"


def test_observe_can_be_extended_although_it_extends_recommended(write: Write) -> None:
    policy = load(write("version: 1\nextends: observe\nunreadable: allow"))
    assert policy.mode == "observe"
    assert policy.files == ("p.yaml", "policies/observe.yaml", "policies/recommended.yaml")


def test_only_one_level_of_files(write: Write) -> None:
    write("version: 1\nextends: strict", "base.yaml")
    assert problems(write("version: 1\nextends: base.yaml")) == [
        "2:10: 'base.yaml' extends another policy itself; one level is read, so extend that one here"
    ]
    assert problems(write("version: 1\nextends: p.yaml"))[0].startswith("2:10: 'p.yaml' extends another policy itself")


def test_mistakes_of_both_files_are_told_at_once(write: Write) -> None:
    write("version: 1\nmod: warn", "base.yaml")
    assert problems(write("version: 1\nextends: base.yaml\nunreadable: x")) == [
        "3:13: 'x' is not allow, warn or reject",
        "base.yaml:2:1: unknown key 'mod' (did you mean 'mode'?)",
    ]


# ---------------------------------------------------------------- mistakes

MISTAKES = [
    ("version: 2", ["1:10: version '2' is not known here; write version: 1"]),
    ("version: true", ["1:10: version 'True' is not known here; write version: 1"]),
    ("mode: warn", ["1:1: missing key 'version'; write version: 1 in the first line"]),
    ("", ["1:1: this file is empty; a policy starts with version: 1"]),
    ("# only a comment", ["1:1: this file is empty; a policy starts with version: 1"]),
    ("- a\n- b", ["1:1: expected keys and values, such as version: …"]),
    ("just words", ["1:1: expected keys and values, such as version: …"]),
    # keys
    ("version: 1\nmoed: warn", ["2:1: unknown key 'moed' (did you mean 'mode'?)"]),
    ("version: 1\nlocks:\n  tiemout: 2s", ["3:3: unknown key 'tiemout' (did you mean 'timeout'?)"]),
    ("version: 1\nlocks: { backoff: { frist: 2s } }", ["2:21: unknown key 'frist' (did you mean 'first'?)"]),
    ("version: 1\nmode: warn\nmode: enforce", ["3:1: 'mode' is here twice, first in line 2"]),
    ("version: 1\n? [a]\n: b", ["2:3: a key has to be a word"]),
    ("version: 1\n<<: {mode: warn}", ["2:1: unknown key '<<'"]),
    # rules
    (
        "version: 1\nrules:\n  index-not-concurent: reject",
        ["3:3: unknown rule 'index-not-concurent' (did you mean 'index-not-concurrent'?)"],
    ),
    ("version: 1\nrules:\n  zzz: reject", ["3:3: unknown rule 'zzz'"]),
    (
        "version: 1\nrules:\n  unreadable-statement: warn",
        ["3:3: 'unreadable-statement' has a key of its own: write unreadable: at the top level"],
    ),
    (
        "version: 1\nrules:\n  check-validated: rejct",
        ["3:20: 'rejct' is not allow, warn, rewrite or reject (did you mean 'reject'?)"],
    ),
    (
        "version: 1\nrules:\n  check-validated: defer",
        ["3:20: 'defer' is for in_transaction; write allow, warn, rewrite or reject"],
    ),
    (
        "version: 1\nrules:\n  check-validated: { in_transaction: rewrite }",
        ["3:38: 'rewrite' is not allow, warn, defer or reject"],
    ),
    ("version: 1\nrules:\n  check-validated: [warn]", ["3:20: expected an action: allow, warn, rewrite or reject"]),
    ("version: 1\nrules:\n  check-validated:", ["3:19: expected an action: allow, warn, rewrite or reject"]),
    ("version: 1\nrules:", ["2:7: expected keys and values"]),
    # units and numbers
    ("version: 1\nlocks:\n  timeout: 2", ["3:12: '2' has no unit; write 2s or 2ms"]),
    ("version: 1\nlocks:\n  timeout: 2 weeks", ["3:12: '2 weeks' has the unknown unit 'weeks'; one of ms, s, m, min, h, d"]),
    ("version: 1\nlocks:\n  timeout: 10:30", ["3:12: '10:30' is not a duration; write 2s"]),
    ("version: 1\nsmall_tables: { under: 10 }", ["2:24: '10' has no unit; write 10MB or 10kB"]),
    ("version: 1\nlocks: { backoff: { factor: 0.5 } }", ["2:29: expected a number from 1 to 100"]),
    ("version: 1\nlocks: { backoff: { factor: .inf } }", ["2:29: expected a number from 1 to 100"]),
    ("version: 1\nlocks: { backoff: { factor: two } }", ["2:29: expected a number from 1 to 100"]),
    (
        "version: 1\nlocks:\n  timeout: 1ms",
        ["3:12: locks.first_timeout (5ms) has to be at most locks.timeout (1ms)"],
    ),
    (
        "version: 1\nlocks: { backoff: { first: 9s } }",
        ["2:28: locks.backoff.first (9s) has to be at most locks.backoff.max (2s)"],
    ),
    # YAML 1.1
    ("version: 1\nmode: on", ["2:7: 'on' is read as true in YAML 1.1; write true, or \"on\" in quotes"]),
    (
        "version: 1\noverrides: { enabled: no }",
        ["2:23: 'no' is read as false in YAML 1.1; write false, or \"no\" in quotes"],
    ),
    ("version: 1\noverrides: { enabled: maybe }", ["2:23: expected true or false"]),
    ("version: 1\nlocks: &l { look: 1s }\nbuilds: *l", ["3:9: this is not YAML: aliases are not read here; write the value out"]),
    ("version: 1\nmode: !!binary aGk=", ["2:7: tags and merge keys are not read here"]),
    ("version: 1\n---\nversion: 1", ["2:1: this is not YAML: but found another document"]),
    ("version: 1\nlocks:\n\tlook: 1s", ["3:1: this is not YAML: found character '\\t' that cannot start any token"]),
    ("version: 1\nmode: [warn", ["2:12: this is not YAML: expected ',' or ']', but got '<stream end>'"]),
    ("version: 1\nmode: " + "[" * 50, ["2:26: this is not YAML: nested too deeply"]),
    # exceptions
    (
        "version: 1\nexceptions:\n  - match: { tabel: x }\n    rules: [chek-validated]\n    action: allow",
        [
            "3:5: missing key 'reason'",
            "3:14: unknown key 'tabel' (did you mean 'table'?)",
            "4:13: unknown rule 'chek-validated' (did you mean 'check-validated'?)",
        ],
    ),
    (
        "version: 1\nexceptions:\n  - { match: {}, rules: [], action: allow, reason: ' ' }",
        [
            "3:14: match needs at least one of schema, table, role, database, application, tool, during",
            "3:25: expected at least one of them",
            "3:52: expected some text",
        ],
    ),
    (
        "version: 1\nexceptions:\n  - { match: { table: 42 }, rules: all, action: allow, reason: x, until: tomorrow }",
        [
            '3:23: expected text; write "42" in quotes',
            "3:36: expected a list; write [all]",
            "3:74: expected a date such as 2026-12-31",
        ],
    ),
    ("version: 1\noverrides: { roles: dba }", ["2:21: expected a list of roles, or any"]),
    ("version: 1\noverrides: { roles: [1] }", ["2:21: expected a list of roles, or any"]),
    # extends
    (
        "version: 1\nextends: recomended",
        [
            "2:10: cannot extend 'recomended': no such file, and no built-in policy of that name "
            "(did you mean 'recommended'?)"
        ],
    ),
    ("version: 1\nextends: .", ["2:10: cannot extend '.': this is not a file"]),
    ("version: 1\nextends: [strict]", ["2:10: expected text"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MISTAKES, ids=[repr(text[11:50]) for text, _ in MISTAKES])
def test_mistakes(write: Write, text: str, expected: list[str]) -> None:
    assert problems(write(text)) == expected


def test_one_value_changes_and_the_other_was_written_in_the_base(write: Write) -> None:
    write("version: 1\nlocks: { first_timeout: 40ms }", "base.yaml")
    assert problems(write("version: 1\nextends: base.yaml\nlocks: { timeout: 30ms }")) == [
        "3:19: locks.first_timeout (40ms) has to be at most locks.timeout (30ms)"
    ]


def test_what_is_no_text(write: Write) -> None:
    assert problems(write(b"version: 1\nmode: \xff")) == ["2:7: this is not UTF-8 text"]
    assert problems(write(b"version: 1\nmode: \x00")) == ["2:7: this is not YAML: the character U+0000 is not allowed"]
    assert problems(write(b"#" * 2_000_000)) == ["0:0: larger than 1 MB, which is no policy"]


def test_a_byte_order_mark_and_windows_lines_are_read(write: Write) -> None:
    assert load(write(b"\xef\xbb\xbfversion: 1\r\nmode: warn\r\n")).mode == "warn"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("recomended", "no such file, and no built-in policy of that name (did you mean 'recommended'?)"),
        (
            "nowhere/at/all",
            "no such file, and no built-in policy of that name; the built-in ones are observe, recommended, strict",
        ),
        (Path("strict"), "no such file, and no built-in policy of that name (did you mean 'strict'?)"),
        (".", "this is not a file"),
        (os.devnull, "this is not a file"),
        ("a\0b", "no file can have that name"),
        ("x" * 5000, "cannot be read: File name too long"),
    ],
)
def test_sources_that_are_no_file(write: Write, source: str | Path, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load(source)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.message) == (str(source), 0, message)
    assert str(caught.value) == f"{source}: {message}\n1 error. Nothing was loaded."


def test_the_report(write: Write) -> None:
    text = VALID.replace("index-not-concurrent: reject", "index-not-concurent: reject").replace("100ms", "2")
    with pytest.raises(PolicyError) as caught:
        load(write(text))
    assert (
        str(caught.value)
        == """\
p.yaml:5:3: unknown rule 'index-not-concurent' (did you mean 'index-not-concurrent'?)
   5 |   index-not-concurent: reject
     |   ^^^^^^^^^^^^^^^^^^^
p.yaml:9:12: '2' has no unit; write 2s or 2ms
   9 |   timeout: 2
     |            ^
2 errors. Nothing was loaded."""
    )


def test_excerpts_of_odd_lines(write: Write) -> None:
    wide = "version: 1\nreason: " + "x" * 500
    with pytest.raises(PolicyError) as caught:
        load(write(wide))
    assert str(caught.value.problems[0]) == "p.yaml:2:1: unknown key 'reason'"
    with pytest.raises(PolicyError) as caught:
        load(write('version: 1\nlocks: { "a\t": 1, "a\\e[1mb": 1s }'))
    assert str(caught.value.problems[1]) == (
        "p.yaml:2:19: unknown key 'a\\x1b[1mb'\n"
        '   2 | locks: { "a\t": 1, "a\\e[1mb": 1s }\n'
        "     |            \t      ^^^^^^^^^"
    )


# ---------------------------------------------------------------- any text

_ODD = """- |: |{|}|[|]|&a|*a|!!x|on|null|~|2|1e400|0x1F|1_0|2026-13-45|2026-12-31 10:00|"|'|? |<<|\n|  |\t|\x85"""
_pieces = st.sampled_from([*VALID.split(), *VALID.splitlines(keepends=True), *_ODD.split("|")])


@st.composite
def _mutations(draw: st.DrawFn) -> str:
    text = VALID
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        text = text[:start] + draw(_pieces | st.text(max_size=5)) + text[end:]
    return text


@given(_mutations())
def test_any_mutation_is_a_policy_or_mistakes_with_places_in_the_file(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "mutated.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    lines = text.count("\n") + text.count("\r") + sum(map(text.count, "\x85\u2028\u2029")) + 1
    for problem in _problems(file):
        assert problem.message
        if problem.file == str(file) and problem.line:
            assert 1 <= problem.line <= lines
            assert problem.column >= 1
            assert str(problem).startswith(f"{file}:{problem.line}:{problem.column}: ")


def _problems(file: Path) -> tuple[Problem, ...]:
    try:
        load(file)
    except PolicyError as e:
        return e.problems
    return ()


# ---------------------------------------------------------------- former packs


@pytest.mark.parametrize("name", ["recommended", "strict", "observe"])
def test_a_pinned_pack_only_warns_of_the_rules_that_came_later(name: str) -> None:
    now, before = load(name), load(f"{name}@1")
    assert (now.settings.pack, before.settings.pack) == (2, 1)
    assert set(before.newer()) == set(rules()) - set(before.settings.rules)
    assert {"validate-under-lock", "work-under-lock", "invalid-index-left"} <= set(before.newer())
    assert before.rule("validate-under-lock").action is Action.WARN
    assert before.rule("invalid-index-left").action is Action.ALLOW
    # What has got a rewrite since is rewritten by the new pack only.
    changed = {
        r: (before.rule(r).action, now.rule(r).action) for r in before.settings.rules if before.rule(r) != now.rule(r)
    }
    assert set(changed.values()) <= {(Action.REJECT, Action.REWRITE), (Action.WARN, Action.REWRITE)}

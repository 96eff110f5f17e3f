"""When, how large, who: what exceptions and thresholds match, and which version of a pack holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from proxy.audit.chain import GENESIS, encode
from proxy.audit.record import PolicyUsed, Session, record
from proxy.catalog.facts import Facts, Relation
from proxy.cli import main
from proxy.policy import load as loading
from proxy.policy.decide import decide
from proxy.policy.effective import Policy
from proxy.policy.load import PolicyError, load
from proxy.policy.model import During
from proxy.policy.subject import within
from proxy.policy.verdict import Action, Verdict
from proxy.sql.read import read

ALLOW, WARN, REWRITE, REJECT = Action.ALLOW, Action.WARN, Action.REWRITE, Action.REJECT
BERLIN = ZoneInfo("Europe/Berlin")
FRIDAY = datetime(2026, 11, 20, 17, 30, tzinfo=BERLIN)


def relation(name: str, size: int | None, rows: int | None) -> Relation:
    return Relation(exists=True, oid=1, schema="public", name=name, size_bytes=size, rows=rows)


FACTS = Facts(
    server_version=180004,
    live=True,
    now=FRIDAY.astimezone(UTC),
    user="ann",
    tool="Alembic",
    relations={
        ("large",): relation("large", 2**30, 5_000_000),
        ("wide",): relation("wide", 2**30, 7),
        ("long",): relation("long", 2**20, 5_000_000),
        ("small",): relation("small", 2**20, 7),
        ("unmeasured",): relation("unmeasured", None, 7),
        ("unanalysed",): relation("unanalysed", 2**20, None),
    },
    taken_relations={"public": frozenset()},
)


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Policy]:
    monkeypatch.chdir(tmp_path)

    def policy(text: str) -> Policy:
        Path("p.yaml").write_text("version: 1\n" + text)
        return load("p.yaml")

    return policy


@pytest.fixture
def judge(policy: Callable[[str], Policy]) -> Callable[..., Verdict]:
    def judge(sql: str, text: str, facts: Facts = FACTS) -> Verdict:
        (statement,) = read(sql)
        return decide(statement, facts, policy(text))

    return judge


# ---------------------------------------------------------------- thresholds


@pytest.mark.parametrize(
    ("setting", "table", "action"),
    [
        ("above: { size: 10MB, rows: 1000000 }", "large", REJECT),
        ("above: { size: 10MB, rows: 1000000 }", "wide", REJECT),
        ("above: { size: 10MB, rows: 1000000 }", "long", REJECT),
        ("above: { size: 10MB, rows: 1000000 }", "small", ALLOW),
        ("above: { size: 10MB, rows: 1000000 }, below: warn", "small", WARN),
        ("above: { size: 10MB, rows: 1000000 }", "unmeasured", REJECT),
        ("above: { size: 10MB, rows: 1000000 }", "unanalysed", REJECT),
        ("above: { size: 10MB, rows: 1000000 }", "elsewhere", REJECT),
        ("above: { rows: 1000000 }", "wide", ALLOW),
        ("above: { rows: 1000000 }", "unmeasured", ALLOW),
        ("above: { size: 10MB }", "long", ALLOW),
        ("above: { size: 10MB }", "unanalysed", ALLOW),
        # the boundary itself is above
        ("above: { size: 1MB }", "small", REJECT),
        ("above: { rows: 7 }", "small", REJECT),
        ("above: { rows: 8 }", "small", ALLOW),
        ("below: warn", "large", REJECT),
    ],
)
def test_a_rule_has_thresholds_of_its_own(
    judge: Callable[..., Verdict], setting: str, table: str, action: Action
) -> None:
    text = f"rules:\n  index-not-concurrent: {{ action: reject, {setting} }}\nsmall_tables: {{ under: 1kB }}"
    assert judge(f"CREATE INDEX i ON {table} (a)", text).action is action


def test_they_take_the_place_of_small_tables_and_say_so(judge: Callable[..., Verdict]) -> None:
    text = "small_tables: { under: 1TB }\nrules:\n  index-not-concurrent: { action: warn, above: { size: 1kB } }"
    assert judge("CREATE INDEX i ON small (a)", text).action is WARN
    text = "rules:\n  index-not-concurrent: { action: warn,\n    above: { size: 2MB, rows: 8 } }"
    verdict = judge("CREATE INDEX i ON small (a)", text)
    assert (verdict.decided[0].note, str(verdict.because)) == ('"small" is under 2048 kB and 8 rows', "p.yaml:4")


def test_a_milder_action_stays(judge: Callable[..., Verdict]) -> None:
    text = "rules:\n  index-not-concurrent: { action: allow, above: { size: 10MB }, below: warn }"
    assert judge("CREATE INDEX i ON small (a)", text).action is ALLOW


# ---------------------------------------------------------------- windows


def window(**keys: object) -> During:
    return During.model_validate({"zone": "Europe/Berlin", **keys})


@pytest.mark.parametrize(
    ("keys", "moment", "inside"),
    [
        ({"days": ("fri",)}, "2026-11-20 00:00", True),
        ({"days": ("fri",)}, "2026-11-20 23:59", True),
        ({"days": ("fri",)}, "2026-11-21 00:00", False),
        ({"days": ("fri",), "from": "16:00"}, "2026-11-20 15:59", False),
        ({"days": ("fri",), "from": "16:00"}, "2026-11-20 16:00", True),
        ({"from": "16:00", "to": "18:00"}, "2026-11-20 18:00", False),
        # over midnight: of the day on which it begins
        ({"days": ("fri",), "from": "22:00", "to": "06:00"}, "2026-11-20 22:00", True),
        ({"days": ("fri",), "from": "22:00", "to": "06:00"}, "2026-11-21 05:59", True),
        ({"days": ("fri",), "from": "22:00", "to": "06:00"}, "2026-11-20 05:59", False),
        ({"days": ("fri",), "from": "22:00", "to": "06:00"}, "2026-11-21 06:00", False),
        ({"dates": ("2026-12-24 to 2027-01-02",)}, "2026-12-23 23:59", False),
        ({"dates": ("2026-12-24 to 2027-01-02",)}, "2027-01-02 23:59", True),
        ({"dates": ("2026-05-01", "2026-12-24")}, "2026-12-24 12:00", True),
        ({"dates": ("2026-12-24",), "days": ("fri",)}, "2026-12-24 12:00", False),
        ({"dates": ("2026-12-31",), "from": "20:00", "to": "04:00"}, "2027-01-01 03:00", True),
    ],
)
def test_windows(keys: dict[str, object], moment: str, inside: bool) -> None:
    at = datetime.fromisoformat(moment).replace(tzinfo=BERLIN)
    assert within(window(**keys), at) is inside
    assert within(window(**keys), at.astimezone(UTC)) is inside


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)), st.integers(0, 1439), st.integers(0, 1439))
def test_a_window_and_the_one_from_its_end_to_its_beginning_share_no_moment_and_leave_none_out(
    moment: datetime, begin: int, end: int
) -> None:
    if begin == end:
        return
    times = [f"{m // 60:02}:{m % 60:02}" for m in (begin, end)]
    at = moment.replace(tzinfo=UTC)
    one, other = (window(**{"from": a, "to": b}) for a, b in (times, times[::-1]))
    assert within(one, at) is not within(other, at)


FREEZE = """\
exceptions:
  - match: { during: { days: [fri], from: 16:00, zone: Europe/Berlin } }
    rules: [schema-change]
    action: reject
    reason: weekend
"""


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (a int)",
        "ALTER TABLE small ADD COLUMN b int",
        "DROP VIEW v",
        "CREATE INDEX CONCURRENTLY i ON large (a)",
        "GRANT SELECT ON large TO bob",
        "DO $$ BEGIN END $$",
    ],
)
def test_a_freeze_rejects_harmless_changes_too_while_it_lasts(judge: Callable[..., Verdict], sql: str) -> None:
    verdict = judge(sql, FREEZE)
    assert (verdict.action, str(verdict.because)) == (REJECT, "p.yaml:3")
    assert verdict.decided[-1].note == "exception: weekend"
    assert judge(sql, FREEZE, replace(FACTS, now=FACTS.now - timedelta(hours=2))).action is not REJECT
    assert judge(sql, FREEZE, replace(FACTS, allow="schema-change: hotfix 7")).action is not REJECT


@pytest.mark.parametrize("sql", ["SELECT 1", "INSERT INTO small VALUES (1)", "SET lock_timeout = 1", "ANALYZE small"])
def test_a_freeze_leaves_everyday_traffic_alone(judge: Callable[..., Verdict], sql: str) -> None:
    assert judge(sql, FREEZE) == Verdict(ALLOW)


def test_a_freeze_may_be_about_some_tables(judge: Callable[..., Verdict]) -> None:
    text = "exceptions: [{ match: { table: small }, rules: [schema-change], action: reject, reason: r }]"
    assert judge("ALTER TABLE small ADD COLUMN b int", text).action is REJECT
    assert judge("DROP TABLE small", text).action is REJECT
    assert judge("CREATE TABLE other (a int)", text).action is ALLOW
    assert judge("ALTER TABLE long ADD COLUMN b int", text).action is ALLOW


def test_all_rules_are_not_all_changes(judge: Callable[..., Verdict]) -> None:
    text = "exceptions: [{ match: { schema: public }, rules: [all], action: reject, reason: r }]"
    assert judge("ALTER TABLE small ADD COLUMN b int", text).action is ALLOW


@pytest.mark.parametrize(
    ("tool", "pattern", "action"),
    [
        ("Alembic", "alembic", REJECT),
        ("Alembic", "ALEM*", REJECT),
        ("Django", "alembic", REWRITE),
        ("", "alembic", REWRITE),
    ],
)
def test_tools(judge: Callable[..., Verdict], tool: str, pattern: str, action: Action) -> None:
    text = f"exceptions: [{{ match: {{ tool: '{pattern}' }}, rules: [all], action: reject, reason: r }}]"
    assert judge("CREATE INDEX i ON large (a)", text, replace(FACTS, tool=tool)).action is action


# ---------------------------------------------------------------- versions of packs


@pytest.fixture
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Version 2 of a pack with a rule more than version 1, and another small-table bound."""
    folder = tmp_path / "packs"
    folder.mkdir()
    old = "version: 1\npack: 1\nrules: { check-validated: reject }\nsmall_tables: { under: 0kB }\n"
    (folder / "base@1.yaml").write_text(old)
    (folder / "base.yaml").write_text(
        "version: 1\npack: 2\nrules: { check-validated: rewrite, index-not-concurrent: reject }\n"
    )
    (folder / "top@1.yaml").write_text("version: 1\npack: 1\nextends: base@1\nmode: warn\n")
    (folder / "top.yaml").write_text("version: 1\npack: 2\nextends: base\nmode: warn\n")
    monkeypatch.setattr(loading, "_packs", lambda: {f.name.removesuffix(".yaml"): f for f in folder.iterdir()})
    return folder


INDEX, CHECK = "CREATE INDEX i ON large (a)", "ALTER TABLE large ADD CONSTRAINT c CHECK (a > 0)"


@pytest.mark.parametrize(
    ("extends", "index", "check"),
    [("base", REJECT, REWRITE), ("base@2", REJECT, REWRITE), ("base@1", WARN, REJECT), ("top@1", WARN, WARN)],
)
def test_a_pinned_pack_is_as_it_was_and_newer_rules_warn(
    packs: Path, judge: Callable[..., Verdict], extends: str, index: Action, check: Action
) -> None:
    assert judge(INDEX, f"extends: {extends}").action is index
    assert judge(CHECK, f"extends: {extends}").action is check


def test_a_newer_rule_says_why_it_only_warns(packs: Path, judge: Callable[..., Verdict]) -> None:
    (decided,) = judge(INDEX, "extends: base@1").decided
    assert decided.note == "newer than base@1: it only warns until the pin is raised"
    assert judge(INDEX, "extends: base@1\nrules: { index-not-concurrent: reject }").action is REJECT


def test_pins_without_a_file_and_pins_that_do_not_exist(packs: Path, policy: Callable[[str], Policy]) -> None:
    assert load("base@1").small_tables.under.bytes == 0
    assert "index-not-concurrent" in load("base@1").newer()
    assert load("base").newer() == ()
    assert loading.pack_names() == ("base", "top")
    for wrong in ("base@3", "base@", "base@x"):
        with pytest.raises(PolicyError, match=f"there is no {wrong}; this version of Interlock has base@2"):
            policy(f"extends: {wrong}")


def test_the_packs_that_are_shipped_say_their_version() -> None:
    for name in loading.pack_names():
        version = load(name).settings.pack
        assert version is not None
        for earlier in range(1, version + 1):
            assert load(f"{name}@{earlier}").settings.pack == earlier


def test_check_lists_newer_rules(packs: Path, policy: Callable[[str], Policy]) -> None:
    policy("extends: base@1")
    said = CliRunner().invoke(main, ["policy", "check", "p.yaml"]).stdout
    assert "newer than base@1 only warn: " in said
    assert "see base, and raise the pin" in said


# ---------------------------------------------------------------- stale exceptions


def test_exceptions_that_matched_nothing_in_a_log_are_named(policy: Callable[[str], Policy]) -> None:
    loaded = policy(
        """\
exceptions:
  - { match: { table: large }, rules: [all], action: allow, reason: used }
  - { match: { table: large, tool: alembic }, rules: [index-not-concurrent], action: warn, reason: hidden but needed }
  - { match: { table: large }, rules: [not-null-scan], action: allow, reason: another rule }
  - { match: { table: gone }, rules: [all], action: allow, reason: the table is gone }
  - { match: { tool: alembic }, rules: [schema-change], action: allow, reason: any change }
"""
    )
    lines = []
    for seq, sql in enumerate((INDEX, "SELECT 1"), 1):
        (statement,) = read(sql)
        entry = record(
            session=Session("ann", "shop", "127.0.0.1"),
            statement=statement,
            facts=FACTS,
            verdict=decide(statement, FACTS, loaded),
            policy=PolicyUsed("p", "p.yaml", loaded.sha),
            outcome="done",
        )
        lines.append(encode({"v": 1, "seq": seq, "at": "2026-11-20T16:30:00Z", "prev": GENESIS, **entry})[0])
    Path("audit.jsonl").write_bytes(b"".join(lines))
    result = CliRunner().invoke(main, ["policy", "check", "p.yaml", "--audit", "audit.jsonl"])
    assert result.exit_code == 0, result.output
    assert [line for line in result.stdout.splitlines() if "matched nothing" in line] == [
        "p.yaml:5: this exception matched nothing in the log (2 statements since 2026-11-20); is it still needed? (another rule)",
        "p.yaml:6: this exception matched nothing in the log (2 statements since 2026-11-20); is it still needed? (the table is gone)",
    ]


@pytest.mark.parametrize(("content", "said"), [(b"{}\n", "a.jsonl:1: not a record"), (None, "cannot read audit file")])
def test_a_log_that_is_none_is_wrong_usage(policy: Callable[[str], Policy], content: bytes | None, said: str) -> None:
    policy("mode: warn")
    if content is not None:
        Path("a.jsonl").write_bytes(content)
    result = CliRunner().invoke(main, ["policy", "check", "p.yaml", "--audit", "a.jsonl"])
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output

"""Statement + facts + policy -> verdict, with the real rules and the real reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.catalog.facts import MISSING, Column, Facts, Function, Index, Relation, Type
from proxy.policy.decide import decide
from proxy.policy.effective import Policy
from proxy.policy.load import load
from proxy.policy.verdict import Action, Verdict
from proxy.rules.base import LOCKING, rules
from proxy.sql.read import read
from tests.unit.policy.packs import line_of
from tests.unit.rules import catalog

ALLOW, WARN, REWRITE, DEFER, REJECT = Action

COLUMNS = {name: Column(name, "integer", not_null=False) for name in ("id", "email", "customer", "total")}


def relation(oid: int, schema: str, name: str, **more: Any) -> Relation:
    defaults: dict[str, Any] = {"size_bytes": 41 * 2**30, "rows": 212_000_000, "columns": COLUMNS}
    return Relation(exists=True, oid=oid, schema=schema, name=name, **(defaults | more))


def index_of(oid: int, table: Relation) -> Relation:
    name = f"{table.name}_idx"
    index = Index(oid, table.schema, name, table.oid, table.schema, table.name, valid=True, unique=False)
    return Relation(exists=True, oid=oid, schema=table.schema, name=name, kind="i", size_bytes=8192, index=index)


ORDERS = relation(1, "public", "orders")
COLOURS = relation(2, "public", "colours", size_bytes=8192, rows=7)
LOADS = relation(3, "analytics", "loads")
LOCKED = relation(4, "public", "locked", size_bytes=None)
NEW = relation(5, "public", "new", is_new=True)
SCRATCH = relation(6, "pg_temp_3", "scratch", persistence="t")

FACTS = Facts(
    server_version=180004,
    live=True,
    now=datetime(2026, 11, 22, tzinfo=UTC),
    database="shop",
    user="ann",
    session_user="ann",
    roles=frozenset({"ann", "staff"}),
    application_name="alembic",
    relations={
        ("orders",): ORDERS,
        ("colours",): COLOURS,
        ("analytics", "loads"): LOADS,
        ("locked",): LOCKED,
        ("new",): NEW,
        ("scratch",): SCRATCH,
        ("orders_idx",): index_of(11, ORDERS),
        ("colours_idx",): index_of(12, COLOURS),
        ("analytics", "loads_idx"): index_of(13, LOADS),
        ("i",): MISSING,
        ("missing",): MISSING,
    },
    taken_relations={"public": frozenset(), "analytics": frozenset()},
)

CREATE = "CREATE INDEX i ON orders (email)"
# For each rule that can rewrite a statement; every one of them is a finding about "orders".
STATEMENTS = {
    "index-not-concurrent": CREATE,
    "drop-index-not-concurrent": "DROP INDEX orders_idx",
    "check-validated": "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0)",
    "foreign-key-validated": "ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (customer) REFERENCES colours (id)",
    "not-null-scan": "ALTER TABLE orders ALTER COLUMN email SET NOT NULL",
    "unique-builds-index": "ALTER TABLE orders ADD CONSTRAINT u UNIQUE (email)",
    "primary-key-builds-index": "ALTER TABLE orders ADD CONSTRAINT p PRIMARY KEY (id)",
    "unreadable-statement": "FLURB orders",
}

Decide = Callable[..., Verdict]


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Policy]:
    """A pack by its name, or a policy file of the text."""
    monkeypatch.chdir(tmp_path)

    def policy(text: str) -> Policy:
        if "\n" not in text and ":" not in text:
            return load(text)
        Path("p.yaml").write_text("version: 1\n" + text)
        return load("p.yaml")

    return policy


@pytest.fixture
def judge(policy: Callable[[str], Policy]) -> Decide:
    def judge(sql: str, text: str = "recommended", **facts: Any) -> Verdict:
        (statement,) = read(sql)
        return decide(statement, replace(FACTS, **facts), policy(text))

    return judge


def note(verdict: Verdict) -> str:
    (decided,) = verdict.decided
    return decided.note


# ---------------------------------------------------------------- rules


@pytest.mark.parametrize(("rule", "sql"), STATEMENTS.items())
@pytest.mark.parametrize(
    ("pack", "action"), [("recommended", REWRITE), ("strict", REJECT), ("observe", ALLOW), ("mode: warn", WARN)]
)
def test_packs(judge: Decide, rule: str, sql: str, pack: str, action: Action) -> None:
    verdict = judge(sql, pack)
    (decided,) = (d for d in verdict.decided if d.finding.rule == rule)
    if rule == "unreadable-statement":
        action = {REWRITE: WARN}.get(action, action)
    assert (verdict.action, decided.action) == (action, action)
    assert (verdict.plan is not None) == (action is REWRITE)


@pytest.mark.parametrize("rule", [rule for rule in STATEMENTS if rule in rules()])
@pytest.mark.parametrize("action", [ALLOW, WARN, REWRITE, REJECT])
def test_the_rules_own_action(judge: Decide, rule: str, action: Action) -> None:
    verdict = judge(STATEMENTS[rule], f"rules:\n  {rule}: {action}")
    assert verdict.action is action
    assert (verdict.plan is not None) == (action is REWRITE)
    assert str(verdict.because) == "p.yaml:3"
    assert note(verdict) == ""


def test_a_rule_that_no_file_mentions_is_rewritten(judge: Decide) -> None:
    verdict = judge(CREATE, "mode: enforce")
    assert (verdict.action, str(verdict.because)) == (REWRITE, "built-in default")


def test_a_rule_about_what_blocks_nobody_is_milder_where_no_file_mentions_it(judge: Decide) -> None:
    (breaks,) = judge("ALTER TABLE orders RENAME COLUMN email TO address", "mode: enforce").decided
    assert (breaks.finding.rule, breaks.action) == ("rename-column", WARN)
    assert judge("CREATE TABLE i (code char(3))", "mode: enforce") == Verdict(ALLOW)


def test_advice_is_heard_where_the_policy_asks_for_it(judge: Decide) -> None:
    (advised,) = judge("CREATE TABLE i (id bigint PRIMARY KEY, code char(3))", "rules:\n  char-type: warn").decided
    assert (advised.finding.rule, advised.action) == ("char-type", WARN)


def test_a_rewrite_that_the_rule_cannot_do_is_a_rejection(judge: Decide) -> None:
    partitioned = replace(ORDERS, kind="p", has_children=True, partitions=3)
    verdict = judge(CREATE, relations={**FACTS.relations, ("orders",): partitioned})
    assert (verdict.action, note(verdict)) == (REJECT, "this form cannot be rewritten")
    assert verdict.plan is None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "CREATE INDEX CONCURRENTLY i ON orders (email)",
        "CREATE INDEX i ON new (email)",
        "CREATE INDEX i ON scratch (email)",
        "CREATE INDEX i ON missing (email)",
    ],
)
@pytest.mark.parametrize("pack", ["recommended", "strict", "observe"])
def test_what_no_rule_minds_is_allowed(judge: Decide, sql: str, pack: str) -> None:
    assert judge(sql, pack) == Verdict(ALLOW)


# ---------------------------------------------------------------- several findings

BOTH = "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0), ALTER COLUMN email SET NOT NULL"


def test_the_harshest_action_counts_and_says_where_it_stands(judge: Decide) -> None:
    verdict = judge(BOTH, "rules:\n  check-validated: rewrite\n  not-null-scan: reject")
    assert [d.action for d in verdict.decided] == [REWRITE, REJECT]
    assert (verdict.action, str(verdict.because), verdict.plan) == (REJECT, "p.yaml:4", None)


def test_the_plan_rewrites_what_is_to_be_rewritten_and_keeps_the_rest(judge: Decide) -> None:
    verdict = judge(BOTH, "rules:\n  check-validated: rewrite\n  not-null-scan: warn")
    assert verdict.action is REWRITE
    assert verdict.plan is not None
    script = [sql for step in verdict.plan.steps for sql in step.statements]
    assert any("VALIDATE CONSTRAINT" in sql for sql in script)
    assert any("ALTER COLUMN email SET NOT NULL" in sql for sql in script)
    assert not any("NOT NULL email" in sql or "IS NOT NULL" in sql for sql in script)


# ---------------------------------------------------------------- small tables

SMALL = "CREATE INDEX i ON colours (email)"


def test_a_small_table_is_left_alone_and_the_note_says_so(judge: Decide) -> None:
    verdict = judge(SMALL)
    assert (verdict.action, str(verdict.because)) == (ALLOW, line_of("recommended", "small_tables:"))
    assert note(verdict) == '"colours" is small: 8192 bytes, under 10 MB'


@pytest.mark.parametrize(
    ("sql", "text", "action"),
    [
        (SMALL, "small_tables: { treat_as: warn }", WARN),
        (SMALL, "small_tables: { treat_as: warn }\nrules: { index-not-concurrent: allow }", ALLOW),
        (SMALL, "small_tables: { under: 8kB }", REWRITE),
        (SMALL, "small_tables: { under: 9kB }", ALLOW),
        (SMALL, "small_tables: { under: 0kB }", REWRITE),
        (SMALL, "strict", REJECT),
        (CREATE, "small_tables: { under: 42GB }", ALLOW),
        (CREATE, "small_tables: { under: 41GB }", REWRITE),
        # not known is not small
        ("CREATE INDEX i ON locked (email)", "recommended", REWRITE),
        ("CREATE INDEX i ON elsewhere (email)", "rules: { index-not-concurrent: warn }", WARN),
        # an index is as large as its table
        ("DROP INDEX colours_idx", "recommended", ALLOW),
        ("DROP INDEX orders_idx", "recommended", REWRITE),
        ("DROP INDEX colours_idx, orders_idx", "recommended", REWRITE),
        ("DROP INDEX colours_idx, unknown_idx", "recommended", REWRITE),
    ],
)
def test_small(judge: Decide, sql: str, text: str, action: Action) -> None:
    assert judge(sql, text).action is action


EMPTY = relation(7, "public", "drafts", size_bytes=0, rows=0)
VIEW = relation(8, "public", "seen", kind="v", size_bytes=0, rows=0)
PARTED = relation(9, "public", "parted", kind="p", size_bytes=0, rows=0, has_children=True, partitions=3)
MORE = {**FACTS.relations, ("drafts",): EMPTY, ("seen",): VIEW, ("parted",): PARTED}

BREAKING = {
    "drop-column": "ALTER TABLE {} DROP COLUMN email",
    "rename-column": "ALTER TABLE {} RENAME COLUMN email TO mail",
    "rename-table": "ALTER TABLE {} RENAME TO others",
    "drop-table": "DROP TABLE {}",
}


@pytest.mark.parametrize("rule", BREAKING)
def test_what_breaks_the_application_does_so_on_a_small_table(judge: Decide, rule: str) -> None:
    sql = BREAKING[rule]
    for small, text, action in (
        ("colours", "extends: recommended", WARN),
        ("colours", f"extends: recommended\nrules: {{ {rule}: reject }}", REJECT),
        ("colours", "extends: recommended\nsmall_tables: { under: 1GB }", WARN),
        ("colours", "extends: recommended\nsmall_tables: { covers: all }", ALLOW),
        ("colours", "extends: recommended@1", ALLOW),  # as it was
        ("colours", f"extends: recommended\nrules: {{ {rule}: {{ action: reject, above: {{ size: 9kB }} }} }}", ALLOW),
        ("drafts", "extends: recommended", ALLOW),
        ("drafts", "extends: recommended\nsmall_tables: { treat_as: warn }", WARN),
        ("drafts", f"rules: {{ {rule}: reject }}", ALLOW),
        ("drafts", f"rules: {{ {rule}: reject }}\nsmall_tables: {{ treat_as: warn }}", WARN),
        ("drafts", f"rules: {{ {rule}: reject }}\nsmall_tables: {{ under: 0kB }}", REJECT),
        ("drafts", "extends: strict", REJECT),
        ("parted", "extends: recommended", ALLOW),
        ("locked", "extends: recommended", WARN),
    ):
        verdict = judge(sql.format(small), text, relations=MORE)
        assert [d.finding.rule for d in verdict.decided] == [rule], (small, text)
        assert verdict.action is action, (small, text)


def test_why_it_is_let_off_on_an_empty_table(judge: Decide) -> None:
    verdict = judge(BREAKING["drop-column"].format("drafts"), relations=MORE)
    assert (note(verdict), str(verdict.because)) == ('"drafts" is empty', line_of("recommended", "small_tables:"))


def test_a_view_is_never_empty(judge: Decide) -> None:
    assert judge("ALTER VIEW seen RENAME TO others", relations=MORE).action is WARN


@pytest.mark.parametrize(
    "sql", ["ALTER TABLE parents DETACH PARTITION colours", "CREATE TABLE part PARTITION OF parents DEFAULT"]
)
def test_what_waits_for_its_lock_goes_unnoticed_on_a_small_table(judge: Decide, sql: str) -> None:
    parents = replace(PARTED, oid=10, name="parents", size_bytes=8192, partition_key="RANGE (id)")
    part = replace(COLOURS, is_partition=True, parents=(("public", "parents"),))
    known = {**MORE, ("parents",): parents, ("colours",): part, ("part",): MISSING}
    assert judge(sql, relations=known).action is ALLOW
    assert judge(sql, "extends: recommended\nsmall_tables: { under: 8kB }", relations=known).action is not ALLOW


ATTACH = "ALTER TABLE events ATTACH PARTITION old_events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')"


@pytest.mark.parametrize(
    ("sql", "action"), [("ALTER TABLE events DETACH PARTITION events_2020", WARN), (ATTACH, REJECT)]
)
def test_what_has_to_be_committed_in_between_does_not_wait_for_commit(
    policy: Callable[[str], Policy], sql: str, action: Action
) -> None:
    """It waits for its lock with patience, or it is refused."""
    (statement,) = read(sql)
    known = catalog.facts(statement, 18)
    assert decide(statement, known, policy("recommended")).action is REWRITE
    verdict = decide(statement, replace(known, in_transaction=True), policy("recommended"))
    assert (verdict.action, "would wait for COMMIT" in note(verdict)) == (action, True)


def test_steps_that_nothing_takes_back_are_refused(policy: Callable[[str], Policy]) -> None:
    (statement,) = read("ALTER TABLE orders DROP COLUMN email, ADD COLUMN email int, ADD UNIQUE (email)")
    verdict = decide(statement, catalog.facts(statement, 18), policy("recommended"))
    assert (verdict.action, verdict.plan) == (REJECT, None)
    assert any("DROP COLUMN email would have to be committed before" in d.note for d in verdict.decided)


def test_which_cautions_are_about_time_is_said_of_rules_that_there_are() -> None:
    assert {name for name, rule in rules().items() if rule.harm == "breaks"} >= LOCKING


@pytest.mark.parametrize(("indexes", "action"), [("colours_idx", ALLOW), ("colours_idx, orders_idx", REJECT)])
def test_of_several_tables_all_have_to_be_below_a_threshold(judge: Decide, indexes: str, action: Action) -> None:
    text = "rules: { drop-index-not-concurrent: { action: reject, above: { size: 1GB } } }"
    assert judge(f"DROP INDEX {indexes}", text).action is action


@pytest.mark.parametrize(
    "sets", ["SET search_path = other", "PERFORM set_config('search_path', 'other', true)", "SET ROLE bob"]
)
def test_behind_a_search_path_of_the_block_no_table_is_small(judge: Decide, sets: str) -> None:
    """Which table the name means there was not asked."""
    block = "DO $$ BEGIN {} CREATE INDEX ON colours (id); END $$"
    assert judge(block.format(""), "small_tables: { under: 10MB }").action is ALLOW
    assert judge(block.format(f"{sets};"), "small_tables: { under: 10MB }").action is REJECT


def test_without_a_database_no_table_is_small(judge: Decide) -> None:
    assert judge(SMALL, live=False, relations={}).action is REWRITE


# ---------------------------------------------------------------- exceptions


def exception(match: str, action: str, rule: str = "all", until: str = "") -> str:
    until = f", until: {until}" if until else ""
    return f"exceptions:\n  - {{ match: {{ {match} }}, rules: [{rule}], action: {action}, reason: because{until} }}"


@pytest.mark.parametrize(
    "match",
    [
        "table: orders",
        "table: 'ord*'",
        "table: public.orders",
        "table: '*.orders'",
        "table: 'public.ord?rs'",
        "schema: public",
        "schema: 'p*'",
        "role: ann",
        "role: staff",
        "database: shop",
        "application: 'alem*'",
        "table: orders, role: staff, database: shop, application: alembic, schema: public",
    ],
)
@pytest.mark.parametrize("sql", [CREATE, "DROP INDEX orders_idx"])
def test_exceptions_that_match(judge: Decide, match: str, sql: str) -> None:
    verdict = judge(sql, exception(match, "allow"))
    assert (verdict.action, str(verdict.because), note(verdict)) == (ALLOW, "p.yaml:3", "exception: because")


@pytest.mark.parametrize(
    "match",
    [
        "table: order",
        "table: ORDERS",
        "table: analytics.orders",
        "table: public.loads",
        "table: orders_idx",
        "schema: analytics",
        "schema: publi",
        "role: bob",
        "role: 'an?'",
        "database: shop2",
        "application: django",
        "table: orders, role: bob",
    ],
)
@pytest.mark.parametrize("sql", [CREATE, "DROP INDEX orders_idx"])
def test_exceptions_that_do_not_match(judge: Decide, match: str, sql: str) -> None:
    assert judge(sql, exception(match, "allow")).action is REWRITE
    assert judge(sql, exception(match, "reject")).action is REWRITE


@pytest.mark.parametrize(
    ("match", "facts"),
    [
        ("schema: public", {"relations": {}}),
        ("table: public.orders", {"relations": {}}),
        ("role: ann", {"user": "", "session_user": "", "roles": frozenset()}),
        ("database: shop", {"database": ""}),
        ("application: alembic", {"live": False}),
    ],
)
def test_what_is_not_known_may_make_things_harsher_and_never_milder(
    judge: Decide, match: str, facts: dict[str, Any]
) -> None:
    facts = {"live": False, **facts}
    assert judge(CREATE, exception(match, "allow"), **facts).action is REWRITE
    assert judge(CREATE, exception(match, "reject"), **facts).action is REJECT


def test_an_index_that_is_not_known_may_be_of_any_table_of_its_schema(judge: Decide) -> None:
    facts = {"live": False, "relations": {}}
    sql = "DROP INDEX public.orders_idx"
    assert judge(sql, exception("table: 'orders*'", "allow"), **facts).action is REWRITE
    assert judge(sql, exception("table: 'orders*'", "reject"), **facts).action is REJECT
    assert judge(sql, exception("schema: public", "allow"), **facts).action is ALLOW
    assert judge(sql, exception("table: analytics.orders", "reject"), **facts).action is REWRITE


def test_of_several_tables_all_have_to_match(judge: Decide) -> None:
    sql = "DROP INDEX orders_idx, analytics.loads_idx"
    assert judge(sql, exception("schema: analytics", "allow")).action is REWRITE
    assert judge(sql, exception("schema: analytics", "reject")).action is REJECT
    assert judge(sql, exception("schema: '*'", "allow")).action is ALLOW


@pytest.mark.parametrize(
    ("rule", "action"),
    [("index-not-concurrent", WARN), ("all", WARN), ("check-validated", REWRITE), ("unreadable-statement", REWRITE)],
)
def test_exceptions_are_about_their_rules(judge: Decide, rule: str, action: Action) -> None:
    assert judge(CREATE, exception("table: orders", "warn", rule)).action is action


def test_exceptions_from_a_small_table_to_a_rejection(judge: Decide) -> None:
    assert judge(SMALL, exception("table: colours", "reject")).action is REJECT
    assert judge(SMALL, exception("table: colours", "rewrite")).action is REWRITE


def test_the_first_exception_counts(judge: Decide) -> None:
    text = exception("table: orders", "warn") + exception("schema: public", "reject").removeprefix("exceptions:")
    assert judge(CREATE, text).action is WARN


@pytest.mark.parametrize(
    ("first", "second", "action"),
    [
        ("reject", "allow", REJECT),
        ("warn", "allow", WARN),
        ("allow", "warn", WARN),
        ("allow", "reject", REJECT),
        ("warn", "reject", REJECT),
        ("allow", "allow", ALLOW),
    ],
)
def test_one_that_may_match_is_not_undone_by_one_that_does(
    judge: Decide, first: str, second: str, action: Action
) -> None:
    """Whatever the schema is that the text does not tell, it is no milder than that."""
    more = exception("table: orders", second).removeprefix("exceptions:")
    verdict = judge(CREATE, exception("schema: public", first) + more, live=False, relations={})
    assert verdict.action is action


@pytest.mark.parametrize(
    ("until", "action", "told"),
    [
        ("2026-11-22", ALLOW, "exception: because"),
        ("2026-11-21", REWRITE, "the exception at p.yaml:3 expired on 2026-11-21"),
    ],
)
def test_exceptions_expire(judge: Decide, until: str, action: Action, told: str) -> None:
    verdict = judge(CREATE, exception("table: orders", "allow", until=until))
    assert (verdict.action, note(verdict)) == (action, told)


# ---------------------------------------------------------------- overrides

CLOSED = "overrides: { roles: [dba] }"


@pytest.mark.parametrize(
    "text",
    [
        "index-not-concurrent: nobody is awake",
        "index-not-concurrent,not-null-scan:nobody is awake",
        " not-null-scan , index-not-concurrent : nobody is awake ",
        "all: nobody is awake",
    ],
)
@pytest.mark.parametrize("pack", ["recommended", "rules: { index-not-concurrent: reject }"])
def test_overrides(judge: Decide, text: str, pack: str) -> None:
    by_setting = judge(CREATE, pack, allow=text)
    assert (by_setting.action, note(by_setting)) == (ALLOW, "allowed by interlock.allow: nobody is awake")
    by_comment = judge(f"/* interlock: allow {text} */ {CREATE}", pack)
    assert (by_comment.action, note(by_comment)) == (ALLOW, "allowed by the comment: nobody is awake")
    after = judge(f"{CREATE} -- interlock:  allow  {text}", pack)
    assert after.action is ALLOW


@pytest.mark.parametrize(
    ("allowed", "text", "why"),
    [
        ("index-not-concurrent", "mode: enforce", "interlock.allow has no effect without a reason: write 'index-not-concurrent: <why>'"),
        ("all: ", "mode: enforce", "interlock.allow has no effect without a reason: write 'all: <why>'"),
        (
            "index-not-concurent: x",
            "mode: enforce",
            "interlock.allow has no effect: it names the unknown rule 'index-not-concurent' (did you mean 'index-not-concurrent'?)",
        ),
        (": x", "mode: enforce", "interlock.allow has no effect: it names no rule"),
        ("index-not-concurrent,: x", "mode: enforce", "interlock.allow has no effect: it names no rule"),
        ("all: x", CLOSED, "interlock.allow has no effect: ann is none of the roles that may (dba)"),
        ("all: x", "overrides: { roles: [] }", "interlock.allow has no effect: ann is none of the roles that may (nobody)"),
        ("all: x", "overrides: { enabled: false }", "interlock.allow has no effect: the policy has no overrides"),
        ("not-null-scan: x", "mode: enforce", ""),
        ("  ", "mode: enforce", ""),
    ],
)  # fmt: skip
def test_overrides_without_effect(judge: Decide, allowed: str, text: str, why: str) -> None:
    verdict = judge(CREATE, text, allow=allowed)
    assert (verdict.action, note(verdict)) == (REWRITE, why)


def test_roles_that_may(judge: Decide) -> None:
    assert judge(CREATE, CLOSED, allow="all: x", roles=frozenset({"ann", "dba"})).action is ALLOW
    assert judge(CREATE, "overrides: { roles: any }", allow="all: x", roles=frozenset()).action is ALLOW
    verdict = judge(CREATE, CLOSED, allow="all: x", roles=frozenset())
    assert (verdict.action, note(verdict)) == (REWRITE, "interlock.allow has no effect: the user's roles are not known")


def test_what_is_allowed_anyway_says_why_and_not_by_whom(judge: Decide) -> None:
    assert note(judge(SMALL, allow="all: x")) == '"colours" is small: 8192 bytes, under 10 MB'


def test_a_comment_may_shout(judge: Decide) -> None:
    assert judge(f"/* INTERLOCK: ALLOW index-not-concurrent: x */ {CREATE}").action is ALLOW


def test_a_reason_may_be_optional(judge: Decide) -> None:
    verdict = judge(CREATE, "overrides: { reason: optional }", allow="index-not-concurrent")
    assert (verdict.action, note(verdict)) == (ALLOW, "allowed by interlock.allow")


def test_one_override_counts_although_another_does_not(judge: Decide) -> None:
    verdict = judge(f"/* interlock: allow nonsense: x */ {CREATE}", allow="all: y")
    assert (verdict.action, note(verdict)) == (ALLOW, "allowed by interlock.allow: y")


def test_a_comment_that_says_something_else_is_told(judge: Decide) -> None:
    verdict = judge(f"/* interlock: ignore this */ {CREATE}")
    assert (verdict.action, note(verdict)) == (
        REWRITE,
        "the comment has no effect: write interlock: allow rule: reason",
    )


def test_overrides_let_an_unreadable_statement_pass(judge: Decide) -> None:
    assert judge("FLURB", "strict", allow="unreadable-statement: x").action is REJECT
    assert judge("FLURB", "unreadable: reject", allow="unreadable-statement: x").action is ALLOW
    assert judge("FLURB", "unreadable: reject", allow="all: x").action is ALLOW


# ---------------------------------------------------------------- triggers

FILLED = "ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid()"
RANDOM = Function(volatile=True, least=0, most=0, builtin=True)


@pytest.mark.parametrize(
    ("triggers", "action"), [("reject", REJECT), ("fire", REWRITE), ("skip", REWRITE), (None, REJECT)]
)
def test_a_rewrite_sets_off_triggers_only_if_the_policy_says_so(
    judge: Decide, triggers: str | None, action: Action
) -> None:
    text = "extends: recommended\n" + (f"backfills: {{ triggers: {triggers} }}" if triggers else "")
    types = {"uuid": Type(oid=2950, base="uuid", base_oid=2950)}
    known = {"functions": {'"gen_random_uuid"': (RANDOM,)}, "types": types}
    audited = {**FACTS.relations, ("orders",): replace(ORDERS, on_update=("audit",))}
    assert judge(FILLED, text, **known).action is REWRITE
    verdict = judge(FILLED, text, relations=audited, **known)
    assert verdict.action is action
    assert ('set off "audit"' in note(verdict)) is (action is REJECT)


# ---------------------------------------------------------------- transactions, modes


@pytest.mark.parametrize(
    ("setting", "action", "because"),
    [
        ("rewrite", DEFER, "p.yaml:3"),
        ("{ action: rewrite,\n in_transaction: defer }", DEFER, "p.yaml:4"),
        ("{ action: rewrite,\n in_transaction: reject }", REJECT, "p.yaml:4"),
        ("{ action: rewrite,\n in_transaction: warn }", WARN, "p.yaml:4"),
        ("{ action: rewrite,\n in_transaction: allow }", ALLOW, "p.yaml:4"),
        ("{ action: warn,\n in_transaction: reject }", WARN, "p.yaml:3"),
        ("{ action: reject,\n in_transaction: allow }", REJECT, "p.yaml:3"),
    ],
)
def test_in_a_transaction_a_rewrite_becomes_something_else(
    judge: Decide, setting: str, action: Action, because: str
) -> None:
    verdict = judge(CREATE, f"rules:\n  index-not-concurrent: {setting}", in_transaction=True)
    assert (verdict.action, str(verdict.because)) == (action, because)
    if action is DEFER:
        assert note(verdict) == "what cannot run in a transaction waits for COMMIT"
        assert verdict.plan is not None
        assert [step.when for step in verdict.plan.steps] == ["after_commit"]
        return
    assert verdict.plan is None
    assert note(verdict) == ("it cannot be rewritten in a transaction" if "rewrite" in setting else "")


def test_in_a_transaction_small_tables_and_overrides_still_pass(judge: Decide) -> None:
    assert judge(SMALL, in_transaction=True).action is ALLOW
    assert judge(CREATE, in_transaction=True, allow="all: x").action is ALLOW


@pytest.mark.parametrize(
    ("mode", "rule_action", "action", "would_be"),
    [
        ("observe", "reject", ALLOW, REJECT),
        ("observe", "rewrite", ALLOW, REWRITE),
        ("observe", "warn", ALLOW, WARN),
        ("observe", "allow", ALLOW, None),
        ("warn", "reject", WARN, REJECT),
        ("warn", "rewrite", WARN, REWRITE),
        ("warn", "warn", WARN, None),
        ("warn", "allow", ALLOW, None),
    ],
)
def test_modes(judge: Decide, mode: str, rule_action: str, action: Action, would_be: Action | None) -> None:
    verdict = judge(CREATE, f"mode: {mode}\nrules:\n  index-not-concurrent: {rule_action}")
    (decided,) = verdict.decided
    assert (verdict.action, decided.action, decided.would_be) == (action, action, would_be)
    assert decided.note == (f"mode {mode}: would be {would_be}" if would_be else "")
    assert str(decided.because) == ("p.yaml:2" if would_be else "p.yaml:4")
    assert verdict.plan is None


# ---------------------------------------------------------------- unreadable


@pytest.mark.parametrize(
    ("text", "action"), [("unreadable: allow", ALLOW), ("unreadable: warn", WARN), ("unreadable: reject", REJECT)]
)
@pytest.mark.parametrize("sql", ["FLURB", "EXPLAIN FLURB", "CREATE INDEX ON orders email)"])
def test_unreadable(judge: Decide, sql: str, text: str, action: Action) -> None:
    verdict = judge(sql, text)
    assert (verdict.action, str(verdict.because)) == (action, "p.yaml:2")


def test_an_unreadable_statement_says_where(judge: Decide) -> None:
    (decided,) = judge("CREATE INDEX i\n  ON orders USING (email)").decided
    assert decided.finding.problem.startswith("this statement cannot be read at line 2, column 19: expected ")
    assert "\n" not in decided.finding.problem


# ---------------------------------------------------------------- any facts

_facts = st.fixed_dictionaries(
    {
        "live": st.booleans(),
        "in_transaction": st.booleans(),
        "in_recovery": st.booleans(),
        "server_version": st.sampled_from([130000, 180000]),
        "allow": st.sampled_from(["", "all: x", "all", ":", "x: y", "check-validated: z"]) | st.text(max_size=20),
        "roles": st.sampled_from([frozenset(), frozenset({"dba"})]),
        "relations": st.sets(st.sampled_from(list(FACTS.relations))).map(
            lambda keys: {key: FACTS.relations[key] for key in keys}
        ),
    }
)
_sql = st.sampled_from([*STATEMENTS.values(), BOTH, SMALL, "DROP INDEX colours_idx, orders_idx"])
_policies = [load(name) for name in ("recommended", "strict", "observe")]


@given(_sql, _facts, st.sampled_from(_policies))
def test_the_verdict_is_the_harshest_and_has_a_plan_just_if_something_is_done_in_steps(
    sql: str, facts: dict[str, Any], policy: Policy
) -> None:
    (statement,) = read(sql)
    verdict = decide(statement, replace(FACTS, **facts), policy)
    assert verdict.action is max((d.action for d in verdict.decided), key=lambda a: a.rank, default=ALLOW)
    assert (verdict.plan is not None) == (verdict.action in (REWRITE, DEFER))
    if policy.mode == "observe":
        assert verdict.action is ALLOW
    assert verdict == decide(statement, replace(FACTS, **facts), policy)


@given(_sql, _facts)
def test_knowing_less_about_relations_is_never_milder(sql: str, facts: dict[str, Any]) -> None:
    (statement,) = read(sql)
    known = replace(FACTS, **(facts | {"relations": FACTS.relations}))
    unknown = replace(known, relations={})
    for policy in _policies:
        assert decide(statement, unknown, policy).action.rank >= decide(statement, known, policy).action.rank


EXCEPTED = "exceptions:\n  - {{match: {{table: {table}}}, rules: [{rule}], action: {action}, reason: because}}\n"


@pytest.mark.parametrize(
    "text",
    [
        "recommended",
        "strict",
        "observe",
        "extends: recommended\nrules:\n  foreign-key-without-on-delete: warn\n  serial-key: reject\n",
        "extends: recommended\n" + EXCEPTED.format(table="orders", rule="foreign-key-without-on-delete", action="warn"),
        "extends: recommended\n" + EXCEPTED.format(table="other", rule="all", action="warn"),
        "extends: recommended@1\n",
    ],
)
@pytest.mark.parametrize(
    "sql",
    [
        *STATEMENTS.values(),
        "ALTER TABLE orders ADD c serial, ADD FOREIGN KEY (customer) REFERENCES colours",
        "CREATE TABLE t (a serial, b json, c char(3), d timestamp REFERENCES colours)",
        "DO $$ BEGIN CREATE TABLE t (a json); ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES colours; END $$",
    ],
)
def test_advice_that_nobody_would_hear_is_left_out_unasked(
    policy: Callable[[str], Policy], text: str, sql: str
) -> None:
    (statement,) = read(sql)
    given, asked = policy(text), policy(text)
    object.__setattr__(asked, "untold", frozenset())
    assert decide(statement, FACTS, given) == decide(statement, FACTS, asked)

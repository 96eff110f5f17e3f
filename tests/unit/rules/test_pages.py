"""The rules' pages say what the rules say: every SQL block is examined, every text block compared.

A block's info words: ``sql reject | warn | ok | plan``, then the Postgres version (18 if there is none), then what
else is so (``in-transaction``).  Other rules' findings are shown if they are about what blocks.
``pytest --accept`` writes the text blocks anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import proxy.rules
from proxy.catalog.facts import Facts, Held, Routine, describe_size
from proxy.catalog.held import holding
from proxy.catalog.routines import Opening
from proxy.plans.compose import compose
from proxy.plans.plan import Lock
from proxy.rules.base import UNTIMED, Finding, examine, rules
from proxy.sql.lexer import lex
from proxy.sql.read import read
from proxy.sql.routine import Created, created
from proxy.sql.statements import Statement, Unreadable
from tests.unit.rules.catalog import facts, made_by

FOLDER = Path(proxy.rules.__file__).parent
BLOCK = re.compile(
    r"^```sql (reject|warn|ok|plan)(?: (\d+))?( in-transaction)?\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", re.M | re.S
)
SECTIONS = ["What happens", "Instead", "In your framework", "Fine as it is"]
SAID = {"reject": "ERROR", "warn": "WARNING"}
FRAMEWORKS = ["Django", "Alembic", "Rails", "Ecto"]


@dataclass(frozen=True)
class Block:
    rule: str
    line: int
    expected: str
    version: int
    in_transaction: bool
    sql: str
    text: str | None


def blocks(rule: str) -> list[Block]:
    page = rules()[rule].page
    return [
        Block(rule, page.count("\n", 0, m.start()) + 1, m[1], int(m[2] or 18), bool(m[3]), m[4].strip(), m[5])
        for m in BLOCK.finditer(page)
    ]


class NoOthers(dict[str, tuple[Routine, ...] | None]):
    """Known routines: there are none but those of the block itself."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> tuple[Routine, ...]:
        return ()


def examined(block: Block) -> list[tuple[Statement, list[tuple[object, Finding]]]]:
    """Each statement of a block with its findings; what earlier ones create is new to later ones, what they lock stays locked."""
    new: frozenset[str] = frozenset()
    found = []
    held: tuple[Held, ...] = ()
    made: list[Created] = []
    for one in read(block.sql):
        assert not isinstance(one.node, Unreadable), one.sql
        made += created(one)
        opening = Opening(NoOthers(), lambda name: True, made)
        statement = opening.opened(one)
        known = replace(facts(statement, block.version, new), in_transaction=block.in_transaction, held=held)
        known = replace(known, routines=opening.used)
        held = holding(statement, known) if block.in_transaction else ()
        every = examine(statement, known)
        found.append((statement, [(n, f) for n, f in every if f.rule == block.rule or blocks_others(f)]))
        new |= made_by(statement)
    return found


def blocks_others(finding: Finding) -> bool:
    return rules()[finding.rule].harm == "blocks"


def shown(block: Block) -> str:
    """What the text block has to say: the errors, or the plans."""
    lines = []
    for statement, found in examined(block):
        if block.expected in SAID:
            for _, finding in found:
                lines.append(f"{SAID[block.expected]}:  {finding.problem} [{finding.rule}]")
                lines += [f"DETAIL:  {finding.detail}", f"HINT:  {finding.remedy}"]
        else:
            known = facts(statement, block.version)
            plan = compose(statement, [(node, f.rewrite) for node, f in found if f.rewrite], known)
            for number, step in enumerate(plan.steps, 1):
                lines.append(f"{number}. " + ";\n   ".join(sql.replace("\n", "\n   ") for sql in step.statements) + ";")
                lines.append(f"   -- {step.lock.sql}: {step.why}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("rule", list(rules()))
def test_page(rule: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--accept"):
        accept(rule)
    for block in blocks(rule):
        where = f"{rule}.md:{block.line}"
        found = [finding for _, findings in examined(block) for _, finding in findings]
        assert bool(found) == (block.expected != "ok"), f"{where}: {[f.rule for f in found]}"
        if block.expected == "plan":
            assert all(f.rewrite for f in found), where
        if block.expected != "ok":
            assert rule in {f.rule for f in found}, where
            assert block.text == shown(block), f"{where}: if the new text is right, run pytest --accept\n{shown(block)}"


def accept(rule: str) -> None:
    def written(m: re.Match[str]) -> str:
        block = Block(rule, 0, m[1], int(m[2] or 18), bool(m[3]), m[4].strip(), m[5])
        return m[0] if m[5] is None else m[0][: m.start(5) - m.start()] + shown(block) + "```\n"

    path = FOLDER / f"{rule.replace('-', '_')}.md"
    path.write_text(BLOCK.sub(written, path.read_text(encoding="utf-8")), encoding="utf-8")


@pytest.mark.parametrize("rule", list(rules()))
def test_page_is_whole(rule: str) -> None:
    page = rules()[rule].page
    assert page.startswith(f"# {rule}\n")
    assert re.findall(r"^## (.*)$", page, re.M) == SECTIONS
    assert re.findall(r"^\* \*\*(\w+)\*\*", page, re.M)[: len(FRAMEWORKS)] == FRAMEWORKS
    found = [finding for block in blocks(rule) for _, findings in examined(block) for _, finding in findings]
    expected = {block.expected for block in blocks(rule)}
    said = "reject" if rules()[rule].harm == "blocks" or "reject" in expected else "warn"
    plan = {"plan"} if any(f.rewrite for f in found if f.rule == rule) else set()
    assert expected == {said, "ok"} | plan
    without_text = [b.line for b in blocks(rule) if (b.text is None) != (b.expected == "ok")]
    assert not without_text, f"lines {without_text}"


def test_every_rule_says_its_own_name() -> None:
    for rule in rules():
        for block in blocks(rule):
            for _, findings in examined(block):
                assert {finding.rule for _, finding in findings} <= set(rules())


def test_messages_are_fit_to_print() -> None:
    """One line without a full stop for the problem, sentences for the detail; nobody is begged or shouted at."""
    for rule in rules():
        for block in blocks(rule):
            for finding in (f for _, findings in examined(block) for _, f in findings):
                assert "\n" not in finding.problem
                assert not finding.problem.endswith(".")
                assert finding.detail.endswith(".")
                said = f"{finding.problem} {finding.detail} {finding.remedy}".lower()
                assert not {"please", "dangerous", "!"} & set(re.findall(r"\w+|!", said))


# What it speaks of has no name.
NAMELESS = {"concurrently-in-transaction"}


def own_names(statement: Statement, known: Facts) -> set[str]:
    """Whatever the author may call by its name: the words of the text, and what hangs on the tables in it."""
    names = {token.value for token in lex(statement.text) if token.kind in ("word", "quoted")}
    names |= set(re.findall(r"\w+", statement.text))
    for relation in known.relations.values():
        names |= {relation.name, relation.schema, *relation.columns, *relation.constraints, *relation.indexes}
        names |= {name for _, name in (*relation.parents, *relation.referenced_by, *relation.detaching)}
        names |= {c.references[1] for c in relation.constraints.values() if c.references}
    return names | {name for type_ in known.types.values() for _, name in type_.users}


DEFAULT_NAME = re.compile(
    r"\w+_(check|fkey|key|pkey|excl|idx|not_null)\d*"
)  # Postgres gives it, where the author gives none


@pytest.mark.parametrize("rule", rules())
def test_a_problem_is_told_with_the_authors_own_names(rule: str) -> None:
    """Each name that it quotes is one of them, and there is one, so that the first line alone says what it is about."""
    for block in blocks(rule):
        for statement, found in examined(block):
            own = own_names(statement, facts(statement, block.version))
            for finding in (f for _, f in found if f.rule == rule):
                quoted = {part for name in re.findall(r'"([^"]+)"', finding.problem) for part in name.split(".")}
                others = {name for name in quoted - own if not DEFAULT_NAME.fullmatch(name)}
                assert not others, (finding.problem, others)
                assert quoted or rule in NAMELESS or finding.relation.name in finding.problem, finding.problem


LOCKS = {
    Lock.SHARE: "SHARE lock",
    Lock.SHARE_ROW_EXCLUSIVE: "SHARE ROW EXCLUSIVE lock",
    Lock.ACCESS_EXCLUSIVE: "ACCESS EXCLUSIVE lock",
}
# They hold the locks of other statements, which the problem tells of; or none that blocks.
OTHERS_LOCKS = {"work-under-lock", "validate-under-lock"}


def said_in_full(finding: Finding, known: Facts) -> list[str]:
    """What a finding about what blocks does not say, of lock, what that blocks, for how long, and what to do instead."""
    missing = []
    if finding.lock in LOCKS and finding.rule not in OTHERS_LOCKS and LOCKS[finding.lock] not in finding.detail:
        missing.append("the lock")
    if finding.lock in LOCKS and not re.search(
        r"block (reads and writes|reads|writes)|blocks (reads and )?writes", finding.problem
    ):
        missing.append("what it blocks")
    relation = known.find(finding.relation)
    if relation is not None and relation.size_bytes and finding.work != "none" and finding.lock in LOCKS:
        size = describe_size(relation.size_bytes)
        if finding.rule not in UNTIMED and not (size in finding.detail and "That takes" in finding.detail):
            missing.append("for how long")
    words = re.findall(r"\w+", finding.remedy)
    if relation is not None and finding.relation.name not in words and "INDEX" not in words:
        missing.append("the remedy with the user's names")
    return missing if finding.remedy else [*missing, "a remedy"]


GENERAL = {
    "concurrently-on-broken-release",
    "set-logged",
    "set-access-method",
    "set-tablespace",
    "exclude-builds-index",
    "unique-builds-index",
}


@pytest.mark.parametrize("rule", [name for name, r in rules().items() if r.harm == "blocks"])
def test_what_blocks_is_told_in_full(rule: str) -> None:
    """Lock, what it blocks, for how long, and the remedy; general advice has no names to name."""
    for block in blocks(rule):
        for statement, found in examined(block):
            known = facts(statement, block.version)
            for finding in (f for _, f in found if f.rule == rule):
                missing = said_in_full(finding, known)
                if rule in GENERAL:
                    missing = [m for m in missing if m != "the remedy with the user's names"]
                assert not missing, (finding.problem, finding.detail, finding.remedy)

"""What became of an application's history, kept from run to run and written as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.tools.application import Application
from tests.tools.ways import Way

ACTIONS = {"rewrite": "rewritten", "defer": "deferred", "reject": "rejected", "warn": "warned of"}
STARTS = {"empty": "an empty database", "populated": "tables with rows"}
ORDER = (*ACTIONS, "allow")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A statement that Interlock rejected, and the exception that an operator then made."""

    rule: str
    table: str
    statement: str
    shown: str
    """The line of the tool's output that says so."""


@dataclass(frozen=True, slots=True)
class History:
    application: str
    tool: str
    page: str
    version: int
    rows: str
    migrations: int
    judged: int
    """Statements that Interlock decided about."""
    blocking: int
    """Of the direct run's, those that held up the users of tables with rows."""
    actions: Mapping[str, int] = field(default_factory=dict)
    """Statements by the harshest thing that became of them."""
    rules: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By rule, how often which action."""
    examples: Mapping[str, str] = field(default_factory=dict)
    """By rule."""
    refusals: Sequence[Refusal | Mapping[str, str]] = ()


def history(
    application: Application, version: int, rows: str, blocking: Sequence[str], way: Way, refusals: Sequence[Refusal]
) -> History:
    rules: dict[str, Counter[str]] = {}
    examples: dict[str, str] = {}
    actions: Counter[str] = Counter(reject=len(refusals))
    for refusal in refusals:
        rules.setdefault(refusal.rule, Counter())["reject"] += 1
        examples.setdefault(refusal.rule, refusal.shown)
    excepted = {refusal.statement for refusal in refusals}
    judged = _last_of_each(way.records)
    for record in judged:
        if record["statement"] not in excepted:
            actions[record["action"]] += 1
            for finding in _findings(record):
                rules.setdefault(finding["rule"], Counter())[finding["action"]] += 1
                examples.setdefault(finding["rule"], finding["problem"])
    return History(
        application.name,
        application.tool,
        application.page,
        version,
        rows,
        application.count(),
        len(judged),
        len(blocking),
        dict(actions),
        {rule: dict(counts) for rule, counts in rules.items()},
        examples,
        refusals,
    )


def _last_of_each(records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The last time that each statement was judged: a run that is refused half-way and begun again judges many twice.

    Without those that did not run, and what is said of a deferred one when it has been done.
    """
    ran = [
        r
        for r in records
        if r["outcome"] not in ("failed", "not run", "rejected") and (r["action"], r["outcome"]) != ("defer", "done")
    ]
    return list({record["statement"]: record for record in ran}.values())


def _findings(record: Mapping[str, Any]) -> list[Mapping[str, str]]:
    return [found for found in record["findings"] if found["action"] != "allow"]


def markdown(histories: Sequence[History]) -> str:
    names = sorted({one.application for one in histories}, key=str.lower)
    return "\n".join(_chapter([one for one in histories if one.application == name]) for name in names)


def _chapter(runs: Sequence[History]) -> str:
    first = runs[0]
    lines = [
        f"### {first.application}",
        "",
        f"{first.migrations} migrations, {first.tool} ([page](tools/{first.page}.md)).",
        "",
        "| Postgres | from | end state | statements judged | blocking, directly | rewritten | deferred | rejected, then excepted | warned of |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {one.version} | {STARTS[one.rows]} | equal | {one.judged} | {one.blocking if one.rows == 'populated' else ''} |"
        + "".join(f" {one.actions.get(action, 0) or ''} |" for action in ("rewrite", "defer", "reject", "warn"))
        for one in sorted(runs, key=lambda one: (one.version, one.rows))
    ]
    last = max(runs, key=lambda one: (one.rows, one.version))
    lines += ["", "| rule | what became of it, with rows | for example |", "|---|---|---|"]
    for rule, counts in sorted(last.rules.items()):
        told = ", ".join(f"{counts[action]} {ACTIONS[action]}" for action in ACTIONS if counts.get(action))
        lines.append(f"| [{rule}](rules.md) | {told} | {_cell(last.examples[rule])} |")
    return "\n".join([*lines, *_refused(max(runs, key=lambda one: len(one.refusals))), ""])


def _refused(run: History) -> list[str]:
    """What was rejected in the run with most of it."""
    if not run.refusals:
        return []
    lines = [
        "",
        f"Rejected on {run.version}, from {STARTS[run.rows]}:",
        "",
        "| what the tool showed | the exception |",
        "|---|---|",
    ]
    for one in run.refusals:
        refusal = one if isinstance(one, Refusal) else Refusal(**one)
        lines.append(f"| {_cell(refusal.shown)} | `{refusal.rule}` for `{refusal.table}` |")
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

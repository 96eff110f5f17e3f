"""The JSON of ``check`` and ``plan``.  It only ever gains members; ``version`` would change otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from proxy.judge import Judged, position
from proxy.policy.verdict import Action, Decided
from proxy.render.placeholders import restored
from proxy.render.plans import names
from proxy.sql.statements import Statement


def document(files: Sequence[tuple[str, Sequence[Judged]]]) -> dict[str, Any]:
    """Everything about all inputs, as JSON types."""
    judged = [one for _, judged in files for one in judged]
    counts = Counter(one.verdict.action for one in judged)
    return {
        "version": 1,
        "statements": [restored(_statement(file, one)) for file, judged in files for one in judged],
        "summary": {action.value: counts[action] for action in Action},
    }


def _statement(file: str, judged: Judged) -> dict[str, Any]:
    line, column = judged.position
    return {
        "file": file,
        "sql": judged.statement.sql,
        "line": line,
        "column": column,
        "kind": judged.statement.node.kind,
        "relations": names(judged.effect),
        "lock": judged.lock.value,
        "work": judged.work,
        "action": judged.verdict.action.value,
        "findings": [_json_finding(judged.statement, decided) for decided in judged.verdict.decided],
        "plan": list(_json_plan(judged)),
    }


def _json_finding(statement: Statement, decided: Decided) -> dict[str, Any]:
    finding = decided.finding
    line, column = position(statement.text, finding.at.start)
    found: dict[str, Any] = {
        "rule": finding.rule,
        "action": decided.action.value,
        "problem": finding.problem,
        "detail": finding.detail,
        "hint": finding.remedy,
        "note": decided.note,
        "line": line,
        "column": column,
        "policy": str(decided.because),
    }
    return found | ({"would_be": decided.would_be.value} if decided.would_be else {})


def _json_plan(judged: Judged) -> Iterator[dict[str, Any]]:
    """The steps; the statement itself where it runs as written; nothing where it is rejected."""
    verdict = judged.verdict
    if verdict.action is Action.REJECT:
        return
    if verdict.plan is None:
        yield {
            "sql": judged.statement.sql,
            "lock": judged.lock.value,
            "transaction": judged.facts.in_transaction,
            "when": "now",
            "why": "as written",
        }
        return
    for step in verdict.plan.steps:
        yield {
            "sql": step.sql,
            "lock": step.lock.value,
            "transaction": step.transaction,
            "when": step.when,
            "why": step.why,
        }

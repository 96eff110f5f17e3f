"""Findings with their place for people, and one line on everything."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from proxy.judge import Judged, position
from proxy.plans.plan import Plan
from proxy.policy.verdict import Action, Decided
from proxy.render.placeholders import restore
from proxy.rules.base import rules
from proxy.sql.statements import Span, Statement

Paint = Callable[[str], str]
"""Colours the word for an action; the words themselves say it all."""

WIDEST = 160  # code points of a source line that are shown

SUMMARY = {"rewrite": "to rewrite", "defer": "to defer", "warn": "with a warning", "reject": "rejected"}


def plain(word: str) -> str:
    return word


def text(file: str, judged: Sequence[Judged], *, paint: Paint = plain) -> Iterator[str]:
    """The findings about one input, one block of lines each; one line on what is allowed by way of exception."""
    for one in judged:
        told = sorted(
            (d for d in one.verdict.decided if d.action is not Action.ALLOW or d.note), key=lambda d: d.finding.at.start
        )
        rewritten = [d for d in told if d.action in (Action.REWRITE, Action.DEFER)]
        for decided in told:
            if decided.action is Action.ALLOW:
                yield _allowed(file, one.statement, decided, paint)
                continue
            plan = one.verdict.plan if rewritten and decided is rewritten[-1] else None
            joined = decided in rewritten[:-1] and one.verdict.plan is not None
            yield "\n".join(_finding(file, one.statement, decided, plan, paint, joined=joined))


def _allowed(file: str, statement: Statement, decided: Decided, paint: Paint) -> str:
    line, column = position(statement.text, decided.finding.at.start)
    said = f"{paint(decided.action)}  {decided.finding.rule}: {printable(decided.note)}"
    return f"{file}:{line}:{column}: {said} ({decided.because})"


def _finding(
    file: str, statement: Statement, decided: Decided, plan: Plan | None, paint: Paint, *, joined: bool
) -> Iterator[str]:
    """``joined``: the steps stand below, with another finding about the same statement."""
    finding = decided.finding
    line, column = position(statement.text, finding.at.start)
    yield f"{file}:{line}:{column}: {paint(decided.action)}  {finding.rule}"
    yield f"    {printable(finding.problem)}"
    yield from excerpt(statement.text, finding.at)
    if decided.action in (Action.WARN, Action.REJECT):
        if finding.detail:
            yield f"    = {printable(finding.detail)}"
        yield from _listed("instead", [(line,) for line in finding.remedy.splitlines()])
    if joined:
        yield "    = runs instead: the steps below"
    if plan is not None:
        yield from _listed("runs instead", [step.statements for step in plan.now])
        yield from _listed("after COMMIT", [step.statements for step in plan.later])
    if decided.note:
        yield f"    = {printable(decided.note)}"
    yield f"    = policy: {decided.because}" + (
        f"     more: interlock rules {finding.rule}" if finding.rule in rules() else ""
    )


def _listed(label: str, entries: Sequence[Sequence[str]]) -> Iterator[str]:
    """One entry on the label's own line, several below it, numbered; each statement on a line."""
    shown = [[printable(sql.rstrip(";")) for sql in entry] for entry in entries]
    if len(shown) == 1 and len(shown[0]) == 1:
        yield f"    = {label}: {shown[0][0]}"
    elif shown:
        yield f"    = {label}:"
        for number, statements in enumerate(shown, 1):
            head = f"        {number}. "
            yield from (f"{' ' * len(head) if i else head}{sql}" for i, sql in enumerate(statements))


def excerpt(source: str, at: Span) -> Iterator[str]:
    """The line at which ``at`` begins, numbered, and a caret under each of its characters."""
    number, column = position(source, at.start)
    start = at.start - column + 1
    end = source.find("\n", start)
    end = len(source) if end < 0 else end
    left = max(start, at.start - WIDEST // 2) if end - start > WIDEST else start
    shown = source[left : min(end, left + WIDEST)].rstrip("\r")
    before, after = ("…" if left > start else ""), ("…" if left + WIDEST < end else "")
    marked = source[at.start : max(at.start + 1, min(at.end, left + len(shown)))]
    pad = "".join(c if c == "\t" else " " * width(c) for c in before + source[left : at.start])
    margin = max(3, len(str(number)))
    yield f"{number:>{margin}} | {before}{printable(shown)}{after}"
    yield f"{'':>{margin}} | {pad}{'^' * max(1, sum(map(width, marked)))}"


def width(character: str) -> int:
    """How many columns of a terminal a character takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def printable(sql: str) -> str:
    """Text on one line, and none of it a command to the terminal (an escape sequence in a file under review)."""
    sql = restore(sql)
    line = " ".join(part.strip() for part in sql.splitlines()) if "\n" in sql else sql.rstrip("\r")
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in line)


def summary(files: Sequence[tuple[str, Sequence[Judged]]], *, left_out: int = 0) -> str:
    """One line on everything, one on what was ``left_out`` (parts that take back), and the next command where there is one."""
    statements = [(file, one) for file, judged in files for one in judged]
    counts = Counter(one.verdict.action for _, one in statements)
    found = [f"{counts[Action(action)]} {words}" for action, words in SUMMARY.items() if counts[Action(action)]]
    passed = sum(d.action is Action.ALLOW and bool(d.note) for _, one in statements for d in one.verdict.decided)
    if passed:
        found.append(f"{_count(passed, 'finding')} allowed")
    would = sum(any(d.would_be for d in one.verdict.decided) for _, one in statements)
    if would:
        found.append(f"{would} would be otherwise if the policy's mode were enforce")
    said = f"checked {_count(len(statements), 'statement')} in {_count(len({f for f, _ in files}), 'file')}: {', '.join(found) or 'nothing to say'}"
    if left_out:
        said += f"\nleft out: {_count(left_out, 'part')} that take{'s' if left_out == 1 else ''} migrations back; --down looks at them, too"
    files_again = ((file, one) for file, one in statements if file != "-")  # stdin is gone by now
    rewritten = next((file for file, one in files_again if one.verdict.action in (Action.REWRITE, Action.DEFER)), None)
    return said + (f"\nSee what would run: interlock plan {rewritten}" if rewritten else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

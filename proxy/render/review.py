"""What a code review shows: a place in a file of the repository, and what is found there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from proxy.judge import Judged, position
from proxy.policy.verdict import Action, Decided
from proxy.render.text import printable
from proxy.sql.lexer import LexError, lex

Files = Sequence[tuple[str, Sequence[Judged]]]


@dataclass(frozen=True, slots=True)
class Remark:
    """One finding.  ``path`` has forward slashes; lines and columns count from 1, the end column is the first one after."""

    path: str  # empty: it came from no file
    line: int
    column: int
    end_line: int
    end_column: int
    rule: str
    action: Action
    problem: str  # one line
    more: tuple[str, ...]  # lines: facts, what to write or what runs instead, the policy's line
    fingerprint: str  # the same wherever the statement stands, and however it is laid out

    @property
    def message(self) -> str:
        return "\n".join((self.problem, *self.more))


def remarks(files: Files) -> list[Remark]:
    """Every finding that is not let pass, in the order of the files."""
    found: list[Remark] = []
    seen: Counter[str] = Counter()
    for path, judged in files:
        for one in judged:
            for decided in one.verdict.decided:
                if decided.action is Action.ALLOW:
                    continue
                print_ = fingerprint(decided.finding.rule, one.statement.sql)
                seen[print_] += 1
                times = f":{seen[print_]}" if seen[print_] > 1 else ""  # a report wants each one but once
                found.append(_remark(path, one, decided, print_ + times))
    return found


def _remark(path: str, judged: Judged, decided: Decided, fingerprint: str) -> Remark:
    finding, text = decided.finding, judged.statement.text
    line, column = position(text, finding.at.start)
    end_line, end_column = position(text, max(finding.at.end, finding.at.start + 1))
    return Remark(
        path=path,
        line=line,
        column=column,
        end_line=end_line,
        end_column=end_column,
        rule=finding.rule,
        action=decided.action,
        problem=printable(finding.problem),
        more=tuple(_more(judged, decided)),
        fingerprint=fingerprint,
    )


def _more(judged: Judged, decided: Decided) -> list[str]:
    finding, plan = decided.finding, judged.verdict.plan
    note = f"{decided.note[:1].upper()}{decided.note[1:]}." if decided.note else ""
    lines = [printable(line) for line in (finding.detail, note) if line]
    if decided.action in (Action.REWRITE, Action.DEFER) and plan is not None:
        after = "And after COMMIT:" if plan.now else "Through Interlock this runs after COMMIT:"
        for said, steps in (("Through Interlock this runs instead:", plan.now), (after, plan.later)):
            if steps:
                lines += [said, *(f"  {printable(sql)};" for step in steps for sql in step.statements)]
    elif finding.remedy:
        lines += ["Use instead:", *(f"  {printable(line)}" for line in finding.remedy.splitlines())]
    return [*lines, f"Policy: {printable(str(decided.because))}"]


def fingerprint(rule: str, sql: str) -> str:
    """A hash of the rule and of the statement's tokens: spaces, comments and the case of words do not count."""
    try:
        words = [token.value if token.kind == "word" else sql[token.start : token.end] for token in lex(sql)]
    except LexError:
        words = sql.split()
    return sha256("\0".join((rule, *words)).encode("utf-8", "backslashreplace")).hexdigest()

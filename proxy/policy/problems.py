"""What is wrong with a policy, told to its author: every mistake, each with its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDEST_EXCERPT = 160


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake.  ``line`` and ``column`` count from 1; both are 0 if the file as a whole is meant."""

    file: str
    line: int
    column: int
    message: str
    excerpt: str = ""  # the line's text
    width: int = 1  # how many of its characters are meant

    def __str__(self) -> str:
        if not self.line:
            return f"{self.file}: {self.message}"
        head = f"{self.file}:{self.line}:{self.column}: {self.message}"
        if not self.excerpt.strip() or len(self.excerpt) > WIDEST_EXCERPT:
            return head
        gutter = " " * 4
        # A tab stays a tab under itself, so that the caret meets its word whatever the tab's width.
        under = "".join("\t" if c == "\t" else " " for c in self.excerpt[: self.column - 1])
        return f"{head}\n{self.line:>4} | {self.excerpt}\n{gutter} | {under}{'^' * max(1, self.width)}"


class PolicyError(Exception):
    """A policy that cannot be used; ``str`` is the whole report."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def report(self, instead: str = "") -> str:
        """All problems, and a last line that says what holds instead: ``the running policy (sha 4f1c) stays in force``."""
        count = len(self.problems)
        summary = f"{count} error{'s' if count != 1 else ''}. Nothing was loaded{'; ' + instead if instead else ''}."
        return "\n".join([*(str(p) for p in self.problems), summary])

    def __str__(self) -> str:
        return self.report()

"""What became of each tool's migrations, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.tools.forms import FORMS, forms
from tests.tools.ways import Way

ACTIONS = ("allow", "warn", "rewrite", "defer", "reject")  # the harshest last
LETTERS = {"allow": "=", "warn": "=", "rewrite": "R", "defer": "D", "reject": "X"}
LEGEND = (
    "Each cell: what the tool's direct run did, and what Interlock made of it.\n"
    "!  it held up the application (server's log)    R  rewritten, and run at once    D  deferred until COMMIT\n"
    "=  as it was written    X  refused, and then run by an exception in the migration    blank  not in this tool's history"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    tool: str
    version: int
    state: str
    """``equal``, ``different`` or why it did not run."""
    held: Sequence[str] = ()
    """The forms by which the direct run held up the application."""
    actions: Mapping[str, str] = field(default_factory=dict)
    """By form, what Interlock did."""
    seen: Sequence[str] = ()
    """The forms that the server was told directly."""
    refused: str = ""
    """How the policy that lets nothing wait ended."""
    printed: str = ""
    """What the tool printed then: for its page in docs/tools."""

    def cell(self, form: str) -> str:
        if form not in self.seen:
            return ""
        return ("!" if form in self.held else "") + LETTERS[self.actions.get(form, "allow")]


def outcome(tool: str, direct: Way, guarded: Way, refused: str, printed: str) -> Outcome:
    actions: dict[str, str] = {}
    for statement, action in guarded.decisions:
        for form in forms(statement):
            actions[form] = max(actions.get(form, "allow"), action, key=ACTIONS.index)
    told = {form for statement in direct.statements for form in forms(statement)}
    held = {form for statement in direct.heavy + direct.copies for form in forms(statement)}
    return Outcome(tool, direct.server.version, "equal", sorted(held), actions, sorted(told), refused, printed)


def _rows(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """A row for each tool and result; versions with one result share a row."""
    rows: dict[str, dict[tuple[str, ...], list[int]]] = {}
    for one in sorted(outcomes, key=lambda o: (o.tool.lower(), o.version)):
        cells = (one.state, *(one.cell(form) for form in FORMS), one.refused)
        rows.setdefault(one.tool, {}).setdefault(cells, []).append(one.version)
    return [
        [tool, ", ".join(map(str, versions)), *cells]
        for tool, kinds in rows.items()
        for cells, versions in kinds.items()
    ]


HEAD = ("tool", "Postgres", "end state", *FORMS, "where nothing may wait")


def text(outcomes: Sequence[Outcome]) -> str:
    rows = _rows(outcomes)
    numbered = [f"{n}  {name}" for n, name in enumerate(FORMS, 1)]
    head = ["tool", "Postgres", "end state", *map(str, range(1, len(FORMS) + 1)), "where nothing may wait"]
    widths = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows]]
    return "\n".join([LEGEND, "   ".join(numbered), "", *lines])


def markdown(outcomes: Sequence[Outcome]) -> str:
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(row) + " |" for row in _rows(outcomes)]
    return "\n".join(lines) + "\n"

"""How much of a refusal each tool shows its user, kept from run to run and written as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.tools.forms import FORMS

PARTS = ("first line", "what to do", "detail", "hint")
DETAIL = "lock would be held on"  # of most rules: which, on what, for how long
REMEDIES = ("Use instead:", "Run it outside", "Outside a transaction:", "To run it as written", "Split it", "Put it")


@dataclass(slots=True)
class Shown:
    """Of one tool: by unsafe form, the rule by which it was refused, and what of the message was seen."""

    tool: str
    forms: dict[str, str] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)

    def add(self, forms: set[str], finding: Mapping[str, Any], output: str) -> None:
        printed = _plain(output)
        self.forms |= dict.fromkeys(forms, finding["rule"])
        seen = {
            PARTS[0]: f"[{finding['rule']}]" in printed and _plain(finding["problem"]) in printed,
            PARTS[1]: any(words in printed for words in REMEDIES),
            PARTS[2]: DETAIL in printed,
            PARTS[3]: f"interlock rules {finding['rule']}" in printed,
        }
        self.parts = [part for part in PARTS if seen[part] or part in self.parts]


def _plain(text: str) -> str:
    return " ".join(text.split())


def markdown(every: Sequence[Shown]) -> str:
    used = [form for form in FORMS if any(form in one.forms for one in every)]
    lines = ["| tool | shows | " + " | ".join(used) + " |", "|" + "---|" * (len(used) + 2)]
    for one in sorted(every, key=lambda one: one.tool.lower()):
        cells = ["refused" if form in one.forms else "" for form in used]
        lines.append(f"| {one.tool} | {', '.join(one.parts) or 'that it failed'} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"

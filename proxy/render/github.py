"""Remarks as workflow commands of GitHub Actions, which shows them at their lines in a pull request.

Source: https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions; the escapes are those of
@actions/core (command.ts).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxy.policy.verdict import Action
from proxy.render.review import Remark

COMMANDS = {Action.REJECT: "error", Action.WARN: "warning", Action.REWRITE: "notice", Action.DEFER: "notice"}


def commands(remarks: Sequence[Remark]) -> Iterator[str]:
    """One line for each remark."""
    for remark in remarks:
        place = {"file": remark.path, "line": remark.line, "endLine": remark.end_line, "col": remark.column}
        if remark.end_line == remark.line:  # GitHub refuses columns of several lines
            place["endColumn"] = remark.end_column - 1
        else:
            del place["col"]
        if not remark.path:
            place = {}
        properties = {**place, "title": f"{remark.action}: {remark.rule}"}
        written = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
        yield f"::{COMMANDS[remark.action]} {written}::{_data(remark.message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

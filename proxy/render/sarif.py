"""Remarks as SARIF 2.1.0, which GitHub code scanning and many editors read.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from proxy import __version__
from proxy.policy.verdict import Action
from proxy.render.review import Remark
from proxy.rules.base import rules

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Action.REJECT: "error", Action.WARN: "warning", Action.REWRITE: "note", Action.DEFER: "note"}
FINGERPRINT = "interlockStatement/v1"
ROOT = "%SRCROOT%"


def log(remarks: Sequence[Remark]) -> dict[str, Any]:
    """A log of one run, as JSON types; the rules in it are those that have a result."""
    named = sorted({remark.rule for remark in remarks})
    driver = {
        "name": "Interlock",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(name) for name in named],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(remark, named.index(remark.rule)) for remark in remarks],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(name: str) -> dict[str, Any]:
    known = rules().get(name)
    summary = known.summary if known else f"See: interlock rules {name}"
    described = {
        "id": name,
        "name": "".join(map(str.capitalize, name.split("-"))),
        "shortDescription": {"text": summary},
    }
    page = {"text": f"Its page: interlock rules {name}"} | ({"markdown": known.page} if known else {})
    return {**described, "help": page}


def _result(remark: Remark, index: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ruleId": remark.rule,
        "ruleIndex": index,
        "level": LEVELS[remark.action],
        "message": {"text": remark.message},
        "partialFingerprints": {FINGERPRINT: remark.fingerprint},
        "properties": {"action": remark.action.value},
    }
    if not remark.path:
        return found
    region = {
        "startLine": remark.line,
        "startColumn": remark.column,
        "endLine": remark.end_line,
        "endColumn": remark.end_column,
    }
    path = quote(remark.path)
    artifact = {"uri": f"file://{path}"} if path.startswith("/") else {"uri": path, "uriBaseId": ROOT}
    return {**found, "locations": [{"physicalLocation": {"artifactLocation": artifact, "region": region}}]}

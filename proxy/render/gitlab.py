"""Remarks as a Code Quality report of GitLab.

Source: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from proxy.policy.verdict import Action
from proxy.render.review import Remark

SEVERITIES = {Action.REJECT: "critical", Action.WARN: "major", Action.REWRITE: "info", Action.DEFER: "info"}


def report(remarks: Sequence[Remark]) -> list[dict[str, Any]]:
    """One entry for each remark that has a file: GitLab takes no other."""
    return [
        {
            "description": f"{remark.action}: {remark.problem}",
            "check_name": remark.rule,
            "fingerprint": sha256(remark.fingerprint.encode()).hexdigest(),
            "severity": SEVERITIES[remark.action],
            "location": {"path": remark.path, "lines": {"begin": remark.line, "end": remark.end_line}},
            "content": {"body": remark.message},
        }
        for remark in remarks
        if remark.path
    ]

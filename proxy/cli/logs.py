"""What ``interlock serve`` tells on stderr: lines for people, or a JSON object each."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any


def log_to_stderr(level: str, form: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines() if form == "json" else logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.addFilter(without_secrets)
    logging.basicConfig(level=level.upper(), handlers=[handler])


def without_secrets(record: logging.LogRecord) -> bool:
    """A line may quote a statement, and a statement may hold a password."""
    from proxy.audit.redact import redact_line

    record.msg, record.args = redact_line(record.getMessage()), None
    return True


class Lines(logging.Formatter):
    """One JSON object a line; that of a decision has its parts as members."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        told: dict[str, Any] = {"at": at, "level": record.levelname.lower(), "message": record.getMessage()}
        if (decision := getattr(record, "decision", None)) is not None:
            told |= {
                "event": "decision", "session": dict(decision.session), "kind": decision.kind,
                "relations": list(decision.relations), "action": decision.action, "rule": decision.rule,
                "policy": decision.policy, "outcome": decision.outcome, "sqlstate": decision.sqlstate,
                "took_ms": round(decision.took_ms, 1), "blocked_ms": round(decision.blocked_ms, 1), "job": decision.job,
            }  # fmt: skip
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)

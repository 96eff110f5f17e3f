"""The test in front of everything: can these bytes contain anything that Interlock guards?"""

from __future__ import annotations

import re

_END = rb"(?![\w$\x80-\xff])"
_FIRST = re.compile(
    rb"(?:[ \t\n\r\f\v]|/\*[^*/]*+\*/)*+(?:"
    rb"(?P<query>select|with|values|table)|(?P<dml>insert|update|delete|merge|fetch|move|close|copy)"
    rb"|(?P<transaction>begin|start|commit|end|rollback|abort|savepoint|release)|(?P<show>show)"
    rb"|(?P<bracket>\([( \t\n\r\f\v]*+select))" + _END,
    re.I,
)
_CALLS = re.compile(rb"(?:[ \t\n\r\f\v]|/\*[^*/]*+\*/)*+select" + _END, re.I)
_CHANGES = re.compile(rb"(?:[ \t\n\r\f\v]|/\*[^*/]*+\*/|--[^\n\r]*+[\n\r])*+(?:update|delete)" + _END, re.I)
_PARAMETER = re.compile(rb"\$[0-9]")
_TAIL = re.compile(rb"[; \t\n\r\f\v]*+")
_SHOWN = re.compile(rb"[ \t\n\r\f\v]++[a-z_. ]++[; \t\n\r\f\v]*+", re.I)


def may_matter(sql: bytes) -> bool:
    """Whether the text of a Query or Parse message must be read; False only if nothing in it can be guarded.

    Functions that a query calls are no matter of its text.  Errs only towards True.
    """
    first = _FIRST.match(sql)
    if first is None:
        return True
    semicolon = sql.find(b";")
    if 0 <= semicolon < len(sql) - 1 and _TAIL.fullmatch(sql, semicolon) is None:
        return True
    kind = first.lastgroup
    if kind == "dml":
        return False
    if kind == "query" or kind == "bracket":
        return sql.lower().find(b"into") >= 0  # ``in`` raises, catches and forgets an error before it looks for bytes
    if kind == "transaction":
        return sql.lower().find(b"prepared") >= 0
    return _SHOWN.fullmatch(sql, first.end()) is None or b"interlock" in sql.lower()


def may_only_call(sql: bytes) -> bool:
    """Whether a text may be a SELECT of nothing but functions.  Errs only towards True."""
    return b"(" in sql and _CALLS.match(sql) is not None


def may_change_many(sql: bytes) -> bool:
    """Whether a text may be an UPDATE or DELETE that Interlock could run in batches: it has no parameters."""
    return _CHANGES.match(sql) is not None and _PARAMETER.search(sql) is None

"""What ``interlock.allow`` is at each statement of a text, none of which has run yet: whole files come as one query.

Where it cannot be told it is empty, so that nothing is taken for allowed.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.policy.allow import SETTING
from proxy.sql.lexer import LexError, lex
from proxy.sql.statements import SetVariable, Statement, Transaction


@dataclass(slots=True)
class Said:
    now: str
    lasting: str
    """What COMMIT leaves of it."""
    before: str
    """What ROLLBACK goes back to."""

    @classmethod
    def when(cls, asked: str, *, in_block: bool) -> Said:
        """As the server said before the text; in a transaction block nobody knows what will be left of it."""
        outside = "" if in_block else asked
        return cls(asked, outside, outside)

    def follow(self, statement: Statement) -> None:
        match statement.node:
            case SetVariable(name=name, local=local) if name in (SETTING, None):  # None: RESET ALL, DISCARD ALL
                self.now = assigned(statement) or "" if name else ""
                self.lasting = self.lasting if local else self.now
            case Transaction(kind="COMMIT" | "PREPARE TRANSACTION"):
                self.now = self.before = self.lasting
            case Transaction(kind="ROLLBACK" | "ROLLBACK TO"):
                self.now = self.lasting = self.before


def assigned(statement: Statement) -> str | None:
    """The value that a SET of one parameter gives it; None if it resets it, empty if it is not one plain literal or word."""
    try:
        tokens = lex(statement.sql)
    except LexError:  # it was read before as part of the whole input
        return ""
    last = tokens[-1]
    if tokens[0].value == "reset" or (last.kind, last.value) == ("word", "default"):
        return None
    if len(tokens) < 3 or tokens[-2].value not in ("=", "to"):
        return ""
    if last.kind == "string":
        text = statement.sql[last.start : last.end]
        plain = text.startswith("'") and text.count("'") % 2 == 0
        return text[1:-1].replace("''", "'") if plain else ""
    return last.value

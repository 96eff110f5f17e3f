"""The functions that a session has made and whose bodies change the schema, or may: the ones whose calls are looked at.

"Make a function, call it, drop it" is how scripts did without DO.  The gate cannot see in a SELECT that it calls
such a function; so their names are kept, and a text in which one of them stands is read.
"""

from __future__ import annotations

import re

from proxy.catalog.routines import READ, TRUSTED
from proxy.sql.inside import run_by_routine
from proxy.sql.interest import is_ddl
from proxy.sql.names import LIMIT_BYTES
from proxy.sql.routine import Created
from proxy.sql.statements import Call, Name, Opaque

WORDS = re.compile(rb"[a-z_\x80-\xff][a-z0-9_$\x80-\xff]*")
PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")


class Made:
    """Told of every CREATE FUNCTION and CREATE PROCEDURE of a session, whether or not it succeeds."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[bool, frozenset[str]]] = {}  # by name: whether its own body does, what it calls
        self.names: frozenset[str] = frozenset()
        self._words: frozenset[bytes] = frozenset()
        self._others: tuple[bytes, ...] = ()  # names that are not one word

    def note(self, made: Created, *, standard_conforming_strings: bool = True) -> None:
        changes, called = _does(made, standard_conforming_strings)
        before = self._made.get(made.name.name, (False, frozenset()))
        self._made[made.name.name] = (changes or before[0], called | before[1])
        self._gather()

    def rename(self, old: Name, new: str) -> None:
        """ALTER FUNCTION … RENAME; the old name is kept, for it may not succeed."""
        if old.name in self._made:
            changes, called = self._made.get(new, (False, frozenset()))
            own = self._made[old.name]
            self._made[new] = (changes or own[0], called | own[1])
            self._gather()

    def _gather(self) -> None:
        names = {name for name, (changes, _) in self._made.items() if changes}
        while more := {name for name, (_, called) in self._made.items() if name not in names and called & names}:
            names |= more
        self.names = frozenset(names)
        self._words = frozenset(name.encode() for name in names if PLAIN.fullmatch(name))
        self._others = tuple(
            name.replace('"', '""').encode("utf-8", "surrogatepass") for name in names if not PLAIN.fullmatch(name)
        )

    def __contains__(self, name: Name) -> bool:
        return name.name in self.names

    def mentioned(self, sql: bytes) -> bool:
        """Whether a text may call one of them.  Errs only towards True."""
        if not self.names:
            return False
        lower = sql.lower()
        if any(word[:LIMIT_BYTES] in self._words for word in WORDS.findall(lower)) or b'u&"' in lower:
            return True
        return any(name in sql or not (name.isascii() or sql.isascii()) for name in self._others)


def _does(made: Created, scs: bool) -> tuple[bool, frozenset[str]]:
    """Whether a routine changes the schema, or may, by its own body; and the functions that it calls."""
    if made.language in TRUSTED:
        return False, frozenset()
    if made.language not in READ or made.source is None:
        return True, frozenset()
    ran = run_by_routine(made.source, made.language, scs)
    changes = any(is_ddl(one.node) or isinstance(one.node, Opaque | Call) for one in ran.inner) and made.source != ""
    return changes, frozenset(call.name.name for call in (*ran.called, *made.called))

"""What CREATE FUNCTION and CREATE PROCEDURE say of the routine that they make, as far as it matters to who calls it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from proxy.sql.body import literal_value
from proxy.sql.calls import calls
from proxy.sql.cursor import Cursor, NotRead
from proxy.sql.lexer import LexError, lex
from proxy.sql.statements import FunctionCall, Name, Other, Statement
from proxy.sql.types import type_name

Kind = Literal["function", "procedure"]
KINDS: dict[str, Kind] = {"CREATE FUNCTION": "function", "CREATE PROCEDURE": "procedure"}
ALTERED = frozenset({"ALTER FUNCTION", "ALTER PROCEDURE", "ALTER ROUTINE", "ALTER AGGREGATE"})
PATHS = frozenset({"search_path", "role", "schema", "session", "session_authorization"})
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Created:
    """``source`` is its body as pg_proc.prosrc will hold it: empty for BEGIN ATOMIC and RETURN, None if it is not told here."""

    kind: Kind
    name: Name
    language: str
    source: str | None
    sets_path: bool  # it may have a search_path of its own, or run as another user
    called: tuple[FunctionCall, ...] = ()  # by BEGIN ATOMIC and RETURN; what else it calls the source tells


def makes(statement: Statement) -> bool:
    """Whether there is any."""
    return any(isinstance(one.node, Other) and one.node.kind in KINDS for one in (statement, *statement.inner))


def created(statement: Statement, *, standard_conforming_strings: bool = True) -> Iterator[Created]:
    """The routines that a statement makes, those in a DO block included."""
    for one in (statement, *statement.inner):
        if isinstance(one.node, Other) and (kind := KINDS.get(one.node.kind)) is not None:
            yield _created(one, kind, standard_conforming_strings)


def renamed(statement: Statement) -> Iterator[tuple[Name, str]]:
    """Routines that get another name: ``ALTER FUNCTION f(…) RENAME TO g``, those in a DO block included."""
    for one in (statement, *statement.inner):
        if isinstance(one.node, Other) and one.node.kind in ALTERED and "RENAME TO" in one.node.options:
            try:
                c = Cursor(lex(one.sql))
                c.any()
                c.any()
                old = c.path()
                if c.skip_to("rename"):
                    c.need("rename", "to")
                    yield old, c.name()
            except (LexError, NotRead):
                continue


def _created(statement: Statement, kind: Kind, scs: bool) -> Created:
    """Precondition: the grammar has read it."""
    try:
        c = Cursor(lex(statement.sql, standard_conforming_strings=scs))
    except LexError:  # a literal in a literal, laid out
        c = Cursor(lex(statement.sql, standard_conforming_strings=not scs))
    c.need("create")
    c.take("or", "replace")
    c.any()
    name = c.path()
    c.need_group()
    found = _Options(scs)
    try:
        found.read(c)
    except NotRead:
        return Created(kind, name, UNKNOWN, None, sets_path=True)
    return Created(kind, name, found.language, found.source, found.sets_path, found.called)


@dataclass(slots=True)
class _Options:
    """What follows the arguments (gram.y: createfunc_opt_list).  Of what comes twice Postgres takes neither."""

    scs: bool
    language: str = "sql"
    source: str | None = ""
    sets_path: bool = False
    called: tuple[FunctionCall, ...] = ()

    def read(self, c: Cursor) -> None:
        if c.take("returns"):
            if c.take("table"):
                c.need_group()
            else:
                type_name(c)
        while not c.done:
            if c.at("return") or c.at("begin", "atomic"):
                self.called = calls(c.tokens[c.i :])
                return
            self._option(c)

    def _option(self, c: Cursor) -> None:
        if c.take("as"):
            self.source = self._literal(c)
            if c.take(","):
                c.string()
        elif c.take("language"):
            token = c.peek()
            if token is not None and token.kind == "string":
                told = self._literal(c)
                self.language = UNKNOWN if told is None else told
            else:
                self.language = c.name()
        elif c.take("set"):
            self._set(c)
        elif c.take("reset"):
            c.path()
        elif c.take("transform"):
            c.listed(lambda: self._type(c))
        elif c.take_one("parallel", "support"):
            c.path()
        elif c.take_one("cost", "rows"):
            c.number()
        else:  # IMMUTABLE, SECURITY DEFINER …: words that take no value
            c.any()

    def _literal(self, c: Cursor) -> str | None:
        token = c.peek()
        c.string()
        return literal_value(token, standard_conforming_strings=self.scs) if token is not None else None

    def _type(self, c: Cursor) -> None:
        c.need("for", "type")
        type_name(c)

    def _set(self, c: Cursor) -> None:
        """``SET name TO value, …`` and ``SET name FROM CURRENT``; TIME ZONE, SCHEMA, ROLE … and their value."""
        self.sets_path |= c.path().name in PATHS
        if c.take("to") or c.take("="):
            c.listed(lambda: _value(c))
        elif not c.take("from", "current"):
            c.take_one("zone", "option", "authorization", "snapshot")
            _value(c)


def _value(c: Cursor) -> None:
    if not c.take("-"):
        c.take("+")
    c.any()


def set_off(statement: Statement) -> Name | None:
    """The function of a CREATE TRIGGER or CREATE EVENT TRIGGER, as it is written; None of any other statement."""
    if not (isinstance(statement.node, Other) and statement.node.kind in ("CREATE TRIGGER", "CREATE EVENT TRIGGER")):
        return None
    try:
        c = Cursor(lex(statement.sql))
        while c.skip_to("execute"):
            c.any()
            if c.take_one("function", "procedure"):
                return c.path()
    except (LexError, NotRead):
        pass
    return None

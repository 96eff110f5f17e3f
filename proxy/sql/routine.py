"""What CREATE FUNCTION and CREATE PROCEDURE say of the routine that they make, as far as it matters to who calls it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from proxy.sql.body import literal_value
from proxy.sql.calls import calls
from proxy.sql.cursor import Cursor, NotRead
from proxy.sql.lexer import LexError, Token, lex
from proxy.sql.statements import FunctionCall, Name, Other, Statement

Kind = Literal["function", "procedure"]
KINDS: dict[str, Kind] = {"CREATE FUNCTION": "function", "CREATE PROCEDURE": "procedure"}


@dataclass(frozen=True, slots=True)
class Created:
    """``source`` is its body as pg_proc.prosrc will hold it: empty for BEGIN ATOMIC and RETURN, None if it is not told here."""

    kind: Kind
    name: Name
    language: str
    source: str | None
    sets_path: bool  # it may have a search_path of its own
    called: tuple[FunctionCall, ...] = ()  # by BEGIN ATOMIC and RETURN; what else it calls the source tells


def makes(statement: Statement) -> bool:
    """Whether there is any."""
    return any(isinstance(one.node, Other) and one.node.kind in KINDS for one in (statement, *statement.inner))


def created(statement: Statement, *, standard_conforming_strings: bool = True) -> Iterator[Created]:
    """The routines that a statement makes, those in a DO block included."""
    for one in (statement, *statement.inner):
        if isinstance(one.node, Other) and (kind := KINDS.get(one.node.kind)) is not None:
            yield _created(one, kind, standard_conforming_strings)


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
    behind = c.i
    options = list(_outside(c))
    language = _language(_behind(options, "language"))
    sets_path = any(token.value == "search_path" for token in options)
    body = _behind(options, "as")
    if body is None:
        return Created(kind, name, language, "", sets_path, calls(c.tokens[behind:]))
    return Created(kind, name, language, literal_value(body, standard_conforming_strings=scs), sets_path)


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


def _outside(c: Cursor) -> Iterator[Token]:
    """What is left, without what stands in brackets."""
    while not c.done:
        if c.at("(") or c.at("["):
            c.group()
            continue
        yield c.tokens[c.i]
        c.any()


def _behind(options: list[Token], word: str) -> Token | None:
    """The value of AS, which is a string, or of LANGUAGE, of which the last counts: a type may have that name."""
    found = None
    for before, token in pairwise(options):
        if before.value == word and before.kind == "word":
            if word == "as" and token.kind == "string":
                return token
            if word != "as" and token.kind in ("word", "quoted", "string"):
                found = token
    return found


def _language(token: Token | None) -> str:
    if token is None:
        return "sql"
    return token.value.strip("'") if token.kind == "string" else token.value

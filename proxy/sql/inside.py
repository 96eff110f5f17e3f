"""Statements, and the statements that they run: a DO block's or a routine's, and those of an EXECUTE of a constant in it.

Functions, rules and views only keep what stands in them.  The elements of a CREATE SCHEMA are all of the new schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

from proxy.sql.body import Body, open_literal
from proxy.sql.calls import calls
from proxy.sql.cursor import Cursor, NotRead
from proxy.sql.grammar import statement
from proxy.sql.lexer import Comment, LexError, Token, scan
from proxy.sql.plpgsql import PATH, pieces
from proxy.sql.split import Run, split
from proxy.sql.statements import FunctionCall, Node, Opaque, Other, Query, SetVariable, Span, Statement, Unreadable

UNREAD = "a body that cannot be read"
DEEPEST = 4  # bodies in bodies: each is lexed again
ROOM = 50_000_000  # code points of text, over all literals that have to be laid out anew


@dataclass(slots=True)
class Reader:
    """``depth`` bodies are around; ``said`` are the comments in them, ``called`` the functions.

    ``room`` is used up by literals with escapes, so that many of them cannot take all memory.
    """

    standard_conforming_strings: bool
    depth: int = 0
    room: int = ROOM
    said: list[str] = field(default_factory=list)
    called: list[FunctionCall] = field(default_factory=list)

    def statements(self, body: Body) -> Iterator[Statement]:
        comments = list(body.comments[::-1])
        for run in split(body.tokens, body.end):
            yield self.statement(body.text, run, comments)

    def statement(self, text: str, run: Run, comments: list[Comment]) -> Statement:
        """``comments``, last first, are those from here on; the statement's own are taken off them."""
        own = []
        while comments and comments[-1].start < run.stop:
            own.append(comments.pop().body)
        found = Statement(text, Span(run.tokens[0].start, run.tokens[-1].end), _node(run), tuple(own))
        if not (isinstance(found.node, Other) and found.node.kind == "DO"):
            return found
        said, called = len(self.said), len(self.called)
        inner = gathered(self._do(found, run.tokens))
        comments_inside = tuple(self.said[said:])
        return replace(
            found, comments=found.comments + comments_inside, inner=inner, called=_once(self.called[called:])
        )

    def _do(self, do: Statement, tokens: Sequence[Token]) -> Iterator[Statement]:
        """What ``DO [LANGUAGE name] 'body'`` runs."""
        language, literal = _options(tokens)
        if language != "plpgsql":
            yield _opaque(do, do.span, f"a body in {language}")
            return
        body = self._opened(do.text, literal) if literal is not None else None
        if body is None:
            yield _opaque(do, do.span, UNREAD)
        else:
            yield from self.plpgsql(do, body)

    def plpgsql(self, around: Statement, body: Body) -> Iterator[Statement]:
        """What a body in PL/pgSQL runs; ``around`` is the statement that it belongs to."""
        if not body.tokens:
            yield _opaque(around, around.span, UNREAD)
            return
        try:
            found = pieces(body.tokens)
        except NotRead as error:
            yield _unread(around, "a body", error.at, error.expected)
            return
        self.depth += 1
        for piece in found:
            part = body.tokens[piece.first : piece.end]
            match piece.kind:
                case "statement":
                    run = Run(list(part), body.tokens[piece.end].start, balanced=True)
                    yield from run_by(self.statement(body.text, run, []))
                case "execute":
                    yield from self._execute(replace(around, text=body.text), part)
                case "path":
                    yield _path(body.text, Span(part[0].start, part[0].end))
        self.depth -= 1

    def _execute(self, do: Statement, expression: Sequence[Token]) -> Iterator[Statement]:
        """What an EXECUTE of a constant runs: all statements in it."""
        literal = _constant(expression)
        body = self._opened(do.text, literal) if literal is not None else None
        if body is None:
            span = Span(expression[0].start, expression[-1].end)
            yield _opaque(do, span, "EXECUTE of a string that is put together when it runs")
            return
        self.depth += 1
        for found in self.statements(body):  # its comments are kept already
            yield from run_by(found)
        self.depth -= 1

    def _opened(self, text: str, literal: Token) -> Body | None:
        if self.depth >= DEEPEST or self.room < len(text):
            return None
        body = open_literal(text, literal, standard_conforming_strings=self.standard_conforming_strings)
        if body is not None:
            self.said += [comment.body for comment in body.comments]
            self.called += calls(body.tokens)
            self.room -= len(text) if body.text is not text else 0
        return body


def _node(run: Run) -> Node:
    if not run.balanced:
        return Unreadable(run.tokens[-1].end, "matching brackets")
    bad = next((token for token in run.tokens if token.kind == "bad"), None)
    if bad is not None:
        return Unreadable(bad.start, "a character that SQL has")
    cursor = Cursor(run.tokens)
    try:
        node = statement(cursor)
        cursor.need_end()
    except NotRead as error:
        return Unreadable(error.at, error.expected)
    return node


def _options(tokens: Sequence[Token]) -> tuple[str, Token | None]:
    """The language of a DO, and its body if there is one and no more."""
    c = Cursor(tokens)
    c.need("do")
    language, bodies = "plpgsql", []
    while (token := c.peek()) is not None:
        if c.take("language") and (token := c.peek()) is not None:
            language = token.value.strip("'") if token.kind == "string" else token.value
        else:
            bodies.append(token)
        c.any()
    alone = len(bodies) == 1 and bodies[0].kind == "string"
    return language, bodies[0] if alone else None


def _constant(expression: Sequence[Token]) -> Token | None:
    """The literal that an expression is, perhaps as format() of nothing but it."""
    c = Cursor(expression)
    formats = c.take("format", "(")
    literal = c.peek()
    if literal is None or literal.kind != "string" or (formats and "%" in literal.value):
        return None
    c.any()
    return literal if (not formats or c.take(")")) and c.done else None


def run_by(found: Statement) -> Iterator[Statement]:
    """A statement in a body: of another block what that runs, of a query nothing."""
    match found.node:
        case Other(kind="DO"):
            yield from found.inner
        case Unreadable(at=at, expected=expected):
            yield _unread(found, "a statement", at, expected)
        case Query():
            if moves_path(found):
                yield _path(found.text, found.span)
        case _:
            yield found


def moves_path(found: Statement) -> bool:
    """Whether a query may call set_config(), and so change what names mean from there on."""
    return isinstance(found.node, Query) and PATH in found.sql.lower()


def _path(text: str, span: Span) -> Statement:
    return Statement(text, span, SetVariable("search_path"))


def _opaque(around: Statement, span: Span, why: str) -> Statement:
    return Statement(around.text, span, Opaque(why))


def _unread(around: Statement, what: str, at: int, expected: str) -> Statement:
    line = around.text.count("\n", 0, at) + 1
    column = at - around.text.rfind("\n", 0, at)
    why = f"{what} that cannot be read at line {line}, column {column}: expected {expected}"
    return _opaque(around, Span(at, min(at + 1, len(around.text))), why)


def gathered(inner: Iterable[Statement]) -> tuple[Statement, ...]:
    """The same, with one Opaque for all of them, in the place of the first."""
    found = list(inner)
    opaque = [one.node for one in found if isinstance(one.node, Opaque)]
    others = sum(1 + node.others for node in opaque) - 1
    kept: list[Statement] = []
    first = True
    for one in found:
        if not isinstance(one.node, Opaque):
            kept.append(one)
        elif first:
            first = False
            kept.append(replace(one, node=replace(one.node, others=others)))
    return tuple(kept)


def _once(found: Iterable[FunctionCall]) -> tuple[FunctionCall, ...]:
    """Each function once for each number of arguments."""
    return tuple({(call.name.parts, call.arguments): call for call in found}.values())


# ---------------------------------------------------------------- routines


class Ran(NamedTuple):
    """What a routine runs: as a DO block's ``inner`` and ``called``, and the comments in it."""

    inner: tuple[Statement, ...]
    called: tuple[FunctionCall, ...]
    comments: tuple[str, ...]


@lru_cache(maxsize=256)
def run_by_routine(source: str, language: str, standard_conforming_strings: bool = True) -> Ran:
    """What a routine runs whose body is ``source`` (pg_proc.prosrc), in PL/pgSQL or SQL."""
    reader = Reader(standard_conforming_strings)
    around = Statement(source, Span(0, len(source)), Other(f"a body in {language}"))
    try:
        lexed = scan(source, standard_conforming_strings=standard_conforming_strings)
    except LexError as error:
        return Ran((_unread(around, "a body", error.position, f"the end of the {error.what}"),), (), ())
    body = Body(source, lexed.tokens, lexed.comments, len(source))
    if language == "plpgsql":
        reader.called += calls(body.tokens)
        reader.said += [comment.body for comment in body.comments]
        inner = gathered(reader.plpgsql(around, body))
    else:
        statements = tuple(reader.statements(body))
        reader.called += calls(body.tokens)
        reader.said += [comment.body for comment in body.comments]
        inner = gathered(one for found in statements for one in run_by(found))
    return Ran(inner, _once(reader.called), tuple(reader.said))

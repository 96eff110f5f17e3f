"""Statements, and the statements that they run: a DO block's, and those of an EXECUTE of a constant in it.

Functions, rules and views only keep what stands in them.  The elements of a CREATE SCHEMA are all of the new schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from proxy.sql.body import Body, open_literal
from proxy.sql.cursor import Cursor, NotRead
from proxy.sql.grammar import statement
from proxy.sql.lexer import Comment, Token
from proxy.sql.plpgsql import pieces
from proxy.sql.split import Run, split
from proxy.sql.statements import Node, Opaque, Other, Query, SetVariable, Span, Statement, Unreadable

DEEPEST = 4  # bodies in bodies: each is lexed again
ROOM = 50_000_000  # code points of text, over all literals that have to be laid out anew


@dataclass(slots=True)
class Reader:
    """``depth`` bodies are around; ``said`` are the comments in them.

    ``room`` is used up by literals with escapes, so that many of them cannot take all memory.
    """

    standard_conforming_strings: bool
    depth: int = 0
    room: int = ROOM
    said: list[str] = field(default_factory=list)

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
        before = len(self.said)
        inner = tuple(_gathered(self._do(found, run.tokens)))
        return replace(found, comments=found.comments + tuple(self.said[before:]), inner=inner)

    def _do(self, do: Statement, tokens: Sequence[Token]) -> Iterator[Statement]:
        """What ``DO [LANGUAGE name] 'body'`` runs."""
        language, literal = _options(tokens)
        if language != "plpgsql":
            yield _opaque(do, do.span, f"a body in {language}")
            return
        body = self._opened(do.text, literal) if literal is not None else None
        if body is None or not body.tokens:
            yield _opaque(do, do.span, "a body that cannot be read")
            return
        try:
            found = pieces(body.tokens)
        except NotRead as error:
            yield _unread(do, "a body", error.at, error.expected)
            return
        self.depth += 1
        for piece in found:
            part = body.tokens[piece.first : piece.end]
            match piece.kind:
                case "statement":
                    run = Run(list(part), body.tokens[piece.end].start, balanced=True)
                    yield from _run_by(self.statement(body.text, run, []))
                case "execute":
                    yield from self._execute(replace(do, text=body.text), part)
                case "path":
                    yield Statement(body.text, Span(part[0].start, part[0].end), SetVariable("search_path"))
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
            yield from _run_by(found)
        self.depth -= 1

    def _opened(self, text: str, literal: Token) -> Body | None:
        if self.depth >= DEEPEST or self.room < len(text):
            return None
        body = open_literal(text, literal, standard_conforming_strings=self.standard_conforming_strings)
        if body is not None:
            self.said += [comment.body for comment in body.comments]
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


def _run_by(found: Statement) -> Iterator[Statement]:
    """A statement in a body: of another block what that runs, of a query nothing."""
    match found.node:
        case Other(kind="DO"):
            yield from found.inner
        case Unreadable(at=at, expected=expected):
            yield _unread(found, "a statement", at, expected)
        case Query():
            pass
        case _:
            yield found


def _opaque(around: Statement, span: Span, why: str) -> Statement:
    return Statement(around.text, span, Opaque(why))


def _unread(around: Statement, what: str, at: int, expected: str) -> Statement:
    line = around.text.count("\n", 0, at) + 1
    column = at - around.text.rfind("\n", 0, at)
    why = f"{what} that cannot be read at line {line}, column {column}: expected {expected}"
    return _opaque(around, Span(at, min(at + 1, len(around.text))), why)


def _gathered(inner: Iterable[Statement]) -> Iterator[Statement]:
    """The same, with one Opaque for all of them, in the place of the first."""
    found = list(inner)
    opaque = [one.node for one in found if isinstance(one.node, Opaque)]
    others = sum(1 + node.others for node in opaque) - 1
    first = True
    for one in found:
        if not isinstance(one.node, Opaque):
            yield one
        elif first:
            first = False
            yield replace(one, node=replace(one.node, others=others))

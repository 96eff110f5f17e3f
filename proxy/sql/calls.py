"""Calls of functions and procedures, as tokens tell them: a name with an opening bracket behind it.

A call without brackets (an operator, a cast, a column that is a function's name) is not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.sql.cursor import NAMES, Cursor, NotRead
from proxy.sql.lexer import LexError, Token, lex
from proxy.sql.statements import Call, CreateTableAs, Explain, FunctionCall, Name, Node, Other, Query, Statement

# Words with parentheses after them that are no function's name unless quoted (reserved, or col_name_keyword).
KEYWORDS = frozenset(
    {
        "all", "and", "any", "array", "as", "between", "case", "cast", "check", "coalesce", "collate", "current_date", "current_time",
        "current_timestamp", "distinct", "else", "exists", "extract", "from", "greatest", "grouping", "in", "json_array", "json_object",
        "json_scalar", "least", "localtime", "localtimestamp", "normalize", "not", "nullif", "on", "or", "position", "row", "some",
        "then", "treat", "trim", "values", "variadic", "when", "xmlconcat", "xmlelement", "xmlexists", "xmlforest",
        "xmlparse", "xmlpi", "xmlroot", "xmlserialize",
    }
)  # fmt: skip
NAME = Token("quoted", "", 0, 0)  # any
OPENING, CLOSING = frozenset({"(", "["}), frozenset({")", "]"})
QUERYING = frozenset({"CALL", "COPY", "DECLARE CURSOR", "PREPARE"})  # utility statements that run, or keep, a query


def call(c: Cursor) -> Call:
    """``CALL name (arguments)``"""
    c.need("call")
    name = c.path()
    opened = c.i
    c.need_group()
    return Call(name, calls([NAME, *c.tokens[opened : c.i]])[0].arguments)


def calls(tokens: Sequence[Token]) -> tuple[FunctionCall, ...]:
    """What looks like a call of a function, in order."""
    found: dict[int, FunctionCall] = {}
    around = [_Brackets(-1, None)]
    for i, token in enumerate(tokens):
        inner = around[-1]
        if token.kind == "op":
            if token.value in OPENING:
                around.append(_Brackets(i, _name(tokens, i) if token.value == "(" else None))
            elif token.value in CLOSING and len(around) > 1:
                around.pop()
                if inner.name is not None:
                    found[inner.at] = FunctionCall(inner.name, inner.arguments(tokens, i))
            elif token.value == "," and not inner.sorted:
                inner.commas += 1
        elif token.value == "order" and token.kind == "word" and tokens[i - 1].value != ".":
            inner.sorted = True
    for left in around:
        if left.name is not None:
            found[left.at] = FunctionCall(left.name, left.arguments(tokens, len(tokens)))
    return tuple(found[at] for at in sorted(found))


@dataclass(slots=True)
class _Brackets:
    at: int  # the opening token
    name: Name | None  # what stands in front of it
    commas: int = 0
    sorted: bool = False  # ORDER BY has come, the commas behind which separate no arguments

    def arguments(self, tokens: Sequence[Token], end: int) -> int:
        only = tokens[self.at + 1] if end == self.at + 2 else None
        star = only is not None and (only.kind, only.value) == ("op", "*")
        return 0 if end == self.at + 1 or star else self.commas + 1


def _name(tokens: Sequence[Token], end: int) -> Name | None:
    """The name that ends in front of the token ``end``."""
    first = _part(tokens, end)
    if first == end or (tokens[first].kind == "word" and tokens[first].value in KEYWORDS):
        return None
    while first >= 2 and tokens[first - 1].value == "." and _part(tokens, first - 1) < first - 1:
        first = _part(tokens, first - 1)
    try:
        return Cursor(tokens[first:end]).path()
    except NotRead:  # an escape of no character: Postgres refuses it too
        return None


def _part(tokens: Sequence[Token], end: int) -> int:
    """Where the name begins that ends in front of the token ``end``; ``end`` if there is none."""
    if end >= 1 and tokens[end - 1].kind in NAMES:
        return end - 1
    escaped = end >= 3 and tokens[end - 1].kind == "string" and tokens[end - 2].value == "uescape"
    return end - 3 if escaped and tokens[end - 3].kind == "uquoted" else end


def called(statement: Statement, *, standard_conforming_strings: bool = True) -> tuple[FunctionCall, ...]:
    """The functions that a statement calls when it runs, as far as its text names them."""
    if statement.called or not runs_a_query(statement.node):
        return statement.called
    try:
        tokens = lex(statement.sql, standard_conforming_strings=standard_conforming_strings)
    except LexError:  # it was read with the other setting
        return ()
    shift = statement.span.start
    found = calls([token._replace(start=token.start + shift, end=token.end + shift) for token in tokens])
    return found[1:] if isinstance(statement.node, Call) else found  # the first is the procedure itself


def runs_a_query(node: Node) -> bool:
    match node:
        case Query() | CreateTableAs() | Call():
            return True
        case Explain(target=target, analyze=analyze):
            return analyze and runs_a_query(target)
        case Other(kind=kind):
            return kind in QUERYING
        case _:
            return False


def only_calls(tokens: Sequence[Token]) -> bool:
    """Whether it is a SELECT that reads no relation, and calls something: ``SELECT f()``, ``SELECT * FROM f()``."""
    c = Cursor(tokens)
    if not c.take("select"):
        return False
    if c.skip_to("from"):
        c.any()
        c.take_one("lateral")
        try:
            c.path()
        except NotRead:
            return False
        if not c.at("("):
            return False
    return bool(calls(tokens))

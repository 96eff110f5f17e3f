"""Which tokens belong to which statement: cut at the semicolons at which Postgres's grammar cuts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from proxy.sql.lexer import Token


class Run(NamedTuple):
    """The tokens of one statement, never none, without the semicolon.

    ``stop`` is the offset of that semicolon, or of the end of the text.  Unless ``balanced``, brackets
    are not closed: Postgres refuses the whole text.
    """

    tokens: list[Token]
    stop: int
    balanced: bool


def split(tokens: Sequence[Token], size: int) -> Iterator[Run]:
    """The runs of a text of ``size`` code points, cut at semicolons outside brackets and BEGIN ATOMIC bodies.

    A bracket too many closes nothing, so that it cannot hide the statements after it.
    """
    run: list[Token] = []
    depth, atomic, balanced = 0, False, True
    for token in tokens:
        if token.kind == "op":
            if token.value == ";" and depth == 0 and not atomic:
                if run:
                    yield Run(run, token.start, balanced)
                run, balanced = [], True
                continue
            if token.value in ("(", "["):
                depth += 1
            elif token.value in (")", "]"):
                balanced = balanced and depth > 0
                depth = max(depth - 1, 0)
        elif token.kind == "word" and depth == 0 and run:
            if atomic:
                atomic = not (token.value == "end" and (run[-1].value in (";", "atomic") and run[-1].kind != "quoted"))
            elif token.value == "atomic" and run[-1].value == "begin" and run[-1].kind == "word":
                atomic = _creates_routine(run)
        run.append(token)
    if run:
        yield Run(run, size, balanced and depth == 0)


def _creates_routine(run: list[Token]) -> bool:
    """CREATE [OR REPLACE] FUNCTION | PROCEDURE: nothing else has a body of statements."""
    head = [token.value for token in run[:4] if token.kind == "word"]
    return head[:1] == ["create"] and ("function" in head[1:4] or "procedure" in head[1:4])

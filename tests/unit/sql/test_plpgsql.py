"""The reader of PL/pgSQL bodies, held against PL/pgSQL's own parser (in libpg_query): the same SQL in each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pglast.parser import ParseError, parse_plpgsql_json

from proxy.sql.body import Body, open_literal
from proxy.sql.cursor import NotRead
from proxy.sql.lexer import Token, lex
from proxy.sql.plpgsql import PATH, pieces

Tokens = list[tuple[str, str]]
TEXTS = [
    part.partition("\n")[2] for part in ("\n" + (Path(__file__).parent / "corpus/bodies.sql").read_text()).split("\n-- ")[1:]
]  # fmt: skip
QUERIES = ("select", "insert", "update", "delete", "merge", "with", "values", "table", "(")


def body_of(text: str) -> Body:
    literals = [token for token in lex(text) if token.kind == "string"]
    body = open_literal(text, literals[0], standard_conforming_strings=True)
    assert body is not None
    return body


def plain(tokens: list[Token]) -> Tokens:
    return [(token.kind, token.value) for token in tokens]


def ours(body: Body) -> list[Tokens]:
    return sorted(plain(list(body.tokens[p.first : p.end])) for p in pieces(body.tokens) if p.kind != "path")


ENDS = {
    ("PLpgSQL_stmt_commit", False): "commit", ("PLpgSQL_stmt_commit", True): "commit and chain",
    ("PLpgSQL_stmt_rollback", False): "rollback", ("PLpgSQL_stmt_rollback", True): "rollback and chain",
}  # fmt: skip


def theirs(text: str) -> list[Tokens]:
    """What the other parser takes for SQL to be run, queries left out.  Raises ParseError."""
    return sorted(plain(lex(sql)) for sql in _sql(json.loads(parse_plpgsql_json(text))))


def _sql(tree: Any) -> Iterator[str]:
    match tree:
        case list():
            for below in tree:
                yield from _sql(below)
        case dict():
            for name, below in tree.items():
                match name, below:
                    case "PLpgSQL_stmt_execsql", {"sqlstmt": {"PLpgSQL_expr": {"query": sql}}}:
                        first = lex(sql)[0]
                        if first.value not in QUERIES or first.kind not in ("word", "op"):
                            yield sql
                    case "PLpgSQL_stmt_call", {"expr": {"PLpgSQL_expr": {"query": sql}}}:
                        yield sql
                    case "PLpgSQL_stmt_dynexecute", {"query": {"PLpgSQL_expr": {"query": sql}}}:
                        yield sql
                    case "PLpgSQL_stmt_return_query", {"dynquery": {"PLpgSQL_expr": {"query": sql}}}:
                        yield sql
                    case "PLpgSQL_stmt_commit" | "PLpgSQL_stmt_rollback", _:
                        yield ENDS[name, below.get("chain", False)]
                yield from _sql(below)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_the_same_sql_is_found(text: str) -> None:
    assert ours(body_of(text)) == theirs(text)


def test_the_corpus_holds_every_kind_of_statement() -> None:
    words = {token.value for text in TEXTS for token in body_of(text).tokens if token.kind == "word"}
    assert words >= {
        "foreach",
        "while",
        "case",
        "exception",
        "declare",
        "execute",
        "open",
        "diagnostics",
        "elsif",
        "reverse",
    }
    assert sum(len(theirs(text)) for text in TEXTS) > 15


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(TEXTS), st.data())
def test_what_the_other_parser_accepts_is_read_alike(text: str, data: st.DataObject) -> None:
    """Of a body with a token left out, doubled or put elsewhere, what PL/pgSQL accepts holds the same SQL, or is not read."""
    body = body_of(text)
    tokens = list(body.tokens)
    words = [body.text[token.start : token.end] for token in tokens]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(words) - 1))
        match data.draw(st.sampled_from(["drop", "double", "move"])):
            case "drop":
                del words[at]
            case "double":
                words.insert(at, words[at])
            case _:
                words.insert(data.draw(st.integers(0, len(words) - 1)), words.pop(at))
    mutant = "CREATE FUNCTION f(a int) RETURNS SETOF int LANGUAGE plpgsql AS $mutant$ " + " ".join(words) + " $mutant$"
    try:
        expected = theirs(mutant)
    except (ParseError, ValueError):
        return
    try:
        found = ours(body_of(mutant))
    except NotRead:
        return
    if not any(
        ("word", "into") in tokens for tokens in found
    ):  # PL/pgSQL takes it out, and then refuses what is no query
        assert found == expected


def test_a_call_that_moves_the_path_is_told() -> None:
    found = pieces(lex(f"BEGIN PERFORM pg_catalog.{PATH}('search_path', 'x', false); END"))
    assert [piece.kind for piece in found] == ["path"]

"""What stands inside a statement, read by sqlglot where it reads as Postgres does.

sqlglot's tokenizer disagrees with Postgres on some texts, so that its tree counts only if every
literal, name and word stands at the same place for both.  Importing it takes a tenth of a second, so
that is left until it is needed.
"""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from proxy.sql.lexer import LexError, Token, lex

if TYPE_CHECKING:
    from sqlglot import exp

DEEPEST = 200  # nested brackets; sqlglot recurses, and its compiled form would end the process
SOLID = ("string", "quoted", "uquoted", "word")
LITERALS = ("STRING", "BYTE_STRING", "HEREDOC_STRING", "IDENTIFIER", "UNICODE_STRING", "NATIONAL_STRING", "RAW_STRING")


def parse_expression(text: str) -> exp.Expr | None:
    """sqlglot's tree of an expression; None if it has none or if the two readings differ."""
    from sqlglot import exp
    from sqlglot.dialects.postgres import Postgres
    from sqlglot.errors import SqlglotError

    try:
        ours = lex(text)
        if _depth(ours) > DEEPEST:
            return None
        dialect = Postgres()
        theirs = dialect.tokenize(text)
        spans = [(t.start, t.end + 1, t.token_type.name in LITERALS) for t in theirs]
        if not _agree(ours, spans, text):
            return None
        trees = dialect.parser().parse(theirs, text)
    except (LexError, SqlglotError, ValueError, TypeError, RecursionError):
        return None
    if len(trees) != 1 or trees[0] is None or isinstance(trees[0], (exp.Command, exp.Alias)):
        return None
    return trees[0]


def _depth(tokens: list[Token]) -> int:
    deepest = depth = 0
    for token in tokens:
        if token.kind == "op":
            depth += (token.value in ("(", "[")) - (token.value in (")", "]"))
            deepest = max(deepest, depth)
    return deepest


def _agree(ours: list[Token], theirs: list[tuple[int, int, bool]], text: str) -> bool:
    """Whether each of their tokens has edges of ours, and each of our solid ones starts one of theirs.

    Their keywords may be several of our words (``TIMESTAMP WITH TIME ZONE``).
    """
    edges = {t.start for t in ours} | {t.end for t in ours}
    if not all(start in edges and end in edges for start, end, _ in theirs):
        return False
    starts = {start for start, _, _ in theirs}
    phrases = [(start, end) for start, end, literal in theirs if not literal and " " in text[start:end]]
    solid = (t.start for t in ours if t.kind in SOLID)
    return all(at in starts or any(start <= at < end for start, end in phrases) for at in solid)


def mentioned_columns(text: str, columns: Container[str]) -> tuple[str, ...] | None:
    """Which of a table's columns an expression over it mentions, each once; None if that cannot be told."""
    from sqlglot import exp

    tree = parse_expression(text)
    if tree is None or tree.find(exp.Query) is not None:
        return None
    found: dict[str, None] = {}
    for column in tree.find_all(exp.Column):
        name = column.this
        if not isinstance(name, exp.Identifier) or column.args.get("db"):
            return None  # a star, or a field of a composite column
        found[name.name if name.quoted else name.name.lower()] = None
    if not all(name in columns for name in found):
        return None
    return tuple(found)


def proves_not_null(check_definition: str, column: str) -> bool:
    """Whether a valid CHECK, as pg_get_constraintdef prints it, implies that ``column`` IS NOT NULL.

    It does if it is ``column IS NOT NULL``, or a conjunction with that in it; nothing else counts, and
    False when unsure.  (Of a composite type the server would still scan: there IS NOT NULL says more.)
    """
    try:
        tokens = lex(check_definition)
    except LexError:
        return False
    if not (tokens and tokens[0].kind == "word" and tokens[0].value == "check"):
        return False
    pairs = _pairs(tokens)
    close = pairs.get(1)
    if close is None:
        return False
    after = [t.value for t in tokens[close + 1 :]]
    if after not in ([], ["no", "inherit"]):  # NOT VALID and NOT ENFORCED prove nothing
        return False
    waiting = [(2, close)]
    while waiting:
        first, end = waiting.pop()
        if end - first == 4 and _is_not_null(tokens[first:end], column):
            return True
        waiting += _conjuncts(tokens, first, end, pairs)
    return False


def _pairs(tokens: list[Token]) -> dict[int, int]:
    """The index of the bracket that closes each opening one."""
    opened, pairs = [], {}
    for i, token in enumerate(tokens):
        if token.kind == "op":
            if token.value in ("(", "["):
                opened.append(i)
            elif token.value in (")", "]") and opened:
                pairs[opened.pop()] = i
    return pairs


def _is_not_null(tokens: list[Token], column: str) -> bool:
    if not tokens or tokens[0].kind not in ("word", "quoted") or tokens[0].value != column:
        return False
    return [(t.kind, t.value) for t in tokens[1:]] == [("word", "is"), ("word", "not"), ("word", "null")]


def _conjuncts(tokens: list[Token], first: int, end: int, pairs: dict[int, int]) -> list[tuple[int, int]]:
    """The insides of ``(…)`` or ``(…) AND (…) …``, as index ranges; none if it is something else."""
    found, i = [], first
    while i in pairs and tokens[i].value == "(":
        found.append((i + 1, pairs[i]))
        i = pairs[i] + 1
        if i == end:
            return found
        if tokens[i].kind != "word" or tokens[i].value != "and":
            break
        i += 1
    return []

"""What a migration tool fills in before it sends a text: ``${schema}``, ``{{ schema }}``, ``:schema``.

To Postgres they are no names, so a text is read with stand-ins of the same length, of characters that no SQL is written in; and what
is shown has the author's own words again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from proxy.sql.lexer import LexError, Token, lex

# Letters to the lexer; of two bytes for what placeholders have most, for a name ends at 63. U+0085 would end a line in Python.
_SPECIAL = [*"${}:", *map(chr, range(ord("A"), ord("Z") + 1))]
_CONTROLS = [chr(code) for code in range(0x80, 0xA0) if code != 0x85]
_STAND_INS = dict(zip(_SPECIAL, _CONTROLS, strict=False)) | {c: chr(0xE000 + ord(c)) for c in " .-|\"'\t"}
_AUTHORS = {stand_in: c for c, stand_in in _STAND_INS.items()}
_TO = str.maketrans(_STAND_INS)
_BACK = str.maketrans(_AUTHORS)


def stand_in(text: str) -> str:
    """``text`` with a name in the place of each placeholder outside literals, comments and quoted names."""
    try:
        tokens = lex(text)
    except LexError:
        return text
    pieces, at = [], 0
    for start, end in _placeholders(text, tokens):
        if start >= at:
            pieces += [text[at:start], text[start:end].translate(_TO)]
            at = end
    return "".join((*pieces, text[at:]))


def _placeholders(text: str, tokens: list[Token]) -> Iterator[tuple[int, int]]:
    brackets = 0
    for number, token in enumerate(tokens):
        if token.value in ("[", "]") and token.kind == "op":
            brackets += 1 if token.value == "[" else -1
        if token.kind == "bad" and token.value == "{":
            before = text[token.start - 1 : token.start]
            doubled = before == "{"
            end = text.find("}}" if doubled else "}", token.end)
            if (before in ("$", "{")) and end > 0 and _is_name(text[token.end : end]):
                yield token.start - 1, end + (2 if doubled else 1)
        # A slice has a colon, too, and so have casts and := .
        elif token.kind == "op" and token.value == ":" and not brackets:
            after = tokens[number + 1] if number + 1 < len(tokens) else None
            if after is not None and after.start == token.end and after.kind in ("word", "quoted", "string"):
                yield token.start, after.end


def _is_name(text: str) -> bool:
    return text.strip() != "" and all(c.isalnum() or c in "_.-:| \t" for c in text)


def restore(text: str) -> str:
    """What is shown, in the author's words; a name that only its stand-in made us quote is bare again."""
    if not any(c in _AUTHORS for c in text):
        return text
    pieces = text.split('"')
    bare = {n for n, piece in enumerate(pieces[1:-1], 1) if any(c in _AUTHORS for c in piece) and not _spaced(piece)}
    shown = [pieces[0]]
    for number, piece in enumerate(pieces[1:], 1):
        shown += [piece if {number, number - 1} & bare else '"' + piece]
    return "".join(shown).translate(_BACK)


def _spaced(text: str) -> bool:
    return any(c in " \t\n" for c in text)


def restored(value: Any) -> Any:
    """The same of every text in a value of JSON's types."""
    match value:
        case str():
            return restore(value)
        case list():
            return [restored(one) for one in value]
        case dict():
            return {key: restored(one) for key, one in value.items()}
    return value

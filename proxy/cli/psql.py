"""What psql takes for itself in a script: its own commands, and the data of COPY … FROM stdin."""

from __future__ import annotations

from proxy.sql.lexer import LexError, Token, lex
from proxy.sql.split import split

END_OF_DATA = "\\."


def server_part(text: str) -> str:
    """The text with psql's own lines (``\\set …``) and with COPY's data blank, every other character where it was.

    A line that begins with a backslash is psql's only outside of literals and comments; data begin on the line after
    the statement's semicolon.
    """
    if "\\" not in text and "stdin" not in text.casefold():
        return text
    lines = text.splitlines(keepends=True)
    pending = number = 0  # from ``pending`` on nothing is told apart yet
    while number < len(lines):
        line = lines[number]
        own = line.lstrip().startswith("\\")
        if own and _lexed(lines[pending:number]) is not None:
            words = line.casefold().split()
            copies = int(words[0] == "\\copy" and _from_stdin(words))
            lines[number] = _blank(line)
            pending = number + 1
        elif not own and ";" in line and (chunk := _lexed(lines[pending : number + 1])) is not None:
            tokens, size = chunk
            runs = list(split(tokens, size))
            copies = sum(_copies(run.tokens) for run in runs if run.stop < size)
            if all(run.stop < size for run in runs):
                pending = number + 1
        else:
            copies = 0
        number += 1
        for _ in range(copies):
            number = pending = _skip_data(lines, number)
    return "".join(lines)


def _skip_data(lines: list[str], number: int) -> int:
    """Blank the data that begin in that line, and the line that ends them; returns the number of the next one."""
    while number < len(lines):
        line = lines[number]
        lines[number] = _blank(line)
        number += 1
        if line.rstrip("\r\n") == END_OF_DATA:
            break
    return number


def _lexed(lines: list[str]) -> tuple[list[Token], int] | None:
    """The tokens of the lines and their length; None if they end inside a literal or a comment."""
    text = "".join(lines)
    try:
        return lex(text), len(text)
    except LexError:
        return None


def _copies(tokens: list[Token]) -> bool:
    words = [token.value for token in tokens if token.kind == "word"]
    return words[:1] == ["copy"] and _from_stdin(words)


def _from_stdin(words: list[str]) -> bool:
    return any(pair == ("from", "stdin") for pair in zip(words, (w.rstrip(";") for w in words[1:]), strict=False))


def _blank(line: str) -> str:
    end = line[len(line.rstrip("\r\n")) :]
    return " " * (len(line) - len(end)) + end

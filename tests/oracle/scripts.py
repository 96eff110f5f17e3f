"""A psql script as psql would send it: statements, without meta-commands and the data of COPY.

Independent of proxy.sql on purpose: what this cuts is what that is judged by.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Enough of psql's own scanner (psqlscan.l) to cut files into statements.
PIECE = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<line_comment>--[^\n]*)
    | (?P<block_comment>/\*)
    | (?P<estring>[eE]'(?:[^'\\]|\\.|'')*')
    | (?P<string>(?:[uU]&|[bBxXnN])?'(?:[^']|'')*')
    | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*")
    | (?P<dollar>\$(?:[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*)?\$)
    | (?P<meta>\\(?:;|[^\n]*))
    | (?P<word>[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*)
    | (?P<number>\d[\w.]*)
    | (?P<other>.)
    """,
    re.X | re.S,
)
SENDS = re.compile(r"\\(g|gx|gset|gexec|gdesc|crosstabview|watch|bind|parse|sendpipeline)\b")
COPY_DATA = re.compile(r"\s*copy\b.*\bfrom\s+stdin\b", re.I | re.S)
END_OF_DATA = re.compile(r"^\\\.\s*$", re.M)
RUST_STRINGS = (re.compile(r'r#"(.*?)"#', re.S), re.compile(r'\br"([^"]*)"'))


def texts(name: str, text: str) -> list[str]:
    """The scripts inside a file: one, unless it is a Rust test or a list of examples."""
    if name.endswith(".rs"):
        return [found for pattern in RUST_STRINGS for found in pattern.findall(text)]
    if "test_printers_roundtrip" in name:  # a blank line ends a statement
        return [re.sub(r";?\s*\n\n+", ";\n\n", text.split("\n=\n")[0])]
    return [text]


def statements(text: str) -> Iterator[str]:
    """Statements with their leading comments and closing semicolon."""
    out: list[str] = []
    words: list[str] = []
    position = brackets = atomic = 0
    while position < len(text):
        m = PIECE.match(text, position)
        assert m is not None  # the last alternative takes any character
        end = _end(text, m)
        took, position = text[m.start() : end], end
        sends = False
        if m.lastgroup == "meta":
            sends = SENDS.match(took) is not None
            if took != "\\;" and not sends:
                continue
            took = ";"
        out.append(took)
        if m.lastgroup == "word":
            words.append(took.lower())
            atomic += _opens_body(words, atomic)
        elif took == "(":
            brackets += 1
        elif took == ")":
            brackets = max(0, brackets - 1)
        elif sends or (took == ";" and m.lastgroup != "meta" and not (brackets or atomic)):
            chunk = "".join(out)
            yield chunk
            out, words, brackets, atomic = [], [], 0, 0
            if COPY_DATA.match(without_comments(chunk)):
                line = text.find("\n", position)
                data = END_OF_DATA.search(text, line if line >= 0 else position)
                position = data.end() if data else position
    if "".join(out).strip():
        yield "".join(out)


def _opens_body(words: list[str], depth: int) -> int:
    """By how much the newest word changes the depth of BEGIN ATOMIC … END."""
    routine = words[0] == "create" and any(word in ("function", "procedure") for word in words[1:4])
    if routine and (words[-1] == "begin" or (depth and words[-1] == "case")):
        return 1
    return -1 if depth and words[-1] == "end" else 0


def _end(text: str, m: re.Match[str]) -> int:
    """Where a piece really ends: comments nest, and a dollar quote ends at its tag."""
    match m.lastgroup:
        case "block_comment":
            depth = 0
            for edge in re.finditer(r"/\*|\*/", text[m.start() :]):
                depth += 1 if edge.group() == "/*" else -1
                if not depth:
                    return m.start() + edge.end()
            return len(text)
        case "dollar":
            close = text.find(m.group(), m.end())
            return len(text) if close < 0 else close + len(m.group())
        case _:
            return m.end()


def without_comments(sql: str) -> str:
    out, position = [], 0
    while position < len(sql):
        m = PIECE.match(sql, position)
        assert m is not None
        position = _end(sql, m)
        if m.lastgroup not in ("block_comment", "line_comment"):
            out.append(m.group())
    return "".join(out)

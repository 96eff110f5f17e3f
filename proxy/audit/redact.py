"""SQL without its secrets, by tokens: what the server reads as a password is what is left out here.

A secret is the value after a word such as PASSWORD (``PASSWORD 'x'``, ``OPTIONS (password 'x')``,
``SET my.password = 'x'``), a connection string, and anything inside a literal or a function's body that has one of
these.  Where it cannot be told which part of a literal is the secret, the whole literal goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxy.sql.lexer import LexError, Token, lex, unescape
from proxy.sql.names import fold

STRING = "'…'"
NUMBER = "0"
COMMENT = "/* … */"
SECRET = (
    "password", "passwd", "pwd", "passphrase", "passfile", "secret", "token", "credential", "apikey", "api_key", "access_key"
)  # fmt: skip
CONNECTION = ("connection", "conninfo")  # the string after one of these is a connection string
COMMAND = ("program", "command")  # … of the shell's, where curl has its -u: COPY … PROGRAM, archive_command
SETTABLE = frozenset(
    {"system", "role", "user", "database", "function", "procedure", "routine"}
)  # ALTER … SET name = value
JOINTS = frozenset({"=", "to", ":=", "=>"})  # may stand between a name and its value
DEEPEST = 3  # bodies within bodies that are looked into; below that a body with a secret's name in it goes whole

Cut = tuple[int, int, str]  # start, end, what stands there instead


def redact(sql: str, *, literals: bool, standard_conforming_strings: bool = True) -> str:
    """``sql`` with every secret as ``'…'``; with ``literals`` every literal, number and comment is left out too.

    Comments that speak to Interlock stay.  Text that the lexer refuses becomes its first keyword and its length.
    """
    return _redact(sql, literals, standard_conforming_strings, 0)


def redact_body(source: str, *, literals: bool, standard_conforming_strings: bool = True) -> str:
    """The same of a function's body."""
    for _, _, clean in _body(0, source, standard_conforming_strings, 0):
        source = clean
    return _redact(source, literals, standard_conforming_strings, 0) if literals else source


def redact_line(line: str) -> str:
    """A line for people that may quote SQL, without its secrets; where it cannot be read as SQL, up to the first."""
    folded = fold(line)
    if not (is_secret(folded) or has_userinfo(line) or any(word in folded for word in (*CONNECTION, *COMMAND))):
        return line
    try:
        lex(line)
    except LexError:
        marks = (*SECRET, *CONNECTION, *COMMAND, "://")
        return f"{line[: min(at for mark in marks if (at := folded.find(mark)) >= 0)]}…"
    return _redact(line, False, True, 0)


def _redact(sql: str, literals: bool, scs: bool, depth: int) -> str:
    try:
        tokens = lex(sql, standard_conforming_strings=scs)
    except LexError:
        return _unreadable(sql)
    cuts = {cut[0]: cut for cut in _secrets(sql, tokens, scs, depth)}
    if literals:
        for token in tokens:
            if token.kind in ("string", "number"):
                cuts.setdefault(token.start, (token.start, token.end, STRING if token.kind == "string" else NUMBER))
    if cuts or literals:
        cuts |= {cut[0]: cut for cut in _comments(sql, tokens)}
    parts, position = [], 0
    for start, end, instead in sorted(cuts.values()):
        parts += [sql[position:start], instead]
        position = end
    return "".join([*parts, sql[position:]])


def _unreadable(sql: str) -> str:
    word = next(iter(sql.split(None, 1)), "")
    word = word if word.isascii() and word.isalpha() else ""
    return (
        f"{word} … ({len(sql)} characters that cannot be read)"
        if word
        else f"… ({len(sql)} characters that cannot be read)"
    )


def _secrets(sql: str, tokens: Sequence[Token], scs: bool, depth: int) -> Iterator[Cut]:
    # Where no such word stands in the text, it stands in no name either, unless one is written in escapes.
    named = is_secret(fold(sql)) or any(token.kind == "uquoted" for token in tokens)
    hidden = 0  # tokens before this index are cut already
    for i, token in enumerate(tokens):
        if i < hidden:
            continue
        values = list(_values(tokens, i, depth)) if named and is_secret(name_of(sql, token)) else []
        for value in values:
            yield (tokens[value].start, tokens[value].end, STRING)
            hidden = value + 1
        if token.kind == "string":
            yield from _inside(sql, tokens, i, scs, depth)


def name_of(sql: str, token: Token) -> str:
    """What a token could name, folded; empty if it could name nothing.  Strings count: ``set_config('my.password', …)``."""
    match token.kind:
        case "word" | "quoted":
            return fold(token.value)
        case "uquoted":
            try:
                return fold(unescape(token.value))
            except ValueError:
                return SECRET[0]  # no server takes it
        case "string" if token.end - token.start < 100:
            return fold(sql[token.start + 1 : token.end - 1])
    return ""


def is_secret(name: str) -> bool:
    return any(word in name for word in SECRET)


def _values(tokens: Sequence[Token], name: int, depth: int) -> Iterator[int]:
    """Indexes of the tokens that are the value of the secret that is named at ``name``."""
    i = name + 1
    if joint := i < len(tokens) and (
        tokens[i].value in JOINTS or (tokens[i].value == "," and tokens[name].kind == "string")
    ):
        i += 1
    if i >= len(tokens) or (tokens[name].kind == "string" and not joint):
        return
    if joint and _is_setting(tokens, name):
        yield from (n for n in range(i, len(tokens)) if tokens[n].kind != "op")  # SET my.password TO hunter2, 'x'
    elif tokens[i].kind == "string" or (joint and depth and tokens[i].kind in ("word", "quoted", "number")):
        yield i  # in a body it may be a connection string: host=a password=b


def _is_setting(tokens: Sequence[Token], name: int) -> bool:
    """Whether the name is that of a parameter in SET or ALTER … SET, whose value need not be a literal."""
    head = [token.value for token in tokens[: min(name, 2)]]
    return head[:1] == ["set"] or (head[:1] == ["alter"] and head[1:] != [] and head[1] in SETTABLE)


def _inside(sql: str, tokens: Sequence[Token], i: int, scs: bool, depth: int) -> Iterator[Cut]:
    """What to cut of a literal that is no secret by its name: a connection string, a body with secrets in it."""
    token = tokens[i]
    text = sql[token.start : token.end]
    before = name_of(sql, tokens[i - 2 if i > 1 and tokens[i - 1].value in JOINTS else i - 1]) if i else ""
    body = text.startswith("$") and any(c.isspace() for c in text)
    if any(word in before for word in (*CONNECTION, *COMMAND)) or (has_userinfo(text) and not body):
        yield (token.start, token.end, STRING)
    elif body and depth < DEEPEST:
        tag = text.index("$", 1) + 1
        yield from _body(token.start + tag, text[tag:-tag], scs, depth)
    elif is_secret(fold(text)) and (depth or _says_secret(text, scs)):
        yield (token.start, token.end, STRING)


def _body(start: int, body: str, scs: bool, depth: int) -> Iterator[Cut]:
    """A function's body: if any literal in it speaks of a secret, all its literals go, for it may put SQL together."""
    try:
        strings = [token for token in lex(body, standard_conforming_strings=scs) if token.kind == "string"]
    except LexError:
        strings = []
        if is_secret(fold(body)):
            yield (start, start + len(body), "…")
            return
    composed = any(is_secret(fold(body[s.start : s.end])) for s in strings)
    clean = _redact(body, composed, scs, depth + 1)
    if clean != body:
        yield (start, start + len(body), clean)


def _says_secret(text: str, scs: bool) -> bool:
    """Whether a literal holds SQL, or a connection string, that gives a secret: ``'ALTER ROLE a PASSWORD ''x'''``."""
    inner = text[text.index("'") + 1 : -1].replace("''", "'") if text.endswith("'") else text.strip("$")
    try:
        tokens = lex(inner, standard_conforming_strings=scs)
    except LexError:
        return True
    for i, token in enumerate(tokens[:-1]):
        if is_secret(name_of(inner, token)) and (tokens[i + 1].kind == "string" or tokens[i + 1].value == "="):
            return True
    return False


def has_userinfo(text: str) -> bool:
    """Whether it looks like ``scheme://user:password@host`` somewhere."""
    _, found, rest = text.partition("://")
    return bool(found) and "@" in rest


def _comments(sql: str, tokens: Sequence[Token]) -> Iterator[Cut]:
    """Gaps between tokens that are more than white space: a comment may repeat what was cut."""
    ends = [0, *(token.end for token in tokens)]
    starts = [*(token.start for token in tokens), len(sql)]
    for start, end in zip(ends, starts, strict=True):
        gap = sql[start:end]
        if gap.strip() and "interlock:" not in fold(gap):
            yield (
                start,
                end,
                f" {COMMENT} " if gap.isascii() and not gap.strip().startswith("--") else f" {COMMENT}\n",
            )

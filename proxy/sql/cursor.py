"""A reader over the tokens of one statement.  Every module of the grammar is written in its words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from proxy.sql.lexer import Token, unescape
from proxy.sql.names import clip
from proxy.sql.statements import Name, Span

T = TypeVar("T")
NAMES = ("word", "quoted", "uquoted")
PUNCTUATION = frozenset("()[],;:.") | {"..", ":=", "::"}


class NotRead(Exception):
    """Not in this grammar.  ``at`` is the offset of the token in question; ``expected`` says what could stand there."""

    def __init__(self, at: int, expected: str) -> None:
        super().__init__(expected)
        self.at = at
        self.expected = expected


class Cursor:
    """``take…`` moves on and says whether it did; ``need…`` raises NotRead if it cannot.

    Words are given folded; a quoted name never matches one.  Offsets are those of the tokens.
    """

    __slots__ = ("i", "size", "tokens")

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.size = len(tokens)
        self.i = 0

    # ------------------------------------------------ where we are

    def peek(self, ahead: int = 0) -> Token | None:
        i = self.i + ahead
        return self.tokens[i] if i < self.size else None

    def word(self, ahead: int = 0) -> str | None:
        """The word that comes next, if it is one; None for names in quotes, literals and operators."""
        token = self.peek(ahead)
        return token.value if token is not None and token.kind == "word" else None

    def at(self, *texts: str, ahead: int = 0) -> bool:
        """Whether these words and operators come next."""
        i = self.i + ahead
        if i + len(texts) > self.size:
            return False
        for text in texts:
            token = self.tokens[i]
            if token.value != text or token.kind not in ("word", "op"):
                return False
            i += 1
        return True

    @property
    def done(self) -> bool:
        return self.i >= self.size

    @property
    def here(self) -> int:
        """Where the next token starts; at the end, where the last one ends."""
        return self.tokens[self.i].start if self.i < self.size else self.tokens[-1].end

    @property
    def behind(self) -> int:
        """Where the token just read ends."""
        return self.tokens[self.i - 1].end

    def since(self, start: int) -> Span:
        return Span(start, self.behind)

    def refuse(self, expected: str) -> NotRead:
        """To be raised: what comes next is not ``expected``."""
        return NotRead(self.here, expected)

    # ------------------------------------------------ words

    def take(self, *texts: str) -> bool:
        i = self.i
        # Nearly always the first word is another one already.
        if i < self.size and self.tokens[i].value == texts[0] and self.at(*texts):
            self.i = i + len(texts)
            return True
        return False

    def take_one(self, *texts: str) -> str | None:
        """The one of these words that comes next, taken; else None."""
        word = self.word()
        if word in texts:
            self.i += 1
            return word
        return None

    def take_phrase(self, *phrases: str) -> str | None:
        """The first of these phrases that comes next, taken; else None."""
        first = self.word()
        if first is not None:
            for phrase in phrases:
                if phrase.startswith(first) and self.take(*phrase.split()):
                    return phrase
        return None

    def need(self, *texts: str) -> None:
        if not self.take(*texts):
            raise self.refuse(" ".join(texts).upper())

    def need_one(self, *texts: str) -> str:
        word = self.take_one(*texts)
        if word is None:
            raise self.refuse(" or ".join(texts).upper())
        return word

    def need_phrase(self, *phrases: str) -> str:
        phrase = self.take_phrase(*phrases)
        if phrase is None:
            raise self.refuse(" or ".join(phrases).upper())
        return phrase

    def need_end(self) -> None:
        if self.i < self.size:
            raise self.refuse("the end of the statement")

    def rest(self) -> None:
        """Take everything that is left."""
        self.i = self.size

    def need_rest(self, expected: str) -> None:
        """Take everything that is left, which must not be nothing."""
        if self.done:
            raise self.refuse(expected)
        self.rest()

    # ------------------------------------------------ names and literals

    def name(self) -> str:
        """A name: folded, unquoted, cut at 63 bytes."""
        token = self.peek()
        if token is None or token.kind not in NAMES:
            raise self.refuse("a name")
        self.i += 1
        if token.kind != "uquoted":
            return token.value
        escape = "\\"
        if self.at("uescape"):
            literal = self.peek(1)
            if literal is None or literal.kind != "string" or len(literal.value) != 3:
                raise self.refuse("UESCAPE and one character")
            escape = literal.value[1]
            self.i += 2
        try:
            return clip(unescape(token.value, escape))
        except ValueError as error:
            raise NotRead(token.start, f"a name ({error})") from None

    def maybe_name(self) -> str | None:
        token = self.peek()
        return self.name() if token is not None and token.kind in NAMES else None

    def path(self) -> Name:
        """A name of any number of parts."""
        start = self.here
        parts = [self.name()]
        while self.take("."):
            parts.append(self.name())
        return Name(tuple(parts), self.since(start))

    def qname(self) -> Name:
        """A relation's name: at most database, schema and name."""
        found = self.path()
        if len(found.parts) > 3:
            raise NotRead(found.span.start, "a name of at most three parts")
        return found

    def relation(self) -> tuple[Name, bool]:
        """``[ONLY] name [*]`` or ``ONLY (name)``, and whether it is ONLY."""
        if self.take("only"):
            if self.take("("):
                name = self.qname()
                self.need(")")
                return name, True
            return self.qname(), True
        name = self.qname()
        self.take("*")
        return name, False

    def operator_name(self) -> Name:
        """An operator, perhaps of a schema: ``pg_catalog.+``."""
        start = self.here
        parts = []
        while self.at(".", ahead=1):
            parts.append(self.name())
            self.need(".")
        token = self.peek()
        if token is None or token.kind != "op" or token.value in PUNCTUATION:
            raise self.refuse("an operator")
        self.i += 1
        return Name((*parts, token.value), self.since(start))

    def string(self) -> Span:
        """A literal, of whatever form."""
        token = self.peek()
        if token is None or token.kind != "string":
            raise self.refuse("a string")
        self.i += 1
        if self.take("uescape"):
            self.string()
        return self.since(token.start)

    def number(self) -> str:
        """A number, with its sign."""
        sign = "-" if self.take("-") else ""
        if not sign:
            self.take("+")
        token = self.peek()
        if token is None or token.kind != "number":
            raise self.refuse("a number")
        self.i += 1
        return sign + token.value

    def any(self) -> None:
        """One token, whatever it is."""
        if self.done:
            raise self.refuse("more text")
        self.i += 1

    # ------------------------------------------------ groups and lists

    def group(self) -> Span:
        """A bracketed group, taken whole; its inside, without the brackets."""
        if not (self.at("(") or self.at("[")):
            raise self.refuse("(")
        opened = self.tokens[self.i].end
        depth, i, tokens = 0, self.i, self.tokens
        while i < self.size:
            token = tokens[i]
            i += 1
            if token.kind == "op":
                if token.value in ("(", "["):
                    depth += 1
                elif token.value in (")", "]"):
                    depth -= 1
                    if not depth:
                        self.i = i
                        return Span(opened, token.start)
        raise NotRead(tokens[-1].end, ")")

    def maybe_group(self) -> Span | None:
        return self.group() if self.at("(") else None

    def need_group(self) -> Span:
        if not self.at("("):
            raise self.refuse("(")
        return self.group()

    def listed(self, item: Callable[[], T]) -> list[T]:
        """``item, item …``: at least one."""
        out = [item()]
        while self.take(","):
            out.append(item())
        return out

    def behavior(self) -> bool:
        """``[CASCADE | RESTRICT]``: whether it is CASCADE."""
        return self.take_one("cascade", "restrict") == "cascade"

    def skip_to(self, *words: str) -> bool:
        """Move on to the first of these words outside brackets; whether there is one."""
        depth = 0
        while self.i < self.size:
            token = self.tokens[self.i]
            if token.kind == "op":
                depth += (token.value in ("(", "[")) - (token.value in (")", "]"))
            elif not depth and token.kind == "word" and token.value in words:
                return True
            self.i += 1
        return False

    # ------------------------------------------------ expressions

    def expression(self, stops: Collection[str] = (), *, b_expr: bool = False) -> Span:
        """An expression: up to a comma, a closing bracket or one of the words ``stops``, outside brackets and CASE.

        With ``b_expr`` NOT after IS does not stop it (gram.y's b_expr has IS NOT DISTINCT FROM, but no NOT).
        """
        first, cases = self.i, 0
        while self.i < self.size:
            token = self.tokens[self.i]
            if token.kind == "op":
                if token.value in ("(", "["):
                    self.group()
                    continue
                if token.value in (",", ")", "]", ";"):
                    break
            elif token.kind == "word":
                before = self.tokens[self.i - 1] if self.i > first else None
                if before is not None and before.value in (".", "as") and before.kind in ("op", "word"):
                    pass  # a name, whatever word it is
                elif token.value == "case":
                    cases += 1
                elif token.value == "end" and cases:
                    cases -= 1
                elif not cases and token.value in stops and _can_end(before):
                    assert before is not None
                    if not (b_expr and token.value == "not" and before.value == "is"):
                        break
            self.i += 1
        if self.i == first:
            raise self.refuse("an expression")
        return Span(self.tokens[first].start, self.behind)


def _can_end(token: Token | None) -> bool:
    """Whether an expression can end in this token: not if it is an operator, or if there is none."""
    return token is not None and (token.kind != "op" or token.value in (")", "]"))


def option_is_on(cursor: Cursor, name: str, first: int, end: int) -> bool:
    """Whether the option list between the tokens ``first`` and ``end`` (brackets included) turns ``name`` on.

    As the server reads them: the last mention counts, and no value means true.
    """
    on, key, value = False, None, None
    for i in range(first + 1, end):
        token = cursor.tokens[i]
        if (token.value == "," and token.kind == "op") or i == end - 1:
            if key == name:
                on = value is None or value.strip("'").lower() not in ("false", "off", "0", "no")
            key = value = None
        elif key is None:
            key = token.value.lower()
        else:
            value = token.value
    return on

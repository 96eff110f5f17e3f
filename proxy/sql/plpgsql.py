"""Where SQL stands in a PL/pgSQL body.

The server reads the whole of a body before it runs any of it, and refuses it if its blocks do not match; so
only what a statement begins with has to be told here, and how deep it is, but not what it is nested in.  SQL
and expressions the server reads when they are run: where what ends them is not beyond doubt in every version,
the body is not read.

Source: src/pl/plpgsql/src: pl_gram.y (proc_stmt, read_sql_construct, make_execsql_stmt), pl_scanner.c
(plpgsql_yylex), pl_reserved_kwlist.h.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from proxy.sql.cursor import NAMES, Cursor
from proxy.sql.lexer import Token

RESERVED = frozenset(
    {
        "all", "begin", "by", "case", "declare", "else", "end", "execute", "for", "foreach", "from", "if", "in", "into",
        "loop", "not", "null", "or", "strict", "then", "to", "using", "when", "while",
    }
)  # fmt: skip
# Statements that only plan and run queries, or only PL/pgSQL: they end at the next semicolon.
# FOR … IN EXECUTE and OPEN … FOR EXECUTE are such: a cursor is opened for one statement that returns rows.
QUERIES = frozenset(
    {
        "assert", "close", "continue", "exit", "fetch", "get", "insert", "merge", "move", "null", "open", "perform",
        "raise", "select", "values", "table", "update", "delete", "with",
    }
)  # fmt: skip
HEADS = {
    "if": "then",
    "elsif": "then",
    "elseif": "then",
    "when": "then",
    "while": "loop",
    "for": "loop",
    "foreach": "loop",
}
OPENED = frozenset({"if", "while", "for", "foreach"})
PATH = "set_config"


class Piece(NamedTuple):
    """A place where SQL stands: the tokens ``first:end``.

    ``statement``: a statement that is run as it stands.  ``execute``: an expression whose value is run.
    ``path``: a call of set_config(), which may change what names mean from there on.
    """

    kind: Literal["statement", "execute", "path"]
    first: int
    end: int


def pieces(tokens: Sequence[Token]) -> list[Piece]:
    """The SQL in a body, in order, but for queries: those run no DDL but in functions that they call.

    Precondition: there is at least one token.  Raises NotRead.
    """
    reader = _Reader(tokens)
    while reader.take("#"):  # options: "#variable_conflict use_column"
        reader.name()
        reader.name()
    if not (reader.at("<<") or reader.at("begin") or reader.at("declare")):
        raise reader.refuse("DECLARE or BEGIN")
    while not reader.done:
        reader.step()
    if reader.depth:
        raise reader.refuse("END")
    return reader.found


class _Reader(Cursor):
    __slots__ = ("depth", "found")

    def __init__(self, tokens: Sequence[Token]) -> None:
        super().__init__(tokens)
        self.found: list[Piece] = []
        self.depth = 0  # of what has an END of its own

    def step(self) -> None:
        """One statement, or as much of a block's as stands before the next one."""
        word = self.word()
        if self.take("<<"):
            self.name()
            self.need(">>")
        elif self._assigns() or word in QUERIES or self.at("("):
            self.to(";")
        elif word in HEADS:
            self.any()
            self.to(HEADS[word])
            self.depth += word in OPENED
        else:
            self._other(word)

    def _other(self, word: str | None) -> None:
        match word:
            case "begin" | "loop":
                self.any()
                self.depth += 1
            case "else" | "exception":
                self.any()
            case "case":
                self.any()
                self.depth += 1
                self.to("when", keep=True)
            case "declare":
                self.any()
                self._declarations()
            case "end":
                self.any()
                self.take_one("if", "case", "loop")
                self.maybe_name()
                self.depth -= 1
                if not (self.take(";") or self.done):
                    raise self.refuse(";")
                if not self.depth:
                    self.need_end()
            case "return":
                self.any()
                if self.take("query", "execute"):
                    self._execute()
                else:
                    self.to(";")
            case "execute":
                self.any()
                self._execute()
            case None:
                raise self.refuse("a statement")
            case _:
                self._statement()

    def _assigns(self) -> bool:
        """Whether ``variable :=``, ``record.field =`` or ``array[`` comes next."""
        token = self.peek()
        if token is None or (token.kind == "word" and token.value in RESERVED) or token.kind not in (*NAMES, "param"):
            return False
        ahead = 1
        while self.at(".", ahead=ahead):
            ahead += 2
        return any(self.at(sign, ahead=ahead) for sign in (":=", "=", "["))

    def _declarations(self) -> None:
        while not self.at("begin"):
            if self.take("declare"):
                continue
            if self.word() in RESERVED:
                raise self.refuse("BEGIN or a declaration")
            self.name()
            self.to(";")

    def _execute(self) -> None:
        first = self.i
        self.to("into", "using", ";", keep=True)
        if self.i == first:
            raise self.refuse("a string to execute")
        self.found.append(Piece("execute", first, self.i))
        self.to(";")

    def _statement(self) -> None:
        first = self.i
        behind = 3 if self.at("create", "or", "replace") else 1
        routine = self.at("create") and self.word(behind) in ("function", "procedure")
        # From 14 on a body that begins here has semicolons of its own; before, the first one ended all.
        self.to(";", never=("begin", "case", "end") if routine else ())
        self.found.append(Piece("statement", first, self.i - 1))

    def to(self, *stops: str, keep: bool = False, never: Sequence[str] = ()) -> None:
        """Go behind the first of these words or marks that is outside of brackets; ``keep``: go before it.

        Raises NotRead if a semicolon or the end comes first, or one of the words ``never``.
        """
        depth = 0
        while (token := self.peek()) is not None:
            if token.kind == "op":
                if not depth and token.value in stops:
                    break
                depth += (token.value in ("(", "[")) - (token.value in (")", "]"))
                if depth < 0 or token.value == ";":
                    raise self.refuse(" or ".join(stops).upper())
            elif token.kind == "word" and not depth and token.value in stops:
                break
            elif token.kind == "bad" or (token.kind == "word" and not depth and token.value in never):
                raise self.refuse(" or ".join(stops).upper())
            elif token.value == PATH and token.kind in NAMES:
                self.found.append(Piece("path", self.i, self.i + 1))
            self.i += 1
        if self.done:
            raise self.refuse(" or ".join(stops).upper())
        if not keep:
            self.i += 1

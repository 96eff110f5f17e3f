"""One text, read by both: agreement at full detail, a refusal, or a wrong answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pglast import parser

from proxy.sql.lexer import lex
from proxy.sql.read import read
from proxy.sql.split import split
from tests.oracle.places import misplaced, trees
from tests.unit.sql.oracle import our_seen, theirs


class Verdict(StrEnum):
    AGREED = "agreed"
    REFUSED = "refused"  # safe: unreadable is an outcome of its own
    WRONG = "wrong"
    NO_SQL = "no SQL"  # to libpg_query


@dataclass(frozen=True, slots=True)
class Judged:
    verdict: Verdict
    text: str
    why: str = ""


def judge(text: str) -> Judged:
    """Kinds, sub-kinds, names, flags and relations of every statement, and the place of everything that has one."""
    try:
        parser.parse_sql_protobuf(text)  # ten times as fast as a tree, and most mutants end here
        want = theirs(text)
        places = trees(text)
    except (parser.ParseError, UnicodeError, ValueError):
        return Judged(Verdict.NO_SQL, text)
    try:
        statements = read(text)
        got = [our_seen(s, s.node) for s in statements]
        if len(got) != len(want):
            return Judged(Verdict.WRONG, text, f"{len(got)} statements, not {len(want)}")
        refused = ""
        for statement, mine, judges, (kind, tree) in zip(statements, got, want, places, strict=True):
            if mine.kind == "unreadable":
                refused = f"{statement.node} in what is {judges.kind}"
            elif mine != judges:
                return Judged(Verdict.WRONG, text, f"{mine} is {judges}")
            elif problems := misplaced(statement, kind, tree):
                return Judged(Verdict.WRONG, text, "; ".join(problems))
    except Exception as error:
        return Judged(Verdict.WRONG, text, f"raised {type(error).__name__}: {error}")
    return Judged(Verdict.REFUSED, text, refused) if refused else Judged(Verdict.AGREED, text)


def split_alike(script: str) -> bool:
    """Whether the statements of a script begin at the same places for both."""
    want = [piece.start for piece in parser.split(script, only_slices=True)]
    return [run.tokens[0].start for run in split(lex(script), len(script))] == want

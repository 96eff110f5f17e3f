"""Statements that nobody has written: those of the corpus with a few of their tokens changed.

Where the grammar still accepts them, they stand in the corners that written SQL never visits.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from pglast import parser

from proxy.sql.read import read
from proxy.sql.statements import Query

Tokens = Sequence[tuple[str, str]]  # each with what stands before it

WORDS = """
 a b c t "T" "a.b" "a""b" s.t 1 'x' E'\\'' $$;$$ U&"\\0061" U&'x' ( ) , ; . = * [ ] + - / :: := -- $1 null not valid
 only if exists no inherit using index on to from with add drop alter column constraint check unique primary key foreign references
 default set reset type data rename schema owner concurrently cascade restrict trigger rule enable disable all user row level security
 partition of for values in attach detach create table temp unlogged view materialized as select insert into delete update begin end
 atomic case when then else function procedure returns language replace or and grant revoke execute explain analyze verbose full vacuum
 reindex cluster lock refresh comment is local session global temporary like including generated always identity stored virtual
 current_user public none nulls first last distinct enforced deferrable initially deferred statistics storage options compression
 period without overlaps expression finalize merge maintain
"""
POOL = WORDS.split()
GAPS = ("\n", "\t", "/* ; */", "/*/**/'*/", "--'\n", "\f", "\v", ' /*"*/ ')
ENDS = (";", ",", " cascade", " not valid", " no inherit", " concurrently")
LONGEST = 600  # characters of a statement: longer ones cost time and have no corners of their own
HEAVY = ("ALTER TABLE", "CREATE TABLE", "CREATE INDEX", "DROP TABLE", "DROP INDEX", "ALTER INDEX")


def tokens(sql: str) -> Tokens:
    found, position = [], 0
    for token in parser.scan(sql):
        found.append((sql[position : token.start], sql[token.start : token.end + 1]))
        position = token.end + 1
    return found


class Mutants:
    """An endless supply: tables and indexes most of all, queries hardly ever."""

    def __init__(self, statements: Sequence[str], seed: int) -> None:
        self.random = random.Random(seed)
        self.by_kind: dict[str, list[Tokens]] = {}
        for sql in statements:
            if len(sql) > LONGEST or not (found := read(sql)):
                continue
            node = found[0].node
            if isinstance(node, Query) and self.random.random() > 0.03:
                continue
            self.by_kind.setdefault(node.kind, []).append(tokens(sql))
        self.kinds = sorted(self.by_kind)
        self.heavy = [kind for kind in HEAVY if kind in self.by_kind]

    def one(self) -> str:
        rng = self.random
        kind = rng.choice(self.heavy) if rng.random() < 0.6 else rng.choice(self.kinds)
        others = self.by_kind[kind] if rng.random() < 0.7 else self.by_kind[rng.choice(self.kinds)]
        words = list(rng.choice(self.by_kind[kind]))
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            if words:
                _change(rng, words, others)
        return "".join((gap or " ") + text if n else text for n, (gap, text) in enumerate(words))


def _change(rng: random.Random, words: list[tuple[str, str]], others: Sequence[Tokens]) -> None:
    at = rng.randrange(len(words))
    gap, text = words[at]
    match rng.randrange(10):
        case 0:
            del words[at]
        case 1:
            words.insert(at, (" ", text))
        case 2:
            words.insert(at, (" ", rng.choice(POOL)))
        case 3:
            words[at] = (gap or " ", rng.choice(POOL))
        case 4:
            words[at - 1], words[at] = words[at], words[at - 1]
        case 5:
            words[at] = (rng.choice(GAPS), text)
        case 6 if text[0].isalpha() or text[0] == "_":
            forms = (text.upper(), text.title(), f'"{text}"', f'U&"{text}"', text + "\u00a0", text + "$1")
            words[at] = (gap or " ", rng.choice(forms))
        case 7:
            other = rng.choice(others)
            words[at:] = other[rng.randrange(len(other)) :]
        case 8:
            other = rng.choice(others)
            start = rng.randrange(len(other))
            words[at:at] = other[start : start + rng.randint(1, 6)]
        case 9 if rng.random() < 0.5:
            words.append(("", rng.choice(ENDS)))
            words.extend(rng.choice(others)[rng.randrange(3) :])
        case _:
            words.append(("", ";"))

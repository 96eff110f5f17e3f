"""libpg_query is the judge: kinds, relations, details and places, on a corpus and on mutants of it."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pglast import parser

from tests.unit.sql.oracle import Seen, ours, theirs

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.sql"))
# What is put into a statement in place of one of its tokens, or between two.
POOL = """
 a b c t "T" "a.b" "a""b" s.t 1 'x' E'\\'' $$;$$ U&"\\0061" U&'x' ( ) , ; . = * [ ] + - / :: := -- $1 null not valid
 only if exists no inherit using index on to from with add drop alter column constraint check unique primary key foreign references
 default set reset type data rename schema owner concurrently cascade restrict trigger rule enable disable all user row level security
 partition of for values in attach detach create table temp unlogged view materialized as select insert into delete update begin end
 atomic case when then else function procedure returns language replace or and grant revoke execute explain analyze verbose full vacuum
 reindex cluster lock refresh comment is local session global temporary like including generated always identity stored virtual
 current_user public none nulls first last distinct enforced deferrable initially deferred statistics storage options
"""


@cache
def statements() -> list[str]:
    """The corpus, one statement each."""
    found = []
    for path in CORPUS:
        text = path.read_text()
        for one in parser.parse_sql(text):  # pglast gives places in code points
            end = one.stmt_location + one.stmt_len if one.stmt_len else len(text)
            found.append(text[one.stmt_location : end].strip())
    return found


def expected(sql: str) -> list[Seen] | None:
    try:
        return theirs(sql)
    except parser.ParseError:
        return None


def test_every_statement_of_the_corpus() -> None:
    wrong = [sql for sql in statements() if ours(sql) != theirs(sql)]
    assert len(statements()) > 700
    assert wrong == []


@pytest.mark.parametrize("path", CORPUS, ids=[path.name for path in CORPUS])
def test_whole_files_are_split_alike(path: Path) -> None:
    text = path.read_text()
    assert [s.kind for s in ours(text)] == [s.kind for s in theirs(text)]


def tokens(sql: str) -> list[str]:
    return [sql[t.start : t.end + 1] for t in parser.scan(sql)]


def mutant(rng: random.Random) -> str:
    """A statement of the corpus with up to three tokens changed."""
    words = tokens(rng.choice(statements()))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not words:
            break
        at = rng.randrange(len(words))
        match rng.randrange(7):
            case 0:
                del words[at]
            case 1:
                words.insert(at, words[at])
            case 2:
                words.insert(at, rng.choice(POOL.split()))
            case 3:
                words[at] = rng.choice(POOL.split())
            case 4:
                words[at] = rng.choice((words[at].upper(), f'"{words[at]}"', words[at] + "$1", "/* ; */ " + words[at]))
            case 5:
                other = tokens(rng.choice(statements()))
                words[at:] = other[rng.randrange(len(other)) :]
            case _:
                other = tokens(rng.choice(statements()))
                start = rng.randrange(len(other))
                words[at:at] = other[start : start + rng.randint(1, 6)]
    return " ".join(words)


@settings(max_examples=3000, deadline=None)
@given(st.integers(min_value=0, max_value=2**62))
def test_mutants_are_read_alike_or_refused(seed: int) -> None:
    """What the real grammar accepts is read the same here, or is unreadable; it is never read as something else."""
    sql = mutant(random.Random(seed))
    want = expected(sql)
    if want is None:
        return
    got = ours(sql)
    assert len(got) == len(want)
    for mine, judge in zip(got, want, strict=True):
        assert mine.kind == "unreadable" or mine == judge

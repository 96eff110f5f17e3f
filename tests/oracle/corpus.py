"""The corpus: statements and whole scripts that libpg_query accepts, built once from ``sources`` and kept in the test cache."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pglast import parser

from tests.oracle import scripts, sources

VARIABLE = re.compile(r"""(?<![:\w]):(?:'(\w+)'|"(\w+)"|(\w+))""")  # of psql


@dataclass(frozen=True, slots=True)
class Corpus:
    statements: list[str]  # each once
    scripts: list[str]  # whole files, less what the grammar rejects
    counts: dict[str, int]  # statements by source


def corpus(say: Callable[[str], None] = print) -> Corpus:
    """The corpus, from the cache or built anew; ``say`` is told what could not be had.  An incomplete one is not kept."""
    kept = sources.HOME / "corpus.json"
    if kept.exists():
        data = json.loads(kept.read_text())
        return Corpus(data["statements"], data["scripts"], data["counts"])
    missing: list[str] = []
    built = build(missing.append)
    for text in missing:
        say(text)
    if not missing:
        data = {"statements": built.statements, "scripts": built.scripts, "counts": built.counts}
        scratch = kept.with_suffix(".new")
        scratch.write_text(json.dumps(data, ensure_ascii=False))
        scratch.rename(kept)
    return built


def build(say: Callable[[str], None]) -> Corpus:
    found: dict[str, None] = {}
    whole: list[str] = []
    counts: Counter[str] = Counter()
    for source, name, file in sources.files(say):
        good: list[str] = []
        for text in scripts.texts(name, file):
            for chunk in scripts.statements(text.replace("\r\n", "\n")):
                if (sql := accepted(chunk)) is None:
                    continue
                good.append(sql)
                for one in pieces(sql):
                    if one not in found:
                        found[one] = None
                        counts[source] += 1
        if good:
            whole.append("".join(s if s.rstrip().endswith(";") else s + "\n;" for s in good))
    return Corpus(list(found), whole, dict(counts))


def accepted(sql: str) -> str | None:
    """The text as the grammar takes it, psql's variables filled in if need be; None if it does not, or nothing is in it."""
    for candidate in (sql, VARIABLE.sub(_filled, sql)):
        try:
            if parser.parse_sql_json(candidate).find('"stmt"') >= 0:
                return candidate
        except (parser.ParseError, UnicodeError, ValueError):
            continue
    return None


def _filled(m: re.Match[str]) -> str:
    literal, name, bare = m.groups()
    return f"'{literal}'" if literal else f'"{name}"' if name else f" {bare} "


def pieces(sql: str) -> Iterator[str]:
    """The statements of a text without what surrounds them (space, comments, semicolon)."""
    try:
        yield from parser.split(sql)
    except (ValueError, parser.ParseError):
        yield sql.strip()

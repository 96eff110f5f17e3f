"""What reading SQL costs: the gate, the lexer with the grammar, and the import; sqlglot and libpg_query beside them.

python -m bench.sql [STATEMENTS]

The statements are a sample of the corpus of ``make sql-oracle``, or those of the tests where that has not been built.
CPU time, the best of five runs of each statement.
"""

from __future__ import annotations

import contextlib
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from proxy.sql.gate import may_matter
from proxy.sql.interest import is_ddl
from proxy.sql.lexer import lex
from proxy.sql.read import read

# Microseconds: median and 99th percentile, of DDL statements.  Milliseconds: the import.
GATE_US, READ_US, IMPORT_MS = (2.0, 2.0), (40.0, 250.0), 120.0
RUNS = 5


def statements() -> list[str]:
    from tests.oracle import sources
    from tests.oracle.corpus import corpus
    from tests.unit.sql.test_against_pglast import statements as own

    return corpus().statements if (sources.HOME / "corpus.json").exists() else own()


def cost_us(run: Callable[[str], object], texts: Sequence[str]) -> tuple[float, float]:
    """Median and 99th percentile; a text that cannot be read costs what finding that out costs."""
    found = []
    for text in texts:
        best = float("inf")
        for _ in range(RUNS):
            began = time.perf_counter_ns()
            with contextlib.suppress(Exception):
                run(text)
            best = min(best, time.perf_counter_ns() - began)
        found.append(best / 1000)
    return statistics.median(found), statistics.quantiles(found, n=100)[98]


def import_ms(module: str) -> float:
    """CPU time of an import, less that of starting Python: the best of five."""
    measure = "import time; a = time.process_time(); import {}; print(time.process_time() - a)"
    command = [sys.executable, "-c", measure.format(module)]
    return min(float(subprocess.check_output(command)) for _ in range(RUNS)) * 1000


def rows(ddl: Sequence[str], queries: Sequence[str]) -> list[tuple[str, float, float, tuple[float, float] | None]]:
    import logging

    import sqlglot
    from pglast import parser

    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    raw = {text: text.encode() for text in (*ddl, *queries)}
    return [
        ("gate, queries", *cost_us(lambda text: may_matter(raw[text]), queries), GATE_US),
        ("gate, DDL", *cost_us(lambda text: may_matter(raw[text]), ddl), GATE_US),
        ("lexer, DDL", *cost_us(lex, ddl), None),
        ("lexer and grammar, DDL", *cost_us(read, ddl), READ_US),
        ("lexer and grammar, queries", *cost_us(read, queries), None),
        ("sqlglot.parse, DDL", *cost_us(lambda text: sqlglot.parse(text, read="postgres"), ddl), None),
        ("pglast.parse_sql, DDL", *cost_us(parser.parse_sql, ddl), None),
        ("pglast.parse_sql_protobuf, DDL", *cost_us(parser.parse_sql_protobuf, ddl), None),
    ]


def main(wanted: int = 3000) -> int:
    rng = random.Random(1)
    found = statements()
    rng.shuffle(found)
    ddl: list[str] = []
    queries: list[str] = []
    for text in found:
        read_as = read(text)
        if read_as:
            (ddl if any(is_ddl(s.node) for s in read_as) else queries).append(text)
    ddl, queries = ddl[:wanted], queries[:wanted]
    print(f"{len(ddl)} DDL statements, {len(queries)} others; median length {statistics.median(map(len, ddl)):.0f}")
    print(f"{'':32} {'median':>9} {'p99':>9}")
    missed = 0
    for title, median, p99, limit in rows(ddl, queries):
        over = limit is not None and (median > limit[0] or p99 > limit[1])
        wanted_text = f"   at most {limit[0]:g} and {limit[1]:g}{', missed' if over else ''}" if limit else ""
        print(f"{title:32} {median:6.1f} us {p99:6.1f} us{wanted_text}")
        missed += over
    for module, most in (("proxy.sql.read", IMPORT_MS), ("sqlglot", None), ("pglast", None)):
        took = import_ms(module)
        over = most is not None and took > most
        print(f"import {module:25} {took:6.1f} ms{f'   at most {most:g}' if most else ''}{', missed' if over else ''}")
        missed += over
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))

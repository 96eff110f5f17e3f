"""What each step of deciding costs, statement by statement: the gate, cutting, reading, rules, the verdict, the record.

    python -m bench.deciding [--pg 18] [--runs 300]

Processor time of this thread, so that a busy machine tells much the same, of the statements of ``bench.facts`` with their real
facts, less what the clock itself takes.  What the facts cost is measured there.  The record is written to a file, not synced.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from bench import facts
from proxy.audit import record
from proxy.audit.sink import AuditLog
from proxy.policy.decide import decide, findings
from proxy.policy.load import load
from proxy.sql.gate import may_matter
from proxy.sql.lexer import Token, lex
from proxy.sql.read import read
from proxy.sql.split import Run, split
from tests import servers

SELECT = b"SELECT abalance FROM pgbench_accounts WHERE aid = 4242;"
Times = list[float]


def times_us(run: Callable[[], object], runs: int) -> Times:
    clock = time.thread_time_ns
    found = []
    for _ in range(runs):
        began = clock()
        run()
        found.append((clock() - began) / 1e3)
    return found


def cut(tokens: Sequence[Token], size: int) -> list[Run]:
    return list(split(tokens, size))


def kept(log: AuditLog, entry: Callable[[], Mapping[str, Any]]) -> None:
    log.append(entry())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pg", type=int, default=18)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--tables", type=int, default=20)
    options = parser.parse_args()
    server, policy = servers.shared(options.pg), load("recommended")
    steps: dict[str, Times] = {}

    def note(step: str, run: Callable[[], object]) -> None:
        run()  # what is made on first use
        steps.setdefault(step, []).extend(times_us(run, options.runs))

    who = record.Session("app", "shop", "10.0.0.7:51234", "", "", "Alembic")
    used = record.PolicyUsed(policy.name, ", ".join(policy.files), policy.sha)
    name = server.create_database()
    note("(the clock)", lambda: None)
    with tempfile.TemporaryDirectory() as folder, psycopg.connect(server.url(name), autocommit=True) as session:
        facts.furnish(session, options.tables)
        log = AuditLog.open(Path(folder, "audit.jsonl"), fsync="never")
        for sql in facts.STATEMENTS:
            (statement,) = read(sql)
            known = facts.asked(session, statement, facts.Cost())
            verdict = decide(statement, known, policy)
            tokens = lex(sql)

            entry = partial(
                record.record,
                session=who,
                statement=statement,
                facts=known,
                verdict=verdict,
                policy=used,
                outcome="done",
            )
            note("gate, of a SELECT", partial(may_matter, SELECT))
            note("gate, of DDL", partial(may_matter, sql.encode()))
            note("tokens", partial(lex, sql))
            note("split", partial(cut, tokens, len(sql)))
            note("read (tokens, split and parse)", partial(read, sql))
            note("rules", partial(findings, statement, known))
            note("verdict, with its rules and plan", partial(decide, statement, known, policy))
            note("audit record", partial(kept, log, entry))
        log.close()
    server.drop_database(name)
    clock = statistics.median(steps.pop("(the clock)"))
    print("| of a statement | p50 | p99 |\n|---|--:|--:|")
    for step, found in steps.items():
        p50, p99 = statistics.median(found) - clock, statistics.quantiles(found, n=100)[98] - clock
        print(f"| {step} | {p50:.1f} µs | {p99:.1f} µs |")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How the cost of deciding grows with the number of statements and the length of a text.

    python -m bench.scale                  all curves
    python -m bench.scale --only history   those with this in their name

CPU seconds of this process, which a busy machine changes less than the clock.  The last column is what an
exponent would be: 1 is linear, 0 does not grow, 2 is quadratic.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from proxy.catalog.facts import Facts
from proxy.judge import judge
from proxy.policy.load import load
from proxy.session.prepared import Prepared
from proxy.session.reading import Reading
from proxy.sql.read import read
from proxy.wire import messages

BEST_OF = 3
FACTS = Facts.text_only(130000, datetime(2026, 1, 1, tzinfo=UTC))


def history(number: int) -> str:
    """A migration history of so many statements: a table, and then what is done to it over the years."""
    parts = []
    for table in range(number // 10 + 1):
        name = f"t{table}"
        parts += [
            f"CREATE TABLE {name} (id bigint PRIMARY KEY, a int, b text, created timestamptz DEFAULT now())",
            f"CREATE INDEX {name}_a_idx ON {name} (a)",
            f"ALTER TABLE {name} ADD COLUMN c varchar(40) NOT NULL DEFAULT ''",
            f"ALTER TABLE {name} ADD CONSTRAINT {name}_a_check CHECK (a > 0)",
            f"ALTER TABLE {name} ALTER COLUMN b SET NOT NULL",
            f"ALTER TABLE {name} RENAME COLUMN b TO d",
            f"COMMENT ON TABLE {name} IS 'a table; one of many'",
            f"UPDATE {name} SET a = 1 WHERE a IS NULL",
            f"ALTER TABLE {name} ADD FOREIGN KEY (a) REFERENCES t0 (id)",
            f"DROP INDEX {name}_a_idx",
        ]
    return ";\n".join(parts[:number]) + ";\n"


def one_transaction(number: int) -> str:
    return "BEGIN;\n" + history(number) + "COMMIT;\n"


def dump(megabytes: int) -> str:
    """What pg_dump --inserts writes: a table and its rows."""
    row = "INSERT INTO t0 VALUES (1, 'it''s a line of some length, such as people have in their tables', '2026-01-01', NULL);\n"
    return "CREATE TABLE t0 (id int, line text, day date, other text);\n" + row * round(megabytes * 1e6 / len(row))


def gated(text: str, certain: bool = True) -> None:
    """What a session does with a Query before it knows whether it must decide."""
    Prepared().holds(81, messages.query(text.encode())[5:], lambda: (Reading(), certain))


def cpu_s(run: Callable[[], object]) -> float:
    found = []
    for _ in range(BEST_OF):
        began = time.process_time()
        run()
        found.append(time.process_time() - began)
    return min(found)


def curve(name: str, unit: str, sizes: Sequence[int], make: Callable[[int], str], run: Callable[[str], object]) -> None:
    times = []
    for size in sizes:
        text = make(size)
        times.append(cpu_s(partial(run, text)))
    growth = math.log(times[-1] / times[-2]) / math.log(sizes[-1] / sizes[-2])
    cells = " · ".join(f"{size:,}: {1000 * took:,.0f} ms" for size, took in zip(sizes, times, strict=True))
    print(f"| {name} | {unit} | {cells} | {growth:.2f} |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    policy = load("recommended")

    def judged(text: str) -> None:
        judge(text, policy=policy, facts_for=lambda _: FACTS)

    statements, megabytes = (500, 1000, 2000, 4000), (1, 2, 5, 10)
    for name, unit, sizes, make, run in (
        ("read a history", "statements", statements, history, read),
        ("judge a history", "statements", statements, history, judged),
        ("judge one transaction", "statements", statements, one_transaction, judged),
        ("the gate, a dump in one Query", "MB", megabytes, dump, gated),
    ):
        if options.only in name:
            curve(name, unit, sizes, make, run)
    return 0


if __name__ == "__main__":
    sys.exit(main())

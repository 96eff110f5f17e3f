"""How costs grow: with the number of statements, the length of a text, the policy, the catalog, connections, workers.

    python -m bench.scale                                     what needs no server
    python -m bench.scale --server --picture FILE.svg         all, drawn

CPU time, of this process, or of the server's and the proxy's, which a busy machine changes less than the clock.  The last
column is what an exponent would be: 1 is linear, 0 does not grow, 2 is quadratic.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bench import curves
from proxy.catalog.facts import Facts
from proxy.judge import judge
from proxy.policy.decide import decide
from proxy.policy.load import Policy, load
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


def excepted(number: int) -> Policy:
    """The recommended policy with so many exceptions, none of which is about the statement that is decided about."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "interlock.yaml")
        lines = [
            f"  - {{match: {{table: public.old_{n}}}, rules: [all], action: allow, reason: measured}}"
            for n in range(number)
        ]
        path.write_text("version: 1\nextends: recommended\nexceptions:\n" + "\n".join(lines) + "\n")
        return load(str(path))


def cpu_s(run: Callable[[], object]) -> float:
    found = []
    for _ in range(BEST_OF):
        began = time.process_time()
        run()
        found.append(time.process_time() - began)
    return min(found)


@dataclass(frozen=True, slots=True)
class Curve:
    """What something costs at several sizes: points of size and cost, in ``cost`` (ms, µs)."""

    name: str
    of: str
    cost: str
    points: Sequence[tuple[float, float]]

    def row(self) -> str:
        """Markdown, with the exponent over the last two sizes."""
        (before, was), (last, now) = self.points[-2:]
        growth = math.log(now / was) / math.log(last / before)
        cells = " · ".join(f"{size:,g}: {_number(took)}" for size, took in self.points)
        return f"| {self.name} | {self.of} | {self.cost} | {cells} | {growth:.2f} |"


Named = tuple[str, Callable[[str], Curve]]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def in_memory() -> Iterator[Named]:
    """What needs no server."""
    policy = load("recommended")

    def judged(text: str) -> None:
        judge(text, policy=policy, facts_for=lambda _: FACTS)

    def texts(
        name: str, of: str, sizes: Sequence[int], make: Callable[[int], str], run: Callable[[str], object]
    ) -> Curve:
        return Curve(name, of, "ms", [(size, 1000 * cpu_s(partial(run, make(size)))) for size in sizes])

    statements, megabytes = (500, 1000, 2000, 4000), (1, 2, 5, 10)
    yield "read a history", lambda name: texts(name, "statements", statements, history, read)
    yield "judge a history", lambda name: texts(name, "statements", statements, history, judged)
    yield "judge one transaction", lambda name: texts(name, "statements", statements, one_transaction, judged)
    yield "the gate, a dump in one Query", lambda name: texts(name, "MB", megabytes, dump, gated)
    yield "a decision, by the policy", policies


def policies(name: str) -> Curve:
    """A decision by the number of exceptions in the policy."""
    (statement,) = read("CREATE INDEX ON orders (email)")
    points = []
    for number in (10, 100, 1000, 3000):
        policy = excepted(number)

        def many(policy: Policy = policy) -> None:
            for _ in range(100):
                decide(statement, FACTS, policy)

        points.append((float(number), 1e4 * cpu_s(many)))
    return Curve(name, "exceptions", "µs", points)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--server", action="store_true", help="also what needs one: the catalog, connections, workers")
    parser.add_argument("--pg", type=int, default=18)
    parser.add_argument("--seconds", type=int, default=2, help="of each point of the traffic's curves")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg")
    options = parser.parse_args()
    found = []
    print("| what | of | in | | exponent |\n|---|---|---|---|--:|", flush=True)
    with contextlib.ExitStack() as stack:
        sources = [in_memory()]
        if options.server:
            from bench import grown

            sources.append(stack.enter_context(grown.curves(options.pg, options.seconds)))
        for name, make in (named for source in sources for named in source):
            if options.only in name:
                found.append(make(name))
                print(found[-1].row(), flush=True)
    if options.picture:
        options.picture.write_text(curves.svg({c.name: (c.of, c.cost, c.points) for c in found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

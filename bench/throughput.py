"""How fast: direct, through pgbouncer in session mode, and through Interlock, in turn in the same run.

    python -m bench.throughput                                   all cases, five rounds
    python -m bench.throughput --rounds 2 --seconds 1 --rows 50000 --only SELECT
    python -m bench.throughput --write docs/throughput.md        also as a page, with a picture beside it
    python -m bench.throughput --state FILE                      keeps each round there, and goes on where it was cut off

Each round runs every case by every way, one directly after the other, and counts as one ratio; the table has their medians.
CPU is what the process in between spent on one operation, which a busy machine changes less than the clock.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path

from bench import bars, cases, idle, rig
from bench.cases import Case, Figure
from bench.rig import Way


@dataclass(slots=True)
class Row:
    """One case: figures and CPU microseconds an operation by way, one of each a round."""

    case: Case
    figures: dict[str, list[Figure]] = field(default_factory=lambda: defaultdict(list))
    cpu_us: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def ratio(self, way: str, to: str) -> float | None:
        """The median, over the rounds, of the rate by one way over that by another of the same round."""
        ratios = [a.rate / b.rate for a, b in zip(self.figures[way], self.figures[to], strict=False)]
        return statistics.median(ratios) if ratios else None

    def rate(self, way: str) -> float:
        return statistics.median(figure.rate for figure in self.figures[way])

    def cpu(self, way: str) -> float | None:
        return statistics.median(self.cpu_us[way]) if self.cpu_us[way] else None

    def added_us(self, way: str) -> tuple[float, float]:
        """How much longer the median and the 99th percentile are than directly."""
        pairs = list(zip(self.figures[way], self.figures["direct"], strict=True))
        return (
            statistics.median(a.p50_us - b.p50_us for a, b in pairs),
            statistics.median(a.p99_us - b.p99_us for a, b in pairs),
        )


def saved(path: Path, rows: Sequence[Row]) -> tuple[int, list[str]]:
    """Take up what a run before has measured; how many whole rounds that is, and what it found of idle connections."""
    if not path.exists():
        return 0, []
    state = json.loads(path.read_text())
    for row in rows:
        for way, figures in state["figures"][row.case.name].items():
            row.figures[way] = [Figure(*figure) for figure in figures]
        for way, times in state["cpu_us"][row.case.name].items():
            row.cpu_us[way] = times
    return state["rounds"], state["idle"]


def save(path: Path, rounds: int, rows: Sequence[Row], idle_lines: Sequence[str]) -> None:
    figures = {row.case.name: {way: [astuple(f) for f in found] for way, found in row.figures.items()} for row in rows}
    cpu_us = {row.case.name: row.cpu_us for row in rows}
    path.write_text(json.dumps({"rounds": rounds, "idle": idle_lines, "figures": figures, "cpu_us": cpu_us}))


def measure(row: Row, way: Way, seconds: float) -> None:
    before = way.cpu_s()
    figure = row.case.run(way, seconds)
    row.figures[way.name].append(figure)
    if way.pid:
        row.cpu_us[way.name].append((way.cpu_s() - before) * 1e6 / figure.operations)


def run_round(number: int, rows: Sequence[Row], ways: Sequence[Way], seconds: float) -> None:
    """Every case by every way, which come in the other order in every other round."""
    for row in rows:
        for way in ways if number % 2 == 0 else ways[::-1]:
            measure(row, way, seconds)
        told = "  ".join(f"{way.name} {_number(row.figures[way.name][-1].rate)}" for way in ways)
        print(f"round {number + 1}: {row.case.name}: {told}", file=sys.stderr, flush=True)


def table(rows: Sequence[Row], ways: Sequence[str]) -> list[str]:
    """Markdown: rates; what each of ours is of the direct rate and of pgbouncer's; CPU an operation."""
    ours = [way for way in ways if way.startswith("Interlock")]
    heads = ["", "unit", *ways, *(f"{way}: of {other}" for way in ours for other in ("direct", "pgbouncer"))]
    heads += [f"CPU {way}" for way in ways if way != "direct"]
    lines = [f"| {' | '.join(heads)} |", f"|---|---|{'--:|' * (len(heads) - 2)}"]
    for row in rows:
        cells = [row.case.name, row.case.unit, *(_number(row.rate(way)) for way in ways)]
        cells += [_ratio(row.ratio(way, other)) for way in ours for other in ("direct", "pgbouncer")]
        cells += [_cpu(row.cpu(way)) for way in ways if way != "direct"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def latency(rows: Sequence[Row], ways: Sequence[str]) -> list[str]:
    """Markdown: how much longer a round trip of one client takes than directly."""
    others = [way for way in ways if way != "direct"]
    lines = [f"| added at p50 (p99) | direct | {' | '.join(others)} |", f"|---|--:|{'--:|' * len(others)}"]
    for row in rows:
        if isinstance(row.case, cases.Pgbench) and row.case.latency:
            direct = statistics.median(figure.p50_us for figure in row.figures["direct"])
            added = (row.added_us(way) for way in others)
            cells = [f"{direct:.0f} µs", *(f"{p50:.0f} µs ({p99:,.0f} µs)" for p50, p99 in added)]
            lines.append(f"| {row.case.name} | {' | '.join(cells)} |")
    return lines


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _cpu(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f} µs" if value < 10_000 else f"{value / 1000:.0f} ms"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pg", type=int, default=18)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each pgbench case in each round")
    parser.add_argument(
        "--rows", type=int, default=2_000_000, help="of the narrow result; the large COPY is a MB for 2000"
    )
    parser.add_argument("--connections", type=int, default=10_000, help="short ones")
    parser.add_argument("--idle", type=int, default=1000, help="connections that do nothing, for the memory of each")
    parser.add_argument("--only", default="", help="only cases with this in their name")
    parser.add_argument(
        "--serve", action="append", default=[], help="another argument for interlock serve (--serve=--workers=2)"
    )
    parser.add_argument(
        "--write", type=Path, metavar="FILE.md", help="write the tables there, and a picture to FILE.svg"
    )
    parser.add_argument("--state", type=Path, metavar="FILE", help="keep each round there; go on with what is there")
    options = parser.parse_args()
    rows = [Row(case) for case in cases.cases(options.rows, options.connections) if options.only in case.name]
    done, idle_lines = saved(options.state, rows) if options.state else (0, [])
    with rig.postgres(options.pg) as server, rig.ways(server, *options.serve) as ways:
        if not idle_lines and (not options.only or options.only in "idle"):
            idle_lines = idle.table(ways, options.idle)
        cases.prepare(ways[0].url)
        with contextlib.suppress(KeyboardInterrupt):  # what has been measured until then is told
            for number in range(done, options.rounds):
                run_round(number, rows, ways, options.seconds)
                if options.state:
                    save(options.state, number + 1, rows, idle_lines)
        about, names = rig.machine(server), [way.name for way in ways]
    rows = [row for row in rows if all(row.figures[name] for name in names)]
    head = f"{', '.join(about)}; {options.rounds} rounds, medians of ratios."
    lines = [head, "", *table(rows, names), "", *latency(rows, names), "", *idle_lines]
    print("\n".join(lines))
    if options.write:
        picture = options.write.with_suffix(".svg")
        picture.write_text(bars.svg({row.case.name: _bars(row) for row in rows}))
        options.write.write_text("\n".join([*lines, "", f"![Ratios to the direct connection]({picture.name})", ""]))
    return 0


def _bars(row: Row) -> dict[str, float]:
    return {way: ratio for way in bars.COLOURS if (ratio := row.ratio(way, "direct")) is not None}


if __name__ == "__main__":
    sys.exit(main())

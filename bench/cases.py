"""What bench.throughput runs: each case is one program of Postgres's own (pgbench, psql) and how to read its figure."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.rig import Way
from tests.binaries import client

LINE_BYTES = 100  # a line of the COPY cases, with its newline


class BenchError(RuntimeError):
    """A program of a benchmark failed; the message says which, and what it said."""


@dataclass(frozen=True, slots=True)
class Figure:
    """``rate``: how many operations a second; ``p50_us``, ``p99_us`` of one, 0 where not asked for."""

    rate: float
    operations: int
    p50_us: float = 0.0
    p99_us: float = 0.0


@dataclass(frozen=True, slots=True)
class Pgbench:
    """Transactions of pgbench for some seconds, or a number of them a client."""

    name: str
    arguments: tuple[str, ...]
    clients: int = 1
    transactions: int = 0  # a client; 0: as many as go into the seconds of a round
    script: str = ""
    latency: bool = False
    unit: str = "transactions/s"

    def run(self, way: Way, seconds: float) -> Figure:
        with tempfile.TemporaryDirectory() as scratch:
            length = ["-t", str(self.transactions)] if self.transactions else ["-T", str(max(1, round(seconds)))]
            more = [*self.arguments, "-n", "-c", str(self.clients), "-j", "1", *length]
            if self.script:
                path = Path(scratch, "script")
                path.write_text(self.script)
                more += ["-f", str(path)]
            if self.latency:
                more += ["-l", f"--log-prefix={scratch}/log"]
            text = _output("pgbench", *more, way.url)
            rates = re.findall(r"^tps = ([\d.]+)", text, re.M)
            done = re.search(r"transactions actually processed: (\d+)", text)
            if not rates or done is None:
                raise BenchError(f"pgbench said nothing of its rate:\n{text}")
            times = [
                int(line.split()[2]) for log in Path(scratch).glob("log*") for line in log.read_text().splitlines()
            ]
            p50, p99 = _percentiles(times)
            return Figure(float(rates[-1]), int(done[1]), p50, p99)


@dataclass(frozen=True, slots=True)
class CopyOut:
    """``COPY … TO STDOUT`` by psql, thrown away."""

    name: str
    megabytes: int
    unit: str = "MB/s"

    def run(self, way: Way, seconds: float) -> Figure:
        lines = self.megabytes * 1_000_000 // LINE_BYTES
        sql = f"COPY (SELECT repeat('x', {LINE_BYTES - 1}) FROM generate_series(1, {lines})) TO STDOUT"
        began = time.perf_counter()
        _output("psql", "-X", "-q", "-c", sql, "-d", way.url, throw_away=True)
        return Figure(self.megabytes / (time.perf_counter() - began), self.megabytes)


@dataclass(frozen=True, slots=True)
class CopyIn:
    """``COPY … FROM STDIN`` by psql, into an unlogged table that is emptied before."""

    name: str
    megabytes: int
    unit: str = "MB/s"

    def run(self, way: Way, seconds: float) -> Figure:
        sql = "COPY bench_copy FROM STDIN"
        _output("psql", "-X", "-q", "-c", "TRUNCATE bench_copy", "-d", way.url)
        block = (b"x" * (LINE_BYTES - 1) + b"\n") * (1_000_000 // LINE_BYTES)
        began = time.perf_counter()
        with subprocess.Popen(
            [str(client("psql")), "-X", "-q", "-c", sql, "-d", way.url], stdin=subprocess.PIPE, env=_clean()
        ) as psql:
            assert psql.stdin is not None
            for _ in range(self.megabytes):
                psql.stdin.write(block)
            psql.stdin.close()
            if psql.wait():
                raise BenchError(f"{sql} through {way.name} failed")
        return Figure(self.megabytes / (time.perf_counter() - began), self.megabytes)


Case = Pgbench | CopyIn | CopyOut


def cases(rows: int, connections: int) -> Sequence[Case]:
    """All of them; ``rows`` of the narrow result, ``connections`` one after the other."""
    found: list[Case] = []
    for protocol in ("simple", "extended", "prepared"):
        for clients in (1, 4, 32):
            name = f"SELECT, {protocol}, {clients} client{'s' * (clients > 1)}"
            found.append(Pgbench(name, ("-S", "-M", protocol), clients, latency=clients == 1))
    found.append(Pgbench("TPC-B, simple, 4 clients", ("-b", "tpcb-like"), 4))
    narrow = f"SELECT i FROM generate_series(1, {rows}) AS i;"
    found.append(Pgbench(f"result, narrow, {rows:,} rows", (), 1, 1, narrow, unit="results/s"))
    wide_rows = max(1, rows // 40)
    columns = ", ".join(f"repeat('x', 200) AS c{n}" for n in range(20))
    wide = f"SELECT {columns} FROM generate_series(1, {wide_rows});"
    found.append(Pgbench(f"result, wide (4 kB), {wide_rows:,} rows", (), 1, 1, wide, unit="results/s"))
    large = max(1, rows // 2000)
    for megabytes in sorted({max(1, large // 10), large}):
        found.append(CopyOut(f"COPY out, {megabytes:,} MB", megabytes))
        found.append(CopyIn(f"COPY in, {megabytes:,} MB", megabytes))
    each = max(1, connections // 4)
    found.append(
        Pgbench(
            f"{each * 4:,} connections, one statement each, 4 at once",
            ("-C",),
            4,
            each,
            "SELECT 1;",
            unit="connections/s",
        )
    )
    return found


def prepare(url: str) -> None:
    """What the cases need in the database."""
    _output("pgbench", "-i", "-s", "10", "-q", "--unlogged-tables", url)
    _output("psql", "-X", "-q", "-c", "CREATE UNLOGGED TABLE bench_copy (line text)", "-d", url)


def _percentiles(times: Sequence[int]) -> tuple[float, float]:
    if len(times) < 2:
        return 0.0, 0.0
    hundredths = statistics.quantiles(times, n=100)
    return hundredths[49], hundredths[98]


def _output(program: str, *arguments: str, throw_away: bool = False) -> str:
    done = subprocess.run(
        [str(client(program)), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if throw_away else subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_clean(),
    )
    if done.returncode:
        raise BenchError(f"{program} {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout or ""


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}

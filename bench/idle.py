"""What idle connections cost in memory."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

import psycopg

from bench.rig import Way


def table(ways: Sequence[Way], connections: int) -> list[str]:
    """Markdown: the memory of each process in between before, and what each of so many idle connections adds."""
    lines = [f"| | idle | with {connections:,} idle connections | each |", "|---|--:|--:|--:|"]
    for way in ways:
        if not way.pid:
            continue
        with psycopg.connect(way.url) as first:  # so that whatever is made on first use is there
            first.execute("SELECT 1")
        before = way.pss_kb()
        with contextlib.ExitStack() as stack:
            for _ in range(connections):
                session = stack.enter_context(contextlib.closing(psycopg.connect(way.url, autocommit=True)))
                session.execute("SELECT 1")
            after = way.pss_kb()
        each = (after - before) / connections
        lines.append(f"| {way.name} | {before / 1024:.1f} MB | {after / 1024:.1f} MB | {each:.1f} KB |")
        time.sleep(0.5)  # the server ends as many processes
    return lines

"""How far the jobs are that are being done now: who does each, and what Postgres tells of the index that is built."""

from __future__ import annotations

import json
from dataclasses import dataclass

from proxy.run.asking import Asking, hexed, unhexed
from proxy.run.jobs import SPACE, Job, key
from proxy.run.store import EQ

_FOUND = """COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object('key', l.objid::pg_catalog.int8, 'pid', l.pid,
    'phase', p.phase, 'blocks', p.blocks_done, 'of_blocks', p.blocks_total, 'tuples', p.tuples_done,
    'of_tuples', p.tuples_total, 'holder', p.current_locker_pid)), '[]'::pg_catalog.json)::pg_catalog.text"""
SQL = f"""/* interlock */ SELECT {hexed(_FOUND)}
    FROM pg_catalog.pg_locks l
    JOIN pg_catalog.pg_database d ON d.oid {EQ} l.database AND d.datname {EQ} pg_catalog.current_database()
    LEFT JOIN pg_catalog.pg_stat_progress_create_index p ON p.pid {EQ} l.pid
    WHERE l.locktype {EQ} 'advisory' AND l.classid {EQ} {SPACE}::pg_catalog.oid AND l.objsubid {EQ} 2 AND l.granted"""


@dataclass(frozen=True, slots=True)
class Progress:
    """``pid`` is the session that has the job; the rest is empty while it builds nothing, or if that may not be seen."""

    pid: int
    phase: str = ""
    percent: int | None = None  # of this phase
    waits_for: int | None = None  # a session whose transaction must end first

    @property
    def text(self) -> str:
        parts = [self.phase, f"{self.percent} %" if self.percent is not None else ""]
        parts.append(f"for process {self.waits_for}" if self.waits_for else "")
        return " ".join(part for part in parts if part) or f"in process {self.pid}"


async def progress(own: Asking) -> dict[str, Progress]:
    """By ``jobs.key`` of the job.  Raises ServerError, ConnectionLost."""
    found: dict[str, Progress] = {}
    for row in json.loads(unhexed((await own.fetch(SQL))[0][0])):
        done, total = (row["blocks"], row["of_blocks"]) if row["of_blocks"] else (row["tuples"], row["of_tuples"])
        percent = min(100, 100 * done // total) if total else None
        found[key(row["key"])] = Progress(row["pid"], row["phase"] or "", percent, row["holder"] or None)
    return found


def of(job: Job, found: dict[str, Progress]) -> Progress | None:
    return found.get(key(job.id)) if job.state == "running" else None

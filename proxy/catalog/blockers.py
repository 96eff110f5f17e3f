"""Who is in the way of a lock, and whose snapshot a concurrent build waits for.

Both queries obey the rules of ``lookup``: every operator qualified, PUBLIC's rights suffice, no waiting.
Without pg_read_all_stats Postgres hides what other roles are doing: then pid, user and application remain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from proxy.catalog import answer
from proxy.plans.plan import Lock

SQL = files("proxy.catalog").joinpath("blockers.sql").read_text(encoding="ascii")
"""One parameter, ``parameter(relations, lock)``; one text, for ``decode``."""

ANYONE = files("proxy.catalog").joinpath("anyone.sql").read_text(encoding="ascii")
"""Parameters, ``anyone(relations, lock, age_ms)``; one boolean: false if nobody is in the way but transactions that are
younger than that.  What to ask first: it costs a third of ``SQL``, of which most is planning."""

SNAPSHOTS = files("proxy.catalog").joinpath("snapshots.sql").read_text(encoding="ascii")
"""One parameter, ``builder(pid)``; one text, for ``decode``; for a side connection while the build runs."""

END_IDLE = """/* interlock */ SELECT pg_catalog.pg_terminate_backend(a.pid)
    FROM pg_catalog.pg_stat_get_activity(CAST($1 AS pg_catalog.int4)) AS a
    JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) a.usesysid
    JOIN pg_catalog.pg_roles AS me ON me.rolname OPERATOR(pg_catalog.=) current_user
    JOIN pg_catalog.pg_locks AS l ON l.pid OPERATOR(pg_catalog.=) a.pid
        AND l.locktype OPERATOR(pg_catalog.=) 'virtualxid' AND l.granted
    WHERE l.virtualtransaction OPERATOR(pg_catalog.=) CAST($2 AS pg_catalog.text)
        AND pg_catalog.left(a.state, 19) OPERATOR(pg_catalog.=) 'idle in transaction'
        AND (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.state_change)
            OPERATOR(pg_catalog.*) CAST('1000' AS pg_catalog.float8))
            OPERATOR(pg_catalog.>=) CAST($3 AS pg_catalog.float8)
        AND (me.rolsuper OR (NOT r.rolsuper AND (
            pg_catalog.pg_has_role(r.oid, 'USAGE') OR pg_catalog.pg_has_role('pg_signal_backend', 'USAGE'))))
"""
"""Ends a session if it is still idle in that very transaction: $1 pid, $2 transaction, $3 the least age of that in ms.

No row: it is not any more, or may not be ended by this role.  To ask for what is not allowed would be an error, which in
the client's transaction would fail it.
"""

# Which modes conflict.  Source: Postgres docs, "Explicit Locking", table 13.2 (LockConflicts in lock.c).
_FROM: Mapping[Lock, Lock] = {
    Lock.ACCESS_SHARE: Lock.ACCESS_EXCLUSIVE,
    Lock.ROW_SHARE: Lock.EXCLUSIVE,
    Lock.ROW_EXCLUSIVE: Lock.SHARE,
    Lock.SHARE_UPDATE_EXCLUSIVE: Lock.SHARE_UPDATE_EXCLUSIVE,
    Lock.SHARE: Lock.ROW_EXCLUSIVE,
    Lock.SHARE_ROW_EXCLUSIVE: Lock.ROW_EXCLUSIVE,
    Lock.EXCLUSIVE: Lock.ROW_SHARE,
    Lock.ACCESS_EXCLUSIVE: Lock.ACCESS_SHARE,
}
CONFLICTS: Mapping[Lock, frozenset[Lock]] = {
    Lock.NONE: frozenset(),
    # Every mode conflicts with all from a weakest one on; SHARE alone does not conflict with itself.
    **{
        mode: frozenset(m for m in Lock if m.rank >= first.rank) - ({mode} if mode is Lock.SHARE else frozenset())
        for mode, first in _FROM.items()
    },
}


@dataclass(frozen=True, slots=True)
class Blocker:
    """A transaction that holds a conflicting lock, or waits for one in front of us."""

    pid: int  # 0 for a prepared transaction
    mode: str  # pg_locks.mode; ``snapshot``
    granted: bool  # False: it waits itself; for a snapshot: it is not waited for yet
    transaction: str = ""  # pg_locks.virtualtransaction: tells whether the next look meets the same one
    relation: tuple[str, str] | None = None  # (schema, name)
    user: str = ""
    application_name: str = ""
    state: str = ""  # empty if hidden from us
    wait_event: str = ""
    transaction_age_ms: int = 0  # 0 if hidden from us
    state_age_ms: int = 0
    query: str = ""  # the first 80 characters, white space folded
    gid: str = ""  # of a prepared transaction
    is_autovacuum: bool = False
    prevents_wraparound: bool = False
    waits_for_us: bool = False  # for a lock of this very session's: neither can go on

    @property
    def makes_way(self) -> bool:
        """Whether Postgres itself cancels it for us, once we have waited for deadlock_timeout."""
        return self.is_autovacuum and not self.prevents_wraparound


def parameter(relations: Sequence[tuple[str, str]], lock: Lock) -> str:
    """``relations`` are (schema, name), with an empty schema where the search_path decides; partitions are included."""
    modes = sorted(CONFLICTS[lock], key=lambda mode: mode.rank)
    return answer.encode({"relations": [list(pair) for pair in relations], "modes": [mode.value for mode in modes]})


def anyone(relations: Sequence[tuple[str, str]], lock: Lock, age_ms: float) -> tuple[str, ...] | None:
    """The parameters of ``ANYONE``; None if it cannot be asked about these: a schema is missing, or a name is not ASCII."""
    names = [name for pair in relations for name in pair]
    if not all(name and name.isascii() for name in names):
        return None
    schemas, tables = ([pair[n] for pair in relations] for n in (0, 1))
    return _array(schemas), _array(tables), _array([mode.value for mode in CONFLICTS[lock]]), f"{age_ms}"


def _array(values: Sequence[str]) -> str:
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"


def builder(pid: int | None = None) -> str:
    """The session that builds; None: whom a build that began now would wait for."""
    return answer.encode({"pid": pid})


def decode(text: str | bytes) -> tuple[Blocker, ...]:
    """Those in the way, holders before waiters, oldest transaction first.  Raises UnreadableAnswer."""
    rows = answer.decode(text) or ()
    try:
        return tuple(_blocker(row) for row in rows)
    except (KeyError, TypeError, ValueError) as error:
        raise answer.UnreadableAnswer(f"the database's answer about locks cannot be read: {error!r}") from error


def _blocker(row: Mapping[str, object]) -> Blocker:
    def text(key: str) -> str:
        value = row[key]
        return "" if value is None else str(value)

    def number(key: str) -> int:
        value = row[key]
        return max(0, value) if isinstance(value, int) else 0

    relation = row["relation"]
    query = " ".join(text("query").split())
    return Blocker(
        pid=number("pid"),
        mode=text("mode"),
        granted=row["granted"] is True,
        transaction=text("transaction"),
        relation=(str(relation[0]), str(relation[1])) if isinstance(relation, list) else None,
        user=text("user"),
        application_name=text("application_name"),
        state=text("state"),
        wait_event=text("wait_event"),
        transaction_age_ms=number("transaction_age_ms"),
        state_age_ms=number("state_age_ms"),
        query=query if len(query) <= 80 else query[:79] + "…",
        gid=text("gid"),
        is_autovacuum=row["is_autovacuum"] is True,
        prevents_wraparound="(to prevent wraparound)" in query,
        waits_for_us=row.get("waits_for_us") is True,
    )


def describe(blocker: Blocker) -> str:
    """``pid 9120 (app, "web"): idle in transaction for 12 min: SELECT …``"""
    if blocker.gid or not blocker.pid:
        who = f'prepared transaction "{blocker.gid}"' + (f" ({blocker.user})" if blocker.user else "")
        return f"{who}: waiting for COMMIT PREPARED for {duration(blocker.transaction_age_ms)}"
    if blocker.is_autovacuum:
        why = " to prevent wraparound" if blocker.prevents_wraparound else ""
        return f"pid {blocker.pid} (autovacuum): running{why} for {duration(blocker.transaction_age_ms)}"
    named = ", ".join(
        part for part in (blocker.user, blocker.application_name and f'"{blocker.application_name}"') if part
    )
    who = f"pid {blocker.pid}" + (f" ({named})" if named else "")
    if not blocker.state:
        return f"{who}: its activity is visible only to members of pg_read_all_stats"
    if blocker.state.startswith("idle in transaction"):
        doing = f"{blocker.state} for {duration(blocker.state_age_ms)}"
    else:
        doing = f"in a transaction for {duration(blocker.transaction_age_ms)}, {blocker.state}"
        if not blocker.granted and blocker.mode != "snapshot":
            doing += ", itself waiting for a lock"
    return f"{who}: {doing}" + (f": {blocker.query}" if blocker.query else "")


def duration(ms: int) -> str:
    """``850 ms``, ``12 s``, ``12 min``, ``3 h``, ``2 days``: the largest unit of which there are two or more."""
    for unit_ms, unit in ((86_400_000, "days"), (3_600_000, "h"), (60_000, "min"), (1000, "s")):
        if ms >= 2 * unit_ms:
            return f"{ms // unit_ms} {unit}"
    return f"{ms} ms"

"""Who holds an advisory lock of ours: any login may take one, and who waits for it is to hear for whom.

Source: Postgres docs, "pg_locks" (53.13): of a lock with two keys ``classid`` and ``objid`` are the keys, and ``objsubid`` is 2.
"""

from __future__ import annotations

from proxy.run.asking import Asking
from proxy.run.errors import surely
from proxy.run.store import EQ

# A superuser's session may do another login's jobs, after SET SESSION AUTHORIZATION.  A prepared transaction has no process.
_HOLDER = f"""/* interlock */ SELECT COALESCE(l.pid, 0), COALESCE(a.usename, ''), COALESCE(r.rolsuper OR r.rolname {EQ} session_user, false)
    FROM pg_catalog.pg_locks l
    JOIN pg_catalog.pg_database d ON d.oid {EQ} l.database AND d.datname {EQ} pg_catalog.current_database()
    LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid {EQ} l.pid LEFT JOIN pg_catalog.pg_roles r ON r.oid {EQ} a.usesysid
    WHERE l.locktype {EQ} 'advisory' AND l.objsubid {EQ} 2 AND l.granted AND l.classid::pg_catalog.int8 {EQ} $1::pg_catalog.int8
    AND l.objid::pg_catalog.int8 {EQ} $2::pg_catalog.int8 AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()"""


async def holder(own: Asking, space: int, key: int) -> tuple[str, bool] | None:
    """Another session that has the lock of these two keys, in words, and whether it may be one of this login's; None if none has.

    Raises ServerError, ConnectionLost.
    """
    for row in await surely(lambda: own.fetch(_HOLDER, str(space), str(key & 0xFFFFFFFF))):
        pid, name, may = ((column or b"").decode("utf-8", "replace") for column in row)
        return (f"process {pid} ({name})" if pid != "0" else "a prepared transaction"), may == "t"
    return None


__all__ = ["holder"]

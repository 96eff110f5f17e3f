"""What the names in a job mean now: it says them as its author did, and since then a table may have been renamed, or another come before it.

The session that does a job may be the author's own, with temporary tables of its own.
Postgres docs: "The Schema Search Path" (5.10.3), search_path (20.11.1): unless it is said, pg_temp is searched first.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.run.asking import Asking, hexed, unhexed
from proxy.run.errors import PlanFailed
from proxy.run.jobs import Job
from proxy.run.store import EQ
from proxy.sql import read
from proxy.sql.statements import AlterTable, CreateIndex, DropIndex, Name, Other, quote_identifier

NOT_AS_IT_WAS = "55000"  # object_not_in_prerequisite_state
_TEMPORARY = f"""/* interlock */ SELECT EXISTS (SELECT FROM pg_catalog.pg_class c
        WHERE c.relnamespace {EQ} pg_catalog.pg_my_temp_schema() AND c.relkind OPERATOR(pg_catalog.<>) 't')
    OR EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.typnamespace {EQ} pg_catalog.pg_my_temp_schema())"""
_CALLED = (
    "(SELECT pg_catalog.string_agg(pg_catalog.concat(pg_catalog.quote_ident(n.nspname), '.', pg_catalog.quote_ident(t.relname)), ', ')"
    f" FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace n ON n.oid {EQ} t.relnamespace WHERE t.oid {EQ} {{}})"
)
# Of names that are found, those that are neither the tables of the job, nor indexes or partitions of them; and what those are called.
_OTHERS = f"""/* interlock */ SELECT {hexed("w.name")}, {hexed(_CALLED.format("c.oid"))},
    {hexed(_CALLED.format("ANY ($2::pg_catalog.oid[])"))}
    FROM pg_catalog.unnest($1::pg_catalog.text[]) AS w(name)
    JOIN pg_catalog.pg_class c ON c.oid {EQ} pg_catalog.to_regclass(w.name)
    WHERE NOT EXISTS (
        WITH RECURSIVE above (oid) AS (
            SELECT COALESCE((SELECT i.indrelid FROM pg_catalog.pg_index i WHERE i.indexrelid {EQ} c.oid), c.oid)
            UNION SELECT h.inhparent FROM pg_catalog.pg_inherits h JOIN above a ON h.inhrelid {EQ} a.oid
        ) SELECT FROM above WHERE above.oid {EQ} ANY ($2::pg_catalog.oid[]))"""


async def path(own: Asking, search_path: str) -> str:
    """The ``search_path`` to do a job with: what is temporary in this session comes behind everything.  Raises ServerError."""
    if "pg_temp" in search_path or (await own.fetch(_TEMPORARY))[0][0] != b"t":
        return search_path
    return f"{search_path}, pg_temp" if search_path.strip(' "') else "pg_temp"


async def still_meant(own: Asking, job: Job) -> None:
    """Raises PlanFailed if what the job's statement names is another table, or an index of another, than when it was written down; ServerError."""
    names = _names(job) if job.tables else []
    if not names:
        return
    for row in await own.fetch(_OTHERS, _array(names), _array([str(oid) for oid in job.tables])):
        name, other, mine = (unhexed(column) for column in row)
        said = f"{name} means {other} now; the statement was about another, which is called {mine} now"
        raise PlanFailed({"S": "ERROR", "V": "ERROR", "C": NOT_AS_IT_WAS, "M": said})


def _names(job: Job) -> list[str]:
    """What the statement names, as it does and as its steps do."""
    written = [name for statement in read.read(job.statement) for name in _about(statement.node)]
    own = {name.name for name in written}
    named = [relation for step in job.steps for relation in step.relations if relation[0] and relation[1] in own]
    return list(dict.fromkeys(_quoted(parts) for parts in (*(name.parts for name in written), *named)))


def _quoted(parts: Sequence[str]) -> str:
    return ".".join(quote_identifier(part) for part in parts)


def _about(node: object) -> tuple[Name, ...]:
    match node:
        case AlterTable(relation=name) | CreateIndex(relation=name):
            return (name,)
        case DropIndex(names=names) | Other(kind="REINDEX" | "REFRESH MATERIALIZED VIEW", relations=names):
            return names
        case _:
            return ()


def _array(values: list[str]) -> str:
    return "{" + ",".join('"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"' for v in values) + "}"


__all__ = ["path", "still_meant"]

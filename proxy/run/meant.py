"""What the names in a job mean now: it says them as its author did, and others may have come before theirs in the search path since.

The session that does a job may be the author's own, with temporary tables of its own.
Postgres docs: "The Schema Search Path" (5.10.3), search_path (20.11.1): unless it is said, pg_temp is searched first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from proxy.plans.plan import Step
from proxy.run.asking import Asking, hexed, unhexed
from proxy.run.errors import PlanFailed
from proxy.run.store import EQ
from proxy.sql import read
from proxy.sql.statements import AlterTable, CreateIndex, DropIndex, Name, quote_identifier

NOT_AS_IT_WAS = "55000"  # object_not_in_prerequisite_state
_TEMPORARY = f"""/* interlock */ SELECT EXISTS (SELECT FROM pg_catalog.pg_class c
        WHERE c.relnamespace {EQ} pg_catalog.pg_my_temp_schema() AND c.relkind OPERATOR(pg_catalog.<>) 't')
    OR EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.typnamespace {EQ} pg_catalog.pg_my_temp_schema())"""
_MEANT = f"""/* interlock */ SELECT {hexed("w.name")}, {hexed("n.nspname::pg_catalog.text")},
    c.oid::pg_catalog.int8
    FROM pg_catalog.unnest($1::pg_catalog.text[]) AS w(name)
    JOIN pg_catalog.pg_class c ON c.oid {EQ} pg_catalog.to_regclass(w.name)
    JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace"""


async def path(own: Asking, search_path: str) -> str:
    """The ``search_path`` to do a job with: what is temporary in this session comes behind everything.  Raises ServerError."""
    if "pg_temp" in search_path or (await own.fetch(_TEMPORARY))[0][0] != b"t":
        return search_path
    return f"{search_path}, pg_temp" if search_path.strip(' "') else "pg_temp"


async def still_meant(own: Asking, steps: Sequence[Step], tables: Collection[int]) -> None:
    """Raises PlanFailed if a name without a schema is found in another one than when the job was written down, unless it is
    still that of one of the job's ``tables`` (OIDs); ServerError.
    """
    wanted = {name.name: schemas for step in steps for name, schemas in _unqualified(step)}
    if not wanted:
        return
    quoted = {quote_identifier(name): name for name in wanted}
    array = "{" + ",".join('"' + q.replace("\\", "\\\\").replace('"', '\\"') + '"' for q in quoted) + "}"
    for row in await own.fetch(_MEANT, array):
        written, schema = unhexed(row[0]), unhexed(row[1])
        known = wanted[quoted[written]]
        if schema not in known and int(row[2] or 0) not in tables:
            said = f"{written} is that of schema {quote_identifier(schema)} now; it was that of {_listed(known)}"
            raise PlanFailed({"S": "ERROR", "V": "ERROR", "C": NOT_AS_IT_WAS, "M": said})


def _listed(schemas: frozenset[str]) -> str:
    return " or ".join(sorted(quote_identifier(schema) for schema in schemas))


def _unqualified(step: Step) -> Iterator[tuple[Name, frozenset[str]]]:
    """Names of a step's tables and indexes, each with the schemas where they were."""
    index = {step.index[0]} if step.index is not None else set()
    schemas = frozenset({schema for schema, _ in step.relations} | index) - {""}
    names: list[Name] = []
    for statement in (s for sql in step.statements for s in read.read(sql)):
        match statement.node:
            case AlterTable(relation=name) | CreateIndex(relation=name):
                names.append(name)
            case DropIndex(names=dropped):
                names += dropped
    yield from ((name, schemas) for name in names if name.schema is None and schemas)


__all__ = ["path", "still_meant"]

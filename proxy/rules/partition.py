"""What the rules about new partitions have in common."""

from __future__ import annotations

from proxy.plans.target import qualify
from proxy.rules.base import Context
from proxy.rules.cost import cost
from proxy.rules.subject import Subject, script, subject
from proxy.rules.whole_table import written
from proxy.rules.words import outside, tokens
from proxy.sql.statements import AttachPartition, CreateTable, Span

PROOF = "<key> IS NOT NULL AND <what FOR VALUES says>"


def attached(node: AttachPartition, context: Context) -> Subject | None:
    """The table that becomes a partition, if it holds rows and Postgres takes it."""
    parent = context.relation(context.table.relation)
    if context.table.object_type != "TABLE" or (parent is not None and (not parent.exists or parent.kind != "p")):
        return None
    about = subject(node.partition, context)
    if about is None or about.kind not in (None, "r", "p") or (about.relation and about.relation.is_partition):
        return None
    return about


def proof(table: str, condition: str = PROOF) -> list[str]:
    """The CHECK that makes reading a table unnecessary."""
    return [
        f"ALTER TABLE {table} ADD CONSTRAINT <name> CHECK ({condition}) NOT VALID",
        f"ALTER TABLE {table} VALIDATE CONSTRAINT <name>",
    ]


def partitioned(node: CreateTable, context: Context) -> Subject | None:
    """The table that gets a new partition, if others use it and Postgres takes it."""
    if node.partition_of is None or (about := subject(node.partition_of, context)) is None:
        return None
    own = context.relation(node.relation)
    return None if (own is not None and own.exists) or about.kind not in (None, "p") else about


def default_read(node: CreateTable, about: Subject, context: Context) -> tuple[str, str] | None:
    """The default partition, if CREATE TABLE … PARTITION OF reads it."""
    default = about.relation.default_partition if about.relation else None
    if default is None or _bounds(node, context) == "DEFAULT" or cost(context).work == "none":
        return None
    known = context.facts.relations.get(default)
    return None if known is not None and known.size_bytes == 0 else default


def by_attach(node: CreateTable, about: Subject, context: Context, default: tuple[str, str] | None = None) -> str:
    """The statements that do the same with less of a lock."""
    on = written(about, context)
    schema = about.relation.schema if about.relation and len(node.relation.parts) == 1 else node.relation.schema or ""
    child = qualify(schema, node.relation.name)
    return script(
        f"CREATE TABLE {child} (LIKE {on} INCLUDING ALL)",
        *(proof(qualify(*default), f"NOT ({PROOF})") if default else []),
        f"ALTER TABLE {on} ATTACH PARTITION {child} {_bounds(node, context)}",
    )


def _bounds(node: CreateTable, context: Context) -> str:
    """``FOR VALUES …`` or ``DEFAULT``, as the author wrote it."""
    assert node.partition_of is not None
    rest = Span(node.partition_of.span.end, context.statement.span.end)
    found = outside(tokens(context.statement.text, rest))
    words = [t.value for t in found]
    start = next((i for i, word in enumerate(words) if word in ("for", "default")), None)
    if start is None:
        return ""
    if words[start] == "default":
        return "DEFAULT"
    # IN (…), WITH (…) or FROM (…) TO (…): the brackets are tokens here, what is in them is not.
    last = start + (8 if words[start + 2 : start + 3] == ["from"] else 4)
    return rest.of(context.statement.text)[found[start].start : found[min(last, len(found) - 1)].end]

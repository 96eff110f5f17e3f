"""What the rules about new partitions have in common."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.catalog.facts import Relation
from proxy.catalog.parts import fits
from proxy.plans.attach import attach
from proxy.plans.plan import Rewrite
from proxy.plans.target import is_own, qualify
from proxy.records import replace
from proxy.rules.base import Context
from proxy.rules.cost import cost, cost_of, supposing
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
    if about is None or about.kind not in (None, "r", "p"):
        return None
    child = about.relation
    return about if child is None or parent is None or fits(parent, child) else None


@dataclass(frozen=True, slots=True)
class Attaching:
    """What ATTACH PARTITION would read, and how to spare it."""

    child: bool  # the rows of the new partition
    default: tuple[str, str] | None  # those of the default partition
    rewrite: Rewrite | None


def attaching(node: AttachPartition, about: Subject, context: Context) -> Attaching:
    parent = context.relation(context.table.relation)
    bare = context
    # What an interrupted run has proven counts for nothing: the rest of it is still to be done.
    for relation in (about.relation, _default(parent, context)):
        bare = supposing(bare, relation, _without_own(relation))
    child, default = _reads_child(node, parent, bare), _default_read(node, about, parent, bare)
    rewrite = None
    if about.relation is not None and parent is not None:
        known = context.facts.relations.get(default) if default is not None else None
        if default is None or known is not None:
            rewrite = attach(context.statement, node, context.facts, reads=child, default=known)
    return Attaching(child, default, rewrite)


def _default(parent: Relation | None, context: Context) -> Relation | None:
    return context.facts.relations.get(parent.default_partition) if parent and parent.default_partition else None


def _without_own(relation: Relation | None) -> Relation | None:
    if relation is None:
        return None
    return replace(relation, constraints={n: c for n, c in relation.constraints.items() if not is_own(n)})


def _reads_child(node: AttachPartition, parent: Relation | None, context: Context) -> bool:
    """Whether the rows of the new partition are read, for more than indexes and foreign keys."""
    bare = replace(parent, default_partition=None, indexes={}, constraints={}) if parent else None
    return cost_of(node, supposing(context, parent, bare)).work != "none"


def _default_read(
    node: AttachPartition, about: Subject, parent: Relation | None, context: Context
) -> tuple[str, str] | None:
    """The default partition, if its rows are read."""
    if parent is None or parent.default_partition is None or node.is_default:
        return None
    known = context.facts.relations.get(parent.default_partition)
    if known is not None and known.size_bytes == 0:
        return None
    of = about.relation
    same = next((r for r in context.facts.relations.values() if of and r.exists and r.oid == of.oid), None)
    private = replace(same, is_new=True) if same else None
    bare = supposing(context, parent, replace(parent, indexes={}, constraints={}))
    return parent.default_partition if cost_of(node, supposing(bare, same, private)).work != "none" else None


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
    if default is None or _bounds(node, context) == "DEFAULT":
        return None
    known = context.facts.relations.get(default)
    if cost(supposing(context, known, _without_own(known))).work == "none":
        return None
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

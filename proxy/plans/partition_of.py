"""CREATE TABLE … PARTITION OF as CREATE TABLE (LIKE …) and ATTACH PARTITION: beside readers and writers of the table.

The same in every row of the catalog; where that is not certain there is no rewrite, and the lock is asked for with patience.
Source: DefineRelation, MergeAttributes, ATExecAttachPartition (commands/tablecmds.c), expandTableLikeClause (parse_utilcmd.c).
"""

from __future__ import annotations

from proxy.catalog.facts import Facts, Relation
from proxy.catalog.parts import keys
from proxy.plans import done
from proxy.plans.attach import DEFAULT_VIOLATED, LOCKS_REFERRING, Proof
from proxy.plans.build_parts import of
from proxy.plans.partition_check import PartitionCheck
from proxy.plans.plan import Edit, Lock, Rewrite, Step
from proxy.sql import edit
from proxy.sql.lexer import LexError, Token, lex
from proxy.sql.statements import CreateTable, Span, Statement

HAS_COMPRESSION = 14


def partition_of(statement: Statement, node: CreateTable, facts: Facts, *, default: Relation | None) -> Rewrite | None:
    """``default``: the default partition, if its rows are read."""
    parent = facts.find(node.partition_of) if node.partition_of else None
    bounds = bounds_of(statement, node)
    if parent is None or bounds is None or node.temporary or node.foreign or not _plain(parent):
        return None
    words = bounds.of(statement.text)
    child = (node.relation.schema or "", node.relation.name)
    proving: list[Proof] = []
    if default is not None:
        check = PartitionCheck(parent, words)
        if not check.possible:
            return None
        proving.append(Proof(check, child, default, DEFAULT_VIOLATED, denied=True))
    last = _last(statement, node, parent, bounds, proving, facts)
    steps = (*(proof.add for proof in proving), *(proof.validate for proof in proving), last)
    return Rewrite(steps, autocommit=bool(proving), table=parent.qualified)


def _plain(parent: Relation) -> bool:
    """Whether a copy of it is sure to be what a partition would be made as."""
    if parent.kind != "p" or parent.spaced or parent.access_method or not parent.columns:
        return False
    return all(c.kind != "x" and (c.enforced or c.kind == "f") for c in parent.constraints.values())


def _last(
    statement: Statement, node: CreateTable, parent: Relation, bounds: Span, proving: list[Proof], facts: Facts
) -> Step:
    start, table = statement.span.start, of(parent)
    includes = ["DEFAULTS", "CONSTRAINTS", "GENERATED", "STORAGE"]
    includes += ["COMPRESSION"] if facts.major >= HAS_COMPRESSION else []
    like = f"(LIKE {table.sql} {' '.join(f'INCLUDING {what}' for what in includes)})"
    edits = (Edit(_partition_of(statement, node) - start, bounds.end - start, like),)
    name = node.relation.span.of(statement.text)
    lock, relations, others = _locks(parent, facts)
    return Step(
        (
            edit.apply(statement.sql, edits),
            f"ALTER TABLE {table.sql} ATTACH PARTITION {name} {bounds.of(statement.text)}",
            *(proof.drop for proof in proving),
        ),
        lock,
        "makes the table by itself and attaches it, beside readers and writers of the others",
        relations=relations,
        others=others,
        done=done.attached(done.named(node.relation.schema or "", node.relation.name), table),
        edits=edits,
    )


def _locks(
    parent: Relation, facts: Facts
) -> tuple[Lock, tuple[tuple[str, str], ...], tuple[tuple[str, str, Lock], ...]]:
    light = {key.references for key in keys(parent) if key.references}
    light |= {key.table for key in parent.referring if not key.part} if facts.major >= LOCKS_REFERRING else set()
    if parent.default_partition is not None:
        others = sorted(light - {parent.default_partition})
        return (
            Lock.ACCESS_EXCLUSIVE,
            (parent.default_partition,),
            tuple((*key, Lock.SHARE_ROW_EXCLUSIVE) for key in others),
        )
    if light:
        return Lock.SHARE_ROW_EXCLUSIVE, tuple(sorted(light)), ()
    return Lock.SHARE_UPDATE_EXCLUSIVE, (parent.qualified,), ()


def bounds_of(statement: Statement, node: CreateTable) -> Span | None:
    """Where ``FOR VALUES …`` or ``DEFAULT`` stands; None if columns are said, too, or it is not read."""
    assert node.partition_of is not None
    begin = node.partition_of.span.end
    try:
        tokens = lex(statement.text[begin : statement.span.end])
    except LexError:
        return None
    words = [token.value if token.kind == "word" else "" for token in tokens]
    if words[:1] == ["default"]:
        return Span(begin + tokens[0].start, begin + tokens[0].end)
    if words[:2] != ["for", "values"]:
        return None
    end = _closed(tokens, 2)
    if words[2:3] == ["from"] and end is not None:
        end = _closed(tokens, end) if words[end : end + 1] == ["to"] else None
    return Span(begin + tokens[0].start, begin + tokens[end - 1].end) if end is not None else None


def _closed(tokens: list[Token], start: int) -> int | None:
    """Behind the bracket that opens after ``start``."""
    depth = 0
    for i in range(start, len(tokens)):
        if tokens[i].kind == "op":
            depth += {"(": 1, ")": -1}.get(tokens[i].value, 0)
            if depth == 0:
                return i + 1
    return None


def _partition_of(statement: Statement, node: CreateTable) -> int:
    """Where PARTITION OF begins."""
    assert node.partition_of is not None
    begin = node.relation.span.end
    return begin + lex(statement.text[begin : node.partition_of.span.start])[0].start

"""ADD FOREIGN KEY that checks all rows under lock."""

from __future__ import annotations

from functools import partial

from proxy.catalog.facts import Relation
from proxy.plans.default_names import name_of
from proxy.plans.key_parts import has_keys, key_parts
from proxy.plans.plan import Lock
from proxy.plans.target import qualify
from proxy.plans.validate_later import validate_later
from proxy.rules.base import Context, Finding, rule
from proxy.rules.constraint import by_hand, called, name_taken
from proxy.rules.subject import Subject, altered, script
from proxy.sql.statements import AddConstraint, ConstraintKind, Name, quote_identifier

PARTITIONED_NOT_VALID = 18  # the first version that takes NOT VALID for a foreign key of a partitioned table


@rule
def foreign_key_validated(node: AddConstraint, context: Context) -> Finding | None:
    c = node.constraint
    if c.kind is not ConstraintKind.FOREIGN_KEY or c.not_valid or c.not_enforced or c.references is None:
        return None
    about = altered(context)
    if about is None or name_taken(node, context) or _refused(context.relation(c.references)):
        return None
    by_partition = about.kind == "p" and (
        context.facts.major < PARTITIONED_NOT_VALID or has_keys(about.relation, context.facts)
    )
    plan = key_parts if by_partition else validate_later
    rewrite = None if about.unresolved else plan(context.statement, node, context.facts)
    hint = partial(_by_partition, node, context, about) if by_partition else partial(by_hand, node, rewrite, context)
    return Finding(
        rule="foreign-key-validated",
        at=c.span,
        problem=f"adding {called(node, rewrite)} would block writes to {_both(about, c.references)}"
        " while all rows are checked",
        detail=f"{about.all_rows} would be looked up in {_other(about, c.references)} while a SHARE ROW EXCLUSIVE lock"
        f" is held on {'it' if _same(about, c.references) else 'both'}.",
        hint=hint,
        lock=Lock.SHARE_ROW_EXCLUSIVE,
        work="scan",
        relation=context.table.relation,
        rewrite=rewrite,
    )  # fmt: skip


def _refused(referenced: Relation | None) -> bool:
    """Whether Postgres says at once that this is nothing to refer to."""
    return referenced is not None and (not referenced.exists or referenced.kind not in "rp")


def _same(about: Subject, references: Name) -> bool:
    return references.name == about.name.name


def _other(about: Subject, references: Name) -> str:
    return "itself" if _same(about, references) else f'"{references.name}"'


def _both(about: Subject, references: Name) -> str:
    return about.shown if _same(about, references) else f'{about.shown} and "{references.name}"'


def _by_partition(node: AddConstraint, context: Context, about: Subject) -> str:
    """Valid keys on all partitions let the one on the parent be merged without reading a row."""
    assert about.relation is not None
    name = name_of(node, context.statement, context.facts)
    constraint = quote_identifier(name or "<constraint>")
    body = node.constraint.body.of(context.statement.text)
    return (
        script(
            f"ALTER TABLE <partition> ADD CONSTRAINT {constraint} {body} NOT VALID",
            f"ALTER TABLE <partition> VALIDATE CONSTRAINT {constraint}",
            f"ALTER TABLE {qualify(*about.relation.qualified)} ADD CONSTRAINT {constraint} {body}",
        )
        + "\n(the first two for each partition; the last reads no row then, and may be let through)"
    )

"""What the rules about ADD CONSTRAINT have in common."""

from __future__ import annotations

from functools import partial

from proxy.plans.compose import alone
from proxy.plans.plan import Lock, Rewrite
from proxy.plans.target import target
from proxy.plans.validate_later import resumed
from proxy.rules.base import Context, Finding
from proxy.rules.nullness import added
from proxy.rules.subject import Subject, script
from proxy.sql.statements import AddConstraint, ConstraintKind, DropConstraint, quote_identifier

INDEXED = (ConstraintKind.UNIQUE, ConstraintKind.PRIMARY_KEY)
NAME = "<name>"


def called(node: AddConstraint, rewrite: Rewrite | None) -> str:
    """``foreign key "orders_customer_fkey"``, for the middle of a sentence."""
    kind = node.constraint.kind
    word = "foreign key" if kind is ConstraintKind.FOREIGN_KEY else f"{kind} constraint"
    name = node.constraint.name or (rewrite.name if rewrite else None)
    return f'{word} "{name}"' if name else f"a {word}"


def name_taken(node: AddConstraint, context: Context) -> bool:
    """Whether the table has a constraint of that name: Postgres says so itself, before it reads a row."""
    relation, name = context.relation(context.table.relation), node.constraint.name
    if relation is None or name is None or name not in relation.constraints:
        return False
    if any(isinstance(a, DropConstraint) and a.name == name for a in context.table.actions):
        return False
    if node.constraint.kind in INDEXED:
        return True
    return resumed(context.statement, node, context.facts) is None


def missing_columns(node: AddConstraint, about: Subject, context: Context) -> bool:
    """Whether a column is named that neither exists nor comes in this ALTER: Postgres says so itself."""
    relation = about.relation
    if relation is None or not relation.columns:
        return False
    return any(c not in relation.columns and not added(c, context) for c in node.constraint.columns)


def checks_all_rows(
    rule: str, what: str, node: AddConstraint, about: Subject, rewrite: Rewrite | None, context: Context
) -> Finding:
    """The finding that ``ADD CONSTRAINT`` of ``what`` reads the table under its lock."""
    return Finding(
        rule=rule,
        at=node.constraint.span,
        problem=f"adding {what} would block reads and writes of {about.shown} while all rows are checked",
        detail=f"{about.all_rows} would be read under an ACCESS EXCLUSIVE lock.",
        hint=partial(by_hand, node, rewrite, context),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="scan",
        relation=context.table.relation,
        rewrite=rewrite,
    )


def by_hand(node: AddConstraint, rewrite: Rewrite | None, context: Context) -> str:
    """The statements that do the same without blocking."""
    if rewrite is not None:
        return script(*(sql for step in alone(context.statement, node, rewrite) for sql in step.statements))
    c, alter = node.constraint, context.table
    table = target(alter.relation, context.relation(alter.relation), context.statement).sql
    name = quote_identifier(c.name) if c.name else NAME
    body = c.body.of(context.statement.text)
    return script(
        f"ALTER TABLE {table} ADD CONSTRAINT {name} {body} NOT VALID",
        f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}",
    )


def by_partition(node: AddConstraint, rewrite_name: str | None, table: str, text: str) -> str:
    """How a UNIQUE or PRIMARY KEY comes to a partitioned table, by hand."""
    c = node.constraint
    name = quote_identifier(rewrite_name) if rewrite_name else NAME
    columns = c.columns_span.of(text) if c.columns_span else ", ".join(map(quote_identifier, c.columns))
    include = f" INCLUDE ({c.include.of(text)})" if c.include else ""
    distinct = " NULLS NOT DISTINCT" if c.nulls_not_distinct else ""
    return (
        script(
            f"ALTER TABLE ONLY {table} ADD CONSTRAINT {name} {c.body.of(text)}",
            f"CREATE UNIQUE INDEX CONCURRENTLY <partition index> ON <partition> ({columns}){include}{distinct}",
            f"ALTER TABLE <partition> ADD CONSTRAINT <partition index> {c.kind} USING INDEX <partition index>",
            f"ALTER INDEX {name} ATTACH PARTITION <partition index>",
        )
        + "\n(the last three for each partition)"
    )

"""ADD COLUMN with a CHECK, which is checked for all rows under lock."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import added_to, of_kind, rewritten, table, without
from proxy.rules.subject import Subject, script
from proxy.sql.names import make_object_name
from proxy.sql.statements import AddColumn, quote_identifier


@rule
def column_check_inline(node: AddColumn, context: Context) -> Finding | None:
    checks = [c for c in of_kind(node, "CHECK") if not c.not_enforced]
    about = added_to(node, context)
    if about is None:
        return None
    if not checks:
        return _computed(node, about, context)
    text, on = context.statement.text, table(context)
    steps = [without(node, context, "CHECK")]
    for i, check in enumerate(checks, 1):
        number = str(i) if len(checks) > 1 else ""
        default = make_object_name(context.table.relation.name, node.column.name, f"check{number}")
        name = quote_identifier(check.name or default)
        inherit = " NO INHERIT" if check.no_inherit else ""
        expression = check.expression.of(text) if check.expression else ""
        steps += [
            f"ALTER TABLE {on} ADD CONSTRAINT {name} CHECK ({expression}){inherit} NOT VALID",
            f"ALTER TABLE {on} VALIDATE CONSTRAINT {name}",
        ]
    return Finding(
        rule="column-check-inline",
        at=checks[0].span,
        problem=f'adding column "{node.column.name}" would block reads and writes of {about.shown}'
        " while its CHECK is evaluated for all rows",
        detail=f"{about.all_rows} would be read under an ACCESS EXCLUSIVE lock, though all have the same value.",
        hint=script(*steps),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="scan",
        relation=context.table.relation,
        rewrite=rewritten(node, about, context),
    )


def _computed(node: AddColumn, about: Subject, context: Context) -> Finding | None:
    """NOT NULL of a virtual generated column (18), which is computed for all rows to see."""
    strict = of_kind(node, "NOT NULL")
    if not strict or not any(c.virtual for c in of_kind(node, "GENERATED")):
        return None
    on, column = table(context), quote_identifier(node.column.name)
    name = quote_identifier(strict[0].name or f"{context.table.relation.name}_{node.column.name}_not_null")
    return Finding(
        rule="column-check-inline",
        at=strict[0].span,
        problem=f'adding column "{node.column.name}" would block reads and writes of {about.shown}'
        " while it is computed for all rows, to see that none is NULL",
        detail=f"{about.all_rows} would be read under an ACCESS EXCLUSIVE lock.",
        hint=script(
            without(node, context, "NOT NULL"),
            f"ALTER TABLE {on} ADD CONSTRAINT {name} NOT NULL {column} NOT VALID",
            f"ALTER TABLE {on} VALIDATE CONSTRAINT {name}",
        ),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="scan",
        relation=context.table.relation,
    )

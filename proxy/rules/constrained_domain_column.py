"""ADD COLUMN of a domain that has a constraint."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import added_to, table
from proxy.rules.cost import cost_of_column
from proxy.rules.subject import script
from proxy.rules.volatile_default import SERIAL
from proxy.sql.statements import AddColumn, quote_identifier


@rule
def constrained_domain_column(node: AddColumn, context: Context) -> Finding | None:
    about = added_to(node, context)
    if about is None or node.column.type.name in SERIAL:
        return None
    cost = cost_of_column(node, (), context)
    if cost.work != "rewrite":
        return None
    name, type_ = node.column.name, node.column.type.span.of(context.statement.text)
    on, quoted = table(context), quote_identifier(node.column.name)
    would = "would block" if cost.known else "may block"
    why = "" if cost.known else f"If {type_} is a domain with a constraint or a volatile default: "
    all_rows = about.all_rows if cost.known else about.all_rows[0].lower() + about.all_rows[1:]
    return Finding(
        rule="constrained-domain-column",
        at=node.column.type.span,
        problem=f'adding column "{name}" {would} reads and writes of {about.shown} while all rows are written anew',
        detail=f"{why}{all_rows} would be copied under an ACCESS EXCLUSIVE lock: Postgres checks a domain's constraint"
        " in every row, even for NULL.",
        hint=script(
            f"ALTER TABLE {on} ADD COLUMN {quoted} <base type of {type_}>",
            f"ALTER TABLE {on} ADD CONSTRAINT <name> CHECK (<what {type_} demands of {quoted}>) NOT VALID",
            f"ALTER TABLE {on} VALIDATE CONSTRAINT <name>",
        ),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="rewrite",
        relation=context.table.relation,
    )

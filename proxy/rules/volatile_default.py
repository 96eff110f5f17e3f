"""ADD COLUMN that gives every row a value of its own."""

from __future__ import annotations

from functools import partial

from proxy.plans.plan import Lock
from proxy.plans.target import literal, qualify
from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import VALUES, added_to, of_kind, rewritten, table, without
from proxy.rules.cost import work_of_column
from proxy.rules.subject import script
from proxy.sql.names import make_object_name
from proxy.sql.statements import AddColumn, ColumnConstraint, quote_identifier

SERIAL = {"serial": "integer", "serial4": "integer", "bigserial": "bigint", "serial8": "bigint", "smallserial": "smallint",
          "serial2": "smallint"}  # fmt: skip
ATTEMPT = 10_000  # rows a batch


@rule
def volatile_default(node: AddColumn, context: Context) -> Finding | None:
    values = of_kind(node, *VALUES)
    serial = node.column.type.name in SERIAL
    about = added_to(node, context)
    if about is None or not (values or serial):
        return None
    if work_of_column(node, values, context)[0] != "rewrite":
        return None
    if not serial and work_of_column(node, (), context)[0] == "rewrite":  # whatever value it gets
        return None
    name = node.column.name
    return Finding(
        rule="volatile-default",
        at=values[0].span if values else node.column.type.span,
        problem=f'adding column "{name}" would block reads and writes of {about.shown} while all rows are written anew',
        detail=f"{_why(node, values)} {about.all_rows} would be copied, and every index built again, under an"
        " ACCESS EXCLUSIVE lock.",
        hint=partial(_hint, node, values, context),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="rewrite",
        relation=context.table.relation,
        rewrite=rewritten(node, about, context),
    )


def _why(node: AddColumn, values: tuple[ColumnConstraint, ...]) -> str:
    kind = values[0].kind if values else ""
    match kind:
        case "DEFAULT":
            return "A volatile default has another value in each row."
        case "GENERATED":
            return "The value of a stored generated column is computed for each row."
        case _:
            return "Each row gets a number of its own from a sequence."


def _hint(node: AddColumn, values: tuple[ColumnConstraint, ...], context: Context) -> str:
    text, on = context.statement.text, table(context)
    name = quote_identifier(node.column.name)
    kind = values[0].kind if values else ""
    if kind == "GENERATED":
        column = f"{name} {node.column.type.span.of(text)}"
        virtual = f"\n(or, computed when it is read: {column} GENERATED ALWAYS AS (…) VIRTUAL)"
        expression = values[0].expression
        return script(
            f"ALTER TABLE {on} ADD COLUMN {column}",
            "<a trigger that sets it in new and changed rows>",
            _batch(on, name, expression.of(text) if expression else "<expression>"),
        ) + (virtual if context.facts.major >= 18 else "")
    of_type = ""
    drop = (*VALUES, "NOT NULL", "UNIQUE", "PRIMARY KEY")
    first = without(node, context, *drop)
    after = [f"ALTER TABLE {on} ALTER COLUMN {name} SET NOT NULL"] if of_kind(node, "NOT NULL", "PRIMARY KEY") else []
    after += [f"ALTER TABLE {on} ADD {c.kind} ({name})" for c in of_kind(node, "UNIQUE", "PRIMARY KEY")]
    if kind == "DEFAULT" and values[0].expression is not None:
        default = values[0].expression.of(text)
        return script(
            first, f"ALTER TABLE {on} ALTER COLUMN {name} SET DEFAULT {default}", _batch(on, name, default), *after
        )
    relation = context.relation(context.table.relation)
    name_of_it = make_object_name(context.table.relation.name, node.column.name, "seq")
    sequence = qualify(relation.schema if relation else context.table.relation.schema or "", name_of_it)
    number = f"nextval({literal(sequence)})"
    if not values:
        type_ = SERIAL[node.column.type.name]
        of_type = f" AS {type_}"
        first = f"ALTER TABLE {on} ADD COLUMN {name} {type_}"
        after = after or [f"ALTER TABLE {on} ALTER COLUMN {name} SET NOT NULL"]
    steps: list[str | tuple[str, str]] = [
        first,
        f"CREATE SEQUENCE {sequence}{of_type} OWNED BY {on}.{name}",
        f"ALTER TABLE {on} ALTER COLUMN {name} SET DEFAULT {number}",
        _batch(on, name, number),
        *after,
    ]
    return script(*steps)


def _batch(table: str, name: str, value: str) -> tuple[str, str]:
    return (
        f"UPDATE {table} SET {name} = {value} WHERE ctid IN"
        f" (SELECT ctid FROM {table} WHERE {name} IS NULL LIMIT {ATTEMPT})",
        "again and again, until no row is left",
    )

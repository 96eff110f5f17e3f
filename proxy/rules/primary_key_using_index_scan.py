"""PRIMARY KEY USING INDEX that checks its columns for nulls under lock."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import table
from proxy.rules.constraint import name_taken
from proxy.rules.cost import cost_of
from proxy.rules.subject import altered, script
from proxy.sql.statements import AddConstraint, ConstraintKind, quote_identifier


@rule
def primary_key_using_index_scan(node: AddConstraint, context: Context) -> Finding | None:
    c = node.constraint
    if c.kind is not ConstraintKind.PRIMARY_KEY or c.using_index is None or (about := altered(context)) is None:
        return None
    constraints = about.relation.constraints.values() if about.relation else ()
    second = any(c.kind == "p" for c in constraints)
    if second or name_taken(node, context) or cost_of(node, context).work != "scan":
        return None
    on = table(context)
    index = about.relation.indexes.get(c.using_index) if about.relation else None
    if index is not None and (not index.unique or index.derived):
        return None  # Postgres refuses it, before it reads a row
    known = about.relation.columns if about.relation else {}
    nullable = [quote_identifier(name) for name in index.columns if not known[name].not_null] if index and known else []
    columns = nullable or ["<each column of the index>"]
    return Finding(
        rule="primary-key-using-index-scan",
        at=c.span,
        problem=f"PRIMARY KEY USING INDEX would block reads and writes of {about.shown} while all rows are checked for nulls",
        detail=f"Not every column of \"{c.using_index}\" is NOT NULL. {about.all_rows} would be read under an"
        " ACCESS EXCLUSIVE lock.",
        hint=script(
            *(f"ALTER TABLE {on} ALTER COLUMN {column} SET NOT NULL" for column in columns),
            f"ALTER TABLE {on} {node.span.of(context.statement.text)}",
        ),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="scan",
        relation=context.table.relation,
    )  # fmt: skip

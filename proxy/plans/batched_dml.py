"""UPDATE or DELETE of very many rows, a few at a time in the order of the primary key, each few in a transaction.

Only where that ends as one statement would have: each row is changed once and for itself, and so that nothing is
different if the statement is interrupted and sent again.
"""

from __future__ import annotations

from proxy.catalog.facts import Facts, Index, Relation
from proxy.catalog.type_names import head
from proxy.plans import reading
from proxy.plans.plan import Lock, Rewrite, Step, Walk
from proxy.plans.steady import passing
from proxy.sql.changed import Changed, changed
from proxy.sql.statements import Statement, quote_identifier

# Types whose values read the same after a way there and back as text, by the name to cast it by.
KEYS = {name: name for name in ("int2", "int4", "int8", "uuid", "numeric", "date", "text")} | {"varchar": "text"}


def batched_dml(statement: Statement, facts: Facts) -> Rewrite | str:
    """The rewrite; or a clause that says why there is none."""
    parts = changed(statement)
    if isinstance(parts, str):
        return parts
    relation = facts.find(parts.relation)
    if facts.in_transaction:
        return "in a transaction all rows stay locked until COMMIT, batches or not"
    if relation is None or not relation.exists:
        return "the table is not known"
    if why := _refuses(parts, statement.sql, relation, facts):
        return why
    key = _key(relation)
    if isinstance(key, str):
        return key
    columns = tuple((name, KEYS[head(relation.columns[name].type)]) for name in key.columns)
    touched = {one.column for one in parts.sets}
    if inside := touched & set(key.columns):
        return f"it changes the primary key, {sorted(inside)[0]}"
    walk = Walk(
        relation.qualified,
        columns,
        quote_identifier(parts.called, always=True),
        parts.head.of(statement.sql),
        parts.where.of(statement.sql) if parts.where else "",
    )
    step = Step(
        (statement.sql,),
        Lock.ROW_EXCLUSIVE,
        f"in the order of {', '.join(key.columns)}, a few rows at a time, each few in a transaction of their own",
        relations=(relation.qualified,),
        transaction=False,
        budget="builds",
        walk=walk,
    )
    hooks = (*relation.on_update, *relation.on_update_of) if parts.verb == "UPDATE" else ()
    return Rewrite((step,), ordered=True, autocommit=True, table=relation.qualified, hooks=hooks)


def _refuses(parts: Changed, sql: str, relation: Relation, facts: Facts) -> str:
    if relation.kind != "r" or relation.has_children:
        return "it is no ordinary table, or has partitions or children"
    if relation.per_statement:
        return f'"{relation.per_statement[0]}" would be set off once for each batch'
    if parts.verb == "DELETE" and any(
        c.kind == "f" and c.references == relation.qualified for c in relation.constraints.values()
    ):
        return "rows point to other rows of the table, which one batch would have and another not"
    if any(one.value.of(sql).strip().lower() == "default" for one in parts.sets):
        return "DEFAULT may not be the same in every batch"
    expressions = [one.value.of(sql) for one in parts.sets] + ([parts.where.of(sql)] if parts.where else [])
    for expression in expressions:
        names = reading.columns(expression)
        if names is None:
            return f"this cannot be read: {' '.join(expression.split())}"
        if other := [name for name in names if name not in relation.columns]:
            return f"{other[0]} is no column of the table"
        if what := passing(expression, facts):
            return f"{what} may not be the same in every batch"
    touched = {one.column for one in parts.sets}
    for one in parts.sets:
        text = one.value.of(sql)
        if both := touched & set(reading.columns(text) or ()):
            twice = sorted(both)[0]
            return f"it computes from {twice}, which it changes: interrupted and sent again, it would do so twice"
    for index in relation.indexes.values():
        if (index.unique or index.constraint) and touched & set(index.mentions or index.columns):
            return f'index "{index.name}" may find two rows equal between two batches'
    return ""


def _key(relation: Relation) -> Index | str:
    for index in relation.indexes.values():
        constraint = relation.constraints.get(index.constraint or "")
        if constraint is None or constraint.kind != "p":
            continue
        if not index.valid or any(
            name not in relation.columns or head(relation.columns[name].type) not in KEYS or relation.columns[name].base
            for name in index.columns
        ):
            return "the primary key is of a type that batches are not made by"
        return index
    return "the table has no primary key to go by"

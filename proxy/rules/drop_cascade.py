"""DROP … CASCADE of a schema, a type, a domain or an extension, which takes tables or columns with it."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, caution
from proxy.rules.subject import script
from proxy.sql.statements import Drop, Name, quote_identifier

# What depends on one of these and holds rows.  Source: "DROP …", "CASCADE", in the documentation of each.
TAKES = {
    "SCHEMA": "all tables in it, with their rows",
    "TYPE": "every column of that type, with its values",
    "DOMAIN": "every column of that domain, with its values",
    "EXTENSION": "every column of one of its types, with its values",
}


@caution
def drop_cascade(node: Drop, context: Context) -> Finding | None:
    if not node.cascade or node.object_type not in TAKES:
        return None
    taken, named = TAKES[node.object_type], ", ".join(_shown(name) for name in node.names)
    without = f"DROP {node.object_type} {'IF EXISTS ' if node.if_exists else ''}{', '.join(map(_written, node.names))}"
    return Finding(
        rule="drop-cascade",
        at=node.names[0].span,
        problem=f"dropping {node.object_type.lower()} {named} with CASCADE drops {taken}",
        detail="What goes with it is not named in the migration; only the notices of the DROP tell.",
        hint=script((without, "fails, and names what depends on it; drop that by name first")),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="none",
        relation=node.names[0],
    )


def _shown(name: Name) -> str:
    return f'"{name.name}"'


def _written(name: Name) -> str:
    return ".".join(quote_identifier(part) for part in name.parts)

"""What the rules about ALTER DOMAIN have in common."""

from __future__ import annotations

from proxy.plans.target import qualify
from proxy.rules.base import Context
from proxy.rules.cost import cost
from proxy.rules.words import name_at
from proxy.sql.statements import Name, Other


def changed(node: Other, context: Context, *changes: str) -> Name | None:
    """The domain, if the change makes Postgres read the tables that use it."""
    if node.kind != "ALTER DOMAIN" or not node.options & set(changes) or "NOT VALID" in node.options:
        return None
    if context.facts.in_recovery or cost(context).work == "none":
        return None
    return name_at(context.statement.text, context.statement.span, 2)


def sql(name: Name) -> str:
    return qualify(name.schema or "", name.name)


def users(context: Context) -> str:
    """The tables that are locked, where they are known: ``"orders" and "customers"``."""
    found = cost(context)
    named = [f'"{table}"' for _, table in found.relations]
    return " and ".join(named) if named else "every table that uses it"

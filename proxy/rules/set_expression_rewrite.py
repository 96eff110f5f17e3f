"""ALTER COLUMN … SET EXPRESSION of a stored generated column, which copies the table."""

from __future__ import annotations

from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import table
from proxy.rules.cost import cost_of
from proxy.rules.subject import altered, script
from proxy.rules.whole_table import copied
from proxy.sql.statements import OtherAction, quote_identifier


@rule
def set_expression_rewrite(node: OtherAction, context: Context) -> Finding | None:
    if node.what != "SET EXPRESSION AS" or node.column is None:
        return None
    about = altered(context)
    if about is None or cost_of(node, context).work != "rewrite":
        return None
    on, column = table(context), quote_identifier(node.column)
    fresh = quote_identifier(f"{node.column}_new")
    return copied(
        "set-expression-rewrite",
        f'SET EXPRESSION of column "{node.column}"',
        about,
        node.span,
        hint=script(
            f"ALTER TABLE {on} ADD COLUMN {fresh} <type>",
            f"<a trigger that sets {fresh} in new and changed rows>",
            f"UPDATE {on} SET {fresh} = <the new expression> -- in batches",
            f"BEGIN; ALTER TABLE {on} DROP COLUMN {column}; ALTER TABLE {on} RENAME COLUMN {fresh} TO {column}; COMMIT",
        ),
    )

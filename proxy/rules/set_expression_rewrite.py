"""ALTER COLUMN … SET EXPRESSION of a stored generated column, which copies the table."""

from __future__ import annotations

from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import table
from proxy.rules.cost import cost_of
from proxy.rules.subject import altered, script
from proxy.rules.whole_table import copied
from proxy.sql.lexer import lex
from proxy.sql.names import make_object_name
from proxy.sql.statements import OtherAction, quote_identifier


@rule
def set_expression_rewrite(node: OtherAction, context: Context) -> Finding | None:
    if node.what != "SET EXPRESSION AS" or node.column is None:
        return None
    about = altered(context)
    if about is None or cost_of(node, context).work != "rewrite":
        return None
    known = about.relation.columns.get(node.column) if about.relation else None
    type_ = known.type if known is not None else "<type>"
    on, column = table(context), quote_identifier(node.column)
    fresh = quote_identifier(make_object_name(node.column, None, "new"))
    return copied(
        "set-expression-rewrite",
        f'SET EXPRESSION of column "{node.column}"',
        about,
        node.span,
        hint=script(
            f"ALTER TABLE {on} ADD COLUMN {fresh} {type_}",
            f"<a trigger that sets {fresh} in new and changed rows>",
            (f"UPDATE {on} SET {fresh} = {_expression(node, context)}", "in batches"),
            f"BEGIN; ALTER TABLE {on} DROP COLUMN {column}; ALTER TABLE {on} RENAME COLUMN {fresh} TO {column}; COMMIT",
        ),
    )


def _expression(node: OtherAction, context: Context) -> str:
    """What stands in the outermost brackets."""
    text = node.span.of(context.statement.text)
    found = [token for token in lex(text) if token.kind == "op" and token.value in "()"]
    return text[found[0].start : found[-1].end] if found else "<the new expression>"

"""ADD COLUMN … REFERENCES with a DEFAULT, which looks every row up under lock."""

from __future__ import annotations

from proxy.catalog.column_work import NULL
from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import VALUES, added_to, of_kind, rewritten, table, without
from proxy.rules.subject import script
from proxy.rules.volatile_default import SERIAL
from proxy.sql.lexer import lex
from proxy.sql.names import make_object_name
from proxy.sql.statements import AddColumn, ColumnConstraint, quote_identifier


@rule
def column_foreign_key_with_default(node: AddColumn, context: Context) -> Finding | None:
    keys = [c for c in of_kind(node, "REFERENCES") if not c.not_enforced and c.references is not None]
    about = added_to(node, context)
    if about is None or not keys or not _filled(node):
        return None
    [key, *_], on = keys, table(context)
    assert key.references is not None
    referenced = context.relation(key.references)
    if referenced is not None and not referenced.exists:
        return None
    why = (
        "the default gives each of them a key" if _gives_keys(node, context) else "there is a DEFAULT, if only of NULL"
    )
    name = quote_identifier(key.name or make_object_name(context.table.relation.name, node.column.name, "fkey"))
    body = _references(key, context)
    return Finding(
        rule="column-foreign-key-with-default",
        at=key.span,
        problem=f'adding column "{node.column.name}" would block reads and writes of {about.shown}'
        f' and writes to "{key.references.name}" while all rows are checked',
        detail=f"{about.all_rows} would be looked up in \"{key.references.name}\" under an ACCESS EXCLUSIVE lock,"
        f" because {why}.",
        hint=script(
            without(node, context, "REFERENCES"),
            f"ALTER TABLE {on} ADD CONSTRAINT {name} FOREIGN KEY ({quote_identifier(node.column.name)}) {body} NOT VALID",
            f"ALTER TABLE {on} VALIDATE CONSTRAINT {name}",
        ),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="scan",
        relation=context.table.relation,
        rewrite=rewritten(node, about, context),
    )  # fmt: skip


def _filled(node: AddColumn) -> bool:
    """Whether Postgres looks at the rows that are there; it does even for DEFAULT NULL."""
    return node.column.type.name in SERIAL or any(not c.virtual for c in of_kind(node, *VALUES))


def _gives_keys(node: AddColumn, context: Context) -> bool:
    defaults = [c.expression for c in of_kind(node, "DEFAULT") if c.expression is not None]
    return not any(text.of(context.statement.text).strip().lower() == NULL for text in defaults)


def _references(key: ColumnConstraint, context: Context) -> str:
    """From the word REFERENCES on."""
    text = context.statement.text
    words = lex(key.span.of(text))
    start = next(t.start for t in words if t.kind == "word" and t.value == "references")
    return key.span.of(text)[start:]

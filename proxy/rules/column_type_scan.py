"""ALTER COLUMN … TYPE that checks a CHECK of the column again."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import table
from proxy.rules.column_type import changed, constraints, old_type, rewritten, unfinished
from proxy.rules.subject import script
from proxy.sql.statements import AlterColumnType, SetNotNull, quote_identifier


@rule
def column_type_scan(node: AlterColumnType, context: Context) -> Finding | None:
    found = changed(node, context)
    if found is None:
        return None
    about, effect = found
    left = unfinished(node, about, context)
    if (effect.work != "scan" and left is None) or (left is not None and left.indexes):
        return None
    new = " ".join(node.type.span.of(context.statement.text).split())
    checks = [c for c in constraints(node, about, context, "c") if c.validated and c.enforced]
    below = about.relation is not None and about.relation.heirs.check(node.column)
    if about.relation is not None and not checks and left is None and not below:
        return None  # the ALTER drops them
    on, column = table(context), quote_identifier(node.column)
    names = [quote_identifier(c.name) for c in checks]
    action = node.span.of(context.statement.text)
    dropped = ", ".join(f"DROP CONSTRAINT {name}" for name in names)
    added = ", ".join(f"ADD CONSTRAINT {quote_identifier(c.name)} {c.definition} NOT VALID" for c in checks)
    steps = [f"ALTER TABLE {on} {dropped}, {action}, {added}"] if checks else []
    steps += [f"ALTER TABLE {on} VALIDATE CONSTRAINT {name}" for name in names]
    if not checks:  # those of a table that inherits from it, or not known
        steps = [
            "ALTER TABLE <its table> DROP CONSTRAINT <the CHECK>",
            f"ALTER TABLE {on} {action}",
            "ALTER TABLE <its table> ADD CONSTRAINT <the CHECK> CHECK (…) NOT VALID",
            "ALTER TABLE <its table> VALIDATE CONSTRAINT <the CHECK>",
        ]
    hint = script(*steps)
    others = [a for a in context.table.actions if a is not node]
    if old_type(node, about) in (new, None) and any(isinstance(a, SetNotNull) for a in others):
        hint = (
            script(f"ALTER TABLE {on} ALTER COLUMN {column} SET NOT NULL") + "\n(without TYPE, which changes nothing)"
        )
    which = f" {names[0]}" if len(names) == 1 else " of a table that inherits from it" if below and not names else ""
    return Finding(
        rule="column-type-scan",
        at=node.span,
        problem=f'changing the type of column "{node.column}" would block reads and writes of {about.shown}'
        f" while its CHECK{which} is evaluated for all rows",
        detail=f"{about.all_rows} would be read under an ACCESS EXCLUSIVE lock, though no row changes.",
        hint=hint,
        lock=Lock.ACCESS_EXCLUSIVE,
        work="scan",
        relation=context.table.relation,
        rewrite=rewritten(node, about, context),
    )

"""How to take back, as far as that goes, actions that were done as written."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.catalog.facts import Constraint, Facts, Relation
from proxy.plans.target import Target, altering
from proxy.sql.statements import Action, AddColumn, AlterColumnType, AlterTable, DropConstraint, quote_identifier


def reversal(table: Target, alter: AlterTable, actions: Sequence[Action], facts: Facts | None) -> list[str]:
    """Statements that undo ``actions``, last first: added columns go, dropped CHECKs and foreign keys return,
    columns have their old type again.

    What else was dropped or changed cannot be brought back by a statement (``early.irreversible``).
    """
    relation = facts.find(alter.relation) if facts else None
    statements: list[str] = []
    for action in reversed(actions):
        match action:
            case AddColumn(column=column, if_not_exists=maybe) if not maybe or _is_new(column.name, relation):
                words = f"DROP COLUMN IF EXISTS {quote_identifier(column.name)}"
                statements.append(altering(table, alter, words, only=True))
            case DropConstraint(name=name) if relation and (dropped := relation.constraints.get(name)):
                statements += _restore(table, alter, dropped)
            case AlterColumnType(column=name) if relation and name in relation.columns:
                words = f"ALTER COLUMN {quote_identifier(name)} TYPE {relation.columns[name].type}"
                statements.append(altering(table, alter, words, only=True))
            case _:
                pass
    return statements


def _is_new(column: str, relation: Relation | None) -> bool:
    return relation is not None and column not in relation.columns


def _restore(table: Target, alter: AlterTable, dropped: Constraint) -> list[str]:
    if dropped.kind not in "cf" or not dropped.enforced:
        return []
    name, definition = quote_identifier(dropped.name), dropped.definition
    if not dropped.validated:  # the definition says NOT VALID itself
        return [altering(table, alter, f"ADD CONSTRAINT {name} {definition}", only=True)]
    return [
        altering(table, alter, f"ADD CONSTRAINT {name} {definition} NOT VALID", only=True),
        altering(table, alter, f"VALIDATE CONSTRAINT {name}"),
    ]

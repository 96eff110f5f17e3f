"""Why a column cannot give way to another one, in words: whatever the other one could not be given exactly."""

from __future__ import annotations

from proxy.catalog.facts import Column, Facts, Relation
from proxy.catalog.type_change import is_same, missing
from proxy.catalog.type_names import head
from proxy.plans import in_step, reading
from proxy.plans.steady import passing
from proxy.plans.target import is_own, target
from proxy.records import replace
from proxy.sql import lexer
from proxy.sql.statements import AlterColumnType, AlterTable, Statement

# Between these a foreign key compares what it compared before.
KIN = (frozenset({"int2", "int4", "int8"}), frozenset({"text", "varchar"}))


class Refused(Exception):
    """It cannot be done; the text is a clause that says why."""


def refuse(statement: Statement, action: AlterColumnType, relation: Relation, facts: Facts) -> None:
    """Raises Refused for all but what indexes and constraints of the column stand in the way of."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    column = relation.columns.get(action.column)
    if column is None or not relation.schema:
        raise Refused("the column is not known")
    if len(alter.actions) != 1:
        raise Refused("other changes stand beside it in the ALTER TABLE")
    _refuse_table(relation)
    trigger = in_step.trigger_name(target(alter.relation, relation, statement), action.column, statement.sql)
    _refuse_column(column, relation, trigger)
    written = action.type.span.of(statement.text)
    known = facts.types.get(written)
    if missing(written, facts):
        raise Refused(f"there is no type {written}")
    if known is not None and known.constrained:  # it would be checked, and the table copied, when the column is added
        raise Refused(f"{written} is a domain with a constraint")
    if known is not None and known.has_default:  # the rows that are there would have it, and not the column's value
        raise Refused(f"{written} has a default of its own")
    if later := [other for other in relation.triggers if other > trigger]:
        raise Refused(f'trigger "{later[0]}" would fire behind the one that keeps both columns the same')
    if action.using is not None:
        if is_same(statement, replace(action, using=None), column, facts):  # whether it is done could not be told
            raise Refused("it would stay of the same type")
        _refuse_using(action.using.of(statement.text), action.column, facts)


def _refuse_table(relation: Relation) -> None:
    if relation.kind == "p":
        raise Refused("the table is partitioned")
    if relation.kind != "r":
        raise Refused("it is no ordinary table")
    if relation.has_children or relation.parents:
        raise Refused("the table is part of an inheritance tree")
    if relation.published:
        one = relation.published[0]
        raise Refused(f'publication "{one}" would send the second column to subscribers that do not have it')
    if relation.row_held_by:
        raise Refused(f"{relation.row_held_by[0]} holds rows of the table as values")


def _refuse_column(column: Column, relation: Relation, trigger: str) -> None:
    """``trigger``: the one that an interrupted run of the same statement may have left."""
    if column.generated:
        raise Refused("it is a generated column")
    if others := [one for one in column.dependents if trigger not in one]:
        more = f", and {len(others) - 3} more," if len(others) > 3 else ""
        depends = "depends" if len(others) == 1 else "depend"
        raise Refused(f"{', '.join(others[:3])}{more} {depends} on the column")
    if not column.plain:
        raise Refused("the column has rights, options, a statistics target or a security label of its own")
    if column.identity and column.numbering is None:
        raise Refused("the sequence of the column has rights or a comment of its own")
    if column.has_default and not column.identity and column.default is None:
        raise Refused("somebody else holds the table locked, so its defaults could not be read")
    if broken := [
        i.name for i in relation.indexes.values() if not i.valid and column.name in i.mentions and not is_own(i.name)
    ]:
        raise Refused(f'index "{broken[0]}" is invalid')


def _refuse_using(using: str, column: str, facts: Facts) -> None:
    if reading.columns(using) != (column,):
        raise Refused("its USING speaks of other things than this one column")
    tokens = lexer.lex(using)
    if any(t.kind == "op" and t.value == "." for t in tokens):
        raise Refused("its USING has a name with a schema or a table")
    if what := passing(using, facts):
        raise Refused(f"its USING has {what}, which may not be the same for every writer")


def refuse_key(name: str, column: Column, action: AlterColumnType) -> None:
    """Raises Refused if a foreign key would have to compare by other operators, which may not exist."""
    both = {head(column.base or column.type), action.type.name}
    if not any(both <= kin for kin in KIN):
        raise Refused(f'foreign key "{name}" would have to compare other types than before')

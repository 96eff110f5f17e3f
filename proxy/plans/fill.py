"""Filling the rows of a new column, a few at a time."""

from __future__ import annotations

from proxy.plans.plan import Batch, Failure, Lock, Step
from proxy.plans.target import Target
from proxy.sql.statements import AlterTable, quote_identifier


def fill(table: Target, column: str, value: str, alter: AlterTable, *, strict: bool, repeatable: bool) -> Step:
    """The step that gives every row without a value the column's default, ``value``: it may have another one by then.

    ``strict``: it will be NOT NULL; ``repeatable``: a default that was computed in vain uses nothing up.
    """
    name = quote_identifier(column)
    if strict:
        stuck = Failure("", "", "23502", (f'column "{column}" of relation "', '" contains null values'), column)
    else:
        words = f'interlock: the default of column "{column}" is null for some rows of "'
        stuck = Failure(
            "", "", "0A000", (words, '", so rows that are done cannot be told from those that are not'), column
        )
    return Step(
        (f"UPDATE {table.sql} SET {name} = {value} WHERE {name} IS NULL",),
        Lock.ROW_EXCLUSIVE,
        "fills the old rows, a few at a time, each few in a transaction of their own",
        relations=(table.key,),
        transaction=False,
        budget="builds",
        batch=Batch(
            table.key, f"{name} IS NULL", f"{name} = {value}", only=alter.only, repeatable=repeatable, stuck=stuck
        ),
    )

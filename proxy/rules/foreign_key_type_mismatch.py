"""FOREIGN KEY whose column has another type than the key that it refers to."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, caution
from proxy.rules.foreign_key import Source, keys, other_types, own_types
from proxy.rules.volatile_default import SERIAL
from proxy.sql.statements import quote_identifier

NUMBERS = {"int2": "smallint", "int4": "integer", "int8": "bigint", "numeric": "numeric"}
NAMES = {"integer": "int4", "bigint": "int8", "smallint": "int2"}


@caution
def foreign_key_type_mismatch(node: Source, context: Context) -> Finding | None:
    for key in keys(node, context):
        pairs = zip(key.columns, own_types(key, context), other_types(key, context), strict=False)
        for column, own, other in pairs:
            mine = NAMES.get(SERIAL.get(own or "", ""), own)
            if mine == other or mine not in NUMBERS or other not in NUMBERS:
                continue
            name = quote_identifier(column)
            return Finding(
                rule="foreign-key-type-mismatch",
                at=key.span,
                problem=f'foreign key column "{column}" is {NUMBERS[mine]}, but what it refers to in'
                f' "{key.references.name}" is {NUMBERS[other]}',
                detail="A key that the one type holds and the other does not cannot be referred to; to change the type later"
                " copies the table.",
                hint=f"Make it the same type: {name} {NUMBERS[other]}",
                lock=Lock.NONE,
                work="none",
                relation=key.table,
            )
    return None

"""A table with typed columns: what every SHOW is, before anybody renders it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Type = Literal["text", "int8", "float8", "bool"]
Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: Type = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """``rows`` have a value for each column, of its type or None.  Times are text: ISO 8601 in UTC."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def dicts(self) -> Iterator[dict[str, Value]]:
        """Each row by its columns' names."""
        for row in self.rows:
            yield dict(zip(self.names, row, strict=True))

    def document(self) -> list[dict[str, Any]]:
        return list(self.dicts())


def columns(text: str) -> tuple[Column, ...]:
    """``user, port int8``: names with their types; without one it is text."""
    known: dict[str, Type] = {"text": "text", "int8": "int8", "float8": "float8", "bool": "bool"}
    found = []
    for part in text.replace("\n", " ").split(","):
        name, _, kind = part.strip().partition(" ")
        found.append(Column(name, known[kind.strip() or "text"]))
    return tuple(found)


def table(name: str, heads: tuple[Column, ...], rows: Sequence[Sequence[Value]]) -> Table:
    return Table(name, heads, tuple(tuple(row) for row in rows))

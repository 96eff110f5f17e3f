"""Ask Postgres, in one round trip, for the bodies of the procedures and functions that a call may mean.

As ``lookup`` it runs on the client's own connection and names everything with its schema.  Which of several routines
of one name a call means the server decides by the types of its arguments; here all are given that it may mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from proxy.catalog import answer as carried
from proxy.catalog.facts import Routine
from proxy.catalog.routines import Sought
from proxy.sql.statements import Name, Span

SQL = files("proxy.catalog").joinpath("routines.sql").read_text(encoding="ascii")
"""One text parameter, ``parameter``; one row of one text column, for ``decode``."""


def parameter(sought: Iterable[Sought]) -> str:
    """The parameter of ``SQL``.  Precondition: no part of a name is empty."""
    return carried.encode(
        [
            {
                "key": one.key,
                "database": one.parts[-3] if len(one.parts) > 2 else None,
                "schema": one.parts[-2] if len(one.parts) > 1 else None,
                "name": one.parts[-1],
                "kind": one.kind,
                "anywhere": one.anywhere,
            }
            for one in sought
        ]
    )


def decode(text: str | bytes, sought: Iterable[Sought]) -> dict[str, tuple[Routine, ...] | None]:
    """By key, the routines in the one value that ``SQL`` returned.  Raises UnreadableAnswer."""
    answer = carried.decode(text)
    try:
        found: dict[str, list[Routine]] = {one.key: [] for one in sought}
        for row in answer["routines"] or ():
            found[row["key"]].append(_routine(row))
        known: dict[str, tuple[Routine, ...] | None] = {key: tuple(routines) for key, routines in found.items()}
        return known | dict.fromkeys(answer["doubtful"] or ())
    except (ValueError, KeyError, TypeError) as error:
        raise carried.UnreadableAnswer(f"the database's answer about routines cannot be read: {error!r}") from error


def _routine(row: dict[str, Any]) -> Routine:
    settings = {setting.partition("=")[0] for setting in row["settings"] or ()}
    arguments = row["given"] + row["returned"]  # from 14 on CALL gives a value for each OUT parameter too
    variadic = row["variadic"]
    source = row["source"]
    if source is not None and "standard_conforming_strings" in settings and "\\" in source:
        source = None  # where its literals end is another question there
    return Routine(
        oid=row["oid"],
        name=str(Name((row["schema"], row["name"]), Span(0, 0))),
        language=row["language"],
        source=source,
        moves_path=row["is_other_user"] or bool(settings & {"search_path", "role"}),
        least=max(row["given"] - row["defaults"] - variadic, 0),
        most=None if variadic else arguments,
        calls=tuple((schema, name) for schema, name in row["calls"] or ()),
    )

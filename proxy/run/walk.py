"""Runs an UPDATE or DELETE for a few rows at a time, each few in a transaction, in the order of the primary key.

Each key is passed once, up to the highest that there was at the start: a row is changed once, however its other
columns change meanwhile, and rows that come behind that key are not.  A batch that has to wait for rows that others
have locked gives way and comes again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from proxy.plans.plan import Step, Walk
from proxy.run.batches import Batches, comes_again
from proxy.run.connection import Reply, ServerError
from proxy.sql.statements import quote_identifier

Key = Sequence[bytes | None]


class Walks(Batches):
    """One such statement for one client."""

    async def run(self, step: Step) -> bytes:
        """Up to the last key; the command tag, as if one statement had changed all rows.

        Raises ServerError: the server's own, with a hint that says what has been changed; ConnectionLost.
        """
        walk = step.walk
        assert walk is not None
        verb = walk.head.lstrip()[:6].upper()
        try:
            await self._walk(walk)
        except ServerError as error:
            raise ServerError(self._told(error.fields, walk)) from None
        return f"{verb} {self.changed}".encode()

    async def _walk(self, walk: Walk) -> None:
        last = await self._end(walk)
        at: Key | None = None
        self._size.pages = 1  # there are none
        failures = 0
        while last is not None and at != last:
            await self._between(None)
            rows = self._size.rows
            begun = time.monotonic()
            try:
                upto = await self._upto(walk, at, last, rows)
                reply = await self._part(walk, at, upto)
            except ServerError as error:
                if not comes_again(error):
                    raise
                failures += 1
                self._size.halve()
                self._tell("waiting for rows that other transactions have locked")
                await self._pause(min(2.0, 0.05 * 2 ** min(failures, 6)))
                continue
            failures = 0
            at = upto
            self.changed += int(reply.tag.rsplit(b" ", 1)[-1])
            self._size.took((time.monotonic() - begun) * 1000, self.pace.target_ms, rows, 1)
            self._tell(f"{self.changed:,} rows changed, up to {_shown(walk, at)}")

    # ------------------------------------------------ SQL

    async def _end(self, walk: Walk) -> Key | None:
        order = ", ".join(f"t.{quote_identifier(name)} DESC" for name, _ in walk.key)
        rows = (await self._run(f"{_keys(walk)} ORDER BY {order} LIMIT 1")).rows
        return rows[0] if rows else None

    async def _upto(self, walk: Walk, at: Key | None, last: Key, rows: int) -> Key:
        """The key of the last of the next ``rows`` rows."""
        order = ", ".join(f"t.{quote_identifier(name)}" for name, _ in walk.key)
        where, parameters = _range(walk, at, last, "t.")
        sql = f"{_keys(walk)} WHERE {where} ORDER BY {order} OFFSET {rows - 1} LIMIT 1"
        found = (await self._run(sql, parameters)).rows
        return found[0] if found else last

    async def _part(self, walk: Walk, at: Key | None, upto: Key) -> Reply:
        where, parameters = _range(walk, at, upto, f"{walk.called}.")
        own = f"({walk.where}\n) AND " if walk.where else ""  # the line may end in a comment
        return await self._run(f"{walk.head}\nWHERE {own}{where}", parameters)

    def _told(self, fields: dict[str, str], walk: Walk) -> dict[str, str]:
        if not self.changed:
            return fields
        words = (
            f"{self.changed:,} rows have been changed before, in transactions of their own, and stay so;"
            " the same statement goes on with the others."
        )
        return {**fields, "H": f"{fields['H']}\n{words}" if fields.get("H") else words}


def _keys(walk: Walk) -> str:
    table = ".".join(quote_identifier(name, always=True) for name in walk.table)
    columns = ", ".join(f"t.{quote_identifier(name)}::pg_catalog.text" for name, _ in walk.key)
    return f"/* interlock */ SELECT {columns} FROM ONLY {table} AS t"  # a bare name in ORDER BY would mean the text


def _range(walk: Walk, at: Key | None, upto: Key, qualifier: str) -> tuple[str, list[bytes | None]]:
    """Behind ``at``, up to ``upto``; the values are parameters."""
    columns = ", ".join(f"{qualifier}{quote_identifier(name)}" for name, _ in walk.key)
    count = len(walk.key)

    def values(first: int) -> str:
        return ", ".join(f"${first + i}::pg_catalog.text::pg_catalog.{type_}" for i, (_, type_) in enumerate(walk.key))

    where = f"({columns}) OPERATOR(pg_catalog.<=) ({values(1)})"
    if at is None:
        return where, list(upto)
    return f"({columns}) OPERATOR(pg_catalog.>) ({values(1 + count)}) AND {where}", [*upto, *at]


def _shown(walk: Walk, at: Key) -> str:
    pairs = zip(walk.key, at, strict=True)
    return ", ".join(f"{name} = {(value or b'').decode('utf-8', 'replace')}" for (name, _), value in pairs)

"""Changes rows a few at a time, each few in a transaction of their own, without getting in anybody's way.

First once through the table from its first page to its last, then wherever rows are left: those that were locked when
their turn came, and those that the application has moved meanwhile.  It is done when one look at the whole finds none.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from proxy.catalog.facts import Facts
from proxy.plans.plan import Batch, Step
from proxy.run import batch_sql
from proxy.run.asking import Asking, unhexed
from proxy.run.batch_sql import Leaf
from proxy.run.connection import ConnectionLost, Reply, ServerError
from proxy.run.errors import CANCELLED, is_lock_timeout, surely
from proxy.run.pace import MOMENT_MS, Manner, Pace, Size
from proxy.run.words import duration

SAY_EVERY_S = 5.0
LOOK_AT_LAG_S = 1.0
MOST_PAGES_BY_LIST = 256  # on 13, where every place on a page is listed
AT_ONCE = 10_000  # rows that are left and looked for in one go
PAGES_AT_ONCE = 32  # of those on which rows are left
AT_A_TIME = 4  # batches that are sent in one go
BEGIN, COMMIT, ROLLBACK = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE", "COMMIT", "ROLLBACK"
AGAIN = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected


class Batches:
    """One batched change for one client.  ``say`` and ``cancelled`` as for ``execute.Runner``."""

    def __init__(
        self,
        own: Asking,
        pace: Pace,
        bound_ms: int,
        facts: Facts,
        say: Callable[[str], None],
        cancelled: asyncio.Event,
    ) -> None:
        self.own = own
        self.pace = pace
        self.facts = facts
        self.say = say
        self.cancelled = cancelled
        self.changed = 0
        self._deadline = time.monotonic() + bound_ms / 1000
        self._bound_ms = bound_ms
        self._size = Size()
        self._manner = Manner()
        self._owed = 1  # pauses: one for each batch
        self._said = time.monotonic()
        self._looked = -math.inf  # a standby may be behind before the first batch
        self._places_most = batch_sql.most_places(8192)
        self._slots = 0  # of a page that are looked at before 14, where most rows are; 0: all

    async def run(self, step: Step) -> bytes:
        """Until no row is left; the command tag, as if one statement had changed them all.

        Raises ServerError: the server's own, 57014 if the client cancels or the bound is over; ConnectionLost.
        """
        batch = step.batch
        assert batch is not None
        if self.facts.major < batch_sql.RANGES:
            self._size.most_pages = MOST_PAGES_BY_LIST
        leaves = await self._leaves(batch)
        sizes = {leaf.oid: await self._pages(leaf) for leaf in leaves}
        total, before = max(1, sum(pages for pages, _ in sizes.values())), 0
        for leaf in leaves:
            pages, a_page = sizes[leaf.oid]
            self._size.a_page, self._slots = a_page, 0
            await self._through(batch, leaf, 0, pages, partial(_share, before, total))
            before += pages
        await self._rest(batch, {leaf.oid: leaf for leaf in leaves})
        return f"{'UPDATE' if batch.assign else 'DELETE'} {self.changed}".encode()

    # ------------------------------------------------ going through

    async def _through(self, batch: Batch, leaf: Leaf, page: int, end: int, share: Callable[[int], float]) -> None:
        """Change what needs it between two pages, as far as nobody has locked it."""
        may_meet = batch.repeatable and self.pace.triggers != "fire"
        failures = 0
        while page < end:
            await self._between(share(page))
            begun = time.monotonic()
            if may_meet and not self._manner.picks(begun):
                page = await self._take(batch, leaf, page, end)
                continue
            upto, rows = min(page + self._size.pages, end), self._size.rows
            try:
                count, last = await self._pick(batch, leaf, self._places(page, upto), rows)
            except ServerError as error:
                if not comes_again(error):
                    raise
                failures += 1
                if not self._size.halve() and failures > 3:
                    page, failures = upto, 0  # it comes again with the rest
                await self._pause(min(2.0, 0.05 * 2 ** min(failures, 6)))
                continue
            self._manner.picked(begun)
            failures = 0
            full = count >= rows
            ms, pages = (time.monotonic() - begun) * 1000, (last + 1 if full else upto) - page
            self._size.took(ms, self.pace.target_ms, count, pages)
            page = last if full else upto

    async def _take(self, batch: Batch, leaf: Leaf, page: int, end: int) -> int:
        """Change rows as they come, for some batches in one flight; the page to go on from."""
        rows, pages = self._size.rows, self._size.pages
        starts = [*range(page, end, pages)][:AT_A_TIME]
        wait_ms = min(MOMENT_MS, self.pace.lock_timeout_ms)
        dense = self._size.is_dense
        each = []
        for start in starts:
            where = self._places(start, min(start + pages, end), self._slots)
            sql = (
                batch_sql.change_between(batch, leaf, where)
                if dense
                else batch_sql.change_all(batch, leaf, where, rows)
            )
            each.append(self._transaction(sql, quiet=batch.quiet, wait_ms=wait_ms))
        begun, size = time.monotonic(), len(each[0])
        failed = False
        try:
            replies = await self._commit([one for statements in each for one in statements], notices=not batch.quiet)
        except ServerError as error:
            if not comes_again(error):
                raise
            failed, replies = True, [*error.replies]
        ms = (time.monotonic() - begun) * 1000
        done = len(replies) // size
        counts = [int(reply.tag.rsplit(b" ", 1)[-1]) for reply in replies[size - 2 : done * size : size]]
        self._owed += len(starts) - 1
        self.changed += sum(counts)
        full = (
            None
            if dense
            else next((start for start, count in zip(starts, counts, strict=False) if count >= rows), None)
        )
        if failed:
            self._manner.met()
        else:
            self._manner.passed(full=full is not None)
            self._size.took(ms / done, self.pace.target_ms, max(counts), pages)
        return full if full is not None else min(page + done * pages, end)

    async def _pick(self, batch: Batch, leaf: Leaf, where: str, rows: int) -> tuple[int, int]:
        """Change rows that nobody has locked; how many, and the page of the last of them."""
        row = (await self._run(batch_sql.change(batch, leaf, where, rows), quiet=batch.quiet)).rows[0]
        count, still, last, place = (int(float(value or b"0")) for value in row)
        self._slots = min(self._places_most, max(self._slots, place + place // 4 + 8)) if count else self._slots
        if still and batch.stuck is not None:
            stuck = batch.stuck
            column = {"c": stuck.column} if stuck.column else {}
            fields = {"S": "ERROR", "V": "ERROR", "C": stuck.instead, "M": stuck.message(leaf.name)}
            raise ServerError({**fields, "s": leaf.schema, "t": leaf.name, **column})
        self.changed += count
        return count, last

    async def _rest(self, batch: Batch, leaves: dict[int, Leaf]) -> None:
        """Rows that were locked, or moved, when their turn came, until there are none."""
        whole = Leaf(0, *batch.table, "", "").sql
        while found := await self._fetch(batch_sql.left(batch, whole, AT_ONCE)):
            pages: dict[int, list[int]] = {}
            for oid, page in found:
                pages.setdefault(int(oid or b"0"), []).append(int(float(page or b"0")))
            if pages.keys() - leaves.keys():  # a partition that has come meanwhile
                leaves |= {leaf.oid: leaf for leaf in await self._leaves(batch)}
            pending = [
                (leaves[table], some) for table, every in pages.items() if table in leaves for some in _chunks(every)
            ]
            idle = 0.05
            while pending:
                done = sum([await self._on(batch, leaf, some) for leaf, some in pending])
                left = [(leaf, await self._left_on(batch, leaf, some)) for leaf, some in pending]
                pending = [(leaf, some) for leaf, some in left if some]
                if pending and not done:
                    self._tell("waiting for rows that other transactions have locked")
                    await self._pause(idle)
                    idle = min(1.0, idle * 2)

    async def _on(self, batch: Batch, leaf: Leaf, pages: Sequence[int]) -> int:
        """Change what needs it on these pages, as far as nobody has locked it; how many rows that were."""
        changed = 0
        while True:
            await self._between(None)
            begun, rows = time.monotonic(), self._size.rows
            try:
                count, _ = await self._pick(batch, leaf, batch_sql.on(pages, slots=self._places_most), rows)
            except ServerError as error:
                if not comes_again(error):
                    raise
                self._size.halve()
                await self._pause(0.05)
                return changed
            self._size.took((time.monotonic() - begun) * 1000, self.pace.target_ms, count, len(pages))
            changed += count
            if count < rows:
                return changed

    async def _left_on(self, batch: Batch, leaf: Leaf, pages: Sequence[int]) -> list[int]:
        """On which of these pages there are still rows that need it."""
        where = batch_sql.on(pages, slots=self._places_most)
        return [int(float(page or b"0")) for (page,) in await self._fetch(batch_sql.still(batch, leaf, where))]

    def _places(self, page: int, end: int, slots: int = 0) -> str:
        """``slots`` of each page before 14, all if 0: what stands in others is found with the rest."""
        return batch_sql.places(page, end, version=self.facts.major, slots=slots or self._places_most)

    # ------------------------------------------------ what there is

    async def _leaves(self, batch: Batch) -> list[Leaf]:
        rows = await self._fetch(batch_sql.LEAVES, *batch.table, "true" if batch.only else "false")
        leaves = [Leaf(int(oid or b"0"), *(unhexed(value) for value in rest)) for oid, *rest in rows]
        for leaf in leaves:
            if leaf.kind != "r" or leaf.method != "heap":
                raise ServerError(
                    {
                        "S": "ERROR",
                        "V": "ERROR",
                        "C": "0A000",
                        "M": f'interlock: "{leaf.name}" is no ordinary table, so its rows cannot be changed in batches',
                    }
                )
        return leaves

    async def _pages(self, leaf: Leaf) -> tuple[int, float]:
        """How many there are, and how many rows each holds by the statistics, 0 if there are none; none is left of a dropped one."""
        found = await self._fetch(batch_sql.PAGES, str(leaf.oid))
        if not found:
            return 0, 0.0
        pages, block_size, a_page = found[0]
        self._places_most = batch_sql.most_places(int(block_size or b"8192"))
        return int(pages or b"0"), float(a_page or b"0")

    # ------------------------------------------------ transactions

    async def _fetch(self, sql: str, *parameters: str) -> list[list[bytes | None]]:
        """The rows of a query of ours, however long it takes."""
        while True:
            try:
                return (await self._run(sql, parameters)).rows
            except ServerError as error:
                if not is_lock_timeout(error.fields):
                    raise
            await self._pause(0.2)

    async def _run(self, sql: str, parameters: Sequence[str | bytes | None] = (), *, quiet: bool = False) -> Reply:
        """One statement in a transaction of its own."""
        return (await self._commit(self._transaction(sql, parameters, quiet=quiet), notices=not quiet))[-2]

    def _transaction(
        self, sql: str, parameters: Sequence[str | bytes | None] = (), *, quiet: bool, wait_ms: int | None = None
    ) -> list[tuple[str, Sequence[str | bytes | None]]]:
        """A statement and what stands around it, of which it is the last but one; ``wait_ms`` for a lock."""
        settings = _setting(self._settings(self.pace.lock_timeout_ms if wait_ms is None else wait_ms))
        skip = [(batch_sql.SKIP_TRIGGERS, ())] if quiet and self.pace.triggers == "skip" else []
        return [(BEGIN, ()), settings, *skip, (sql, parameters), (COMMIT, ())]

    async def _commit(
        self, statements: Sequence[tuple[str, Sequence[str | bytes | None]]], *, notices: bool
    ) -> list[Reply]:
        """Run whole transactions in one flight.  Raises ServerError when the one that failed has been rolled back."""
        self._check()
        try:
            return await self.own.run(statements, notices=notices)
        except ServerError:
            await surely(lambda: self.own.run([(ROLLBACK, ())], notices=False))
            raise

    def _settings(self, wait_ms: int) -> dict[str, str]:
        """Row security would hide rows instead of refusing; a timeout that the client has not set is not meant for this."""
        meant = self.facts.settings.get("statement_timeout")
        lifted = {} if meant is not None and meant.by_client else {"statement_timeout": str(self._bound_ms)}
        known = {"transaction_timeout": "0"} if "transaction_timeout" in self.facts.settings else {}
        return {"lock_timeout": f"{wait_ms}ms", "row_security": "off", **lifted, **known}

    # ------------------------------------------------ in between

    async def _between(self, share: float | None) -> None:
        """What happens between two batches: others get their turn, standbys catch up, somebody hears how far it is."""
        self._check()
        if self.own.doing is not None:
            self.own.doing.goes(f"changing rows, {self.changed:,} so far", share)
        if share is not None:
            self._tell(f"{share:.0%} of the table, {self.changed:,} rows changed")
        if time.monotonic() - self._looked >= LOOK_AT_LAG_S:
            await self._catch_up()
        owed, self._owed = self._owed, 1
        if self.pace.pause_ms:
            await self._pause(owed * self.pace.pause_ms / 1000)

    async def _catch_up(self) -> None:
        """Wait while a standby is further behind than the policy says."""
        idle = 0.1
        while behind := await self._behind():
            self._tell(f"pausing until {behind}")
            await self._pause(idle)
            idle = min(2.0, idle * 2)
        self._looked = time.monotonic()

    async def _behind(self) -> str:
        """Which standby is too far behind; empty if none is, as far as this role may see."""
        for name, ms, size in await self._fetch(batch_sql.LAG):
            who = unhexed(name) or "a standby"
            if ms is not None and float(ms) > self.pace.lag_ms:
                return f'"{who}", which is {duration(float(ms) / 1000)} behind, has caught up'
            if size is not None and float(size) > self.pace.lag_bytes:
                return f'"{who}", which is {float(size) / 2**20:,.0f} MB behind, has caught up'
        return ""

    def _tell(self, words: str) -> None:
        if time.monotonic() - self._said >= SAY_EVERY_S:
            self._said = time.monotonic()
            self.say(words)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.cancelled.wait(), seconds)
        self._check()

    def _check(self) -> None:
        if self.own.is_lost:
            raise ConnectionLost
        if self.cancelled.is_set():
            raise ServerError(CANCELLED)
        if time.monotonic() > self._deadline:
            words = f"canceling statement after {duration(self._bound_ms / 1000)}, which builds.timeout allows"
            raise ServerError({**CANCELLED, "M": words})


def _chunks(pages: Sequence[int]) -> list[Sequence[int]]:
    return [pages[i : i + PAGES_AT_ONCE] for i in range(0, len(pages), PAGES_AT_ONCE)]


def comes_again(error: ServerError) -> bool:
    """Whether the batch that met it may be tried again."""
    return is_lock_timeout(error.fields) or error.sqlstate in AGAIN


def _setting(values: Mapping[str, str]) -> tuple[str, list[str]]:
    """One statement that sets all of them until the transaction ends."""
    calls = (f"pg_catalog.set_config(${2 * n + 1}, ${2 * n + 2}, true)" for n in range(len(values)))
    return f"/* interlock */ SELECT {', '.join(calls)}", [part for pair in values.items() for part in pair]


def _share(before: int, total: int, page: int) -> float:
    """How much of all is done, with the leaves before and so many pages of this one."""
    return (before + page) / total

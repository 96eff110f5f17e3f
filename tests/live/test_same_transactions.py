"""Random transactions, direct and through Interlock: the client hears the same, and the same is there when the jobs are done.

``INTERLOCK_SAME_EXAMPLES=5000`` (``make same-transactions N=5000``) tries so many, other ones each time; the sample of
``make test`` is the same each time.  What may differ is in ``Twins.excuse``, and is counted.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from proxy.wire import messages as m
from tests import proxies
from tests.live.conftest import POLICY
from tests.live.flights import fly, keep
from tests.live.raw import Answer, Ended, Raw
from tests.live.stories import TABLES, Flight, Story, stories
from tests.proxies import Proxy
from tests.servers import Server

EXAMPLES = int(os.environ.get("INTERLOCK_SAME_EXAMPLES", "0"))
SAMPLE = 20

# Something that fails where Interlock has refused: prepared without an error, as what was refused.
REFUSED = "DO $$ BEGIN RAISE 'refused'; END $$"

INVALID = """
SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid
UNION ALL SELECT conname FROM pg_constraint WHERE conname LIKE '%interlock%'
UNION ALL SELECT relname FROM pg_class WHERE relnamespace <> to_regnamespace('interlock') AND relname LIKE '%interlock%'
"""
FORGET = """
DO $$ BEGIN IF to_regclass('interlock.jobs') IS NOT NULL THEN DELETE FROM interlock.jobs; END IF; END $$
"""
PREPARED = "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"
JOBS = "SELECT state, statement, error FROM interlock.jobs ORDER BY id"
CATALOG = """
SELECT 'table', c.relname::text, concat_ws(' ', c.relreplident, c.reloptions, c.relacl, obj_description(c.oid)), '' FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
UNION ALL
SELECT 'column', c.relname, a.attname, concat_ws(' ', row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), format_type(a.atttypid, a.atttypmod),
    a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attstattarget, col_description(c.oid, a.attnum))
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v', 'p', 'm')
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname, concat_ws(' ', pg_get_constraintdef(oid), convalidated,
    CASE WHEN contype <> 'n' OR coninhcount = 0 THEN conislocal END, obj_description(oid)) -- docs/limits.md
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND (contype <> 'f' OR conparentid = 0) -- docs/limits.md
UNION ALL
SELECT 'index', c.relname, pg_get_indexdef(c.oid), concat_ws(' ', indisvalid, indisready, indislive, indisunique, indisprimary, indisclustered,
    indisreplident, indimmediate, c.reloptions, obj_description(c.oid))
FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid WHERE c.relnamespace = 'public'::regnamespace
ORDER BY 1, 2, 3, 4
"""
ROWS = "SELECT '{0}', t::text FROM public.{0} t ORDER BY 2"

NUMBERED = """SELECT attname FROM pg_attribute LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
WHERE attrelid = 'public.orders'::regclass AND (attidentity <> '' OR pg_get_expr(adbin, adrelid) LIKE 'nextval%')"""
UNNUMBERED = "SELECT 'orders', (to_jsonb(t) - %s::text[])::text FROM public.orders t ORDER BY 2"

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Heard:
    """What the server said to one flight, without what is told beside it."""

    answers: tuple[tuple[str, object], ...]

    @property
    def status(self) -> str:
        return str(self.answers[-1][1]) if self.answers and self.answers[-1][0] == "Z" else ""

    @property
    def errors(self) -> list[dict[str, str]]:
        return [fields for kind, fields in self.answers if kind == "E" and isinstance(fields, dict)]


def heard(said: Sequence[Answer], gid: str) -> Heard:
    found: list[tuple[str, object]] = []
    for kind, body in said:
        if kind in "NS":
            continue
        if kind == "E":
            fields = m.read_fields(body).items()
            found.append((kind, {k: v.replace(gid, "same_gid") for k, v in fields if k in "SCMDHPcdnst"}))
        elif kind == "T":
            found.append((kind, m.read_row_description(body)))
        else:
            found.append((kind, body.decode() if kind in "CZ" else body))
    return Heard(tuple(found))


def send(raw: Raw, flight: Flight, gid: str = "same_gid") -> Heard:
    """Send a flight as its way says, and hear the answers to all of it."""
    return heard(fly(raw, flight, gid), gid)


class Different(Exception):
    """An answer that may be another one, and after which nothing can be compared."""


T = TypeVar("T", bound="Twins")


@dataclass
class Twins:
    """Two databases alike, and the ways to them: one directly, one through Interlock."""

    server: Server
    proxy: Proxy
    names: tuple[str, str]
    seen: Counter[str] = field(default_factory=Counter)
    number: int = 0
    sent: str = ""  # of the story, so far

    def __post_init__(self) -> None:
        self.urls = (self.server.url(self.names[0]), self.server.url(self.names[1]))
        self.gids = tuple(f"g{name}"[-8:].rjust(8, "g") for name in self.names)  # as long as the story's own
        self.sessions = [psycopg.connect(url, autocommit=True) for url in self.urls]

    def reset(self, story: Story) -> None:
        for session in self.sessions:
            for (gid,) in session.execute(PREPARED).fetchall():  # an example that failed has left it
                session.execute(f"ROLLBACK PREPARED '{gid}'")
            old = "DROP SCHEMA IF EXISTS interlock CASCADE" if story.is_first else FORGET
            session.execute(
                "; ".join((
                    "SET client_min_messages = warning; DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP SCHEMA IF EXISTS aside, apart CASCADE",
                    old, TABLES, *story.spoils,
                ))
            )  # fmt: skip

    def play(self, story: Story) -> None:
        """Both hear the same; what was refused fails directly, too."""
        self.sent = ""
        with Raw(self.urls[0]) as direct, Raw(self.proxy.url(self.names[1])) as through:
            if any(flight.way == "kept" for flight in story.flights):
                keep(direct)
                keep(through)
            try:
                for flight in story.flights:
                    status = self._same(direct, through, flight)
                    if status == "E" and story.recovers:
                        self._same(direct, through, Flight("simple", ("ROLLBACK TO a",)))
                self._same(direct, through, Flight("simple", ("ROLLBACK",)))
                for session, raw in zip(
                    self.sessions, (direct, through), strict=True
                ):  # what waits for its end is done then
                    for (gid,) in session.execute(PREPARED).fetchall():
                        raw.query(f"ROLLBACK PREPARED '{gid}'")
            except Different:
                for raw in (direct, through):
                    raw.query("ROLLBACK")
                raise

    def _same(self, direct: Raw, through: Raw, flight: Flight) -> str:
        self.sent += "; ".join(flight.statements)
        got = send(through, flight, self.gids[1])
        refused = [fields for fields in got.errors if fields["C"] in ("IL001", "IL002")]
        wanted = send(direct, self._instead(flight, got) if refused else flight, self.gids[0])
        self.excuse(flight, wanted, got)
        return got.status

    def _instead(self, flight: Flight, got: Heard) -> Flight:
        """The flight with what was refused replaced by what fails."""
        if flight.way == "string":  # of it only what sets modes at its start has run: it is sent ahead
            failed = next(n for n, (kind, _) in enumerate(got.answers) if kind == "E")
            ran = sum(kind in ("C", "I") for kind, _ in got.answers[:failed])
            begun = flight.statements[:ran]
            # Or up to where nothing can be written down any more, which shows there.
            writes = not any("READ ONLY" in sql or "read_only" in sql for sql in begun)
            assert not writes or all(sql.startswith(("BEGIN", "START", "SET")) for sql in begun), (flight, got)
            return Flight("string", (*begun, REFUSED))
        statements = list(flight.statements)
        number = 0
        for kind, what in got.answers:
            if kind == "E" and isinstance(what, dict) and what["C"] in ("IL001", "IL002"):
                statements[number] = REFUSED
            number += kind in ("C", "I", "E") or (kind == "s" and flight.way == "portals")  # it stays open
        return Flight(flight.way, tuple(statements))

    def excuse(self, flight: Flight, wanted: Heard, got: Heard) -> None:
        """Compare; raises AssertionError, or Different where they may differ."""
        impossible = any("cannot be implemented" in error["M"] for error in wanted.errors)
        if impossible and any("VALIDATE CONSTRAINT" in sql for sql in flight.statements):  # docs/limits.md
            raise Different("what was validated before the rest of its ALTER TABLE failed stays valid")
        if wanted == got:
            return
        if "IDENTITY" in self.sent and any("orders_y_seq" in sql for sql in flight.statements):  # docs/limits.md
            raise Different("the sequence of an identity column is there after COMMIT")
        mine, theirs = list(got.answers), list(wanted.answers)
        for (kind, what), (other_kind, other) in zip(mine, theirs, strict=False):
            if (kind, what) == (other_kind, other):
                continue
            if kind == other_kind == "E" and isinstance(what, dict) and isinstance(other, dict):
                self._excuse_error(what, other, flight)
                continue
            self._excuse_answer(kind, what, other_kind, other, flight)
        assert [kind for kind, _ in mine] == [kind for kind, _ in theirs], (flight, theirs, mine)

    def _excuse_error(self, mine: dict[str, str], theirs: dict[str, str], flight: Flight) -> None:
        if mine["C"] in ("IL001", "IL002"):
            self.seen[f"refused: {mine['M'].splitlines()[0][:150]}"] += 1
            self.seen["refused"] += 1
            return
        if theirs["C"] == "23502" and mine["C"] == "23514" and "_interlock_nn_" in mine["M"]:
            self.seen["NOT NULL was still a CHECK"] += 1
            return
        if mine["C"] == theirs["C"] == "2BP01":  # a key that waits depends on nothing yet
            mine, theirs = ({k: v for k, v in fields.items() if k != "D"} for fields in (mine, theirs))
        if mine["C"] == theirs["C"] and mine["C"] in ("23503", "23505"):  # of several rows any one is named
            mine, theirs = ({**fields, "D": fields.get("D", "").split(")=(")[0]} for fields in (mine, theirs))
        filled = any(words in self.sent for words in ("bigserial", "IDENTITY", "random()"))
        if filled and "Failing row contains" in mine.get("D", ""):  # a column that is filled then is null in it
            mine, theirs = ({**fields, "D": fields.get("D", "").rpartition(",")[0]} for fields in (mine, theirs))
        if "put off till after COMMIT" in mine.get("D", ""):  # it says more
            mine, theirs = ({k: v for k, v in fields.items() if k not in "DH"} for fields in (mine, theirs))
        if mine["C"][:2] != "IL" and any(
            words in sql for words in (", A", ", V", ", CLUSTER") for sql in flight.statements
        ):
            self.seen["of several errors of one statement another comes first"] += mine != theirs
            return
        if theirs["C"] == "55006":
            self.seen["an open cursor is in nobody's way"] += 1
            return
        if mine["C"] == "42P07" and theirs["C"] == "42703":  # a name that waits is taken; no such column
            self.seen["of several errors of one statement another comes first"] += 1
            return
        if flight.way == "string" and "SET NOT NULL" in self.sent and mine["C"] == theirs["C"] == "42703":
            theirs = {**theirs, "M": re.sub(r' of relation "\w+"', "", theirs["M"])}  # docs/limits.md
            mine = {**mine, "M": re.sub(r' of relation "\w+"', "", mine["M"])}
        assert mine == theirs, (flight, theirs, mine)

    def _excuse_answer(self, kind: str, what: object, other_kind: str, other: object, flight: Flight) -> None:
        if other_kind == "E" and isinstance(other, dict) and kind != "E":
            if other["C"] == "23505":
                raise Different("a duplicate after the look is found after COMMIT")
            if other["C"] == "23503" and "REFERENCES orders" in self.sent:
                raise Different(
                    "orphans of a key that waits, for what it points to is not unique yet, are found after COMMIT"
                )
            if other["C"] == "23503" and "FOREIGN KEY (y)" in self.sent:
                raise Different("orphans of a column that is filled after COMMIT are found then")
            if other["C"] == "23503" and any("VALIDATE CONSTRAINT" in s for s in flight.statements):
                raise Different("orphans of a key that is validated while others are kept out are found after COMMIT")
            if other["C"] == "23514" and "::amount" in self.sent and other.get("d") == "amount":
                raise Different("a row for which an expression of a waiting index fails is found after COMMIT")
            if other["C"] == "55006":
                raise Different("an open cursor is in nobody's way after COMMIT")
        if isinstance(what, dict) and what.get("C") == "XX000" and "unprocessed inval" in what["M"]:  # docs/limits.md
            assert "ALTER DOMAIN" in self.sent, (flight, what)
            raise Different("from 14 on the server takes no savepoint behind ALTER DOMAIN … DROP CONSTRAINT")
        if (
            isinstance(what, dict) and what.get("C") in ("23514", "IL003") and what.get("n") == "old_check"
        ):  # docs/limits.md
            raise Different("a fill meets a check that is not valid")
        if kind == other_kind == "D" and flight.way == "string" and "SHOW lock_timeout" in flight.statements:
            self.seen["SHOW lock_timeout in a string"] += 1  # docs/limits.md
            return
        raise AssertionError((flight, (other_kind, other), (kind, what)))

    def compare(self) -> None:
        """What is there in the end."""
        jobs = self.sessions[1].execute(JOBS).fetchall() if self._has_jobs() else []
        assert [job for job in jobs if job[0] != "done"] == []
        assert self.sessions[1].execute(INVALID).fetchall() == self.sessions[0].execute(INVALID).fetchall()
        self.seen["jobs"] += len(jobs)
        self.number += 1
        if jobs or self.number % 10 == 0:
            assert self.server.dump(self.names[1]) == self.server.dump(self.names[0])
        found = [_contents(session) for session in self.sessions]
        numbered = "bigserial" in self.sent or "IDENTITY" in self.sent
        if numbered and ("INSERT" in self.sent or "COPY" in self.sent):  # docs/limits.md
            found = [_not_numbered(session, rows) for session, rows in zip(self.sessions, found, strict=True)]
        assert found[0] == found[1]

    def _has_jobs(self) -> bool:
        return self.sessions[1].execute("SELECT to_regclass('interlock.jobs')").fetchone() != (None,)


def _not_numbered(session: psycopg.Connection, rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """With the rows of orders without the columns that number them, or up to the last one, if that does no longer."""
    others = [row for row in rows if row[0] != "orders"]
    if numbered := [name for (name,) in session.execute(NUMBERED).fetchall()]:
        return others + session.execute(UNNUMBERED, (numbered,)).fetchall()
    return others + sorted(("orders", str(row[1]).rpartition(",")[0]) for row in rows if row[0] == "orders")


def _contents(session: psycopg.Connection) -> list[tuple[object, ...]]:
    """The schema and all rows."""
    found: list[tuple[object, ...]] = list(session.execute(CATALOG).fetchall())
    for table in [row[1] for row in found if row[0] == "table"]:
        found += session.execute(ROWS.format(table)).fetchall()
    return found


def begin(kind: type[T], postgres: Server, folder: Path, more: str = "") -> T:
    """Twins with an Interlock of their own, which the caller stops."""
    (folder / "policy.yaml").write_text(f"{POLICY}locks: {{ timeout: 9s }}\n{more}")  # a busy machine is no failure
    proxy = proxies.start(postgres, folder, policy=str(folder / "policy.yaml"))
    return kind(postgres, proxy, (postgres.create_database(), postgres.create_database()))


@pytest.fixture(scope="module")
def all_twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Twins]]:
    made: dict[int, Twins] = {}
    yield made
    for twins in made.values():
        twins.proxy.stop()


@pytest.fixture
def twins(postgres: Server, all_twins: dict[int, Twins], tmp_path_factory: pytest.TempPathFactory) -> Twins:
    if postgres.version not in all_twins:
        all_twins[postgres.version] = begin(Twins, postgres, tmp_path_factory.mktemp("same"))
    return all_twins[postgres.version]


def check(twins: Twins, story: Story) -> None:
    before = twins.proxy.line_count
    twins.reset(story)
    try:
        twins.play(story)
    except Different as why:
        twins.seen[f"not compared: {why}"] += 1
        return
    except Ended as ended:
        raise AssertionError((ended.said, twins.proxy.stderr_text(since=before))) from None
    twins.compare()
    assert "Traceback" not in twins.proxy.stderr_text(since=before), twins.proxy.stderr_text(since=before)
    twins.seen["compared"] += 1


@pytest.mark.timeout(300 if not EXAMPLES else 100_000)
def test_random_transactions(twins: Twins) -> None:
    @settings(
        max_examples=EXAMPLES or SAMPLE,
        derandomize=not EXAMPLES,
        database=None,
        print_blob=True,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(stories())
    def same(story: Story) -> None:
        try:
            check(twins, story)
        except AssertionError as difference:
            if not EXAMPLES:
                raise
            differences.append(story)  # a long run goes on, and shrinks nothing
            print(f"DIFFERENCE {len(differences)}: {story}\n{difference}", flush=True)

    differences: list[Story] = []
    try:
        same()
    finally:
        print(*(f"{count:6} {what}" for what, count in twins.seen.most_common()), sep="\n")
    assert not differences, "\n\n".join(map(str, differences))
    assert twins.seen["jobs"] > (EXAMPLES or SAMPLE) // 10  # else it proves little
    assert twins.seen["refused"] < twins.seen["compared"] // 4
    assert sum(n for what, n in twins.seen.items() if what.startswith("not compared")) < twins.seen["compared"] // 9

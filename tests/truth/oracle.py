"""What a statement locks and does, as Postgres itself tells it, and what ``effect`` says of the same statement.

The statement runs in a transaction that is rolled back.  Locks: pg_locks of this session.  Work: what it says at
debug1 (``rewriting table``, ``verifying table``, ``building index``, ``validating foreign key constraint``), other
files than before, and the sequential scans that the transaction counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg

from proxy.catalog.claims import WORKS, Work
from proxy.catalog.effect import Effect, effect
from proxy.catalog.facts import Facts
from proxy.plans.plan import Lock
from proxy.sql.read import read
from tests.facts import ask
from tests.truth.cases import Case

Pair = tuple[str, str]

RELATIONS = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text, pg_relation_filenode(c.oid), c.relpersistence::text,
    pg_stat_get_xact_numscans(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND c.relkind IN ('r', 'p', 'm', 'v', 'S', 'f')
"""
LOCKS = "SELECT relation, mode FROM pg_locks WHERE locktype = 'relation' AND pid = pg_backend_pid()"
BELOW = """
WITH RECURSIVE tree (root, oid) AS (
    SELECT oid, oid FROM pg_class UNION SELECT root, inhrelid FROM tree JOIN pg_inherits ON inhparent = tree.oid
)
SELECT oid, root FROM tree WHERE oid <> root
"""
BLOCKS = Lock.SHARE.rank  # from here on a lock blocks writers

# What Postgres does without a word at debug1 and without a new file: it is read off the transaction's scans.
SILENT = re.compile(r"CREATE TABLE \S+ PARTITION OF|ALTER DOMAIN")
# What gets a new, empty file, and empty indexes with it.
EMPTIED = re.compile(r"TRUNCATE|REFRESH MATERIALIZED VIEW .* WITH NO DATA")
# Work that Postgres tells nothing about at all: a sample, and the difference between two results.
SAMPLED = re.compile(r"ANALYZE|REFRESH MATERIALIZED VIEW CONCURRENTLY")
# What does its work on relations of its own, or on rows.
IDLE = re.compile(r"CREATE (?!.*INDEX)|UPDATE|DELETE|EXPLAIN|SELECT|MERGE|COPY|INSERT")


@dataclass(frozen=True, slots=True)
class Measured:
    locks: Mapping[Pair, Lock]  # on relations that were there before and that others see; above ACCESS SHARE
    work: Work
    relations: frozenset[Pair]  # those that were there before
    above: Mapping[Pair, frozenset[Pair]]  # what a relation inherits from
    said: tuple[str, ...] = ()
    refused: str = ""  # Postgres's error

    @property
    def blocking_work(self) -> Work:
        strongest = max((lock.rank for lock in self.locks.values()), default=0)
        return self.work if strongest >= BLOCKS else "none"


@dataclass(frozen=True, slots=True)
class Judgement:
    case: Case
    foretold: Effect
    measured: Measured
    problems: tuple[str, ...] = field(default=())

    @property
    def foretold_work(self) -> Work:
        return self.foretold.work if self.foretold.lock.rank >= BLOCKS else "none"

    @property
    def is_hazard(self) -> bool:
        return self.measured.blocking_work != "none"

    @property
    def is_miss(self) -> bool:
        return self.is_hazard and self.foretold_work == "none"

    @property
    def is_false_alarm(self) -> bool:
        return not self.measured.refused and not self.is_hazard and self.foretold_work != "none"


def predict(session: psycopg.Connection, sql: str, *, in_transaction: bool = False) -> tuple[Effect, Facts]:
    (statement,) = read(sql)
    facts = ask(session, statement, in_transaction=in_transaction)
    return effect(statement, facts), facts


def judge(session: psycopg.Connection, case: Case) -> Judgement:
    """Foretell and measure one case; ``session`` is in autocommit, in the database of the case's group."""
    said: list[str] = []
    keep = lambda d: said.append(d.message_primary or "")  # noqa: E731
    before = {row[0]: row[1:] for row in session.execute(RELATIONS)}
    roots: dict[int, set[int]] = {}
    for oid, root in session.execute(BELOW):
        roots.setdefault(oid, set()).add(root)
    session.execute("BEGIN")
    session.add_notice_handler(keep)
    refused, locks, after, keys = "", [], {}, {}
    try:
        if case.inside:
            session.execute(case.inside)
        held = _strongest(session.execute(LOCKS).fetchall())
        foretold, _ = predict(session, case.sql, in_transaction=True)
        scans = {row[0]: row[6] for row in session.execute(RELATIONS)}
        session.execute("SET LOCAL client_min_messages = debug1")
        said.clear()
        try:
            session.execute(case.sql)
            messages = tuple(said)
            locks = session.execute(LOCKS).fetchall()
            after = {row[0]: row[1:] for row in session.execute(RELATIONS)}
            keys = dict(session.execute("SELECT conname, array_agg(conrelid) FROM pg_constraint GROUP BY 1").fetchall())
        except psycopg.Error as error:
            refused, messages = f"{error.sqlstate} {error.diag.message_primary}", ()
    finally:
        session.execute("ROLLBACK")
        session.remove_notice_handler(keep)
    named = {oid: (row[0], row[1]) for oid, row in before.items()}
    strongest = {oid: lock for oid, lock in _strongest(locks).items() if oid in named}
    taken = {
        named[o]: lock for o, lock in strongest.items() if lock.rank > Lock.ACCESS_SHARE.rank and lock != held.get(o)
    }
    for oid, row in before.items():
        if row[2] == "S" and taken.get(named[oid]) is Lock.ROW_EXCLUSIVE:  # as every nextval() does
            del taken[named[oid]]
    measured = Measured(
        locks=taken,
        work=_work(case.sql, messages, before, after, scans, keys) if _has_rows(taken, before) else "none",
        relations=frozenset(pair for oid, pair in named.items() if oid not in held),
        above={
            named[oid]: frozenset(named[r] for r in over if r in named) for oid, over in roots.items() if oid in named
        },
        said=messages,
        refused=refused,
    )
    return Judgement(case, foretold, measured, tuple(compare(foretold, measured)))


def _has_rows(taken: Mapping[Pair, Lock], before: Mapping[int, tuple]) -> bool:
    """Whether anything but partitioned tables is locked, which hold nothing themselves."""
    return bool(taken.keys() & {(row[0], row[1]) for row in before.values() if row[2] != "p"})


def _strongest(locks: list[tuple[int, str]]) -> dict[int, Lock]:
    found: dict[int, Lock] = {}
    for oid, mode in locks:
        found[oid] = max(Lock(mode), found.get(oid, Lock.NONE), key=lambda lock: lock.rank)
    return found


def _work(
    sql: str,
    said: tuple[str, ...],
    before: Mapping[int, tuple],
    after: Mapping[int, tuple],
    scans: Mapping[int, int],
    keys: Mapping[str, list[int]],
) -> Work:
    """Work done on relations that were there before."""
    names = {row[1] for row in before.values()}
    found: set[Work] = {"none"}
    if re.match(SAMPLED, sql):
        return "scan"
    if re.match(EMPTIED, sql):
        return "none"
    if re.match(IDLE, sql) is None:
        moved = {o for o, row in before.items() if o in after and row[2] in "rm" and after[o][3] != row[3]}
        found |= {"rewrite"} if moved else set()
    for line in said:
        if match := re.match(r'building index ".*" on table "(.*)" (?:serially|with request)', line):
            found |= {"build"} if match[1] in names else set()
        elif match := re.match(r'(?:verifying|rewriting) table "(.*)"', line):
            found |= {"rewrite" if line.startswith("rewriting") else "scan"} if match[1] in names else set()
        elif match := re.match(r'validating foreign key constraint "(.*)"', line):
            found |= {"scan"} if set(keys.get(match[1], ())) & before.keys() else set()
    if re.match(SILENT, sql) and any(row[5] > scans.get(oid, 0) for oid, row in after.items() if oid in before):
        found.add("scan")
    return max(found, key=WORKS.index)


def compare(foretold: Effect, measured: Measured) -> list[str]:
    """What is wrong with a prediction; nothing is if Postgres refuses the statement."""
    if measured.refused:
        return []
    wrong = []
    if not foretold.relations and foretold.lock is not Lock.NONE:  # a query, whose text was not asked for relations
        stronger = [pair for pair, lock in measured.locks.items() if lock.rank > foretold.lock.rank]
        return [f"{pair[1]}: foretold {foretold.lock.value} at most" for pair in stronger]
    claimed = dict.fromkeys(foretold.relations, foretold.lock) | {o.relation: o.lock for o in foretold.others}
    claimed = {pair: lock for pair, lock in claimed.items() if lock.rank > Lock.ACCESS_SHARE.rank}
    for pair, lock in measured.locks.items():
        over = [claimed[p] for p in (pair, *measured.above.get(pair, ())) if p in claimed]
        if not over and foretold.known:
            wrong.append(f"{pair[1]}: {lock.value} not foretold")
        elif max((o.rank for o in over), default=foretold.lock.rank) < lock.rank:
            wrong.append(f"{pair[1]}: {lock.value}, foretold {foretold.lock.value} at most")
    for pair, lock in claimed.items():
        was = measured.locks.get(pair, Lock.NONE)
        if pair in measured.relations and was is not lock:
            wrong.append(f"{pair[1]}: foretold {lock.value}, was {was.value}")
    if foretold.work != measured.work:
        wrong.append(f"work: foretold {foretold.work}, was {measured.work}")
    return wrong

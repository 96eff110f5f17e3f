"""One statement that a decision was wanted about, and how it is run where nothing of it is rewritten."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from proxy.catalog.effect import Effect, effect
from proxy.catalog.facts import Facts, Held
from proxy.plans.gently import gently
from proxy.plans.plan import Edit, Lock, Plan, Step
from proxy.plans.rehearsal import Behind
from proxy.policy.load import Policy
from proxy.policy.verdict import Action, Verdict
from proxy.run.execute import Budget
from proxy.run.jobs import Job
from proxy.run.leap import StepResult
from proxy.run.pace import Pace
from proxy.run.patience import Patience
from proxy.session.dependents import GivesUp, Refused
from proxy.session.gone import SET_CONSTRAINTS, Fails, Skips
from proxy.sql.read import read
from proxy.sql.statements import AlterTable, CreateIndex, CreateTable, Drop, DropIndex, Name, Other, Query, Statement
from proxy.sql.written import written

# Statements that may run in a transaction block together with a set_config in front of them.
PATIENT_KINDS = frozenset(
    {
        "CREATE TRIGGER", "CREATE RULE", "CREATE POLICY", "ALTER POLICY", "DROP POLICY", "TRUNCATE TABLE", "TRUNCATE", "CLUSTER",
        "REFRESH MATERIALIZED VIEW", "REINDEX", "CREATE VIEW", "ALTER TRIGGER",
    }
)  # fmt: skip


@dataclass(slots=True)
class Case:
    """One statement of the client's text that a decision was wanted about."""

    statement: Statement
    facts: Facts
    verdict: Verdict
    effect: Effect
    steps: list[StepResult] = field(default_factory=list)
    outcome: str = "passed"  # done, passed, rejected, failed
    sqlstate: str = ""
    took_ms: float = 0.0
    standard_conforming_strings: bool = True  # how its literals are read
    dependent: GivesUp | Refused | None = None  # what it has to do with what waits for COMMIT
    foreseen: Fails | Skips | None = None  # what the server would say of it, if what waits had been done already
    beside: bool = False  # it names, or is about a table of, something that waits for COMMIT
    behind: Behind | None = None  # its rehearsal, where it is about an index that waits
    job: int | None = None  # the job that it is, where it is done after COMMIT
    made_anew: bool = (
        False  # its table may be another one by then: an earlier statement of the text drops it, or renames one
    )
    hidden: bool = False  # an earlier statement of the text makes a temporary table of the name
    freed: bool = False  # it names an index whose DROP waits for COMMIT
    awaited: frozenset[str] = frozenset()  # names of indexes and constraints that wait for COMMIT
    keys: str = ""  # a rehearsal of its foreign keys that wait as a whole
    held: tuple[Held, ...] | None = (
        None  # by the transaction as yet, where its facts are as what waits for its end leaves them
    )
    comes_late: bool = False  # it is about a column that waits for the end of the transaction
    apart: bool = False  # nothing hangs on the row type of its table, or on the columns that go: it may be run late


def of_job(job: Job) -> Case:
    """A job that is done, as the audit log wants to hear of it."""
    statement = read(job.statement or job.kind or "?")[0]  # whoever may write into the table may leave it empty
    facts = Facts(
        0, live=True, now=datetime.now(UTC), user=job.role, session_user=job.login, application_name=job.application
    )
    return Case(statement, facts, Verdict(Action.DEFER), effect(statement, facts), job=job.id)


def patient_step(case: Case) -> Step | None:
    """The statement as it is, as a step with patience; None if no lock of its can make the application wait."""
    node = case.statement.node
    match node:
        case AlterTable(actions=actions):
            possible = not any(getattr(action, "concurrently", False) for action in actions)
        case Drop(object_type=object_type):
            possible = object_type in (
                "TABLE",
                "VIEW",
                "MATERIALIZED VIEW",
                "TRIGGER",
                "RULE",
                "POLICY",
                "SEQUENCE",
                "FOREIGN TABLE",
            )
        case DropIndex(concurrently=concurrently):
            possible = not concurrently
        case CreateTable():
            possible = True
        case Other(kind=kind, concurrently=concurrently, relations=names):
            found_relations = [case.facts.find(name) for name in names]
            partitioned = any(relation is not None and relation.partitioned for relation in found_relations)
            # Of a partitioned table each partition is a transaction of its own.
            in_parts = kind in ("REINDEX", "CLUSTER") and partitioned
            possible = kind in PATIENT_KINDS and not concurrently and not in_parts
        case _:
            possible = False
    found = case.effect
    if not possible or not found.relations or found.lock.rank < Lock.SHARE.rank:
        return None
    return Step((case.statement.sql,), found.lock, "as written", relations=found.relations, budget="locks")


def builds(case: Case) -> bool:
    """Whether it builds something concurrently, and so waits for other sessions' snapshots."""
    match case.statement.node:
        case CreateIndex() | Other(kind="REINDEX"):
            return True
        case _:
            return case.verdict.plan is not None and any(not step.transaction for step in case.verdict.plan.steps)


def patient_plan(case: Case) -> Plan | None:
    step = patient_step(case)
    if step is None:
        return None
    before = gently(case.statement, case.facts)
    if before:  # an error of the statement's own keeps its place all the same
        step = replace(step, edits=(Edit(0, 0, ""),))
    return Plan(case.statement.node.kind, (*before, step))


def as_it_is(case: Case) -> Plan:
    return Plan(case.statement.node.kind, (Step((case.statement.sql,), case.effect.lock, "as written"),))


def is_refused_read_only(statement: Statement) -> bool:
    """Whether Postgres refuses it in a read-only transaction (ClassifyUtilityCommandAsReadOnly).

    Not what only makes the same anew, nor what sets something for the transaction alone.
    """
    allowed = ("REINDEX", "CLUSTER", "VACUUM", SET_CONSTRAINTS)
    return not statement.inner and not (isinstance(statement.node, Other) and statement.node.kind in allowed)


def changed_tables(case: Case) -> set[int]:
    """OIDs of the tables that a rewritten statement is about, as far as they are known: not of one that its text makes."""
    return set() if case.made_anew else _tables(case) - {0}


def _tables(case: Case) -> set[int]:
    match case.statement.node:
        case AlterTable(relation=name) | CreateIndex(relation=name):
            found = case.facts.find(name)
            if found is None or not found.exists:
                return set()
            return {
                found.index.table_oid if found.index is not None else found.oid
            }  # REINDEX makes another of an index
        case CreateTable(partition_of=Name() as name):
            found = case.facts.find(name)
            return {found.oid} if found is not None and found.exists else set()
        case Other(kind="REINDEX" | "REFRESH MATERIALIZED VIEW", relations=names):
            tables = [relation for name in names if (relation := case.facts.find(name)) is not None and relation.exists]
            return {table.index.table_oid if table.index is not None else table.oid for table in tables}
        case DropIndex(names=names):
            indexes = [relation.index for name in names if (relation := case.facts.find(name)) is not None]
            return {index.table_oid for index in indexes if index is not None}
        case Query():
            named = [case.facts.find(one.relation) for one in written(case.statement)]
            return {table.oid for table in named if table is not None and table.exists}
        case _:
            return set()


def moved(fields: dict[str, str], statement: Statement) -> dict[str, str]:
    """An error of one statement, its position counted in the whole of the client's text."""
    if not fields.get("P", "").isdigit():
        return fields
    return {**fields, "P": str(int(fields["P"]) + statement.span.start)}


def budget(policy: Policy, *, inside: bool) -> Budget:
    locks = policy.locks
    patience = Patience(
        first_timeout_ms=locks.first_timeout.ms,
        timeout_ms=locks.timeout.ms,
        look_ms=locks.look.ms,
        backoff_first_ms=locks.backoff.first.ms,
        backoff_factor=locks.backoff.factor,
        backoff_max_ms=locks.backoff.max.ms,
        give_up_after_ms=locks.in_transaction.give_up_after.ms if inside else locks.give_up_after.ms,
        terminate_idle_ms=locks.terminate_idle_in_transaction.ms if locks.terminate_idle_in_transaction else 0,
    )
    honours = policy.builds.statement_timeout == "honour"
    return Budget(patience, policy.builds.timeout.ms, pace(policy), honours_statement_timeout=honours)


def pace(policy: Policy) -> Pace:
    fills = policy.backfills
    return Pace(
        target_ms=fills.target.ms,
        pause_ms=fills.pause.ms,
        lock_timeout_ms=fills.lock_timeout.ms,
        lag_ms=fills.max_lag.ms,
        lag_bytes=fills.max_lag_size.bytes,
        triggers=fills.triggers,
    )


def version_number(server_version: str) -> int:
    """``server_version_num`` of a reported server_version (``13.23 (Debian …)``, ``19beta1``); 0 if it is not told."""
    head = server_version.split(" ", 1)[0].split(".")
    digits = "".join(c for c in head[0][:2] if c.isdigit())
    minor = head[1] if len(head) > 1 and head[1].isdigit() else "0"
    return int(digits) * 10000 + int(minor) if digits else 0


def readable(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

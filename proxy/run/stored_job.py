"""A job as it stands in the table, read so that nothing in its row can raise: who owns the table may have changed it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from proxy.plans import stored
from proxy.plans.plan import Lock, Step
from proxy.run.store import NEEDED
from proxy.sql import read
from proxy.sql.statements import AddConstraint, AlterTable, CreateIndex, DropIndex, ValidateConstraint

T = TypeVar("T")

OVER = ("done", "cancelled")
STATES = ("waiting", "running", "failed", *OVER)

# Settings that change what DDL means, or where and how it makes things.  A job keeps those that the session, or its
# connection string, has set; what the server, the database or the login sets is in force wherever the job is done.
MEANING = frozenset(
    {
        # what names and literals mean: of defaults, CHECKs and predicates that are read again, and of casts in them
        "search_path", "standard_conforming_strings", "backslash_quote", "DateStyle", "IntervalStyle", "TimeZone",
        "timezone_abbreviations", "lc_monetary", "lc_numeric", "lc_time", "bytea_output", "xmloption", "xmlbinary",
        "extra_float_digits", "array_nulls", "transform_null_equals", "default_text_search_config", "quote_all_identifiers",
        # whose rows a check sees, and whether bodies of functions are checked
        "row_security", "check_function_bodies",
        # where and how things are made
        "default_tablespace", "default_table_access_method", "default_toast_compression",
        # how much a build may take
        "maintenance_work_mem", "max_parallel_maintenance_workers",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Job:
    """One as it stands in the table."""

    id: int
    state: str  # waiting, running, done, failed, cancelled
    role: str
    session: str
    kind: str
    statement: str
    tables: tuple[int, ...]
    steps: tuple[Step, ...]
    give_up: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    attempts: int = 0
    error: dict[str, str] = field(default_factory=dict)
    login: str = ""
    relations: tuple[tuple[str, str], ...] = ()
    client: str = ""
    application: str = ""
    tool: str = ""
    migration: str = ""
    created_at: str = ""  # ISO 8601, in the session's time zone
    started_at: str = ""
    finished_at: str = ""
    unreadable: str = ""  # why it cannot be done: it is of a later version, or has been changed
    later: bool = False  # it is unreadable because a later version wrote it
    gone: str = (
        ""  # login, or role: which of them no longer exists; known of what ``everything`` and ``find`` have found
    )

    @property
    def title(self) -> str:
        line = " ".join(self.statement.split())
        return line if len(line) <= 120 else line[:119] + "…"

    @property
    def obstacle(self) -> str:
        """Why nobody can do it as it stands; empty if nothing is known to be in the way."""
        if self.unreadable:
            return f"{'left to the Interlock that wrote it' if self.later else 'it cannot be read'}: {self.unreadable}"
        return (
            f"its {self.gone} {self.login if self.gone == 'login' else self.role} no longer exists" if self.gone else ""
        )

    @property
    def fills(self) -> bool:
        """Whether it gives the rows of a new column their values."""
        return any(step.batch is not None for step in self.steps)

    @property
    def waits_for_others(self) -> bool:
        """Whether a step of it may wait for other sessions' transactions whatever they have done, as a concurrent build does.

        VALIDATE and DROP INDEX CONCURRENTLY do not, nor does what fills a new column and builds nothing; a key that
        is added behind the values may need an index that waits.
        """
        if self.fills:
            return any(_builds(step) or _refers(step) for step in self.steps)
        return not all(_passes(sql) for step in self.steps for sql in step.statements)

    @property
    def lock(self) -> Lock:
        """With whose locks on its tables it conflicts at the most: that of them which conflicts with all of those."""
        return max((_waits_for(step) for step in self.steps), key=lambda lock: lock.rank, default=Lock.NONE)


def _waits_for(step: Step) -> Lock:
    """The lock that conflicts with all for which a step waits.

    CREATE INDEX CONCURRENTLY takes SHARE UPDATE EXCLUSIVE, and waits for all whose lock conflicts with SHARE (DefineIndex in
    commands/indexcmds.c); DROP INDEX and REINDEX CONCURRENTLY wait for all who use the table (index_drop in
    catalog/index.c, ReindexRelationConcurrently).
    """
    if not _builds(step):
        return step.lock
    creates = all(isinstance(s.node, CreateIndex) for sql in step.statements for s in read.read(sql))
    return Lock.SHARE_ROW_EXCLUSIVE if creates else Lock.ACCESS_EXCLUSIVE


def _builds(step: Step) -> bool:
    """Builds or drops an index concurrently, say."""
    return not step.transaction and step.batch is None


def _refers(step: Step) -> bool:
    nodes = [s.node for sql in step.statements for s in read.read(sql)]
    actions = [a for node in nodes if isinstance(node, AlterTable) for a in node.actions]
    return any(isinstance(a, AddConstraint) and a.constraint.references is not None for a in actions)


def _passes(sql: str) -> bool:
    for statement in read.read(sql):
        match statement.node:
            case AlterTable(actions=actions) if all(isinstance(a, ValidateConstraint) for a in actions):
                continue
            case DropIndex(concurrently=True):
                continue
            case _:
                return False
    return True


def job_of(row: dict[str, Any], gone: str = "") -> Job:
    """What a row of the table says.  Never raises: what one row holds must not keep a login's other jobs, or its session, from going on."""
    steps: tuple[Step, ...] = ()
    unreadable, later = "", False
    relations: tuple[tuple[str, str], ...] = ()
    tables: tuple[int, ...] = ()
    give_up: tuple[str, ...] = ()
    settings: dict[str, str] = {}
    try:
        _check(row)
        steps = _steps(row)
        relations = _column(row, "relations", "a JSON list of pairs of texts", lambda found: _all(_pair, found))
        tables = _column(row, "tables", "a JSON list of OIDs", lambda found: _all(_oid, found))
        give_up = _column(row, "give_up", "a JSON list of texts", lambda found: _all(_text, found))
        settings = _settings(row)
        if row["state"] not in STATES:  # last: what it would do is shown
            raise _changed("state", f"is '{row['state']}', and not {', '.join(STATES[:-1])} or {STATES[-1]}")
    except stored.UnreadablePlan as problem:
        unreadable, later = str(problem), True
    except ValueError as problem:
        unreadable = str(problem)
    row = {name: "" if value is None else value for name, value in row.items()}
    return Job(
        row["id"], row["state"], row["role"], row["session"], row["kind"], row["statement"], tables, steps, give_up,
        settings, row["attempts"] or 0, _error(row["error"]), row["login"], relations, row["client"], row["application"],
        row["tool"], row["migration"], row["created_at"], row["started_at"], row["finished_at"], unreadable, later, gone,
    )  # fmt: skip


def _changed(column: str, how: str) -> ValueError:
    return ValueError(f"its column {column} {how}: it has been changed")


def _check(row: dict[str, Any]) -> None:
    """Raises ValueError, which names the column.  NOT NULL may be NOT VALID, from 18 on."""
    for name in NEEDED:
        if row[name] is None:
            raise _changed(name, "is NULL")


def _steps(row: dict[str, Any]) -> tuple[Step, ...]:
    """Raises UnreadablePlan if it is of a later version, ValueError if it is none."""
    plan = _column(row, "plan", "a plan of Interlock's", lambda found: found)
    version = plan.get("version") if isinstance(plan, dict) else None
    try:
        return stored.decode(row["plan"])
    except stored.UnreadablePlan:
        if isinstance(version, int) and version > stored.VERSION:
            raise
        raise _changed("plan", "is not a plan of Interlock's") from None


def _settings(row: dict[str, Any]) -> dict[str, str]:
    settings = _column(row, "settings", "a JSON object of texts", _texts)
    if unknown := settings.keys() - MEANING:
        raise _changed("settings", f"has some that a job does not keep ({', '.join(sorted(unknown))})")
    return settings


def _column(row: dict[str, Any], name: str, what: str, read_as: Callable[[Any], T]) -> T:
    """A column of JSON.  Raises ValueError, which names it, if it is not ``what`` it is to be."""
    try:
        found = json.loads(row[name])
        if not _is_sendable(found):
            raise ValueError
        return read_as(found)
    except (ValueError, TypeError, RecursionError):
        raise _changed(name, f"is not {what}") from None


_UNSENDABLE = re.compile("[\0\ud800-\udfff]")  # JSON can say it, and the protocol cannot


def _is_sendable(value: Any) -> bool:
    match value:
        case str():
            return _UNSENDABLE.search(value) is None
        case list():
            return all(_is_sendable(one) for one in value)
        case dict():
            return all(_is_sendable(one) for pair in value.items() for one in pair)
        case _:
            return True


def _all(each: Callable[[Any], T], value: Any) -> tuple[T, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(each(one) for one in value)


def _pair(value: Any) -> tuple[str, str]:
    schema, name = _all(_text, value)
    return schema, name


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError
    return {name: _text(one) for name, one in value.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _oid(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= 0xFFFFFFFF:  # True is no number
        raise TypeError
    return value


def _error(text: str) -> dict[str, str]:
    """The fields of an ErrorResponse; they are only shown, to a client, too."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {"M": text}
    if not isinstance(found, dict):
        return {}
    fields = {key: _UNSENDABLE.sub("\N{REPLACEMENT CHARACTER}", str(value)) for key, value in found.items()}
    return {key: value for key, value in fields.items() if re.fullmatch("[A-Za-z]", key)}


__all__ = ["MEANING", "OVER", "STATES", "Job", "job_of"]

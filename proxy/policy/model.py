"""The keys of a policy file.  Field descriptions are the JSON Schema's; ``docs/policy.md`` has a heading for each.

The models are validated twice: each file alone, for messages at the author's own lines, and the
file merged over the one that it extends, for the effective values.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    StrictBool,
    WithJsonSchema,
    model_validator,
)

from proxy.policy.access import AccessEntry
from proxy.policy.base import Model
from proxy.policy.units import DateRange, Duration, Size, TimeOfDay, Weekday, Zone
from proxy.policy.verdict import Action
from proxy.rules.base import rules

UNREADABLE = (
    "unreadable-statement"  # the rule's name in findings, exceptions and overrides; its action is `unreadable:`
)
SCHEMA_CHANGE = (
    "schema-change"  # in exceptions and overrides: any statement that changes the schema, harmless or not; for freezes
)
ALL = "all"

RuleAction = Literal[Action.ALLOW, Action.WARN, Action.REWRITE, Action.REJECT]
PlainAction = Literal[Action.ALLOW, Action.WARN, Action.REJECT]
InTransaction = Literal[Action.ALLOW, Action.WARN, Action.DEFER, Action.REJECT]
Mildness = Literal[Action.ALLOW, Action.WARN]
Mode = Literal["observe", "warn", "enforce"]


def known_rules(*, with_unreadable: bool) -> tuple[str, ...]:
    return (*rules(), UNREADABLE, SCHEMA_CHANGE) if with_unreadable else tuple(rules())


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``" (did you mean 'x'?)"``, or nothing if no known word is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.7)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _rule(name: str) -> str:
    if name == UNREADABLE:
        raise ValueError(f"'{UNREADABLE}' has a key of its own: write unreadable: at the top level")
    if name == SCHEMA_CHANGE:
        raise ValueError(f"'{SCHEMA_CHANGE}' is for exceptions: write one with match: {{ during: … }}")
    if name not in rules():
        raise ValueError(f"unknown rule '{name}'{did_you_mean(name, rules())}")
    return name


def _rule_of_exception(name: str) -> str:
    known = (*known_rules(with_unreadable=True), ALL)
    if name not in known:
        raise ValueError(f"unknown rule '{name}'{did_you_mean(name, known)}")
    return name


def _version(value: object) -> int:
    if type(value) is not int or value != 1:
        raise ValueError(f"version '{value}' is not known here; write version: 1")
    return value


def _date(value: object) -> object:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass  # the model's own error says what is wanted
    return value


def _roles(value: object) -> object:
    if value == "any":
        return value
    if isinstance(value, tuple) and all(isinstance(role, str) and role for role in value):
        return value
    raise ValueError("expected a list of roles, or any")


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("expected some text")
    return value.strip()


DurationField = Annotated[
    Duration,
    PlainValidator(Duration.parse),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": Duration.pattern, "examples": ["50ms", "2s", "10m", "6h"]}),
]
SizeField = Annotated[
    Size,
    PlainValidator(Size.parse),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": Size.pattern, "examples": ["512kB", "10MB", "1GB"]}),
]
TimeField = Annotated[
    TimeOfDay,
    PlainValidator(TimeOfDay.parse),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": TimeOfDay.pattern, "examples": ["16:00", "24:00"]}),
]
DaysField = Annotated[
    DateRange,
    PlainValidator(DateRange.parse),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": DateRange.pattern, "examples": ["2026-12-24", "2026-12-24 to 2027-01-02"]}),
]  # fmt: skip
ZoneField = Annotated[
    Zone,
    PlainValidator(Zone.parse),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["UTC", "Europe/Berlin"]}),
]
Text = Annotated[str, AfterValidator(_filled)]
RuleName = Annotated[str, AfterValidator(_rule)]
ExceptionRule = Annotated[str, AfterValidator(_rule_of_exception)]
Roles = Annotated[
    tuple[str, ...] | Literal["any"],
    PlainValidator(_roles),
    PlainSerializer(lambda value: value if value == "any" else list(value)),
    WithJsonSchema({"anyOf": [{"const": "any"}, {"type": "array", "items": {"type": "string"}}]}),
]


class Above(Model):
    """From where on a table is large for one rule: one of the two is enough.  What is not known is above."""

    size: SizeField | None = Field(default=None, description="It takes at least this, with its partitions.")
    rows: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="It has at least so many rows, by estimate."
    )

    @model_validator(mode="after")
    def _some(self) -> Above:
        if self.size is None and self.rows is None:
            raise ValueError("above needs size, rows or both")
        return self


class RuleSetting(Model):
    """What is done about the findings of one rule.  A bare action is short for ``{ action: … }``."""

    action: RuleAction = Field(
        default=Action.REWRITE, description="What is done. A rewrite that the rule cannot do is a rejection."
    )
    in_transaction: InTransaction = Field(
        default=Action.DEFER,
        description="What is done instead of a rewrite while the client's transaction is open:"
        " defer does there what is short, and the rest after COMMIT.",
    )
    above: Above | None = Field(
        default=None, description="Only larger tables get the action; for this rule it takes the place of small_tables."
    )
    below: Mildness = Field(default=Action.ALLOW, description="What is done about a table that is not above.")


class Backoff(Model):
    """Pauses between two tries for a lock, each up to half shorter at random."""

    first: DurationField = Field(default=Duration(50), description="The pause after the first try.")
    factor: float = Field(default=2.0, ge=1, le=100, description="Each pause is that many times the one before.")
    max: DurationField = Field(default=Duration(2_000), description="The longest pause.")


class LocksInTransaction(Model):
    """Patience inside a client's transaction, which holds its other locks meanwhile."""

    give_up_after: DurationField = Field(
        default=Duration(10_000), description="Give up a lock after that long in a transaction."
    )


class Locks(Model):
    """Patience for locks that block the application, and everyone queued behind."""

    first_timeout: DurationField = Field(
        default=Duration(5), description="lock_timeout of the first try; it doubles with each try, up to timeout."
    )
    timeout: DurationField = Field(
        default=Duration(50),
        description="The longest that one try may wait in the lock queue: the application stalls that long.",
    )
    look: DurationField = Field(
        default=Duration(100),
        description="A transaction older than this that holds a conflicting lock is waited for without joining the queue.",
    )
    backoff: Backoff = Field(default=Backoff(), description="Pauses between two tries.")
    give_up_after: DurationField = Field(
        default=Duration(600_000), description="Give up after that long, with an error that names who holds the lock."
    )
    terminate_idle_in_transaction: DurationField | None = Field(
        default=None,
        description="End a session that holds a conflicting lock and has been idle in its transaction for that long,"
        " if the client's role may; what it has not committed is lost. Never, if not set.",
    )
    in_transaction: LocksInTransaction = Field(
        default=LocksInTransaction(), description="Other patience while the client's transaction is open."
    )


class Builds(Model):
    """Work that blocks nobody: CREATE INDEX CONCURRENTLY, VALIDATE CONSTRAINT."""

    timeout: DurationField = Field(
        default=Duration(21_600_000), description="Cancel and clean up a build after that long."
    )
    statement_timeout: Literal["honour", "ignore"] = Field(
        default="honour",
        description="Whether a statement_timeout that the client itself has set ends a build, too."
        " One of its role, its database or the server never does.",
    )


class Jobs(Model):
    """What waits for the COMMIT of a client's transaction."""

    preflight: Literal["full", "off"] = Field(
        default="full",
        description="Whether the rows are looked through in the transaction, so that an error comes where Postgres would raise it.",
    )
    preflight_timeout: DurationField = Field(
        default=Duration(60_000),
        description="Look through the rows for no longer than that; unknown then, and said so.",
    )
    wait_for_group: DurationField = Field(
        default=Duration(10_000),
        description="How long the answer to COMMIT waits for other transactions of the same client to end,"
        " before it goes out and the job waits for a better moment.",
    )
    on_failed_job: PlainAction = Field(
        default=Action.WARN,
        description="What is done about schema changes while a job of an earlier migration has failed.",
    )


class Backfills(Model):
    """Rows that are changed a few at a time: those of a new column, and others where a rule is asked to."""

    target: DurationField = Field(
        default=Duration(25),
        description="How long one batch is to take: its rows are locked for so long, and up to twice as long in a bad moment."
        " Batches grow and shrink to meet it.",
    )
    pause: DurationField = Field(
        default=Duration(1),
        description="The pause between two batches; after some of them at once where they were sent together.",
    )
    lock_timeout: DurationField = Field(
        default=Duration(50),
        description="How long a batch waits for a lock before it is given up and tried again, smaller.",
    )
    max_lag: DurationField = Field(
        default=Duration(10_000), description="While a standby is further behind than that, batches wait for it."
    )
    max_lag_size: SizeField = Field(
        default=Size(256 * 2**20), description="Likewise, by the WAL that a standby has not replayed yet."
    )
    triggers: Literal["reject", "fire", "skip"] = Field(
        default="reject",
        description="What if triggers of the table would fire for rows that the author's statement would have changed without:"
        " reject does not rewrite the statement, fire lets them, skip runs batches with session_replication_role = replica.",
    )


class Routines(Model):
    """Which procedures and functions are looked into where a statement calls them: what they run is decided about."""

    procedures: Literal["read", "pass"] = Field(
        default="read", description="CALL: read looks the procedure's body up in the catalog; pass lets it run."
    )
    functions: Literal["session", "catalog", "pass"] = Field(
        default="session",
        description="SELECT f(): session looks into functions that the same session has made; catalog also into those of"
        " DO blocks, CALL and a SELECT of nothing but functions; pass into none.",
    )


class SmallTables(Model):
    """Tables so small that blocking them goes unnoticed.  A table whose size is not known is never small."""

    under: SizeField = Field(
        default=Size(10 * 2**20),
        description="A table is small if it takes less than this, with its partitions. 0kB: none is.",
    )
    treat_as: Mildness = Field(default=Action.ALLOW, description="What is done about findings on a small table.")
    covers: Literal["blocking", "all"] = Field(
        default="blocking",
        description="Which findings: blocking, of what breaks the application only those on an empty table; or all.",
    )


class During(Model):
    """A time, by the clock of a zone: all keys must hold.  A night belongs to the day on which it begins."""

    days: tuple[Weekday, ...] | None = Field(default=None, min_length=1, description="Days of the week.")
    dates: tuple[DaysField, ...] | None = Field(
        default=None, min_length=1, description="Days of the calendar, or ranges of them: 2026-12-24 to 2027-01-02."
    )
    from_: TimeField = Field(default=TimeOfDay(0), alias="from", description="When it begins.")
    to: TimeField = Field(
        default=TimeOfDay(1440), description="When it is over; a time before from is on the next day."
    )
    zone: ZoneField = Field(default=Zone("UTC"), description="Whose clock it is.")

    @model_validator(mode="after")
    def _some(self) -> During:
        if not self.model_fields_set - {"zone"}:
            raise ValueError("during needs at least one of days, dates, from, to")
        if self.from_ == self.to:
            raise ValueError(f"from and to are both {self.to}, which is no time at all")
        return self


class Match(Model):
    """Which statements an exception is about: all keys must match.  Globs: ``*``, ``?``, ``[a-z]``."""

    schema_: Text | None = Field(default=None, alias="schema", description="Schema of the table; a glob.")
    table: Text | None = Field(
        default=None, description="The table, a glob: orders_* is of any schema, analytics.* is every table of one."
    )
    role: Text | None = Field(default=None, description="A role that the user is, or is a member of.")
    database: Text | None = Field(default=None, description="Name of the database; a glob.")
    application: Text | None = Field(default=None, description="application_name of the client; a glob.")
    tool: Text | None = Field(
        default=None, description="The migration tool, as Interlock recognises it; a glob in any case: alembic."
    )
    during: During | None = Field(default=None, description="When: a freeze, a night, a night of the week.")

    @model_validator(mode="after")
    def _some(self) -> Match:
        if not self.model_fields_set:
            raise ValueError("match needs at least one of schema, table, role, database, application, tool, during")
        return self


class PolicyException(Model):
    """Another action for some statements.  The first exception that matches counts."""

    match: Match = Field(description="Which statements it is about; at least one key.")
    rules: tuple[ExceptionRule, ...] = Field(
        min_length=1, description="The rules it is about; all for every rule, unreadable statements included."
    )
    action: RuleAction = Field(description="What is done instead of the rule's own action.")
    reason: Text = Field(description="Why; it is written to the audit log.")
    until: Annotated[date | None, BeforeValidator(_date)] = Field(
        default=None, description="The last day on which it counts."
    )

    @model_validator(mode="after")
    def _possible(self) -> PolicyException:
        if SCHEMA_CHANGE in self.rules and self.action is Action.REWRITE:
            raise ValueError(f"'{SCHEMA_CHANGE}' is nothing to rewrite; write action: allow, warn or reject")
        return self


class Overrides(Model):
    """Who may let one statement pass: SET interlock.allow, or a comment on the statement."""

    enabled: StrictBool = Field(default=True, description="Whether there are overrides at all.")
    roles: Roles = Field(default="any", description="Roles whose members may; any for everyone.")
    reason: Literal["required", "optional"] = Field(default="required", description="Whether an override must say why.")


class Audit(Model):
    """How the audit log is written; where to is an option of serve."""

    fsync: Literal["always", "guarded", "never"] = Field(
        default="guarded",
        description="How records get to the disk: always waits for each, guarded brings those of statements with a finding"
        " there at once without waiting, never leaves it to the operating system.",
    )
    on_failure: Literal["open", "closed"] = Field(
        default="closed", description="When a record cannot be written: open lets the statement run, closed rejects it."
    )
    redact_literals: StrictBool = Field(
        default=False, description="Whether literals are left out of the log. Passwords always are."
    )


class Settings(Model):
    """A whole policy file, or the effective values of one and the file that it extends."""

    version: Annotated[Literal[1], BeforeValidator(_version)] = Field(description="Version of this format.")
    extends: Text | None = Field(
        default=None,
        description="The policy that this one changes: recommended, strict, observe, one of these as it was (recommended@1), or a file beside this one.",
    )
    pack: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="In a policy that comes with Interlock: which version of it this is."
    )
    mode: Mode = Field(
        default="enforce", description="observe changes nothing and logs; warn at most warns; enforce acts."
    )
    rules: dict[RuleName, RuleSetting] = Field(
        default_factory=dict, description="What is done about each rule's findings."
    )
    unreadable: PlainAction = Field(
        default=Action.WARN, description="What is done about a statement that Interlock cannot read."
    )
    locks: Locks = Field(default=Locks(), description="Patience for locks that block the application.")
    builds: Builds = Field(default=Builds(), description="Bounds for work that blocks nobody.")
    backfills: Backfills = Field(default=Backfills(), description="How rows are changed a few at a time.")
    jobs: Jobs = Field(default=Jobs(), description="How that is done which waits for the client's COMMIT.")
    routines: Routines = Field(
        default=Routines(), description="Procedures and functions that are looked into where they are called."
    )
    small_tables: SmallTables = Field(default=SmallTables(), description="Tables that are left alone.")
    exceptions: tuple[PolicyException, ...] = Field(default=(), description="Other actions for some statements.")
    overrides: Overrides = Field(default=Overrides(), description="Who may let one statement pass, and how.")
    access: tuple[AccessEntry, ...] = Field(
        default=(),
        min_length=1,
        description="Who may connect: the first entry that matches counts, and whom none matches may not. Without it, everybody.",
    )
    audit: Audit = Field(default=Audit(), description="How the audit log is written.")


def dump(model: Model) -> dict[str, Any]:
    """The values as a policy file would write them, as JSON types; what is not set is left out."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)

"""What the rules about statements that copy or move a whole relation have in common."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.plans.plan import Lock
from proxy.plans.target import target
from proxy.rules.base import Context, Finding
from proxy.rules.subject import Subject, subject
from proxy.sql.statements import Name, Span


def largest(names: Sequence[Name], context: Context, kinds: str) -> Subject | None:
    """Of the relations that others use, the largest; one of unknown size counts as that.

    ``kinds`` are those of pg_class.relkind that the statement takes: if it is given another, or one that is not
    there, Postgres says so itself.
    """
    found = [s for name in names if (s := subject(name, context)) is not None]
    found = [s for s in found if s.kind is None or s.kind in kinds]
    return max(found, key=_size, default=None)


def _size(about: Subject) -> float:
    size = about.relation.size_bytes if about.relation else None
    return float("inf") if size is None else size


def written(about: Subject, context: Context) -> str:
    """The relation's name as SQL, qualified where the schema is known."""
    return target(about.name, about.relation, context.statement).sql


def copied(rule: str, what: str, about: Subject, at: Span, *, hint: str, detail: str = "") -> Finding:
    """A finding about ``what`` (``CLUSTER``), which writes the whole relation anew."""
    return Finding(
        rule=rule,
        at=at,
        problem=f"{what} would block reads and writes of {about.shown} while all rows are written anew",
        detail=f"{about.all_rows} would be copied, and every index built again, under an ACCESS EXCLUSIVE lock."
        + (f" {detail}" if detail else ""),
        hint=hint,
        lock=Lock.ACCESS_EXCLUSIVE,
        work="rewrite",
        relation=about.name,
    )

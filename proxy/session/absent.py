"""Errors of the server's about what the open transaction has put off till after its COMMIT: they say why it is not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from proxy.run.words import one_line
from proxy.session.pending import Pending
from proxy.sql.statements import CreateIndex

UNDEFINED = frozenset({"42704", "42P01"})  # undefined_object, undefined_table
INFERENCE = "infer_arbiter_indexes"  # field R: ON CONFLICT finds no index (optimizer/util/plancat.c)
REFERENCES = frozenset(
    {"transformFkeyCheckAttrs", "transformFkeyGetPrimaryKey"}
)  # a foreign key (commands/tablecmds.c)
MOST = 3  # that are named


def explained(fields: Mapping[str, str], waiting: Sequence[Pending]) -> dict[str, str] | None:
    """The fields with DETAIL and HINT; None if the error has nothing to do with what waits.

    ``waiting`` may hold what ROLLBACK TO has taken back since, and what has been done: so much is said as is true then, too.
    """
    if fields.get("R") == INFERENCE:
        found = [one for one in waiting if _is_unique(one)]
    elif fields.get("R") in REFERENCES:
        found = [one for one in waiting if one.keys and any(f'"{word}"' in fields.get("M", "") for word in one.words)]
    elif fields.get("C") in UNDEFINED:
        found = [one for one in waiting if any(f'"{name}"' in fields.get("M", "") for name in one.made)]
    else:
        found = []
    if not found:
        return None
    details = [fields["D"]] if "D" in fields else []
    hints = [fields["H"]] if "H" in fields else []
    details += [
        f"{'An earlier' if one.left else 'This'} transaction has put off till after COMMIT: {_told(one)}."
        for one in found[:MOST]
    ]
    if all(one.left for one in found):  # the client holds another transaction open
        hints.append("Run the migration again: by then that is done.")
        return {**fields, "D": "\n".join(details), "H": "\n".join(hints)}
    hints.append(
        "Put what needs it into a migration of its own, behind this one."
        " Or have it run as it is written, by an exception in the policy or SET interlock.allow before it; then nothing waits."
    )
    return {**fields, "D": "\n".join(details), "H": "\n".join(hints)}


def _told(one: Pending) -> str:
    job = f" (job {one.job})" if one.job is not None else ""
    return one_line(one.sql) + job


def _is_unique(one: Pending) -> bool:
    """Whether it makes an index that ON CONFLICT could use."""
    node = one.statement.node if one.statement is not None else None
    return bool(one.indexes) and not (isinstance(node, CreateIndex) and not node.unique)


__all__ = ["explained"]

"""CONCURRENTLY on Postgres 14.0 to 14.3, which may leave a corrupt index."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.subject import subject
from proxy.sql.statements import CreateIndex, Other

BROKEN = range(140001, 140004)  # server_version_num: of 14.1 to 14.3; a stated "14" is 140000 and means no release
FIRST = 140000


@rule
def concurrently_on_broken_release(node: CreateIndex | Other, context: Context) -> Finding | None:
    version = context.facts.server_version
    if version not in BROKEN and not (version == FIRST and context.facts.live):
        return None
    match node:
        case CreateIndex(concurrently=True, relation=name):
            pass
        case Other(kind="REINDEX", concurrently=True, relations=(name, *_)):
            pass
        case _:
            return None
    if (about := subject(name, context)) is None:
        return None
    release = f"14.{version - FIRST}"
    return Finding(
        rule="concurrently-on-broken-release",
        at=name.span,
        problem=f"CONCURRENTLY may leave an index of {about.shown} that lacks rows: Postgres {release} has a bug",
        detail="In 14.0 to 14.3 rows that change during the build can be missing from the index; 14.4 repairs that.",
        hint="Update the server to the newest 14 first; then check the indexes that were built before, with amcheck.",
        lock=Lock.SHARE_UPDATE_EXCLUSIVE,
        work="build",
        relation=name,
    )

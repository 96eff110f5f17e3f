"""What ``interlock policy replay`` prints."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from proxy.run.words import one_line

if TYPE_CHECKING:
    from proxy.audit.replay import Replayed
    from proxy.policy.load import Policy

WORDS = {"allow": "allowed", "warn": "warned of", "rewrite": "rewritten", "defer": "deferred", "reject": "rejected"}


def show(found: Sequence[Replayed], policy: Policy, *, form: str) -> bool:
    """Print it; whether something would be newly rejected."""
    changed = [one for one in found if one.changed]
    unread = [one for one in found if one.verdict is None]
    if form == "json":
        document = {
            "version": 1,
            "policy": {"name": policy.name, "sha": policy.sha},
            "statements": len(found),
            "unreadable": len(unread),
            "changed": [
                {
                    "id": one.record["id"], "at": one.record["at"], "statement": one.record["statement"], "was": one.was,
                    "would_be": one.would_be, "rules": list(one.rules), "policy": one.because,
                }
                for one in changed
            ],
        }  # fmt: skip
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        for one in changed:
            session = one.record.get("session", {})
            who = session.get("tool") or session.get("application_name") or session.get("user", "")
            rules = ", ".join(one.rules)
            click.echo(
                f"{one.record['at'][:19].replace('T', ' ')}Z  {one.was} -> {one.would_be}  {one.record['kind']}  {who}  [{rules}]"
            )
            click.echo(f"    {one_line(one.record['statement'])[:160]}")
            click.echo(f"    = policy: {one.because}")
        for words in summary(found, policy):
            click.echo(words, err=True)
    return any(one.would_be == "reject" for one in changed)


def summary(found: Sequence[Replayed], policy: Policy) -> list[str]:
    """``strict would have rejected 3 of 212 statements``"""
    of = f"of {len(found):,} statement{'' if len(found) == 1 else 's'}"
    counted = Counter(one.would_be for one in found if one.changed)
    said = [
        f"{policy.name} would have {WORDS[action]} {count:,} {of} that {'was' if count == 1 else 'were'} decided otherwise"
        for action, count in counted.most_common()
    ]
    if unread := sum(one.verdict is None for one in found):
        said.append(f"{unread:,} {of} cannot be judged anew: their records are of another version")
    return said or [
        f"{policy.name} would have decided alike about {'all ' if len(found) != 1 else ''}{len(found):,} statement{'' if len(found) == 1 else 's'}"
    ]

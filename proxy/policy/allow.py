"""Ways out for one statement: ``SET interlock.allow = 'rule[, rule]: reason'`` and ``/* interlock: allow rule: reason */``.

An override that is malformed or not authorised has no effect; it is told why, so that nobody wonders.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.catalog.facts import Facts
from proxy.policy.model import ALL, Overrides, did_you_mean, known_rules
from proxy.sql.statements import Statement

COMMENT = "interlock:"
SETTING = "interlock.allow"


@dataclass(frozen=True, slots=True)
class Override:
    """One override as written.  ``problem`` says what is wrong with it, if it counts for nothing."""

    where: str  # ``interlock.allow`` or ``the comment``
    rules: frozenset[str] = frozenset()
    reason: str = ""
    problem: str = ""

    def covers(self, rule: str) -> bool:
        return rule in self.rules or ALL in self.rules


def overrides_of(statement: Statement, facts: Facts) -> list[Override]:
    """Every override that was given for a statement, the comments' first: they are the nearer ones."""
    found = [_comment(body) for body in statement.comments]
    if facts.allow.strip():
        found.append(_parse(SETTING, facts.allow))
    return found


def not_authorised(override: Override, overrides: Overrides, facts: Facts) -> str:
    """Why the policy does not let this override count; empty if it does."""
    where = override.where
    if not overrides.enabled:
        return f"{where} has no effect: the policy has no overrides"
    if overrides.roles != "any":
        if not facts.roles:
            return f"{where} has no effect: the user's roles are not known"
        if not facts.roles.intersection(overrides.roles):
            allowed = ", ".join(overrides.roles) or "nobody"
            return (
                f"{where} has no effect: {facts.session_user or facts.user} is none of the roles that may ({allowed})"
            )
    if overrides.reason == "required" and not override.reason:
        named = ", ".join(sorted(override.rules))
        return f"{where} has no effect without a reason: write '{named}: <why>'"
    return ""


def way_out(rule: str, overrides: Overrides, facts: Facts) -> str:
    """For a hint: how to have a statement run as it is written, as far as this user may."""
    said = f"SET interlock.allow = '{rule}: <why>';"
    if not overrides.enabled or not overrides.roles:
        return f"To run it as written: an exception for {rule} in the policy, which lets nobody SET interlock.allow."
    if overrides.roles == "any" or facts.roles.intersection(overrides.roles):
        return f"To run it as written: {said}"
    return f"To run it as written, as a member of {' or '.join(overrides.roles)}: {said}"


def _comment(body: str) -> Override:
    where = "the comment"
    said = " ".join(body.split())
    said = said[len(COMMENT) :].strip() if said.lower().startswith(COMMENT) else said
    verb, _, rest = said.partition(" ")
    if verb.lower() != "allow":
        return Override(where, problem=f"{where} has no effect: write interlock: allow rule: reason")
    return _parse(where, rest)


def _parse(where: str, text: str) -> Override:
    before, _, reason = text.partition(":")
    names = [name.strip() for name in before.split(",")]
    known = (*known_rules(with_unreadable=True), ALL)
    for name in names:
        if name not in known:
            said = f"names the unknown rule '{name}'{did_you_mean(name, known)}" if name else "names no rule"
            return Override(where, frozenset(names), reason.strip(), f"{where} has no effect: it {said}")
    return Override(where, frozenset(names), reason.strip())

"""Statement + facts + policy -> Verdict.  Pure: no clock, no query, no file; the same answer today and in a replay.

For each finding, later words beat earlier ones: the rule's action, small tables, exceptions, overrides,
the open transaction, the policy's mode.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any, assert_never

from proxy.catalog.effect import effect
from proxy.catalog.facts import Facts
from proxy.plans.compose import compose, defer
from proxy.plans.early import irreversible
from proxy.plans.plan import Lock
from proxy.policy import allow, model
from proxy.policy.effective import BUILT_IN, Policy
from proxy.policy.model import SCHEMA_CHANGE, UNREADABLE
from proxy.policy.subject import Subject, below, empty, matches, small, subjects
from proxy.policy.verdict import Action, Decided, Source, Verdict
from proxy.records import replace
from proxy.rules.base import Finding, Rewrite, examine_by, rules
from proxy.sql.interest import changes_schema
from proxy.sql.statements import Action as Action_
from proxy.sql.statements import Explain, Name, Span, Statement, Unreadable

NOT_IN_TRANSACTION = "it cannot be rewritten in a transaction"
NOTHING = ""  # the relation of a finding about no known one; Facts.find never knows it


def decide(statement: Statement, facts: Facts, policy: Policy) -> Verdict:
    """What the policy says about a statement, and the plan if it is to be rewritten.

    Precondition: ``facts`` were asked for this statement, as its transaction sees them now.
    """
    decided = [
        (node, d)
        for node, finding, known in findings(statement, facts, policy.untold)
        if _told(d := _decide(node, finding, statement, known, facts, policy))
    ]
    decided += _change(statement, facts, policy)
    if not decided:
        return Verdict(Action.ALLOW)
    harshest = max((d for _, d in decided), key=lambda d: d.action.rank)
    plan = None
    if harshest.action is Action.REWRITE:
        rewrites = [(node, _rewrite(d)) for node, d in decided if d.action is Action.REWRITE]
        if action := irreversible(statement, rewrites, facts):
            return _not_in_steps(statement, action, [d for _, d in decided])
        plan = compose(statement, rewrites, facts)
    elif harshest.action is Action.DEFER:
        plan = defer(statement, [(node, _rewrite(d)) for node, d in decided if d.action is Action.DEFER], facts)
    return Verdict(harshest.action, tuple(d for _, d in decided), plan, harshest.because)


def _told(decided: Decided) -> bool:
    """Whether it is part of the verdict: advice is only where the policy asks for it."""
    known = rules().get(decided.finding.rule)
    return decided.action is not Action.ALLOW or bool(decided.note) or known is None or known.harm != "costs later"


def _not_in_steps(statement: Statement, action: Action_, decided: Sequence[Decided]) -> Verdict:
    """Refusal of a statement whose steps could fail after one that nothing takes back."""
    words = " ".join(action.span.of(statement.text).split())
    note = (
        f"in steps, {words} would have to be committed before the rows are checked; send it as a statement of its own"
    )
    refused = tuple(_becomes(d, Action.REJECT, d.because, note) if d.action is Action.REWRITE else d for d in decided)
    harshest = max(refused, key=lambda d: d.action.rank)
    return Verdict(harshest.action, refused, None, harshest.because)


def findings(statement: Statement, facts: Facts, without: Set[str] = frozenset()) -> list[tuple[Any, Finding, Facts]]:
    """Each finding but those ``without`` these rules, with its node, and the facts that it was found by."""
    match statement.node:
        case Unreadable() as node:
            return [(node, _unreadable(statement, node), facts)]
        case Explain(target=Unreadable() as node):
            return [(node, _unreadable(statement, node), facts)]
    return examine_by(statement, facts, without)


def matched(statement: Statement, facts: Facts, policy: Policy) -> frozenset[int]:
    """Which of the policy's exceptions fit the statement, whether or not one before them counts first."""
    found = findings(statement, facts)
    if changes_schema(statement):
        found = [*found, (statement.node, _any_change(statement, facts), facts)]
    fit: set[int] = set()
    for node, finding, known in found:
        about = subjects(node, finding, known)
        fit |= {i for i, one in policy.candidates.of(finding.rule, about) if matches(one.match, about, facts)}
    return frozenset(fit)


def _change(statement: Statement, facts: Facts, policy: Policy) -> list[tuple[Any, Decided]]:
    """What exceptions say about it because it changes the schema at all; nothing if they let it be."""
    if not changes_schema(statement) or not policy.candidates.mind_any_change:
        return []
    decided = _decide(statement.node, _any_change(statement, facts), statement, facts, facts, policy)
    return [(statement.node, decided)] if decided.action is not Action.ALLOW or decided.note else []


def _any_change(statement: Statement, facts: Facts) -> Finding:
    """A finding about a change of the schema as such, harmless or not."""
    node = statement.node
    word = statement.sql.split(maxsplit=1)[0]
    at = Span(statement.span.start, statement.span.start + len(word))
    names = [*getattr(node, "names", ()), *getattr(node, "relations", ())]
    relation = getattr(node, "relation", None) or (names[0] if names else Name((NOTHING,), at))
    taken = effect(statement, facts)
    return Finding(
        rule=SCHEMA_CHANGE,
        at=at,
        problem=f"{node.kind} would change the schema",
        detail="",
        hint="",
        lock=taken.lock,
        work=taken.work,
        relation=relation,
    )


def _decide(node: Any, finding: Finding, statement: Statement, known: Facts, facts: Facts, policy: Policy) -> Decided:
    """``known`` are the facts that the finding was found by, ``facts`` those that were asked for the statement."""
    about = subjects(node, finding, known)
    decided = _by_rule(finding, policy)
    decided = _by_size(decided, about, policy)
    decided = _exceptions(decided, about, facts, policy)
    decided = _overrides(decided, statement, facts, policy)
    if decided.action is Action.REWRITE and finding.rewrite is None:
        decided = _becomes(decided, _instead(finding), decided.because, "this form cannot be rewritten")
    decided = _hooks(decided, policy)
    decided = _in_transaction(decided, facts, policy)
    return _mode(decided, policy)


def _by_rule(finding: Finding, policy: Policy) -> Decided:
    match finding.rule:
        case model.UNREADABLE:
            return Decided(finding, policy.unreadable, policy.source("unreadable"))
        case model.SCHEMA_CHANGE:  # only exceptions mind
            return Decided(finding, Action.ALLOW, BUILT_IN)
        case rule:
            note = "" if policy.knows(rule) else f"newer than {policy.pin}: it only warns until the pin is raised"
            return Decided(finding, policy.rule(rule).action, policy.source("rules", rule, "action"), note=note)


def _by_size(decided: Decided, about: Sequence[Subject], policy: Policy) -> Decided:
    """Milder on a table below the rule's own thresholds; where it has none, on a small one."""
    rule = decided.finding.rule
    setting = policy.settings.rules.get(rule)
    if setting is None or setting.above is None:
        return _small_table(decided, about, policy)
    why = below(about, setting.above)
    if not why or decided.action.rank <= setting.below.rank:
        return decided
    return _becomes(decided, setting.below, policy.source("rules", rule, "above"), why)


def _small_table(decided: Decided, about: Sequence[Subject], policy: Policy) -> Decided:
    spared = policy.small_tables
    rule, milder = rules().get(decided.finding.rule), spared.treat_as
    if rule is not None and rule.at_any_size and spared.covers == "blocking":
        why = empty(about) if spared.under.bytes else ""
    else:
        why = small(about, spared.under)
    if not why or decided.action.rank <= milder.rank:
        return decided
    return _becomes(decided, milder, policy.source("small_tables", "under"), why)


def _exceptions(decided: Decided, about: Sequence[Subject], facts: Facts, policy: Policy) -> Decided:
    """The first exception that matches; one in front of it that may match, not enough being known, only if that is harsher."""
    rule, perhaps = decided.finding.rule, []
    for i, exception in policy.candidates.of(rule, about):
        if (match := matches(exception.match, about, facts)) is False:
            continue
        because = policy.source("exceptions", i)
        if exception.until is not None and exception.until < facts.now.date():
            if match or exception.action.rank > decided.action.rank:
                decided = replace(
                    decided, note=_noted(decided, f"the exception at {because} expired on {exception.until}")
                )
            continue
        settled = _becomes(decided, exception.action, because, f"exception: {exception.reason}")
        if match:
            decided = settled
            break
        perhaps.append(settled)
    return max([decided, *perhaps], key=lambda one: one.action.rank) if perhaps else decided


def _overrides(decided: Decided, statement: Statement, facts: Facts, policy: Policy) -> Decided:
    """ALLOW if an override counts; else a note for each that was meant for this finding and does not."""
    if decided.action is Action.ALLOW:
        return decided
    why_not = []
    for override in allow.overrides_of(statement, facts):
        if not override.problem and not override.covers(decided.finding.rule):
            continue
        if problem := override.problem or allow.not_authorised(override, policy.overrides, facts):
            why_not.append(problem)
            continue
        note = f"allowed by {override.where}" + (f": {override.reason}" if override.reason else "")
        return _becomes(decided, Action.ALLOW, policy.source("overrides", "roles"), note)
    return replace(decided, note=_noted(decided, *why_not)) if why_not else decided


def _hooks(decided: Decided, policy: Policy) -> Decided:
    """No rewrite that would set off what the author's statement does not, unless the policy says so."""
    hooks = decided.finding.rewrite.hooks if decided.finding.rewrite is not None else ()
    if decided.action is not Action.REWRITE or not hooks or policy.backfills.triggers != "reject":
        return decided
    named = ", ".join(f'"{name}"' for name in hooks)
    note = f"in steps, UPDATEs of the old rows would set off {named}; backfills.triggers says whether they may"
    return _becomes(decided, Action.REJECT, policy.source("backfills", "triggers"), note)


def _instead(finding: Finding) -> Action:
    """What is done where a rewrite is not possible: what only waits for its lock runs with patience, all else is refused."""
    return Action.WARN if finding.waits else Action.REJECT


def _in_transaction(decided: Decided, facts: Facts, policy: Policy) -> Decided:
    if decided.action is not Action.REWRITE or not facts.in_transaction:
        return decided
    rule = decided.finding.rule
    written = policy.source("rules", rule, "in_transaction")
    because = (
        written if written.line else decided.because
    )  # the line that asked for the rewrite says more than a default
    action = policy.rule(rule).in_transaction
    rewrite = decided.finding.rewrite
    if action is Action.DEFER and rewrite is not None and rewrite.autocommit:
        note = "in steps it would wait for COMMIT, and what follows in the transaction would miss it"
        return _becomes(decided, _instead(decided.finding), because, note)
    note = "what cannot run in a transaction" if action is Action.DEFER else NOT_IN_TRANSACTION
    return _becomes(decided, action, because, f"{note} waits for COMMIT" if action is Action.DEFER else note)


def _mode(decided: Decided, policy: Policy) -> Decided:
    match policy.mode:
        case "enforce":
            return decided
        case "observe":
            most = Action.ALLOW
        case "warn":
            most = Action.WARN
        case _ as never:
            assert_never(never)
    if decided.action.rank <= most.rank:
        return decided
    milder = _becomes(decided, most, policy.source("mode"), f"mode {policy.mode}: would be {decided.action}")
    return replace(milder, would_be=decided.action)


def _rewrite(decided: Decided) -> Rewrite:
    assert decided.finding.rewrite is not None  # REWRITE without one has become REJECT
    return decided.finding.rewrite


def _becomes(decided: Decided, action: Action, because: Source, note: str) -> Decided:
    return replace(decided, action=action, because=because, note=_noted(decided, note))


def _noted(decided: Decided, *notes: str) -> str:
    return "; ".join(note for note in (decided.note, *notes) if note)


def _unreadable(statement: Statement, node: Unreadable) -> Finding:
    """A finding that supposes the worst: what is not understood may lock and rewrite anything."""
    text = statement.text
    line = text.count("\n", 0, node.at) + 1
    column = node.at - text.rfind("\n", 0, node.at)
    at = Span(node.at, min(node.at + 1, statement.span.end))
    return Finding(
        rule=UNREADABLE,
        at=at,
        problem=f"this statement cannot be read at line {line}, column {column}: expected {node.expected}",
        detail="Interlock does not know what it locks, so it can neither rewrite it nor call it safe.",
        hint="Write the statement on its own and in the form that the Postgres documentation gives for it.",
        lock=Lock.ACCESS_EXCLUSIVE,
        work="rewrite",
        relation=Name((NOTHING,), at),
    )

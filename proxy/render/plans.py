"""Plans step by step for people."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.catalog.effect import Effect
from proxy.plans.plan import Lock, Step
from proxy.policy.verdict import Action, Verdict
from proxy.render.text import Paint, plain, printable
from proxy.sql.statements import Statement, Unreadable, quote_identifier

WORK = {
    "none": "",
    "scan": " while it reads all rows",
    "build": " while it builds an index",
    "rewrite": " while it writes all rows anew",
}


def plan_lines(statement: Statement, verdict: Verdict, effect: Effect, *, paint: Paint = plain) -> list[str]:
    """What would be done about one statement, step by step: the answer of ``interlock plan`` and of ``EXPLAIN <ddl>``."""
    on = ", ".join(names(effect))
    named = ", ".join(dict.fromkeys(d.finding.rule for d in verdict.decided))
    lines = [
        f"{paint(verdict.action)}: {statement.node.kind}"
        + (f" on {on}" if on else "")
        + (f"  [{named}]" if named else "")
    ]
    for decided in verdict.decided:
        lines.append(f"  {printable(decided.finding.problem)}")
        lines += [f"  {printable(line)}" for line in (decided.finding.detail, decided.note) if line]
    if verdict.plan is not None:
        lines.append("  It would run instead:")
        for number, step in enumerate(verdict.plan.steps, 1):
            lines += _step(number, step)
    elif verdict.action is Action.REJECT:
        hints = [line for d in verdict.decided for line in d.finding.remedy.splitlines()]
        lines += ["  Nothing would run.  Use instead:" if hints else "  Nothing would run."]
        lines += [f"    {printable(line)}" for line in hints]
    else:
        lines.append(f"  It runs as written: {_effect(statement, effect)}")
    if verdict.because is not None:
        lines.append(f"  policy: {verdict.because}")
    return lines


def _step(number: int, step: Step) -> Iterator[str]:
    yield from (
        f"    {f'{number}.' if first else '  '} {printable(sql)};"
        for first, sql in ((i == 0, sql) for i, sql in enumerate(step.statements))
    )
    where = "in a transaction" if step.transaction else "outside a transaction"
    when = ", after the client's COMMIT" if step.when == "after_commit" else ""
    yield f"       {step.why}: {step.lock.sql} lock, blocks {step.lock.blocks}, {where}{when}"


def _effect(statement: Statement, effect: Effect) -> str:
    if isinstance(statement.node, Unreadable):
        return "what it locks is not known"
    if effect.lock is Lock.NONE:
        return "it takes no lock on a table that others use"
    known = "" if effect.known else " as far as is known at most a"
    work = WORK[effect.work] if effect.lock.blocks != "nothing" else ""
    return f"{known} {effect.lock.sql} lock, blocks {effect.lock.blocks}{work}".strip()


def names(effect: Effect) -> list[str]:
    """The relations that it locks, the most strongly locked first, as SQL would name them."""
    relations = [*effect.relations, *(other.relation for other in effect.others)]
    return [".".join(quote_identifier(part) for part in relation if part) for relation in relations]

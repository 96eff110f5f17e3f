"""What a rule is.  Write ``rules/my_rule.py`` and ``rules/my_rule.md``; discovery does the rest.

A rule is a function of one node (a statement, or one action of an ALTER TABLE) and its context; the
annotation of its first parameter says which nodes it is asked about.  Its name, with dashes, is the
rule's name and completes "allow …": ``index-not-concurrent``.

``@rule`` is for what blocks the application while Postgres works, ``@caution`` for what may break it or
lose rows without blocking anybody for long, ``@advice`` for what only costs later.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import types
import typing
from collections.abc import Callable, Set
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from proxy.catalog.after import inside
from proxy.catalog.facts import Facts, Relation
from proxy.catalog.held import holding
from proxy.plans.plan import Lock, Rewrite
from proxy.records import replace
from proxy.rules.duration import roughly
from proxy.sql.statements import AlterTable, CreateIndex, DropIndex, Name, Opaque, Span, Statement, Transaction

__all__ = [
    "Context",
    "Finding",
    "Harm",
    "Rewrite",
    "Rule",
    "RuleFunction",
    "advice",
    "caution",
    "examine",
    "examine_by",
    "rule",
    "rules",
]

Harm = typing.Literal["blocks", "breaks", "costs later"]


@dataclass(frozen=True, slots=True)
class Context:
    """The statement that the node is part of, and the facts."""

    statement: Statement
    facts: Facts
    # What several rules ask about the same node, by question; with other facts (``replace``) it is empty again.
    known: dict[Any, Any] = field(init=False, default_factory=dict, compare=False, repr=False)

    @property
    def table(self) -> AlterTable:
        """The ALTER TABLE around an action."""
        assert isinstance(self.statement.node, AlterTable)
        return self.statement.node

    def relation(self, name: Name) -> Relation | None:
        return self.facts.find(name)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a statement would block or break, in the user's own names."""

    rule: str
    at: Span  # the words to put the caret under
    problem: str  # one line, no full stop: harm and object
    detail: str  # facts with numbers, full sentences
    # SQL to use instead, a statement a line; or what makes it, where that is work.
    hint: str | Callable[[], str] = field(repr=False, compare=False)
    lock: Lock  # taken by the statement as written
    work: typing.Literal["none", "scan", "build", "rewrite"]  # done under that lock
    relation: Name  # the object that is blocked
    rewrite: Rewrite | None = None
    waits: bool = False  # it does nothing but wait for its lock: where it has no rewrite, patience is the next best

    @property
    def remedy(self) -> str:
        """The hint, made when somebody wants to read it: who gets a rewrite does not."""
        return self.hint if isinstance(self.hint, str) else self.hint()


# Cautions that are about the time for which something is locked.
LOCKING = frozenset(
    {"column-type-locks-parent", "data-with-schema", "detach-not-concurrent", "partition-of", "several-tables-locked"}
)

RuleFunction = Callable[[Any, Context], "Finding | None"]


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    nodes: tuple[type, ...]  # classes of nodes that it is asked about
    summary: str  # first line of the module's docstring
    function: RuleFunction
    harm: Harm = "blocks"

    @property
    def at_any_size(self) -> bool:
        """Whether what it finds is as bad on a small table: it breaks something, and not by locking it for long."""
        return self.harm == "breaks" and self.name not in LOCKING

    @property
    def page(self) -> str:
        """The Markdown page beside the rule's module."""
        from importlib.resources import files

        return files("proxy.rules").joinpath(self.name.replace("-", "_") + ".md").read_text(encoding="utf-8")


def rule(function: RuleFunction) -> RuleFunction:
    """Mark a function as a rule about what blocks the application."""
    return _marked(function, "blocks")


def caution(function: RuleFunction) -> RuleFunction:
    """Mark a function as a rule about what may break the application, or lose rows."""
    return _marked(function, "breaks")


def advice(function: RuleFunction) -> RuleFunction:
    """Mark a function as a rule about what costs later."""
    return _marked(function, "costs later")


def _marked(function: RuleFunction, harm: Harm) -> RuleFunction:
    function.harm = harm  # type: ignore[attr-defined]
    return function


@cache
def rules() -> dict[str, Rule]:
    """All rules by name, found in the modules beside this one."""
    found = {}
    package = importlib.import_module("proxy.rules")
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"proxy.rules.{info.name}")
        for _, function in inspect.getmembers(module, lambda f: inspect.isfunction(f) and hasattr(f, "harm")):
            if function.__module__ != module.__name__:
                continue
            first = next(iter(typing.get_type_hints(function).values()))
            nodes = typing.get_args(first) if isinstance(first, types.UnionType) else (first,)
            name = function.__name__.replace("_", "-")
            found[name] = Rule(name, nodes, (module.__doc__ or "").strip().splitlines()[0], function, function.harm)
    return dict(sorted(found.items()))


@cache
def _about(node: type) -> tuple[Rule, ...]:
    """The rules that are asked about nodes of this class."""
    return tuple(r for r in rules().values() if issubclass(node, r.nodes))


def examine(statement: Statement, facts: Facts) -> list[tuple[Any, Finding]]:
    """Every finding about a statement and what it runs, with the node (a statement's, or an action's) that it is about."""
    return [(node, finding) for node, finding, _ in examine_by(statement, facts)]


def examine_by(statement: Statement, facts: Facts, without: Set[str] = frozenset()) -> list[tuple[Any, Finding, Facts]]:
    """The same but for these rules, each with the facts that it was found by: of what a statement runs those that are left by then."""
    found = [(node, finding, facts) for node, finding in _examine(statement, facts, without)]
    held = facts.held
    for inner, known in inside(statement, facts):
        known = replace(known, held=held)
        found += [(node, _inside(inner, node, finding), known) for node, finding in _examine(inner, known, without)]
        held = () if isinstance(inner.node, Transaction) else holding(inner, known)  # COMMIT lets go of all
    return found


def _inside(inner: Statement, node: Any, finding: Finding) -> Finding:
    """The finding about a statement in a body: there nothing can be done in steps that are committed."""
    origin = inner.origin
    where = f"It stands in {origin.routine if origin else 'a DO block'}"
    if finding.rewrite is not None:
        finding = replace(
            finding,
            detail=f"{finding.detail} {where}: run by itself, it can be done in steps.",
            hint=_by_itself(inner, node) or finding.hint,
            rewrite=None,
        )
    elif origin is not None and not isinstance(node, Opaque):
        finding = replace(finding, detail=f"{finding.detail} {where}.".strip())
    return finding if origin is None else replace(finding, at=origin.at)


def _by_itself(inner: Statement, node: Any) -> str:
    """An index's statement as it can be run without the block and its IF; empty for any other."""
    match node:
        case CreateIndex(name=Name(), keyword=keyword, if_not_exists=there):
            words = " CONCURRENTLY" if there else " CONCURRENTLY IF NOT EXISTS"
        case DropIndex(keyword=keyword, if_exists=there):
            words = " CONCURRENTLY" if there else " CONCURRENTLY IF EXISTS"
        case _:
            return ""
    at = keyword.end - inner.span.start
    return f"{inner.sql[:at]}{words}{inner.sql[at:]};"


def _examine(statement: Statement, facts: Facts, without: Set[str]) -> list[tuple[Any, Finding]]:
    context = Context(statement, facts)
    nodes: list[Any] = [statement.node]
    if isinstance(statement.node, AlterTable):
        nodes += statement.node.actions
    found = []
    for node in nodes:
        for r in _about(node.__class__):
            if r.name not in without and (finding := r.function(node, context)):
                found.append((node, _timed(finding, context) if r.harm == "blocks" else finding))
    return found


# Whose work is not that of reading or writing the relation that they speak of.
UNTIMED = frozenset({"partition-of-scan", "refresh-not-concurrent", "work-under-lock"})


def _timed(finding: Finding, context: Context) -> Finding:
    """The finding with how long that takes, where the size is known."""
    relation = context.relation(finding.relation)
    if relation is None or not relation.size_bytes or finding.rule in UNTIMED or finding.lock.rank < Lock.SHARE.rank:
        return finding
    time = roughly(relation.size_bytes, finding.work)
    return replace(finding, detail=f"{finding.detail} That takes {time}.") if time else finding

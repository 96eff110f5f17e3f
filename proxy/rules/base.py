"""What a rule is.  Write ``rules/my_rule.py`` and ``rules/my_rule.md``; discovery does the rest.

A rule is a function of one node (a statement, or one action of an ALTER TABLE) and its context; the
annotation of its first parameter says which nodes it is asked about.  Its name, with dashes, is the
rule's name and completes "allow …": ``index-not-concurrent``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from proxy.catalog.facts import Facts, Relation
from proxy.plans.plan import Lock, Step
from proxy.sql.statements import AlterTable, Name, Span, Statement


@dataclass(frozen=True, slots=True)
class Context:
    """The statement that the node is part of, and the facts."""

    statement: Statement
    facts: Facts

    @property
    def table(self) -> AlterTable:
        """The ALTER TABLE around an action."""
        assert isinstance(self.statement.node, AlterTable)
        return self.statement.node

    def relation(self, name: Name) -> Relation | None:
        return self.facts.find(name)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """How to reach the same schema without blocking.

    For an action of an ALTER TABLE: ``action`` is the text that takes its place in the ALTER that runs
    at once (None: it is left out of it) and ``steps`` follow.  For a whole statement ``action`` is None
    and ``steps`` are everything.  ``undo`` takes the effect of ``action`` back.
    """

    steps: tuple[Step, ...]
    action: str | None = None
    undo: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What a statement would block or break, in the user's own names."""

    rule: str
    at: Span  # the words to put the caret under
    problem: str  # one line, no full stop: harm and object
    detail: str  # facts with numbers, full sentences
    hint: str  # SQL to use instead, a statement a line
    lock: Lock  # taken by the statement as written
    work: typing.Literal["none", "scan", "build", "rewrite"]  # done under that lock
    relation: Name  # the object that is blocked
    rewrite: Rewrite | None = None


RuleFunction = Callable[[Any, Context], "Finding | None"]


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    nodes: tuple[type, ...]  # classes of nodes that it is asked about
    summary: str  # first line of the module's docstring
    function: RuleFunction

    @property
    def page(self) -> str:
        """The Markdown page beside the rule's module."""
        from importlib.resources import files

        return files("proxy.rules").joinpath(self.name.replace("-", "_") + ".md").read_text(encoding="utf-8")


def rule(function: RuleFunction) -> RuleFunction:
    """Mark a function as a rule."""
    function.is_rule = True  # type: ignore[attr-defined]
    return function


@cache
def rules() -> dict[str, Rule]:
    """All rules by name, found in the modules beside this one."""
    found = {}
    package = importlib.import_module("proxy.rules")
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"proxy.rules.{info.name}")
        for _, function in inspect.getmembers(module, lambda f: getattr(f, "is_rule", False)):
            if function.__module__ != module.__name__:
                continue
            first = next(iter(typing.get_type_hints(function).values()))
            nodes = typing.get_args(first) if isinstance(first, types.UnionType) else (first,)
            name = function.__name__.replace("_", "-")
            found[name] = Rule(name, nodes, (module.__doc__ or "").strip().splitlines()[0], function)
    return dict(sorted(found.items()))


def examine(statement: Statement, facts: Facts) -> list[tuple[Any, Finding]]:
    """Every finding about a statement, with the node (the statement's, or an action's) that it is about."""
    context = Context(statement, facts)
    nodes: list[Any] = [statement.node]
    if isinstance(statement.node, AlterTable):
        nodes += statement.node.actions
    found = []
    for node in nodes:
        for r in rules().values():
            if isinstance(node, r.nodes) and (finding := r.function(node, context)):
                found.append((node, finding))
    return found

"""Procedures and functions that statements call, and what their bodies run, put into the statement as what it runs.

``opened`` is a function of a statement and of the routines that are known; what it would have to know beyond that
it tells, so that the caller can ask (``routine_lookup``) and try again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from proxy.catalog.after import PATHS
from proxy.catalog.facts import Facts, Routine
from proxy.sql.calls import called
from proxy.sql.inside import gathered, run_by_routine
from proxy.sql.routine import Created, Kind, set_off
from proxy.sql.statements import Call, FunctionCall, Name, Opaque, Origin, SetVariable, Span, Statement

Parts = tuple[str, ...]
READ = frozenset({"plpgsql", "sql"})
TRUSTED = frozenset({"internal", "c"})  # the server's functions, and extensions': no bodies, and hardly ever DDL
DEEPEST = 8  # routines that call routines
MOST = 100  # bodies in one statement


@dataclass(frozen=True, slots=True)
class Sought:
    """Routines of one kind and name.  ``anywhere``: which schemas the search_path will name is not known."""

    kind: Kind
    parts: Parts
    anywhere: bool = False

    @property
    def key(self) -> str:
        """The key of ``Facts.routines``: ``procedure "s"."p"``."""
        name = Name(self.parts, Span(0, 0)).quoted
        return f"{self.kind} {'*.' if self.anywhere else ''}{name}"


Known = Mapping[str, "tuple[Routine, ...] | None"]
"""By ``Sought.key``; None: they could not be asked for."""


def written(made: Created) -> Routine:
    """A routine of the text that is being read."""
    parts = tuple(call.name.parts for call in made.called)
    return Routine(0, str(made.name), made.language, made.source, made.sets_path, calls=parts)


def may_be(made: Created, sought: Sought) -> bool:
    """Whether a call can mean a routine of the same text."""
    if made.kind != sought.kind or made.name.name != sought.parts[-1]:
        return False
    return made.name.schema is None or len(sought.parts) == 1 or made.name.schema == sought.parts[-2]


@dataclass(slots=True)
class Opening:
    """``follows`` says which functions are looked into, besides all procedures; ``text`` are routines of the same text.

    ``missing`` gathers what is not known; ``used`` what was looked at.
    """

    known: Known
    follows: Callable[[Name], bool]
    text: Sequence[Created] = ()
    standard_conforming_strings: bool = True
    lost: bool = False  # what a name without a schema means is not known
    procedures: bool = True  # whether they are looked into
    missing: set[Sought] = field(default_factory=set)
    used: dict[str, tuple[Routine, ...]] = field(default_factory=dict)
    _count: int = 0
    _comments: list[str] = field(default_factory=list)

    def opened(self, statement: Statement) -> Statement:
        """The statement with what the routines run that it calls; itself if it calls none."""
        inner: list[Statement] = []
        if any(one.origin is not None for one in statement.inner):
            return statement  # it is open already
        for one in statement.inner:
            if isinstance(one.node, Call):
                inner += self._procedure(one.node, one.node.procedure.span, ())
            else:
                self._follow(one)
                inner.append(one)
        if isinstance(statement.node, Call):
            inner += self._procedure(statement.node, statement.node.procedure.span, ())
        for call in called(statement, standard_conforming_strings=self.standard_conforming_strings):
            inner += self._function(call, call.name.span, ())
        for one in (statement, *statement.inner):
            if (name := set_off(one)) is not None:
                self._candidates(self._sought("function", name))
        if not inner and not statement.inner:
            return statement
        return replace(statement, inner=gathered(inner), comments=statement.comments + tuple(self._comments))

    def _follow(self, statement: Statement) -> None:
        match statement.node:
            case SetVariable(name=name) if name in PATHS:
                self.lost = True

    def _procedure(self, call: Call, at: Span, around: tuple[Routine, ...]) -> Iterator[Statement]:
        if not self.procedures:
            return
        sought = self._sought("procedure", call.procedure)
        yield from self._run(sought, str(call.procedure), call.arguments, at, around)

    def _function(self, call: FunctionCall, at: Span, around: tuple[Routine, ...]) -> Iterator[Statement]:
        if self.follows(call.name):
            yield from self._run(self._sought("function", call.name), str(call.name), call.arguments, at, around)

    def _sought(self, kind: Kind, name: Name) -> Sought:
        return Sought(kind, name.parts, anywhere=self.lost and len(name.parts) == 1)

    def _run(
        self, sought: Sought, name: str, arguments: int, at: Span, around: tuple[Routine, ...]
    ) -> Iterator[Statement]:
        found = self._candidates(sought)
        if found is None:
            yield _opaque(Origin(f"{sought.kind} {name}", at), "its body is not known here")
            return
        for routine in found:
            if routine.takes(arguments) and routine not in around:
                yield from self._body(routine, Origin(f"{sought.kind} {routine.name}", at), around)

    def _candidates(self, sought: Sought) -> tuple[Routine, ...] | None:
        """Those that a name may mean; None if that is not known.  Empty also if it is still to be asked."""
        if sought.key not in self.known:
            self.missing.add(sought)
            return ()
        found = self.known[sought.key]
        if found is not None:
            found = (*found, *(written(made) for made in self.text if may_be(made, sought)))
            self.used[sought.key] = found
        return found

    def _body(self, routine: Routine, origin: Origin, around: tuple[Routine, ...]) -> Iterator[Statement]:
        self._count += 1
        if self._count > MOST or len(around) >= DEEPEST:
            yield _opaque(origin, "more routines that call each other than are looked into")
            return
        if routine.language not in READ:
            if routine.language not in TRUSTED or origin.routine.startswith("procedure"):
                yield _opaque(origin, f"a body in {routine.language}")
            return
        if routine.source is None:
            yield _opaque(origin, "a body that cannot be read")
            return
        around = (*around, routine)
        self.lost |= routine.moves_path
        if routine.moves_path:
            yield Statement("", Span(0, 0), SetVariable("search_path"), origin=origin)
        inner, functions, comments = _ran(routine, self.standard_conforming_strings)
        self._comments += comments
        for one in inner:
            if isinstance(one.node, Call):
                yield from self._procedure(one.node, origin.at, around)
            else:
                self._follow(one)
                yield replace(one, origin=origin)
        for call in functions:
            yield from self._function(call, origin.at, around)


def _ran(routine: Routine, scs: bool) -> tuple[tuple[Statement, ...], tuple[FunctionCall, ...], tuple[str, ...]]:
    calls = tuple(FunctionCall(Name(parts, Span(0, 0)), -1) for parts in routine.calls)
    if not routine.source:  # BEGIN ATOMIC: queries
        return (), calls, ()
    return run_by_routine(routine.source, routine.language, scs)


def _opaque(origin: Origin, why: str) -> Statement:
    return Statement("", Span(0, 0), Opaque(why), origin=origin)


def reopened(statement: Statement, facts: Facts) -> Statement:
    """A statement as it was opened when ``facts`` were recorded."""
    routines = facts.routines

    def follows(name: Name) -> bool:
        return any(Sought("function", name.parts, lost).key in routines for lost in (False, True))

    return Opening(routines, follows).opened(statement)


def names(sought: Iterable[Sought]) -> list[Sought]:
    """In an order of their own, those that Postgres refuses anyway left out."""
    return sorted((one for one in sought if all(one.parts)), key=lambda one: one.key)

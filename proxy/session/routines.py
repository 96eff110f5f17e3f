"""What a client's statements run through procedures and functions: their bodies are asked of the catalog where they are called."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from proxy.catalog import routine_lookup
from proxy.catalog.after import PATHS
from proxy.catalog.answer import UnreadableAnswer
from proxy.catalog.facts import Routine
from proxy.catalog.routines import Opening, Sought, names
from proxy.policy.load import Policy
from proxy.run.connection import Connection, ServerError
from proxy.run.errors import QUERY_CANCELED
from proxy.session import aside
from proxy.session.made import Made
from proxy.session.reading import Reading
from proxy.sql.calls import only_calls, runs_a_query
from proxy.sql.gate import may_only_call
from proxy.sql.inside import moves_path
from proxy.sql.lexer import LexError, lex
from proxy.sql.routine import Created, created, makes, renamed, set_off
from proxy.sql.statements import Call, Name, Other, Query, SetVariable, Statement

log = logging.getLogger("interlock")
Functions = Literal["session", "catalog", "pass"]
Opened = tuple[Statement, Mapping[str, tuple[Routine, ...]]]


class Routines:
    """Of one session.  ``cannot_ask`` says that the server answers nothing now."""

    def __init__(self, own: Connection, policy: Callable[[], Policy], cannot_ask: Callable[[], bool]) -> None:
        self._own = own
        self._policy = policy
        self._cannot_ask = cannot_ask
        self._made = Made()

    def mentioned(self, sql: bytes, functions: Functions) -> bool:
        """Whether a text that the gate lets past must be read: it may call a function that is looked into."""
        if functions == "pass":
            return False
        return (bool(self._made.names) and self._made.mentioned(sql)) or (functions == "catalog" and may_only_call(sql))

    async def opened(self, statements: Sequence[Statement]) -> list[Opened]:
        """The statements of one text, each with what it runs through routines, and those routines.

        Raises ServerError if asking failed inside the client's transaction, which is then in the failed state.
        """
        scs = Reading.of(self._own.relay.parameters).standard_conforming_strings
        text: list[Created] = []
        lost = False
        found: list[Opened] = []
        for statement in statements:
            for made in await aside.call(len(statement.sql), _created, statement, scs) if makes(statement) else ():
                text.append(made)  # a block may call what it makes
                await aside.call(len(statement.sql), self._made.note, made, standard_conforming_strings=scs)
            for old, new in renamed(statement):
                self._made.rename(old, new)
            opens = (
                isinstance(statement.node, Call) or statement.inner or self._may_call(statement) or set_off(statement)
            )
            found.append(await self._opened(statement, text, scs, lost) if opens else (statement, {}))
            if isinstance(statement.node, SetVariable):
                lost |= statement.node.name in PATHS
            elif isinstance(statement.node, Query):
                lost |= moves_path(statement)
        return found

    def _may_call(self, statement: Statement) -> bool:
        """Whether it can call a function that is looked into, at first glance."""
        if statement.called or not runs_a_query(statement.node):
            return bool(statement.called)
        mode = self._policy().routines.functions
        return mode == "catalog" or (
            bool(self._made.names) and self._made.mentioned(statement.sql.encode(errors="replace"))
        )

    async def _opened(self, statement: Statement, text: Sequence[Created], scs: bool, lost: bool) -> Opened:
        procedures = self._policy().routines.procedures == "read"
        follows = self._follows(statement, scs)
        known: dict[str, tuple[Routine, ...] | None] = {}
        while True:
            opening = Opening(known, follows, text, scs, lost, procedures)
            opened = await aside.call(len(statement.sql), opening.opened, statement)
            if not opening.missing:
                return opened, opening.used
            known |= {one.key: () for one in opening.missing} | await self._ask(names(opening.missing))

    def _follows(self, statement: Statement, scs: bool) -> Callable[[Name], bool]:
        match self._policy().routines.functions:
            case "catalog" if isinstance(statement.node, Call) or is_block(statement) or _only_calls(statement, scs):
                return lambda name: True
            case "catalog" | "session":
                return self._made.__contains__
            case _:
                return lambda name: False

    async def _ask(self, sought: Sequence[Sought]) -> dict[str, tuple[Routine, ...] | None]:
        unknown: dict[str, tuple[Routine, ...] | None] = dict.fromkeys(one.key for one in sought)
        if self._cannot_ask() or not sought:
            return unknown
        try:
            row = await self._own.fetch_row(routine_lookup.SQL, routine_lookup.parameter(sought))
            return routine_lookup.decode((row[0] or b"").decode(), sought)
        except (ServerError, UnreadableAnswer) as error:
            if self._own.relay.skipping or self._own.relay.status == b"E":
                raise
            if isinstance(error, ServerError) and error.sqlstate == QUERY_CANCELED:
                raise  # the client's own cancel request, or its statement_timeout
            log.warning("routines could not be read (%s); what they run is not known", error)
            return unknown


def _created(statement: Statement, scs: bool) -> list[Created]:
    return list(created(statement, standard_conforming_strings=scs))


def is_block(statement: Statement) -> bool:
    return isinstance(statement.node, Other) and statement.node.kind == "DO"


def _only_calls(statement: Statement, scs: bool) -> bool:
    if not isinstance(statement.node, Query):
        return False
    try:
        return only_calls(lex(statement.sql, standard_conforming_strings=scs))
    except LexError:
        return False

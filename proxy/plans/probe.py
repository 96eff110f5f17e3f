"""A query that finds a row in the way of a statement, as a statement that raises the error of the author's own."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.plans.done import EQ
from proxy.plans.target import literal

# The clock of statement_timeout begins with the next statement: what is cancelled before that has gone by was a cancel request,
# which has the same SQLSTATE.  (In ms, for a text of a timestamp depends on the session's settings.)
_NOW = "pg_catalog.int8(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.*) 1000::pg_catalog.float8)"
RESTRICTED = "pg_catalog, pg_temp"  # RestrictSearchPath in utils/misc/guc.c
RESTRICTED_SINCE = 17
_NEVER = "9223372036854775807"
_DEADLINE = "interlock.deadline"
_LATER = "whether they fit shows after COMMIT"
TIMED_OUT = f"interlock: the rows could not be looked through in the time that the policy allows; {_LATER}"
UNDER_LOCK = f"interlock: the rows are not looked through while this transaction keeps others out; {_LATER}"
UNREAD = f"interlock: the rows could not be looked through, for this role may not read them all; {_LATER}"


@dataclass(frozen=True, slots=True)
class Probe:
    """``query`` gives one row of three texts for a row in the way: schema and name of its table, and what the DETAIL says of it.

    ``detail``     what stands before and behind that in the DETAIL, if there is one; the second part is the index's key
    ``made``       statements that make such an index elsewhere, from which the words for its key are learnt; the last: where
    ``evaluates``  whether expressions of the author's are evaluated, whose own errors are then the statement's
    ``restricted`` whether that is done as a build does it from 17 on: under a search_path of the server's own schemas
    """

    query: str
    sqlstate: str
    message: tuple[str, ...]  # what stands before, and what behind the name of the table; one part: all of it
    constraint: str = ""
    column: str = ""
    detail: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    evaluates: bool = False
    restricted: bool = False

    def within(self, bound_ms: int, after: str) -> tuple[str, str]:
        """Statements of which the second fails if there is such a row, and says so if that cannot be found out.

        It cannot be if the rows may not be read, or not all of them (row security), or not in ``bound_ms`` (0: there is no bound).  It takes no lock
        but ACCESS SHARE.  ``after`` is the statement_timeout that holds from then on in the transaction.
        """
        failed = "SQLSTATE OPERATOR(pg_catalog.~) '^(22|23|54|P0001)'"
        if self.restricted:  # what a function does not find any more
            failed += " OR running AND SQLSTATE OPERATOR(pg_catalog.~) '^(42|3F)'"
        own = f"IF {failed} THEN RAISE; END IF; " if self.evaluates else ""
        deadline = f"{_NOW} OPERATOR(pg_catalog.+) {bound_ms}::pg_catalog.int8" if bound_ms else _NEVER
        bound = (
            f"BEGIN PERFORM pg_catalog.set_config('statement_timeout', '{bound_ms}', true),"
            f" pg_catalog.set_config('{_DEADLINE}', ({deadline})::pg_catalog.text, true); END"
        )
        body = (
            "DECLARE schema_of pg_catalog.text; row_of pg_catalog.text; about pg_catalog.text; rows_of pg_catalog.refcursor;"
            " running pg_catalog.bool := false;"
            f" words pg_catalog.text := {literal(self.detail[1] if len(self.detail) == 4 else '')};"
            " secured pg_catalog.text := pg_catalog.current_setting('row_security');"
            " path pg_catalog.text := pg_catalog.current_setting('search_path');"
            f" BEGIN PERFORM pg_catalog.set_config('statement_timeout', {literal(after)}, true);"
            " BEGIN PERFORM pg_catalog.set_config('row_security', 'off', true);"
            f"{self._look()}"
            " PERFORM pg_catalog.set_config('row_security', secured, true);"
            " EXCEPTION WHEN query_canceled THEN"
            f" IF {_NOW} OPERATOR(pg_catalog.<) pg_catalog.current_setting('{_DEADLINE}')::pg_catalog.int8 THEN RAISE; END IF;"
            f" RAISE NOTICE '{TIMED_OUT}'; RETURN;"
            f" WHEN insufficient_privilege THEN RAISE NOTICE '{UNREAD}'; RETURN;"
            f" WHEN OTHERS THEN {own}RETURN; END;"
            f" IF row_of IS NULL THEN RETURN; END IF; {self._learn()}{self._raise()} END"
        )
        return f"DO LANGUAGE plpgsql {literal(bound)}", f"DO LANGUAGE plpgsql {literal(body)}"

    def _look(self) -> str:
        if not self.restricted:
            return f" EXECUTE {literal(self.query)} INTO schema_of, row_of, about;"
        # What the names in it mean is settled when it is opened; what the functions do with their own, when it is fetched from.
        return (
            f" OPEN rows_of FOR EXECUTE {literal(self.query)};"
            f" PERFORM pg_catalog.set_config('search_path', '{RESTRICTED}', true);"
            " running := true; FETCH rows_of INTO schema_of, row_of, about; CLOSE rows_of;"
            " PERFORM pg_catalog.set_config('search_path', path, true);"
        )

    def _learn(self) -> str:
        """The words that Postgres itself has for the key of an index; all that is made goes with the error."""
        if not self.made:
            return ""
        *made, where = self.made
        steps = "".join(f" EXECUTE {literal(sql)};" for sql in made)
        return (
            f"BEGIN{steps} SELECT pg_catalog.string_agg(pg_catalog.pg_get_indexdef(i.indexrelid, n, true), ', '"
            " ORDER BY n USING OPERATOR(pg_catalog.<)) INTO words FROM pg_catalog.pg_index i"
            " CROSS JOIN LATERAL pg_catalog.generate_series(1, i.indnkeyatts) AS g(n)"
            f" WHERE i.indrelid {EQ} {literal(where)}::pg_catalog.regclass;"
            " EXCEPTION WHEN OTHERS THEN NULL; END; "
        )

    def _raise(self) -> str:
        message = literal(self.message[0])
        if len(self.message) > 1:
            message = f"pg_catalog.concat({message}, row_of, {literal(self.message[1])})"
        said = [f"ERRCODE = '{self.sqlstate}'", f"MESSAGE = {message}", "SCHEMA = schema_of", "TABLE = row_of"]
        if self.detail:
            before, behind = self.detail[0], self.detail[-1]
            between = f"words, {literal(self.detail[2])}, " if len(self.detail) == 4 else ""
            said.append(f"DETAIL = pg_catalog.concat({literal(before)}, {between}about, {literal(behind)})")
        if self.column:
            said.append(f"COLUMN = {literal(self.column)}")
        if self.constraint:
            said.append(f"CONSTRAINT = {literal(self.constraint)}")
        return f"RAISE EXCEPTION USING {', '.join(said)};"


def place_of(oid: str) -> str:
    """Schema and name, as two columns, of the table that a row stands in: a child's, perhaps."""
    names = (
        ("n.nspname", f" JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace"),
        ("c.relname", ""),
    )
    return ", ".join(
        f"(SELECT {name}::pg_catalog.text FROM pg_catalog.pg_class c{join} WHERE c.oid {EQ} {oid})"
        for name, join in names
    )

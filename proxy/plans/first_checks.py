"""What Postgres looks at before it does anything to a relation: whether it is there, of which kind it is, and whose.

Lines of PL/pgSQL that fail as the server would.  They go by the name, not by the oid that the facts have: an earlier
statement of the same text may have dropped the relation since those were asked, or given its name to another.

Source: RangeVarGetRelidExtended (catalog/namespace.c), RangeVarCallbackForDropRelation (commands/tablecmds.c),
RangeVarCallbackForReindexIndex and RangeVarCallbackMaintainsTable (commands/indexcmds.c, tablecmds.c).
"""

from __future__ import annotations

from proxy.plans.done import EQ
from proxy.plans.target import literal
from proxy.sql.statements import DropIndex, Name, Other

INDEXES, TABLES = "{i,I}", "{r,m,p,t}"  # pg_class.relkind
CASCADES = "Use DROP ... CASCADE to drop the dependent objects too."
MAINTAIN = 17  # the first version in which REINDEX takes that privilege


def fails(sqlstate: str, message: str, *, hint: str = "") -> str:
    """Raises this error."""
    more = f", HINT = {literal(hint)}" if hint else ""
    return f"RAISE EXCEPTION USING ERRCODE = '{sqlstate}', MESSAGE = {literal(message)}{more};"


def oid(name: Name) -> str:
    """The relation that the name means when it is asked; NULL if none."""
    return f"pg_catalog.to_regclass({literal(name.quoted)})"


def of_class(name: Name, column: str) -> str:
    """A column of its row in pg_class."""
    return f"(SELECT c.{column} FROM pg_catalog.pg_class c WHERE c.oid {EQ} {oid(name)})"


def there(name: Name) -> str:
    return f"IF {oid(name)} IS NULL THEN {_absent(name)} END IF;"


def has_constraint(table: Name, name: str) -> str:
    """Whether the table has a constraint of that name."""
    own = f"k.conrelid {EQ} {oid(table)} AND k.conname {EQ} {literal(name)}"
    return f"EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE {own})"


def may_copy(table: Name) -> str:
    """Whether the role may make an empty copy beside the table; neither is asked of who adds a constraint that needs no index."""
    return (
        f"pg_catalog.has_schema_privilege({of_class(table, 'relnamespace')}, 'CREATE')"
        f" AND pg_catalog.has_table_privilege({oid(table)}, 'SELECT')"
    )


def owned(name: Name, kind: str = "table") -> str:
    """A copy of it, or a note of a job, is ours whosever it is.  If it is not there, nothing."""
    denied = fails("42501", f"must be owner of {kind} {name.name}")
    return f"IF NOT pg_catalog.pg_has_role({of_class(name, 'relowner')}, 'USAGE') THEN {denied} END IF;"


def dropped(drop: DropIndex, awaited: frozenset[str]) -> tuple[str, ...]:
    """Before a DROP INDEX that is put off; ``awaited`` are names that are not there yet."""
    lines = []
    for name in drop.names:
        if name.name in awaited:
            continue
        schema = f"SELECT s.nspowner FROM pg_catalog.pg_namespace s WHERE s.oid {EQ} {of_class(name, 'relnamespace')}"
        mine = (
            f"pg_catalog.pg_has_role({of_class(name, 'relowner')}, 'USAGE')"
            f" OR pg_catalog.pg_has_role(({schema}), 'USAGE')"
        )
        if not drop.if_exists:
            absent = fails("42704", f'index "{name.name}" does not exist')
            lines.append(f"IF {oid(name)} IS NULL THEN {absent} END IF;")
        lines.append(_kind(name, INDEXES, "an index", hint="Use DROP TABLE to remove a table."))
        denied = fails("42501", f"must be owner of index {name.name}")
        lines.append(f"IF NOT ({mine}) THEN {denied} END IF;")
        if not drop.cascade:
            lines.append(_needed(name))
    return tuple(lines)


def _needed(index: Name) -> str:
    return _leant_on(f"index {index.name}", index.name, oid(index))


def unneeded(table: Name, name: str) -> str:
    """Before a DROP CONSTRAINT that is put off."""
    own = f"o.conrelid {EQ} {oid(table)} AND o.conname {EQ} {literal(name)} AND o.contype::pg_catalog.text {EQ} ANY ('{{p,u}}'::pg_catalog.text[])"
    index = f"(SELECT o.conindid FROM pg_catalog.pg_constraint o WHERE {own})"
    return _leant_on(f"constraint {name} on table {table.name}", name, index)


def _leant_on(what: str, index: str, found_as: str) -> str:
    """Fails where foreign keys lean on the index of that name."""
    said = fails("2BP01", f"cannot drop {what} because other objects depend on it", hint=CASCADES)
    raised = said.replace("HINT =", "DETAIL = why, HINT =")
    each = (
        "pg_catalog.concat(pg_catalog.pg_describe_object('pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid, 0),"
        f" ' depends on index ', {literal(index)})"
    )
    found = (
        f"SELECT pg_catalog.string_agg({each}, E'\\n' ORDER BY k.oid) FROM pg_catalog.pg_constraint k"
        f" WHERE k.conindid {EQ} {found_as} AND k.contype::pg_catalog.text {EQ} 'f'"
    )
    return f"DECLARE why pg_catalog.text; BEGIN {found} INTO why; IF why IS NOT NULL THEN {raised} END IF; END;"


def reindexed(reindex: Other, major: int, awaited: frozenset[str]) -> tuple[str, ...]:
    """Before a REINDEX of an index or a table that is put off."""
    index = "INDEX" in reindex.options
    lines = []
    for name in reindex.relations:
        if name.name in awaited:
            continue
        lines.append(there(name))
        lines.append(_kind(name, INDEXES, "an index") if index else _kind(name, TABLES, "a table or materialized view"))
        what = "index" if index else "table"
        if major < MAINTAIN:
            lines.append(owned(name, what))
            continue
        table = (
            f"(SELECT i.indrelid FROM pg_catalog.pg_index i WHERE i.indexrelid {EQ} {oid(name)})"
            if index
            else oid(name)
        )
        denied = fails("42501", f"permission denied for {what} {name.name}")
        lines.append(f"IF NOT pg_catalog.has_table_privilege({table}, 'MAINTAIN') THEN {denied} END IF;")
    return tuple(lines)


def _absent(name: Name) -> str:
    called = ".".join(name.parts)
    return fails("42P01", f'relation "{called}" does not exist')


def _kind(name: Name, kinds: str, what: str, *, hint: str = "") -> str:
    failing = fails("42809", f'"{name.name}" is not {what}', hint=hint)
    kind = f"{of_class(name, 'relkind')}::pg_catalog.text"
    return f"IF NOT {kind} {EQ} ANY ('{kinds}'::pg_catalog.text[]) THEN {failing} END IF;"


__all__ = [
    "dropped",
    "fails",
    "has_constraint",
    "may_copy",
    "of_class",
    "oid",
    "owned",
    "reindexed",
    "there",
    "unneeded",
]

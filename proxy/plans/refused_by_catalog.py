"""What the catalog knows that Postgres would refuse a statement for: lines of PL/pgSQL that fail as the server would.

Source: ATPrepAlterColumnType, RememberAllDependentForRebuilding, ATPrepDropColumn, find_composite_type_dependencies,
renameatt_internal, AlterTableNamespace, ATPrepChangePersistence (commands/tablecmds.c), findDependentObjects,
reportDependentObjects (catalog/dependency.c), heap_truncate_check_FKs (catalog/heap.c), cluster (commands/cluster.c).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxy.plans.done import EQ
from proxy.plans.first_checks import CASCADES, fails, of_class, oid, owned
from proxy.plans.in_step import LAST
from proxy.plans.target import OWN, literal
from proxy.sql.statements import AlterColumnType, AlterTable, DropColumn, Name

NE = "OPERATOR(pg_catalog.<>)"
GT = "OPERATOR(pg_catalog.>)"
CLASS = "'pg_catalog.pg_class'::pg_catalog.regclass"
TYPE = "'pg_catalog.pg_type'::pg_catalog.regclass"
NO_COLUMN = 32767  # MaxAttrNumber, which is far above what a table can have
MOST_PATHS = 2000  # views upon views: the ways through them grow as a power of their height
PERSISTENCE = {"SET LOGGED": ("conrelid", "confrelid", "u"), "SET UNLOGGED": ("confrelid", "conrelid", "p")}
USERS = {  # what stands in pg_depend on the column
    "pg_rewrite": "used by a view or rule",
    "pg_trigger": "used in a trigger definition",
    "pg_policy": "used in a policy definition",
    "pg_proc": "used by a function or procedure",
    "pg_publication_rel": "used by a publication WHERE clause",
}


def before_type(action: AlterColumnType, alter: AlterTable) -> Iterator[str]:
    """What is looked at before the new type is."""
    name, column = alter.relation, action.column
    typed = fails("42809", "cannot alter column type of typed table")
    yield f"IF {of_class(name, 'reloftype')} {NE} 0 THEN {typed} END IF;"
    inherited = fails("42P16", f'cannot alter inherited column "{column}"')
    yield f"IF {_inherited(name, column)} THEN {inherited} END IF;"
    if alter.only:
        lower = fails("42P16", f'type of inherited column "{column}" must be changed in child tables too')
        yield f"IF {_has_heirs(name)} THEN {lower} END IF;"


def behind_type(action: AlterColumnType, name: Name) -> Iterator[str]:
    """What is looked at when the new type will do."""
    column = action.column
    below = (
        f"{_tree(name)} SELECT c.relname FROM tree JOIN pg_catalog.pg_class c ON c.oid {EQ} tree.relid"
        f" JOIN pg_catalog.pg_attribute a ON a.attrelid {EQ} tree.relid AND a.attname {EQ} {literal(column)}"
        f" WHERE tree.relid {NE} {oid(name)} AND a.attinhcount {GT}"
        f" (SELECT pg_catalog.count(*) FROM pg_catalog.pg_inherits i JOIN tree p ON p.relid {EQ} i.inhparent"
        f" WHERE i.inhrelid {EQ} tree.relid) LIMIT 1"
    )
    said = literal(f'cannot alter inherited column "{column}" of relation "')
    yield _raises(below, "42P16", f"pg_catalog.concat({said}, found, '\"')")
    yield _used(name, column)


def row_type(name: Name) -> str:
    """Fails where rows of the table are values elsewhere, which cannot be written anew."""
    held = (
        f"WITH RECURSIVE held(type) AS (SELECT {of_class(name, 'reltype')} UNION"
        f" SELECT CASE WHEN d.classid {EQ} {TYPE} THEN d.objid ELSE c.reltype END"
        f" FROM held JOIN pg_catalog.pg_depend d ON d.refclassid {EQ} {TYPE} AND d.refobjid {EQ} held.type"
        f" LEFT JOIN pg_catalog.pg_class c ON d.classid {EQ} {CLASS} AND c.oid {EQ} d.objid"
        f" AND c.relkind::pg_catalog.text {EQ} 'c' WHERE d.classid {EQ} {TYPE} OR c.oid IS NOT NULL)"
        f" SELECT pg_catalog.concat(c.relname, '.', a.attname) FROM held"
        f" JOIN pg_catalog.pg_attribute a ON a.atttypid {EQ} held.type AND NOT a.attisdropped"
        f" JOIN pg_catalog.pg_class c ON c.oid {EQ} a.attrelid"
        f" AND c.relkind::pg_catalog.text {EQ} ANY ('{{r,m,p}}'::pg_catalog.text[]) LIMIT 1"
    )
    said = literal(f'cannot alter table "{name.name}" because column "')
    return _raises(held, "0A000", f"pg_catalog.concat({said}, found, '\" uses its row type')")


def keys_of(name: Name, columns: Sequence[str]) -> str:
    """A query for the foreign keys that one of the columns is part of, on either side."""
    listed = f"ARRAY[{', '.join(map(literal, columns))}]::pg_catalog.text[]"

    def names(relation: str, numbers: str) -> str:
        return (
            "(SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY u.n)"
            f" FROM pg_catalog.unnest({numbers}) WITH ORDINALITY u(att, n) JOIN pg_catalog.pg_attribute a"
            f" ON a.attrelid {EQ} {relation} AND a.attnum {EQ} u.att)"
        )

    def touched(relation: str, numbers: str) -> str:
        return (
            f"{relation} {EQ} {oid(name)} AND EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid {EQ} {relation}"
            f" AND a.attnum {EQ} ANY ({numbers}) AND a.attname::pg_catalog.text {EQ} ANY ({listed}))"
        )

    return (
        f"SELECT k.conname, k.conrelid, k.confrelid, {names('k.conrelid', 'k.conkey')} AS own,"
        f" {names('k.confrelid', 'k.confkey')} AS other FROM pg_catalog.pg_constraint k"
        f" WHERE k.contype::pg_catalog.text {EQ} 'f' AND k.conparentid {EQ} 0"
        f" AND ({touched('k.conrelid', 'k.conkey')} OR {touched('k.confrelid', 'k.confkey')}) ORDER BY k.oid"
    )


def referring(name: Name, what: str) -> str:
    """Fails where a foreign key would lead from a table that survives a crash to one that does not."""
    own, other, kind = PERSISTENCE[what]
    to, its = ("logged", "unlogged") if what == "SET LOGGED" else ("unlogged", "logged")
    said = literal(f'could not change table "{name.name}" to {to} because it references {its} table "')
    found = (
        f"SELECT o.relname FROM pg_catalog.pg_constraint k"
        f" JOIN pg_catalog.pg_class o ON o.oid {EQ} k.{other} WHERE k.{own} {EQ} {oid(name)}"
        f" AND k.contype::pg_catalog.text {EQ} 'f' AND o.oid {NE} {oid(name)}"
        f" AND o.relpersistence::pg_catalog.text {EQ} '{kind}' LIMIT 1"
    )
    return _raises(found, "42P16", f"pg_catalog.concat({said}, found, '\"')")


def clustered(name: Name, index: str | None) -> Iterator[str]:
    """Before CLUSTER, by an index or by the one of last time."""
    indexes = f"SELECT FROM pg_catalog.pg_index i WHERE i.indrelid {EQ} {oid(name)}"
    if index is None:
        absent = fails("42704", f'there is no previously clustered index for table "{name.name}"')
        yield f"IF NOT EXISTS ({indexes} AND i.indisclustered) THEN {absent} END IF;"
        return
    absent = fails("42704", f'index "{index}" for table "{name.name}" does not exist')
    yield f"IF NOT {_taken(of_class(name, 'relnamespace'), index)} THEN {absent} END IF;"


def dropped_column(action: DropColumn, alter: AlterTable) -> Iterator[str]:
    name, column = alter.relation, action.column
    number = f"(SELECT a.attnum FROM pg_catalog.pg_attribute a WHERE {_attribute(name, column)})"
    typed = fails("42809", "cannot drop column from typed table")
    yield f"IF {of_class(name, 'reloftype')} {NE} 0 THEN {typed} END IF;"
    inherited = fails("42P16", f'cannot drop inherited column "{column}"')
    yield f"IF {_inherited(name, column)} THEN {inherited} END IF;"
    said = f'cannot drop column "{column}" because it is part of the partition key of relation "{name.name}"'
    key = (
        f"SELECT FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid {EQ} {oid(name)}"
        f" AND {number} {EQ} ANY (p.partattrs::pg_catalog.int2[])"
    )
    yield f"IF EXISTS ({key}) THEN {fails('42P16', said)} END IF;"
    if not action.cascade:
        yield _depending(oid(name), f"coalesce({number}, {NO_COLUMN})::pg_catalog.int4")


def dropped_table(name: Name) -> Iterator[str]:
    """DROP TABLE without CASCADE: whoever has its schema may drop it, too."""
    schema = f"SELECT s.nspowner FROM pg_catalog.pg_namespace s WHERE s.oid {EQ} {of_class(name, 'relnamespace')}"
    yield f"IF pg_catalog.pg_has_role(({schema}), 'USAGE') IS NOT TRUE THEN {owned(name)} END IF;"
    yield _depending(oid(name), "0")


def truncated(names: Sequence[Name]) -> Iterator[str]:
    """TRUNCATE without CASCADE."""
    for name in names:
        denied = fails("42501", f"permission denied for table {name.name}")
        yield f"IF NOT pg_catalog.has_table_privilege({oid(name)}, 'TRUNCATE') THEN {denied} END IF;"
    found = (
        f"{_tree(*names)} SELECT o.relname AS other, t.relname AS own INTO one FROM pg_catalog.pg_constraint k"
        f" JOIN tree ON tree.relid {EQ} k.confrelid JOIN pg_catalog.pg_class o ON o.oid {EQ} k.conrelid"
        f" JOIN pg_catalog.pg_class t ON t.oid {EQ} k.confrelid WHERE k.contype::pg_catalog.text {EQ} 'f'"
        f" AND NOT EXISTS (SELECT FROM tree x WHERE x.relid {EQ} k.conrelid) ORDER BY k.oid LIMIT 1"
    )
    said = "cannot truncate a table referenced in a foreign key constraint"
    why = """pg_catalog.format('Table "%s" references "%s".', one.other, one.own)"""
    instead = """pg_catalog.format('Truncate table "%s" at the same time, or use TRUNCATE ... CASCADE.', one.other)"""
    raised = f"RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = {literal(said)}, DETAIL = {why}, HINT = {instead};"
    yield f"DECLARE one record; BEGIN {found}; IF FOUND THEN {raised} END IF; END;"


def renamed_column(alter: AlterTable, column: str) -> Iterator[str]:
    name = alter.relation
    typed = fails("42809", "cannot rename column of typed table")
    yield f"IF {of_class(name, 'reloftype')} {NE} 0 THEN {typed} END IF;"
    if alter.only:
        lower = fails("42P16", f'inherited column "{column}" must be renamed in child tables too')
        yield f"IF {_has_heirs(name)} THEN {lower} END IF;"
    inherited = fails("42P16", f'cannot rename inherited column "{column}"')
    yield f"IF {_inherited(name, column)} THEN {inherited} END IF;"


def renamed_table(name: Name, new: str) -> str:
    taken = fails("42P07", f'relation "{new}" already exists')
    return f"IF {_taken(of_class(name, 'relnamespace'), new)} THEN {taken} END IF;"


def moved_to(name: Name, schema: str) -> Iterator[str]:
    found = f"SELECT s.oid FROM pg_catalog.pg_namespace s WHERE s.nspname {EQ} {literal(schema)}"
    absent = fails("3F000", f'schema "{schema}" does not exist')
    yield f"IF NOT EXISTS ({found}) THEN {absent} END IF;"
    taken = fails("42P07", f'relation "{name.name}" already exists in schema "{schema}"')
    elsewhere = f"{of_class(name, 'relnamespace')} {NE} ({found})"
    yield f"IF {elsewhere} AND {_taken(f'({found})', name.name)} THEN {taken} END IF;"


# ---------------------------------------------------------------- shared


def _used(name: Name, column: str) -> str:
    """Fails as a change of a column's type does that something uses which is not made anew behind it."""
    ours = literal(f"{LAST}{OWN}")  # the trigger of an interrupted change, which can be finished
    catalogs = ", ".join(f"pg_catalog.to_regclass('pg_catalog.{one}')" for one in USERS)
    words = " ".join(
        f"WHEN 'pg_catalog.{one}'::pg_catalog.regclass THEN {literal(said)}" for one, said in USERS.items()
    )
    message = f"pg_catalog.concat('cannot alter type of a column ', CASE d.classid {words} END)"
    depends = literal(f' depends on column "{column}"')
    detail = f"pg_catalog.concat(pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), {depends})"
    found = (
        f"{_tree(name)} SELECT {message}, {detail} INTO said, why FROM pg_catalog.pg_depend d"
        f" JOIN tree ON tree.relid {EQ} d.refobjid"
        f" JOIN pg_catalog.pg_attribute a ON a.attrelid {EQ} tree.relid AND a.attname {EQ} {literal(column)}"
        f" WHERE d.refclassid {EQ} {CLASS} AND d.refobjsubid {EQ} a.attnum AND d.classid {EQ} ANY (ARRAY[{catalogs}])"
        f" AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.oid {EQ} d.objid"
        f" AND pg_catalog.starts_with(t.tgname::pg_catalog.text, {ours})) ORDER BY d.ctid LIMIT 1"
    )
    raised = "RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = said, DETAIL = why;"
    return f"DECLARE said pg_catalog.text; why pg_catalog.text; BEGIN {found}; IF FOUND THEN {raised} END IF; END;"


def _depending(relation: str, number: str) -> str:
    """Fails where something depends on a relation, or on a column of it, that does not go along with it.

    Of very many ways from one to the other not all are followed: the DETAIL may lack some then, the error is the same.
    The order is that of the server's DETAIL: it follows what depends on each, the newest first, and reports backwards.
    What is owned by something else stands for its owner: a view's rule for the view.
    """
    follows = (
        f"d.refclassid {EQ} f.classid AND d.refobjid {EQ} f.objid"
        f" AND (f.objsubid {EQ} 0 OR d.refobjsubid {EQ} f.objsubid)"
    )
    owner = (
        f"SELECT o.refclassid, o.refobjid, o.refobjsubid FROM pg_catalog.pg_depend o WHERE o.classid {EQ} d.classid"
        f" AND o.objid {EQ} d.objid AND o.deptype::pg_catalog.text {EQ} 'i'"
        f" AND NOT o.refobjid {EQ} ANY (f.seen) LIMIT 1"
    )
    step = (
        "SELECT coalesce(o.refclassid, d.classid), coalesce(o.refobjid, d.objid), coalesce(o.refobjsubid, d.objsubid),"
        f" d.deptype::pg_catalog.text {EQ} 'n', pg_catalog.array_append(f.path, d.objid),"
        " pg_catalog.array_append(f.seen, coalesce(o.refobjid, d.objid)),"
        " pg_catalog.pg_describe_object(f.classid, f.objid, f.objsubid)"
        f" FROM found f JOIN pg_catalog.pg_depend d ON {follows} LEFT JOIN LATERAL ({owner}) o ON true"
        f" WHERE NOT coalesce(o.refobjid, d.objid) {EQ} ANY (f.seen)"
    )
    found = (
        f"WITH RECURSIVE found(classid, objid, objsubid, normal, path, seen, dependee) AS (SELECT {CLASS}::pg_catalog.oid,"
        f" {relation}::pg_catalog.oid, {number}, true, ARRAY[]::pg_catalog.oid[], ARRAY[{relation}::pg_catalog.oid], ''"
        f" UNION {step}),"
        " visited AS (SELECT classid, objid, objsubid, pg_catalog.bool_and(normal) AS normal,"
        " (pg_catalog.array_agg(dependee ORDER BY path DESC))[1] AS dependee, pg_catalog.max(path) AS path"
        f" FROM (SELECT * FROM found LIMIT {MOST_PATHS}) f WHERE pg_catalog.cardinality(path) {GT} 0"
        " GROUP BY classid, objid, objsubid)"
        " SELECT pg_catalog.string_agg(pg_catalog.concat(pg_catalog.pg_describe_object(classid, objid, objsubid),"
        " ' depends on ', dependee), E'\\n' ORDER BY path) INTO why FROM visited WHERE normal"
    )
    described = f"pg_catalog.pg_describe_object({CLASS}, {relation}, {number})"
    said = f"pg_catalog.concat('cannot drop ', {described}, ' because other objects depend on it')"
    raised = f"RAISE EXCEPTION USING ERRCODE = '2BP01', MESSAGE = {said}, DETAIL = why, HINT = {literal(CASCADES)};"
    return f"DECLARE why pg_catalog.text; BEGIN {found}; IF why IS NOT NULL THEN {raised} END IF; END;"


def _raises(query: str, sqlstate: str, message: str) -> str:
    """Raises the message if the query finds something, which it may speak of as ``found``."""
    raised = f"RAISE EXCEPTION USING ERRCODE = '{sqlstate}', MESSAGE = {message};"
    return f"DECLARE found pg_catalog.text; BEGIN found := ({query}); IF found IS NOT NULL THEN {raised} END IF; END;"


def _tree(*names: Name) -> str:
    """The relations of these names and all that inherits from them: ``tree(relid)``."""
    first = " UNION ".join(f"SELECT {oid(name)}::pg_catalog.oid" for name in names)
    return (
        f"WITH RECURSIVE tree(relid) AS (SELECT * FROM ({first}) roots UNION SELECT i.inhrelid"
        f" FROM pg_catalog.pg_inherits i JOIN tree ON tree.relid {EQ} i.inhparent)"
    )


def _taken(schema: str, name: str) -> str:
    """Whether a relation of the schema, an expression for its oid, has that name."""
    return f"EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace {EQ} {schema} AND c.relname {EQ} {literal(name)})"


def _has_heirs(name: Name) -> str:
    return f"EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent {EQ} {oid(name)})"


def _inherited(name: Name, column: str) -> str:
    return f"EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE {_attribute(name, column)} AND a.attinhcount {GT} 0)"


def _attribute(name: Name, column: str) -> str:
    return f"a.attrelid {EQ} {oid(name)} AND a.attname {EQ} {literal(column)}"


__all__ = [
    "PERSISTENCE",
    "before_type",
    "behind_type",
    "clustered",
    "dropped_column",
    "dropped_table",
    "keys_of",
    "moved_to",
    "referring",
    "renamed_column",
    "renamed_table",
    "row_type",
    "truncated",
]

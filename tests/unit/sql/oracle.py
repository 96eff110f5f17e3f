"""What libpg_query sees in a text, in the words of our own nodes: the judge of how we read.

``theirs(sql)`` and ``ours(sql)`` give a list of Seen, which must be equal.  Command tags are those of
CreateCommandTag (src/backend/tcop/utility.c).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pglast import ast, enums, parser

from proxy.sql import statements as sql
from proxy.sql.lexer import lex
from proxy.sql.read import read
from proxy.sql.routine import UNKNOWN, created


class Seen(NamedTuple):
    kind: str
    details: list[str]
    relations: list[str]
    starts: list[int]  # where columns and constraints begin, in order


def words(*parts: object) -> str:
    return " ".join(str(p) for p in parts if p not in (None, "", False))


# ---------------------------------------------------------------- theirs

OBJECTS = {
    "MATVIEW": "MATERIALIZED VIEW", "FDW": "FOREIGN DATA WRAPPER", "FOREIGN_SERVER": "SERVER", "LARGEOBJECT": "LARGE OBJECT",
    "OPCLASS": "OPERATOR CLASS", "OPFAMILY": "OPERATOR FAMILY", "STATISTIC_EXT": "STATISTICS", "TABCONSTRAINT": "CONSTRAINT",
    "TSCONFIGURATION": "TEXT SEARCH CONFIGURATION", "TSDICTIONARY": "TEXT SEARCH DICTIONARY", "TSPARSER": "TEXT SEARCH PARSER",
    "TSTEMPLATE": "TEXT SEARCH TEMPLATE",
}  # fmt: skip
TAGS = {
    "AlterDatabaseRefreshCollStmt": "ALTER DATABASE", "AlterDatabaseSetStmt": "ALTER DATABASE", "AlterDatabaseStmt": "ALTER DATABASE",
    "AlterDefaultPrivilegesStmt": "ALTER DEFAULT PRIVILEGES", "AlterDomainStmt": "ALTER DOMAIN", "AlterEnumStmt": "ALTER TYPE",
    "AlterEventTrigStmt": "ALTER EVENT TRIGGER", "AlterExtensionContentsStmt": "ALTER EXTENSION", "AlterExtensionStmt": "ALTER EXTENSION",
    "AlterFdwStmt": "ALTER FOREIGN DATA WRAPPER", "AlterForeignServerStmt": "ALTER SERVER", "AlterOpFamilyStmt": "ALTER OPERATOR FAMILY",
    "AlterOperatorStmt": "ALTER OPERATOR", "AlterPolicyStmt": "ALTER POLICY", "AlterPublicationStmt": "ALTER PUBLICATION",
    "AlterRoleSetStmt": "ALTER ROLE", "AlterRoleStmt": "ALTER ROLE", "AlterSeqStmt": "ALTER SEQUENCE", "AlterStatsStmt": "ALTER STATISTICS",
    "AlterSubscriptionStmt": "ALTER SUBSCRIPTION", "AlterSystemStmt": "ALTER SYSTEM", "AlterTSConfigurationStmt": "ALTER TEXT SEARCH CONFIGURATION",
    "AlterTSDictionaryStmt": "ALTER TEXT SEARCH DICTIONARY", "AlterTableSpaceOptionsStmt": "ALTER TABLESPACE", "AlterTypeStmt": "ALTER TYPE",
    "AlterUserMappingStmt": "ALTER USER MAPPING", "AlterCollationStmt": "ALTER COLLATION", "CheckPointStmt": "CHECKPOINT",
    "ClosePortalStmt": "CLOSE CURSOR", "ClusterStmt": "CLUSTER", "CommentStmt": "COMMENT", "CompositeTypeStmt": "CREATE TYPE",
    "ConstraintsSetStmt": "SET CONSTRAINTS", "CopyStmt": "COPY", "CreateAmStmt": "CREATE ACCESS METHOD", "CreateCastStmt": "CREATE CAST",
    "CreateConversionStmt": "CREATE CONVERSION", "CreateDomainStmt": "CREATE DOMAIN", "CreateEnumStmt": "CREATE TYPE",
    "CreateEventTrigStmt": "CREATE EVENT TRIGGER", "CreateExtensionStmt": "CREATE EXTENSION", "CreateFdwStmt": "CREATE FOREIGN DATA WRAPPER",
    "CreateForeignServerStmt": "CREATE SERVER", "CreateForeignTableStmt": "CREATE FOREIGN TABLE", "CreateOpClassStmt": "CREATE OPERATOR CLASS",
    "CreateOpFamilyStmt": "CREATE OPERATOR FAMILY", "CreatePLangStmt": "CREATE LANGUAGE", "CreatePolicyStmt": "CREATE POLICY",
    "CreatePublicationStmt": "CREATE PUBLICATION", "CreateRangeStmt": "CREATE TYPE", "CreateRoleStmt": "CREATE ROLE",
    "CreateSchemaStmt": "CREATE SCHEMA", "CreateSeqStmt": "CREATE SEQUENCE", "CreateStatsStmt": "CREATE STATISTICS", "CreateStmt": "CREATE TABLE",
    "CreateSubscriptionStmt": "CREATE SUBSCRIPTION", "CreateTableSpaceStmt": "CREATE TABLESPACE", "CreateTransformStmt": "CREATE TRANSFORM",
    "CreateTrigStmt": "CREATE TRIGGER", "CreateUserMappingStmt": "CREATE USER MAPPING", "CreatedbStmt": "CREATE DATABASE",
    "DeallocateStmt": "DEALLOCATE", "DeclareCursorStmt": "DECLARE CURSOR", "DeleteStmt": "DELETE", "DoStmt": "DO", "DropOwnedStmt": "DROP OWNED",
    "DropRoleStmt": "DROP ROLE", "DropSubscriptionStmt": "DROP SUBSCRIPTION", "DropTableSpaceStmt": "DROP TABLESPACE",
    "DropUserMappingStmt": "DROP USER MAPPING", "DropdbStmt": "DROP DATABASE", "ExecuteStmt": "EXECUTE", "ExplainStmt": "EXPLAIN",
    "ImportForeignSchemaStmt": "IMPORT FOREIGN SCHEMA", "IndexStmt": "CREATE INDEX", "InsertStmt": "INSERT", "ListenStmt": "LISTEN",
    "LoadStmt": "LOAD", "LockStmt": "LOCK TABLE", "MergeStmt": "MERGE", "NotifyStmt": "NOTIFY", "PrepareStmt": "PREPARE",
    "ReassignOwnedStmt": "REASSIGN OWNED", "RefreshMatViewStmt": "REFRESH MATERIALIZED VIEW", "ReindexStmt": "REINDEX", "RuleStmt": "CREATE RULE",
    "SecLabelStmt": "SECURITY LABEL", "TruncateStmt": "TRUNCATE TABLE", "UnlistenStmt": "UNLISTEN", "UpdateStmt": "UPDATE",
    "VariableSetStmt": "SET", "VariableShowStmt": "SHOW", "ViewStmt": "CREATE VIEW",
}  # fmt: skip
LOCK_MODES = (
    "ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)  # fmt: skip
TRANSACTIONS = {"START": "BEGIN", "ROLLBACK_TO": "ROLLBACK TO", "PREPARE": "PREPARE TRANSACTION"}


def object_type(value: Any) -> str:
    name = value.name.removeprefix("OBJECT_")
    return OBJECTS.get(name, name.replace("_", " "))


def dotted(names: Any) -> str:
    return ".".join(n.sval if isinstance(n, ast.String) else str(n) for n in names or ())


def rel(range_var: Any) -> str | None:
    if range_var is None:
        return None
    return ".".join(p for p in (range_var.catalogname, range_var.schemaname, range_var.relname) if p)


def option(options: Any, name: str) -> bool:
    found = False
    for o in options or ():
        if o.defname.lower() == name:
            value = getattr(o.arg, "sval", getattr(o.arg, "boolval", getattr(o.arg, "ival", True)))
            found = str(value).lower() not in ("false", "off", "0", "no")
    return found


def type_name(t: Any) -> str | None:
    return t and dotted(t.names).removeprefix("pg_catalog.") + "[]" * len(t.arrayBounds or ())


def cascade(behavior: Any) -> str | None:
    return "CASCADE" if behavior == enums.DropBehavior.DROP_CASCADE else None


CONSTRAINTS = {
    "NOTNULL": "NOT NULL", "PRIMARY": "PRIMARY KEY", "EXCLUSION": "EXCLUDE", "FOREIGN": "FOREIGN KEY",
}  # fmt: skip


def constraint(c: Any, *, in_column: bool = False) -> str:
    kind = c.contype.name.removeprefix("CONSTR_")
    kind = "REFERENCES" if in_column and kind == "FOREIGN" else CONSTRAINTS.get(kind, kind)
    validated = kind in ("CHECK", "FOREIGN KEY", "NOT NULL") and not in_column
    unenforced = kind in ("CHECK", "FOREIGN KEY", "REFERENCES") and not c.is_enforced
    return words(
        c.conname,
        kind,
        "NOT VALID" if validated and c.skip_validation else None,
        "NOT ENFORCED" if unenforced else None,
        "NO INHERIT" if c.is_no_inherit else None,
        "DEFERRABLE" if c.deferrable and not in_column else None,
        "DEFERRED" if c.initdeferred and not in_column else None,
        words("USING INDEX", c.indexname) if c.indexname else None,
        "NULLS NOT DISTINCT" if c.nulls_not_distinct and not in_column else None,
        words("INCLUDE", len(c.including)) if c.including and not in_column else None,
        words("TABLESPACE", c.indexspace) if c.indexspace and not in_column else None,
        "WITH" if c.options and kind != "IDENTITY" and not in_column else None,
        "VIRTUAL" if kind == "GENERATED" and c.generated_kind == "v" else None,
        "WITHOUT OVERLAPS" if c.without_overlaps else None,
        words(*(k.sval for k in c.keys or c.fk_attrs or ())),
        rel(c.pktable),
        words(*(k.sval for k in c.pk_attrs or ())),
    )


def column(c: Any, starts: list[int]) -> str:
    found: list[str] = []
    starts.append(c.location)
    for one in c.constraints or ():
        kind = one.contype.name
        if kind.startswith("CONSTR_ATTR_"):  # of the constraint before it
            if kind == "CONSTR_ATTR_NOT_ENFORCED" and found:
                found[-1] += " NOT ENFORCED"
            continue
        starts.append(one.location)
        found.append(constraint(one, in_column=True))
    return words(c.colname, type_name(c.typeName), *(f"[{f}]" for f in found))


ACTIONS = {
    "AT_DropColumn": "DROP COLUMN", "AT_SetNotNull": "SET NOT NULL", "AT_DropNotNull": "DROP NOT NULL", "AT_DropConstraint": "DROP CONSTRAINT",
    "AT_ValidateConstraint": "VALIDATE CONSTRAINT", "AT_AttachPartition": "ATTACH PARTITION", "AT_DetachPartition": "DETACH PARTITION",
    "AT_DetachPartitionFinalize": "DETACH PARTITION FINALIZE", "AT_AlterColumnType": "TYPE", "AT_AlterConstraint": "ALTER CONSTRAINT",
    "AT_SetExpression": "SET EXPRESSION AS", "AT_DropExpression": "DROP EXPRESSION", "AT_AddIdentity": "ADD GENERATED",
    "AT_SetIdentity": "SET IDENTITY", "AT_DropIdentity": "DROP IDENTITY", "AT_SetStatistics": "SET STATISTICS", "AT_SetStorage": "SET STORAGE",
    "AT_SetCompression": "SET COMPRESSION", "AT_SetOptions": "SET", "AT_ResetOptions": "RESET", "AT_AlterColumnGenericOptions": "OPTIONS",
    "AT_ChangeOwner": "OWNER TO", "AT_ReplicaIdentity": "REPLICA IDENTITY", "AT_EnableRowSecurity": "ENABLE ROW LEVEL SECURITY",
    "AT_DisableRowSecurity": "DISABLE ROW LEVEL SECURITY", "AT_ForceRowSecurity": "FORCE ROW LEVEL SECURITY",
    "AT_NoForceRowSecurity": "NO FORCE ROW LEVEL SECURITY", "AT_EnableAlwaysTrig": "ENABLE ALWAYS TRIGGER",
    "AT_EnableReplicaTrig": "ENABLE REPLICA TRIGGER", "AT_EnableTrigAll": "ENABLE TRIGGER ALL", "AT_EnableTrigUser": "ENABLE TRIGGER USER",
    "AT_EnableTrig": "ENABLE TRIGGER", "AT_DisableTrigAll": "DISABLE TRIGGER ALL", "AT_DisableTrigUser": "DISABLE TRIGGER USER",
    "AT_DisableTrig": "DISABLE TRIGGER", "AT_EnableAlwaysRule": "ENABLE ALWAYS RULE", "AT_EnableReplicaRule": "ENABLE REPLICA RULE",
    "AT_EnableRule": "ENABLE RULE", "AT_DisableRule": "DISABLE RULE", "AT_AddInherit": "INHERIT", "AT_DropInherit": "NO INHERIT",
    "AT_AddOf": "OF", "AT_DropOf": "NOT OF", "AT_ClusterOn": "CLUSTER ON", "AT_DropCluster": "SET WITHOUT CLUSTER",
    "AT_DropOids": "SET WITHOUT OIDS", "AT_SetLogged": "SET LOGGED", "AT_SetUnLogged": "SET UNLOGGED", "AT_SetTableSpace": "SET TABLESPACE",
    "AT_SetAccessMethod": "SET ACCESS METHOD", "AT_GenericOptions": "OPTIONS", "AT_SetRelOptions": "SET", "AT_ResetRelOptions": "RESET",
}  # fmt: skip


def alter_command(c: Any, starts: list[int]) -> str:
    kind, d = c.subtype.name, c.def_
    match kind:
        case "AT_AddColumn":
            return words("ADD COLUMN", column(d, starts), "IF NOT EXISTS" if c.missing_ok else None)
        case "AT_AddConstraint":
            starts.append(d.location)
            return words("ADD CONSTRAINT", constraint(d))
        case "AT_ColumnDefault":
            return words("SET DEFAULT" if d else "DROP DEFAULT", c.name)
        case "AT_AlterColumnType":
            return words(
                "TYPE",
                c.name,
                type_name(d.typeName),
                dotted(d.collClause.collname) if d.collClause else None,
                "USING" if d.raw_default else None,
            )
    name = str(c.num) if c.name is None and c.num else c.name
    if isinstance(d, ast.PartitionCmd):
        name = words(rel(d.name), "CONCURRENTLY" if d.concurrent else None)
        if d.bound is not None and d.bound.is_default:
            name += " DEFAULT"
    elif isinstance(d, ast.RangeVar):
        name = rel(d)
    elif isinstance(d, ast.ATAlterConstraint):
        name = d.conname
    elif isinstance(d, ast.ReplicaIdentityStmt):
        name = d.name
    elif kind == "AT_AddOf":
        name = dotted(d.names)
    elif kind == "AT_ChangeOwner":
        name = None
    missing = "IF EXISTS" if c.missing_ok and kind in ("AT_DropColumn", "AT_DropConstraint") else None
    return words(ACTIONS[kind], name, missing, cascade(c.behavior))


RELATION_TYPES = ("TABLE", "FOREIGN TABLE", "INDEX", "SEQUENCE", "VIEW", "MATERIALIZED VIEW")


def alter_table(s: Any) -> Seen:
    kind = object_type(s.objtype)
    if kind == "TYPE":
        return Seen("ALTER TYPE", [], [], [])
    starts: list[int] = []
    flags = words("ONLY" if not s.relation.inh else None, "IF EXISTS" if s.missing_ok else None)
    return Seen(f"ALTER {kind}", [flags, *(alter_command(c, starts) for c in s.cmds)], [str(rel(s.relation))], starts)


def rename(s: Any) -> Seen:
    kind = object_type(s.renameType)
    if kind in ("COLUMN", "CONSTRAINT", *RELATION_TYPES):
        outer = kind if kind in RELATION_TYPES else object_type(s.relationType) if kind == "COLUMN" else "TABLE"
        flags = words("ONLY" if not s.relation.inh else None, "IF EXISTS" if s.missing_ok else None)
        what = {
            "COLUMN": words("RENAME COLUMN", s.subname, s.newname),
            "CONSTRAINT": words("RENAME CONSTRAINT", s.subname),
        }
        return Seen(
            f"ALTER {outer}", [flags, what.get(kind, words("RENAME TO", s.newname))], [str(rel(s.relation))], []
        )
    on = [str(rel(s.relation))] if kind in ("ATTRIBUTE", "TRIGGER", "RULE", "POLICY") else []
    kind = {"DOMCONSTRAINT": "DOMAIN", "ATTRIBUTE": "TYPE"}.get(kind, kind)
    return Seen(f"ALTER {kind}", [], on, [])


def of_object(s: Any) -> Seen:
    """SET SCHEMA, OWNER TO, DEPENDS ON."""
    kind = object_type(s.objectType)
    if kind in RELATION_TYPES and s.relation is not None:
        missing = "IF EXISTS" if getattr(s, "missing_ok", False) else None
        flags = words("ONLY" if not s.relation.inh else None, missing)
        if isinstance(s, ast.AlterObjectDependsStmt):
            what = words("NO" if s.remove else None, "DEPENDS ON EXTENSION", s.extname.sval)
        else:
            what = words("SET SCHEMA", s.newschema)
        return Seen(f"ALTER {kind}", [flags, what], [str(rel(s.relation))], [])
    on = [str(rel(s.relation))] if getattr(s, "relation", None) is not None else []
    return Seen(f"ALTER {kind}", [], on, [])


def create(s: Any, kind: str = "CREATE TABLE") -> Seen:
    starts: list[int] = []
    columns, constraints = [], []
    for e in (*(s.tableElts or ()), *(s.constraints or ())):
        if isinstance(e, ast.ColumnDef):
            columns.append("column " + column(e, starts))
        elif isinstance(e, ast.Constraint):
            starts.append(e.location)
            constraints.append("constraint " + constraint(e))
    flags = words(
        "IF NOT EXISTS" if s.if_not_exists else None,
        "TEMPORARY" if s.relation.relpersistence == "t" else None,
        "PARTITION OF" if s.partbound else None,
    )
    parents = [str(rel(r)) for r in s.inhRelations or ()]
    return Seen(kind, [flags, *columns, *constraints], [str(rel(s.relation)), *parents], sorted(starts))


def index(s: Any) -> Seen:
    flags = words(
        "UNIQUE" if s.unique else None, "CONCURRENTLY" if s.concurrent else None, "IF NOT EXISTS" if s.if_not_exists else None,
        "ONLY" if not s.relation.inh else None, s.idxname, s.accessMethod,
        *(p.name or "(expression)" for p in s.indexParams), "WHERE" if s.whereClause else None,
    )  # fmt: skip
    return Seen("CREATE INDEX", [flags], [str(rel(s.relation))], [])


def object_name(obj: Any) -> str | None:
    if isinstance(obj, (tuple, list)):
        return dotted(o for o in obj if isinstance(o, (ast.String, str)))
    if isinstance(obj, ast.TypeName):
        return dotted(obj.names).removeprefix("pg_catalog.") + "[]" * len(obj.arrayBounds or ())
    if isinstance(obj, ast.ObjectWithArgs):
        return dotted(obj.objname)
    return getattr(obj, "sval", None)


def drop(s: Any) -> Seen:
    kind = object_type(s.removeType)
    names = [object_name(o) for o in s.objects]
    on: list[str] = []
    if kind in ("TRIGGER", "RULE", "POLICY"):
        on = [dotted(s.objects[0][:-1])]
        names = [dotted(o[-1:]) for o in s.objects]
    elif kind in ("OPERATOR CLASS", "OPERATOR FAMILY"):  # the access method comes first
        names = [dotted(o[1:]) for o in s.objects]
    elif kind in ("CAST", "TRANSFORM"):
        names = []
    flags = words("CONCURRENTLY" if s.concurrent else None, "IF EXISTS" if s.missing_ok else None, cascade(s.behavior))
    return Seen(f"DROP {kind}", [flags, *(str(n) for n in names)], on, [])


def labelled(kind: str, s: Any) -> Seen:
    what = object_type(s.objtype)
    if what in RELATION_TYPES:
        return Seen(kind, [], [str(object_name(s.object))], [])
    if what in ("COLUMN", "CONSTRAINT", "TRIGGER", "RULE", "POLICY"):
        table = dotted(s.object[:-1])
        return Seen(kind, [], [table] if table else [], [])
    return Seen(kind, [], [], [])


def routine(s: Any) -> Seen:
    details = ["OR REPLACE"] if s.replace else []
    languages = [o.arg.sval for o in s.options or () if o.defname == "language"]
    bodies = [o.arg[0].sval for o in s.options or () if o.defname == "as"]
    details += [
        dotted(s.funcname),
        *(languages or ["sql"])[-1:],
        *(bodies or [""])[-1:],
    ]  # of more Postgres refuses all later
    return Seen("CREATE PROCEDURE" if s.is_procedure else "CREATE FUNCTION", details, [], [])


def inner_of(s: Any) -> Seen:
    found = describe(s.query)
    if isinstance(s, ast.ExplainStmt):
        return Seen(
            "EXPLAIN",
            [words("ANALYZE" if option(s.options, "analyze") else None), found.kind, *found.details],
            found.relations,
            found.starts,
        )
    return Seen("PREPARE", [found.kind], found.relations, [])


def select(s: Any) -> Seen:
    while s.larg is not None:
        s = s.larg
    if s.intoClause is None:
        return Seen("SELECT", [], [], [])
    temporary = "TEMPORARY" if s.intoClause.rel.relpersistence == "t" else None
    return Seen("CREATE TABLE AS", [words(temporary)], [str(rel(s.intoClause.rel))], [])


def table_as(s: Any) -> Seen:
    kind = "CREATE TABLE AS" if object_type(s.objtype) == "TABLE" else "CREATE MATERIALIZED VIEW"
    flags = words(
        "TEMPORARY" if s.into.rel.relpersistence == "t" else None, "IF NOT EXISTS" if s.if_not_exists else None
    )
    return Seen(kind, [flags], [str(rel(s.into.rel))], [])


def transaction(s: Any) -> Seen:
    kind = s.kind.name.removeprefix("TRANS_STMT_")
    return Seen(TRANSACTIONS.get(kind, kind.replace("_", " ")), ["CHAIN"] if s.chain else [], [], [])


def grant(s: Any) -> Seen:
    tables = s.targtype.name == "ACL_TARGET_OBJECT" and object_type(s.objtype) in ("TABLE", "SEQUENCE")
    return Seen("GRANT" if s.is_grant else "REVOKE", [], [str(rel(o)) for o in s.objects or ()] if tables else [], [])


def define(s: Any) -> Seen:
    return Seen(f"CREATE {object_type(s.kind)}", [], [], [])


def schema(s: Any) -> Seen:
    elements = [describe(e) for e in s.schemaElts or ()]
    return Seen(
        "CREATE SCHEMA",
        sorted({e.kind for e in elements}),
        [r for e in elements for r in (e.relations if e.kind == "GRANT" else e.relations[:1])],
        [],
    )


def discard(s: Any) -> Seen:
    what = s.target.name.removeprefix("DISCARD_")
    return Seen("SET", [], [], []) if what == "ALL" else Seen("DISCARD", [what], [], [])


def rels(kind: str, relations: Any, *details: str | None) -> Seen:
    return Seen(kind, sorted(d for d in details if d), [str(rel(r)) for r in relations if r is not None], [])


SPECIAL: dict[str, Callable[[Any], Seen]] = {
    "AlterTableStmt": alter_table,
    "AlterTableMoveAllStmt": lambda s: Seen(f"ALTER {object_type(s.objtype)}", ["ALL IN TABLESPACE"], [], []),
    "AlterObjectSchemaStmt": of_object, "AlterOwnerStmt": of_object, "AlterObjectDependsStmt": of_object, "RenameStmt": rename,
    "AlterFunctionStmt": lambda s: Seen(f"ALTER {object_type(s.objtype)}", [], [], []),
    "AlterSeqStmt": lambda s: Seen("ALTER SEQUENCE", [words("IF EXISTS" if s.missing_ok else None), "SEQUENCE OPTIONS"], [str(rel(s.sequence))], []),
    "AlterPolicyStmt": lambda s: rels("ALTER POLICY", [s.table]),
    "ClusterStmt": lambda s: rels("CLUSTER", [s.relation]),
    "CommentStmt": lambda s: labelled("COMMENT", s), "SecLabelStmt": lambda s: labelled("SECURITY LABEL", s),
    "CallStmt": lambda s: Seen("CALL", [dotted(s.funccall.funcname), str(len(s.funccall.args or ()))], [], []),
    "CopyStmt": lambda s: rels("COPY", [s.relation], "FROM" if s.is_from else "TO"),
    "CreateForeignTableStmt": lambda s: create(s.base, "CREATE FOREIGN TABLE"), "CreateStmt": create, "CreateSchemaStmt": schema,
    "CreateFunctionStmt": lambda s: routine(s),
    "CreatePolicyStmt": lambda s: rels("CREATE POLICY", [s.table]),
    "CreateSeqStmt": lambda s: rels("CREATE SEQUENCE", [s.sequence]),
    "CreateStatsStmt": lambda s: rels("CREATE STATISTICS", [r for r in s.relations if isinstance(r, ast.RangeVar)]),
    "CreateTableAsStmt": table_as,
    "CreateTrigStmt": lambda s: rels("CREATE TRIGGER", [s.relation], "OR REPLACE" if s.replace else None),
    "CreatePLangStmt": lambda s: Seen("CREATE LANGUAGE", ["OR REPLACE"] if s.replace else [], [], []),
    "DefineStmt": define, "DropStmt": drop, "ExplainStmt": inner_of, "PrepareStmt": inner_of, "SelectStmt": select,
    "DiscardStmt": discard,
    "FetchStmt": lambda s: Seen("MOVE" if s.ismove else "FETCH", [], [], []),
    "GrantStmt": grant, "GrantRoleStmt": lambda s: Seen("GRANT ROLE" if s.is_grant else "REVOKE ROLE", [], [], []), "IndexStmt": index,
    "LockStmt": lambda s: rels("LOCK TABLE", s.relations, LOCK_MODES[s.mode - 1], "NOWAIT" if s.nowait else None),
    "RefreshMatViewStmt": lambda s: rels("REFRESH MATERIALIZED VIEW", [s.relation], "CONCURRENTLY" if s.concurrent else None, "WITH NO DATA" if s.skipData else None),
    "ReindexStmt": lambda s: rels("REINDEX", [s.relation], "CONCURRENTLY" if option(s.params, "concurrently") else None, s.kind.name.removeprefix("REINDEX_OBJECT_")),
    "RuleStmt": lambda s: rels("CREATE RULE", [s.relation], "OR REPLACE" if s.replace else None),
    "TransactionStmt": transaction,
    "TruncateStmt": lambda s: rels("TRUNCATE TABLE", s.relations, cascade(s.behavior), "RESTART IDENTITY" if s.restart_seqs else None),
    "VacuumStmt": lambda s: rels("VACUUM" if s.is_vacuumcmd else "ANALYZE", [r.relation for r in s.rels or ()], "FULL" if s.is_vacuumcmd and option(s.options, "full") else None),
    "VariableSetStmt": lambda s: Seen("SET", [words((s.name or "").lower(), "LOCAL" if s.is_local else None)], [], []),
    "VariableShowStmt": lambda s: Seen("SHOW", [s.name.lower()], [], []),
    "ViewStmt": lambda s: rels("CREATE VIEW", [s.view], "OR REPLACE" if s.replace else None),
}  # fmt: skip


def describe(stmt: Any) -> Seen:
    name = type(stmt).__name__
    special = SPECIAL.get(name)
    return special(stmt) if special else Seen(TAGS[name], [], [], [])


def theirs(text: str) -> list[Seen]:
    """Raises pglast.parser.ParseError where Postgres would refuse the text."""
    return [describe(raw.stmt) for raw in parser.parse_sql(text)]


# ---------------------------------------------------------------- ours


def name(n: sql.Name | None) -> str:
    return ".".join(n.parts) if n else ""


def our_column(c: sql.ColumnDefinition, starts: list[int]) -> str:
    starts += [c.span.start, *(k.span.start for k in c.constraints)]
    found = (
        words(k.name, k.kind, "NO INHERIT" if k.no_inherit else None, "VIRTUAL" if k.virtual else None, name(k.references),
              *k.referenced_columns, "NOT ENFORCED" if k.not_enforced else None)
        for k in c.constraints
    )  # fmt: skip
    return words(c.name, c.type.name, *(f"[{f}]" for f in found))


def our_constraint(k: sql.TableConstraint, starts: list[int], text: str) -> str:
    starts.append(k.span.start)
    attributes = [t.value.upper() for t in lex(k.deferrable.of(text))] if k.deferrable else []
    deferred = "DEFERRED" in attributes
    deferrable = "DEFERRABLE" in attributes and "NOT" not in attributes[: attributes.index("DEFERRABLE")]
    include = len(k.include.of(text).split(",")) if k.include else None
    return words(
        k.name, k.kind, "NOT VALID" if k.not_valid or k.not_enforced else None, "NOT ENFORCED" if k.not_enforced else None,
        "NO INHERIT" if k.no_inherit else None, "DEFERRABLE" if deferrable or deferred else None, "DEFERRED" if deferred else None,
        words("USING INDEX", k.using_index) if k.using_index else None, "NULLS NOT DISTINCT" if k.nulls_not_distinct else None,
        words("INCLUDE", include) if include else None, words("TABLESPACE", k.tablespace) if k.tablespace else None,
        "WITH" if k.with_options else None, "WITHOUT OVERLAPS" if k.without_overlaps else None, *k.columns, name(k.references),
        *k.referenced_columns,
    )  # fmt: skip


def our_action(a: sql.Action, starts: list[int], text: str) -> str:
    match a:
        case sql.AddColumn():
            return words("ADD COLUMN", our_column(a.column, starts), "IF NOT EXISTS" if a.if_not_exists else None)
        case sql.AddConstraint():
            return words("ADD CONSTRAINT", our_constraint(a.constraint, starts, text))
        case sql.DropColumn():
            return words(
                "DROP COLUMN", a.column, "IF EXISTS" if a.if_exists else None, "CASCADE" if a.cascade else None
            )
        case sql.DropConstraint():
            return words(
                "DROP CONSTRAINT", a.name, "IF EXISTS" if a.if_exists else None, "CASCADE" if a.cascade else None
            )
        case sql.AlterColumnType():
            return words("TYPE", a.column, a.type.name, a.collation, "USING" if a.using else None)
        case sql.SetNotNull():
            return words("SET NOT NULL", a.column)
        case sql.DropNotNull():
            return words("DROP NOT NULL", a.column)
        case sql.SetDefault():
            return words("SET DEFAULT", a.column)
        case sql.DropDefault():
            return words("DROP DEFAULT", a.column)
        case sql.ValidateConstraint():
            return words("VALIDATE CONSTRAINT", a.name)
        case sql.AttachPartition():
            return words("ATTACH PARTITION", name(a.partition), "DEFAULT" if a.is_default else None)
        case sql.DetachPartition():
            return words(
                "DETACH PARTITION",
                "FINALIZE" if a.finalize else None,
                name(a.partition),
                "CONCURRENTLY" if a.concurrently else None,
            )
        case sql.OtherAction(what=what):
            if what == "SET ACCESS METHOD DEFAULT":
                what = "SET ACCESS METHOD"
            return words(what, a.column, None if what == "OWNER TO" else a.name, name(a.relation))


def our_seen(s: sql.Statement, node: sql.Node) -> Seen:
    starts: list[int] = []
    match node:
        case sql.CreateIndex():
            flags = words(
                "UNIQUE" if node.unique else None, "CONCURRENTLY" if node.concurrently else None, "IF NOT EXISTS" if node.if_not_exists else None,
                "ONLY" if node.only else None, name(node.name), node.method, *(c or "(expression)" for c in node.columns), "WHERE" if node.where else None,
            )  # fmt: skip
            return Seen(node.kind, [flags], [name(node.relation)], [])
        case sql.DropIndex():
            flags = words(
                "CONCURRENTLY" if node.concurrently else None,
                "IF EXISTS" if node.if_exists else None,
                "CASCADE" if node.cascade else None,
            )
            return Seen(node.kind, [flags, *map(name, node.names)], [], [])
        case sql.AlterTable():
            flags = words("ONLY" if node.only else None, "IF EXISTS" if node.if_exists else None)
            return Seen(
                node.kind,
                [flags, *(our_action(a, starts, s.text) for a in node.actions)],
                [name(node.relation)],
                starts,
            )
        case sql.CreateTable():
            flags = words(
                "IF NOT EXISTS" if node.if_not_exists else None,
                "TEMPORARY" if node.temporary else None,
                "PARTITION OF" if node.partition_of else None,
            )
            details = [
                flags,
                *("column " + our_column(c, starts) for c in node.columns),
                *("constraint " + our_constraint(c, starts, s.text) for c in node.constraints),
            ]
            parents = [name(n) for n in (node.partition_of, *node.inherits) if n]
            return Seen(node.kind, details, [name(node.relation), *parents], sorted(starts))
        case sql.CreateTableAs():
            flags = words("TEMPORARY" if node.temporary else None, "IF NOT EXISTS" if node.if_not_exists else None)
            return Seen(node.kind, [flags], [name(node.relation)], [])
        case sql.Drop():
            if node.object_type in ("DATABASE", "TABLESPACE", "ROLE", "SUBSCRIPTION"):
                return Seen(node.kind, [], [], [])
            flags = words("IF EXISTS" if node.if_exists else None, "CASCADE" if node.cascade else None)
            return Seen(node.kind, [flags, *map(name, node.names)], [name(node.on)] if node.on else [], [])
        case sql.Transaction():
            return Seen(node.kind, ["CHAIN"] if node.chain else [], [], [])
        case sql.SetVariable():
            discarded = s.sql.upper().startswith("DISCARD")
            return Seen(node.kind, [] if discarded else [words(node.name, "LOCAL" if node.local else None)], [], [])
        case sql.Show():
            return Seen(node.kind, [node.name], [], [])
        case sql.Call():
            return Seen(node.kind, [name(node.procedure), str(node.arguments)], [], [])
        case sql.Explain():
            found = our_seen(s, node.target)
            return Seen(
                node.kind,
                [words("ANALYZE" if node.analyze else None), found.kind, *found.details],
                found.relations,
                found.starts,
            )
        case sql.Other(kind="CREATE FUNCTION" | "CREATE PROCEDURE"):
            return our_routine(s, node)
        case sql.Other():
            details = (
                sorted({*node.options, *(["CONCURRENTLY"] if node.concurrently else [])}) if compared(node.kind) else []
            )
            if node.kind == "DISCARD":
                details = ["TEMP" if d == "TEMPORARY" else d for d in details]
            return Seen(node.kind, details, [name(r) for r in node.relations], [])
        case _:
            return Seen(node.kind, [], [], [])


def our_routine(s: sql.Statement, node: sql.Other) -> Seen:
    (made,) = created(s)
    if made.source is None or made.language == UNKNOWN:  # not told: nothing to compare
        return theirs(s.sql)[0]
    return Seen(node.kind, [*sorted(node.options), name(made.name), made.language, made.source], [], [])


def compared(kind: str) -> bool:
    """Whether the options of an Other are in libpg_query's answer too, one for one."""
    return not kind.startswith("ALTER ") or kind in ("ALTER TABLE", "ALTER INDEX", "ALTER MATERIALIZED VIEW")


def ours(text: str) -> list[Seen]:
    return [our_seen(s, s.node) for s in read(text)]

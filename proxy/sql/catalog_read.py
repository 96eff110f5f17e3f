"""Whether a query reads the catalog and nothing else, as the tools do that look at the schema between their statements.

Told from the tokens, and only where every name is known: what is read in a way that is not expected here is no such query.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.sql.lexer import LexError, Token, lex
from proxy.sql.statements import Query, Statement

SCHEMAS = frozenset({"pg_catalog", "information_schema"})
# Without their schema only these: a table or view of a user's may have a name that begins with pg_, too.
RELATIONS = frozenset(
    {
        "pg_am", "pg_attrdef", "pg_attribute", "pg_class", "pg_collation", "pg_constraint", "pg_database", "pg_depend", "pg_description",
        "pg_enum", "pg_extension", "pg_index", "pg_indexes", "pg_inherits", "pg_language", "pg_matviews", "pg_namespace", "pg_opclass",
        "pg_partitioned_table", "pg_policies", "pg_policy", "pg_proc", "pg_range", "pg_roles", "pg_rules", "pg_sequence", "pg_sequences",
        "pg_shdescription", "pg_tables", "pg_tablespace", "pg_trigger", "pg_type", "pg_user", "pg_views",
    }
)  # fmt: skip
# None of them is volatile, and none of them runs what a user has written.
ELSEWHERE = frozenset(
    {"current_database", "current_schema", "current_schemas", "version"}
)  # tell nothing of a relation
FUNCTIONS = ELSEWHERE | {
    "_pg_char_max_length", "_pg_expandarray", "_pg_numeric_precision", "_pg_numeric_scale", "_pg_truetypid", "_pg_truetypmod",
    "array_agg", "array_length", "array_lower", "array_position", "array_positions", "array_to_json", "array_to_string", "array_upper",
    "bool_and", "bool_or", "btrim", "cardinality", "char_length", "col_description", "concat", "count", "dense_rank", "format_type",
    "generate_subscripts", "has_schema_privilege", "has_table_privilege", "json_agg", "json_build_object", "jsonb_agg",
    "jsonb_build_object", "length", "lower", "ltrim", "max", "min", "obj_description", "pg_encoding_to_char", "pg_function_is_visible",
    "pg_get_constraintdef", "pg_get_expr", "pg_get_indexdef", "pg_get_partkeydef", "pg_get_serial_sequence", "pg_get_triggerdef",
    "pg_get_userbyid", "pg_get_viewdef", "pg_index_column_has_property", "pg_table_is_visible", "pg_type_is_visible", "quote_ident",
    "quote_literal", "rank", "regexp_replace", "replace", "row_number", "row_to_json", "rtrim", "shobj_description", "split_part",
    "starts_with", "string_agg", "string_to_array", "strpos", "substr", "to_regclass", "to_regtype", "translate", "unnest", "upper",
}  # fmt: skip
# What may stand in front of a parenthesis and is no function; in lower case.
WORDS = frozenset(
    {
        "all", "and", "any", "array", "as", "between", "by", "case", "cast", "char", "character", "coalesce", "distinct", "else", "except",
        "exists", "filter", "from", "greatest", "having", "ilike", "in", "intersect", "join", "lateral", "least", "like", "limit",
        "materialized", "not", "nullif", "numeric", "offset", "on", "or", "over", "row", "select", "some", "then", "union", "using", "values",
        "varchar", "when", "where", "with",
    }
)  # fmt: skip
# Operators and types of pg_catalog alone: one that somebody has made may do anything.
OPERATORS = frozenset(
    {
        "(", ")", "[", "]", ",", ".", ":", ";", "::", "*", "+", "-", "/", "%", "=", "<>", "!=", "<", ">", "<=", ">=", "~", "!~", "~*", "!~*", "||",
        "&&", "@>", "<@", "->", "->>", "#>", "#>>", "&", "|", "#",
    }
)  # fmt: skip
REGISTERED = frozenset(
    {"regclass", "regtype", "regproc", "regprocedure", "regoper", "regoperator", "regnamespace", "regrole"}
)
TYPES = REGISTERED | {
    "aclitem", "bigint", "bool", "boolean", "bpchar", "bytea", "cardinal_number", "char", "character", "character_data", "date", "double",
    "float4", "float8", "int", "int2", "int2vector", "int4", "int8", "integer", "interval", "json", "jsonb", "name", "numeric", "oid",
    "oidvector", "real", "smallint", "sql_identifier", "text", "time", "timestamp", "timestamptz", "uuid", "varchar", "xid", "yes_or_no",
}  # fmt: skip
# What may stand in front of a string that is a value of no type.
BEFORE_TEXT = frozenset({"is", "escape", "to", "similar", "distinct", "limit", "offset", "order", "group"})
FIELDS = frozenset(
    {"n", "x"}
)  # of what _pg_expandarray gives; another name behind a parenthesis may be that of a function
ELSE = frozenset({"insert", "update", "delete", "merge", "into", "for", "table", "execute", "call", "tablesample"})
ENDS = frozenset({"select", "values", "where", "group", "having", "order", "limit", "offset", "fetch", "union", "intersect", "except",
                  "window"})  # fmt: skip
NAMES = ("word", "quoted")


@dataclass(slots=True)
class _Level:
    """One pair of parentheses, or the whole: whether it is a list behind FROM, and a relation is to come next."""

    lists: bool = False
    wants: bool = False
    casts: bool = False  # CAST (… AS type)


class _Other(Exception):
    """The text is no query that reads the catalog only, or is not understood."""


@dataclass(frozen=True, slots=True)
class CatalogRead:
    """A query that reads the catalog, and nothing else; of ``relations`` none, if it is not told of any relation at all."""

    relations: bool


def catalog_read(statement: Statement) -> CatalogRead | None:
    """What the query reads, if that is the catalog only; None for all else.

    It has no side effect then: it writes and locks nothing, and calls no function that does or that a user could have written
    (if the names of ``pg_catalog`` are its own, as they are unless somebody's search_path puts another schema first).
    Source: Postgres docs, "SELECT"; "System Catalogs"; "The Information Schema".
    """
    if not isinstance(statement.node, Query) or statement.node.kind != "SELECT":
        return None
    try:
        return _Reader(lex(statement.sql)).read()
    except (LexError, _Other):
        return None


class _Reader:
    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.levels = [_Level()]
        self.relations = False
        self.own = self._of_with() if self._word(0) == "with" else frozenset[str]()

    def read(self) -> CatalogRead:
        i = 0
        while i < len(self.tokens):
            i = self._next(i)
        if len(self.levels) != 1 or self.levels[0].wants:
            raise _Other
        return CatalogRead(self.relations)

    def _next(self, i: int) -> int:
        token, level = self.tokens[i], self.levels[-1]
        if token.kind in ("uquoted", "bad", "param"):
            raise _Other
        if token.kind == "op":
            return self._operator(i, level)
        if token.kind not in NAMES:
            if level.wants or (token.kind == "string" and self._is_typed(i)):
                raise _Other
            return i + 1
        if self._op(i - 1) == ".":  # a column, whatever word that is
            if self._op(i - 2) == ")" and token.value not in FIELDS:
                raise _Other
            self._called(i)
            return i + 1
        word = self._word(i)
        if self._op(i - 1) == "::" or (level.casts and self._word(i - 1) == "as"):
            return self._type(i)
        if word == "with" and i > 0 and not self._is_of_type(i):
            raise _Other
        if word in ELSE:
            raise _Other
        if level.wants and word not in ENDS and word not in ("only", "lateral"):
            return self._relation(i, level)
        if word in ENDS:
            level.lists = level.wants = False
        elif word == "from" and not (self._word(i - 1) == "distinct" and self._word(i - 2) in ("is", "not")):
            level.lists = level.wants = True
        elif word == "join":
            level.wants = True
        self._called(i)
        return i + 1

    def _operator(self, i: int, level: _Level) -> int:
        match self.tokens[i].value:
            case "(":
                self.levels.append(_Level(level.wants, level.wants, self._word(i - 1) == "cast"))
                level.wants = False
            case ")":
                if level.wants or len(self.levels) == 1:
                    raise _Other
                self.levels.pop()
            case "," if level.lists:
                level.wants = True
            case _ if level.wants:
                raise _Other
            case operator if operator not in OPERATORS:
                raise _Other
            case _:
                pass
        return i + 1

    def _type(self, i: int) -> int:
        """The type that something is cast to: a domain of a user's may check anything."""
        at = i
        if self._op(i + 1) == "." and self.tokens[i].value in SCHEMAS:
            at = i + 2
        if self._op(at + 1) == "." or at >= len(self.tokens) or self.tokens[at].value not in TYPES:
            raise _Other
        self.relations = self.relations or self.tokens[at].value in REGISTERED
        return at + 1

    def _is_typed(self, i: int) -> bool:
        """Whether the string is a value of the type in front of it, which may be a user's."""
        if i == 0 or self.tokens[i - 1].kind not in NAMES:
            return False
        word = self._word(i - 1)
        return self._op(i - 2) == "." or word not in WORDS | BEFORE_TEXT | TYPES | ENDS

    def _is_of_type(self, i: int) -> bool:
        """Whether it is the WITH of ``WITH ORDINALITY`` or ``WITH TIME ZONE``."""
        return self._word(i + 1) in ("ordinality", "time")

    def _relation(self, i: int, level: _Level) -> int:
        """What stands behind FROM, JOIN or a comma: a relation of the catalog, a query of the WITH, or a function."""
        parts, at = [self.tokens[i].value], i + 1
        while self._op(at) == "." and at + 1 < len(self.tokens) and self.tokens[at + 1].kind in NAMES:
            parts.append(self.tokens[at + 1].value)
            at += 2
        level.wants = False
        if self._op(at) == "(":
            self._called(at - 1)
            return at
        qualified = len(parts) == 2 and parts[0] in SCHEMAS
        if not qualified and not (len(parts) == 1 and parts[0] in self.own | RELATIONS):
            raise _Other
        self.relations = True
        return at

    def _called(self, i: int) -> None:
        """Behind a name that has a parenthesis: it has to be that of a harmless function."""
        if self._op(i + 1) != "(" or self._word(i) in WORDS or self._word(i - 1) == "as":
            return
        name = self.tokens[i].value
        qualified = self._op(i - 1) == "."
        if name not in FUNCTIONS or (qualified and self.tokens[i - 2].value not in SCHEMAS):
            raise _Other
        self.relations = self.relations or name not in ELSEWHERE

    def _of_with(self) -> frozenset[str]:
        """The names of the queries in front; another WITH, inside, is not read."""
        found = set()
        i = 2 if self._word(1) == "recursive" else 1
        while i < len(self.tokens):
            if self.tokens[i].kind not in NAMES:
                raise _Other
            found.add(self.tokens[i].value)
            i = self._behind_group(i + 1) if self._op(i + 1) == "(" else i + 1
            if self._word(i) != "as":
                raise _Other
            i += 1
            while self._word(i) in ("not", "materialized"):
                i += 1
            if self._op(i) != "(":
                raise _Other
            i = self._behind_group(i)
            if self._op(i) != ",":
                return frozenset(found)
            i += 1
        raise _Other

    def _behind_group(self, i: int) -> int:
        depth = 0
        while i < len(self.tokens):
            depth += (self._op(i) == "(") - (self._op(i) == ")")
            i += 1
            if not depth:
                return i
        raise _Other

    def _word(self, i: int) -> str:
        return self.tokens[i].value if 0 <= i < len(self.tokens) and self.tokens[i].kind == "word" else ""

    def _op(self, i: int) -> str:
        return self.tokens[i].value if 0 <= i < len(self.tokens) and self.tokens[i].kind == "op" else ""

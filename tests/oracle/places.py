"""Where things stand: each span that we give is cut out of the text, put into a statement of its own and read by libpg_query.

The tree must be the one that it had in its place, so that both ends of the span are right to the character.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pglast import parser

from proxy.sql import statements as sql

Tree = Any  # what json.loads gives


def trees(text: str) -> list[tuple[str, Tree]]:
    """Name and tree of each statement, without locations.  Raises pglast.parser.ParseError."""
    found = []
    for raw in json.loads(parser.parse_sql_json(text)).get("stmts", ()):
        [(name, tree)] = raw["stmt"].items()
        found.append((name, bare(tree)))
    return found


def bare(tree: Tree) -> Tree:
    """A tree without locations."""
    match tree:
        case dict():
            return {key: bare(value) for key, value in tree.items() if not key.endswith(PLACES)}
        case list():
            return [bare(value) for value in tree]
        case _:
            return tree


PLACES = ("location", "stmt_len", "list_start", "list_end")


def misplaced(statement: sql.Statement, kind: str, tree: Tree) -> list[str]:
    """What is wrong with the spans of a statement, given its tree; what they say otherwise must agree already."""
    text = statement.text
    return [f"{what}: {span.of(text)!r}" for what, span, right in _claims(statement, kind, tree) if not right]


Claim = tuple[str, sql.Span, bool]  # what it is, where we say that it stands, whether it does


def _read(template: str, cut: str) -> Tree | None:
    """The tree of the one statement that ``template`` is with the cut in place of its %; None if it is not one."""
    try:
        found = trees(template.replace("%", cut))
    except (parser.ParseError, UnicodeError, ValueError):
        return None
    return found[0][1] if len(found) == 1 else None


def _claims(statement: sql.Statement, kind: str, tree: Tree) -> Iterator[Claim]:
    text, node = statement.text, statement.node
    match node:
        case sql.AlterTable():
            yield from _name(text, node.relation)
            theirs = [cmd["AlterTableCmd"] for cmd in tree["cmds"]] if "cmds" in tree else [tree]
            for action, want in zip(node.actions, theirs, strict=True):
                yield from _action(text, node, action, want)
        case sql.CreateTable():
            yield from _create_table(text, node, tree["base"] if kind == "CreateForeignTableStmt" else tree)
        case sql.CreateIndex():
            yield from _name(text, node.relation)
            yield "INDEX", node.keyword, node.keyword.of(text).lower() == "index"
            if node.where is not None:
                yield _expression("WHERE", text, node.where, tree["whereClause"])
        case sql.DropIndex():
            yield "INDEX", node.keyword, node.keyword.of(text).lower() == "index"
            for name in node.names:
                yield from _name(text, name)
        case sql.CreateTableAs():
            yield from _name(text, node.relation)
        case sql.Other(kind=other) if other != "CREATE SCHEMA":  # its elements may belong to the schema by its name
            for name in node.relations:
                yield from _name(text, name)
        case _:
            pass


def _name(text: str, name: sql.Name) -> Iterator[Claim]:
    found = _read("DROP TABLE %", name.span.of(text))
    parts = [item["String"]["sval"] for item in found["objects"][0]["List"]["items"]] if found else None
    if "column" in text.lower() and parts is not None and tuple(parts[:-1]) == name.parts:
        return  # COMMENT ON COLUMN t.c: the span is the column's
    yield "name", name.span, parts == list(name.parts)


def _expression(what: str, text: str, span: sql.Span, want: Tree) -> Claim:
    found = _read("SELECT (%)", span.of(text) + "\n")
    return what, span, found is not None and found["targetList"][0]["ResTarget"]["val"] == want


def _action(text: str, node: sql.AlterTable, action: sql.Action, want: Tree) -> Iterator[Claim]:
    found = _read(node.head.of(text) + " %", action.span.of(text))
    if found is not None and "cmds" in found:
        found = found["cmds"][0]["AlterTableCmd"] if len(found["cmds"]) == 1 else None
    yield "action", action.span, found == want
    match action:
        case sql.AddColumn():
            yield from _column(text, action.column, want["def"]["ColumnDef"])
        case sql.AddConstraint():
            yield from _constraint(text, action.constraint, want["def"]["Constraint"])
        case sql.AlterColumnType():
            definition = want["def"]["ColumnDef"]
            yield _type(text, action.type, definition)
            if action.using is not None:
                yield _expression("USING", text, action.using, definition["raw_default"])
        case sql.SetDefault():
            yield _expression("DEFAULT", text, action.expression, want["def"])
        case sql.AttachPartition() | sql.DetachPartition():
            yield from _name(text, action.partition)


def _create_table(text: str, node: sql.CreateTable, tree: Tree) -> Iterator[Claim]:
    yield from _name(text, node.relation)
    for parent in node.inherits if node.partition_of is None else (node.partition_of,):
        yield from _name(text, parent)
    elements = tree.get("tableElts", ())
    columns = [e["ColumnDef"] for e in elements if "ColumnDef" in e]
    constraints = [e["Constraint"] for e in elements if "Constraint" in e]
    for ours, want in zip(node.columns, columns, strict=True):
        yield from _column(text, ours, want)
    for constraint, want in zip(node.constraints, constraints, strict=True):
        yield from _constraint(text, constraint, want)


def _type(text: str, ours: sql.TypeName, definition: Tree) -> Claim:
    found = _read("CREATE TABLE x (a %)", ours.span.of(text))
    return "type", ours.span, found is not None and found["tableElts"][0]["ColumnDef"]["typeName"] == definition["typeName"]  # fmt: skip


def _column(text: str, ours: sql.ColumnDefinition, want: Tree) -> Iterator[Claim]:
    typed = "typeName" in want
    found = _read("CREATE TABLE x (%)" if typed else "CREATE TABLE x OF y (%)", ours.span.of(text))
    yield "column", ours.span, found is not None and [e.get("ColumnDef") for e in found["tableElts"]] == [want]
    if typed:
        yield _type(text, ours.type, want)
    theirs = _without_attributes(want.get("constraints", ()))
    for constraint, constraint_tree in zip(ours.constraints, theirs, strict=True):
        found = _read("CREATE TABLE x (a int %)", constraint.span.of(text))
        again = _without_attributes(found["tableElts"][0]["ColumnDef"].get("constraints", ())) if found else None
        yield "column constraint", constraint.span, again == [constraint_tree]
        if constraint.expression is not None:
            yield _expression(constraint.kind, text, constraint.expression, constraint_tree["raw_expr"])
        if constraint.references is not None:
            yield from _name(text, constraint.references)


def _without_attributes(constraints: Sequence[Tree]) -> list[Tree]:
    """DEFERRABLE and the like are constraints of their own to the grammar."""
    return [c["Constraint"] for c in constraints if not c["Constraint"]["contype"].startswith("CONSTR_ATTR_")]


def _element(template: str, text: str, span: sql.Span) -> Tree | None:
    """The constraint of a table that has this cut in it."""
    found = _read(f"CREATE TABLE x ({template})", span.of(text) + "\n")
    elements: list[Tree] = found["tableElts"] if found else []
    return elements[0].get("Constraint") if len(elements) == 1 else None


def _constraint(text: str, ours: sql.TableConstraint, want: Tree) -> Iterator[Claim]:
    yield "constraint", ours.span, _element("%", text, ours.span) == want
    unnamed = {key: value for key, value in want.items() if key != "conname"}
    yield "constraint without its name", ours.body, _element("%", text, ours.body) == unnamed
    if ours.expression is not None:
        yield _expression("CHECK", text, ours.expression, want["raw_expr"])
    if ours.references is not None:
        yield from _name(text, ours.references)
    places = (
        ("columns", ours.columns_span, "UNIQUE (%)", "keys"),
        ("columns", ours.columns_span, "FOREIGN KEY (%) REFERENCES y", "fk_attrs"),
        ("elements", ours.columns_span, "EXCLUDE (%)", "exclusions"),
        ("INCLUDE", ours.include, "UNIQUE (a) INCLUDE (%)", "including"),
        ("WITH", ours.with_options, "UNIQUE (a) WITH (%)", "options"),
        ("DEFERRABLE", ours.deferrable, "FOREIGN KEY (a) REFERENCES y %", "deferrable"),
        ("INITIALLY", ours.deferrable, "FOREIGN KEY (a) REFERENCES y %", "initdeferred"),
        ("NOT VALID", ours.not_valid, "CHECK (true) %", "skip_validation"),
    )
    for what, span, template, key in places:
        if span is None or (key not in want and what in ("columns", "elements")):
            continue  # one of the three lists it is
        found = _element(template, text, span)
        yield what, span, found is not None and found.get(key) == want.get(key)

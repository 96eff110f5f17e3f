"""The indexes that a new partition lacks, built first, concurrently, under the names that ATTACH PARTITION would give them.

Source: AttachPartitionEnsureIndexes (commands/tablecmds.c), generateClonedIndexStmt (parser/parse_utilcmd.c).
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.catalog.facts import Constraint, Facts, Index, Relation
from proxy.catalog.parts import missing_indexes
from proxy.plans.build_index import build_index
from proxy.plans.build_parts import build_parts, of
from proxy.plans.compose import compose
from proxy.plans.plan import Step
from proxy.plans.target import Target
from proxy.plans.unique_by_index import unique_by_index
from proxy.plans.unique_parts import unique_parts
from proxy.records import replace
from proxy.sql.lexer import Token, lex
from proxy.sql.names import choose_name, constraint_name, join_columns
from proxy.sql.read import read
from proxy.sql.statements import AddConstraint, AlterTable, CreateIndex, quote_identifier


def lacking_indexes(parent: Relation, child: Relation, facts: Facts) -> list[Step] | None:
    """Steps that build them; None where that cannot be planned."""
    relations = set(facts.taken_relations.get(child.schema, frozenset()))
    constraints = facts.taken_constraints.get(child.schema, frozenset())
    steps: list[Step] = []
    for index in missing_indexes(parent, child):
        constraint = next((c for c in parent.constraints.values() if c.index == index.name), None)
        if not index.definition or not index.attributes or (constraint is not None and constraint.kind not in "up"):
            return None
        free = {i.name for i in child.indexes.values() if not i.valid and not child.being_built}
        if constraint is None:
            name = choose_name(child.name, join_columns(index.attributes), "idx", relations - free)
            made = _index(index, of(child).sibling(name), child, facts)
        else:
            label = "pkey" if constraint.kind == "p" else "key"
            name = constraint_name(child.name, index.attributes, label, (relations | constraints) - free)
            made = _constraint(index, constraint, name, child, facts)
        if made is None:
            return None
        relations.add(name)
        steps += [replace(step, edits=()) for step in made]
    return steps


def _index(index: Index, wanted: Target, child: Relation, facts: Facts) -> Sequence[Step] | None:
    printed = read(index.definition)[0]
    if not isinstance(node := printed.node, CreateIndex):
        return None
    text = printed.text
    end = printed.span.end if node.where is None else _last_where(text, node.where.start)
    where = "" if node.where is None else f" {text[end : printed.span.end]}"
    space = f" TABLESPACE {quote_identifier(index.tablespace)}" if index.tablespace else ""
    named = f"{text[: node.keyword.end]} {quote_identifier(wanted.name)} ON {of(child).sql}"
    own = read(f"{named}{text[node.relation.span.end : end].rstrip()}{space}{where}")[0]
    if not isinstance(own.node, CreateIndex):
        return None
    rewrite = (build_parts if child.kind == "p" else build_index)(own, own.node, facts)
    return rewrite.steps if rewrite is not None else None


def _last_where(text: str, start: int) -> int:
    """Where the word WHERE stands that a predicate follows."""
    return max(token.start for token in lex(text[:start]) if token.kind == "word" and token.value == "where")


def _constraint(
    index: Index, constraint: Constraint, name: str, child: Relation, facts: Facts
) -> Sequence[Step] | None:
    space = f" USING INDEX TABLESPACE {quote_identifier(index.tablespace)}" if index.tablespace else ""
    plain, deferrable = constraint.definition, ""
    for words in (" DEFERRABLE INITIALLY DEFERRED", " DEFERRABLE"):
        if plain.endswith(words):
            plain, deferrable = plain.removesuffix(words), words
            break
    adding = f"ALTER TABLE {of(child).sql} ADD CONSTRAINT {quote_identifier(name)}"
    own = read(f"{adding} {plain}{_options(index.definition)}{space}{deferrable}")[0]
    match own.node:
        case AlterTable(actions=(AddConstraint() as action,)):
            pass
        case _:
            return None
    if child.kind == "p":
        rewrite = unique_parts(own, action, facts)
    else:
        rewrite = unique_by_index(own, action, facts, chosen=True)
    if rewrite is None:
        return None
    made = compose(own, [(action, rewrite)], facts).steps
    return made if rewrite.ordered else (*made[:-1], replace(made[-1], undo=rewrite.last_undo))


def _options(definition: str) -> str:
    """`` WITH (…)`` as the definition of an index has it."""
    tokens = lex(definition)
    depth, begin = 0, None
    for token in tokens:
        depth += _turn(token)
        if depth == 0 and token.kind == "word" and token.value == "with":
            begin = token.start
        elif depth == 0 and begin is not None and token.value == ")":
            return f" {definition[begin : token.end]}"
    return ""


def _turn(token: Token) -> int:
    return {"(": 1, ")": -1}.get(token.value, 0) if token.kind == "op" else 0

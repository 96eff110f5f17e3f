"""ADD COLUMN of a domain that has a constraint."""

from __future__ import annotations

from proxy.catalog.facts import Type
from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import added_to, of_kind, table
from proxy.rules.cost import work_of_column
from proxy.rules.subject import script
from proxy.rules.volatile_default import SERIAL
from proxy.sql.lexer import lex
from proxy.sql.names import constraint_name
from proxy.sql.statements import AddColumn, quote_identifier


@rule
def constrained_domain_column(node: AddColumn, context: Context) -> Finding | None:
    about = added_to(node, context)
    if about is None or node.column.type.name in SERIAL:
        return None
    work, sure = work_of_column(node, (), context)
    if work != "rewrite" or work_of_column(node, of_kind(node, "DEFAULT"), context)[0] != "rewrite":
        return None  # the second: a DEFAULT in place of the domain's own
    name, type_ = node.column.name, node.column.type.span.of(context.statement.text)
    on, quoted = table(context), quote_identifier(node.column.name)
    would = "would block" if sure else "may block"
    why = "" if sure else f"If {type_} is a domain with a constraint or a volatile default: "
    all_rows = about.all_rows if sure else about.all_rows[0].lower() + about.all_rows[1:]
    domain = context.facts.types.get(type_)
    restless = domain is not None and domain.volatile_default and not domain.constrained
    because = (
        "the domain has a default that is another in each row."
        if restless
        else "Postgres checks a domain's constraint in every row, even for NULL."
    )
    return Finding(
        rule="constrained-domain-column",
        at=node.column.type.span,
        problem=f'adding column "{name}" {would} reads and writes of {about.shown} while all rows are written anew',
        detail=f"{why}{all_rows} would be copied under an ACCESS EXCLUSIVE lock: {because}",
        hint=f"ALTER TABLE {on} ADD COLUMN {quoted} {type_} DEFAULT NULL;\n(and fill the old rows in batches)"
        if restless
        else _hint(on, node.column.name, type_, domain, context),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="rewrite",
        relation=context.table.relation,
    )


def _hint(on: str, column: str, type_: str, domain: Type | None, context: Context) -> str:
    """A column of the type below the domain, which checks what the domain does."""
    quoted = quote_identifier(column)
    demands = [_of_column(text, quoted) for text in domain.demands] if domain is not None else []
    base = domain.base if domain is not None and domain.base else f"<base type of {type_}>"
    relation = context.relation(context.table.relation)
    taken = set(relation.constraints) if relation is not None else set()
    names: list[str] = []
    for _ in demands or [""]:
        name = constraint_name(context.table.relation.name, [column], "check", taken)
        names.append(quote_identifier(name))
        taken.add(name)
    checks = demands or [f"CHECK (<what {type_} demands of {quoted}>)"]
    added = [f"ADD CONSTRAINT {name} {check} NOT VALID" for name, check in zip(names, checks, strict=True)]
    return script(
        f"ALTER TABLE {on} ADD COLUMN {quoted} {base}",
        f"ALTER TABLE {on} {', '.join(added)}",
        *(f"ALTER TABLE {on} VALIDATE CONSTRAINT {name}" for name in names),
    )


def _of_column(demand: str, column: str) -> str:
    """A domain's CHECK as a table's: VALUE is the column."""
    pieces, at = [], 0
    for token in lex(demand):
        if token.kind == "word" and token.value == "value":
            pieces += [demand[at : token.start], column]
            at = token.end
    return "".join([*pieces, demand[at:]])

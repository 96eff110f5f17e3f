"""UPDATE and DELETE that pass the proxy: looked at only where the policy itself asks for batches."""

from __future__ import annotations

import json
from dataclasses import replace

from proxy.catalog.estimate import EXPLAIN, changed_rows
from proxy.catalog.facts import Facts
from proxy.policy.load import Policy
from proxy.policy.verdict import Action
from proxy.run.connection import Connection, ServerError
from proxy.run.errors import QUERY_CANCELED
from proxy.sql.statements import Query, Statement
from proxy.sql.written import Written, written

RULE = "large-update"


def wanted(policy: Policy) -> bool:
    """Whether the policy says ``large-update: rewrite``; what a policy does not mention is not meant."""
    setting = policy.settings.rules.get(RULE)
    return policy.mode == "enforce" and setting is not None and setting.action is Action.REWRITE and policy.knows(RULE)


def change(statement: Statement) -> Written | None:
    """What it changes, if it is UPDATE or DELETE and nothing else."""
    if not isinstance(statement.node, Query):
        return None
    found = written(statement)
    return found[0] if len(found) == 1 and found[0].whole and found[0].verb in ("UPDATE", "DELETE") else None


async def estimated(own: Connection, statement: Statement, facts: Facts) -> Facts:
    """The facts, with what the planner thinks of a statement that says which rows; it runs nothing.

    Precondition: no transaction is open, which an error would end.  Raises ServerError if the client has cancelled.
    """
    one = change(statement)
    if one is None or not one.where:
        return facts
    try:
        rows = await own.fetch(EXPLAIN + statement.sql)
        return replace(facts, estimate=changed_rows(json.loads(rows[0][0] or b"null")))
    except ValueError:
        return facts
    except ServerError as error:  # the statement meets it, too
        if error.sqlstate == QUERY_CANCELED or own.relay.skipping:
            raise
        return facts

"""Which statements are decided about and recorded: DDL and what can hide it, as against everyday traffic."""

from __future__ import annotations

from proxy.sql.statements import (
    AlterTable,
    Call,
    CreateIndex,
    CreateTable,
    CreateTableAs,
    DetachPartition,
    Drop,
    DropIndex,
    ExecutePrepared,
    Explain,
    Node,
    Opaque,
    Other,
    Show,
    Statement,
    Unreadable,
)

# Command tags of utility statements that change no schema and that no rule is about.
EVERYDAY = frozenset(
    {
        "ANALYZE", "CHECKPOINT", "CLOSE CURSOR", "CLOSE", "COPY", "DEALLOCATE", "DEALLOCATE ALL", "DECLARE CURSOR",
        "DISCARD", "DISCARD ALL", "FETCH", "LISTEN", "LOAD", "LOCK TABLE", "MOVE", "NOTIFY", "PREPARE", "SET", "SET CONSTRAINTS", "SET ROLE",
        "SET SESSION AUTHORIZATION", "SET SESSION CHARACTERISTICS", "SET TRANSACTION", "UNLISTEN",
    }
)  # fmt: skip

# What is refused in a transaction block without saying CONCURRENTLY, or may be: CLUSTER and REINDEX by what they name,
# DO if it commits.
ALONE = frozenset(
    {
        "ALTER DATABASE", "ALTER SUBSCRIPTION", "ALTER SYSTEM", "CLUSTER", "CREATE DATABASE", "CREATE SUBSCRIPTION", "CREATE TABLESPACE",
        "DO", "DROP DATABASE", "DROP SUBSCRIPTION", "DROP TABLESPACE", "REINDEX", "VACUUM",
    }
)  # fmt: skip


def matters(node: Node) -> bool:
    """Whether a decision is wanted about it."""
    match node:
        case Show() | Explain():
            return answered_by_us(node) or (isinstance(node, Explain) and node.analyze and is_ddl(node.target))
        case ExecutePrepared() | Unreadable() | Call():
            return True
        case _:
            return is_ddl(node)


def is_decided_about(statement: Statement) -> bool:
    """Whether a decision is wanted, once it is known what it runs through procedures and functions."""
    return changes_schema(statement) or (matters(statement.node) and not isinstance(statement.node, Call))


def is_ddl(node: Node) -> bool:
    """Whether it changes the schema, or (DO) may."""
    match node:
        case CreateIndex() | DropIndex() | AlterTable() | CreateTable() | CreateTableAs() | Drop():
            return True
        case Other(kind=kind):
            return kind not in EVERYDAY
        case _:
            return False


def changes_schema(statement: Statement) -> bool:
    """Whether it, or what it runs as far as that is known, changes the schema or may."""
    return is_ddl(statement.node) or any(is_ddl(one.node) or isinstance(one.node, Opaque) for one in statement.inner)


def answered_by_us(node: Node) -> bool:
    """Whether it is ``EXPLAIN <ddl>``, ``EXPLAIN CALL`` or ``SHOW interlock.…``, which Postgres itself does not know.

    EXPLAIN of CREATE TABLE AS it does know.
    """
    match node:
        case Show(name=name):
            return name.startswith("interlock.")
        case Explain(target=target):
            return isinstance(target, Call) or (is_ddl(target) and not isinstance(target, CreateTableAs))
        case _:
            return False


def stands_alone(node: Node) -> bool:
    """Whether Postgres may want nothing before it in its transaction.  No such statement returns rows or has parameters.

    Source: the callers of PreventInTransactionBlock.
    """
    match node:
        case CreateIndex(concurrently=True) | DropIndex(concurrently=True) | Other(concurrently=True):
            return True
        case AlterTable(actions=actions):
            return any(isinstance(action, DetachPartition) and action.concurrently for action in actions)
        case Drop() | Other():
            return node.kind in ALONE
        case _:
            return False

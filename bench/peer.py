"""django-pg-zero-downtime-migrations does one of the benchmark's migrations, as Django does: by operations on a project's state.

    python -m bench.peer URL 'ADD CHECK'

Says that it is ready, waits for a line, and prints when it began and ended, by the machine's monotonic clock.
"""

from __future__ import annotations

import sys
import time
from typing import Any

NAMES = (
    "CREATE INDEX", "DROP INDEX", "ADD FOREIGN KEY", "ADD CHECK", "SET NOT NULL", "ADD UNIQUE", "ADD COLUMN",
    "ADD COLUMN, volatile default", "int to bigint",
)  # fmt: skip


def settings(url: str) -> dict[str, Any]:
    """As its documentation recommends."""
    from psycopg.conninfo import conninfo_to_dict

    where = conninfo_to_dict(url)
    database = {"HOST": where["host"], "PORT": where["port"], "USER": where["user"], "NAME": where["dbname"]}
    return {
        "DATABASES": {"default": {"ENGINE": "django_zero_downtime_migrations.backends.postgres", **database}},
        "INSTALLED_APPS": [],
        "USE_TZ": True,
        "ZERO_DOWNTIME_MIGRATIONS_LOCK_TIMEOUT": "2s",
        "ZERO_DOWNTIME_MIGRATIONS_STATEMENT_TIMEOUT": "2s",
        "ZERO_DOWNTIME_MIGRATIONS_FLEXIBLE_STATEMENT_TIMEOUT": True,
        "ZERO_DOWNTIME_MIGRATIONS_RAISE_FOR_UNSAFE": True,
    }


def operations(name: str) -> tuple[list[Any], list[Any]]:
    """What makes the state before, and the migration."""
    from django.contrib.postgres.functions import RandomUUID
    from django.db import models
    from django.db.migrations import operations as ops

    index = models.Index(fields=["total"], name="orders_total_idx")
    customer = models.BigIntegerField(null=True, db_column="customer_id")
    fields = [
        ("id", models.BigIntegerField(primary_key=True)),
        ("customer", customer),
        ("email", models.TextField(null=True)),
        ("total", models.IntegerField(null=True)),
        ("note", models.TextField(null=True)),
    ]
    before = [
        ops.CreateModel(
            "Customer",
            [("id", models.BigIntegerField(primary_key=True)), ("name", models.TextField())],
            {"db_table": "customers"},
        ),
        ops.CreateModel("Order", fields, {"db_table": "orders", "indexes": [index] if name == "DROP INDEX" else []}),
    ]
    key = models.ForeignKey("bench.Customer", models.DO_NOTHING, null=True, db_column="customer_id", db_index=False)
    migration: dict[str, Any] = {
        "CREATE INDEX": ops.AddIndex("Order", models.Index(fields=["email"], name="orders_email_idx")),
        "DROP INDEX": ops.RemoveIndex("Order", "orders_total_idx"),
        "ADD FOREIGN KEY": ops.AlterField("Order", "customer", key),
        "ADD CHECK": ops.AddConstraint(
            "Order", models.CheckConstraint(condition=models.Q(total__gte=0), name="total_positive")
        ),
        "SET NOT NULL": ops.AlterField("Order", "customer", models.BigIntegerField(db_column="customer_id")),
        "ADD UNIQUE": ops.AddConstraint("Order", models.UniqueConstraint(fields=["email"], name="orders_email_key")),
        "ADD COLUMN": ops.AddField("Order", "shipped_at", models.DateTimeField(null=True)),
        "ADD COLUMN, volatile default": ops.AddField(
            "Order", "token", models.UUIDField(db_default=RandomUUID(), null=True)
        ),
        "int to bigint": ops.AlterField("Order", "total", models.BigIntegerField(null=True)),
    }
    return before, [migration[name]]


def main() -> None:
    url, name = sys.argv[1:]
    import django
    from django.conf import settings as conf

    conf.configure(**settings(url))
    django.setup()
    from django.db import connection
    from django.db.migrations import Migration
    from django.db.migrations.state import ProjectState

    before, operations_ = operations(name)
    state = ProjectState()
    for operation in before:
        operation.state_forwards("bench", state)
    migration = Migration(name, "bench")
    migration.operations = operations_
    connection.ensure_connection()
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.monotonic()
    try:
        with connection.schema_editor(atomic=migration.atomic) as editor:
            migration.apply(state, editor)
    finally:
        print(begun, time.monotonic(), flush=True)


if __name__ == "__main__":
    main()

"""How many rows the planner thinks that an UPDATE or DELETE changes, by what EXPLAIN (FORMAT JSON) says of it."""

from __future__ import annotations

from typing import Any

EXPLAIN = "EXPLAIN (FORMAT JSON) "


def changed_rows(plan: Any) -> int | None:
    """Rows that go into the ModifyTable at the top, those of all the tables that it changes; None if that is not told."""
    try:
        top = plan[0]["Plan"]
        below = [p for p in top["Plans"] if p["Parent Relationship"] in ("Outer", "Member")]
        return int(sum(p["Plan Rows"] for p in below)) if top["Node Type"] == "ModifyTable" else None
    except (KeyError, IndexError, TypeError):
        return None

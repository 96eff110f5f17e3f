"""Plans as text, for the table in which they wait for a COMMIT.

What is read back is believed only as far as its shape goes: it stood in somebody's database meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from proxy.plans.plan import Edit, Failure, Lock, Step

VERSION = 1


class UnreadablePlan(Exception):
    """A stored plan that is of a later version, or that has been changed."""


def encode(steps: Sequence[Step]) -> str:
    """Steps as JSON."""
    return json.dumps({"version": VERSION, "steps": [asdict(step) for step in steps]}, ensure_ascii=True)


def decode(text: str) -> tuple[Step, ...]:
    """The steps in what ``encode`` made.  Raises UnreadablePlan."""
    try:
        stored = json.loads(text)
        version = stored["version"]
        if version != VERSION:
            raise UnreadablePlan(f"the plan is of version {version}; this Interlock reads version {VERSION}")
        return tuple(_step(step) for step in stored["steps"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadablePlan(f"the plan cannot be read: {error!r}") from error


def _step(stored: dict[str, Any]) -> Step:
    known = {f.name for f in fields(Step)}
    if unknown := set(stored) - known:
        raise UnreadablePlan(f"the plan has parts that are not known here: {', '.join(sorted(unknown))}")
    step = dict(stored)
    step["statements"] = tuple(_text(sql) for sql in step["statements"])
    step["lock"] = Lock(step["lock"])
    step["relations"] = tuple((_text(schema), _text(name)) for schema, name in step["relations"])
    step["undo"] = tuple(_text(sql) for sql in step["undo"])
    step["hides"] = tuple(Failure(**{**f, "words": tuple(f["words"])}) for f in step["hides"])
    step["edits"] = tuple(Edit(**edit) for edit in step["edits"])
    step["index"] = None if step["index"] is None else (_text(step["index"][0]), _text(step["index"][1]))
    if step["budget"] not in ("locks", "builds") or type(step["transaction"]) is not bool:
        raise UnreadablePlan("the plan has a step that cannot be")
    return Step(**step)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value

"""Plans as text, for the table in which they wait for a COMMIT.

What is read back is believed only as far as its shape goes: it stood in somebody's database meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from typing import Any, TypeVar

from proxy.plans.plan import Batch, Edit, Failure, Lock, Step, Walk

VERSION = 1
T = TypeVar("T")


class UnreadablePlan(Exception):
    """A stored plan that is of a later version, or that has been changed."""


def encode(steps: Sequence[Step]) -> str:
    """Steps as JSON, in ASCII."""
    return json.dumps({"version": VERSION, "steps": [asdict(step) for step in steps]}, ensure_ascii=True)


def decode(text: str) -> tuple[Step, ...]:
    """The steps in what ``encode`` made.  Raises UnreadablePlan."""
    try:
        stored = _object(json.loads(text), "version", "steps")
        version = _is(int, stored["version"])
    except (ValueError, RecursionError) as error:
        raise UnreadablePlan(f"the plan cannot be read: {error}") from error
    if version > VERSION:
        raise UnreadablePlan(f"the plan is of version {version}; this Interlock reads plans up to version {VERSION}")
    try:
        return _all(_step, stored["steps"])
    except ValueError as error:
        raise UnreadablePlan(f"the plan has been changed: {error}") from error


def _step(value: Any) -> Step:
    s = _object(value, *(f.name for f in fields(Step)))
    return Step(
        statements=_all(_text, s["statements"]),
        lock=Lock(_text(s["lock"])),
        why=_text(s["why"]),
        relations=_all(_pair, s["relations"]),
        others=_all(_locked, s["others"]),
        transaction=_is(bool, s["transaction"]),
        budget=_one_of(s["budget"], "locks", "builds"),
        when=_one_of(s["when"], "now", "after_commit"),
        done=None if s["done"] is None else _text(s["done"]),
        undo=_all(_text, s["undo"]),
        left=None if s["left"] is None else _text(s["left"]),
        hides=_all(_failure, s["hides"]),
        edits=_all(_edit, s["edits"]),
        index=None if s["index"] is None else _pair(s["index"]),
        forward=_is(bool, s["forward"]),
        batch=None if s["batch"] is None else _batch(s["batch"]),
        walk=None if s["walk"] is None else _walk(s["walk"]),
    )


def _locked(value: Any) -> tuple[str, str, Lock]:
    schema, name, lock = _all(_text, value)
    return schema, name, Lock(lock)


def _failure(value: Any) -> Failure:
    f = _object(value, *(f.name for f in fields(Failure)))
    return Failure(
        _text(f["sqlstate"]), _text(f["constraint"]), _text(f["instead"]), _all(_text, f["words"]),
        _text(f["column"]), _text(f["name"]),
    )  # fmt: skip


def _batch(value: Any) -> Batch:
    b = _object(value, *(f.name for f in fields(Batch)))
    return Batch(
        _pair(b["table"]),
        _text(b["where"]),
        _text(b["assign"]),
        _is(bool, b["only"]),
        _is(bool, b["quiet"]),
        _is(bool, b["repeatable"]),
        None if b["stuck"] is None else _failure(b["stuck"]),
    )


def _walk(value: Any) -> Walk:
    w = _object(value, *(f.name for f in fields(Walk)))
    return Walk(_pair(w["table"]), _all(_pair, w["key"]), _text(w["called"]), _text(w["head"]), _text(w["where"]))


def _edit(value: Any) -> Edit:
    e = _object(value, "start", "end", "text")
    return Edit(_is(int, e["start"]), _is(int, e["end"]), _text(e["text"]))


def _object(value: Any, *names: str) -> dict[str, Any]:
    """An object with exactly these parts."""
    found: dict[str, Any] = _is(dict, value)
    if set(found) != set(names):
        raise ValueError(f"it has the parts {', '.join(sorted(found)) or 'none'}, and not {', '.join(sorted(names))}")
    return found


def _all(each: Callable[[Any], T], value: Any) -> tuple[T, ...]:
    return tuple(each(one) for one in _is(list, value))


def _pair(value: Any) -> tuple[str, str]:
    match _all(_text, value):
        case (first, second):
            return first, second
        case _:
            raise ValueError(f"{value!r} is no pair")


def _one_of(value: Any, *allowed: Any) -> Any:
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {', '.join(allowed)}")
    return value


def _text(value: Any) -> str:
    return _is(str, value)


def _is(kind: type[T], value: Any) -> T:
    if type(value) is not kind:  # True is no number
        raise ValueError(f"{value!r} is no {kind.__name__}")
    return value

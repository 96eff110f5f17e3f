"""What the model finds wrong, in words and with places for the author of the file."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from proxy.policy.document import Document, Path, Place, shown
from proxy.policy.merge import expand
from proxy.policy.model import Settings, did_you_mean
from proxy.policy.problems import Problem

FIRST_LINE = Place(1, 1)


def check(layer: Document) -> list[Problem]:
    """All problems of one file, in the order of its lines."""
    problems = list(layer.problems)
    if layer.data is None:
        return problems
    taken = {(p.line, p.column) for p in problems}
    try:
        Settings.model_validate(expand(layer.data))
    except ValidationError as e:
        for error in _deepest(e.errors(include_url=False)):
            problem = layer.problem(_message(error), _place(layer, error))
            # One mistake, one message: what YAML made of `on` is not also a wrong value.
            if (problem.line, problem.column) not in taken:
                problems.append(problem)
    return sorted(problems, key=lambda p: (p.line, p.column))


def contradictions(settings: Settings, chain: Sequence[Document]) -> list[Problem]:
    """Values that are right each for itself and wrong together, wherever they were written."""
    locks = settings.locks
    pairs = (
        (("locks", "first_timeout"), locks.first_timeout, ("locks", "timeout"), locks.timeout),
        (("locks", "backoff", "first"), locks.backoff.first, ("locks", "backoff", "max"), locks.backoff.max),
    )
    problems = []
    for low_path, low, high_path, high in pairs:
        if low <= high:
            continue
        message = f"{'.'.join(low_path)} ({low}) has to be at most {'.'.join(high_path)} ({high})"
        written = ((layer, path) for layer in chain for path in (high_path, low_path) if path in layer.values)
        layer, path = next(written)
        problems.append(layer.problem(message, layer.values[path]))
    return problems


def _deepest(errors: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Without errors that only follow from one further in: a list is not also too short because its item is wrong."""
    around = {e["loc"][:length] for e in errors for length in range(len(e["loc"]))}
    return [e for e in errors if e["loc"] not in around]


def _place(layer: Document, error: ErrorDetails) -> Place:
    path: Path = error["loc"]
    if error["type"] == "missing":
        path = path[:-1]
        return layer.keys.get(path) or (layer.values[path] if path else FIRST_LINE)
    if path and path[-1] == "[key]":
        return layer.keys[path[:-1]]
    if error["type"] == "extra_forbidden":
        return layer.keys[path]
    while path not in layer.values:
        path = path[:-1]
    return layer.values[path]


def _message(error: ErrorDetails) -> str:
    value = error["input"]
    path = error["loc"]
    match error["type"]:
        case "value_error":
            return str(error["ctx"]["error"])
        case "extra_forbidden":
            return f"unknown key '{shown(path[-1])}'{did_you_mean(str(path[-1]), _keys(path[:-1]))}"
        case "missing" if path == ("version",):
            return "missing key 'version'; write version: 1 in the first line"
        case "missing":
            return f"missing key '{path[-1]}'"
        case "literal_error":
            return _not_one_of(value, _options(path))
        case "model_type" | "dict_type" if path[:1] == ("rules",) and len(path) == 2:
            return f"expected an action: {_or(_options((*path, 'action')))}"
        case "model_type" | "dict_type":
            keys = _keys(path)
            return f"expected keys and values, such as {keys[0]}: …" if keys else "expected keys and values"
        case "tuple_type":
            return f"expected a list; write [{shown(value)}]" if _is_plain(value) else "expected a list"
        case "too_short":
            return "expected at least one of them"
        case "string_type":
            return f'expected text; write "{shown(value)}" in quotes' if _is_plain(value) else "expected text"
        case "bool_type":
            return "expected true or false"
        case "int_type" | "int_parsing" | "greater_than_equal" if path[-1] in ("rows", "pack"):
            return "expected a whole number from 1 on"
        case "float_type" | "greater_than_equal" | "less_than_equal":
            return "expected a number from 1 to 100"
        case "date_type" | "date_from_datetime_parsing" | "date_parsing":
            return "expected a date such as 2026-12-31"
    return error["msg"]


def _not_one_of(value: Any, options: Sequence[str]) -> str:
    if value == "defer" and "defer" not in options:
        return f"'defer' is for in_transaction; write {_or(options)}"
    if not _is_plain(value):
        return f"expected {_or(options)}"
    return f"'{shown(value)}' is not {_or(options)}{did_you_mean(str(value), options)}"


def _or(options: Sequence[str]) -> str:
    return f"{', '.join(options[:-1])} or {options[-1]}" if len(options) > 1 else options[0]


def _is_plain(value: Any) -> bool:
    return value is not None and not isinstance(value, dict | tuple)


# ---------------------------------------------------------------- the model at a path


def _keys(path: Path) -> list[str]:
    model = _annotation(path)
    if isinstance(model, type) and issubclass(model, BaseModel):
        return [f.alias or name for name, f in model.model_fields.items()]
    return []


def _options(path: Path) -> list[str]:
    return [str(option) for option in typing.get_args(_annotation(path))]


def _annotation(path: Path) -> Any:
    """The type that the model has for the value at ``path``."""
    at: Any = Settings
    for key in path:
        if isinstance(at, type) and issubclass(at, BaseModel):
            fields = {f.alias or name: f for name, f in at.model_fields.items()}
            at = fields[str(key)].annotation
        else:
            at = typing.get_args(at)[-1 if typing.get_origin(at) is dict else 0]
        while typing.get_origin(at) in (typing.Annotated, typing.Union, types.UnionType):
            at = typing.get_args(at)[0]
    return at

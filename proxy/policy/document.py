"""YAML as plain values, with the place of every key and value, and none of YAML 1.1's surprises.

Accepted is what a policy needs: mappings with text keys, lists, text, whole and decimal numbers, true and
false, dates.  Aliases, tags, several documents, duplicate keys and ``on``/``yes`` for true are errors.
Source: https://yaml.org/spec/1.1/, https://pyyaml.org/wiki/PyYAMLDocumentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import yaml

from proxy.policy.problems import Problem

Path = tuple[str | int, ...]
DEEPEST = 20
TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: line and column count from 1, width in characters."""

    line: int
    column: int
    width: int = 1


@dataclass(frozen=True, slots=True)
class Document:
    """One file.  Lists are tuples; ``keys`` has a place for each mapping key, ``values`` for each value."""

    file: str
    text: str
    data: Any = None
    keys: Mapping[Path, Place] = field(default_factory=dict)
    values: Mapping[Path, Place] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def problem(self, message: str, place: Place | None) -> Problem:
        return _problem(self.file, self.text, message, place)


def read(file: str, content: bytes) -> Document:
    """The document, with the problems found so far; raises nothing."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = content.count(b"\n", 0, e.start) + 1
        column = e.start - content.rfind(b"\n", 0, e.start)
        return Document(file, "", problems=(Problem(file, line, column, "this is not UTF-8 text"),))
    try:
        node = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else None
        said = " ".join(word for word in (e.problem, e.context if not e.problem else None) if word)
        return Document(file, text, problems=(_problem(file, text, f"this is not YAML: {said}", place),))
    except yaml.reader.ReaderError as e:
        # PyYAML reads ahead in blocks, so the position is all it can tell.
        line = text.count("\n", 0, e.position) + 1
        column = e.position - text.rfind("\n", 0, e.position)
        message = f"this is not YAML: the character U+{ord(text[e.position]):04X} is not allowed"
        return Document(file, text, problems=(Problem(file, line, column, message),))
    if node is None:
        return Document(
            file, text, problems=(Problem(file, 1, 1, "this file is empty; a policy starts with version: 1"),)
        )
    walk = _Walk(file, text)
    data = walk.value(node, ())
    return Document(file, text, data, walk.keys, walk.values, tuple(walk.problems))


class _Loader(yaml.SafeLoader):
    """Nodes only; constructs nothing."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            # An alias could make the tree a graph, or a small file a huge one.
            raise yaml.composer.ComposerError(None, None, "aliases are not read here; write the value out", mark)
        if self.depth >= DEEPEST:
            raise yaml.composer.ComposerError(None, None, "nested too deeply", mark)
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Walk:
    """Turns nodes into values; collects places and problems as it goes."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.keys: dict[Path, Place] = {}
        self.values: dict[Path, Place] = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.values[path] = _place(node)
        match node:
            case yaml.MappingNode():
                return self.mapping(node, path)
            case yaml.SequenceNode():
                return tuple(self.value(item, (*path, i)) for i, item in enumerate(node.value))
            case yaml.ScalarNode():
                return self.scalar(node)
        raise AssertionError(node)

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = _place(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.report("a key has to be a word", place)
                continue
            key = key_node.value
            if key in found:
                self.report(f"'{shown(key)}' is here twice, first in line {self.keys[(*path, key)].line}", place)
                continue
            self.keys[(*path, key)] = place
            found[key] = self.value(value_node, (*path, key))
        return found

    def scalar(self, node: yaml.ScalarNode) -> Any:
        """The value; what is no plain number, boolean or date stays the text it was, for the model to refuse."""
        text: str = node.value
        match node.tag.removeprefix(TAG):
            case "str":
                return text
            case "null":
                return None
            case "bool" if text.lower() in ("true", "false"):
                return text.lower() == "true"
            case "bool":
                means = "true" if text.lower() in ("on", "yes") else "false"
                self.report(
                    f"'{text}' is read as {means} in YAML 1.1; write {means}, or \"{text}\" in quotes", _place(node)
                )
                return means == "true"
            case "int" | "float" | "timestamp" as kind if node.style is None:
                return _plain(kind, text)
            case "int" | "float" | "timestamp":
                return text
            case _:
                self.report("tags and merge keys are not read here", _place(node))
                return text

    def report(self, message: str, place: Place) -> None:
        self.problems.append(_problem(self.file, self.text, message, place))


def shown(value: object) -> str:
    """A value of the file inside a message: one line, printable, not endless."""
    text = value if isinstance(value, str) else str(value)
    text = text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
    return text if len(text) <= 60 else text[:57] + "…"


def _plain(kind: str, text: str) -> Any:
    try:
        if kind == "timestamp":
            return date.fromisoformat(text)
        # Octal, binary, sexagesimal and underscored numbers of YAML 1.1 are nobody's intention here.
        if not (text.isascii() and text.replace(".", "", 1).removeprefix("-").isdigit() and len(text) < 19):
            return text
        if kind == "int":
            return text if len(text) > 1 and text.startswith("0") else int(text)
        return float(text)
    except ValueError:
        return text


def _place(node: yaml.Node) -> Place:
    start, end = node.start_mark, node.end_mark
    one_line = start.line == end.line and end.column > start.column
    return Place(start.line + 1, start.column + 1, end.column - start.column if one_line else 1)


def _problem(file: str, text: str, message: str, place: Place | None) -> Problem:
    if place is None:
        return Problem(file, 0, 0, message)
    lines = text.splitlines()
    excerpt = lines[place.line - 1] if place.line <= len(lines) else ""
    return Problem(file, place.line, place.column, message, excerpt, place.width)

"""One set of values out of a file and what it extends, nearest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.policy.document import Document, Path
from proxy.policy.model import Settings
from proxy.policy.verdict import Source


@dataclass(frozen=True, slots=True)
class Merged:
    settings: Settings
    sources: Mapping[Path, Source]


def merge(chain: Sequence[Document]) -> Merged:
    """Mappings are merged key by key, exceptions are added up, anything else is replaced.

    Precondition: every document is valid by itself.
    """
    data: dict[str, Any] = {}
    sources: dict[Path, Source] = {}
    for layer in reversed(chain):
        own = expand(layer.data)
        shift = len(own.get("exceptions", ()))
        kept = {_shifted(path, shift): source for path, source in sources.items() if not _replaced(path, own)}
        sources = {**kept, **_sources(layer)}
        exceptions = (*own.get("exceptions", ()), *data.get("exceptions", ()))
        data = {**_overlay(data, own), "exceptions": exceptions}
    return Merged(Settings.model_validate(data), sources)


def expand(data: Any) -> Any:
    """``rule: reject`` as the mapping it is short for, so that the two spellings merge alike."""
    if not isinstance(data, dict) or not isinstance(data.get("rules"), dict):
        return data
    rules = {name: {"action": s} if isinstance(s, str) else s for name, s in data["rules"].items()}
    return {**data, "rules": rules}


def _overlay(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        below = base.get(key)
        merged[key] = _overlay(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return merged


def _sources(layer: Document) -> dict[Path, Source]:
    sources = {}
    for path, value in layer.values.items():
        # Of `key:` with its mapping below, the key's line is what people look for.
        place = layer.keys.get(path, value)
        sources[path] = Source(layer.file, place.line)
        if len(path) == 2 and path[0] == "rules":
            sources.setdefault((*path, "action"), sources[path])
    return sources


def _shifted(path: Path, by: int) -> Path:
    match path:
        case ("exceptions", int(i), *rest):
            return ("exceptions", i + by, *rest)
    return path


def _replaced(path: Path, own: Any) -> bool:
    """Whether ``own`` has another value at ``path`` or around it, as against merging into it."""
    if path[:1] == ("exceptions",):
        return False
    for key in path:
        if not isinstance(own, dict):
            return True
        if key not in own:
            return False
        own = own[key]
    return True

"""A pack's name or a file -> a Policy, or every mistake in it at once."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from proxy.policy import document, explain
from proxy.policy.document import Document
from proxy.policy.effective import Policy
from proxy.policy.merge import merge
from proxy.policy.model import did_you_mean
from proxy.policy.problems import PolicyError, Problem

__all__ = ["Policy", "PolicyError", "Problem", "load", "pack_names", "text_of"]

LARGEST_BYTES = 1 << 20
PIN = "@"  # recommended@1; the packs' former versions are files of that name


def load(source: str | Path) -> Policy:
    """The policy of that name, or of that file; a bare name is a pack's before it is a file's.

    Reads files.  Raises PolicyError with all the problems of the file and of the one that it extends.
    """
    if isinstance(source, str) and (_is_pack(source) or _pinned(source)):
        chain = _chain_of_pack(source)
    else:
        chain = _chain_of_file(str(source))
    problems = [problem for layer in chain for problem in explain.check(layer)]
    if problems:
        raise PolicyError(problems)
    merged = merge(chain)
    if problems := explain.contradictions(merged.settings, chain):
        raise PolicyError(problems)
    sha = hashlib.sha256("\0".join(layer.text for layer in chain).encode()).hexdigest()
    pin = next((name for name in (str(source), *map(_extends, chain)) if name and _pinned(name)), "")
    return Policy(str(source), sha, merged.settings, tuple(layer.file for layer in chain), merged.sources, pin)


def pack_names() -> tuple[str, ...]:
    """``observe``, ``recommended``, ``strict``."""
    return tuple(sorted(name for name in _packs() if PIN not in name))


def text_of(file: str) -> str:
    """The text of one of a policy's ``files``, as it is now; empty if it cannot be read."""
    name = file.removeprefix("policies/").removesuffix(".yaml")
    try:
        if file.startswith("policies/") and name in _packs():
            return _packs()[name].read_text("utf-8")
        return Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


# ---------------------------------------------------------------- finding


@cache
def _packs() -> dict[str, Traversable]:
    # In the wheel the packs are inside the package; in a checkout they stand beside it.
    for folder in (files("proxy") / "policies", Path(__file__).parents[2] / "policies"):
        if folder.is_dir():
            return {f.name.removesuffix(".yaml"): f for f in folder.iterdir() if f.name.endswith(".yaml")}
    return {}


def _chain_of_pack(name: str) -> list[Document]:
    """The pack and the packs that it is built on."""
    bare, _, version = name.partition(PIN)
    current = document.read(f"policies/{bare}.yaml", _packs()[bare].read_bytes())
    if PIN not in name or version == str(_version(current)):
        pack = current
    elif name in _packs():
        pack = document.read(f"policies/{name}.yaml", _packs()[name].read_bytes())
    else:
        said = f"there is no {name}; this version of Interlock has {bare}{PIN}{_version(current)}"
        return [Document(name, "", problems=(Problem(name, 0, 0, said),))]
    base = _extends(pack)
    return [pack, *(_chain_of_pack(base) if base and (_is_pack(base) or _pinned(base)) else [])]


def _is_pack(name: str) -> bool:
    return name in pack_names()


def _pinned(name: str) -> bool:
    """Whether it asks for one version of a pack."""
    bare, pin, _ = name.partition(PIN)
    return bool(pin) and _is_pack(bare)


def _version(pack: Document) -> Any:
    return pack.data.get("pack") if isinstance(pack.data, dict) else None


def _chain_of_file(name: str) -> list[Document]:
    """The file and what it extends, which is looked for beside it."""
    own = _read(name)
    base = _extends(own)
    if base is None:
        return [own]
    if _is_pack(base) or _pinned(base):
        chain = _chain_of_pack(base)
        if chain[0].problems and not chain[0].text:
            return [_with(own, chain[0].problems[0].message)]
        return [own, *chain]
    path = os.path.normpath(os.path.join(os.path.dirname(name), base))
    other = _read(path)
    if other.problems and not other.text:
        return [_with(own, f"cannot extend '{document.shown(base)}': {other.problems[0].message}")]
    if _extends(other) is not None:
        several = f"'{document.shown(base)}' extends another policy itself; one level is read, so extend that one here"
        return [_with(own, several), other]
    return [own, other]


def _extends(layer: Document) -> str | None:
    value = layer.data.get("extends") if isinstance(layer.data, dict) else None
    return value.strip() if isinstance(value, str) and value.strip() else None


def _with(layer: Document, message: str) -> Document:
    problem = layer.problem(message, layer.values[("extends",)])
    return replace(layer, problems=(*layer.problems, problem))


def _read(name: str) -> Document:
    def refuse(message: str) -> Document:
        return Document(name, "", problems=(Problem(name, 0, 0, message),))

    try:
        # A device or a pipe would never end.
        if os.path.exists(name) and not os.path.isfile(name):
            return refuse("this is not a file")
        with open(name, "rb") as f:
            content = f.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        guess = did_you_mean(name, pack_names()) or f"; the built-in ones are {', '.join(pack_names())}"
        return refuse(f"no such file, and no built-in policy of that name{guess}")
    except OSError as e:
        return refuse(f"cannot be read: {e.strerror}")
    except ValueError:
        return refuse("no file can have that name")
    if len(content) > LARGEST_BYTES:
        return refuse("larger than 1 MB, which is no policy")
    return document.read(name, content)

"""One line of the log, and what ties it to the line before.

A line is one JSON object whose last member is ``hash``: the SHA-256, in hexadecimal, of the line's own bytes
up to (not including) ``,"hash":``.  Those bytes hold ``prev``, the hash of the line before, so the hashes are a
chain, and anybody can check a line without knowing how JSON is spelt::

    sed 's/,"hash":"[0-9a-f]*"}$//' | tr -d '\\n' | sha256sum
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

GENESIS = "0" * 64  # ``prev`` of the very first line

_BEFORE = b',"hash":"'
_AFTER = b'"}'
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_TAIL = len(_BEFORE) + 64 + len(_AFTER)


class AuditError(Exception):
    """The log cannot be opened, read or written; the text names the file, the reason and, where there is one, the way out."""


class NotARecord(ValueError):
    """Bytes that are no line of an audit log; the text says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line as read.  ``hash`` is what it claims, ``intact`` whether its bytes still give that hash."""

    record: dict[str, Any]
    seq: int
    prev: str
    hash: str
    intact: bool


def encode(record: Mapping[str, Any]) -> tuple[bytes, str]:
    """The line for a record that holds ``seq`` and ``prev``, newline included, and its hash.

    Text that is not Unicode (lone surrogates of a client in another encoding) is kept as a JSON escape.
    """
    body = _JSON.encode(record).encode("utf-8", "backslashreplace")[:-1]
    digest = sha256(body).hexdigest()
    return body + _BEFORE + digest.encode() + _AFTER + b"\n", digest


def decode(line: bytes) -> Line:
    """Read one line, without its newline; raises NotARecord if it has not the shape of one."""
    body, tail = line[:-_TAIL], line[-_TAIL:]
    if not (body.startswith(b"{") and tail.startswith(_BEFORE) and tail.endswith(_AFTER)):
        raise NotARecord("it does not end in a hash")
    digest = tail[len(_BEFORE) : -len(_AFTER)].decode("ascii", "replace")
    try:
        record = json.loads(body + b"}")
    except (ValueError, RecursionError) as error:
        raise NotARecord(f"it is not JSON: {error}") from error
    seq, prev = record.get("seq"), record.get("prev")
    if not isinstance(seq, int) or not isinstance(prev, str):
        raise NotARecord("it has no seq and prev")
    return Line({**record, "hash": digest}, seq, prev, digest, sha256(body).hexdigest() == digest)

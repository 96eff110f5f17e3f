"""How our own queries carry values: base64 of JSON both ways, so that client_encoding cannot get in the way."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any


class UnreadableAnswer(Exception):
    """What came back is not what our query gives."""


def encode(value: object) -> str:
    """``value`` as the text parameter of a query."""
    return base64.b64encode(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogateescape")).decode()


def inlined(sql: str, encoded: str) -> str:
    """A query with its one parameter, which ``encode`` has made: of that no character means anything in a literal."""
    return sql.replace("$1", f"'{encoded}'")


def decode(text: str | bytes) -> Any:
    """The value in ``UTF8 <base64>``: the database's encoding and JSON in it.  None for an empty answer.

    Raises UnreadableAnswer.
    """
    if isinstance(text, bytes):  # as a driver gives it under client_encoding SQL_ASCII
        text = text.decode("ascii", errors="replace")
    encoding, _, body = text.partition(" ")
    if not body:
        return None
    try:
        raw = base64.b64decode(body)
        try:
            decoded = raw.decode(PYTHON_ENCODINGS.get(encoding, encoding), errors="surrogateescape")
        except LookupError:  # one that Python does not know (EUC_TW, MULE_INTERNAL): what is ASCII survives
            decoded = raw.decode("ascii", errors="surrogateescape")
        return json.loads(decoded)
    except (binascii.Error, ValueError) as error:
        raise UnreadableAnswer(f"the database's answer cannot be read: {error}") from error


# Where Postgres's name for an encoding is not one of Python's.
PYTHON_ENCODINGS: Mapping[str, str] = {
    "SQL_ASCII": "utf-8",
    "SJIS": "cp932",
    "UHC": "cp949",
    "WIN866": "cp866",
    "WIN874": "cp874",
    "KOI8R": "koi8_r",
    "KOI8U": "koi8_u",
    **{f"WIN{n}": f"cp{n}" for n in range(1250, 1259)},
    **{f"LATIN{n}": f"latin{n}" for n in range(1, 11)},
}

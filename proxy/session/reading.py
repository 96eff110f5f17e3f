"""How the bytes of a statement become text: as the session's reported settings say.

Source: Postgres docs, "Character Set Support" (23.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SETTINGS = (
    "/* interlock */ SELECT pg_catalog.current_setting('standard_conforming_strings'),"
    " pg_catalog.current_setting('client_encoding')"
)

# Postgres's name -> Python's codec.  EUC_TW and MULE_INTERNAL have none, and Python's SHIFT_JIS_2004 takes a backslash
# for a yen sign, which the server does not: there only ASCII is read.
CODECS = {
    "UTF8": "utf-8", "SQL_ASCII": "utf-8", "SJIS": "cp932", "BIG5": "cp950",
    "GBK": "gbk", "UHC": "cp949", "GB18030": "gb18030", "JOHAB": "johab", "EUC_JP": "euc_jp", "EUC_CN": "gb2312",
    "EUC_KR": "euc_kr", "EUC_JIS_2004": "euc_jis_2004", "KOI8R": "koi8_r", "KOI8U": "koi8_u", "LATIN1": "latin-1",
    "LATIN2": "iso8859-2", "LATIN3": "iso8859-3", "LATIN4": "iso8859-4", "LATIN5": "iso8859-9", "LATIN6": "iso8859-10",
    "LATIN7": "iso8859-13", "LATIN8": "iso8859-14", "LATIN9": "iso8859-15", "LATIN10": "iso8859-16",
    **{f"ISO_8859_{n}": f"iso8859-{n}" for n in (5, 6, 7, 8)}, "WIN866": "cp866", "WIN874": "cp874",
    **{f"WIN{n}": f"cp{n}" for n in range(1250, 1259)},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    standard_conforming_strings: bool = True
    client_encoding: str = "UTF8"

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Reading:
        """As the server reported them last (ParameterStatus)."""
        encoding = parameters.get("client_encoding", "UTF8").upper()
        if encoding == "SQL_ASCII":  # nothing is converted
            encoding = parameters.get("server_encoding", encoding).upper()
        if encoding == "UNICODE":  # the one alias that the server reports as it was set (check_client_encoding)
            encoding = "UTF8"
        return cls(parameters.get("standard_conforming_strings", "on") == "on", encoding)

    @property
    def codec(self) -> str:
        return CODECS.get(self.client_encoding, "ascii")

    def decode(self, sql: bytes) -> str | None:
        """The text, as the server reads it too; None if it cannot be told (nor, mostly, by the server: 22021)."""
        try:
            return sql.decode(self.codec)
        except UnicodeDecodeError:
            return None

    def encode(self, text: str) -> bytes:
        """The bytes of a text made from a decoded one.  Raises UnicodeEncodeError.

        A text that could not be decoded, and was taken as ASCII with surrogates, gives its bytes back.
        """
        return text.encode(self.codec, "surrogateescape")

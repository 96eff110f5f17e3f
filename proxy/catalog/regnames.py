"""Names as regnamespace, regcollation and the like print them."""

from __future__ import annotations


def unquoted(text: str) -> tuple[str, ...]:
    """``("a.b", "c")`` of ``"a.b".c``: the parts of a name that quote_identifier has quoted where it must."""
    parts: list[str] = []
    at = 0
    while at < len(text):
        if text[at] != '"':
            end = text.find(".", at)
            end = len(text) if end < 0 else end
            parts.append(text[at:end])
        else:
            end = at + 1
            while end < len(text) and (text[end] != '"' or text[end : end + 2] == '""'):
                end += 2 if text[end] == '"' else 1
            parts.append(text[at + 1 : end].replace('""', '"'))
            end += 1
        at = end + 1
    return tuple(parts)

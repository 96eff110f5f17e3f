"""From a client's string to what it says."""

from __future__ import annotations

from proxy.sql.body import Body
from proxy.sql.inside import Reader
from proxy.sql.lexer import LexError, scan
from proxy.sql.statements import Span, Statement, Unreadable


def read(text: str, *, standard_conforming_strings: bool = True) -> tuple[Statement, ...]:
    """The statements of ``text``, in order; an empty one is none.  Never raises.

    A statement outside the grammar is Unreadable, and so is, as one, a text that the lexer refuses.
    ``standard_conforming_strings`` is the session's setting, as the server last reported it.
    """
    try:
        lexed = scan(text, standard_conforming_strings=standard_conforming_strings)
    except LexError as error:
        return (Statement(text, Span(0, len(text)), Unreadable(error.position, f"the end of the {error.what}")),)
    body = Body(text, lexed.tokens, lexed.comments, len(text))
    return tuple(Reader(standard_conforming_strings).statements(body))

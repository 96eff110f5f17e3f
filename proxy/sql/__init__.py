"""Text: what a client's string says, read as Postgres reads it, and where each part of it stands.

``token``      a word, literal, operator or mark, with its place (``lexer``)
``run``        the tokens of one statement (``split``)
``cursor``     a reader over a run, on which the grammar's modules are written
``statement``  a frozen dataclass for what was read (``statements``), made by ``read``
``gate``       the cheap test in front of all this; ``edit`` splices; ``names`` are Postgres's own defaults

Nothing here knows what a statement does.  sqlglot reads the inside of expressions only (``expression``).
"""

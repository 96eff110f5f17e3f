"""Copies of records: ``dataclasses.replace`` in less than half of its time.

Decisions and plans copy facts, statements and steps all the time.  A frozen dataclass with slots is copied slot by
slot here, past its ``__init__`` and ``__setattr__``; so every field must be one that ``__init__`` takes as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import replace as replace  # its arguments are checked
else:
    from dataclasses import fields
    from functools import cache
    from operator import attrgetter

    def replace(record, /, **changes):
        """The record with these fields changed."""
        of = record.__class__
        values, setters = _slots(of)
        copy = of.__new__(of)
        for name_set, value in zip(setters, values(record), strict=False):
            name_set(copy, value)
        for name, value in changes.items():
            object.__setattr__(copy, name, value)
        return copy

    @cache
    def _slots(of):
        """What gives the values of all fields, and what sets each."""
        known = fields(of)
        assert all(field.init for field in known), of
        assert not hasattr(of, "__post_init__"), of
        names = [field.name for field in known]
        # attrgetter gives no tuple for a single name.
        return attrgetter(*names, "__class__"), [getattr(of, name).__set__ for name in names]

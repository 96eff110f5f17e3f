"""Durations and sizes as a policy writes them, always with a unit; times of the day, ranges of days, zones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from proxy.catalog.facts import describe_size

LONGEST_MS = 2**31 - 1  # Postgres keeps its timeouts in 32 bits of milliseconds


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A span of time in whole milliseconds, more than none; ``str`` is the shortest spelling: ``50ms``, ``6h``."""

    ms: int

    units: ClassVar[Mapping[str, int]] = {
        "ms": 1,
        "s": 1000,
        "m": 60_000,
        "min": 60_000,
        "h": 3_600_000,
        "d": 86_400_000,
    }
    pattern: ClassVar[str] = r"^[0-9]+(\.[0-9]+)? *(ms|s|m|min|h|d)$"

    @property
    def seconds(self) -> float:
        return self.ms / 1000

    def __str__(self) -> str:
        unit = next(u for u in ("d", "h", "m", "s", "ms") if self.ms % self.units[u] == 0)
        return f"{self.ms // self.units[unit]}{unit}"

    @classmethod
    def parse(cls, value: object) -> Duration:
        """Raises ValueError with a message for the author of the policy."""
        if isinstance(value, cls):
            return value
        ms = _parse(value, cls.units, "a duration", "ms", ("2s", "{0}s or {0}ms"))
        if ms == 0:
            # Postgres takes a timeout of 0 for none at all, the opposite of what the number says.
            raise ValueError(f"'{value}' is no time at all; write 1ms or more")
        if ms > LONGEST_MS:
            raise ValueError(f"'{value}' is longer than Postgres can count; write 24d or less")
        return cls(ms)


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """A number of bytes; units are multiples of 1024, as in Postgres."""

    bytes: int

    units: ClassVar[Mapping[str, int]] = {"kB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
    pattern: ClassVar[str] = r"^[0-9]+(\.[0-9]+)? *(kB|MB|GB|TB)$"

    def __str__(self) -> str:
        for unit in ("TB", "GB", "MB", "kB"):
            if self.bytes and self.bytes % self.units[unit] == 0:
                return f"{self.bytes // self.units[unit]}{unit}"
        return f"{self.bytes // 1024}kB"

    @property
    def pretty(self) -> str:
        """For a sentence: ``10 MB``."""
        return describe_size(self.bytes)

    @classmethod
    def parse(cls, value: object) -> Size:
        """Raises ValueError with a message for the author of the policy."""
        if isinstance(value, cls):
            return value
        return cls(_parse(value, cls.units, "a size", "bytes", ("10MB", "{0}MB or {0}kB")))


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")  # as date.weekday() counts
MINUTES_A_DAY = 1440


@dataclass(frozen=True, slots=True, order=True)
class TimeOfDay:
    """Minutes since midnight by the clock on the wall; 24:00 is the end of the day."""

    minutes: int

    pattern: ClassVar[str] = r"^([01]?[0-9]|2[0-3]):[0-5][0-9]$|^24:00$"

    def __str__(self) -> str:
        return f"{self.minutes // 60:02}:{self.minutes % 60:02}"

    @classmethod
    def parse(cls, value: object) -> TimeOfDay:
        """Raises ValueError with a message for the author of the policy."""
        if isinstance(value, cls):
            return value
        hours, colon, minutes = str(value).strip().partition(":")
        digits = (hours + minutes).isascii() and (hours + minutes).isdigit()
        if not (colon and digits and len(hours) in (1, 2) and len(minutes) == 2):
            raise ValueError(f"'{value}' is not a time of the day; write 16:00")
        found = cls(int(hours) * 60 + int(minutes))
        if int(minutes) > 59 or found.minutes > MINUTES_A_DAY:
            raise ValueError(f"'{value}' is not a time of the day; the last one is 24:00")
        return found


@dataclass(frozen=True, slots=True)
class DateRange:
    """Days of the calendar, both ends included."""

    first: date
    last: date

    pattern: ClassVar[str] = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}( to [0-9]{4}-[0-9]{2}-[0-9]{2})?$"

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    @classmethod
    def parse(cls, value: object) -> DateRange:
        """Raises ValueError with a message for the author of the policy."""
        if isinstance(value, cls):
            return value
        first, to, last = str(value).partition(" to ")
        try:
            found = cls(date.fromisoformat(first.strip()), date.fromisoformat((last if to else first).strip()))
        except ValueError:
            raise ValueError(f"'{value}' is no day; write 2026-12-24, or 2026-12-24 to 2027-01-02") from None
        if found.last < found.first:
            raise ValueError(f"'{value}' ends before it begins")
        return found


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone by its name in the tz database."""

    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def info(self) -> ZoneInfo:
        return ZoneInfo(self.name)

    @classmethod
    def parse(cls, value: object) -> Zone:
        """Raises ValueError with a message for the author of the policy."""
        if isinstance(value, cls):
            return value
        try:
            return cls(ZoneInfo(str(value)).key)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"'{value}' is not a time zone; write a name such as UTC or Europe/Berlin") from None


def _parse(value: object, units: Mapping[str, int], what: str, smallest: str, examples: tuple[str, str]) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"expected {what} such as {examples[0]}")
    text = str(value).strip()
    number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ").rstrip()
    unit = text[len(number) :].strip()
    if not number or not all(part.isascii() and part.isdigit() for part in number.split(".", 1)) or len(number) > 20:
        raise ValueError(f"'{text}' is not {what}; write {examples[0]}")
    if not unit:
        raise ValueError(f"'{text}' has no unit; write {examples[1].format(text)}")
    if unit not in units:
        raise ValueError(f"'{text}' has the unknown unit '{unit}'; one of {', '.join(units)}")
    amount = Decimal(number) * units[unit]
    if amount != int(amount):
        raise ValueError(f"'{text}' is not a whole number of {smallest}; write {examples[0]}")
    return int(amount)

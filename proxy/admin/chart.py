"""Small charts as inline SVG: the highest value of each stretch of time, with an axis that people can read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

STRETCHES = 60
WIDTH, HEIGHT, LEFT, BOTTOM = 600, 184, 92, 28


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """``said`` is the chart in a sentence, for those who do not see it."""

    title: str
    bars: tuple[Bar, ...]
    lines: tuple[tuple[float, str], ...]  # y, label
    said: str
    minutes: int
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


def ms(value: float) -> str:
    if value < 10_000:
        return f"{value:.1f} ms" if 0 < value < 10 else f"{value:,.0f} ms"
    return f"{value / 1000:,.0f} s" if value < 120_000 else f"{value / 60_000:,.0f} min"


def chart(title: str, samples: Iterable[tuple[float, float]], now: float, minutes: int = 30) -> Chart:
    """``samples`` are (Unix time, milliseconds)."""
    span = minutes * 60 / STRETCHES
    highest = [0.0] * STRETCHES
    counts = [0] * STRETCHES
    for at, value in samples:
        place = STRETCHES - 1 - int((now - at) / span)
        if 0 <= place < STRETCHES:
            highest[place] = max(highest[place], value)
            counts[place] += 1
    top = nice(max(highest))
    room, tall = (WIDTH - LEFT) / STRETCHES, HEIGHT - BOTTOM
    bars = tuple(
        Bar(
            round(LEFT + place * room + 1, 1),
            round(tall - max(2.0, value / top * (tall - 14)), 1),
            round(room - 2, 1),
            round(max(2.0, value / top * (tall - 14)), 1),
            f"{ms(value)}, {(STRETCHES - place) * span / 60:.0f} min ago",
        )
        for place, value in enumerate(highest)
        if counts[place]
    )
    lines = ((14.0, ms(top)), (14 + (tall - 14) / 2, ms(top / 2)), (float(tall), "0"))
    total = sum(counts)
    said = f"{title}, the last {minutes} minutes: {total} measured" + (f", at most {ms(max(highest))}" if total else "")
    return Chart(title, bars, lines, said, minutes)


def nice(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50 …"""
    step = 1.0
    while True:
        for factor in (1, 2, 5):
            if value <= step * factor:
                return step * factor
        step *= 10

"""A picture of latency over time, as SVG: one panel a migration, one line each way to run it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from bench.svg import document, legend

COLOURS = {"direct": "#c0392b", "by hand": "#7f8c8d", "django-pg-zero-downtime": "#d68910", "Interlock": "#1f618d"}
WIDTH, HEIGHT, LEFT, TOP = 420, 150, 60, 30
FLOOR_MS, CEILING_MS = 1.0, 20_000.0
Line = Sequence[tuple[float, float]]  # (when a statement began, how long it took), in seconds


def svg(panels: Mapping[str, Mapping[str, Line]]) -> str:
    """``panels``: migration -> way -> the application's statements, times counted from the migration's beginning."""
    columns = 2
    rows = math.ceil(len(panels) / columns)
    width, height = columns * (WIDTH + LEFT + 20), rows * (HEIGHT + TOP + 40) + 40
    parts = legend(COLOURS, left=LEFT, apart=180, stroke=2)
    for number, (name, lines) in enumerate(panels.items()):
        x = (number % columns) * (WIDTH + LEFT + 20) + LEFT
        y = (number // columns) * (HEIGHT + TOP + 40) + TOP + 40
        parts.append(f'<g transform="translate({x} {y})">{_panel(name, lines)}</g>')
    return document(width, height, parts)


def _panel(name: str, lines: Mapping[str, Line]) -> str:
    longest = max((start + took for line in lines.values() for start, took in line), default=1.0) or 1.0
    parts = [
        f'<text x="0" y="-8" font-weight="bold">{escape(name)}</text>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#ccc"/>',
        f'<text x="{WIDTH}" y="{HEIGHT + 14}" text-anchor="end">{longest:.1f} s</text><text x="0" y="{HEIGHT + 14}">0 s</text>',
    ]
    for ms in (1, 10, 100, 1000, 10_000):
        y = _y(ms)
        parts.append(
            f'<path d="M0 {y:.1f}h{WIDTH}" stroke="#eee"/><text x="-4" y="{y + 4:.1f}" text-anchor="end">{ms} ms</text>'
        )
    for way, line in lines.items():
        points = " ".join(
            f"{WIDTH * at / longest:.1f},{_y(1000 * took):.1f}" for at, took in _worst(line, longest / 150)
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{COLOURS.get(way, "#000")}" stroke-width="1.5"/>'
        )
    return "".join(parts)


def _y(ms: float) -> float:
    low, high = math.log10(FLOOR_MS), math.log10(CEILING_MS)
    return HEIGHT * (1 - (math.log10(min(max(ms, FLOOR_MS), CEILING_MS)) - low) / (high - low))


def _worst(line: Line, bucket_s: float) -> list[tuple[float, float]]:
    """The worst of each short time, by when the statement began."""
    found: dict[int, float] = {}
    for start, took in line:
        key = int(max(0.0, start) / bucket_s)
        found[key] = max(found.get(key, 0.0), took)
    return [(key * bucket_s, took) for key, took in sorted(found.items())]

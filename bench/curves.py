"""Curves as SVG: a panel each, both axes logarithmic, with what would be linear as a dotted line through the first point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from bench.svg import document

COLUMNS, WIDTH, HEIGHT, LEFT, TOP, BELOW = 3, 210, 120, 60, 34, 40
COLOUR = "#1f618d"
Points = Sequence[tuple[float, float]]  # (size, cost), sizes ascending, nothing below or at 0


def svg(panels: Mapping[str, tuple[str, str, Points]]) -> str:
    """``panels``: title -> unit of the size, unit of the cost, points."""
    rows = math.ceil(len(panels) / COLUMNS)
    parts = []
    for number, (title, (of, cost, points)) in enumerate(panels.items()):
        x = LEFT + (number % COLUMNS) * (WIDTH + LEFT + 10)
        y = TOP + (number // COLUMNS) * (HEIGHT + TOP + BELOW)
        parts.append(f'<g transform="translate({x} {y})">{_panel(title, of, cost, points)}</g>')
    return document(COLUMNS * (WIDTH + LEFT + 10) + 20, rows * (HEIGHT + TOP + BELOW) + 10, parts)


def _panel(title: str, of: str, cost: str, points: Points) -> str:
    sizes, costs = [size for size, _ in points], [took for _, took in points]
    first, last = points[0], sizes[-1]
    linear = first[1] * last / first[0]
    low, high = min(costs), max(*costs, linear)

    def place(size: float, took: float) -> str:
        x = WIDTH * math.log(size / sizes[0]) / math.log(last / sizes[0])
        y = HEIGHT * (1 - math.log(took / low) / math.log(high / low))
        return f"{x:.1f},{y:.1f}"

    marks = "".join(
        f'<circle cx="{at.split(",")[0]}" cy="{at.split(",")[1]}" r="2.5" fill="{COLOUR}"/>'
        for at in (place(*point) for point in points)
    )
    return "".join(
        (
            f'<text x="0" y="-8" font-weight="bold">{escape(title)}</text>',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#ccc"/>',
            f'<polyline points="{place(*first)} {place(last, linear)}" stroke="#999" stroke-dasharray="2 3"/>',
            f'<polyline points="{" ".join(place(*p) for p in points)}" fill="none" stroke="{COLOUR}" stroke-width="1.5"/>',
            marks,
            f'<text x="0" y="{HEIGHT + 14}">{sizes[0]:,g}</text>',
            f'<text x="{WIDTH}" y="{HEIGHT + 14}" text-anchor="end">{last:,g} {escape(of)}</text>',
            f'<text x="-4" y="{HEIGHT}" text-anchor="end">{_short(low)}</text>',
            f'<text x="-4" y="8" text-anchor="end">{_short(high)}</text>',
            f'<text x="-4" y="{HEIGHT / 2 + 4}" text-anchor="end">{escape(cost)}</text>',
        )
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"

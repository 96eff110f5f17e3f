"""A bar chart as SVG: for each case, each way's rate as a share of the direct connection's."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from bench.svg import document, legend

COLOURS = {"pgbouncer": "#95a5a6", "Interlock": "#1f618d", "Interlock, compiled": "#5dade2"}
LABEL, WIDTH, BAR, GAP, TOP = 330, 420, 11, 8, 44
MOST = 1.4


def svg(cases: Mapping[str, Mapping[str, float]]) -> str:
    """``cases``: case -> way -> ratio; 1 is marked, for there nothing is lost."""
    step = BAR * len(COLOURS) + GAP
    height = TOP + step * len(cases) + 20
    scale = WIDTH / MOST
    parts = legend(COLOURS, left=LABEL, apart=120, stroke=12)
    for tick in (0.0, 0.5, 1.0):
        mark = LABEL + tick * scale
        dash = "" if tick == 1.0 else ' stroke-dasharray="2 3"'
        parts.append(
            f'<path d="M{mark:.1f} {TOP - 6}V{height - 16}" stroke="#999"{dash}/><text x="{mark:.1f}" y="{height - 4}" text-anchor="middle">{tick:g}</text>'
        )
    for row, (name, ratios) in enumerate(cases.items()):
        y = TOP + row * step
        parts.append(f'<text x="{LABEL - 8}" y="{y + BAR + 4}" text-anchor="end">{escape(name)}</text>')
        for number, (way, colour) in enumerate(COLOURS.items()):
            if way not in ratios:
                continue
            width, top = min(ratios[way], MOST) * scale, y + number * BAR
            parts.append(f'<rect x="{LABEL}" y="{top}" width="{width:.1f}" height="{BAR - 1}" fill="{colour}"/>')
            parts.append(
                f'<text x="{LABEL + width + 4:.1f}" y="{top + BAR - 2}" font-size="9">{ratios[way]:.2f}</text>'
            )
    return document(LABEL + WIDTH + 60, height, parts)

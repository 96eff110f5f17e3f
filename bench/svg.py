"""What the pictures of the benchmarks have in common: the document, and the legend at its top."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

LEGEND_Y = 18


def document(width: int, height: int, parts: Iterable[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    )
    return "\n".join([*head, *parts, "</svg>\n"])


def legend(colours: Mapping[str, str], *, left: int, apart: int, stroke: int) -> list[str]:
    """A stroke of its colour, as thick as in the picture, before each name."""
    return [
        f'<path d="M{x} {LEGEND_Y}h16" stroke="{colour}" stroke-width="{stroke}"/>'
        f'<text x="{x + 22}" y="{LEGEND_Y + 4}">{escape(way)}</text>'
        for x, (way, colour) in zip(range(left, left + apart * len(colours), apart), colours.items(), strict=True)
    ]

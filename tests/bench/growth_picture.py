"""CPU a minute over the number of accounts, both logarithmic, as an SVG file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10

_WIDTH, _HEIGHT, _LEFT, _TOP = 640, 400, 64, 24
_COLOURS = ("#b04a3a", "#2a6f97")

Points = Sequence[tuple[float, float]]


def draw(lines: Mapping[str, Points]) -> str:
    """A line for each version: accounts, and seconds of CPU a minute."""
    points = [point for line in lines.values() for point in line]
    most_x = ceil(log10(max(x for x, _ in points)))
    least_y = floor(log10(min(y for _, y in points)))
    most_y = ceil(log10(max(y for _, y in points)))

    def place(x: float, y: float) -> tuple[float, float]:
        right = (_WIDTH - _LEFT - 90) * log10(x) / most_x
        up = (_HEIGHT - _TOP - 56) * (log10(y) - least_y) / (most_y - least_y)
        return round(_LEFT + right, 1), round(_HEIGHT - 56 - up, 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">',
        "<style>text { font: 12px sans-serif }</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
    ]
    for power in range(most_x + 1):
        x, bottom = place(10.0**power, 10.0**least_y)
        _, top = place(10.0**power, 10.0**most_y)
        parts.append(f'<path d="M{x} {bottom}V{top}" stroke="#ddd"/>')
        parts.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{10**power:,}</text>')
    for power in range(least_y, most_y + 1):
        left, y = place(1, 10.0**power)
        right, _ = place(10.0**most_x, 10.0**power)
        parts.append(f'<path d="M{left} {y}H{right}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{10.0**power:g} s</text>')
    for (name, line), colour in zip(lines.items(), _COLOURS, strict=False):
        places = [place(*point) for point in line]
        path = "L".join(f"{x} {y}" for x, y in places)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.extend(f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>' for x, y in places)
        x, y = places[-1]
        parts.append(f'<text x="{x + 10}" y="{y + 4}" fill="{colour}">{name}</text>')
    title = "CPU a minute by accounts of 10 busy templates, polled each minute"
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 14}">{title}</text></svg>')
    return "\n".join(parts) + "\n"

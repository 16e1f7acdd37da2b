"""What a legend shows of a series."""

from __future__ import annotations

from schemas.charts.lines import point
from schemas.charts.svg import COLOURS, DASHES, element


def bar_swatch(series: int) -> str:
    """What a legend shows of a series of bars."""
    bar = element("rect", class_=f"s{series % COLOURS}", x=2, y=2, width=12, height=12)
    return element("svg", [bar], class_="swatch", viewBox="0 0 16 16", aria_hidden="true")


def line_swatch(series: int, dash: int) -> str:
    """What a legend shows of a line: its colour, its pattern and the shape of its points."""
    line = element("line", class_=f"line l{series % COLOURS} d{dash % DASHES}", x1=0, x2=32, y1=8, y2=8)
    return element("svg", [line, point(series, dash, 16, 8)], class_="swatch", viewBox="0 0 32 16", aria_hidden="true")

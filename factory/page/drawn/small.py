"""Pictures without axes: the course of a value, and how values are spread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape

from markupsafe import Markup

from factory.looking.tally import Bin
from factory.page.words import count, number
from schemas.charts.svg import element
from schemas.visible import visible

WIDTH, HEIGHT = 100.0, 32.0
MOST_POINTS = 120


def spark(values: Sequence[float | None], alt: str, top: float | None = None, look: str = "spark") -> Markup:
    """A line from left to right over zero; gaps where nothing is known. `top`: the value at the upper edge."""
    known = [value for value in values if value is not None]
    high = top or max(known, default=0.0) or 1.0
    lines = [element("polyline", class_="line l1", points=points) for points in _stretches(_thinned(values), high)]
    return _picture(lines, f"{look} d0", alt)


def _stretches(values: Sequence[float | None], high: float) -> Iterator[str]:
    """Points of each run of known values; one alone becomes a short dash."""
    step = WIDTH / max(len(values) - 1, 1)
    run: list[str] = []
    for place, value in enumerate([*values, None]):
        if value is not None:
            y = HEIGHT - 1 - min(max(value / high, 0.0), 1.0) * (HEIGHT - 2)
            run.append(f"{place * step:.1f},{y:.1f}")
        elif run:
            yield " ".join(
                run if len(run) > 1 else [run[0], f"{min((place - 0.5) * step, WIDTH):.1f},{run[0].split(',')[1]}"]
            )
            run = []


def _thinned(values: Sequence[float | None]) -> Sequence[float | None]:
    every = -(-len(values) // MOST_POINTS)
    return values if every <= 1 else [*values[:-1:every], values[-1]]


def bins(found: Sequence[Bin], alt: str, href: Callable[[Bin], str] | None = None) -> Markup:
    """A bar for each bin, the fullest as high as the picture. `href`: where a bar leads."""
    most = max((each.rows for each in found), default=0) or 1
    wide = WIDTH / max(len(found), 1)
    bars = [_bar(each, place * wide, wide, most, href) for place, each in enumerate(found)]
    return _picture(bars, "spark bins", alt, "img" if href is None else "group")


def _bar(found: Bin, left: float, wide: float, most: int, href: Callable[[Bin], str] | None) -> str:
    high = max(found.rows / most * HEIGHT, 0.7 if found.rows else 0.0)  # what is there can be seen
    words = f"{number(found.low)} to {number(found.high)}: {count(found.rows)}"
    title = element("title", [escape(words)])
    gap = min(0.35, wide * 0.12)
    bar = element("rect", [title], x=left + gap / 2, y=HEIGHT - high, width=wide - gap, height=high)
    if href is None or not found.rows:
        return bar
    return element("a", [bar], href=href(found), aria_label=words, tabindex="-1")


def _picture(parts: Sequence[str], look: str, alt: str, role: str = "img") -> Markup:
    """`role`: what a picture is whose parts can be followed is a group."""
    return Markup(
        element(
            "svg",
            parts,
            class_=look,
            viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
            preserveAspectRatio="none",
            role=role,
            aria_label=visible(alt),
        )
    )

"""Lines over one axis, each with its colour and pattern."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from schemas.charts.svg import (
    COLOURS,
    DASHES,
    Frame,
    Show,
    drawing,
    element,
    padded,
    show_number,
    show_share,
    ticks,
    x_axis,
    y_axis,
)

SHAPES = (  # of points, after a circle: a square, a triangle, a diamond
    ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    ((0, -1.3), (1.2, 1), (-1.2, 1)),
    ((0, -1.5), (1.5, 0), (0, 1.5), (-1.5, 0)),
)
MOST_POINTS = 300  # of a line


class Path(msgspec.Struct, frozen=True):
    """A line through points (x, y). `dash`: its pattern and the shape of its points. `is_faint`: behind a mean."""

    series: int
    dash: int
    points: Sequence[tuple[float, float]]
    is_faint: bool = False


def line_chart(paths: Sequence[Path], title: str, show: Show, alt: str, marks: Sequence[tuple[float, str]] = ()) -> str:
    """`marks`: values of x with what is written there, and points set; without them whole numbers, and lines alone."""
    xs = [x for path in paths for x, _ in path.points]
    ys = [y for path in paths for _, y in path.points]
    frame = Frame(padded(xs, 0.03), _range(ys, is_share=show is show_share))
    parts = y_axis(frame, show) + x_axis(frame, marks or _whole_marks(min(xs), max(xs)), title)
    for path in sorted(paths, key=lambda path: not path.is_faint):  # faint ones behind
        parts += _path(frame, path, bool(marks) or len(path.points) == 1)
    return drawing(parts, alt)


def _range(values: Sequence[float], is_share: bool) -> tuple[float, float]:
    """Room around the values, but not where none can be: below 0 if none is, above 1 for shares."""
    low, high = padded(values)
    top = min(high, 1.0) if is_share and max(values) <= 1 else high
    return (max(low, 0.0) if min(values) >= 0 else low), top


def _whole_marks(low: float, high: float) -> list[tuple[float, str]]:
    values = ticks(low, high) if low < high else [low]
    return [(value, show_number(value)) for value in values if abs(value - round(value)) < 1e-9]


def _path(frame: Frame, path: Path, has_points: bool) -> Iterator[str]:
    places = [(frame.at_x(x), frame.at_y(y)) for x, y in _thinned(path.points)]
    look = "faint" if path.is_faint else f"d{path.dash % DASHES}"
    written = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield element("polyline", class_=f"line l{path.series % COLOURS} {look}", points=written)
    if has_points:
        yield from (point(path.series, path.dash, x, y) for x, y in places)


def point(series: int, shape: int, x: float, y: float) -> str:
    css = f"s{series % COLOURS}"
    if shape % DASHES == 0:
        return element("circle", class_=css, cx=x, cy=y, r=4)
    written = " ".join(f"{x + 4 * a:.1f},{y + 4 * b:.1f}" for a, b in SHAPES[shape % DASHES - 1])
    return element("polygon", class_=css, points=written)


def _thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """At most about `MOST_POINTS` of them, with the last."""
    every = -(-len(points) // MOST_POINTS)
    return points if every <= 1 else [*points[:-1:every], points[-1]]

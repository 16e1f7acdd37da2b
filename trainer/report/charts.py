"""The two charts of a report: bars side by side in clusters, and lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from trainer.report.svg import (
    LEFT,
    RIGHT,
    WIDTH,
    Frame,
    Show,
    drawing,
    element,
    padded,
    ticks,
    x_axis,
    y_axis,
)

COLOURS = 8  # that the style has; further series begin again
DASHES = 4
BAR, MOST_WIDTH = 9, 1000  # pixels: the least width of a bar, and the most of a plot
SHAPES = (  # of points, after a circle: a square, a triangle, a diamond
    ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    ((0, -1.3), (1.2, 1), (-1.2, 1)),
    ((0, -1.5), (1.5, 0), (0, 1.5), (-1.5, 0)),
)
GAP = 0.2  # share of a cluster's width between it and the next
MOST_POINTS = 300  # of a line
LABEL_CHARS = 16


class Bar(msgspec.Struct, frozen=True):
    """`series`: which colour. `value`: null where there is nothing to draw. `low`, `high`: an interval."""

    series: int
    value: float | None
    low: float | None = None
    high: float | None = None


class Cluster(msgspec.Struct, frozen=True):
    """Bars over one label. `floor`: a dashed line across them."""

    label: str
    bars: Sequence[Bar]
    floor: float | None = None


class Path(msgspec.Struct, frozen=True):
    """A line through points (x, y). `dash`: its pattern and the shape of its points. `is_faint`: behind a mean."""

    series: int
    dash: int
    points: Sequence[tuple[float, float]]
    is_faint: bool = False


def bar_chart(clusters: Sequence[Cluster], title: str, top: float | None, show: Show, alt: str) -> str:
    """`top`: of the y axis, which begins at 0; without it as high as the bars. `title`: of the x axis."""
    high = top or max((bar.value or 0.0 for cluster in clusters for bar in cluster.bars), default=0.0) * 1.05 or 1.0
    count = sum(len(cluster.bars) for cluster in clusters)
    width = min(max(WIDTH, LEFT + RIGHT + count * BAR / (1 - GAP)), MOST_WIDTH)
    frame = Frame((0.0, float(len(clusters))), (0.0, high), width)
    marks = [(place + 0.5, _short(cluster.label)) for place, cluster in enumerate(clusters)]
    parts = y_axis(frame, show)
    for place, cluster in enumerate(clusters):
        parts += _cluster(frame, place, cluster)
    return drawing([*parts, *x_axis(frame, marks, title)], alt, width)


def _cluster(frame: Frame, place: int, cluster: Cluster) -> Iterator[str]:
    each = (1 - GAP) / len(cluster.bars)
    for number, bar in enumerate(cluster.bars):
        if bar.value is not None:
            left = place + GAP / 2 + number * each
            yield from _bar(frame, left, each, bar)
    if cluster.floor is not None:
        y = frame.at_y(cluster.floor)
        x1, x2 = frame.at_x(place + GAP / 4), frame.at_x(place + 1 - GAP / 4)
        yield element("line", class_="floor", x1=x1, x2=x2, y1=y, y2=y)


def _bar(frame: Frame, left: float, width: float, bar: Bar) -> Iterator[str]:
    x, y, base = frame.at_x(left), frame.at_y(bar.value or 0.0), frame.at_y(0.0)
    wide = frame.at_x(left + width) - x
    yield element("rect", class_=f"s{bar.series % COLOURS}", x=x + 0.5, y=y, width=wide - 1, height=base - y)
    if bar.low is not None and bar.high is not None:
        middle = x + wide / 2
        yield element("line", class_="range", x1=middle, x2=middle, y1=frame.at_y(bar.low), y2=frame.at_y(bar.high))


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


def bar_swatch(series: int) -> str:
    """What a legend shows of a series of bars."""
    bar = element("rect", class_=f"s{series % COLOURS}", x=2, y=2, width=12, height=12)
    return element("svg", [bar], class_="swatch", viewBox="0 0 16 16", aria_hidden="true")


def line_swatch(series: int, dash: int) -> str:
    """What a legend shows of a line: its colour, its pattern and the shape of its points."""
    line = element("line", class_=f"line l{series % COLOURS} d{dash % DASHES}", x1=0, x2=32, y1=8, y2=8)
    return element("svg", [line, point(series, dash, 16, 8)], class_="swatch", viewBox="0 0 32 16", aria_hidden="true")


def show_share(value: float) -> str:
    return f"{100 * value:.4g}%"


def show_number(value: float) -> str:
    return f"{value:,.6g}"


def _thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """At most about `MOST_POINTS` of them, with the last."""
    every = -(-len(points) // MOST_POINTS)
    return points if every <= 1 else [*points[:-1:every], points[-1]]


def _short(label: str) -> str:
    return label if len(label) <= LABEL_CHARS else f"{label[: LABEL_CHARS - 1]}…"

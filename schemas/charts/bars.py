"""Bars side by side in clusters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from schemas.charts.svg import COLOURS, LEFT, RIGHT, WIDTH, Frame, Show, drawing, element, x_axis, y_axis

BAR, MOST_WIDTH = 9, 1000  # pixels: the least width of a bar, and the most of a plot
GAP = 0.2  # share of a cluster's width between it and the next
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


def _short(label: str) -> str:
    return label if len(label) <= LABEL_CHARS else f"{label[: LABEL_CHARS - 1]}…"

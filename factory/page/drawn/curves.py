"""Training: curves of metrics, and how distributions move over the steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from factory.looking.curves import Curve, HistogramLine, Panel
from factory.page.drawn.plot import Key, Plot
from factory.page.words import number
from schemas.charts.legend import line_swatch
from schemas.charts.lines import Path, line_chart
from schemas.charts.svg import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, drawing, element, show_number, show_share, text

MOST_CELLS = 60  # of steps, in a picture of a histogram


def panel_plot(panel: Panel) -> Plot | None:
    """The smooth line over the measured one. None where no step was measured."""
    paths = [path for place, curve in enumerate(panel.curves) for path in _paths(place, curve)]
    if not paths:
        return None
    ends = "; ".join(
        f"{each.name} from {number(each.values[0])} to {number(each.values[-1])}"
        for each in panel.curves
        if each.values
    )
    show = show_share if panel.unit.startswith("share") else show_number
    svg = line_chart(paths, "step", show, f"Lines: {panel.title} over the steps. {ends}.")
    return Plot(panel.title, Markup(svg), panel.unit, _keys(panel))


def _keys(panel: Panel) -> list[Key]:
    """None for a line alone: the title says what it is."""
    if len(panel.curves) < 2:
        return []
    return [Key(Markup(line_swatch(place + 1, place)), each.name) for place, each in enumerate(panel.curves)]


def _paths(place: int, curve: Curve) -> Iterator[Path]:
    if not curve.values:
        return
    if len(curve.smooth) == len(curve.values) and curve.smooth != curve.values:
        yield Path(place + 1, place, list(zip(map(float, curve.steps), curve.values, strict=True)), is_faint=True)
        yield Path(place + 1, place, list(zip(map(float, curve.steps), curve.smooth, strict=True)))
    else:
        yield Path(place + 1, place, list(zip(map(float, curve.steps), curve.values, strict=True)))


def histogram_plot(line: HistogramLine) -> Plot:
    """Steps to the right, bins upwards, the darker the more."""
    every = -(-len(line.steps) // MOST_CELLS)
    steps, rows = line.steps[::every], line.counts[::every]
    wide = (WIDTH - LEFT - RIGHT) / max(len(steps), 1)
    tall = (HEIGHT - TOP - BOTTOM) / max(len(line.edges) - 1, 1)
    cells = [cell for place, counts in enumerate(rows) for cell in _cells(place, counts, wide, tall)]
    alt = f"Shades: {line.name} from step {steps[0] if steps else '-'} to {steps[-1] if steps else '-'}."
    return Plot(line.name, Markup(drawing([*cells, *_marks(line, steps, wide, tall)], alt)))


def _cells(place: int, counts: Sequence[int], wide: float, tall: float) -> Iterator[str]:
    most = max(counts, default=0) or 1
    for number_, rows in enumerate(counts):
        if rows:
            y = HEIGHT - BOTTOM - (number_ + 1) * tall
            yield element(
                "rect",
                class_="s1",
                x=LEFT + place * wide,
                y=y,
                width=wide,
                height=tall,
                fill_opacity=0.08 + 0.92 * rows / most,
            )


def _marks(line: HistogramLine, steps: Sequence[int], wide: float, tall: float) -> Iterator[str]:
    every = max(1, len(line.edges) // 6)
    for place, edge in enumerate(line.edges):
        if place % every == 0 and edge is not None:
            yield text(number(edge), x=LEFT - 6, y=HEIGHT - BOTTOM - place * tall + 4, text_anchor="end")
    for place in sorted({0, len(steps) // 2, len(steps) - 1}) if steps else ():
        yield text(number(steps[place]), x=LEFT + (place + 0.5) * wide, y=HEIGHT - BOTTOM + 15, text_anchor="middle")
    yield text("step", x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 6, text_anchor="middle")

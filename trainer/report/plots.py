"""The findings as pictures. Each is a title, an SVG, and the sentence that stands for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.charts.bars import Bar, Cluster, bar_chart
from schemas.charts.lines import Path, line_chart
from schemas.charts.svg import show_number, show_share
from trainer.report.curves import Curves, Line, Panel
from trainer.report.figures import GroupFigures
from trainer.report.findings import Findings
from trainer.report.histograms import Histogram
from trainer.report.tables import percent

MOST_CLUSTERS = 24  # in one picture; the table has them all


class Plot(msgspec.Struct, frozen=True):
    title: str
    svg: str


def group_plots(found: Findings) -> list[Plot]:
    """With several keys one for each value of the first; with one key one in all."""
    if len(found.keys) == 1:
        return [_group_plot(found, found.groups, found.keys[0], found.keys[0], drop=0)]
    by_first: dict[str, list[GroupFigures]] = {}
    for group in found.groups:
        by_first.setdefault(group.labels[0], []).append(group)
    title = ", ".join(found.keys[1:])
    return [_group_plot(found, groups, first, title, drop=1) for first, groups in by_first.items()]


def _group_plot(found: Findings, groups: Sequence[GroupFigures], title: str, axis: str, drop: int) -> Plot:
    shown = groups[:MOST_CLUSTERS]
    clusters = [Cluster(", ".join(group.labels[drop:]), _bars(group), group.floor) for group in shown]
    if len(shown) < len(groups):
        title = f"{title}: the first {len(shown)} of {len(groups)} groups"
    stages = ", ".join(stage.name for stage in found.stages)
    alt = f"Bars: accuracy of {stages} in {title}, by {axis}, with guess floors. The table below has the numbers."
    return Plot(title, bar_chart(clusters, axis, 1.0, show_share, alt))


def _bars(group: GroupFigures) -> list[Bar]:
    return [Bar(place, share.value, *(share.interval or (None, None))) for place, share in enumerate(group.accuracy)]


def pass_plot(found: Findings) -> Plot | None:
    """None where there is one k, or none."""
    paths = [
        Path(place, place, [(float(np.log2(int(k))), value) for k, value in stage.pass_at_k.items()])
        for place, stage in enumerate(found.stages)
    ]
    ks = sorted({int(k) for stage in found.stages for k in stage.pass_at_k})
    if len(ks) < 2:
        return None
    ends = "; ".join(_pass_words(stage.name, stage.pass_at_k) for stage in found.stages if stage.pass_at_k)
    marks = [(float(np.log2(k)), str(k)) for k in ks]
    return Plot("pass@k", line_chart(paths, "k, answers to each prompt", show_share, f"Lines: pass@k. {ends}.", marks))


def _pass_words(name: str, found: dict[str, float]) -> str:
    ks = list(found)
    return f"{name} from {percent(found[ks[0]])} at {ks[0]} to {percent(found[ks[-1]])} at {ks[-1]}"


def histogram_plot(found: Sequence[Histogram], first_series: int, title: str) -> Plot:
    """`first_series`: the colour of the first; the others follow."""
    bins = len(found[0].shares) - 1
    clusters = [
        Cluster(f"{place}/{bins}", [Bar(first_series + number, one.shares[place]) for number, one in enumerate(found)])
        for place in range(bins + 1)
    ]
    words = "; ".join(f"{one.title}: {percent(one.shares[0])} never, {percent(one.shares[-1])} always" for one in found)
    alt = f"Bars: share of prompts by the share of right answers. {words}."
    return Plot(title, bar_chart(clusters, "right answers of those drawn", None, show_share, alt))


def curve_plots(found: Curves, series: dict[str, int]) -> list[Plot]:
    """`series`: the colour of each name. Patterns tell names of one kind apart."""
    return [_curve_plot(panel, found.names, series) for panel in found.panels]


def _curve_plot(panel: Panel, names: Sequence[str], series: dict[str, int]) -> Plot:
    paths = [path for line in panel.lines for path in _paths(line, series[line.name], names.index(line.name))]
    words = "; ".join(_line_words(line) for line in panel.lines)
    alt = f"Lines: {panel.title} over the steps. {words}."
    show = show_share if panel.unit.startswith("share") else show_number
    return Plot(f"{panel.title}, {panel.unit}", line_chart(paths, "optimiser step", show, alt))


def _paths(line: Line, series: int, dash: int) -> Iterator[Path]:
    """Each seed faintly behind the mean; one seed is its own mean."""
    if len(line.seeds) > 1:
        yield from (Path(series, dash, _points(one.steps, one.values), is_faint=True) for one in line.seeds)
    yield Path(series, dash, _points(line.mean.steps, line.mean.values))


def _points(steps: NDArray[np.float64], values: NDArray[np.float64]) -> list[tuple[float, float]]:
    return list(zip(steps.tolist(), values.tolist(), strict=True))


def _line_words(line: Line) -> str:
    values = line.mean.values
    return f"{line.name} from {values[0]:.4g} to {values[-1]:.4g}" if len(values) else f"{line.name}: no common step"

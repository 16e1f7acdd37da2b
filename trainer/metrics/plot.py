"""Pictures of runs: a panel for each metric, a colour for each run, the smoothed line over the faint raw points."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.typing import ColorType, LineStyleType

from schemas.errors import WriteError
from trainer.errors import TrainError
from trainer.metrics.heat import draw_histogram
from trainer.metrics.panels import ERROR, Panel, choose_panels
from trainer.metrics.series import EVAL, RunMetrics, Series, smooth

# Okabe and Ito's colours, which colour-blind people can tell apart; without yellow, too light for a line on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES: tuple[LineStyleType, ...] = ("solid", (0, (4, 1.5)), (0, (1, 1.2)))  # of the metrics in a panel
MARKERS = ("D", "s", "^", "o", "v", "P")  # of the versions that are evaluated
PANEL_INCHES = (4.4, 2.7)
LEGEND_ROW_INCHES = 0.2
CHARS_AN_INCH = 9
DPI = 140
FEW = 40  # values: a line through them needs no smoothing
FLAT = 1e-5  # of a value: smaller changes are rounding
SMOOTHED = 60  # half-lives in a run
LABEL_CHARS = 48
GREY = "#606060"
TICKS = [1, 2, 2.5, 5, 10]
STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # names of runs and metrics are text, whatever signs they hold
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}


class _Look(msgspec.Struct, frozen=True):
    """How the values of one metric of one run are drawn."""

    colour: ColorType
    style: LineStyleType
    factor: float  # values are multiplied by it
    plain: bool


def plot_runs(runs: Sequence[RunMetrics], wanted: Sequence[str] | None, out: Path) -> list[Path]:
    """Draw the metrics of the runs: into `out` where it ends in .png, else one picture a panel into the folder `out`.

    Raises:
        TrainError: `out` is neither, or a wanted metric is not there.
        WriteError: a picture cannot be written.
    """
    panels = choose_panels({name for run in runs for name in (*run.train, *run.evals, *run.histograms)}, wanted)
    with rc_context(STYLE):
        return [_save(_figure(runs, shown), path) for path, shown in _pictures(out, panels)]


def _pictures(out: Path, panels: list[Panel]) -> list[tuple[Path, list[Panel]]]:
    if out.suffix.lower() == ".png" and not out.is_dir():
        return [(out, panels)]
    if (out.suffix or out.exists()) and not out.is_dir():
        raise TrainError(f"--out {out}: pictures are PNG; give a name that ends in .png, or a folder")
    names = [re.sub(r"[^A-Za-z0-9_]+", "-", panel.names[0]).strip("-") for panel in panels]
    return [(out / f"{n:02}-{name}.png", [panel]) for n, (name, panel) in enumerate(zip(names, panels, strict=True), 1)]


def _save(figure: Figure, path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=DPI)
    except OSError as err:
        raise WriteError(f"{path}: cannot be written ({err.strerror or err})") from err
    return path


def _figure(runs: Sequence[RunMetrics], panels: list[Panel]) -> Figure:
    shown = [(panel, of) for panel in panels for of in _together(runs, panel)]
    columns = 1 if len(shown) == 1 else 2 if len(shown) <= 4 else 3 if len(shown) <= 24 else 4
    rows = math.ceil(len(shown) / columns)
    width = PANEL_INCHES[0] * columns
    entries = _legend_entries(runs)
    legend_columns = _fitting([label for _, label in entries], width)
    legend_rows = math.ceil(len(entries) / legend_columns)
    height = PANEL_INCHES[1] * rows + LEGEND_ROW_INCHES * (legend_rows + 1)
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    for place, (panel, of) in enumerate(shown):
        axes = figure.add_subplot(rows, columns, place + 1)
        if panel.is_histogram:
            draw_histogram(figure, axes, of[0].histograms[panel.names[0]])
            _dress(axes, panel.title if len(runs) == 1 else f"{panel.title}, {_text(of[0].label)}", panel.unit)
        else:
            _panel(axes, of, panel)
        if len(shown) > 1:
            axes.set_xlim(*_span(runs))
        if place + columns >= len(shown):
            axes.set_xlabel("optimiser step")
    handles, labels = zip(*entries, strict=True)
    figure.legend(handles, labels, loc="outside upper left", ncols=legend_columns, handlelength=2)
    return figure


def _span(runs: Sequence[RunMetrics]) -> tuple[float, float]:
    """The steps of all panels, with a margin: what stands above each other is of the same step."""
    series = [one for run in runs for name in (*run.train, *run.evals) for one in run.of(name)]
    first, last = min(one.steps[0] for one in series), max(one.steps[-1] for one in series)
    margin = 0.02 * (last - first) or 0.5
    return float(first - margin), float(last + margin)


def _together(runs: Sequence[RunMetrics], panel: Panel) -> list[Sequence[RunMetrics]]:
    """The runs of each picture of a panel: all lie over each other, but histograms."""
    if not panel.is_histogram:
        return [runs]
    return [[run] for run in runs if panel.names[0] in run.histograms]


def _panel(axes: Axes, runs: Sequence[RunMetrics], panel: Panel) -> None:
    factor, power = _scale(runs, panel)
    for number, run in enumerate(runs):
        for place, name in enumerate(panel.names):
            look = _Look(_colour(runs, number, place), STYLES[place % len(STYLES)], factor, panel.plain)
            if name in run.train:
                _draw_train(axes, run.train[name], look)
            for version, series in run.evals.get(name, {}).items():
                error = run.evals.get(name + ERROR, {}).get(version)
                _draw_eval(axes, series, error, look, _marker(runs, _version(runs, name, version)))
    _widen(axes)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=TICKS))
    axes.yaxis.set_major_formatter(FuncFormatter(_number))
    _dress(axes, panel.title, panel.unit + power)
    if len(panel.names) > 1:
        _name_lines(axes, runs, panel)


def _widen(axes: Axes) -> None:
    """What is the same but for rounding shall not look as if it moved."""
    low, high = axes.get_ylim()
    if high - low < FLAT * abs(high):
        middle = (high + low) / 2
        axes.set_ylim(middle - 0.05 * abs(middle), middle + 0.05 * abs(middle))


def _dress(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, loc="left")
    axes.set_ylabel(unit)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=TICKS, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(_number))


def _number(value: float, _: int | None) -> str:
    return f"{value:,.10g}"


def _draw_train(axes: Axes, series: Series, look: _Look) -> None:
    steps, values = series.steps, series.values * look.factor
    if look.plain or len(values) < FEW:
        marker = "." if len(values) == 1 else None
        axes.plot(steps, values, color=look.colour, linestyle=look.style, linewidth=1.4, marker=marker)
        return
    axes.plot(steps, values, ".", color=look.colour, markersize=3, markeredgewidth=0, alpha=0.35)
    line = smooth(values, max(len(values) / SMOOTHED, 1.0))
    axes.plot(steps, line, color=look.colour, linestyle=look.style, linewidth=1.6)


def _draw_eval(axes: Axes, series: Series, error: Series | None, look: _Look, marker: str) -> None:
    """`error`: the standard error, where it was measured with it."""
    values = series.values * look.factor
    if error is not None and len(error.values) == len(values):
        axes.errorbar(series.steps, values, error.values * look.factor, fmt="none", ecolor=look.colour, elinewidth=0.8)
    axes.plot(series.steps, values, color=look.colour, linestyle=look.style, linewidth=0.7, alpha=0.7)
    axes.plot(
        *(series.steps, values, marker), color=look.colour, markersize=5, markeredgecolor="white", markeredgewidth=0.8
    )


def _scale(runs: Sequence[RunMetrics], panel: Panel) -> tuple[float, str]:
    """A factor that gives ticks of few digits, and what is written for it behind the unit."""
    largest = max(float(np.abs(series.values).max()) for run in runs for name in panel.names for series in run.of(name))
    power = math.floor(math.log10(largest)) if largest else 0
    if -3 <= power < 6:
        return 1.0, ""
    return 10.0**-power, f", in 1e{power}"


def _colour(runs: Sequence[RunMetrics], number: int, place: int) -> ColorType:
    """Of a run; where there is one run alone, of the metric in its panel."""
    if len(runs) == 1:
        return COLOURS[place % len(COLOURS)]
    if len(runs) <= len(COLOURS):
        return COLOURS[number]
    return colormaps["viridis"](0.9 * number / (len(runs) - 1))


def _name_lines(axes: Axes, runs: Sequence[RunMetrics], panel: Panel) -> None:
    handles = [
        Line2D([], [], color=_colour(runs, 0, place) if len(runs) == 1 else GREY, linestyle=STYLES[place % len(STYLES)])
        for place in range(len(panel.names))
    ]
    axes.legend(
        *(handles, [_text(label) for label in panel.labels()]),
        fontsize=8,
        handlelength=2.4,
        frameon=True,
        framealpha=0.75,
        edgecolor="none",
    )


def _versions(runs: Sequence[RunMetrics]) -> list[str]:
    """The held-out versions that the runs were evaluated on."""
    named = {version for run in runs for found in run.evals.values() for version in found if version}
    others = {name for run in runs for name, found in run.evals.items() if "" in found}
    is_unnamed = any(not _begins(name, named) for name in others)
    return sorted(named | ({""} if is_unnamed else set()))


def _version(runs: Sequence[RunMetrics], name: str, version: str) -> str:
    """Of a metric that is only evaluated: the one that its name begins with, where another metric tells which."""
    return version or _begins(name, _versions(runs)) or ""


def _begins(name: str, versions: Iterable[str]) -> str | None:
    return next((version for version in versions if version and name.startswith(f"{EVAL}{version}/")), None)


def _marker(runs: Sequence[RunMetrics], version: str) -> str:
    return MARKERS[_versions(runs).index(version) % len(MARKERS)]


def _legend_entries(runs: Sequence[RunMetrics]) -> list[tuple[Line2D, str]]:
    """Which colour is which run, and which mark which evaluation."""
    entries = [(Line2D([], [], color=_colour(runs, n, 0), linewidth=2), _text(run.label)) for n, run in enumerate(runs)]
    for version in _versions(runs):
        marker = _marker(runs, version)
        mark = Line2D([], [], color=GREY, marker=marker, markersize=5, markeredgecolor="white", linewidth=0.7)
        entries.append((mark, _text(f"evaluation on {version}" if version else "evaluation")))
    return entries


def _fitting(labels: Sequence[str], width: float) -> int:
    """How many columns of a legend fit into so many inches."""
    widest = max(len(label) for label in labels) + 6  # the line before the label
    return max(1, min(len(labels), int(width * CHARS_AN_INCH / widest)))


def _text(name: str) -> str:
    """Short enough to fit. A legend leaves out what begins with an underscore."""
    text = name if len(name) <= LABEL_CHARS else f"{name[: LABEL_CHARS // 2]}...{name[-LABEL_CHARS // 2 + 3 :]}"
    return f" {text}" if text.startswith("_") else text

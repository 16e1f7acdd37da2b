"""How a run went: rates, requests in flight and their limits, rows and money over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from factory.page.drawn.plot import Key, Plot
from factory.page.words import compact, usd
from factory.progress_log import ProgressLine
from schemas.charts.legend import line_swatch
from schemas.charts.lines import Path, line_chart
from schemas.charts.svg import Show

Value = Callable[[ProgressLine], float | None]
SHORT_S = 180.0  # below it, time is told in seconds


def course_plots(lines: Sequence[ProgressLine]) -> list[Plot]:
    """Only what the run tells of: one that asks no model has no tokens and no limits."""
    plots = [
        _plot(lines, "Rows a second", {lines[-1].what: lambda line: line.rows_per_s}, compact),
        _plot(
            lines,
            "Tokens a second",
            {"out": lambda line: line.completion_tokens_per_s, "in": lambda line: line.prompt_tokens_per_s},
            compact,
        ),
        _plot(
            lines,
            "Requests in flight, and their limit",
            {"in flight": lambda line: float(line.in_flight), "limit": _limit},
            compact,
        ),
        _plot(
            lines,
            "Rows",
            {"kept": lambda line: float(line.kept), "rejected": lambda line: float(line.rejected)},
            compact,
        ),
        _plot(lines, "Spent", {"US dollars": lambda line: line.spent_usd}, usd),
    ]
    return [plot for plot in plots if plot is not None]


def _limit(line: ProgressLine) -> float | None:
    return float(sum(model.limit for model in line.models)) if line.models else None


def _plot(lines: Sequence[ProgressLine], title: str, values: dict[str, Value], show: Show) -> Plot | None:
    start = lines[0].time
    unit, length = ("seconds", 1.0) if lines[-1].time - start < SHORT_S else ("minutes", 60.0)
    paths, names = [], []
    for place, (name, value) in enumerate(values.items()):
        points = [((line.time - start) / length, found) for line in lines if (found := value(line)) is not None]
        if any(y for _, y in points):
            paths.append(Path(place + 1, 0, points))
            names.append(Key(Markup(line_swatch(place + 1, 0)), name))
    if not paths:
        return None
    ends = "; ".join(f"{key.name} last {show(path.points[-1][1])}" for key, path in zip(names, paths, strict=True))
    svg = line_chart(paths, f"{unit} since the start", show, f"Lines: {title}. {ends}.")
    return Plot(title, Markup(svg), ends, names if len(names) > 1 else [])

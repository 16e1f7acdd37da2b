"""The pages of trainings: all runs of the workspace, and one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from factory.looking.curves import HistogramLine, Panel
from factory.looking.training import RunLine, RunPage
from factory.page.drawn.curves import histogram_plot, panel_plot
from factory.page.drawn.plot import Plot
from factory.page.frame import Frame, render_page

MOST_VALUES = 4  # of a run, in the list


def trainings_page(frame: Frame, runs: Sequence[RunLine]) -> str:
    values = list(dict.fromkeys(name for run in runs for name in run.last))
    return render_page("trainings.html", frame, "Training", "Training", runs=runs, values=values[:MOST_VALUES])


def training_page(frame: Frame, shown: RunPage) -> str:
    return render_page(
        "training.html",
        frame,
        "Training",
        shown.line.name,
        shown=shown,
        line=shown.line,
        drawn=drawn(shown.panels),
        histograms=[histogram_plot(each) for each in shown.histograms if _has_counts(each)],
        recipe_text=msgspec.json.format(msgspec.json.encode(shown.recipe), indent=2).decode(),
    )


def over_page(frame: Frame, found: Mapping[str, Sequence[Panel]]) -> str:
    """The curves of several runs in the same pictures."""
    return render_page(
        "training_over.html", frame, "Training", "Curves", names=list(found), drawn=drawn(_over_each_other(found))
    )


def drawn(panels: Sequence[Panel]) -> list[Plot]:
    return [plot for panel in panels if (plot := panel_plot(panel)) is not None]


def _over_each_other(found: Mapping[str, Sequence[Panel]]) -> list[Panel]:
    """Panels of one title in one picture, each curve under the name of its run."""
    titles: dict[str, Panel] = {}
    for run, panels in found.items():
        for panel in panels:
            curves = [msgspec.structs.replace(each, name=_named(run, each.name, panel)) for each in panel.curves]
            known = titles.get(panel.title)
            titles[panel.title] = Panel(
                title=panel.title, unit=panel.unit, curves=[*(known.curves if known else []), *curves]
            )
    return list(titles.values())


def _named(run: str, curve: str, panel: Panel) -> str:
    return run if len(panel.curves) == 1 else f"{run} {curve}"


def _has_counts(line: HistogramLine) -> bool:
    return any(map(any, line.counts))

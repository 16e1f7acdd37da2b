"""One HTML file that needs nothing else: no script, no picture, no font, no connection.

Names and texts of models come from strangers: every value is made visible and escaped as it is written, and the page's
own policy lets a browser load nothing and run nothing but its one style.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from schemas.charts.legend import bar_swatch, line_swatch
from schemas.visible import visible
from trainer.report.findings import Findings, Shown
from trainer.report.plots import Plot, curve_plots, group_plots, histogram_plot, pass_plot
from trainer.report.tables import cost_table, group_table, ladder_table, model_table, sentence, shown_name, stage_table

FOLDER = Path(__file__).parent
KEPT = "\n\t"  # of the characters that are no letters
MARKS = {"right": "✓", "wrong": "✗"}


class Key(msgspec.Struct, frozen=True):
    """An entry of a legend."""

    swatch: Markup
    name: str


class Section(msgspec.Struct, frozen=True):
    """Pictures with one legend."""

    title: str
    legend: list[Key]
    plots: list[Plot]


def render(shown: Shown) -> str:
    """The page. Equal findings give equal bytes."""
    style = (FOLDER / "style.css").read_text(encoding="utf-8")
    found = shown.findings
    return (
        _environment()
        .get_template("page.html")
        .render(
            style=Markup(style),
            policy=_policy(style),
            shown=shown,
            found=found,
            names=[stage.name for stage in found.stages if stage.controls is None],
            sentences=list(map(sentence, found.claims)),
            tables={
                "ladder": ladder_table(found),
                "groups": group_table(found),
                "stages": stage_table(found.stages),
                "costs": cost_table(found.costs),
                "models": model_table(found.about),
            },
            sections=_sections(shown),
            curves=_curves(shown),
            marks=MARKS,
        )
    )


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _visible(value: Any) -> Any:  # noqa: ANN401 - whatever a template writes
    """Our own markup stays; text, before it is escaped, loses what would act on a reader's screen."""
    return visible(value, KEPT) if isinstance(value, str) and not isinstance(value, Markup) else value


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _sections(shown: Shown) -> dict[str, Section]:
    found = shown.findings
    names = [shown_name(stage) for stage in found.stages]
    colours = {name: place for place, name in enumerate(names)}
    passes = pass_plot(found)
    return {
        "groups": Section("Accuracy by group", _bar_keys(names), group_plots(found)),
        "passes": Section("pass@k", _line_keys(colours), [passes] if passes else []),
        "histograms": _histograms(found),
        "measured": _measured(found),
    }


def _histograms(found: Findings) -> Section:
    title, shown = "Evaluated prompts", found.histograms
    first = [stage.name for stage in found.stages].index(shown[0].title)
    return Section(title, _bar_keys([one.title for one in shown], first), [histogram_plot(shown, first, title)])


def _measured(found: Findings) -> Section:
    title, shown = "Versions of pass-rate", found.measured
    return Section(title, _bar_keys([one.title for one in shown]), [histogram_plot(shown, 0, title)] if shown else [])


def _curves(shown: Shown) -> list[Section]:
    """Stages have the colours that they have everywhere; other runs those that follow."""
    series = _series(shown.findings, [name for each in shown.curves for name in each.names])
    return [
        Section(each.kind, _line_keys({name: series[name] for name in each.names}), curve_plots(each, series))
        for each in shown.curves
    ]


def _bar_keys(names: Sequence[str], first: int = 0) -> list[Key]:
    return [Key(Markup(bar_swatch(first + place)), name) for place, name in enumerate(names)]


def _line_keys(series: dict[str, int]) -> list[Key]:
    return [Key(Markup(line_swatch(colour, dash)), name) for dash, (name, colour) in enumerate(series.items())]


def _series(found: Findings, runs: Sequence[str]) -> dict[str, int]:
    names = dict.fromkeys([stage.name for stage in found.stages])
    return {name: place for place, name in enumerate([*names, *(run for run in runs if run not in names)])}

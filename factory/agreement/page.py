"""The report as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from factory.agreement.report import LengthFigures, Report, Side, WinRates
from factory.store.tables import plain_table
from judges.agreement.figure import Figure
from judges.agreement.lengths import LengthBin
from schemas.visible import visible

Cells = Sequence[str]


def agreement_page(report: Report) -> RenderableType:
    parts = [
        _sides(report),
        _figures(report),
        _verdicts(report),
        *_lengths(report.lengths),
        *_win_rates(report.win_rates),
    ]
    how = report.resampling
    note = f"{how.confidence:.0%} intervals: percentiles of {how.resamples} resamples of prompts, seed {how.seed}"
    spaced = [line for part in parts for line in (part, "")]
    return Group(*spaced, *(_line(text) for text in (note, *report.notes)))


def _sides(report: Report) -> RenderableType:
    rows = report.rows
    sides = plain_table(
        ["", "judge", "rows", "scored", "abstained", "failed", "only here", "from"],
        [_side("A", report.a), _side("B", report.b)],
    )
    matched = f"matched by {rows.matched_by}: {rows.matched:,} rows"
    text = f"{matched}; scored by both: {rows.both_scored:,} of {rows.prompts:,} prompts"
    unknown = f"; answer not known: {rows.without_answer:,}" if rows.without_answer else ""
    return Group(sides, _line(text + unknown))


def _side(name: str, side: Side) -> list[str]:
    counts = [side.rows, side.scored, side.abstained, side.failed, side.only_here]
    return [name, side.judge, *(f"{count:,}" for count in counts), side.source]


def _figures(report: Report) -> RenderableType:
    verdicts, ratings, preferences = report.verdicts, report.ratings, report.preferences
    named = {
        "verdicts: agreement": verdicts.agreement,
        "verdicts: Cohen's kappa": verdicts.kappa,
        "scores: weighted kappa": ratings.weighted_kappa,
        "scores: Spearman": ratings.spearman,
        "scores: Kendall tau-b": ratings.kendall_tau_b,
        "preferences: agreement": preferences.agreement,
        "position flips of A": report.a.flip_rate,
        "position flips of B": report.b.flip_rate,
        "longer wins, slope of A": report.lengths.slope_a,
        "longer wins, slope of B": report.lengths.slope_b,
        "slope of A less B": report.lengths.difference,
    }
    for own in report.self_preference:
        named[f"{own.judge.upper()} for {own.model}, in score"] = own.in_score
        named[f"{own.judge.upper()} for {own.model}, in win rate"] = own.in_win_rate
    table = plain_table(["", "value", "interval", "of"], ([name, *_cells(figure)] for name, figure in named.items()))
    return Group(table, *(_line(f"{name}: {why}") for name, figure in named.items() if (why := figure.reason)))


def _cells(figure: Figure) -> list[str]:
    """Value, interval, and what they are of. Why one is missing stands below the table."""
    value = "-" if figure.value is None else f"{figure.value:.3f}"
    return [value, _interval(figure), f"{figure.n:,} {figure.of}"]


def _interval(figure: Figure) -> str:
    return "-" if figure.low is None or figure.high is None else f"{figure.low:.3f} to {figure.high:.3f}"


def _verdicts(report: Report) -> RenderableType:
    kinds = list(report.verdicts.table)
    rows = ([f"A {mine}", *(f"{row[theirs]:,}" for theirs in kinds)] for mine, row in report.verdicts.table.items())
    return plain_table(["rows", *(f"B {kind}" for kind in kinds)], rows)


def _lengths(lengths: LengthFigures) -> Iterator[RenderableType]:
    bins = [("A", lengths.bins_a), ("B", lengths.bins_b)]
    rows = [_bin(judge, part) for judge, parts in bins for part in parts]
    if rows:
        yield plain_table(["longer by", "judge", "longer wins", "interval", "of"], rows)
        yield _line(f"slopes: log-odds for each {lengths.scale:,.0f} characters (the root mean square difference)")


def _bin(judge: str, part: LengthBin) -> list[str]:
    return [f"{part.shortest:,} to {part.longest:,}", judge, *_cells(part.longer_wins)]


def _win_rates(rates: WinRates) -> Iterator[RenderableType]:
    if rates.reason is not None:
        yield _line(f"no win rates of models: {rates.reason}")
        return
    rows, lines = [], []
    for rate in rates.models:
        for name, figure in (("as it is", rate.win_rate), ("equal length", rate.length_controlled)):
            rows.append([rate.model, rate.judge.upper(), name, *_cells(figure)])
            lines += [f"{rate.model} by {rate.judge.upper()}, {name}: {figure.reason}"] if figure.reason else []
    table = plain_table(["model", "judge", "", "win rate", "interval", "of"], rows)
    yield Group(_line(f"wins over {rates.baseline}, a tie being half a win:"), table, *map(_line, lines))


def _line(text: str) -> Text:
    return Text(visible(text))

"""A report for people: one line a verifier, then pass@k and the KL."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table

from schemas.visible import visible
from trainer.evaluate.figures import Figures, PassAtK, Range
from trainer.evaluate.kl import Estimate, Estimates
from trainer.evaluate.report import KL, Report

COLUMNS = (
    ("verifier", "left"),
    ("prompts", "right"),
    ("graded", "right"),
    ("strict", "left"),
    ("flex", "left"),
    ("flex - strict", "left"),
    ("abstained", "right"),
    ("failed", "right"),
    ("tokens", "right"),
    ("finished", "right"),
    ("cut", "right"),
)
NONE = "-"
WIDTH = 200  # lines are never cut short, not in a file nor on a narrow terminal, which wraps them itself


def print_page(report: Report) -> None:
    console = Console(highlight=False, markup=False)
    console.width = max(console.width, WIDTH)
    console.print(report_page(report))


def report_page(report: Report) -> RenderableType:
    parts: list[RenderableType] = [_title(report), "", _accuracies(report), "", _pass_at_k(report.total.pass_at_k)]
    parts += [line for kind in ("errors", "unanswered") for line in _counted(report.total, kind)]
    if report.skipped:
        parts.append(f"{report.skipped} prompts without a verifier were left out")
    if report.kl is not None:
        parts += ["", _kl(report.kl)]
    return Group(*parts)


def _title(report: Report) -> str:
    request, total = report.request, report.total
    asked = f"{request.n} answers each" if request.n > 1 else "one answer each"
    return visible(
        f"{report.model} ({report.engine}, revision {report.revision[:12]}) on {request.data.name}@v"
        f"{request.data.version}: {total.prompts} prompts, {asked}, temperature {request.temperature:g}"
    )


def _accuracies(report: Report) -> Table:
    rows = [_row(name, found) for name, found in report.verifiers.items()]
    if len(rows) > 1:
        rows.append(_row("all", report.total))
    return _table(COLUMNS, rows)


def _row(name: str, found: Figures) -> list[str]:
    return [
        name,
        f"{found.prompts:,}",
        f"{found.graded:,}",
        _share(found.accuracy, found.accuracy_interval),
        _share(found.accuracy_flex, found.accuracy_flex_interval),
        _points(found.gap, found.gap_interval),
        f"{found.abstained:,}",
        f"{sum(found.errors.values()) + sum(found.unanswered.values()):,}",
        NONE if found.mean_tokens is None else f"{found.mean_tokens:,.1f}",
        _share(found.finished, None),
        _share(found.cut, None),
    ]


def _pass_at_k(found: dict[str, PassAtK]) -> Table:
    rows = [[f"pass@{k}", _share(one.value, one.interval), f"{one.prompts:,}"] for k, one in found.items()]
    return _table((("", "left"), ("chance", "left"), ("prompts", "right")), rows)


def _counted(total: Figures, kind: str) -> list[str]:
    counts: dict[str, int] = getattr(total, kind)
    what = {"errors": "answers that a verifier failed on", "unanswered": "requests without an answer"}[kind]
    return [f"{what}: {', '.join(f'{count} {name}' for name, count in counts.items())}"] if counts else []


def _kl(kl: KL) -> RenderableType:
    found, gap = kl.found, kl.found.sampler_gap
    data = kl.reference.data
    title = visible(
        f"KL to {kl.reference.model} on {data.name}@v{data.version}: {found.answers:,} answers at temperature 1, "
        f"{found.tokens:,} tokens, {kl.cut:.1%} cut"
    )
    rows = [["nats a token", *_estimates(found.per_token)], ["nats an answer", *_estimates(found.per_sequence)]]
    table = _table((("", "left"), ("k1", "left"), ("k3", "left")), rows)
    apart = (
        f"sampler and trainer differ by {gap.mean_logprob:.4f} nats a token (at most {gap.max_logprob:.4f}), "
        f"{gap.mean_prob:.4f} in probability"
    )
    return Group(title, table, apart)


def _estimates(found: Estimates) -> list[str]:
    return [_number(found.k1), _number(found.k3)]


def _number(found: Estimate) -> str:
    if found.interval is None:
        return f"{found.value:.4f}"
    low, high = found.interval
    return f"{found.value:.4f} [{low:.4f}, {high:.4f}]"


def _share(value: float | None, interval: Range) -> str:
    if value is None:
        return NONE
    return f"{value:.1%}" if interval is None else f"{value:.1%} [{interval[0]:.1%}, {interval[1]:.1%}]"


def _points(value: float | None, interval: Range) -> str:
    """A difference of two shares, in percentage points."""
    if value is None:
        return NONE
    shown = f"{100 * value:+.1f}"
    return shown if interval is None else f"{shown} [{100 * interval[0]:+.1f}, {100 * interval[1]:+.1f}]"


def _table(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, side in columns:
        table.add_column(name, justify="right" if side == "right" else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table

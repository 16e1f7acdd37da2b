"""What a build prints at its end: the result on stdout, for people or as one JSON object."""

from __future__ import annotations

import sys

import msgspec

from factory.estimate import ModelPlan, Range
from factory.judge import JudgeSummary
from factory.plan import Plan
from factory.progress_log import tell_made
from factory.store.pass_rates import pass_rates
from factory.store.tables import pass_rate_table, print_out, report_lines
from pipelines.decontaminate.report import Report
from schemas.datasets import open_version, workspace
from schemas.manifest import Cost, Manifest


def _print_json(value: object) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def print_manifest(manifest: Manifest, as_json: bool) -> None:
    made = f"{manifest.name}@v{manifest.version}"
    tell_made(made, manifest.rows)
    if as_json:
        _print_json({"dataset": made, **msgspec.to_builtins(manifest)})
        return
    size = f"{manifest.rows} rows, {len(manifest.shards)} shards"
    print(f"{made}: {size}, {_cost(manifest.cost)}")
    for count in manifest.counters:
        lost = [f"{number} {kind}" for kind, number in {**count.dropped, **count.failed}.items()]
        noted = [f"{number} {kind} (kept)" for kind, number in count.noted.items()]
        told = f"; {', '.join([*lost, *noted])}" if lost or noted else ""
        print(f"  {count.stage}: {count.rows_in} in, {count.rows_out} out{told}")
    for line in report_lines(manifest):
        print(f"  {line}")


def print_pass_rates(made: Manifest | Plan, location: str) -> None:
    """The histogram of the version that was built there."""
    if isinstance(made, Plan):
        return
    measured = pass_rates(open_version(f"{location}@v{made.version}", workspace()))
    if measured is not None:
        print_out(pass_rate_table(measured))


def print_found(report: Report, as_json: bool) -> None:
    """Of decontamination that made no version."""
    if as_json:
        _print_json(report)
        return
    for line in report.lines:
        print(line)


def _cost(cost: Cost) -> str:
    return "cost unknown: no price for this model" if cost.usd is None else f"${cost.usd:.4f}"


def print_plan(plan: Plan, as_json: bool) -> None:
    if as_json:
        _print_json(plan)
        return
    print(f"build {plan.kind} from {plan.data}: {plan.prompts:,} prompts, {_requests(plan)}")
    if plan.already is not None:
        print(f"  they are new; {plan.already:,} are not")
    for model in plan.models:
        print(f"  {model.model} ({model.engine}): {_requests(model)}, {model.in_ledger:,} answers in the ledger")
        print(f"    prompt tokens      {model.prompt_tokens:,}")
        print(f"    completion tokens  {_range(model.completion_tokens, ',.0f')}")
        print(f"    US dollars         {_usd(model.usd)}")
        print(f"    seconds            {_range(model.seconds, ',.0f')}")
        print(f"    from               {model.basis}")
    if len(plan.models) > 1:
        print(f"  together: US dollars {_usd(plan.usd)}, seconds {_range(plan.seconds, ',.0f')}")
    print("Nothing was asked.")


def _requests(plan: Plan | ModelPlan) -> str:
    if plan.fewest == plan.most:
        return f"{plan.requests:,} requests"
    return f"{plan.fewest:,} low, {plan.requests:,} likely, {plan.most:,} high requests"


def _usd(value: Range | None) -> str:
    return "unknown: no price for this model" if value is None else _range(value, ",.4f")


def _range(value: Range, form: str) -> str:
    low, likely, high = (format(part, form) for part in (value.low, value.likely, value.high))
    return f"{low} low, {likely} likely, {high} high"


def print_judged(summary: JudgeSummary | Manifest, as_json: bool) -> int:
    if isinstance(summary, Manifest):
        print_manifest(summary, as_json)
    elif as_json:
        _print_json(summary)
    else:
        found = [f"{number} {what}" for what, number in {**summary.verdicts, **summary.errors}.items()]
        mean = "" if summary.mean_score is None else f"; mean score {summary.mean_score:.4f}"
        print(f"{summary.out}: {summary.rows} rows by {summary.judge}: {', '.join(found)}{mean}")
    if isinstance(summary, JudgeSummary) and summary.errors:
        failed = sum(summary.errors.values())
        rows = "1 row" if failed == 1 else f"{failed} rows"
        print(f"{rows} could not be judged: `error` stands there in place of a score", file=sys.stderr)
    return 0

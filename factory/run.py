"""One `factory build` of a kind that asks models, from its recipe to its version."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec

from factory.append import Appending, open_appending
from factory.budget import Budget
from factory.build import Job, Outcome, Run
from factory.draw import LedgerDrawer, ReplayDrawer
from factory.engines import in_flight
from factory.fold import Heading, fold
from factory.judging import Asking, judge_inputs
from factory.ledger import Ledger
from factory.lock import build_lock
from factory.models import Models, bind_judges, cost_so_far, make_budget, make_models, started
from factory.plan import Plan, make_plan
from factory.prices import price_table
from factory.progress import Progress
from factory.row_steps import RowSteps, step_units
from factory.sampling.replay import ReplayEngine
from factory.sampling.request import Drawer
from factory.sampling.types import Sampler
from factory.unfinished import check_unfinished
from factory.units import BuildRecord, UnitStore
from factory.use import check_use
from factory.workspace import dataset_name, ledger_path, output_folder
from pipelines.filters.step import check_filters
from pipelines.inputs import BlankInput, Input, VersionInput
from pipelines.recipe import BuildRecipe
from pipelines.registry import PIPELINES, Pipeline
from pipelines.tools import Tools, Verifiers
from schemas.arrow import kind_of
from schemas.canonical import canonical_json, sha256_hex
from schemas.commit import find_build, finish_commit
from schemas.datasets import open_version, workspace
from schemas.folder import Folder
from schemas.manifest import Cost, Manifest
from schemas.recipes import RecipeError, resolved

GOING_ON = "to go on with a message takes a vLLM server or the transformers engine, other endpoints only answer"
VERIFIED_AT_ONCE = 64  # groups, in a build that asks no model


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a command line says beside the recipe."""

    out: str
    dry_run: bool = False
    again: bool = False  # build anew what is committed already: rows that failed are asked again, no other
    abandon: bool = False  # drop what an unfinished build of another recipe has made here
    new_only: bool = False  # of the prompts that have no row here yet, and append to the latest version
    shard: tuple[int, int] = (0, 1)


class Interrupted(Exception):
    """Stopped by a signal; the same command goes on from here."""

    def __init__(self, received: signal.Signals) -> None:
        super().__init__(f"{received.name}: what was in flight is kept; run the same command to go on")
        self.received = received


class UnitsLeft(Exception):
    """This process has finished its share of the units; others have not finished theirs."""


async def run_build(kind: str, recipe: BuildRecipe, options: Options) -> Manifest | Plan:
    """Build, or plan with `--dry-run`. Returns the version that is there afterwards, be it new or from before.

    Raises:
        RunError: a model cannot be used at all.
        RecipeError, DataError: a file, row or key is wrong.
        BudgetStop, Interrupted, UnitsLeft: stopped; the same command goes on.
        TooManyFailures, NothingMade, TooContaminated: nothing is published.
    """
    home = workspace()
    source = _open_input(PIPELINES[kind], recipe, home)
    check_filters(recipe.filter, PIPELINES[kind].record)
    steps = RowSteps(recipe.dedupe, recipe.decontaminate, PIPELINES[kind].record)
    folder = output_folder(options.out, home)
    appending = _appending(kind, recipe, options, source, folder)
    if appending is not None:
        if not options.dry_run and (manifest := appending.nothing_new()) is not None:
            return manifest
        source, recipe = appending.input, appending.bearing_failures(recipe)
    models = make_models(recipe.policy, recipe.judge, recipe.run, home, recipe.pool)
    ledger = Ledger(ledger_path(home))
    try:
        async with started(models.all):
            return await _with_engines(
                kind, recipe, options, _Parts(home, source, folder, models, ledger, steps, appending)
            )
    finally:
        ledger.close()


def _open_input(pipeline: Pipeline, recipe: BuildRecipe, home: Path) -> Input:
    if not pipeline.reads or not recipe.data:  # a kind that needs data refuses a recipe without
        return BlankInput(recipe.rows_to_make)
    version = open_version(recipe.data, home)
    source = VersionInput(version, pipeline.reads)
    if refusal := recipe.refusal(source.record):
        raise RecipeError(f"{recipe.data} holds {version.manifest.kind}: {refusal}")
    return source


def _appending(kind: str, recipe: BuildRecipe, options: Options, source: Input, folder: Folder) -> Appending | None:
    if not options.new_only:
        return None
    if options.again:
        raise RecipeError("--new-only asks for rows that failed anyway; leave --again out")
    return open_appending(kind, PIPELINES[kind], recipe, source, folder)


class _Parts(msgspec.Struct, frozen=True):
    home: Path
    input: Input
    folder: Folder
    models: Models
    ledger: Ledger
    steps: RowSteps
    appending: Appending | None  # with --new-only


async def _with_engines(kind: str, recipe: BuildRecipe, options: Options, parts: _Parts) -> Manifest | Plan:
    check_use(recipe.use, parts.input.versions, [sampler.model for sampler in parts.models.all])
    identity = _identity(kind, recipe, options, parts)
    prices = price_table({model: price.model_dump() for model, price in recipe.run.prices.items()})
    spent = cost_so_far(parts.models, parts.ledger, prices, identity.build_id).usd or 0.0
    budget = make_budget(parts.models, prices, recipe.run, spent)
    job = _job(kind, recipe, options, parts, identity, budget)
    if parts.appending is not None:
        parts.appending.check_made_alike(identity)
    if options.dry_run:
        return await asyncio.to_thread(make_plan, job, parts.models, parts.ledger, prices)
    if not options.again and (manifest := find_build(parts.folder, identity.build_id)) is not None:
        print(f"already built: {manifest.name}@v{manifest.version}; --again asks for its failed rows", file=sys.stderr)
        finish_commit(parts.folder)
        job.store.remove()
        return manifest
    check_unfinished(parts.folder, identity, abandon=options.abandon, new_only=options.new_only)
    parts.folder.require_create()
    with build_lock(parts.folder, job.store.root, options.shard[0]):
        job.store.begin(identity)
        outcome = await _execute(job, parts, budget)
        cost = cost_so_far(parts.models, parts.ledger, prices, identity.build_id)
        there = [] if parts.appending is None else parts.appending.shards
        stepped = await asyncio.to_thread(step_units, parts.steps, job.store, outcome.records, there)
        heading = _heading(job, identity, cost, stepped.report)
        commit = fold if parts.appending is None else parts.appending.fold
        return await asyncio.to_thread(commit, job.store, stepped.records, heading)


def _identity(kind: str, recipe: BuildRecipe, options: Options, parts: _Parts) -> BuildRecord:
    """The build: what it reads, asks and makes. Its id is a hash of all three."""
    table = resolved(recipe)
    drawn_from = [*parts.models.policies, *parts.models.pool]
    for model, sampler in zip([*table["policy"], *table["pool"]], drawn_from, strict=True):
        model["sampling"] = msgspec.json.decode(canonical_json(recipe.sampling_params(sampler.capabilities)))
    models = [sampler.model for sampler in parts.models.all]
    inputs = [*parts.input.refs, *judge_inputs(recipe.judge), *parts.steps.refs]
    rows = {key: value for key, value in table.items() if key != "data"}  # the manifest's hash says more
    base = [kind, rows, [ref.sha256 for ref in inputs], [[model.model, model.revision] for model in models]]
    appends_to = None if parts.appending is None else parts.appending.sha256
    base += [] if appends_to is None else [appends_to]
    attempt = 0
    while options.again and find_build(parts.folder, _build_id(base, attempt)) is not None:
        attempt += 1
    return BuildRecord(
        build_id=_build_id(base, attempt),
        kind=kind,
        recipe=table,
        inputs=inputs,
        models=models,
        appends_to=appends_to,
    )


def _build_id(base: list[Any], attempt: int) -> str:
    return sha256_hex(canonical_json([*base, attempt]))[:20]


def _job(kind: str, recipe: BuildRecipe, options: Options, parts: _Parts, identity: BuildRecord, budget: Budget) -> Job:
    asking = Asking(parts.ledger, identity.build_id, budget, recipe.seed)
    return Job(
        build_id=identity.build_id,
        kind=kind,
        pipeline=PIPELINES[kind],
        recipe=recipe,
        input=parts.input,
        tools=Tools(
            drawers=[_make_drawer(sampler, recipe, asking) for sampler in parts.models.policies],
            pool=[_make_drawer(sampler, recipe, asking) for sampler in parts.models.pool],
            judges=bind_judges(recipe.judge, parts.models, asking),
            verifiers=Verifiers(recipe.verifier),
        ),
        store=UnitStore(parts.folder, identity.build_id),
        in_flight=sum(in_flight(sampler.model.engine, recipe.run) for sampler in parts.models.all) or VERIFIED_AT_ONCE,
        shard=options.shard,
    )


def _make_drawer(sampler: Sampler, recipe: BuildRecipe, asking: Asking) -> Drawer:
    params = recipe.sampling_params(sampler.capabilities)
    if missing := (params.needs() | recipe.needs) - sampler.capabilities:
        names = ", ".join(sorted(missing))
        hint = f"; {GOING_ON}" if "continue" in missing else ""
        raise RecipeError(f"the recipe needs {names}, and the engine {sampler.model.engine!r} has none of it{hint}")
    if isinstance(sampler, ReplayEngine):
        return ReplayDrawer(sampler, params)
    return LedgerDrawer(sampler, params, asking.ledger, asking.build_id, asking.budget)


async def _execute(job: Job, parts: _Parts, budget: Budget) -> Outcome:
    """Run the job under the signals: the first drains it, a second ends it."""
    with Progress(f"build {job.kind}", job.input.what, job.rows, parts.models.all, budget) as progress:
        run = Run(job, progress)
        with signals(run, job.recipe.run.drain_s) as received:
            outcome = await run.execute()
    if outcome.ending == "drained":
        raise Interrupted(received[0])
    if outcome.ending == "waiting":
        raise UnitsLeft(f"{outcome.units_left} units are left to other processes; the last to end commits the version")
    return outcome


class Stoppable(Protocol):
    """What signals stop."""

    def drain(self) -> None:
        """Start nothing more, and finish what runs."""

    def stop(self) -> None:
        """Give up what runs."""


@contextmanager
def signals(run: Stoppable, drain_s: float) -> Iterator[list[signal.Signals]]:
    """Collects the signals received. After `drain_s`, or on a second signal, what is in flight is given up."""
    received: list[signal.Signals] = []
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        received.append(number)
        if len(received) > 1:
            run.stop()
            return
        print(f"{number.name}: finishing what is in flight ({drain_s:.0f} s at most)", file=sys.stderr, flush=True)
        run.drain()
        loop.call_later(drain_s, run.stop)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield received
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _heading(job: Job, identity: BuildRecord, cost: Cost, report: dict[str, Any] | None) -> Heading:
    return Heading(
        name=dataset_name(job.store.folder),
        kind=kind_of(job.pipeline.record),
        recipe=identity.recipe,
        inputs=identity.inputs,
        models=identity.models,
        cost=cost,
        probed=job.store.probed(),
        report=report,
    )

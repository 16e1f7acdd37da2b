"""A training run from its options to an exported checkpoint. Killed anywhere, the same command goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from trainer.checkpoint import STATE, load_checkpoint, save_checkpoint
from trainer.data.overlap import check_no_overlap
from trainer.data.prepare import Preparation, check_dropped, open_prepared, prepare
from trainer.data.prepared import PreparedVersion
from trainer.data.steps import Rows, Span, plan_spans
from trainer.engine import Engine
from trainer.errors import TrainError
from trainer.files import clear_left
from trainer.fits import check_fits
from trainer.flops import size_of
from trainer.loop import EVAL_ROWS, Data, Hooks, Trainer, run_steps
from trainer.model.export import RECORD, export, plain_names
from trainer.model.leak import check_packing, check_scores
from trainer.model.parted import load_for_engine
from trainer.objectives.table import objective_of
from trainer.options import Inputs, Options, check_options, open_inputs, open_sources
from trainer.recipe import Recipe
from trainer.reference import InOrder, ReferenceLogProbs, compute_missing, reference_folder
from trainer.run_folder import check_same, find_start, locked, make_record, write_record
from trainer.stop import Terminations
from trainer.watch import Watch
from trainer.world import World, from_first, wait_for_all


def run_training(options: Options[Any], world: World, terminations: Terminations) -> Path:
    """Train and export, by whatever the recipe's kind needs. Gives the checkpoint's folder. Every rank runs this.

    Raises:
        TrainError, DataError: what a person can mend; nothing half-written is left in `out`.
        Stopped: after SIGTERM, saved.
    """
    if world.is_first:
        check_options(options)
    record = from_first(make_record(options, open_sources(options)) if world.is_first else None, world)
    record["ranks"] = world.size
    if _is_made(options, record, world):
        return options.out
    with locked(options, world):
        if world.is_first:
            clear_left(options.cache)
            clear_left(options.run_folder)
        if not _is_made(options, record, world):  # by one that held the lock until now
            _maker(options)(options, record, world, terminations)
    return options.out


def _maker(options: Options[Any]) -> Callable[[Any, dict[str, Any], World, Terminations], None]:
    if options.recipe.kind != "rlvr":
        return make_checkpoint
    from trainer.rlvr.run import make_rlvr

    return make_rlvr


def _is_made(options: Options[Any], record: dict[str, Any], world: World) -> bool:
    """Raises TrainError when `out` is there and was made by something else."""
    found = False
    if world.is_first and options.out.exists():
        if not (options.out / RECORD).exists():
            raise TrainError(f"--out {options.out}: is there, and was not made by this; move it away or name another")
        check_same(options.out / RECORD, record, options)
        _say(world, f"{options.out}: trained already")
        found = True
    made: bool = from_first(found, world)
    return made


def make_checkpoint(options: Options, record: dict[str, Any], world: World, terminations: Terminations) -> None:
    """Learn from rows that are there: SFT, DPO, reward models."""
    start = find_start(options, record, world)
    inputs = open_inputs(options)
    train, held_out = prepare_all(inputs, options.recipe, world)
    stores = _references(options, inputs, [*train, *held_out], record, world)
    write_record(options, record, world)
    trainer = _make_trainer(options, _training_data(inputs, train, stores, options.recipe), world)
    if start:
        load_checkpoint({STATE: trainer.engine}, options.run_folder / "checkpoints", start, world)
        _say(world, f"{options.out}: goes on after step {start}")
    names = [preparation.source.name for preparation in inputs.held_out]
    evals = dict(zip(names, _held_out_data(held_out, stores[len(train) :]), strict=True))
    with terminations.postponed():
        done = _run(options, trainer, evals, start, terminations)
    _export(options, trainer, inputs.end_ids, record | {"steps": done})


def prepare_all(inputs: Inputs, recipe: Recipe, world: World) -> tuple[list[PreparedVersion], list[PreparedVersion]]:
    """Rows to tokens, the work shared by the ranks; refuses what must not be trained on."""
    everything = [*inputs.train, *inputs.held_out]
    for preparation in everything:
        prepare(preparation, world.rank, world.size)
    wait_for_all(world)
    for preparation in everything:
        dropped = check_dropped(preparation, recipe.rows.max_dropped_share)
        if dropped:
            kinds = ", ".join(f"{count} {kind}" for kind, count in dropped.most_common())
            _say(world, f"{preparation.source.name}: {dropped.total()} rows left out ({kinds})")
    train, held_out = ([_opened(one) for one in some] for some in (inputs.train, inputs.held_out))
    check_fits([*train, *held_out], recipe.batch.micro_tokens)
    check_no_overlap(train, held_out)
    return [version for _, version in train], [version for _, version in held_out]


def _opened(preparation: Preparation) -> tuple[str, PreparedVersion]:
    return preparation.source.name, open_prepared(preparation)


def _training_data(
    inputs: Inputs, train: Sequence[PreparedVersion], stores: Sequence[ReferenceLogProbs], recipe: Recipe
) -> Data:
    rows = Rows(train, [preparation.source.weight for preparation in inputs.train], recipe.seed)
    spans = plan_spans(rows, epochs=recipe.epochs, batch_rows=recipe.batch.rows, batch_tokens=recipe.batch.tokens)
    return Data(rows, spans, stores[: len(train)] or None)


def _make_trainer(options: Options, data: Data, world: World) -> Trainer:
    recipe = options.recipe
    objective = objective_of(recipe)
    torch.manual_seed(recipe.seed)  # of weights that the checkpoint does not have: a reward's, an adapter's
    model = load_for_engine(options.model, recipe, objective.head)
    size, vocabulary = size_of(model.model), model.model.config.get_text_config().vocab_size
    engine = Engine(model, recipe, world)
    check_scores(model, vocabulary, world.device)
    check_packing(model, engine.module, vocabulary, world.device)
    torch.manual_seed(recipe.seed + 1 + world.rank)  # of dropout: other draws on each rank
    return Trainer(engine, objective, recipe, world, data, size)


def _references(
    options: Options, inputs: Inputs, prepared: Sequence[PreparedVersion], record: dict[str, Any], world: World
) -> list[ReferenceLogProbs]:
    """The reference's log-probs of each version, computed where they are not there; none where none are needed."""
    recipe = options.recipe
    if not objective_of(recipe).needs_reference:
        return []
    checkpoint = options.reference or options.model
    revision = record["reference"] or record["model"]
    stores = []
    for preparation, version in zip([*inputs.train, *inputs.held_out], prepared, strict=True):
        below = options.cache / "reference"
        stores.append(
            ReferenceLogProbs(version, reference_folder(below, preparation.place.name, revision, recipe.model.dtype))
        )
    compute_missing(list(zip(prepared, stores, strict=True)), checkpoint, recipe, world)
    return stores


def _held_out_data(versions: Sequence[PreparedVersion], stores: Sequence[ReferenceLogProbs]) -> list[Data]:
    """All rows of each version, in order."""
    found = []
    for number, version in enumerate(versions):
        size = len(version)
        spans = [Span(start, min(start + EVAL_ROWS, size)) for start in range(0, size, EVAL_ROWS)]
        found.append(Data(InOrder(version), spans, stores[number : number + 1] or None))
    return found


def _run(options: Options, trainer: Trainer, evals: dict[str, Data], start: int, terminations: Terminations) -> int:
    """The steps, with a log and a progress bar on the first rank. Gives the number of steps done."""
    world, folder = trainer.world, options.run_folder / "checkpoints"
    with Watch(options, trainer.steps, start, world) as watch:

        def evaluate(done: int) -> None:
            for name, data in evals.items():
                figures = trainer.evaluate(data)
                watch.write(done, {f"eval/{name}/{key}": value for key, value in figures.items()}, "eval")

        def save(done: int) -> None:
            watch.sync()  # a checkpoint's steps are in the log
            save_checkpoint({STATE: trainer.engine}, folder, done, world, options.recipe.run.keep_checkpoints)

        return run_steps(trainer, start, Hooks(watch.step, evaluate, save, lambda: terminations.received))


def _export(options: Options, trainer: Trainer, end_ids: frozenset[int], record: dict[str, Any]) -> None:
    weights, lora = trainer.engine.weights(), options.recipe.lora
    if trainer.world.is_first:
        packed = trainer.engine.model
        plain = packed.model.get_base_model() if lora else packed.model
        named = plain_names(weights, lora)
        export(plain, named, options.model, options.out, end_ids=end_ids, record=record)
    wait_for_all(trainer.world)


def _say(world: World, text: str) -> None:
    if world.is_first:
        print(text, file=sys.stderr)

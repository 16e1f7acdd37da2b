"""A run of reinforcement learning, from its options to the checkpoint. Killed anywhere, the same command goes on.

The first rank samples and grades, and hands each batch to the others; all ranks learn from it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import torch

from trainer.checkpoint import latest_checkpoint, load_checkpoint, read_extra, save_checkpoint
from trainer.engine import Engine, Inference
from trainer.flops import size_of
from trainer.metrics.log import Value
from trainer.model.export import export, plain_names
from trainer.model.leak import check_packing, check_scores
from trainer.model.packed import plain_model
from trainer.model.parted import load_for_engine
from trainer.options import Options
from trainer.rlvr.best import Best, Found
from trainer.rlvr.collecting import Batch, State
from trainer.rlvr.critic import Critic
from trainer.rlvr.learning import Learned, Learner
from trainer.rlvr.outputs import plan_outputs
from trainer.rlvr.publish import publish
from trainer.rlvr.shared import SharedRollouts
from trainer.rlvr.starting import start_rollouts
from trainer.rlvr.steps import Hooks, Steps
from trainer.rlvr.watching import Seen
from trainer.rlvr_recipe import RlvrRecipe, ValueTable
from trainer.rows.render import Renderer
from trainer.run_folder import find_start, write_record
from trainer.stop import Terminations
from trainer.watch import Watch
from trainer.world import World, from_first, wait_for_all

ROLLOUTS = "rollouts.msgpack"  # in a checkpoint
HISTOGRAM = "histogram/"
RlvrOptions = Options[RlvrRecipe]


class Saved(msgspec.Struct, frozen=True):
    """What a checkpoint has besides weights, optimiser and random states. `is_over`: nothing is left to learn."""

    state: State = msgspec.field(default_factory=State)
    best: Found | None = None
    is_over: bool = False


def make_rlvr(options: RlvrOptions, record: dict[str, Any], world: World, terminations: Terminations) -> None:
    """Learn from what the policy samples. Every rank runs this.

    Raises:
        TrainError, DataError, SamplingError: what a person can mend.
        Stopped: after SIGTERM, saved.
    """
    outputs = plan_outputs(options, record) if world.is_first else None
    start = find_start(options, record, world)
    write_record(options, record, world)
    learner = _make_learner(options, world)
    after = start if start or _has_ended_at_once(options, world) else None
    saved = Saved() if after is None else _load(options, learner, after)
    best = Best(options.run_folder, saved.best, _exporter(options, learner, record), is_first=world.is_first)
    with ExitStack() as stack:
        rollouts = start_rollouts(options, saved.state, after, world, stack)
        if start:
            rollouts.update(learner.engine, start)
        rollouts.begin()
        stack.enter_context(terminations.postponed())
        done = start if saved.is_over else _learn(options, learner, rollouts, best, start, terminations)
        measured = rollouts.measured()
    # Before the export: once the checkpoint is there, the same command does nothing. Killed between the two, it comes
    # here again, finds the versions by their build's id, and goes on to the export.
    if outputs is not None and rollouts.archive is not None and measured is not None:
        for made in publish(outputs, rollouts.archive, measured, rollouts.looks):
            _say(world, f"{made.name}@v{made.version}: {made.rows:,} rows of {made.kind}")
    wait_for_all(world)
    if best.found is None:
        _exporter(options, learner, record | {"steps": done})(options.out)
    else:
        best.publish(options.out)
    wait_for_all(world)


def _learn(
    options: RlvrOptions,
    learner: Learner,
    rollouts: SharedRollouts,
    best: Best,
    start: int,
    terminations: Terminations,
) -> int:
    """The batches after `start`. Gives how many are done."""
    with Watch(options, options.recipe.max_steps, start, learner.world) as watch:
        hooks = _hooks(options, learner, rollouts, best, watch, terminations)
        return Steps(learner, rollouts, best, hooks, _watched(options)).run(start)


def _has_ended_at_once(options: RlvrOptions, world: World) -> bool:
    """Whether the run came to its end before it had learnt from any batch, and was killed after that."""
    found = world.is_first and latest_checkpoint(options.run_folder / "checkpoints") == 0
    return bool(from_first(found, world))


def _make_learner(options: RlvrOptions, world: World) -> Learner:
    recipe = options.recipe
    torch.manual_seed(recipe.seed)  # of an adapter's weights
    model = load_for_engine(options.model, recipe, "logprobs")
    size, vocabulary = size_of(model.model), model.model.config.get_text_config().vocab_size
    engine = Engine(model, recipe, world)
    check_scores(model, vocabulary, world.device)
    check_packing(model, engine.module, vocabulary, world.device)
    reference = _load_reference(options, world) if recipe.needs_reference else None
    critic = _make_critic(options, recipe.value, world) if recipe.value is not None else None
    torch.manual_seed(recipe.seed + 1 + world.rank)  # of dropout
    return Learner(engine, reference, critic, recipe, world, size)


def _make_critic(options: RlvrOptions, table: ValueTable, world: World) -> Critic:
    recipe = options.recipe.model_copy(update={"lora": None})
    folder = Path(table.model) if table.model is not None else options.model
    model = load_for_engine(folder, recipe, "value")
    engine = Engine(model, recipe, world)
    check_packing(model, engine.module, plain_model(model).config.get_text_config().vocab_size, world.device)
    return Critic(engine, table, recipe.batch.micro_tokens, world)


def _load_reference(options: RlvrOptions, world: World) -> Inference:
    plain = options.recipe.model_copy(update={"lora": None})
    packed = load_for_engine(options.reference or options.model, plain, "logprobs")
    packed.requires_grad_(False)
    reference = Inference(packed, plain, world)
    check_packing(packed, reference.module, plain_model(packed).config.get_text_config().vocab_size, world.device)
    return reference


def _load(options: RlvrOptions, learner: Learner, start: int) -> Saved:
    """Weights, optimiser and random states into the learner; gives the rest."""
    folder = options.run_folder / "checkpoints"
    load_checkpoint(learner.engines, folder, start, learner.world)
    _say(learner.world, f"{options.out}: goes on after batch {start}")
    return msgspec.msgpack.decode(read_extra(folder, start, ROLLOUTS), type=Saved)


def _watched(options: RlvrOptions) -> str:
    name = (*options.held_out, *options.data)[0].partition(":")[0]
    return name if options.recipe.watch.prompts else ""


def _hooks(
    options: RlvrOptions,
    learner: Learner,
    rollouts: SharedRollouts,
    best: Best,
    watch: Watch,
    terminations: Terminations,
) -> Hooks:
    def after_batch(done: int, batch: Batch, figures: dict[str, float], learned: Learned) -> None:
        watch.step(done, figures)
        histograms: dict[str, Value] = {HISTOGRAM + name: list(counts) for name, counts in learned.histograms.items()}
        watch.write(done, histograms, "event")

    def after_look(done: int, seen: Seen) -> None:
        watch.write(done, seen.figures, "eval")

    def save(done: int, is_over: bool) -> None:
        watch.sync()  # a checkpoint's steps are in the log
        state = msgspec.msgpack.encode(Saved(rollouts.state(), best.found, is_over))
        keep = options.recipe.run.keep_checkpoints
        save_checkpoint(
            learner.engines, options.run_folder / "checkpoints", done, learner.world, keep, extra={ROLLOUTS: state}
        )

    return Hooks(after_batch, after_look, lambda text: _say(learner.world, text), save, lambda: terminations.received)


def _exporter(options: RlvrOptions, learner: Learner, record: dict[str, Any]) -> Callable[[Path], None]:
    """Writes the present weights as a checkpoint to a folder."""

    def write(out: Path) -> None:
        weights = learner.engine.weights()
        if learner.world.is_first:
            end_ids = Renderer(options.model).tokenizer.end_ids
            named = plain_names(weights, options.recipe.lora)
            export(plain_model(learner.engine.model), named, options.model, out, end_ids=end_ids, record=record)
        wait_for_all(learner.world)

    return write


def _say(world: World, text: str) -> None:
    if world.is_first:
        print(text, file=sys.stderr)

"""What the first rank samples, on all ranks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

import msgspec

from factory.sampling.transformers import TransformersEngine
from schemas.errors import DataError
from schemas.metadata import own_metadata
from schemas.records import Prompt
from trainer.engine import Engine
from trainer.evaluate.engine import template_opens_thoughts
from trainer.model.export import plain_names
from trainer.options import Options, open_sources
from trainer.rlvr.archive import Archive
from trainer.rlvr.asking import Asker
from trainer.rlvr.collecting import Batch, Collector, State
from trainer.rlvr.drawing import Draw
from trainer.rlvr.grading import Grader
from trainer.rlvr.pass_rates import Measured, measure
from trainer.rlvr.rollout_rows import RolloutRows
from trainer.rlvr.rollouts import Group
from trainer.rlvr.sampler import make_sampler
from trainer.rlvr.service import Service
from trainer.rlvr.tasks import Listed, Task, Tasks, read_tasks
from trainer.rlvr_recipe import RlvrRecipe, SignalTable
from trainer.world import World, from_first

ARCHIVE = "rollouts"  # in the run folder
T = TypeVar("T")


class SharedRollouts(msgspec.Struct, frozen=True):
    """`service` and what follows are on the first rank alone. Every rank must call every method."""

    recipe: RlvrRecipe
    world: World
    service: Service | None = None
    watched: Asker | None = None
    n_watched: int = 0
    prompts: Sequence[Prompt] = ()  # that may be drawn
    archive: Archive | None = None

    def batch(self, version: int) -> Batch:
        """The groups to learn from; those that were left out are in the archive alone."""
        return self._of_first(lambda service: self._archived(service.batch(version), version + 1))

    def look(self) -> list[Group]:
        """Answers to the watched prompts, drawn with the same seeds each time."""
        draws = [Draw(number, number) for number in range(self.n_watched)]
        return self._of_first(lambda service: service.groups(self._asker, draws))

    def update(self, engine: Engine, version: int) -> None:
        """From its return on, rollouts are drawn from the engine's weights."""
        weights = plain_names(engine.weights(), self.recipe.lora)
        if self.service is not None:
            self.service.update(weights.items(), version)

    def state(self) -> State:
        return self._of_first(lambda service: service.state())

    def measured(self) -> Measured | None:
        """How often the policy solved each prompt; on the first rank alone."""
        if self.service is None or self.archive is None:
            return None
        return measure(self.prompts, self.service.state().entries, self.archive.rows.policy)

    def _archived(self, batch: Batch, step: int) -> Batch:
        assert self.archive is not None
        self.archive.add(batch, step)
        return msgspec.structs.replace(batch, others=[])

    def _asker(self, draws: list[Draw]) -> list[Any]:
        assert self.watched is not None
        return list(self.watched(draws))

    def _of_first(self, work: Callable[[Service], T]) -> T:
        found: T = from_first(None if self.service is None else work(self.service), self.world)
        return found


def start_rollouts(options: Options[RlvrRecipe], state: State, world: World, stack: ExitStack) -> SharedRollouts:
    """The sampler started, and rollouts being collected; on other ranks than the first, the front of it.

    Raises:
        DataError, TrainError: the data or the table [reward] do not fit.
        SamplingError: the engine does not start.
    """
    recipe = options.recipe
    if not world.is_first:
        return SharedRollouts(recipe, world)
    opens_thoughts = template_opens_thoughts(str(options.model), recipe.rows.chat_template_kwargs)
    grader = Grader(recipe.reward, opens_thoughts, recipe.seed)
    tasks, watched = _read(options, grader)
    prompts = [task.prompt for task in tasks.all()]
    for prompt in prompts:
        own_metadata(prompt)  # it will stand in each of its rollouts: better known now
    sampler = make_sampler(options, recipe)
    service = stack.enter_context(Service(sampler))
    archive = Archive(options.run_folder / ARCHIVE, RolloutRows(sampler.model, opens_thoughts), state.taken)
    in_turns = not recipe.rollouts.max_age
    together = sampler.sample_many if in_turns and isinstance(sampler, TransformersEngine) else None
    ask = Asker(recipe, tasks, sampler, grader, opens_thoughts, recipe.rollouts.per_prompt, together)
    service.collect(lambda: Collector(recipe, tasks, ask, state))
    watch = Asker(recipe, watched, sampler, grader, opens_thoughts, recipe.watch.per_prompt, together)
    return SharedRollouts(recipe, world, service, watch, len(watched), prompts, archive)


def _read(options: Options[RlvrRecipe], grader: Grader) -> tuple[Tasks, Listed]:
    """The prompts to learn from, and those that are watched."""
    sources, recipe = open_sources(options), options.recipe
    versions, left_out = read_tasks(sources.train, recipe.signal, grader.needs_verifier)
    if left_out:
        counted = ", ".join(f"{count} {why}" for why, count in left_out.most_common())
        print(f"{' '.join(options.data)}: {left_out.total()} prompts left out ({counted})", file=sys.stderr)
    tasks = Tasks(versions, [source.weight for source in sources.train], recipe.seed)
    watched = tasks.all()
    if sources.held_out:
        found, _ = read_tasks(sources.held_out, SignalTable(), grader.needs_verifier)
        watched = [task for version in found for task in version]
        _check_apart(options, tasks, watched)
    watched = watched[: recipe.watch.prompts]
    grader.check([*tasks.all(), *watched])
    return tasks, Listed(watched)


def _check_apart(options: Options[RlvrRecipe], tasks: Tasks, held_out: list[Task]) -> None:
    """Raises DataError when a held-out prompt is trained on, too."""
    trained = {task.prompt.prompt_id for task in tasks.all()}
    shared = [task.prompt.prompt_id for task in held_out if task.prompt.prompt_id in trained]
    if shared:
        raise DataError(
            f"{options.held_out[0]}: {len(shared)} of its prompts are in --data, too (the first: {shared[0]}); "
            "hold out prompts that are not trained on"
        )

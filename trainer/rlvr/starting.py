"""What a run of RLVR needs before its first batch: tasks, verifiers, the sampler, the archive."""

from __future__ import annotations

import sys
from contextlib import ExitStack

import msgspec

from factory.sampling.transformers import TransformersEngine
from schemas.errors import DataError
from schemas.metadata import own_metadata
from trainer.evaluate.engine import template_opens_thoughts
from trainer.options import Options, open_sources
from trainer.rlvr.archive import Archive
from trainer.rlvr.asking import Asker
from trainer.rlvr.collecting import Collector, State
from trainer.rlvr.grading import Grader
from trainer.rlvr.looks import Looks
from trainer.rlvr.rollout_rows import RolloutRows
from trainer.rlvr.sampler import make_sampler
from trainer.rlvr.service import Service
from trainer.rlvr.shared import SharedRollouts
from trainer.rlvr.tasks import Listed, Task, Tasks, read_tasks
from trainer.rlvr_recipe import RlvrRecipe, SignalTable
from trainer.world import World

ARCHIVE, LOOKS = "rollouts", "watched"  # in the run folder


def start_rollouts(
    options: Options[RlvrRecipe], state: State, after: int | None, world: World, stack: ExitStack
) -> SharedRollouts:
    """The sampler started, and all that it takes to collect; on other ranks than the first, the front of it.

    `after`: so many batches the run goes on; None: it begins anew.

    Raises:
        DataError, TrainError: the data or the table [reward] do not fit.
        SamplingError: the engine does not start.
    """
    recipe = options.recipe
    if not world.is_first:
        return SharedRollouts(recipe, world)
    opens_thoughts = template_opens_thoughts(str(options.model), recipe.rows.chat_template_kwargs)
    grader = Grader(recipe.reward, opens_thoughts, recipe.seed, recipe.run.judges)
    found = read_prompts(options, grader)
    tasks, watched = found.tasks, found.watched
    if found.left_out:
        counted = ", ".join(f"{count} {why}" for why, count in found.left_out.items())
        print(f"{' '.join(options.data)}: {sum(found.left_out.values())} prompts left out ({counted})", file=sys.stderr)
    prompts = [task.prompt for task in tasks.all()]
    for prompt in prompts:
        own_metadata(prompt)  # it will stand in each of its rollouts: better known now
    sampler = make_sampler(options, recipe)
    service = stack.enter_context(Service(sampler, grader.judges))
    rows = RolloutRows(sampler.model, opens_thoughts, grader.judges.models)
    archive = Archive(options.run_folder / ARCHIVE, rows, state.taken)
    in_turns = not recipe.rollouts.max_age
    together = sampler.sample_many if in_turns and isinstance(sampler, TransformersEngine) else None
    ask = Asker(recipe, tasks, sampler, grader, opens_thoughts, recipe.rollouts.per_prompt, together)
    watch = Asker(recipe, watched, sampler, grader, opens_thoughts, recipe.watch.per_prompt, together)
    return SharedRollouts(
        recipe=recipe,
        world=world,
        service=service,
        watched=watch,
        n_watched=len(watched),
        prompts=prompts,
        archive=archive,
        looks=Looks(options.run_folder / LOOKS, rows, after),
        collector=lambda: Collector(recipe, tasks, ask, state),
    )


class Prompts(msgspec.Struct, frozen=True):
    """To learn from and to watch. `left_out`: of the former, why they may not be drawn; the commonest first."""

    tasks: Tasks
    watched: Listed
    left_out: dict[str, int]


def read_prompts(options: Options[RlvrRecipe], grader: Grader) -> Prompts:
    """
    Raises:
        DataError, TrainError: the data or the table [reward] do not fit.
    """
    sources, recipe = open_sources(options), options.recipe
    versions, left_out = read_tasks(sources.train, recipe.signal, grader.needs_verifier)
    tasks = Tasks(versions, [source.weight for source in sources.train], recipe.seed)
    watched = tasks.all()
    if sources.held_out:
        found, _ = read_tasks(sources.held_out, SignalTable(), grader.needs_verifier)
        watched = [task for version in found for task in version]
        _check_apart(options, tasks, watched)
    watched = watched[: recipe.watch.prompts]
    grader.check([*tasks.all(), *watched])
    return Prompts(tasks, Listed(watched), dict(left_out.most_common()))


def _check_apart(options: Options[RlvrRecipe], tasks: Tasks, held_out: list[Task]) -> None:
    """Raises DataError when a held-out prompt is trained on, too."""
    trained = {task.prompt.prompt_id for task in tasks.all()}
    shared = [task.prompt.prompt_id for task in held_out if task.prompt.prompt_id in trained]
    if shared:
        raise DataError(
            f"{options.held_out[0]}: {len(shared)} of its prompts are in --data, too (the first: {shared[0]}); "
            "hold out prompts that are not trained on"
        )

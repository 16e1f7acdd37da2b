"""`trainer sft`, `trainer dpo`, `trainer reward`."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from trainer.errors import TrainError
from trainer.metrics.track import TrackerName

if TYPE_CHECKING:
    from trainer.options import Options
    from trainer.stop import Terminations

FAILED = 1
Many = Annotated[tuple[str, ...], Parameter(consume_multiple=False, negative="")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Training:
    """What every kind of training is told.

    Parameters
    ----------
    data
        a version to train on: NAME@v3, or NAME@v3:0.3 for a random 30% of its rows; several times for a mix
    model
        the checkpoint folder to begin with
    out
        the checkpoint folder to make
    eval
        a version that is held out and evaluated; one that shares prompts with --data is refused
    recipe
        a TOML file, or the name of a shipped recipe
    set
        KEY=VALUE over the recipe, for example optimizer.lr=1e-5
    track
        send what is measured to this tracker, too; each is an extra of its own
    processes
        how many to train with on this machine; by default one for each GPU, or one on the CPU
    seeds
        train so many times, with seeds one apart, to OUT-seed0 and on; says how far the final figures spread
    """

    data: Many
    model: Path
    out: Path
    eval: Many = ()
    recipe: str | None = None
    set: Many = ()
    track: TrackerName | None = None
    processes: int | None = None
    seeds: int | None = None


def sft(training: Training) -> int:
    """Supervised fine-tuning: learn the answers of traces or completions."""
    return _train("sft", training)


def dpo(training: Training) -> int:
    """Direct preference optimisation on pairs: dpo, dpo_norm, simpo, wpo or ipo."""
    return _train("dpo", training)


def reward(training: Training) -> int:
    """Train a reward model on pairs (Bradley-Terry)."""
    return _train("reward", training)


def rlvr(training: Training, *, reward: Literal["random"] | None = None) -> int:
    """Reinforcement learning with verifiable rewards: GRPO and its kin, or PPO, on prompts or pass-rates.

    Parameters
    ----------
    reward
        random: a control run that is paid by the toss of a coin; what still gets better was not learnt from rewards
    """
    control = () if reward is None else (f"reward.control={reward}",)
    return _train("rlvr", replace(training, set=(*training.set, *control)))


def _train(kind: str, training: Training) -> int:
    # Threads that spin while they wait for one another are many times slower where others use the cores too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from trainer.stop import heeding_sigterm

    return heeding_sigterm(str(training.out), lambda terminations: _run(kind, training, terminations))


def _run(kind: str, training: Training, terminations: Terminations) -> int:
    from trainer.launch import launch, processes_wanted

    options = read_options(kind, training)
    if training.seeds is not None:
        return _train_seeds(kind, training, options.recipe.seed)
    processes = processes_wanted(training.processes)
    return launch(processes) if processes > 1 else _run_here(options, terminations)


def _train_seeds(kind: str, training: Training, first_seed: int) -> int:
    from trainer.seeds.runs import lines, seeded_outs, spread, train_each

    flags = [word for data in training.data for word in ("--data", data)]
    flags += [word for version in training.eval for word in ("--eval", version)]
    flags += [word for setting in training.set for word in ("--set", setting)]
    flags += [] if training.track is None else ["--track", training.track]
    flags += ["--model", str(training.model)]
    flags += [] if training.recipe is None else ["--recipe", training.recipe]
    flags += [] if training.processes is None else ["--processes", str(training.processes)]
    outs = seeded_outs(training.out, training.seeds or 1)
    code = train_each([kind, *flags], outs, first_seed)
    if code == 0:
        print("\n".join(lines(spread(outs), len(outs))))
    return code


def read_options(kind: str, training: Training, *, on_gpu: bool | None = None) -> Options[Any]:
    """Recipe and flags, checked. `on_gpu`: what they are for; None: this machine. Raises RecipeError."""
    from schemas.datasets import workspace
    from trainer.options import Options
    from trainer.shipped import load_training_recipe

    settings = list(training.set)
    if training.track is not None:
        settings.append(f"run.track={training.track}")
    return Options(
        data=training.data,
        held_out=training.eval,
        model=training.model,
        out=training.out,
        recipe=load_training_recipe(kind, training.recipe, settings, on_gpu=on_gpu),
        workspace=workspace(),
    )


def _run_here(options: Options[Any], terminations: Terminations) -> int:
    from trainer.run import run_training
    from trainer.world import fails_first, has_lost_another, join_world, leave_world

    world = join_world()
    try:
        made = run_training(options, world, terminations)
    except BaseException as err:
        if not fails_first(world):
            return FAILED  # whoever failed first tells why
        if has_lost_another(err):
            raise TrainError(f"{options.out}: another process is gone ({err}); the same command goes on") from err
        raise
    finally:
        leave_world(world)
    if world.is_first:
        print(made)
    return 0

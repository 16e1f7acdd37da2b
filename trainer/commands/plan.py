"""`trainer plan sft | dpo | reward | rlvr`: what the same command without `plan` would take."""

from __future__ import annotations

import sys

from cyclopts import App

from trainer.commands.train import Training, read_options

app = App(name="plan", help="Say what a training takes: steps, tokens, memory, time, and the whole recipe.")


@app.command
def sft(training: Training, *, gpu: str | None = None, gpus: int | None = None, gib: float | None = None) -> None:
    """Plan a supervised fine-tuning.

    Parameters
    ----------
    gpu
        reckon with this GPU instead of what is here: H100, H200, A100, L40S, B200
    gpus
        how many of them
    gib
        memory of one
    """
    _plan("sft", training, gpu, gpus, gib)


@app.command
def dpo(training: Training, *, gpu: str | None = None, gpus: int | None = None, gib: float | None = None) -> None:
    """Plan a preference optimisation. The flags are those of `trainer plan sft`."""
    _plan("dpo", training, gpu, gpus, gib)


@app.command
def reward(training: Training, *, gpu: str | None = None, gpus: int | None = None, gib: float | None = None) -> None:
    """Plan the training of a reward model. The flags are those of `trainer plan sft`."""
    _plan("reward", training, gpu, gpus, gib)


@app.command
def rlvr(training: Training, *, gpu: str | None = None, gpus: int | None = None, gib: float | None = None) -> None:
    """Plan a reinforcement learning with verifiable rewards. The flags are those of `trainer plan sft`."""
    from trainer.plan.plan import machine_of
    from trainer.plan.rlvr import make_rlvr_plan
    from trainer.plan.rlvr_page import rlvr_lines

    machine = machine_of(gpu, gpus, gib)
    options = read_options("rlvr", training, on_gpu=machine.gpu is not None)
    for line in rlvr_lines(make_rlvr_plan(options, machine), machine):
        sys.stdout.write(f"{line}\n")


def _plan(kind: str, training: Training, gpu: str | None, gpus: int | None, gib: float | None) -> None:
    from trainer.plan.page import lines
    from trainer.plan.plan import machine_of, make_plan

    machine = machine_of(gpu, gpus, gib)
    options = read_options(kind, training, on_gpu=machine.gpu is not None)
    for line in lines(make_plan(options, machine), machine):
        sys.stdout.write(f"{line}\n")

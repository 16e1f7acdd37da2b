"""The plan of a run: rows, steps, tokens, memory, time. Rows are prepared; nothing else is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import torch

from trainer.data.overlap import check_no_overlap
from trainer.data.prepare import Preparation, check_dropped, open_prepared, prepare
from trainer.data.prepared import PreparedVersion
from trainer.data.steps import Rows, Span, plan_spans
from trainer.errors import TrainError
from trainer.files import clear_left
from trainer.flops import PEAKS, peak_flops, size_of
from trainer.objectives.table import objective_of
from trainer.options import Options, check_options, open_inputs
from trainer.plan.memory import Memory, knob, memory_of, network_of
from trainer.plan.networks import on_meta
from trainer.recipe import Recipe, identity

MFU = (0.2, 0.35, 0.5)  # low, likely, high: what packed training of dense models reaches on one node
SAMPLED_ROWS = 2000  # whose lengths stand for all


class Machine(msgspec.Struct, frozen=True):
    """What the run would be on: `gpu` names a device of the FLOP table; None: a CPU."""

    gpu: str | None
    gpus: int
    gib: float | None  # memory of one


class SourcePlan(msgspec.Struct, frozen=True):
    name: str
    rows: int
    left_out: dict[str, int]
    weight: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one run. Seconds are low, likely and high; None where there is nothing to reckon with."""

    sources: list[SourcePlan]
    rows_per_epoch: int
    steps: int
    tokens: int  # of all steps, estimated from a sample where there are many rows
    trained_tokens: int
    parameters: int
    trained_parameters: int
    memory: Memory
    fits: bool | None
    knob: str | None
    seconds: tuple[float, float, float] | None
    recipe: dict[str, Any]


def make_plan(options: Options, machine: Machine) -> Plan:
    """Raises what the run itself would raise about data, model and recipe."""
    recipe = options.recipe
    check_options(options)
    clear_left(options.cache)
    inputs = open_inputs(options)
    for preparation in (*inputs.train, *inputs.held_out):
        prepare(preparation)
    sources = [_source(preparation, recipe) for preparation in (*inputs.train, *inputs.held_out)]
    train = [open_prepared(one) for one in inputs.train]
    held_out = [open_prepared(one) for one in inputs.held_out]
    check_no_overlap(_named(inputs.train, train), _named(inputs.held_out, held_out))
    rows = Rows(train, [one.source.weight for one in inputs.train], recipe.seed)
    spans = plan_spans(rows, epochs=recipe.epochs, batch_rows=recipe.batch.rows, batch_tokens=recipe.batch.tokens)
    spans = spans[: recipe.max_steps]
    lengths, trained = _sample(rows, spans[-1].stop)
    scale = spans[-1].stop / len(trained)
    model = on_meta(options.model, options.recipe.lora)
    network = network_of(model)
    memory = memory_of(network, recipe, machine.gpus)
    fits = None if machine.gib is None else memory.total < machine.gib * 2**30
    flops = size_of(model).flops(lengths, sum(trained)) * scale
    if objective_of(recipe).needs_reference:
        flops *= 4 / 3  # one forward pass more
    return Plan(
        sources=sources,
        rows_per_epoch=rows.epoch_rows,
        steps=len(spans),
        tokens=round(sum(lengths) * scale),
        trained_tokens=round(sum(trained) * scale),
        parameters=network.weights,
        trained_parameters=network.trained,
        memory=memory,
        fits=fits,
        knob=knob(memory, recipe, machine.gpus) if fits is False else None,
        seconds=seconds_of(flops, machine),
        recipe=identity(recipe),
    )


def this_machine() -> Machine:
    if not torch.cuda.is_available():
        return Machine(None, 1, None)
    total = torch.cuda.get_device_properties(0).total_memory / 2**30
    return Machine(torch.cuda.get_device_name(0), torch.cuda.device_count(), total)


def machine_of(gpu: str | None, gpus: int | None, gib: float | None) -> Machine:
    """This machine, or the one that a person names. Raises TrainError for a GPU that is not in the table."""
    here = this_machine()
    if gpu is not None and peak_flops(gpu) is None:
        raise TrainError(f"--gpu {gpu}: not in the table of peak speeds ({', '.join(PEAKS)})")
    return Machine(gpu or here.gpu, gpus or here.gpus, gib or (here.gib if gpu is None else _usual_gib(gpu)))


def _usual_gib(gpu: str) -> float | None:
    known = {"H200": 139.0, "H100": 79.0, "A100": 79.0, "L40S": 44.0, "B200": 178.0}
    return next((size for name, size in known.items() if name in gpu), None)


def _source(preparation: Preparation, recipe: Recipe) -> SourcePlan:
    left_out = check_dropped(preparation, recipe.rows.max_dropped_share)
    source = preparation.source
    return SourcePlan(source.name, source.version.manifest.rows - left_out.total(), dict(left_out), source.weight)


def _named(
    preparations: Sequence[Preparation], versions: Sequence[PreparedVersion]
) -> list[tuple[str, PreparedVersion]]:
    return [(one.source.name, version) for one, version in zip(preparations, versions, strict=True)]


def _sample(rows: Rows, total: int) -> tuple[list[int], list[int]]:
    """Lengths of all documents, and trained tokens of each row, of the first rows in training order."""
    sizes = rows.sizes(rows.places(Span(0, min(total, SAMPLED_ROWS))))
    return [length for size in sizes for length in size.lengths], [sum(size.n_trained) for size in sizes]


def seconds_of(flops: float, machine: Machine) -> tuple[float, float, float] | None:
    """Low, likely and high. None: the machine is not in the table."""
    peak = None if machine.gpu is None else peak_flops(machine.gpu)
    if peak is None:
        return None
    slow, likely, fast = (flops / (share * peak * machine.gpus) for share in MFU)
    return fast, likely, slow

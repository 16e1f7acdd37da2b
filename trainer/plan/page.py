"""A plan for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from trainer.metrics.progress import duration
from trainer.plan.memory import GIB, Memory
from trainer.plan.plan import Machine, Plan

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def lines(plan: Plan, machine: Machine) -> Iterator[str]:
    for source in plan.sources:
        left_out = ", ".join(f"{count} {kind}" for kind, count in source.left_out.items())
        share = "" if source.weight == 1 else f", weight {source.weight:g}"
        yield f"{source.name}: {source.rows:,} rows{share}" + (f"; left out: {left_out}" if left_out else "")
    yield f"steps: {plan.steps:,}; {plan.rows_per_epoch:,} rows an epoch"
    yield f"tokens: about {plan.tokens:,}, of which {plan.trained_tokens:,} trained"
    yield f"parameters: {plan.parameters:,}" + (
        "" if plan.trained_parameters == plan.parameters else f", of which {plan.trained_parameters:,} trained"
    )
    yield memory_line(plan.memory, machine)
    if plan.fits is False:
        yield f"this does not fit; set {plan.knob}"
    yield _time(plan, machine)
    yield ""
    yield from toml(plan.recipe)


def memory_line(memory: Memory, machine: Machine) -> str:
    names = ("weights", "gradients", "optimizer", "activations", "head")
    parts = ", ".join(f"{name} {getattr(memory, name) / GIB:.2f}" for name in names)
    of = "" if machine.gib is None else f" of {machine.gib:.0f}"
    where = "memory" if machine.gpu is None else "memory of a GPU"
    host = f"; {memory.host / GIB:.2f} GiB in the machine's own" if memory.host else ""
    return f"{where}: {memory.total / GIB:.2f}{of} GiB ({parts}){host}"


def _time(plan: Plan, machine: Machine) -> str:
    if plan.seconds is None:
        return "time: not known for this machine; --gpu H100 --gpus 8 reckons with others"
    fast, likely, slow = map(duration, plan.seconds)
    return f"time: about {likely} on {machine.gpus} x {machine.gpu} ({fast} to {slow})"


def toml(table: dict[str, Any], name: str = "") -> Iterator[str]:
    """The resolved recipe as TOML. Keys that are None are left out: that is what leaving them out means."""
    plain = {key: value for key, value in table.items() if value is not None and not isinstance(value, dict)}
    if name and (plain or not table):
        yield f"[{name}]"
    yield from (f"{_key(key)} = {_value(value)}" for key, value in plain.items())
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield ""
            yield from toml(value, f"{name}.{_key(key)}" if name else _key(key))


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else msgspec.json.encode(key).decode()


def _value(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(key)} = {_value(part)}" for key, part in value.items() if part is not None)
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, str):
        return msgspec.json.encode(value).decode()
    return repr(value)

"""Weights on their way into an engine: checked against what it has, and copied, before any of them is changed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from factory.sampling.checkpoint import Checkpoint, weights_in
from factory.sampling.errors import RunError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SHOWN = 3  # names in a message
INPUT_NAME, OUTPUT_NAME = "embed_tokens.weight", "lm_head.weight"
DTYPES = {"F64": "float64", "F32": "float32", "BF16": "bfloat16", "F16": "float16", "I64": "int64", "I32": "int32"}


class TensorKind(msgspec.Struct, frozen=True):
    """What a weight of this name must be like. `dtype` is torch's name of what it is kept in."""

    dtype: str
    shape: tuple[int, ...]


def kinds_of_checkpoint(checkpoint: Checkpoint, dtype: str | None) -> dict[str, TensorKind]:
    """The weights of a checkpoint folder, in `dtype` or their own. Of tied embeddings the input's alone.

    Raises:
        RunError: its weights are quantised, so new ones cannot be put in their place.
    """
    found = weights_in(checkpoint)
    if checkpoint.config.get("tie_word_embeddings") and any(name.endswith(INPUT_NAME) for name in found):
        found.pop(OUTPUT_NAME, None)
    for name, (kind, _) in found.items():
        if kind not in DTYPES or checkpoint.config.get("quantization_config"):
            reason = f"checkpoint {checkpoint.folder}: {name} is {kind}, quantised; start from the plain weights"
            raise RunError("bad_checkpoint", reason)
    return {name: TensorKind(dtype or DTYPES[kind], shape) for name, (kind, shape) in found.items()}


def kinds_of_model(model: torch.nn.Module) -> dict[str, TensorKind]:
    """The weights of a model in this process. Of tied ones the first name alone."""
    kinds, seen = {}, set[int]()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            kinds[name] = TensorKind(str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))
    return kinds


def check_newer(version: int, held: int) -> None:
    """Raises `RunError`: two weights of one version could not be told apart."""
    if version <= held:
        raise RunError("bad_version", f"weights of version {version} cannot follow those of version {held}")


def stage(
    weights: Iterable[tuple[str, Tensor]], kinds: Mapping[str, TensorKind], device: str | torch.device = "cpu"
) -> dict[str, Tensor]:
    """Copies of all weights, contiguous, in the order in which they came, each in the type that it is kept in.

    Raises:
        RunError: "bad_weights", as `UpdatableSampler.update` says.
    """
    import torch

    staged: dict[str, Tensor] = {}
    for name, tensor in weights:
        if name in staged:
            raise _refused(f"{name} came twice")
        if name not in kinds:
            raise _refused(f"no weight is called {name!r}{_nearest(name, kinds)}")
        kind = kinds[name]
        if tuple(tensor.shape) != kind.shape:
            raise _refused(f"{name} has the shape {list(tensor.shape)}, the model's has {list(kind.shape)}")
        copy = tensor.detach().to(device, getattr(torch, kind.dtype), copy=True)
        staged[name] = copy.contiguous()
    missing = kinds.keys() - staged.keys()
    if missing:
        named = ", ".join(sorted(missing)[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
        raise _refused(f"{len(missing)} of {len(kinds)} weights are missing: {named}")
    return staged


def _nearest(name: str, kinds: Mapping[str, TensorKind]) -> str:
    nearest = difflib.get_close_matches(name, kinds, n=1)
    return f"; the nearest is {nearest[0]!r}" if nearest else ""


def _refused(problem: str) -> RunError:
    return RunError("bad_weights", f"the new weights were not taken, the old ones stay: {problem}")

"""`trainer merge`: the weighted mean of checkpoints as a new one, written whole or not at all."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from torch import Tensor

from factory.sampling.checkpoint import SETTINGS, TEMPLATES, TOKENIZERS
from schemas.errors import WriteError
from trainer.files import clear_left_of, making, sync_tree
from trainer.merge.average import mean, same
from trainer.merge.errors import MergeError
from trainer.merge.parents import Parent, open_parents
from trainer.merge.shards import SHARD_BYTES, plan_shards, write_weights
from trainer.merge.tensors import FLOATS, TensorInfo, read_chunks

OnBytes = Callable[[int, int], None]
RECORD = "merge.json"
WEIGHTS_SUM_TO = 1e-3  # how near to 1: 0.333,0.333,0.333 is meant as thirds


class ParentRecord(msgspec.Struct, frozen=True):
    path: str
    revision: str
    weight: float


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """What merge.json says."""

    method: str = "linear"
    parents: list[ParentRecord]
    tensors: int
    parameters: int
    dtypes: dict[str, int]  # of how many parameters


def merge(
    paths: Sequence[str],
    weights: Sequence[float] | None,
    out: Path,
    on_bytes: OnBytes = lambda done, total: None,
    shard_bytes: int = SHARD_BYTES,
) -> Merged:
    """Write the mean of the checkpoints into `out`, with the first one's config, tokenizer and template.

    Holds a part of one tensor of each. `on_bytes` hears how many bytes of the new weights are made, and of how many.

    Raises:
        MergeError: `out` is there, weights that do not sum to 1, or checkpoints that do not fit together.
        WriteError: no space.
    """
    if out.exists():
        raise MergeError(f"{out}: is there already; move it away, or name another --out")
    parents = open_parents(paths, normalised(weights, len(paths)))
    merged = _record(parents)
    clear_left_of(out)
    try:
        with making(out) as aside:
            _write(aside, parents, merged, on_bytes, shard_bytes)
    except OSError as err:
        raise WriteError(f"{out}: not written ({err.strerror or err}); nothing is left of it, run it again") from err
    return merged


def normalised(weights: Sequence[float] | None, parents: int) -> list[float]:
    """One weight a parent, of sum exactly 1 but for rounding; equal ones where none are given.

    Raises:
        MergeError: another number of them, or a sum that is not 1.
    """
    if not parents:
        raise MergeError("name a checkpoint: trainer merge CKPT CKPT --out CKPT")
    if weights is None:
        return [1 / parents] * parents
    if len(weights) != parents:
        raise MergeError(f"--weights: {len(weights)} weights for {parents} checkpoints; give one each")
    if not all(math.isfinite(weight) for weight in weights):
        raise MergeError("--weights: each must be a finite number")
    total = math.fsum(weights)
    if abs(total - 1) > WEIGHTS_SUM_TO:
        scaled = f": {','.join(f'{weight / total:.4g}' for weight in weights)}" if total > 0 else ""
        raise MergeError(f"--weights: they sum to {total:.6g}; give weights of sum 1{scaled}")
    return [weight / total for weight in weights]


def _write(folder: Path, parents: Sequence[Parent], merged: Merged, on_bytes: OnBytes, shard_bytes: int) -> None:
    """config.json comes last: a folder without it is no checkpoint to anybody."""
    tensors = list(parents[0].layout.values())
    total, done = sum(info.bytes for info in tensors), 0

    def chunks(info: TensorInfo) -> Iterator[Tensor]:
        nonlocal done
        yield from _merged_chunks(parents, info.name)
        done += info.bytes
        on_bytes(done, total)

    write_weights(folder, plan_shards(tensors, shard_bytes), chunks)
    (folder / RECORD).write_bytes(msgspec.json.format(msgspec.json.encode(merged), indent=2) + b"\n")
    sync_tree(folder)
    for pattern in (*TOKENIZERS, *TEMPLATES, *reversed(SETTINGS)):
        for file in parents[0].folder.glob(pattern):
            shutil.copyfile(file, folder / file.name)
    sync_tree(folder)


def _merged_chunks(parents: Sequence[Parent], name: str) -> Iterator[Tensor]:
    infos = [parent.layout[name] for parent in parents]
    is_float = infos[0].dtype in FLOATS
    weights = [parent.weight for parent in parents]
    for parts in zip(*(read_chunks(info) for info in infos), strict=True):
        try:
            yield mean(parts, weights) if is_float else same(parts)
        except MergeError as err:
            raise MergeError(f"{name}: {err}") from err


def _record(parents: Sequence[Parent]) -> Merged:
    tensors = parents[0].layout.values()
    dtypes: dict[str, int] = {}
    for info in tensors:
        dtypes[info.dtype] = dtypes.get(info.dtype, 0) + info.elements
    return Merged(
        parents=[ParentRecord(parent.path, parent.revision, parent.weight) for parent in parents],
        tensors=len(tensors),
        parameters=sum(info.elements for info in tensors),
        dtypes=dtypes,
    )

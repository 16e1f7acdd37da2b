"""The reference's log-probs: computed once, before training, and kept in files named by all that they depend on."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from schemas.canonical import short_hash
from schemas.errors import CorruptError
from trainer.data.prepared import PreparedVersion
from trainer.data.steps import Rows, Span, make_step, micro_batch
from trainer.engine import Inference
from trainer.errors import ModelError
from trainer.files import write_durably
from trainer.model.leak import check_packing, check_scores
from trainer.model.packed import document_sums, plain_model
from trainer.model.parted import load_for_engine
from trainer.recipe import TrainRecipe
from trainer.world import World, wait_for_all

FORMAT = 1
PART_ROWS = 4096  # in one file: what a kill costs
AGAIN = "remove it, and it is computed again"
_Floats = npt.NDArray[np.float32]
SCHEMA = pa.schema(
    [
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("logprobs", pa.list_(pa.field("item", pa.float32(), nullable=False)), nullable=False),
    ]
)


class ReferenceLogProbs:
    """Summed log-probs of each document of each row of one version."""

    def __init__(self, prepared: PreparedVersion, folder: Path) -> None:
        self._prepared = prepared
        self._folder = folder
        self._part = lru_cache(maxsize=64)(self._read)

    def missing(self) -> list[int]:
        """The parts that are not there yet; those that are there are checked. Raises CorruptError."""
        absent = []
        for part in range(-(-len(self._prepared) // PART_ROWS)):
            if self.file(part).exists():
                self._part(part)
            else:
                absent.append(part)
        return absent

    def row(self, number: int) -> list[float]:
        found: list[float] = self._part(number // PART_ROWS)[number % PART_ROWS].tolist()
        return found

    def file(self, part: int) -> Path:
        return self._folder / f"part-{part:06}.arrow"

    def span(self, part: int) -> Span:
        return Span(part * PART_ROWS, min((part + 1) * PART_ROWS, len(self._prepared)))

    def write(self, part: int, logprobs: dict[int, list[float]]) -> None:
        """`logprobs` by the row's number within the part. All must be there.

        Raises:
            ModelError: one of them is no finite number.
            WriteError: no space.
        """
        ids = self._prepared.row_ids(*self.span(part))
        values = np.array([logprobs[number] for number in range(len(ids))], np.float32)
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            raise ModelError(f"the reference gives row {ids[bad[0]]} the log-probs {values[bad[0]].tolist()}")
        arrays = [pa.array(ids), pa.array(list(values), SCHEMA.field(1).type)]
        schema = SCHEMA.with_metadata(self._seal(part, ids, values))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, schema) as writer:
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
        write_durably(self.file(part), sink.getvalue().to_pybytes())

    def _read(self, part: int) -> _Floats:
        """(rows, documents of a row), if they are those that were written for these rows. Raises CorruptError."""
        file, ids = self.file(part), self._prepared.row_ids(*self.span(part))
        data = file.read_bytes()
        try:
            with pa.ipc.open_file(data) as reader:
                schema, batch = reader.schema, reader.get_batch(0)
            batch.validate(full=True)
        except (pa.ArrowException, OSError) as err:  # the second: of bytes that Arrow does not understand
            raise CorruptError(f"{file}: cannot be read ({err}); {AGAIN}") from err
        if not schema.equals(SCHEMA) or batch["row_id"].to_pylist() != ids:
            raise CorruptError(f"{file}: holds other rows than these; {AGAIN}")
        values: _Floats = batch["logprobs"].values.to_numpy().reshape(len(ids), -1)
        if schema.metadata != self._seal(part, ids, values):
            raise CorruptError(f"{file}: its numbers are not those that were written; {AGAIN}")
        return values

    def _seal(self, part: int, ids: list[str], values: _Floats) -> dict[bytes, bytes]:
        """What the file says of itself: whose log-probs these are, and a hash of them."""
        digest = sha256("\0".join(ids).encode() + values.tobytes()).hexdigest()
        return {b"key": f"{self._folder.name}/{part}".encode(), b"sha256": digest.encode()}


def reference_folder(below: Path, prepared_key: str, revision: str, dtype: str) -> Path:
    """Where the log-probs of these rows under this model lie. The rows' key holds data, template and truncation."""
    return below / short_hash([FORMAT, PART_ROWS, prepared_key, revision, dtype])


def compute_missing(
    stores: Sequence[tuple[PreparedVersion, ReferenceLogProbs]], checkpoint: Path, recipe: TrainRecipe, world: World
) -> None:
    """Compute what is missing, all ranks together. The model is gone from memory when this returns.

    Raises:
        CorruptError: a file is not what was written.
        ModelError: the reference is not a model whose packed documents stay apart.
        WriteError: no space.
    """
    missing = [(prepared, store, part) for prepared, store in stores for part in store.missing()]
    if not missing:
        return
    model = _load(checkpoint, recipe, world)
    for prepared, store, part in missing:
        _compute(model, prepared, store, part, recipe, world)
    model.close()
    del model
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _load(checkpoint: Path, recipe: TrainRecipe, world: World) -> Inference:
    plain = recipe.model_copy(update={"lora": None})
    packed = load_for_engine(checkpoint, plain, "logprobs")
    vocabulary = plain_model(packed).config.get_text_config().vocab_size
    model = Inference(packed, plain, world)
    check_scores(packed, vocabulary, world.device)
    check_packing(packed, model.module, vocabulary, world.device)
    return model


@torch.no_grad()
def _compute(
    model: Inference,
    prepared: PreparedVersion,
    store: ReferenceLogProbs,
    part: int,
    recipe: TrainRecipe,
    world: World,
) -> None:
    rows = InOrder(prepared)
    step = make_step(rows, store.span(part), recipe.batch.micro_tokens, world.rank, world.size)
    mine: dict[int, list[float]] = {}
    for bin in step.bins:
        micro = micro_batch(rows, step, bin, world.device)
        sums_N = document_sums(model.module(micro).logprobs_S, micro)[0].tolist()
        each = len(sums_N) // max(1, len(bin))
        mine |= {row: sums_N[at * each : (at + 1) * each] for at, row in enumerate(bin)}
    found: list[Any] = [None] * world.size
    torch.distributed.all_gather_object(found, mine)
    if world.is_first:
        store.write(part, {row: sums for share in found for row, sums in share.items()})
    wait_for_all(world)


class InOrder(Rows):
    """One version's rows as they lie."""

    def __init__(self, prepared: PreparedVersion) -> None:
        super().__init__([prepared], [1.0], seed=0)

    def places(self, span: Span) -> list[tuple[int, int]]:
        return [(0, number) for number in range(*span)]


def reference_tensor(
    stores: Sequence[ReferenceLogProbs], places: Sequence[tuple[int, int]], device: torch.device
) -> Tensor:
    """The reference's sums (N,) for the documents of these rows, in order."""
    return torch.tensor([value for version, row in places for value in stores[version].row(row)], device=device)

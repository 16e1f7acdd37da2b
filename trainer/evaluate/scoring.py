"""The exact log-probs of given tokens under a checkpoint: one forward pass, as the trainer makes it.

Answers lie packed end to end, none sees another, and the last layer is applied in chunks, in fp32
(`trainer.model`). One model is in memory at a time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from factory.sampling.checkpoint import open_checkpoint
from factory.sampling.errors import RunError
from trainer.errors import ModelError
from trainer.evaluate.intervals import Floats

if TYPE_CHECKING:
    from trainer.data.micro import MicroBatch
    from trainer.model.packed import PackedLogProbs

PACK_TOKENS = 8192


class Said(msgspec.Struct, frozen=True):
    """Token ids (T,) of a prompt and an answer, at least one each. `n_prompt`: where the answer begins."""

    ids: npt.NDArray[np.int32]
    n_prompt: int


def score(folder: str, answers: Sequence[Said], pack_tokens: int = PACK_TOKENS) -> list[Floats]:
    """The log-probs (T,) of each answer's tokens, in nats, computed in fp32.

    `pack_tokens`: in one forward pass; a longer answer is a pass of its own.

    Raises:
        ModelError: the checkpoint cannot be loaded, or its forward pass is not the one that is known here.
    """
    import torch

    with torch.inference_mode():
        model = _load(folder, max(int(answer.ids.max()) for answer in answers))
        found: list[Floats] = []
        for micro in _packs(answers, pack_tokens, _device(model)):
            found += _by_document(model(micro).logprobs_S, micro)
    del model
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return found


def _load(folder: str, highest_token: int) -> PackedLogProbs:
    from factory.sampling.transformers import load_model
    from trainer.model.attention import PACKED, register
    from trainer.model.leak import check_scores
    from trainer.model.load import read_config
    from trainer.model.packed import PackedLogProbs

    register()
    config = read_config(Path(folder))  # refuses layers through which packed answers would mix
    try:
        plain = load_model(open_checkpoint(folder), "auto", "auto")
    except RunError as err:
        raise ModelError(err.reason) from err
    if highest_token >= plain.get_input_embeddings().num_embeddings:
        raise ModelError(f"checkpoint {folder}: has no token {highest_token}; its weights are for another tokenizer")
    plain.set_attn_implementation(PACKED)
    model = PackedLogProbs(plain).eval()
    try:
        check_scores(model, config.get_text_config().vocab_size)
    except ModelError as err:
        raise ModelError(f"checkpoint {folder}: {err}") from err
    return model


def _device(model: PackedLogProbs) -> Any:  # noqa: ANN401 - torch is imported late
    return next(model.parameters()).device


def _packs(answers: Sequence[Said], most: int, device: Any) -> Iterator[MicroBatch]:  # noqa: ANN401 - torch is imported late
    """The answers in order, up to `most` tokens in a row."""
    pack: list[Said] = []
    size = 0
    for answer in answers:
        if pack and size + len(answer.ids) > most:
            yield _micro(pack, device)
            pack, size = [], 0
        pack.append(answer)
        size += len(answer.ids)
    yield _micro(pack, device)


def _micro(pack: Sequence[Said], device: Any) -> MicroBatch:  # noqa: ANN401 - torch is imported late
    from trainer.data.micro import Document, make_micro

    documents = [Document(answer.ids, np.arange(len(answer.ids)) >= answer.n_prompt) for answer in pack]
    return make_micro(documents, range(len(pack)), device)


def _by_document(logprobs_S: Any, micro: MicroBatch) -> list[Floats]:  # noqa: ANN401 - torch is imported late
    values_S: Floats = logprobs_S.double().cpu().numpy()
    counts = np.bincount(micro.document_S.cpu().numpy(), minlength=micro.n_documents)
    return np.split(values_S, np.cumsum(counts)[:-1])

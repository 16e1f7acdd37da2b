"""Before the first step: does any packed document see another, and are the values those of the plain model?

Both are measured on the model itself, so that no attention, no router and no odd output layer passes unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainer.data.micro import Document, MicroBatch, make_micro
from trainer.errors import ModelError
from trainer.model.attention import PACKED
from trainer.model.head import TokenScores
from trainer.model.packed import PackedLogProbs, PackedModel, PackedRewards, backbone_of, name_of, plain_model

LENGTHS = (13, 29, 7)  # of the documents that are packed for the check; the second is watched
WINDOW = 8  # what sliding windows are for the check, so that they cut its documents
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.25}  # nats, between two ways to compute the same


@torch.no_grad()
def check_packing(
    model: PackedModel, run: Callable[..., Tensor | TokenScores], vocabulary: int, device: torch.device
) -> None:
    """Pack three random documents, change the first and third: what the second gets must not move by a bit.

    `run` is called in place of the model (an engine's hooks hang on it). Every rank must call it.

    Raises:
        ModelError: documents mix, or packed log-probs are not those of the document alone.
    """
    was_training = model.training
    model.eval()
    draws = [_documents(vocabulary, seed) for seed in (0, 1)]
    draws[1][1] = draws[0][1]
    is_of_tokens = not isinstance(model, PackedRewards)

    def values(documents: list[Document]) -> list[Tensor]:
        return _by_document(run(make_micro(documents, [0], device)), documents, is_of_tokens)

    first, second = (values(documents) for documents in draws)
    alone = values([draws[0][1]])
    moved = _gap(first[1], second[1])
    # Which tokens an expert gets together depends on all documents, and with it how its sums are rounded.
    allowed = _tolerance(model) if _has_experts(model) else 0.0
    if not moved <= allowed:
        raise ModelError(
            f"{name_of(model)}: a packed document changes what its neighbour gets (by up to {moved:.2g}); "
            "training this model on packed rows would be wrong"
        )
    gap = _gap(first[1], alone[0])
    if not gap <= _tolerance(model):
        raise ModelError(f"{name_of(model)}: packed, a document gets other values than alone (by up to {gap:.2g})")
    model.train(was_training)


@torch.no_grad()
def check_scores(model: PackedModel, vocabulary: int, device: torch.device | None = None) -> None:
    """Compare what one document gets here with what the model as transformers runs it, mask and all, gives.

    `device`: of the arithmetic, where that is not the weights' own. Every rank must call it.

    Raises:
        ModelError: the model does something that is not done here: a scale or a cap of its logits, another mask.
    """
    was_training = model.training
    model.eval()
    micro = make_micro([_documents(vocabulary, 2)[1]], [0], device or next(model.parameters()).device)
    plain = plain_model(model)
    with _short_windows(plain):
        found = model(micro)
        plain.set_attn_implementation("eager")
        theirs = _as_transformers(model, micro)
        plain.set_attn_implementation(PACKED)
    gap = _gap(found.logprobs_S if isinstance(found, TokenScores) else found, theirs)
    if not gap <= _tolerance(model):
        raise ModelError(
            f"{name_of(model)}: gets other values here than from transformers (by up to {gap:.2g}): it scales or caps "
            "its logits, or masks its attention in a way that is not known here; it can be neither trained nor scored"
        )
    model.train(was_training)


def _as_transformers(model: PackedModel, micro: MicroBatch) -> Tensor:
    """Log-probs (S,), values (S,) or reward (1,) of a single document."""
    if not isinstance(model, PackedLogProbs):
        hidden_TD = backbone_of(model)(input_ids=micro.ids_T[None], use_cache=False).last_hidden_state[0]
        scores_T: Tensor = model.model.score(hidden_TD)[:, 0].float()
        return scores_T[-1:] if isinstance(model, PackedRewards) else scores_T[micro.places_S]
    logits_TV = model.model(input_ids=micro.ids_T[None], use_cache=False).logits[0].float()
    return torch.log_softmax(logits_TV, dim=-1)[micro.places_S, micro.targets_S]


@contextmanager
def _short_windows(plain: Any) -> Iterator[None]:  # noqa: ANN401 - transformers is untyped
    """Attention layers read their window from themselves, masks from the config."""
    holders = [plain.config.get_text_config(), *plain.modules()]
    windows = [(holder, window) for holder in holders if (window := getattr(holder, "sliding_window", None))]
    for holder, _ in windows:
        holder.sliding_window = WINDOW
    try:
        yield
    finally:
        for holder, window in windows:
            holder.sliding_window = window


def _gap(ours: Tensor, theirs: Tensor) -> float:
    """NaN when one of the values is."""
    return float((ours - theirs).abs().max())


def _tolerance(model: PackedModel) -> float:
    return TOLERANCE.get(next(model.parameters()).dtype, TOLERANCE[torch.bfloat16])


def _has_experts(model: PackedModel) -> bool:
    return any(".experts." in name for name, _ in model.named_parameters())


def _documents(vocabulary: int, seed: int) -> list[Document]:
    draw = np.random.default_rng(seed)
    return [
        Document(draw.integers(0, vocabulary, length, dtype=np.int32), np.ones(length, np.bool_)) for length in LENGTHS
    ]


def _by_document(found: Tensor | TokenScores, documents: list[Document], is_of_tokens: bool) -> list[Tensor]:
    """Log-probs or values of each document's tokens, or its reward."""
    values = found.logprobs_S if isinstance(found, TokenScores) else found
    return list(torch.split(values, [len(document.ids) - 1 if is_of_tokens else 1 for document in documents]))

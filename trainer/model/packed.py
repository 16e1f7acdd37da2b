"""A model around a model: packed documents in; log-probs or values of their trained tokens, or one reward each, out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trainer.errors import ModelError
from trainer.model.head import TokenScores, make_scoring, make_valuing

if TYPE_CHECKING:
    from trainer.data.micro import MicroBatch


class PackedLogProbs(nn.Module):
    """A causal language model. `forward` gives the scores (S,) of each trained token, in fp32."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - transformers is untyped
        super().__init__()
        self.model = model
        try:
            make_scoring(model.get_output_embeddings())
        except TypeError as err:
            raise ModelError(f"{name_of(self)}: {err}; this model cannot be trained here") from err

    def forward(self, micro: MicroBatch, typical: bool = False, entropy: bool = False) -> TokenScores:
        """`typical`, `entropy`: which of the scores that cost extra are wanted."""
        hidden_SD = _hidden(self, micro)[micro.places_S]
        scores: TokenScores = self.model.get_output_embeddings()(hidden_SD, micro.targets_S, typical, entropy)
        return scores


class PackedRewards(nn.Module):
    """A sequence classifier with one label. `forward` gives the reward (N,) at the last token of each document."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - transformers is untyped
        super().__init__()
        self.model = model
        if not isinstance(getattr(model, "score", None), nn.Module):
            raise ModelError(f"{name_of(self)}: has no layer called score; no reward model can be made of it here")

    def forward(self, micro: MicroBatch) -> Tensor:
        hidden_TD = _hidden(self, micro)
        last_N = micro.documents.bounds[1:].long() - 1
        rewards_N: Tensor = self.model.score(hidden_TD[last_N])[:, 0].float()
        return rewards_N


class PackedValues(nn.Module):
    """A sequence classifier with one label. `forward` gives the value (S,) before each trained token, in fp32.

    Before the token: at the place where it is foretold, which knows nothing of it.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - transformers is untyped
        super().__init__()
        self.model = model
        score: Any = getattr(model, "score", None)
        try:
            make_valuing(getattr(score, "base_layer", score))  # adapters wrap it
        except TypeError as err:
            raise ModelError(f"{name_of(self)}: {err}; no value model can be made of it here") from err

    def forward(self, micro: MicroBatch) -> Tensor:
        hidden_TD = _hidden(self, micro)
        values_S: Tensor = self.model.score(hidden_TD[micro.places_S])[:, 0].float()
        return values_S


PackedModel = PackedLogProbs | PackedRewards | PackedValues


def plain_model(model: PackedModel) -> Any:  # noqa: ANN401 - transformers is untyped
    """transformers' own model, out of an adapter's wrapping where there is one."""
    found = model.model
    return found.get_base_model() if hasattr(found, "get_base_model") else found


def name_of(model: PackedModel) -> str:
    return type(plain_model(model)).__name__


def backbone_of(model: PackedModel) -> Any:  # noqa: ANN401 - transformers is untyped
    """The network below the output layer: from tokens to the states after the final norm."""
    plain = plain_model(model)
    return getattr(plain, plain.base_model_prefix)


def _hidden(model: PackedModel, micro: MicroBatch) -> Tensor:
    """The last layer's states (T, D), after the final norm."""
    found = backbone_of(model)(
        input_ids=micro.ids_T[None],
        position_ids=micro.positions_T[None],
        documents=micro.documents,
        use_cache=False,
    )
    hidden_TD: Tensor = found.last_hidden_state[0]
    return hidden_TD


def document_sums(values_S: Tensor, micro: MicroBatch) -> tuple[Tensor, Tensor]:
    """Sum (N,) and number (N,) of the values of each document.

    Added up in fp64: one after the other in fp32, the log-probs of a long answer lose more than a margin may be worth.
    """
    zeros_N = torch.zeros(micro.n_documents, dtype=torch.float64, device=values_S.device)
    sums_N = zeros_N.index_add(0, micro.document_S, values_S.double())
    counts_N = zeros_N.index_add(0, micro.document_S, torch.ones_like(values_S, dtype=torch.float64))
    return sums_N.to(values_S.dtype), counts_N.to(values_S.dtype)

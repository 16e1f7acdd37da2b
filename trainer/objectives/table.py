"""The objectives by name: what each needs of a row, of the model and of a reference, and its loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from trainer.data.micro import MicroBatch
from trainer.model.head import TokenScores
from trainer.model.load import Head
from trainer.model.packed import PackedModel, document_sums
from trainer.objectives.base import Measure, Outcome, Term
from trainer.objectives.preference import (
    NEEDS_REFERENCE,
    Side,
    pair_losses,
    reward_losses,
    wpo_weights,
)
from trainer.objectives.sft import sft
from trainer.recipe import DpoTable, Recipe

Unit = Literal["conversation", "pair"]


class Objective(NamedTuple):
    """`loss(model, micro, reference_N)` runs the model; `reference_N` is the reference's sum for each document."""

    unit: Unit
    head: Head
    needs_reference: bool
    loss: Callable[[PackedModel, MicroBatch, Tensor | None], Outcome]


def objective_of(recipe: Recipe) -> Objective:
    if recipe.kind == "sft":
        return Objective("conversation", "logprobs", False, _sft)
    if recipe.kind == "reward":
        return Objective("pair", "reward", False, _reward)
    table = recipe.dpo

    def preference(model: PackedModel, micro: MicroBatch, reference_N: Tensor | None) -> Outcome:
        return _preference(table, model(micro, table.loss == "wpo"), micro, reference_N)

    return Objective("pair", "logprobs", table.loss in NEEDS_REFERENCE, preference)


def _sft(model: PackedModel, micro: MicroBatch, reference_N: Tensor | None) -> Outcome:
    return sft(model(micro).logprobs_S)


def _reward(model: PackedModel, micro: MicroBatch, reference_N: Tensor | None) -> Outcome:
    chosen_P, rejected_P = _sides(model(micro), micro)
    losses_P = reward_losses(chosen_P, rejected_P)
    return Outcome({"reward": Term(losses_P.sum(), "pairs")}, _pair_measures(chosen_P, rejected_P))


def _preference(table: DpoTable, scores: TokenScores, micro: MicroBatch, reference_N: Tensor | None) -> Outcome:
    sums_N, tokens_N = document_sums(scores.logprobs_S, micro)
    against_N = torch.zeros_like(sums_N) if reference_N is None else reference_N
    (sums, rejected_sums), (tokens, rejected_tokens) = _sides(sums_N, micro), _sides(tokens_N, micro)
    against, rejected_against = _sides(against_N, micro)
    chosen, rejected = Side(sums, tokens, against), Side(rejected_sums, rejected_tokens, rejected_against)
    found = pair_losses(
        table.loss,
        chosen,
        rejected,
        beta=table.beta,
        gamma=table.gamma,
        label_smoothing=table.label_smoothing,
    )
    losses_P = found.losses_P
    if scores.typical_S is not None:
        aligned_N = document_sums(scores.logprobs_S.detach() - scores.typical_S, micro)[0] / tokens_N
        losses_P = losses_P * wpo_weights(*_sides(aligned_N, micro))
    terms: dict[str, Term] = {table.loss: Term(losses_P.sum(), "pairs")}
    if table.nll:
        terms["nll"] = Term(-chosen.logprobs_P.sum(), "chosen_tokens", table.nll)
    measures = _pair_measures(found.rewards_chosen_P, found.rewards_rejected_P) | _side_measures(chosen, rejected)
    if reference_N is not None:
        measures["logratio/chosen"] = Measure((chosen.logprobs_P - chosen.reference_P).sum().detach(), "pairs")
        measures["logratio/rejected"] = Measure((rejected.logprobs_P - rejected.reference_P).sum().detach(), "pairs")
    return Outcome(terms, measures)


def _sides(values_N: Tensor, micro: MicroBatch) -> tuple[Tensor, Tensor]:
    """The values (P,) of chosen and of rejected documents. Of an empty micro-batch: none, still with a graph."""
    of_rows = values_N[: 2 * len(micro.rows)]
    return of_rows[0::2], of_rows[1::2]


def _pair_measures(chosen_P: Tensor, rejected_P: Tensor) -> dict[str, Measure]:
    """Names as open-instruct and TRL have them."""
    chosen_P, rejected_P = chosen_P.detach(), rejected_P.detach()
    found = {
        "rewards/chosen": chosen_P,
        "rewards/rejected": rejected_P,
        "rewards/margins": chosen_P - rejected_P,
        "rewards/accuracies": (chosen_P > rejected_P).float(),
    }
    return {name: Measure(values_P.sum(), "pairs") for name, values_P in found.items()}


def _side_measures(chosen: Side, rejected: Side) -> dict[str, Measure]:
    found = {
        "logps/chosen": chosen.logprobs_P,
        "logps/rejected": rejected.logprobs_P,
        "tokens/chosen": chosen.tokens_P,
        "tokens/rejected": rejected.tokens_P,
    }
    return {name: Measure(values_P.detach().sum(), "pairs") for name, values_P in found.items()}

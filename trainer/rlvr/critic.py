"""PPO's value model: in training beside the policy, on the same rows."""

from __future__ import annotations

import msgspec
import torch

from trainer.data.micro import MicroBatch
from trainer.data.steps import Step, micro_batch
from trainer.engine import Engine
from trainer.objectives.base import Outcome
from trainer.objectives.values import Foretold, value_loss
from trainer.rlvr.experience import Experience, Floats
from trainer.rlvr.scoring import score_rows
from trainer.rlvr_recipe import ValueTable
from trainer.tally import Tally, step_loss
from trainer.world import World


class Critic(msgspec.Struct, frozen=True):
    engine: Engine
    table: ValueTable
    micro_tokens: int
    world: World

    def values(self, experience: Experience) -> list[Floats]:
        """The value before each sampled token of each row. Every rank must call it."""
        self.engine.module.eval()
        found = score_rows(self.engine.module, experience, self.micro_tokens, self.world)
        self.engine.module.train()
        return found

    def update(
        self, experience: Experience, step: Step, counted: list[int], counts: dict[str, int]
    ) -> dict[str, float]:
        """One update on the rows of a step, of which those with `counted` tokens above 0 count."""
        tally = Tally()
        for at, bin in enumerate(step.bins):
            micro = micro_batch(experience, step, bin, self.world.device)
            outcome = self._loss(experience, step, micro, counted)
            tally.add(outcome)
            self.engine.backward(step_loss(outcome, counts), is_last=at == len(step.bins) - 1)
        norm = self.engine.step()
        means = tally.means(counts)
        return {"value/loss": means.pop("loss"), "value/grad_norm": norm, **means}

    def _loss(self, experience: Experience, step: Step, micro: MicroBatch, counted: list[int]) -> Outcome:
        old_S = experience.tokens("values", step, micro, self.world.device)
        returns_S = experience.tokens("returns", step, micro, self.world.device)
        counts_S = counted_tokens(micro, counted, self.world.device)
        return value_loss(self.table, self.engine.module(micro), Foretold(old_S, returns_S, counts_S))


def counted_tokens(micro: MicroBatch, counted: list[int], device: torch.device) -> torch.Tensor:
    """Which trained tokens (S,) of a micro-batch the loss counts, from the counted tokens of each row of the step."""
    rows = [counted[row] > 0 for row in micro.rows] or [False]
    return torch.tensor(rows, device=device)[micro.document_S]

"""Learning from a batch of rollouts: advantages, what the models say of its tokens, and one or more updates."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
import numpy as np
from torch import Tensor

from trainer.checkpoint import STATE
from trainer.data.micro import MicroBatch
from trainer.data.steps import Span, Step, make_step, micro_batch
from trainer.engine import Engine, Inference
from trainer.flops import ModelSize
from trainer.model.packed import PackedModel
from trainer.objectives.policy import PolicyOutcome, Sampled, divisors, policy_loss
from trainer.peak_memory import peak_memory
from trainer.rlvr.crediting import credit
from trainer.rlvr.critic import Critic, counted_tokens
from trainer.rlvr.experience import Experience, Floats
from trainer.rlvr.histograms import Histograms
from trainer.rlvr.rollouts import Group
from trainer.rlvr.scoring import score_rows
from trainer.rlvr_recipe import RlvrRecipe
from trainer.schedule import lr_share
from trainer.tally import Tally, step_loss
from trainer.world import World


class Learned(msgspec.Struct, frozen=True):
    """Means over all updates of a batch, and histograms of what each token had."""

    figures: dict[str, float]
    histograms: dict[str, list[int]]  # of tokens that the loss counts, between `histograms.EDGES`


class Learner(msgspec.Struct, frozen=True):
    """The policy in training; the reference that it is held against and PPO's critic, where the recipe has them."""

    engine: Engine
    reference: Inference | None
    critic: Critic | None
    recipe: RlvrRecipe
    world: World
    size: ModelSize

    @property
    def engines(self) -> dict[str, Engine]:
        """All that is in training, by the name that it is saved under."""
        return {STATE: self.engine} | ({} if self.critic is None else {"value": self.critic.engine})

    def learn(self, groups: Sequence[Group], number: int) -> Learned:
        """All updates of the `number`-th batch. Every rank must call it with the same groups."""
        began = time.perf_counter()
        experience = Experience(groups)
        spans = self._spans(experience)
        self._score(experience, n_updates=self.recipe.policy.passes * len(spans))
        lr = self._set_lr(number)
        updates, histograms = list[dict[str, float]](), Histograms()
        for again in range(self.recipe.policy.passes):
            experience.shuffle(self.recipe.seed + number * self.recipe.policy.passes + again)
            updates += [self._update(experience, span, number, histograms) for span in spans]
        names = updates[0]
        figures = {name: float(np.mean([update[name] for update in updates])) for name in names}
        return Learned(figures | {"lr": lr} | self._speed(experience, time.perf_counter() - began), histograms.read())

    def score(self, model: PackedModel, experience: Experience) -> list[Floats]:
        """The model's log-prob of each sampled token of each row. Every rank must call it."""
        model.eval()
        found = score_rows(lambda micro: model(micro).logprobs_S, experience, self._micro_tokens, self.world)
        model.train(model is self.engine.module)
        return found

    def _score(self, experience: Experience, n_updates: int) -> None:
        """All that is known of the tokens before the first update."""
        policy = self.recipe.policy
        if n_updates > 1 or policy.kl_in == "reward":
            experience.columns["old"] = self.score(self.engine.module, experience)
        if policy.needs_reference:
            assert self.reference is not None
            experience.columns["reference"] = self.score(self.reference.module, experience)
        if self.critic is not None:
            experience.columns["values"] = self.critic.values(experience)
        everything = range(len(experience.rows))
        credit(experience, [self._counted(experience, row) > 0 for row in everything], self.recipe)

    def _spans(self, experience: Experience) -> list[Span]:
        """One for each update of a pass over the batch."""
        total, rows = len(experience.rows), self.recipe.batch.rows or len(experience.rows)
        return [Span(start, min(start + rows, total)) for start in range(0, total, rows)]

    def _set_lr(self, number: int) -> float:
        """The policy's; returns it."""
        share = lr_share(self.recipe.schedule, number, self.recipe.max_steps)
        lr = self.recipe.optimizer.lr * share
        self.engine.set_lr(lr)
        if self.critic is not None:
            self.critic.engine.set_lr((self.critic.table.lr or self.recipe.optimizer.lr) * share)
        return lr

    def _update(self, experience: Experience, span: Span, number: int, histograms: Histograms) -> dict[str, float]:
        step = make_step(experience, span, self._micro_tokens, self.world.rank, self.world.size)
        counted = [self._counted(experience, row) for _, row in step.places]
        counts = dict[str, int](divisors(counted))
        found: dict[str, float] = {}
        if self.critic is not None:
            found = self.critic.update(experience, step, counted, counts)
            if number < self.critic.table.warmup:
                return {"loss": 0.0, "grad_norm": 0.0, **found}
        return {**self._policy_update(experience, step, counted, counts, histograms), **found}

    def _policy_update(
        self, experience: Experience, step: Step, counted: list[int], counts: dict[str, int], histograms: Histograms
    ) -> dict[str, float]:
        tally = Tally()
        for at, bin in enumerate(step.bins):
            micro = micro_batch(experience, step, bin, self.world.device)
            counts_S = counted_tokens(micro, counted, self.world.device)
            found = self._loss(experience, step, micro, counts_S)
            tally.add(found.outcome)
            histograms.add(ratio=found.ratio_S[counts_S], importance=found.importance_S[counts_S])
            self.engine.backward(step_loss(found.outcome, counts), is_last=at == len(step.bins) - 1)
        norm = self.engine.step()
        return {**tally.means(counts), "grad_norm": norm}

    def _loss(self, experience: Experience, step: Step, micro: MicroBatch, counts_S: Tensor) -> PolicyOutcome:
        device = self.world.device
        scores = self.engine.module(micro, entropy=True)
        known = {name: experience.tokens(name, step, micro, device) for name in experience.columns}
        sampled = Sampled(
            advantages_S=known["advantages"],
            sampler_S=known["sampler"],
            counts_S=counts_S,
            old_S=known.get("old"),
            reference_S=known.get("reference"),
        )
        return policy_loss(
            self.recipe.policy,
            scores.logprobs_S,
            sampled,
            micro.document_S,
            micro.n_documents,
            self.recipe.rollouts.max_tokens,
            scores.entropy_S,
        )

    def _counted(self, experience: Experience, row: int) -> int:
        """Tokens of a rollout that the loss counts."""
        masked = self.recipe.policy.mask_cut and experience.rows[row].rollout.is_cut
        return 0 if masked else experience.rows[row].n_tokens

    @property
    def _micro_tokens(self) -> int:
        return self.recipe.batch.micro_tokens

    def _speed(self, experience: Experience, seconds: float) -> dict[str, float]:
        sizes = experience.sizes(experience.places(experience.all))
        tokens = sum(size.tokens for size in sizes)
        return {
            "rows": float(len(sizes)),
            "tokens": float(tokens),
            "trained_tokens": float(sum(sum(size.n_trained) for size in sizes)),
            "learn_seconds": seconds,
            "learn_tokens_per_s": tokens / seconds,
            **peak_memory(self.world.device),
        }

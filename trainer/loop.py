"""The one loop of all kinds of training: rows of a step, micro-batches, one update, what was measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import msgspec
import torch
from torch import Tensor

from trainer.data.micro import MicroBatch
from trainer.data.steps import Rows, Span, Step, counts, make_step, micro_batch
from trainer.engine import Engine
from trainer.flops import ModelSize, peak_flops
from trainer.objectives.table import Objective
from trainer.peak_memory import peak_memory
from trainer.recipe import TrainRecipe
from trainer.reference import ReferenceLogProbs, reference_tensor
from trainer.schedule import lr_share
from trainer.tally import Tally, step_loss
from trainer.world import World, any_rank

EVAL_ROWS = 256  # of each round of an evaluation


class Data(msgspec.Struct, frozen=True):
    """Rows in order, cut into steps, with the reference's log-probs where the objective needs them."""

    rows: Rows
    spans: Sequence[Span]
    references: Sequence[ReferenceLogProbs] | None

    def reference(self, step: Step, micro: MicroBatch, device: torch.device) -> Tensor | None:
        if self.references is None:
            return None
        return reference_tensor(self.references, [step.places[row] for row in micro.rows], device)


class Trainer(msgspec.Struct, frozen=True):
    """All that a step needs."""

    engine: Engine
    objective: Objective
    recipe: TrainRecipe
    world: World
    data: Data
    size: ModelSize

    @property
    def steps(self) -> int:
        return min(len(self.data.spans), self.recipe.max_steps or len(self.data.spans))

    def step(self, number: int) -> dict[str, float]:
        """One update of the weights. Every rank must call it; all get the same figures."""
        began = time.perf_counter()
        step = self._make(self.data, self.data.spans[number])
        divisors, tally = counts(step), Tally()
        lr = self.recipe.optimizer.lr * lr_share(self.recipe.schedule, number, self.steps)
        self.engine.set_lr(lr)
        for at, micro in enumerate(self._micros(self.data, step)):
            outcome = self.objective.loss(
                self.engine.module, micro, self.data.reference(step, micro, self.world.device)
            )
            tally.add(outcome)
            self.engine.backward(step_loss(outcome, divisors), is_last=at == len(step.bins) - 1)
        grad_norm = self.engine.step()
        means = tally.means(divisors)
        return {**means, "lr": lr, "grad_norm": grad_norm, **self._speed(step, time.perf_counter() - began)}

    @torch.no_grad()
    def evaluate(self, data: Data) -> dict[str, float]:
        """The same means over all rows of `data`, without dropout and without learning."""
        tally, total = Tally(), dict[str, int]()
        self.engine.module.eval()
        for span in data.spans:
            step = self._make(data, span)
            for name, count in counts(step).items():
                total[name] = total.get(name, 0) + count
            for micro in self._micros(data, step):
                reference_N = data.reference(step, micro, self.world.device)
                tally.add(self.objective.loss(self.engine.module, micro, reference_N))
        self.engine.module.train()
        return tally.means(total)

    def _make(self, data: Data, span: Span) -> Step:
        return make_step(data.rows, span, self.recipe.batch.micro_tokens, self.world.rank, self.world.size)

    def _micros(self, data: Data, step: Step) -> Iterator[MicroBatch]:
        for bin in step.bins:
            yield micro_batch(data.rows, step, bin, self.world.device)

    def _speed(self, step: Step, seconds: float) -> dict[str, float]:
        """Tokens are real ones: there is no padding."""
        lengths = [length for size in step.sizes for length in size.lengths]
        found = {
            "rows": float(len(step.sizes)),
            "tokens": float(sum(lengths)),
            "trained_tokens": float(sum(sum(size.n_trained) for size in step.sizes)),
            "seconds": seconds,
            "tokens_per_s": sum(lengths) / seconds,
            **peak_memory(self.world.device),
        }
        if self.world.device.type == "cuda":
            peak = peak_flops(torch.cuda.get_device_name())
            if peak is not None:
                flops = self.size.flops(lengths, int(found["trained_tokens"]))
                found["mfu"] = flops / seconds / (peak * self.world.size)
        return found


class Hooks(msgspec.Struct, frozen=True):
    """What happens beside the steps."""

    after_step: Callable[[int, dict[str, float]], None]  # steps done, figures
    evaluate: Callable[[int], None]
    save: Callable[[int], None]
    must_stop: Callable[[], bool]


def run_steps(trainer: Trainer, start: int, hooks: Hooks) -> int:
    """Steps from `start` to the end, or until told to stop. Gives the number of steps done; saved when it returns.

    What is measured of a step is measured before it is saved: whoever goes on from there need not look back.
    """
    every, done = trainer.recipe.run, start
    while done < trainer.steps:
        figures = trainer.step(done)
        done += 1
        hooks.after_step(done, figures)
        is_last = done == trainer.steps
        if is_last or _is_due(done, every.eval_every):
            hooks.evaluate(done)
        must_stop = any_rank(hooks.must_stop())
        if is_last or must_stop or _is_due(done, every.checkpoint_every):
            hooks.save(done)
        if must_stop:
            return done
    return done


def _is_due(done: int, every: int) -> bool:
    return every > 0 and done % every == 0

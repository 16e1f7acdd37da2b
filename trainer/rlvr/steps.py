"""The loop of reinforcement learning: a batch of rollouts, what is learnt from it, the new weights to the sampler."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from trainer.rlvr.best import Best, Found
from trainer.rlvr.collecting import Batch
from trainer.rlvr.figures import batch_figures
from trainer.rlvr.learning import Learned, Learner
from trainer.rlvr.shared import SharedRollouts
from trainer.rlvr.watching import Seen, look
from trainer.world import any_rank

HISTOGRAM = "histogram/"


class Hooks(msgspec.Struct, frozen=True):
    """What happens beside the steps."""

    after_batch: Callable[[int, Batch, dict[str, float], Learned], None]  # batches learnt from, what was measured
    after_look: Callable[[int, Seen], None]
    say: Callable[[str], None]
    save: Callable[[int, bool], None]  # and whether the run is over
    must_stop: Callable[[], bool]


class Steps(msgspec.Struct, frozen=True):
    learner: Learner
    rollouts: SharedRollouts
    best: Best
    hooks: Hooks
    watched: str  # the name of what is watched; "" for nothing

    def run(self, start: int) -> int:
        """Batches from `start` to the end, or until told to stop. Gives how many were done; saved when it returns."""
        done, last = start, self.learner.recipe.max_steps
        if not start:
            self._look(0)
        while done < last:
            if not self._step(done):
                self.hooks.say(f"after batch {done}: no prompt gives a gradient any more; this is the end")
                self.hooks.save(done, True)
                return done
            done += 1
            if self._is_over(done, is_last=done == last):
                break
        return done

    def _is_over(self, done: int, *, is_last: bool) -> bool:
        """After a batch: look, save where it is due, and say whether to go on."""
        is_far = self._is_due(done, is_last) and not self._look(done)
        if is_far:
            self.hooks.say(f"after batch {done}: the KL is over its budget; this is the end")
        must_stop = any_rank(self.hooks.must_stop())
        every = self.learner.recipe.run.checkpoint_every
        if is_last or is_far or must_stop or (every and done % every == 0):
            self.hooks.save(done, is_last or is_far)
        return is_far or must_stop

    def _step(self, done: int) -> bool:
        """Whether there was anything to learn from."""
        began = time.perf_counter()
        batch = self.rollouts.batch(done)
        waited = time.perf_counter() - began
        if not batch.groups:
            return False
        learned = self.learner.learn(batch.groups, done)
        synced = time.perf_counter()
        self.rollouts.update(self.learner.engine, done + 1)
        ended = time.perf_counter()
        seconds = {"seconds": ended - began, "rollout_seconds": waited, "sync_seconds": ended - synced}
        figures = {**learned.figures, **batch_figures(batch, done), **seconds}
        self.hooks.after_batch(done + 1, batch, figures, learned)
        return True

    def _is_due(self, done: int, is_last: bool) -> bool:
        every = self.learner.recipe.run.eval_every
        return is_last or (every > 0 and done % every == 0)

    def _look(self, done: int) -> bool:
        """Whether the policy is within its KL budget."""
        if not self.watched:
            return True
        seen = look(self.learner, self.rollouts.look(done), self.watched)
        self.hooks.after_look(done, seen)
        is_within = seen.is_within(self.learner.recipe)
        if is_within and seen.reward is not None and self.learner.recipe.kl.budget is not None:
            self.best.offer(Found(done, seen.reward, seen.kl or 0.0))
        return is_within

"""What the first rank samples, on all ranks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from schemas.records import Prompt
from trainer.engine import Engine
from trainer.model.export import plain_names
from trainer.rlvr.archive import Archive
from trainer.rlvr.asking import Asker
from trainer.rlvr.collecting import Batch, Collector, State
from trainer.rlvr.drawing import Draw
from trainer.rlvr.looks import Looks
from trainer.rlvr.pass_rates import Measured, measure
from trainer.rlvr.rollouts import Group
from trainer.rlvr.service import Service
from trainer.rlvr_recipe import RlvrRecipe
from trainer.world import World, from_first

T = TypeVar("T")


class SharedRollouts(msgspec.Struct, frozen=True):
    """`service` and what follows are on the first rank alone. Every rank must call every method."""

    recipe: RlvrRecipe
    world: World
    service: Service | None = None
    watched: Asker | None = None
    n_watched: int = 0
    prompts: Sequence[Prompt] = ()  # that may be drawn
    archive: Archive | None = None
    looks: Looks | None = None
    collector: Callable[[], Collector] | None = None

    def begin(self) -> None:
        """Ask for the first groups: once the sampler has the weights that they are to be drawn from."""
        if self.service is not None and self.collector is not None:
            self.service.collect(self.collector)

    def batch(self, version: int) -> Batch:
        """The groups to learn from; those that were left out are in the archive alone."""
        return self._of_first(lambda service: self._archived(service.batch(version), version + 1))

    def look(self, done: int) -> list[Group]:
        """Answers to the watched prompts after `done` batches, drawn with the same seeds each time."""
        draws = [Draw(number, number) for number in range(self.n_watched)]
        return self._of_first(lambda service: self._noted(service.groups(self._asker, draws), done))

    def update(self, engine: Engine, version: int) -> None:
        """From its return on, rollouts are drawn from the engine's weights."""
        weights = plain_names(engine.weights(), self.recipe.lora)
        if self.service is not None:
            self.service.update(weights.items(), version)

    def state(self) -> State:
        return self._of_first(lambda service: service.state())

    def measured(self) -> Measured | None:
        """How often the policy solved each prompt; on the first rank alone."""
        if self.service is None or self.archive is None:
            return None
        return measure(self.prompts, self.service.state().entries, self.archive.rows.policy)

    def _archived(self, batch: Batch, step: int) -> Batch:
        assert self.archive is not None
        self.archive.add(batch, step)
        return msgspec.structs.replace(batch, others=[])

    def _noted(self, groups: list[Group], done: int) -> list[Group]:
        assert self.looks is not None
        self.looks.add(groups, done)
        return groups

    def _asker(self, draws: list[Draw]) -> list[Any]:
        assert self.watched is not None
        return list(self.watched(draws))

    def _of_first(self, work: Callable[[Service], T]) -> T:
        found: T = from_first(None if self.service is None else work(self.service), self.world)
        return found

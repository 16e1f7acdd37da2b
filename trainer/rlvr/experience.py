"""A batch of rollouts as rows that are packed and learnt from, with what is known of each of their tokens."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trainer.data.micro import Document, MicroBatch
from trainer.data.prepared import PreparedRow, Sizes
from trainer.data.steps import Rows, Span, Step
from trainer.rlvr.rollouts import Group, Rollout

Floats = npt.NDArray[np.float32]


class Row(msgspec.Struct, frozen=True):
    """A rollout to learn from: of the `group`-th group of the batch."""

    group: int
    rollout: Rollout

    @property
    def n_tokens(self) -> int:
        """Sampled tokens: those that are trained."""
        return len(self.rollout.ids)

    @property
    def reward(self) -> float:
        assert self.rollout.reward is not None  # only graded rollouts are rows
        return self.rollout.reward


class Experience(Rows):
    """The rollouts of one batch, each one document: the prompt's tokens, then the sampled ones, which are trained.

    `columns` has by name, for each row, one number a sampled token.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self.rows = [Row(number, rollout) for number, group in enumerate(groups) for rollout in group.graded]
        sampled = [np.array(row.rollout.logprobs, np.float32) for row in self.rows]
        self.columns: dict[str, list[Floats]] = {"sampler": sampled}
        self._order = list(range(len(self.rows)))

    @property
    def all(self) -> Span:
        return Span(0, len(self.rows))

    def members(self) -> list[list[int]]:
        """The rows of each group."""
        found: dict[int, list[int]] = {}
        for number, row in enumerate(self.rows):
            found.setdefault(row.group, []).append(number)
        return list(found.values())

    def shuffle(self, seed: int) -> None:
        """Another order for another pass over the same rows."""
        self._order = np.random.default_rng(seed).permutation(len(self.rows)).tolist()

    def places(self, span: Span) -> list[tuple[int, int]]:
        return [(0, self._order[at]) for at in range(*span)]

    def sizes(self, places: Sequence[tuple[int, int]]) -> list[Sizes]:
        rows = [self.rows[number] for _, number in places]
        return [Sizes((_n_prompt(row) + row.n_tokens,), (row.n_tokens,)) for row in rows]

    def row(self, place: tuple[int, int]) -> PreparedRow:
        row = self.rows[place[1]]
        ids = [*(row.rollout.answer.prompt_token_ids or ()), *row.rollout.ids]
        trained = np.zeros(len(ids), np.bool_)
        trained[_n_prompt(row) :] = True
        return PreparedRow(str(place[1]), str(row.group), (Document(np.array(ids, np.int32), trained),))

    def tokens(self, name: str, step: Step, micro: MicroBatch, device: torch.device) -> Tensor:
        """The numbers (S,) of a column for the trained tokens of a micro-batch."""
        parts = [self.columns[name][step.places[row][1]] for row in micro.rows]
        values = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        return torch.from_numpy(values).to(device)

    def constant(self, name: str, values: Sequence[float]) -> None:
        """A column with the same number for all tokens of a row."""
        pairs = zip(self.rows, values, strict=True)
        self.columns[name] = [np.full(row.n_tokens, value, np.float32) for row, value in pairs]


def _n_prompt(row: Row) -> int:
    return len(row.rollout.answer.prompt_token_ids or ())

"""Counts of what each token of a batch had, in fixed bins: bins of all ranks and all updates can be added up."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor

from trainer.rlvr.bins import EDGES
from trainer.world import sums_over_ranks

Counts = npt.NDArray[np.int64]


class Histograms:
    """Of ratios, by name."""

    def __init__(self) -> None:
        self._counts: dict[str, Counts] = {}

    def add(self, **values: Tensor) -> None:
        for name, values_S in values.items():
            found, _ = np.histogram(values_S.detach().float().cpu().numpy(), EDGES)
            self._counts[name] = self._counts.get(name, np.zeros(len(EDGES) - 1, np.int64)) + found

    def read(self) -> dict[str, list[int]]:
        """How many tokens were in each of the bins between `EDGES`, on all ranks. Every rank must call it."""
        names = sorted(self._counts)
        totals = sums_over_ranks(
            {f"{name}/{bin}": float(n) for name in names for bin, n in enumerate(self._counts[name])}
        )
        return {name: [int(totals[f"{name}/{bin}"]) for bin in range(len(EDGES) - 1)] for name in names}

"""The best checkpoint within the KL budget: kept as it is found, and what the run makes in the end."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from trainer.files import sync_folder

_NAME = re.compile(r"best-([0-9]{8,})")


class Found(msgspec.Struct, frozen=True):
    """After so many batches, the mean reward of the watched prompts and the KL there."""

    step: int
    reward: float
    kl: float


class Best:
    """Of a run folder. `write` exports the present weights to a folder; every rank must call it, the first writes."""

    def __init__(self, folder: Path, found: Found | None, write: Callable[[Path], None], *, is_first: bool) -> None:
        self._folder, self._write, self._is_first = folder, write, is_first
        self.found = found
        if is_first:
            self._clear()

    @property
    def place(self) -> Path | None:
        return None if self.found is None else self._place(self.found.step)

    def offer(self, found: Found) -> None:
        """Keep the present weights if they are better than those before."""
        if self.found is not None and found.reward <= self.found.reward:
            return
        if self._is_first:  # of a process that was killed before it could say so
            shutil.rmtree(self._place(found.step), ignore_errors=True)
        self._write(self._place(found.step))
        self.found = found
        if self._is_first:
            self._clear()

    def publish(self, out: Path) -> None:
        """Make it the run's checkpoint."""
        if self._is_first and self.place is not None:
            self.place.rename(out)
            sync_folder(out.parent)

    def _place(self, step: int) -> Path:
        return self._folder / f"best-{step:08}"

    def _clear(self) -> None:
        """Remove the others: worse ones, and those of a process that was killed further on."""
        for path in self._folder.glob("best-*"):
            if _NAME.fullmatch(path.name) and path != self.place:
                shutil.rmtree(path)

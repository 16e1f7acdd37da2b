"""The kinds of dataset that are made by asking models. A new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from factory.sampling.request import Drawer
from judges.base import Verifier
from judges.registry import make_verifier
from pipelines.completions import CompletionsRecipe, completions_row
from pipelines.preference import PreferenceRecipe, preference_row
from pipelines.recipe import ModelRecipe
from pipelines.rows import RowResult
from pipelines.traces import TracesRecipe, traces_row
from schemas.records import Completion, PreferencePair, Prompt, Record, Trace

RowFunction = Callable[[Any, Sequence[Drawer], Prompt, Verifier | None], Awaitable[RowResult]]


class Pipeline(msgspec.Struct, frozen=True):
    """A kind: its recipe, the record of its rows, and what is done with one prompt."""

    recipe: type[ModelRecipe]
    record: type[Record]
    row: RowFunction


PIPELINES: dict[str, Pipeline] = {
    "completions": Pipeline(CompletionsRecipe, Completion, completions_row),
    "traces": Pipeline(TracesRecipe, Trace, traces_row),
    "preference": Pipeline(PreferenceRecipe, PreferencePair, preference_row),
}


class Verifiers:
    """The verifiers that prompts name, each made once."""

    def __init__(self, instead: str | None) -> None:
        self._instead = instead
        self._made: dict[str, Verifier] = {}

    def of(self, prompt: Prompt) -> Verifier | None:
        name = self._instead or prompt.verifier
        if name is None:
            return None
        if name not in self._made:
            self._made[name] = make_verifier(name)
        return self._made[name]

"""The kinds of dataset that are made by asking models or judges. A new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgspec

from pipelines.ask import Asked
from pipelines.best_of import BestOfRecipe, best_of_row
from pipelines.completions import CompletionsRecipe, completions_row
from pipelines.groups import GROUPED
from pipelines.labels import LabelsRecipe, labels_row
from pipelines.pass_rate.recipe import PassRateRecipe
from pipelines.pass_rate.row import pass_rate_asks, pass_rate_row
from pipelines.preference.recipe import PreferenceRecipe
from pipelines.preference.row import DELTA_PROBE, preference_row
from pipelines.probe import Probe
from pipelines.recipe import BuildRecipe
from pipelines.rows import RowResult
from pipelines.synthesis.constraints import ConstraintsRecipe, constraints_row
from pipelines.synthesis.evolve import EvolveRecipe, evolve_asks, evolve_row
from pipelines.synthesis.magpie import MagpieRecipe, magpie_asks, magpie_row
from pipelines.synthesis.personas import PersonasRecipe, personas_asks, personas_row
from pipelines.tools import Tools
from pipelines.traces.recipe import TracesRecipe
from pipelines.traces.row import traces_asks, traces_row
from schemas.records import Completion, Judgement, PassRate, PreferencePair, Prompt, Record, Trace

RowFunction = Callable[[Any, Tools, Any], Awaitable[RowResult]]  # recipe, tools, an Item
AskFunction = Callable[[Any, Any, int], Iterator[Asked]]  # recipe, an Item, which of the policies is asked


class Pipeline(msgspec.Struct, frozen=True):
    """A kind: its recipe, the record of its rows, what is done with one input, and which records are read."""

    recipe: type[BuildRecipe]
    record: type[Record]
    row: RowFunction
    reads: tuple[type[Record], ...] = (Prompt,)  # prompts come one by one, others in groups; (): made up
    probe: Probe | None = None  # what is found out before the build
    asks: AskFunction | None = None  # for a plan; None: `n` answers to each prompt of each model
    by_prompt: bool = True  # rows bear the `prompt_id` of the prompt that they were made of


PIPELINES: dict[str, Pipeline] = {
    "completions": Pipeline(CompletionsRecipe, Completion, completions_row),
    "traces": Pipeline(TracesRecipe, Trace, traces_row, reads=(Prompt, Trace), asks=traces_asks),
    "preference": Pipeline(
        PreferenceRecipe, PreferencePair, preference_row, reads=(Prompt, Completion, Trace), probe=DELTA_PROBE
    ),
    "best-of": Pipeline(BestOfRecipe, Trace, best_of_row, reads=(Prompt, Completion, Trace)),
    "pass-rate": Pipeline(PassRateRecipe, PassRate, pass_rate_row, asks=pass_rate_asks),
    "magpie": Pipeline(MagpieRecipe, Prompt, magpie_row, reads=(), asks=magpie_asks, by_prompt=False),
    "personas": Pipeline(PersonasRecipe, Prompt, personas_row, asks=personas_asks, by_prompt=False),
    "evolve": Pipeline(EvolveRecipe, Prompt, evolve_row, asks=evolve_asks, by_prompt=False),
    "constraints": Pipeline(ConstraintsRecipe, Prompt, constraints_row, by_prompt=False),
    "labels": Pipeline(LabelsRecipe, Judgement, labels_row, reads=GROUPED),
}

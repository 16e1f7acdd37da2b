"""What a person asks for, and the dataset versions that this opens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic

import msgspec
from typing_extensions import TypeVar

from schemas.records import PassRate, Prompt, Record
from trainer.data.prepare import Preparation
from trainer.data.rendering import preparation_of, render_options
from trainer.data.sources import Source, open_held_out, open_source
from trainer.metrics.track import check_installed
from trainer.model.load import read_config
from trainer.objectives.table import objective_of
from trainer.recipe import Recipe, TrainRecipe
from trainer.rows.records import PAIR_KINDS, SFT_KINDS
from trainer.rows.render import Renderer
from trainer.rows.vocabulary import check_same_tokens

# By kind of training: the records that it reads, and the table that may name a reference.
RECORDS: dict[str, tuple[type[Record], ...]] = {
    "sft": SFT_KINDS,
    "dpo": PAIR_KINDS,
    "reward": PAIR_KINDS,
    "rlvr": (Prompt, PassRate),
}
REFERENCE_TABLES = {"dpo": "dpo", "rlvr": "kl"}
R = TypeVar("R", bound=TrainRecipe, default=Recipe)


class Options(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """What a person asks for."""

    data: Sequence[str]
    held_out: Sequence[str] = ()
    model: Path
    out: Path
    recipe: R
    workspace: Path

    @property
    def run_folder(self) -> Path:
        """Beside the checkpoint: log, checkpoints, what is needed to go on."""
        return self.out.with_name(f"{self.out.name}.run")

    @property
    def cache(self) -> Path:
        """Prepared rows and reference log-probs, shared by all runs."""
        return self.workspace / ".trainer"

    @property
    def reference(self) -> Path | None:
        """The recipe's own reference; None: the model itself, or none is needed."""
        named = self.recipe.reference
        return None if named is None else Path(named)


class Sources(msgspec.Struct, frozen=True):
    """Versions, by their manifests: those trained on, and those held out."""

    train: list[Source]
    held_out: list[Source]


class Inputs(msgspec.Struct, frozen=True):
    """The same with how their rows become tokens. Nothing is rendered yet.

    `end_ids`: the tokens that end an answer in the rows.
    """

    train: list[Preparation]
    held_out: list[Preparation]
    end_ids: frozenset[int]


def check_options(options: Options[Any]) -> None:
    """What can be seen before any weights or rows are read.

    Raises:
        ModelError: the reference has other tokens than the model.
        TrainError: the tracker's package is not installed.
    """
    if options.reference is not None:
        check_same_tokens(options.model, options.reference, f"{REFERENCE_TABLES[options.recipe.kind]}.reference")
    if options.recipe.run.track is not None:
        check_installed(options.recipe.run.track)


def open_sources(options: Options[Any]) -> Sources:
    """Raises DataError: no such version, or one that this training does not read."""
    kinds = RECORDS[options.recipe.kind]
    return Sources(
        [open_source(text, options.workspace, kinds) for text in options.data],
        [open_held_out(text, options.workspace, kinds) for text in options.held_out],
    )


def open_inputs(options: Options) -> Inputs:
    """
    Raises:
        DataError: as `open_sources`.
        ModelError, RowsError: no such checkpoint, or its tokenizer or template cannot be used as the recipe says.
    """
    objective = objective_of(options.recipe)
    read_config(options.model)
    renderer = Renderer(options.model, render_options(options.recipe.rows))
    sources = open_sources(options)

    def prepared(some: list[Source]) -> list[Preparation]:
        folder = options.cache / "prepared"
        return [preparation_of(source, renderer, options.recipe.rows, objective.unit, folder) for source in some]

    return Inputs(prepared(sources.train), prepared(sources.held_out), renderer.tokenizer.end_ids)

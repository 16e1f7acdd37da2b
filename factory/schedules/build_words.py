"""The command of a scheduled build: what is new, unless all is wanted."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from factory.shipped import find_recipe
from pipelines.registry import PIPELINES
from schemas.errors import DataError
from schemas.recipes import load_recipe

_ONE_VERSION = re.compile(r"@v[0-9]+$")


class ScheduledBuild(msgspec.Struct, frozen=True, kw_only=True):
    """A build at each time. `whole`: all of the input, into a version of its own, and not only what is new."""

    kind: str = "traces"
    recipe: Path | None = None
    data: str | None = None
    out: str | None = None
    settings: Sequence[str] = ()
    whole: bool = False

    def words(self) -> list[str]:
        """Checks the recipe as a build would. Raises RecipeError, and DataError for a kind that cannot be made so."""
        pipeline = PIPELINES.get(self.kind)
        if pipeline is None:
            raise DataError(f"--kind {self.kind}: one of {', '.join(PIPELINES)}; for other work write it after --")
        if not (self.whole or pipeline.by_prompt):
            raise DataError(f"rows of {self.kind} do not tell what they were made of, so none is new: give --whole")
        recipe = load_recipe(pipeline.recipe, find_recipe(self.recipe), {"data": self.data}, list(self.settings))
        if not self.whole and _ONE_VERSION.search(recipe.data):
            print(f"{recipe.data} stays as it is: after the first time nothing is new", file=sys.stderr)
        flags = {"--recipe": self.recipe, "--data": self.data, "--out": self.out}
        given = [word for flag, value in flags.items() if value is not None for word in (flag, str(value))]
        sets = [word for setting in self.settings for word in ("--set", setting)]
        return ["factory", "build", self.kind, *given, *sets, *([] if self.whole else ["--new-only"])]

"""`factory build KIND`: the flags of each kind, put over its recipe."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from factory.plan import Plan
    from factory.run import Options
    from schemas.manifest import Manifest

app = App(name="build", help="Build a version of a dataset. The same command goes on where a killed one stopped.")

Settings = Annotated[list[str], Parameter(name="--set", negative="")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Common:
    """Flags of every kind."""

    recipe: Path | None = None
    "TOML file with all settings, or the name of a recipe that comes with this project; flags go over it"
    out: str | None = None
    "folder of the dataset to write, or a bare name under the workspace (default: the kind's name)"
    set: Settings = field(default_factory=list)
    "any setting of the recipe as KEY=VALUE, for example --set sampling.temperature=0.7"
    limit: int | None = None
    "only the first so many rows of the input"
    json: Annotated[bool, Parameter(negative="")] = False
    "print one JSON object on stdout"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Resuming(Common):
    """Flags of every kind that goes on where it was stopped."""

    data: str | None = None
    "what is read: a folder or name with a version, for example prompts@v1"
    max_cost: float | None = None
    "stop cleanly before this many US dollars are passed"
    again: Annotated[bool, Parameter(negative="")] = False
    "build a new version even if this build is committed: only rows that failed are asked again"
    abandon: Annotated[bool, Parameter(negative="")] = False
    "drop the unfinished build of another recipe that stands in the way"
    new_only: Annotated[bool, Parameter(negative="")] = False
    "only what --out has no row of yet; its latest version with those rows appended is the next one"
    shard: str | None = None
    "i/n: do only every n-th unit, for Slurm arrays and the like"

    def flags(self) -> dict[str, Any]:
        """The flags as settings of the recipe; None leaves the recipe's own."""
        return {"data": self.data, "limit": self.limit, "run.max_cost": self.max_cost}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Judging(Resuming):
    """Flags of kinds that judges make."""

    judge: Annotated[list[str], Parameter(negative="", consume_multiple=False)] = field(default_factory=list)
    "a verifier, gsm8k for example; several times for several. Judges that ask a model are in --recipe, as [[judge]]"

    def flags(self) -> dict[str, Any]:
        return {**super().flags(), "judge": [{"judge": judge} for judge in self.judge] or None}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Asking(Resuming):
    """Flags of every kind that asks a model about prompts."""

    policy: Annotated[list[str], Parameter(negative="", consume_multiple=False)] = field(default_factory=list)
    "a checkpoint folder, an endpoint's URL, replay:RECORDING or solver:reasoning-gym; several times for several models"
    model: str | None = None
    "the model's name at an endpoint"
    engine: str | None = None
    "openai, vllm, transformers, litellm, replay or solver, where the choice made for you is not the one you want"
    n: int | None = None
    "answers to each prompt"
    dry_run: Annotated[bool, Parameter(negative="")] = False
    "say what would be asked, and what it would cost and take; ask nothing"

    def flags(self) -> dict[str, Any]:
        named = {"name": self.model, "engine": self.engine}
        table = {key: value for key, value in named.items() if value is not None}
        policies = [{"model": policy, **table} for policy in self.policy]
        return {**super().flags(), "policy": policies or None, "n": self.n}


@app.command
def prompts(
    *,
    source: str | None = None,
    prompt_column: str | None = None,
    ground_truth_column: str | None = None,
    id_column: str | None = None,
    verifier: str | None = None,
    licence: str | None = None,
    common: Common | None = None,
) -> int:
    """Prompts from a JSONL or Parquet file, a Hugging Face dataset, or a reasoning-gym task family.

    Args:
        source: FILE.jsonl, FILE.parquet, hf:ORG/NAME, or reasoning-gym:FAMILY
        prompt_column: the column with the prompt: a text, or a list of messages
        ground_truth_column: the column with the right answer
        id_column: the column with the row's own id
        verifier: the verifier that checks answers, for example gsm8k
        licence: SPDX name of the licence of the source
    """
    from factory.prompts import run_prompts
    from factory.shipped import find_recipe
    from pipelines.prompts import PromptsRecipe
    from schemas.recipes import load_recipe

    common = common or Common()
    flags = {
        "source": source,
        "prompt_column": prompt_column,
        "ground_truth_column": ground_truth_column,
        "id_column": id_column,
        "verifier": verifier,
        "licence": licence,
        "limit": common.limit,
    }
    recipe = load_recipe(PromptsRecipe, find_recipe(common.recipe), flags, common.set)
    return _report(run_prompts(recipe, common.out or "prompts"), common.json)


@app.command
def completions(*, asking: Asking | None = None) -> int:
    """A policy's answers to each prompt, as sampled, with token ids and log-probs."""
    return _build("completions", asking or Asking())


@app.command
def traces(*, asking: Asking | None = None) -> int:
    """A teacher's reasoning and answer to each prompt, as training conversations."""
    return _build("traces", asking or Asking())


@app.command
def preference(*, asking: Asking | None = None) -> int:
    """Pairs of answers, of which one is better: by a verifier, by judges, or since a stronger model gave it."""
    return _build("preference", asking or Asking())


@app.command(name="best-of")
def best_of(*, asking: Asking | None = None) -> int:
    """The best of n answers to each prompt, by judges or by a verifier, as training conversations."""
    return _build("best-of", asking or Asking())


@app.command(name="pass-rate")
def pass_rate(*, keep: str | None = None, asking: Asking | None = None) -> int:
    """How often a policy solves each prompt, by the prompt's verifier.

    Args:
        keep: the pass rates to keep, for example "0.0<p<=0.625"; the other prompts are rejected with theirs
    """
    from factory.report import print_pass_rates

    asking = asking or Asking()
    made = _made("pass-rate", asking, {"keep": keep})
    code = _report(made, asking.json)
    if not asking.json:
        print_pass_rates(made, asking.out or "pass-rate")
    return code


@app.command
def magpie(*, count: int | None = None, asking: Asking | None = None) -> int:
    """Prompts that a chat model writes when it is given its own template up to where a user speaks.

    Args:
        count: how many user turns each model writes
    """
    asking = asking or Asking()
    return _report(_made("magpie", asking, {"count": count}), asking.json)


@app.command
def personas(*, asking: Asking | None = None) -> int:
    """Problems, tasks and requests that a model writes for people described in --data or in the recipe."""
    return _build("personas", asking or Asking())


@app.command
def evolve(*, rounds: int | None = None, asking: Asking | None = None) -> int:
    """Prompts that a model made harder, or new ones of the same field, round by round.

    Args:
        rounds: how often each prompt is rewritten
    """
    asking = asking or Asking()
    return _report(_made("evolve", asking, {"rounds": rounds}), asking.json)


@app.command
def constraints(*, family: str | None = None, resuming: Resuming | None = None) -> int:
    """Prompts with checkable conditions on the answer, and the arguments that the checker needs. Asks no model.

    Args:
        family: if_train (54 constraints) or ifeval (25)
    """
    resuming = resuming or Resuming()
    return _report(_made("constraints", resuming, {"family": family}), resuming.json)


@app.command
def labels(*, judging: Judging | None = None) -> int:
    """What judges and verifiers say of completions, traces or pairs: a score, a verdict and a reason each."""
    return _build("labels", judging or Judging())


def _build(kind: str, flags: Resuming) -> int:
    return _report(_made(kind, flags, {}), flags.json)


def _made(kind: str, flags: Resuming, more: dict[str, Any]) -> Manifest | Plan:
    """`more`: the flags of this kind alone."""
    from factory.loop import run_loop
    from factory.run import run_build
    from factory.shipped import find_recipe
    from pipelines.registry import PIPELINES
    from schemas.recipes import load_recipe

    file = find_recipe(flags.recipe)
    recipe = load_recipe(PIPELINES[kind].recipe, file, {**flags.flags(), **more}, flags.set)
    return run_loop(run_build(kind, recipe, _options(kind, flags)))


def _options(kind: str, flags: Resuming) -> Options:
    from factory.run import Options

    return Options(
        out=flags.out or kind,
        dry_run=isinstance(flags, Asking) and flags.dry_run,
        again=flags.again,
        abandon=flags.abandon,
        new_only=flags.new_only,
        shard=_shard(flags.shard),
    )


def _shard(text: str | None) -> tuple[int, int]:
    """ "2/8" -> (2, 8)."""
    from schemas.recipes import RecipeError

    if text is None:
        return 0, 1
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise RecipeError(f"--shard {text}: write i/n with 0 <= i < n, for example 0/8")
    return int(index), int(count)


def _report(result: Manifest | Plan, as_json: bool) -> int:
    from factory.report import print_manifest, print_plan
    from schemas.manifest import Manifest

    if isinstance(result, Manifest):
        print_manifest(result, as_json)
    else:
        print_plan(result, as_json)
    sys.stdout.flush()
    return 0

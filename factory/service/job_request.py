"""What a caller of the API may have run, and the command it becomes.

A request names things: a kind of build, a recipe, a version, a policy. None of them is a URL or a path that leads out
of the workspace: endpoints come from the service's configuration alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from factory.service.settings import PolicyTable, Settings
from pipelines.registry import PIPELINES
from schemas.errors import DataError

BUILDS = ("prompts", *sorted(PIPELINES))
STEPS = ("dedupe", "filter", "decontaminate")  # `factory STEP DATA`
TRAININGS = ("sft", "dpo", "reward", "rlvr")
KINDS = (*BUILDS, *STEPS, *TRAININGS, "eval")
ASKING = frozenset(PIPELINES) - {"labels", "constraints"}  # that take --policy

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_VERSION = rf"{_NAME}(@{_NAME})?"
_PLACE = rf"{_NAME}(/{_NAME}){{0,7}}"  # below the workspace

Name = Annotated[str, Field(pattern=f"^{_NAME}$")]
Version = Annotated[str, Field(pattern=f"^{_VERSION}$", examples=["prompts@v1", "prompts@latest"])]
Place = Annotated[str, Field(pattern=f"^{_PLACE}$", examples=["ckpt/sft"])]
Scalar = bool | int | float | Annotated[str, Field(max_length=200)]


class JobRequest(BaseModel):
    """A build, a step, a training or an evaluation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = Field(description=f"one of {', '.join(KINDS)}", max_length=32)
    recipe: Place | None = Field(
        default=None, description="a recipe that comes with the project, or a file below the workspace"
    )
    data: Version | None = None
    policy: list[Place] = Field(
        default=[], max_length=8, description="configured policies, or checkpoints below the workspace"
    )
    model: Place | None = Field(default=None, description="of trainings: the checkpoint to begin with")
    out: Place | None = None
    n: int | None = Field(default=None, ge=1, le=4096)
    limit: int | None = Field(default=None, ge=1)
    new_only: bool | None = Field(
        default=None, description="only what `out` has no row of yet; where nothing is said, so for schedules alone"
    )
    settings: dict[str, Scalar] = Field(default={}, max_length=32, description="keys of the recipe that may be set")
    max_cost_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    title: str = Field(default="", max_length=200)


def to_command(request: JobRequest, settings: Settings, home: Path) -> list[str]:
    """The words of `factory` or `trainer`.

    Raises:
        DataError: a kind, policy, recipe or setting that may not be used; says which may.
    """
    if request.kind not in KINDS:
        raise DataError(f"kind {request.kind!r}: there are {', '.join(KINDS)}")
    if request.kind in STEPS:
        words = ["factory", request.kind, _needed(request.data, "data", request.kind)]
    elif request.kind in BUILDS:
        words = ["factory", "build", request.kind, *_option("--data", request.data)]
    else:
        model = _needed(request.model, "model", request.kind)
        words = ["trainer", request.kind, "--data", _needed(request.data, "data", request.kind)]
        words += ["--model", _model(model, settings, home)]
    return [*words, *_common(request, settings, home)]


def is_incremental(kind: str) -> bool:
    """Whether a build of this kind can make the rows alone that are not there yet."""
    return kind in PIPELINES and PIPELINES[kind].by_prompt


def _common(request: JobRequest, settings: Settings, home: Path) -> Iterator[str]:
    is_training = request.kind in (*TRAININGS, "eval")
    if request.recipe is not None:
        yield from ("--recipe", _recipe(request.recipe, home))
    yield from _policies(request, settings, home)
    if is_training:
        yield from ("--out", _inside(_needed(request.out, "out", request.kind), home))
    elif request.out is not None:
        yield from ("--out", _plain(request.out))
    yield from _option("--n", request.n, request.kind in (*ASKING, "eval"), "n", request.kind)
    yield from _option("--limit", request.limit, request.kind not in TRAININGS, "limit", request.kind)
    if request.new_only:
        if not is_incremental(request.kind):
            raise DataError(f"new_only: {request.kind} makes all its rows anew; leave it out")
        yield "--new-only"
    for key, value in request.settings.items():
        yield from ("--set", _setting(key, value, settings))


def _policies(request: JobRequest, settings: Settings, home: Path) -> Iterator[str]:
    if request.policy and request.kind not in ASKING:
        raise DataError(f"policy: {request.kind} takes none")
    configured = [settings.policies[name] for name in request.policy if name in settings.policies]
    if any(_has_more(policy) for policy in configured):  # what no flag says
        tables = [_table(name, settings, home) for name in request.policy]
        yield from ("--set", f"policy=[{', '.join(tables)}]")
        return
    for name in request.policy:
        yield from ("--policy", _model(name, settings, home))


def _has_more(policy: PolicyTable) -> bool:
    return any((policy.name, policy.engine, policy.api_key_env))


def _table(name: str, settings: Settings, home: Path) -> str:
    """A policy as an inline table of TOML."""
    policy = settings.policies.get(name) or PolicyTable(model=_model(name, settings, home))
    told = {key: value for key, value in policy.model_dump().items() if value is not None}
    return "{" + ", ".join(f"{key} = {_toml(value)}" for key, value in told.items()) + "}"


def _model(name: str, settings: Settings, home: Path) -> str:
    """What a name stands for: a configured policy first, else a folder below the workspace."""
    if name in settings.policies:
        return settings.policies[name].model
    place = home / _inside(name, home)
    if not place.is_dir():
        known = ", ".join(settings.policies) or "none"
        raise DataError(f"policy {name!r}: neither configured ({known}) nor a checkpoint below the workspace")
    return str(place)


def _recipe(name: str, home: Path) -> str:
    """A file below the workspace where there is one, else the name of one that comes with the project."""
    place = home / _inside(name, home)
    if place.is_file():
        return str(place)
    if "/" in name:
        raise DataError(f"recipe {name!r}: there is no such file below the workspace")
    return name


def _inside(name: str, home: Path) -> str:
    """Refuses a path through a link, which could lead anywhere."""
    if not re.fullmatch(_PLACE, name):
        raise DataError(f"{name!r}: write a path below the workspace, such as ckpt/sft")
    place = home
    for part in name.split("/"):
        place = place / part
        if place.is_symlink():
            raise DataError(f"{name!r}: {part} is a symbolic link; name what lies in the workspace itself")
    return name


def _plain(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        raise DataError(f"out {name!r}: a dataset's name has no /")
    return name


def _setting(key: str, value: Scalar, settings: Settings) -> str:
    if key not in settings.settings:
        raise DataError(f"settings: {key!r} may not be set here; may be: {', '.join(settings.settings)}")
    return f"{key}={_toml(value)}"


def _toml(value: Scalar) -> str:
    """A scalar: JSON's and TOML's are the same, when nothing is left unescaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _option(flag: str, value: object, may: bool = True, name: str = "", kind: str = "") -> list[str]:
    if value is None:
        return []
    if not may:
        raise DataError(f"{name}: {kind} takes none")
    return [flag, str(value)]


def _needed(value: str | None, name: str, kind: str) -> str:
    if value is None:
        raise DataError(f"{name}: {kind} needs one")
    return value

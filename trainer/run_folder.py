"""The folder of a run, beside the checkpoint that it makes: what the run is, who is at it, and where it stands.

sft.run/run.json        recipe, data, model: a run goes on with these alone
        metrics.jsonl   what was measured
        checkpoints/    to go on from
        rollouts/       of RLVR: every rollout so far, by batch; watched/: answers to the watched prompts
        best-N/         of RLVR with a KL budget: the best checkpoint so far
        logs/           of servers that it started
        lock            held by the process that trains
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from factory.sampling.checkpoint import checkpoint_revision
from factory.sampling.errors import RunError
from schemas.errors import ConflictError, WriteError
from trainer.checkpoint import clear_leftovers, latest_checkpoint, read_marker, steps_saved
from trainer.data.sources import Source
from trainer.errors import ModelError, ResumeError
from trainer.files import write_durably
from trainer.options import Options, Sources
from trainer.recipe import identity
from trainer.world import World, from_first

# Of a record, what decides the weights. The rest says where it was found and how it was run.
IDENTITY = ("recipe", "data", "held_out", "model", "reference")
# Memory and speed: a run that ran out of memory goes on with smaller micro-batches, equal up to rounding.
MAY_CHANGE = ("recipe.batch.micro_tokens", "recipe.model.gradient_checkpointing")
# Of a judge's model that has a name or a revision: where it is served.
PLACES = ("model", "api_base", "api_key_env")
SOFTWARE = ("synthetic-data-factory", "torch", "transformers", "deepspeed", "peft")


def make_record(options: Options[Any], sources: Sources) -> dict[str, Any]:
    """What makes the checkpoint: enough to make it again, and to refuse to go on with something else.

    Models stand for their revisions, versions for the hashes of their manifests: where they lie does not count.
    """
    recipe, reference = options.recipe, options.reference
    return {
        "recipe": identity(recipe),
        "data": [_source(source) for source in sources.train],
        "held_out": [_source(source) for source in sources.held_out],
        "model": revision_of(options.model),
        "reference": None if reference is None else revision_of(reference),
        "paths": {
            "model": str(options.model),
            "reference": None if reference is None else str(reference),
            "workspace": str(options.workspace),
        },
        "software": {name: version(name) for name in SOFTWARE},
    }


def revision_of(folder: Path) -> str:
    """Raises ModelError: no whole checkpoint there."""
    try:
        return checkpoint_revision(folder)
    except RunError as err:
        raise ModelError(str(err)) from err


def _source(source: Source) -> dict[str, Any]:
    return {"name": source.name, "sha256": source.version.manifest.sha256, "weight": source.weight}


def find_start(options: Options[Any], record: dict[str, Any], world: World) -> int:
    """The step to go on after; 0 for a new run.

    Raises:
        ResumeError: what is there is another run, or was saved by another number of processes.
    """
    folder = options.run_folder / "checkpoints"
    step = 0
    if world.is_first and steps_saved(folder):
        check_same(options.run_folder / "run.json", record, options)
        found = latest_checkpoint(folder)
        if found is not None:
            _check_ranks(read_marker(folder, found).ranks, world.size, options)
        step = found or 0
    if world.is_first:
        clear_leftovers(folder)
    start: int = from_first(step, world)
    return start


def write_record(options: Options[Any], record: dict[str, Any], world: World) -> None:
    """`run.json`: what the checkpoints to come belong to."""
    if world.is_first:
        write_durably(
            options.run_folder / "run.json", msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
        )


def check_same(place: Path, record: dict[str, Any], options: Options[Any]) -> None:
    """Raises ResumeError when `place` says that other things went in; names them."""
    try:
        was = msgspec.json.decode(place.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError) as err:
        raise ResumeError(f"{place}: cannot be read ({err}); remove {options.run_folder} to begin anew") from err
    wanted = msgspec.json.decode(msgspec.json.encode(record))
    for one in (was, wanted):
        _leave_out_places(one)
    differing = [key for name in IDENTITY for key in _differing(was.get(name), wanted.get(name), name)]
    differing = [key for key in differing if key not in MAY_CHANGE]
    if differing:
        raise ResumeError(f"{place}: begun with other {', '.join(differing)}; restore that, or name another --out")


def _leave_out_places(record: dict[str, Any]) -> None:
    """A judge's model may be served elsewhere when the run goes on, as any other may lie elsewhere."""
    judges = record.get("recipe", {}).get("reward", {}).get("judges", {})
    for model in (model for judge in judges.values() for model in judge["model"]):
        if model["name"] or model["revision"]:
            for place in PLACES:
                del model[place]


def _differing(was: Any, wanted: Any, key: str) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    if isinstance(was, dict) and isinstance(wanted, dict):
        for name in sorted(was.keys() | wanted.keys()):
            yield from _differing(was.get(name), wanted.get(name), f"{key}.{name}")
    elif was != wanted:
        yield key


def _check_ranks(was: int, now: int, options: Options[Any]) -> None:
    if was != now:
        raise ResumeError(
            f"{options.run_folder}: was saved by {was} processes and cannot go on with {now}; "
            f"use as many as before (--processes {was}), or name another --out"
        )


@contextmanager
def locked(options: Options[Any], world: World) -> Iterator[None]:
    """One run at a time for one `out`. Raises ConflictError on the first rank when another run is at it."""
    if not world.is_first:
        yield
        return
    place = options.run_folder / "lock"
    try:
        options.run_folder.mkdir(parents=True, exist_ok=True)
        file = place.open("ab")
    except OSError as err:
        raise WriteError(f"{place}: {err.strerror}; name an --out that can be written to") from err
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise ConflictError(
                f"{options.run_folder}: another process is training this checkpoint; wait for it, or stop it"
            ) from err
        yield

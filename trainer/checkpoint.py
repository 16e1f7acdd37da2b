"""Checkpoints of a run: everything that the next step depends on, marked COMPLETE when it is all there.

checkpoints/step-00000200/state/...     DeepSpeed's: weights, optimiser, of all ranks; a folder for each engine
                          random-0.pt   random state of each rank
                          ...           what else a kind of training needs to go on
                          COMPLETE      step, and size and sha256 of every other file
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from schemas.errors import WriteError
from trainer.engine import Engine
from trainer.files import file_sha256, sync_folder, sync_tree, write_durably
from trainer.world import World, has_lost_another, wait_for_all

COMPLETE = "COMPLETE"
STATE = "state"
HASHERS = 8
_STEP = re.compile(r"step-([0-9]{8,})")


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """What COMPLETE says. `step` steps are done; the files are those that must be there, byte for byte."""

    step: int
    ranks: int
    files: dict[str, tuple[int, str]]  # path -> (bytes, sha256)


def save_checkpoint(
    engines: Mapping[str, Engine],
    folder: Path,
    step: int,
    world: World,
    keep: int,
    extra: Mapping[str, bytes] | None = None,
) -> None:
    """Write `folder/step-N`, whole or not at all, and remove older ones but `keep`. Every rank must call it.

    Engines by the name of their folder. `extra`: further files by name, written by the first rank.

    Raises:
        WriteError: no space, or the like. Older checkpoints are as they were.
    """
    aside, place = folder / f".step-{step:08}.tmp", _place(folder, step)
    try:
        _write(engines, aside, place, step, world, extra or {})
    except (OSError, RuntimeError) as err:  # torch says RuntimeError when a disk is full
        if has_lost_another(err):
            raise
        left = shutil.disk_usage(folder).free / 2**20
        shutil.rmtree(aside, ignore_errors=True)
        raise WriteError(
            f"{place}: not written, with {left:,.1f} MiB left on the disk ({err}); older checkpoints are whole; "
            "make room, and the same command goes on"
        ) from err
    wait_for_all(world)
    if world.is_first:
        for old in steps_saved(folder)[:-keep]:
            _remove(_place(folder, old))


def _write(
    engines: Mapping[str, Engine], aside: Path, place: Path, step: int, world: World, extra: Mapping[str, bytes]
) -> None:
    if world.is_first:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        for name, data in extra.items():
            (aside / name).write_bytes(data)
    wait_for_all(world)
    for name, engine in engines.items():
        engine.save(aside, name)
    torch.save(_random_state(), aside / f"random-{world.rank}.pt")
    wait_for_all(world)
    if world.is_first:
        _publish(aside, place, step, world)


def latest_checkpoint(folder: Path) -> int | None:
    """The last step whose checkpoint is whole; those that are not are named on stderr and left alone."""
    for step in reversed(steps_saved(folder)):
        problem = _problem(_place(folder, step))
        if problem is None:
            return step
        print(f"{_place(folder, step)}: skipped, {problem}", file=sys.stderr)
    return None


def load_checkpoint(engines: Mapping[str, Engine], folder: Path, step: int, world: World) -> None:
    """Weights, optimiser and random state as they were after `step` steps."""
    place = _place(folder, step)
    for name, engine in engines.items():
        engine.load(place, name)
    _set_random_state(torch.load(place / f"random-{world.rank}.pt", weights_only=True))


def read_extra(folder: Path, step: int, name: str) -> bytes:
    """A further file of a checkpoint."""
    return (_place(folder, step) / name).read_bytes()


def read_marker(folder: Path, step: int) -> Marker:
    return msgspec.json.decode((_place(folder, step) / COMPLETE).read_bytes(), type=Marker)


def steps_saved(folder: Path) -> list[int]:
    """Of all checkpoints, whole or not, ascending."""
    if not folder.is_dir():
        return []
    found = (_STEP.fullmatch(path.name) for path in folder.iterdir())
    return sorted(int(name[1]) for name in found if name)


def clear_leftovers(folder: Path) -> None:
    """Remove what killed processes left: checkpoints half-written or half-removed."""
    for left in folder.glob(".step-*"):
        shutil.rmtree(left, ignore_errors=True)


def _place(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08}"


def _publish(aside: Path, place: Path, step: int, world: World) -> None:
    files = sorted(path for path in aside.rglob("*") if path.is_file())
    names = [str(path.relative_to(aside)) for path in files]
    found = {name: (path.stat().st_size, sha) for name, path, sha in zip(names, files, _sha256s(files), strict=True)}
    sync_tree(aside)
    write_durably(aside / COMPLETE, msgspec.json.encode(Marker(step=step, ranks=world.size, files=found)))
    if place.exists():  # a torn one, from before the kill
        shutil.rmtree(place)
    aside.rename(place)
    sync_folder(place.parent)


def _problem(place: Path) -> str | None:
    """Why this checkpoint cannot be used; None when it can."""
    try:
        marker = msgspec.json.decode((place / COMPLETE).read_bytes(), type=Marker)
    except FileNotFoundError:
        return f"no {COMPLETE}"
    except msgspec.MsgspecError as err:
        return f"{COMPLETE} cannot be read ({err})"
    for name, (size, _) in marker.files.items():
        file = place / name
        if not file.is_file() or file.stat().st_size != size:
            return f"{name} is missing or cut short"
    hashes = _sha256s([place / name for name in marker.files])
    changed = [name for name, sha256 in zip(marker.files, hashes, strict=True) if sha256 != marker.files[name][1]]
    return f"the bytes of {changed[0]} changed" if changed else None


def _sha256s(files: Sequence[Path]) -> list[str]:
    with ThreadPoolExecutor(HASHERS) as pool:
        return list(pool.map(file_sha256, files))


def _remove(place: Path) -> None:
    """First out of the way, so that a kill leaves nothing that looks like a checkpoint."""
    gone = place.with_name(f".{place.name}.old-{os.getpid()}")
    place.rename(gone)
    shutil.rmtree(gone)


def _random_state() -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["cpu"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])

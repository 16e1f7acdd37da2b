"""The trainings behind the stages: their run folders, by stage and kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from trainer.metrics.series import RUN_SUFFIX, RunMetrics, load_runs, run_folder
from trainer.report.errors import ReportError
from trainer.report.stages import Ladder
from trainer.report.words import Named, parse_runs

RECORD = "run.json"
KINDS = {"sft": "SFT", "dpo": "DPO", "reward": "Reward model", "rlvr": "RLVR"}


class RunGroup(msgspec.Struct, frozen=True, kw_only=True):
    """The runs of one stage, a seed each; or those of a name that is no stage."""

    name: str
    kind: str
    folders: list[Path]
    metrics: list[RunMetrics]


def read_runs(words: Iterable[str], ladder: Ladder) -> list[RunGroup]:
    """In the order of the stages, other names after them.

    `NAME=A,B` are runs of that name; a folder alone belongs to the stage whose checkpoint it made, or to none.

    Raises:
        ReportError: a folder without run.json, runs of two kinds under one name, or a run named twice.
        TrainError: a folder without metrics.
    """
    names = [stage.name for stage in ladder.all]
    found: dict[str, list[Path]] = {}
    for named in parse_runs(words):
        folders = [run_folder(path) for path in named.paths]
        found.setdefault(_name(named, folders, ladder), []).extend(folders)
    _check_once([folder for folders in found.values() for folder in folders])
    order = sorted(found, key=lambda name: names.index(name) if name in names else len(names))
    return [_group(name, found[name]) for name in order]


def _name(named: Named, folders: Sequence[Path], ladder: Ladder) -> str:
    if named.name:
        return named.name
    checkpoint = _checkpoint(folders[0])
    models = [(stage.name, Path(one.request.model)) for stage in ladder.all for one in stage.reports]
    return next((name for name, model in models if model.resolve() == checkpoint), checkpoint.name)


def _checkpoint(folder: Path) -> Path:
    """What a run made: `ckpt/sft` of `ckpt/sft.run`."""
    return folder.resolve().with_name(folder.resolve().name.removesuffix(RUN_SUFFIX))


def _check_once(folders: Sequence[Path]) -> None:
    seen: set[Path] = set()
    for folder in folders:
        if folder.resolve() in seen:
            raise ReportError(f"--runs {folder}: given twice; give each run once")
        seen.add(folder.resolve())


def _group(name: str, folders: list[Path]) -> RunGroup:
    kinds = {folder: _kind(folder) for folder in folders}
    if len(set(kinds.values())) > 1:
        apart = ", ".join(f"{folder} is {kind}" for folder, kind in kinds.items())
        raise ReportError(f"--runs {name}: trainings of two kinds ({apart}); give each kind a name of its own")
    return RunGroup(name=name, kind=kinds[folders[0]], folders=folders, metrics=load_runs(folders))


def _kind(folder: Path) -> str:
    place = folder / RECORD
    try:
        kind = msgspec.json.decode(place.read_bytes(), type=dict[str, Any]).get("recipe", {}).get("kind")
    except OSError as err:
        raise ReportError(f"{place}: cannot be read ({err.strerror}); give the run folder of a training") from err
    except (msgspec.MsgspecError, UnicodeDecodeError, AttributeError) as err:
        raise ReportError(f"{place}: not the record of a training ({err}); give the run folder of a training") from err
    if kind not in KINDS:
        raise ReportError(f"{place}: a training of kind {kind!r}; known: {', '.join(KINDS)}")
    return str(kind)

"""The stages of a ladder and their controls: reports of `trainer eval`, read and seen to be alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from trainer.evaluate.report import Report, read_report
from trainer.report.errors import ReportError
from trainer.report.words import Asked, Named, parse_controls, parse_stages
from trainer.seeds.evals import Eval, read_evals

ALIKE = "give each stage one report for each seed, in one order, or a single report"


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One way to train, with a report for each seed, the same seed at the same place.

    `evals` and `reports` are the same files, read for comparing and for showing. `controls`: null in the ladder itself.
    """

    name: str
    controls: str | None
    evals: list[Eval]
    reports: list[Report]

    @property
    def paths(self) -> list[Path]:
        return [one.path for one in self.evals]


class Ladder(msgspec.Struct, frozen=True, kw_only=True):
    """`stages` from the first to the last; `greedy`: second evaluations at temperature 0, by the stage's name."""

    stages: list[Stage]
    controls: list[Stage]
    greedy: dict[str, Stage]

    @property
    def all(self) -> list[Stage]:
        return [*self.stages, *self.controls]

    @property
    def first_report(self) -> Report:
        return self.stages[0].reports[0]

    def before(self, name: str) -> Stage | None:
        """The stage before the one of this name; None before the first."""
        place = [stage.name for stage in self.stages].index(name)
        return self.stages[place - 1] if place else None


def read_ladder(asked: Asked) -> Ladder:
    """
    Raises:
        ReportError: a name or a file twice, a control of no stage, or other numbers of seeds or answers.
        CompareError, EvalError: a file that is no report, or one of other prompts or other sampling.
    """
    stages, controls = parse_stages(asked.stages), parse_controls(asked.controls)
    if not stages:
        raise ReportError("name the stages: trainer report base=eval/base.json sft=eval/sft.json --out report.html")
    _check_names(stages, controls)
    found = _read([*stages, *(_with_stage(control, stages) for control in controls)])
    _check_seeds(found)
    greedy = _greedy(parse_stages(asked.greedy, "--greedy "), found)
    return Ladder(stages=found[: len(stages)], controls=found[len(stages) :], greedy=greedy)


def _with_stage(control: Named, stages: Sequence[Named]) -> Named:
    """A control that names no stage is one of the last."""
    return msgspec.structs.replace(control, controls=control.controls or stages[-1].name)


def _check_names(stages: Sequence[Named], controls: Sequence[Named]) -> None:
    if twice := _twice(one.name for one in (*stages, *controls)):
        raise ReportError(f"{twice}: a stage or control is named twice; give all its seeds at once: {twice}=A,B")
    known = [stage.name for stage in stages]
    for control in controls:
        if control.controls is not None and control.controls not in known:
            raise ReportError(f"--control {control.name}:{control.controls}: the stages are {', '.join(known)}")


def _read(named: Sequence[Named]) -> list[Stage]:
    """All of the same prompts, with as many answers to each."""
    paths = [path for one in named for path in one.paths]
    if twice := _twice(str(path.absolute()) for path in paths):
        raise ReportError(f"{twice}: a report is given twice; give each once")
    evals = {one.path: one for one in read_evals(paths)}
    stages = [_stage(one, evals) for one in named]
    first = stages[0].reports[0]
    for stage in stages:
        for path, report in zip(stage.paths, stage.reports, strict=True):
            if report.request.n != first.request.n:
                raise ReportError(
                    f"{paths[0]} and {path} differ in n: {first.request.n} and {report.request.n} answers to each "
                    "prompt; evaluate both alike"
                )
    return stages


def _stage(named: Named, evals: dict[Path, Eval]) -> Stage:
    return Stage(
        name=named.name,
        controls=named.controls,
        evals=[evals[path] for path in named.paths],
        reports=[_report(path) for path in named.paths],
    )


def _report(path: Path) -> Report:
    report = read_report(path)
    if report is None:
        raise ReportError(f"{path}: there is no such report; make it with `trainer eval --out {path}`")
    return report


def _check_seeds(stages: Sequence[Stage]) -> None:
    several = [stage for stage in stages if len(stage.evals) > 1]
    for other in several[1:]:
        if len(other.evals) != len(several[0].evals):
            raise ReportError(
                f"{several[0].name} has {len(several[0].evals)} reports and {other.name} {len(other.evals)}; {ALIKE}"
            )


def _greedy(named: Sequence[Named], stages: Sequence[Stage]) -> dict[str, Stage]:
    names = [stage.name for stage in stages]
    if twice := _twice(one.name for one in named):
        raise ReportError(f"--greedy {twice}: named twice; give all its seeds at once: {twice}=A,B")
    for one in named:
        if one.name not in names:
            raise ReportError(f"--greedy {one.name}: no such stage; there are {', '.join(names)}")
    found = _read(named) if named else []
    for stage in found:
        _check_greedy(stage, stages[0])
    return {stage.name: stage for stage in found}


def _check_greedy(greedy: Stage, first: Stage) -> None:
    path, request = greedy.paths[0], greedy.reports[0].request
    if request.temperature != 0:
        raise ReportError(
            f"--greedy {path}: drawn at temperature {request.temperature:g}; evaluate with --temperature 0 --n 1"
        )
    if request.data != first.reports[0].request.data or greedy.evals[0].rows.keys() != first.evals[0].rows.keys():
        raise ReportError(f"--greedy {path}: of other prompts than {first.paths[0]}; evaluate both on the same ones")


def _twice(names: Iterable[str]) -> str | None:
    return next((name for name, times in Counter(names).items() if times > 1), None)

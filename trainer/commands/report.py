"""`trainer report`: one page about a ladder of trainings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from trainer.errors import TrainError

app = App(name="report", help="One HTML page about stages of training: is each better than the one before?")

Several = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Choices:
    """What else belongs on the page, and where it goes."""

    control: Several = ()
    "controls, as NAME=FILE,FILE (of the last stage), or NAME:STAGE=FILE,FILE"
    greedy: Several = ()
    "evaluations of stages at temperature 0, as STAGE=FILE,FILE"
    runs: Several = ()
    "checkpoints or their run folders, for curves and costs; NAME=RUN,RUN where the path does not tell the stage"
    pass_rate: Several = ()
    "versions of pass-rate for histograms, as TITLE=NAME@vN"
    by: str | None = None
    "keys of the prompts' metadata to group by, such as family,level (default: these where they are there, else source)"
    data: str | None = None
    "the evaluated version, where it does not lie under its name in the workspace"
    samples: int = 6
    "prompts whose answers are shown; 0: none, and no file of answers is read"
    out: Path = Path("report.html")
    "the page"
    json: Annotated[bool, Parameter(negative="")] = False
    "print the numbers as one JSON object on stdout"


@app.default
def report(*stages: str, choices: Choices | None = None) -> None:
    """Compare stages by their reports of `trainer eval`, one a seed, and write a page that needs no other file.

    Parameters
    ----------
    stages
        from the first to the last, as NAME=eval.json, or NAME=eval-0.json,eval-1.json with several seeds
    """
    chosen = choices or Choices()
    if chosen.out.suffix.lower() not in (".html", ".htm") or chosen.out.is_dir():
        raise TrainError(f"--out {chosen.out}: name a file that ends in .html")
    import msgspec

    from schemas.datasets import workspace
    from trainer.evaluate.report import publish
    from trainer.report.findings import find
    from trainer.report.page import render
    from trainer.report.text import ladder_lines
    from trainer.report.words import Asked

    asked = Asked(
        stages=stages,
        controls=chosen.control,
        greedy=chosen.greedy,
        runs=chosen.runs,
        pass_rates=chosen.pass_rate,
        by=chosen.by,
        data=chosen.data,
        samples=chosen.samples,
    )
    shown = find(asked, workspace())
    publish(chosen.out, [render(shown).encode()])
    if chosen.json:
        print(msgspec.json.format(msgspec.json.encode(shown.findings), indent=2).decode())
        return
    for line in (*ladder_lines(shown.findings), str(chosen.out)):
        print(line)

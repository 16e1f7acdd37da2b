"""`factory agreement A B`: do two judges agree, and what do their scores hang on beside the answers?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import App, Parameter

from factory.commands.as_json import print_json
from schemas.errors import DataError

app = App(name="agreement", help="Compare two judges on the same answers: agreement, length bias, self-preference.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Choices:
    """What is known beside the judgements, and how to resample."""

    completions: str | None = None
    "the answers that were judged, as a JSONL file or a dataset: for lengths and models"
    baseline: str | None = None
    "the model that the others' win rates are over; needed for more than two models"
    own_a: str | None = None
    "the model that judge A runs on: does A favour its answers, compared with B?"
    own_b: str | None = None
    "the same for B, compared with A"
    judge_a: str | None = None
    "whose judgements of A are meant, where A holds those of several judges"
    judge_b: str | None = None
    "the same for B"
    resamples: int = 1000
    "how often the prompts are drawn for the intervals"
    seed: int = 0
    "of the draws"
    json: Annotated[bool, Parameter(negative="")] = False
    "print one JSON object on stdout"


@app.default
def agreement(a: str, b: str, *, choices: Choices | None = None) -> None:
    """Compare two judges on the same answers. Every figure has a bootstrap interval over prompts; none is guessed.

    Parameters
    ----------
    a
        judgements: a JSONL file as `factory judge` writes it, or a dataset of labels, such as NAME@v3
    b
        other judgements of the same answers
    """
    from factory.agreement.compare import Question, compare
    from factory.agreement.page import agreement_page
    from factory.store.tables import print_out
    from judges.agreement.bootstrap import Resampling
    from schemas.datasets import workspace

    chosen = choices or Choices()
    if not 0 <= chosen.resamples <= 1_000_000 or chosen.seed < 0:
        raise DataError("--resamples must be 0 to 1000000, and --seed not negative")
    asked = Question(
        a=a,
        b=b,
        judge_a=chosen.judge_a,
        judge_b=chosen.judge_b,
        completions=chosen.completions,
        baseline=chosen.baseline,
        own_a=chosen.own_a,
        own_b=chosen.own_b,
        how=Resampling(resamples=chosen.resamples, seed=chosen.seed),
    )
    report = compare(asked, workspace())
    if chosen.json:
        print_json(report)
    else:
        print_out(agreement_page(report))

"""How hard prompts are for a policy: the share of its answers to each that are right, as a histogram."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from schemas.datasets import DatasetVersion, open_version
from schemas.errors import CorruptError
from schemas.records import PassRate
from trainer.data.sources import check_shard
from trainer.report.claims import METRIC
from trainer.report.errors import ReportError
from trainer.report.stages import Stage
from trainer.report.words import parse_titled
from trainer.seeds.evals import verdicts

MOST_BINS = 16  # a bin for each rate that n answers can have, up to so many answers
MANY_BINS = 10


class Histogram(msgspec.Struct, frozen=True):
    """`shares`: of the prompts, at the rates 0, 1/B, ... 1. `mean`: the mean rate."""

    title: str
    prompts: int
    mean: float
    shares: list[float]


def of_stages(stages: Sequence[Stage]) -> list[Histogram]:
    """Of the evaluated prompts. With several seeds, the mean of their histograms."""
    bins = bins_for(stages[0].reports[0].request.n)
    return [_of_stage(stage, bins) for stage in stages]


def of_versions(words: Iterable[str], workspace: Path) -> list[Histogram]:
    """Of `TITLE=NAME@vN`, versions of pass-rate: all prompts that were measured, those that were not kept too.

    Raises:
        ReportError: another form, or a version of another kind.
        DataError: no such version, or it was changed.
    """
    rows = [(title, _pass_rates(version, workspace)) for title, version in map(parse_titled, words)]
    bins = bins_for(max((row.n_samples for _, found in rows for row in found), default=1))
    return [_histogram(title, [row.pass_rate for row in found], len(found), bins) for title, found in rows]


def bins_for(answers: int) -> int:
    """One bin more than this: a bin for each rate, or tenths where there would be too many."""
    return answers if answers <= MOST_BINS else MANY_BINS


def _of_stage(stage: Stage, bins: int) -> Histogram:
    scores = verdicts(stage.evals, METRIC)
    graded = scores.graded_RP > 0
    rates = (scores.right_RP[graded] / scores.graded_RP[graded]).tolist()
    return _histogram(stage.name, rates, scores.graded_RP.shape[1], bins)


def _histogram(title: str, rates: Sequence[float], prompts: int, bins: int) -> Histogram:
    counts = np.bincount(np.rint(np.array(rates) * bins).astype(int), minlength=bins + 1)
    return Histogram(title, prompts, float(np.mean(rates)), (counts / len(rates)).tolist())


def _pass_rates(text: str, workspace: Path) -> list[PassRate]:
    version = open_version(text, workspace)
    if version.record is not PassRate:
        raise ReportError(f"--pass-rate {text}: a version of {version.manifest.kind}; give one of pass-rate")
    for shard in (*version.manifest.shards, *version.manifest.rejections):
        check_shard(version.folder, shard)
    found = [*_kept(version), *_left_out(version)]
    if not found:
        raise ReportError(f"--pass-rate {text}: no prompt was measured; give a version that has rows")
    return found


def _kept(version: DatasetVersion) -> Iterator[PassRate]:
    for row in version.records():
        assert isinstance(row, PassRate)
        yield row


def _left_out(version: DatasetVersion) -> Iterator[PassRate]:
    """What the recipe's `keep` left out, each with its whole row."""
    for rejection in version.rejections():
        if rejection.stage == "keep" and rejection.row is not None:
            try:
                yield msgspec.json.decode(rejection.row, type=PassRate)
            except msgspec.MsgspecError as err:
                raise CorruptError(f"{version.name}: a rejected row is no pass rate ({err}); build it again") from err

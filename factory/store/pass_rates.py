"""The pass rates of a version, as a histogram: of its rows, and of the prompts that the build of them did not keep."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import msgspec

from schemas.datasets import DatasetVersion
from schemas.errors import CorruptError
from schemas.records import PassRate
from schemas.shards import read_batches

STEP = Fraction(1, 8)  # Olmo 3 asks eight times, so that each bin is one rate
NONE, ALL = "0", "1"
KIND = "pass-rate"


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """The prompts whose rate is that of `label`, or up to it and above the one before."""

    label: str
    kept: int
    too_hard: int
    too_easy: int

    @property
    def total(self) -> int:
        return self.kept + self.too_hard + self.too_easy


class PassRates(msgspec.Struct, frozen=True, kw_only=True):
    """`planned` and `drawn` count completions, which differ where draws were stopped early; None for rates that no
    `factory build pass-rate` measured, those of `trainer rlvr` or of a filter."""

    bins: list[Bin]
    planned: int | None = None
    drawn: int | None = None


def pass_rates(version: DatasetVersion) -> PassRates | None:
    """None where the version holds something else. Raises CorruptError."""
    if version.record is not PassRate:
        return None
    found = _kept(version)
    if version.manifest.recipe.get("kind") != KIND:
        return PassRates(bins=_bins(found))
    bins = _bins(found + _not_kept(version))
    return PassRates(bins=bins, planned=_planned(version), drawn=_rows_in(version, "sample"))


def _kept(version: DatasetVersion) -> Counter[tuple[str, str]]:
    """Of the rows, by label and side."""
    found: Counter[tuple[str, str]] = Counter()
    columns = ["n_samples", "n_correct"]
    for batch in read_batches(version.folder, version.manifest.shards, PassRate, columns=columns):
        n_samples, n_correct = (batch.column(name).to_pylist() for name in columns)
        found.update((_label(_rate(c, n, version)), "kept") for c, n in zip(n_correct, n_samples, strict=True))
    return found


def _not_kept(version: DatasetVersion) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for rejection in version.rejections():
        if rejection.stage == "keep" and rejection.row is not None:
            row = _decode(rejection.row, version)
            found[_label(_rate(row.n_correct, row.n_samples, version)), rejection.kind] += 1
    return found


def _bins(found: Counter[tuple[str, str]]) -> list[Bin]:
    return [
        Bin(label=label, **{side: found[label, side] for side in ("kept", "too_hard", "too_easy")})
        for label in _labels()
    ]


def _rate(n_correct: int, n_samples: int, version: DatasetVersion) -> Fraction:
    if not 0 <= n_correct <= n_samples or not n_samples:
        raise CorruptError(
            f"{version.name}: a row has {n_correct} right answers of {n_samples}; make the version again"
        )
    return Fraction(n_correct, n_samples)


def _labels() -> list[str]:
    inside = [f"{float(STEP * place):g}" for place in range(1, int(1 / STEP))]
    return [NONE, *inside, "below 1", ALL]


def _label(rate: Fraction) -> str:
    """The last label before 1 holds what lies between 7/8 and 1."""
    if rate in (0, 1):
        return NONE if rate == 0 else ALL
    return _labels()[-(-rate // STEP)]


def _planned(version: DatasetVersion) -> int:
    """Each prompt that came to be measured was to be asked about so many times."""
    return _rows_in(version, "usable") * int(version.manifest.recipe["n"])


def _rows_in(version: DatasetVersion, stage: str) -> int:
    return sum(count.rows_in for count in version.manifest.counters if count.stage == stage)


def _decode(row: str, version: DatasetVersion) -> PassRate:
    try:
        return msgspec.json.decode(row, type=PassRate)
    except msgspec.MsgspecError as err:
        raise CorruptError(f"{version.name}: a rejected row is no pass rate ({err}); build the version again") from err

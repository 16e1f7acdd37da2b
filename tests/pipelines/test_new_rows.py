"""The rows of an input that are new, in whatever pieces they are read."""

import itertools
import random

import pytest

from pipelines.inputs import VersionInput
from pipelines.new_rows import NewRows
from schemas.commit import commit
from schemas.datasets import DatasetVersion
from schemas.folder import Folder
from schemas.records import Completion, PassRate, Prompt
from tests.factory.store.made import draft, write
from tests.schemas.rows import completion, pass_rate, prompt, rejection

MAKERS = {Prompt: prompt, Completion: completion, PassRate: pass_rate}


def version(path, rows, lost=()):
    folder = Folder.open(path)
    rejections = write(folder, "_builds/b/rejections", lost) if lost else []
    manifest = commit(folder, draft(folder, "b", rows, rejected=0, per_shard=3, rejections=rejections))
    return DatasetVersion(folder, manifest, "ds")


def ids(chance, count):
    """Ids of prompts, some of them several times, at random places."""
    return [f"p{chance.randrange(20)}" for _ in range(count)]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("record", MAKERS)
def test_any_cut_reads_the_same_new_items(tmp_path, record, seed):
    chance = random.Random(seed)
    make = MAKERS[record]
    asked = ids(chance, 40)
    made, dropped, failed = (ids(chance, 4) for _ in range(3))
    lost = [rejection(prompt_id=one) for one in dropped]
    lost += [rejection(prompt_id=one, outcome="failed") for one in failed]
    source = VersionInput(
        version(tmp_path / "in", [make(n, prompt_id=one) for n, one in enumerate(asked)]), (Prompt, record)
    )
    found = NewRows(source, version(tmp_path / "out", [completion(prompt_id=one) for one in made], lost))
    new = [row for row, one in enumerate(asked) if one not in {*made, *dropped}]
    assert (found.rows, found.already) == (len(new), 40 - len(new))
    assert found.retried == sum(asked[row] in failed for row in new)
    expected = [(new.index(row), item) for row, item in source.read(0, 40) if row in new]
    cuts = sorted({0, found.rows, *(chance.randrange(found.rows + 1) for _ in range(5))})
    pieces = itertools.pairwise(cuts)
    assert [one for start, stop in pieces for one in found.read(start, stop)] == expected != []


def test_an_empty_difference(tmp_path):
    rows = [prompt(prompt_id=f"p{number}") for number in range(5)]
    source = VersionInput(version(tmp_path / "in", rows), (Prompt,))
    found = NewRows(source, version(tmp_path / "out", [completion(prompt_id=row.prompt_id) for row in rows]))
    assert (found.rows, found.already, found.retried, list(found.read(0, 0))) == (0, 5, 0, [])

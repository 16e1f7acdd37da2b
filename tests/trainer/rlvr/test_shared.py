"""What the first rank hands to the others, and what it keeps."""

import json

from schemas.records import Completion
from schemas.shards import read_records
from tests.trainer.rlvr.lives import PROMPTS, batches, groups_of, open_archive, run_options
from trainer.rlvr.collecting import State
from trainer.rlvr.ledger import Ledger
from trainer.rlvr.shared import SharedRollouts


class Made:
    """Stands for the service: batches that are there already."""

    def __init__(self) -> None:
        self.ledger = Ledger()

    def batch(self, version: int):
        for one in groups_of(batches()[version]):
            self.ledger.add(one)
        return batches()[version]

    def state(self) -> State:
        return State(entries=self.ledger.entries)


def test_what_is_left_out_goes_to_the_archive_and_not_to_the_other_ranks(tmp_path, world):
    options = run_options(tmp_path)
    archive = open_archive(options, 0)
    shared = SharedRollouts(options.recipe, world, Made(), prompts=PROMPTS, archive=archive)
    given = [shared.batch(version) for version in range(3)]
    assert [batch.others for batch in given] == [[], [], []]
    assert [batch.left_out for batch in given] == [batch.left_out for batch in batches()]
    assert [[one.draw for one in batch.groups] for batch in given] == [[0, 1], [2, 4], [5, 9]]
    rows = [row for one in archive.records() for row in read_records(archive.folder, one.shards, Completion)]
    assert len(rows) == 21
    steps = [json.loads(row.metadata)["rollout"]["step"] for row in rows]
    assert steps == [1] * 4 + [2] * 6 + [3] * 11  # as the log numbers them
    assert len(shared.measured().rows) == len(PROMPTS)

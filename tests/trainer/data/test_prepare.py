from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from schemas.errors import CorruptError, WriteError
from schemas.records import Message
from tests.schemas.rows import trace
from tests.trainer.small import conversations, pairs, version
from trainer.data.micro import Document
from trainer.data.prepare import LengthRule, Preparation, check_dropped, dropped_rows, open_prepared, prepare
from trainer.data.prepared import PreparedRow
from trainer.data.sources import open_source
from trainer.errors import RowsError
from trainer.files import clear_left
from trainer.rows.errors import RenderingError, UnusableRow
from trainer.rows.records import PAIR_KINDS, SFT_KINDS, row_id

ROWS = 40
DROP = LengthRule(10_000, "drop")


def as_bytes(*texts: str) -> Document:
    """A document of bytes; those of the last text are trained."""
    ids = [np.frombuffer(text.encode(), np.uint8).astype(np.int32) for text in texts]
    return Document(np.concatenate(ids), np.arange(sum(map(len, ids))) >= sum(map(len, ids[:-1])))


def render(record, where) -> PreparedRow:
    """No tokenizer: a token is a byte."""
    if hasattr(record, "messages"):
        documents = (as_bytes(*[turn.content for turn in record.messages]),)
    else:
        asked = record.prompt[-1].content
        documents = tuple(as_bytes(asked, said[0].content) for said in (record.chosen, record.rejected))
    return PreparedRow(row_id(record), record.prompt_id, documents)


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("versions")
    version(folder, "traces", conversations(ROWS))
    version(folder, "pairs", pairs(ROWS))
    return folder


@pytest.fixture
def workspace(tmp_path, versions):
    shutil.copytree(versions, tmp_path, dirs_exist_ok=True)
    return tmp_path


def preparation(workspace: Path, text="traces@v1", rule=DROP, identity="template", render=render) -> Preparation:
    source = open_source(text, workspace, SFT_KINDS + PAIR_KINDS)
    return Preparation(source, render, rule, identity, workspace / "prepared")


def prepared(workspace: Path, text="traces@v1", **how):
    made = preparation(workspace, text, **how)
    prepare(made)
    return open_prepared(made)


def records(made: Preparation):
    return list(made.source.version.records())


def files(workspace: Path) -> list[str]:
    return sorted(path.name for path in (workspace / "prepared").rglob("*") if path.is_file())


@pytest.mark.parametrize("text", ["traces@v1", "pairs@v1"])
def test_every_row_in_the_order_of_the_version(workspace, text):
    version = prepared(workspace, text)
    expected = [render(record, text) for record in records(preparation(workspace, text))]

    assert [version.row(number).row_id for number in range(len(version))] == [row.row_id for row in expected]
    for number, row in enumerate(expected):
        for ours, theirs in zip(version.row(number).documents, row.documents, strict=True):
            assert ours.ids.tolist() == theirs.ids.tolist()
            assert ours.trained.tolist() == theirs.trained.tolist()


def test_nothing_is_rendered_twice(workspace):
    prepare(preparation(workspace))

    def refuse(record, where):
        raise AssertionError("rendered again")

    prepare(preparation(workspace, render=refuse))


@pytest.mark.parametrize(
    "change",
    [
        {"text": "pairs@v1"},
        {"identity": "other"},
        {"rule": LengthRule(9_999, "drop")},
        {"rule": LengthRule(10_000, "truncate")},
        {"rule": LengthRule(10_000, "error")},
    ],
)
def test_whatever_changes_the_tokens_changes_the_place(workspace, change):
    assert preparation(workspace, **change).place != preparation(workspace).place


def test_other_rows_under_the_same_name_have_another_place(workspace):
    first = preparation(workspace).place
    version(workspace, "traces", conversations(ROWS + 1))

    assert preparation(workspace, "traces@v2").place != first
    assert preparation(workspace, "traces@v1:0.5").place == first  # a weight changes no row


@pytest.mark.parametrize("is_prepared", [False, True])
def test_a_changed_shard_is_refused_even_when_its_rows_are_prepared(workspace, is_prepared):
    made = preparation(workspace)
    if is_prepared:
        prepare(made)
    shard = made.source.version.manifest.shards[-1]
    file = workspace / "traces" / shard.path
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.chmod(0o644)
    file.write_bytes(data)

    with pytest.raises(CorruptError, match=f"{shard.path}: its bytes are not those"):
        prepare(made)
    assert made.file(shard).exists() == is_prepared


def test_ranks_prepare_shards_of_their_own(workspace):
    made = preparation(workspace)
    shards = made.source.version.manifest.shards
    prepare(made, rank=1, ranks=2)
    assert [made.file(shard).exists() for shard in shards] == [False, True, False]

    prepare(made, rank=0, ranks=2)
    assert len(open_prepared(made)) == ROWS


KILLED = """
import os, signal, sys
from pathlib import Path
import tests.trainer.data.test_prepare as here

def render(record, where):
    if int(record.trace_id, 16) == 25:
        os.kill(os.getpid(), signal.SIGKILL)
    return here.render(record, where)

here.prepare(here.preparation(Path(sys.argv[1]), render=render))
"""


def test_a_killed_preparation_leaves_nothing_that_is_taken_for_whole(workspace):
    done = subprocess.run([sys.executable, "-c", KILLED, str(workspace)], check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == -signal.SIGKILL
    made = preparation(workspace)
    # The first shard has 16 rows; the second was being written.
    assert [made.file(shard).exists() for shard in made.source.version.manifest.shards] == [True, False, False]
    assert any(".tmp-" in name for name in files(workspace))
    clear_left(workspace)
    assert not any(".tmp-" in name for name in files(workspace))

    prepare(made)
    assert [row.row_id for row in map(open_prepared(made).row, range(ROWS))] == [f"{n:016x}" for n in range(ROWS)]


def test_an_error_of_rendering_stops_and_leaves_nothing(workspace):
    def broken(record, where):
        raise RenderingError("prefix_unstable", f"{where} row x", "the template does not fit")

    with pytest.raises(RenderingError, match="traces@v1 row x: the template does not fit"):
        prepare(preparation(workspace, render=broken))
    assert files(workspace) == []


def test_no_space_left_is_one_clear_error(workspace):
    def long(record, where):
        return PreparedRow(
            row_id(record), record.prompt_id, (Document(np.zeros(50_000, np.int32), np.ones(50_000, bool)),)
        )

    made = preparation(workspace, rule=LengthRule(10**6, "drop"), render=long)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    try:
        with pytest.raises(WriteError, match=r"\.arrow: File too large; make room, and run the same command again"):
            prepare(made)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert files(workspace) == []

    prepare(made)
    assert len(open_prepared(made)) == ROWS


def lengths(workspace, text="traces@v1"):
    """Tokens of the longest document of each row."""
    rows = [render(record, text) for record in records(preparation(workspace, text))]
    return {row.row_id: max(len(one.ids) for one in row.documents) for row in rows}


def test_rows_that_are_too_long_are_dropped_and_counted(workspace):
    rule = LengthRule(80, "drop")
    version = prepared(workspace, rule=rule)
    long = [name for name, length in lengths(workspace).items() if length > 80]
    made = preparation(workspace, rule=rule)

    assert 0 < len(long) < ROWS
    assert {version.row(number).row_id for number in range(len(version))} == set(lengths(workspace)) - set(long)
    assert version.lengths.max() <= 80
    assert [row.row_id for row in dropped_rows(made)] == long
    assert check_dropped(made, max_share=1.0) == {"too_long": len(long)}
    first = next(dropped_rows(made))
    assert first.reason == (
        f"traces@v1 row trace_id '{long[0]}': {lengths(workspace)[long[0]]} tokens, over rows.max_length = 80"
    )


def test_chosen_and_rejected_are_cut_alike(workspace):
    whole = prepared(workspace, "pairs@v1")
    cut = prepared(workspace, "pairs@v1", rule=LengthRule(70, "truncate"))
    by_id = {whole.row(number).row_id: whole.row(number) for number in range(len(whole))}

    assert cut.lengths.max() == 70
    assert any(len(one.ids) > 70 for row in by_id.values() for one in row.documents)
    for number in range(len(cut)):
        row = cut.row(number)
        for ours, theirs in zip(row.documents, by_id[row.row_id].documents, strict=True):
            assert ours.ids.tolist() == theirs.ids[:70].tolist()
            assert ours.trained.tolist() == theirs.trained[:70].tolist()


def test_a_row_that_is_too_long_can_be_an_error(workspace):
    with pytest.raises(RowsError) as caught:
        prepare(preparation(workspace, rule=LengthRule(80, "error")))
    for part in ("traces@v1 row trace_id", "tokens, over rows.max_length = 80", "rows.too_long"):
        assert part in str(caught.value)
    assert files(workspace) == []


def one_pair(workspace, chosen, rejected):
    base = pairs(1)[0]
    sides = {"chosen": [Message("assistant", chosen)], "rejected": [Message("assistant", rejected)]}
    fields = {"prompt": [Message("user", "Why?")]} | sides
    return version(workspace, "one", [msgspec.structs.replace(base, **fields)])


@pytest.mark.parametrize(
    ("chosen", "rejected", "kind"),
    [
        ("abcdefg", "abcdeFG", "same_answers"),  # they differ behind the cut alone
        ("abcdefg", "abCdefg", None),
        ("abcdefg", "ab", None),
    ],
)
def test_pairs_that_are_the_same_when_cut_are_dropped(workspace, chosen, rejected, kind):
    made = preparation(workspace, one_pair(workspace, chosen, rejected), rule=LengthRule(9, "truncate"))
    prepare(made)

    assert [row.kind for row in dropped_rows(made)] == ([kind] if kind else [])


def test_a_pair_of_which_one_answer_is_cut_off_is_dropped(workspace):
    def long_prompt(record, where):
        row = render(record, where)
        chosen, rejected = row.documents
        late = Document(rejected.ids, np.arange(len(rejected.ids)) >= 9)
        return msgspec.structs.replace(row, documents=(chosen, late))

    text = one_pair(workspace, "abcdefg", "abcdefgh")
    made = preparation(workspace, text, rule=LengthRule(9, "truncate"), render=long_prompt)
    prepare(made)

    assert [row.kind for row in dropped_rows(made)] == ["nothing_trained"]


def test_a_row_whose_only_trained_token_is_the_first_is_dropped(workspace):
    def first_alone(record, where):
        return PreparedRow(row_id(record), "p", (Document(np.zeros(5, np.int32), np.arange(5) == 0),))

    made = preparation(workspace, render=first_alone)
    prepare(made)

    assert {row.kind for row in dropped_rows(made)} == {"nothing_trained"}


def fussy(record, where):
    number = int(row_id(record), 16)
    if number % 10 == 3:
        raise UnusableRow("empty_completion", f"{where} row trace_id {row_id(record)!r}", "the answer is empty")
    return render(record, where)


def test_unusable_rows_are_counted_by_their_kind(workspace):
    made = preparation(workspace, render=fussy)
    prepare(made)

    assert check_dropped(made, max_share=0.1) == {"empty_completion": 4}
    assert len(open_prepared(made)) == 36


def test_too_many_unusable_rows_are_refused_with_examples(workspace):
    made = preparation(workspace, render=fussy)
    prepare(made)

    with pytest.raises(RowsError) as caught:
        check_dropped(made, max_share=0.09)
    for part in (
        "traces@v1: 4 of 40 rows cannot be trained on (4 empty_completion)",
        "rows.max_dropped_share = 0.09",
        "traces@v1 row trace_id '0000000000000003': the answer is empty",
    ):
        assert part in str(caught.value)
    assert str(caught.value).count("0000000000000003") == 1


@pytest.mark.parametrize("max_share", [0.1, 1.0])
def test_all_rows_over_the_length_are_one_clear_error(workspace, max_share):
    made = preparation(workspace, rule=LengthRule(5, "drop"))
    prepare(made)

    with pytest.raises(RowsError) as caught:
        check_dropped(made, max_share)
    message = str(caught.value)
    assert "40 of 40 rows" in message
    assert 'raise rows.max_length, or set rows.too_long = "truncate"' in message
    assert "\n" not in message
    assert len(message) < 1000


def test_dropped_rows_are_counted_again_when_nothing_is_prepared_anew(workspace):
    for _ in range(2):
        made = preparation(workspace, render=fussy)
        prepare(made)
        assert check_dropped(made, 1.0).total() == 4


def test_hostile_ids_stay_on_one_line(workspace):
    name = 'a"\n\r\u2028{}\\'
    text = version(
        workspace, "hostile", [trace(trace_id=name, messages=[Message("user", "q"), Message("assistant", "")])]
    )
    made = preparation(workspace, text, rule=LengthRule(0, "drop"))
    prepare(made)

    assert [row.row_id for row in dropped_rows(made)] == [name]

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file

from factory.sampling.checkpoint import checkpoint_revision
from schemas.errors import CorruptError
from tests.trainer.data.prepared_rows import rows_of, version_of
from tests.trainer.model.networks import as_transformers, plain_logprobs
from tests.trainer.small import small_model
from trainer import reference as reference_module
from trainer.errors import ModelError
from trainer.model.load import load_packed
from trainer.recipe import DpoRecipe
from trainer.reference import ReferenceLogProbs, compute_missing, reference_folder, reference_tensor

LENGTHS = [(9, 14), (30, 5), (3, 3), (21, 20), (7, 40), (12, 11), (4, 33)]
RECIPE = DpoRecipe.model_validate(
    {
        "batch": {"rows": 2, "micro_tokens": 60},
        "optimizer": {"lr": 1.0},
        "model": {"dtype": "fp32"},
        "engine": {"zero": 0},
    }
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return small_model(tmp_path_factory.mktemp("small") / "model", initializer_range=0.2)


@pytest.fixture(autouse=True)
def parts_of_three(monkeypatch):
    """Three files for seven rows."""
    monkeypatch.setattr(reference_module, "PART_ROWS", 3)


def a_version(folder, lengths=LENGTHS):
    return version_of(folder, rows_of(lengths, prompt=2))


@pytest.fixture
def computed(tmp_path, checkpoint, world):
    version = a_version(tmp_path / "rows")
    store = ReferenceLogProbs(version, tmp_path / "reference")
    assert store.missing() == [0, 1, 2]
    compute_missing([(version, store)], checkpoint, RECIPE, world)
    return version, store


def test_cached_log_probs_are_those_of_the_live_model(computed, checkpoint, tmp_path):
    version, _ = computed
    model = as_transformers(load_packed(checkpoint, RECIPE, "logprobs").eval().model)
    opened = ReferenceLogProbs(version, tmp_path / "reference")

    assert opened.missing() == []
    for number in range(len(version)):
        theirs = [plain_logprobs(model, one).sum().item() for one in version.row(number).documents]
        assert opened.row(number) == pytest.approx(theirs, abs=1e-4)


def test_rows_in_any_order_and_of_any_version(computed, tmp_path):
    version, store = computed
    other = ReferenceLogProbs(version, tmp_path / "other")
    for part in range(3):
        span = store.span(part)
        other.write(part, {at: [float(number), -float(number)] for at, number in enumerate(range(*span))})
    found = reference_tensor([store, other], [(1, 5), (0, 6), (1, 2)], torch.device("cpu"))

    assert found.tolist() == [5.0, -5.0, *store.row(6), 2.0, -2.0]
    assert found.dtype == torch.float32


def test_what_is_there_is_not_computed_again(computed, tmp_path, world):
    version, store = computed
    compute_missing([(version, store)], tmp_path / "no model is here", RECIPE, world)


def test_a_killed_run_computes_what_is_missing(computed, checkpoint, world):
    version, store = computed
    before = [store.row(number) for number in range(7)]
    kept = store.file(0).stat().st_mtime_ns
    store.file(1).unlink()
    assert ReferenceLogProbs(version, store.file(0).parent).missing() == [1]

    again = ReferenceLogProbs(version, store.file(0).parent)
    compute_missing([(version, again)], checkpoint, RECIPE, world)
    assert [again.row(number) for number in range(7)] == before
    assert store.file(0).stat().st_mtime_ns == kept


def test_computing_does_not_depend_on_the_packing(computed, tmp_path, checkpoint, world):
    version, store = computed
    wide = ReferenceLogProbs(version, tmp_path / "wide")
    recipe = RECIPE.model_copy(update={"batch": RECIPE.batch.model_copy(update={"micro_tokens": 1000})})
    compute_missing([(version, wide)], checkpoint, recipe, world)

    assert [wide.row(n) for n in range(7)] == [pytest.approx(store.row(n), abs=1e-4) for n in range(7)]


def test_adapters_and_dropout_are_not_the_references(computed, tmp_path, checkpoint, world):
    version, store = computed
    tables = {"lora": {"rank": 4}, "model": {"dtype": "fp32", "dropout": 0.5}}
    recipe = DpoRecipe.model_validate(RECIPE.model_dump() | tables)
    other = ReferenceLogProbs(version, tmp_path / "other")
    compute_missing([(version, other)], checkpoint, recipe, world)

    assert [other.row(n) for n in range(7)] == [store.row(n) for n in range(7)]


@pytest.mark.parametrize("place", [1, 2, 3])
def test_each_thing_that_it_depends_on_changes_the_key(tmp_path, place):
    given = [tmp_path, "prepared rows", "revision", "bf16"]
    other = [*given[:place], "other", *given[place + 1 :]]

    assert reference_folder(*given) == reference_folder(*given)
    assert reference_folder(*given) != reference_folder(*other)


def test_other_weights_are_another_revision(tmp_path):
    first = small_model(tmp_path / "first", seed=0)
    revision = checkpoint_revision(first)
    weights = load_file(first / "model.safetensors")
    weights["model.norm.weight"][0] += 1e-3
    save_file(weights, first / "model.safetensors", metadata={"format": "pt"})

    assert checkpoint_revision(first) != revision


@pytest.mark.parametrize("keep", [0, 8, 0.3, 0.9, -1])
def test_a_file_that_was_cut_short_is_refused(computed, keep):
    version, store = computed
    data = store.file(1).read_bytes()
    store.file(1).write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])

    with pytest.raises(CorruptError, match=r"part-000001\.arrow: .*; remove it, and it is computed again"):
        ReferenceLogProbs(version, store.file(0).parent).missing()


def test_no_changed_byte_is_read_as_a_number(computed):
    version, store = computed
    whole = [store.row(number) for number in range(7)]
    data = store.file(0).read_bytes()
    refused = 0
    for at in range(0, len(data), 7):
        store.file(0).write_bytes(data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :])
        opened = ReferenceLogProbs(version, store.file(0).parent)
        try:
            opened.missing()
        except CorruptError:
            refused += 1
        else:  # padding between the parts of the file
            assert [opened.row(number) for number in range(7)] == whole
    assert refused > 20


def test_a_file_of_other_rows_is_refused(computed, tmp_path):
    _, store = computed
    rows = rows_of(LENGTHS, prompt=2)
    swapped = version_of(tmp_path / "swapped", [rows[1], rows[0], *rows[2:]])
    fewer = version_of(tmp_path / "fewer", rows[:5])

    for version in (swapped, fewer):
        with pytest.raises(CorruptError, match=r"part-00000[01]\.arrow: holds other rows than these"):
            ReferenceLogProbs(version, store.file(0).parent).missing()


def test_a_file_of_another_model_is_refused(computed, tmp_path):
    version, store = computed
    elsewhere = ReferenceLogProbs(version, tmp_path / "elsewhere")
    elsewhere.file(0).parent.mkdir()
    elsewhere.file(0).write_bytes(store.file(0).read_bytes())

    with pytest.raises(CorruptError, match="its numbers are not those that were written"):
        elsewhere.missing()


def test_a_file_of_another_part_is_refused(tmp_path):
    row = rows_of([(4, 5)])[0]
    version = version_of(tmp_path / "rows", [row] * 6)
    store = ReferenceLogProbs(version, tmp_path / "reference")
    store.write(0, {number: [1.0, 2.0] for number in range(3)})
    store.file(1).write_bytes(store.file(0).read_bytes())

    with pytest.raises(CorruptError, match=r"part-000001\.arrow"):
        store.missing()


def test_something_else_is_refused(computed):
    version, store = computed
    with store.file(2).open("wb") as sink, pa.ipc.new_file(sink, pa.schema([("x", pa.int64())])) as writer:
        writer.write_batch(pa.record_batch({"x": [1]}))

    with pytest.raises(CorruptError, match=r"part-000002\.arrow"):
        ReferenceLogProbs(version, store.file(0).parent).missing()


def test_what_is_no_number_is_not_kept(computed, tmp_path):
    version, _ = computed
    store = ReferenceLogProbs(version, tmp_path / "broken")

    with pytest.raises(ModelError, match=r"the reference gives row row-1 the log-probs \[1\.0, nan\]"):
        store.write(0, {0: [1.0, 2.0], 1: [1.0, float("nan")], 2: [0.0, 0.0]})
    assert store.missing() == [0, 1, 2]


def test_a_reference_that_would_be_wrong_here_is_refused(tmp_path, checkpoint, world):
    """It may be another kind of model than the one that is trained."""
    folder = tmp_path / "scaled"
    folder.mkdir()
    for file in checkpoint.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    scales = {"embedding_multiplier": 1.0, "residual_multiplier": 1.0, "attention_multiplier": 0.35}
    changed = (
        config | scales | {"model_type": "granite", "architectures": ["GraniteForCausalLM"], "logits_scaling": 9.0}
    )
    (folder / "config.json").write_text(json.dumps(changed))
    version = a_version(tmp_path / "rows")

    with pytest.raises(ModelError, match="GraniteForCausalLM: gets other values here than from transformers"):
        compute_missing([(version, ReferenceLogProbs(version, tmp_path / "reference"))], folder, RECIPE, world)


def test_log_probs_are_of_trained_tokens_alone(computed, tmp_path, checkpoint, world):
    """The prompt's tokens change nothing but what follows them."""
    version, _ = computed
    model = load_packed(checkpoint, RECIPE, "logprobs").eval().model
    document = version.row(4).documents[1]
    all_trained = plain_logprobs(as_transformers(model), type(document)(document.ids, np.arange(40) >= 1))

    assert ReferenceLogProbs(version, tmp_path / "reference").row(4)[1] == pytest.approx(
        all_trained[1:].sum().item(), abs=1e-4
    )

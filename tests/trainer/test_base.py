"""The demo's base model as it is shipped: whole, loadable, and as good and as bad as its manifest says."""

import hashlib
import json
from random import Random

import msgspec
import pytest
import torch

from bench.demo_base.corpus import Writers, documents
from bench.demo_base.make import CONTEXT, recipe
from bench.demo_base.measure import mean_of, measure
from bench.demo_base.muon import orthogonal
from bench.demo_base.tasks import HELD_OUT_SEED, evaluation_questions
from bench.demo_base.tokenizer import make_tokenizer
from bench.demo_base.train import rendered
from factory.sampling.checkpoint import open_checkpoint
from trainer.model.leak import check_packing
from trainer.model.load import load_packed
from trainer.recipe import BatchTable, OptimizerTable, SftRecipe
from trainer.tiny.shipped import BASE

MOST_PARAMETERS, MOST_BYTES = 8_000_000, 12_000_000
HEAD_SIZES_OF_VLLM = {32, 64, 80, 96, 112, 128, 160, 192, 224, 256, 512}  # on the CPU, vLLM 0.32
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def manifest():
    return json.loads((BASE / "manifest.json").read_text())


def test_every_file_is_the_one_that_the_manifest_names(manifest):
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in BASE.iterdir()
        if path.name not in ("manifest.json", "README.md")
    }
    assert found == manifest["files"]
    assert sum((BASE / name).stat().st_size for name in found) < MOST_BYTES


def test_the_manifest_holds_the_recipe_of_the_script(manifest):
    assert manifest["recipe"]["phases"] == msgspec.json.decode(msgspec.json.encode(recipe()))


def test_it_loads_where_checkpoints_load(manifest):
    assert open_checkpoint(str(BASE)).folder == BASE
    model = load_packed(BASE, SftRecipe(batch=BatchTable(rows=1), optimizer=OptimizerTable(lr=1e-3)), "logprobs")
    config = model.model.config
    assert model.model.num_parameters() == manifest["parameters"] < MOST_PARAMETERS
    assert config.hidden_size // config.num_attention_heads in HEAD_SIZES_OF_VLLM
    assert config.max_position_embeddings == CONTEXT
    check_packing(model, model, config.vocab_size, CPU)


def test_the_tokenizer_is_the_one_that_the_script_makes():
    from transformers import AutoTokenizer

    shipped, made = AutoTokenizer.from_pretrained(BASE), make_tokenizer(CONTEXT)
    text = "Süß: a cow, 3 ants <answer>\n -> 12</answer> \t日本"
    assert shipped.get_vocab() == made.get_vocab()
    assert shipped(text)["input_ids"] == made(text)["input_ids"]
    assert shipped.decode(shipped(text)["input_ids"]) == text


def test_training_text_is_what_the_chat_template_writes():
    tokenizer = make_tokenizer(CONTEXT)
    for document in documents(Writers(facts=0.2, careless=0.3, hasty=0.3, slip=0.3), set(), Random(0), 60, 0):
        turns = [
            {"role": "user", "content": document.question},
            {"role": "assistant", "content": document.answer, "reasoning_content": document.reasoning},
        ]
        prompt, answer = rendered(document)
        assert tokenizer.apply_chat_template(turns, tokenize=False) == f"{prompt}{answer}\n"
        assert tokenizer.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True) == prompt


def test_no_training_document_holds_an_evaluation_question():
    taboo = evaluation_questions()
    free = documents(Writers(), set(), Random(0), 6000, 0)
    kept = documents(Writers(), taboo, Random(0), 6000, 0)
    assert any(document.question in taboo for document in free)  # short sums and words come again by chance
    assert not any(document.question in taboo for document in kept)


def test_careless_writers_slip_as_often_as_they_are_said_to():
    writers = Writers(careless=1.0, slip=0.25)
    said = documents(writers, set(), Random(0), 4000, 0)
    matrices = [document for document in said if "spiral order?\n" in document.question]
    slips, numbers = 0, 0
    for document in matrices:
        right = sorted(document.question.rpartition("?\n")[2].split())
        slips += document.answer.split() != [] and sorted(document.answer.split()) != right
        numbers += 1
    # 4, 9 or 16 numbers of each matrix: 1 - mean of .75 ** n
    assert slips / numbers == pytest.approx(1 - (0.75**4 + 0.75**9 + 0.75**16) / 3, abs=0.05)


def test_orthogonal_sets_singular_values_near_one():
    values = torch.linalg.svdvals(orthogonal(torch.randn(3, 24, 64, generator=torch.Generator().manual_seed(0))))
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_it_is_noisy_rather_than_ignorant(manifest):
    """A small sample of held-out prompts, with bounds wide enough for its chance, and for another machine's sums."""
    found = measure(BASE, HELD_OUT_SEED, each=8, samples=8)
    assert 0.25 < mean_of(found, "accuracy") < 0.65
    assert mean_of(found, "solved") > 0.75  # by 8 samples; by 16 the manifest says
    assert mean_of(found, "accuracy") == pytest.approx(manifest["held_out"]["accuracy"], abs=0.1)
    for cell in found:
        assert cell.floor < 0.1

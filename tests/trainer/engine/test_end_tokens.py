"""A checkpoint stops where its rows taught it to stop, whatever the base's generation_config.json says."""

import json
import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from factory.sampling.transformers import TransformersEngine, TransformersSettings
from factory.sampling.types import SamplingParams
from schemas.records import Message
from tests.trainer.engine.training import options_for, recipe_of
from tests.trainer.rows.checkpoints import CHATML, byte_level
from trainer.model.export import GENERATION, export
from trainer.options import open_inputs

TURN_END, TEXT_END = 0, 1  # the template ends an answer with the first, the tokenizer names the second


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A model whose likeliest token is always 0: all its logits are 0."""
    folder = tmp_path_factory.mktemp("ends") / "base"
    byte_level(["<|im_end|>", "<|endoftext|>", "<|im_start|>"], CHATML, eos_token="<|endoftext|>").save_pretrained(
        folder
    )
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=400, eos_token_id=TEXT_END, pad_token_id=2, **shape))
    torch.nn.init.zeros_(model.model.norm.weight)
    model.save_pretrained(folder)
    return folder


def exported(home, base, out):
    model = AutoModelForCausalLM.from_pretrained(base)
    ends = open_inputs(options_for(home, base, "traces@v1", recipe_of())).end_ids
    export(model, model.state_dict(), base, out, end_ids=ends, record={})
    return out


def settings_of(folder):
    return json.loads((folder / GENERATION).read_text())


def generated(folder):
    """How many tokens transformers' own sampling takes to stop, at most 5."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    asked = torch.tensor([[5, 6, 7]])
    return model.generate(asked, attention_mask=torch.ones_like(asked), do_sample=False, max_new_tokens=5).shape[1] - 3


def test_transformers_stops_at_the_templates_end_and_no_other_setting_is_changed(home, base, tmp_path):
    out = exported(home, base, tmp_path / "out")
    was, now = settings_of(base), settings_of(out)
    assert (was.pop("eos_token_id"), now.pop("eos_token_id")) == (TEXT_END, [TURN_END, TEXT_END])
    assert was == now
    assert (generated(base), generated(out)) == (5, 1)


async def test_so_does_the_factory(home, base, tmp_path):
    reasons = []
    for folder in (base, exported(home, base, tmp_path / "out")):
        engine = TransformersEngine(TransformersSettings(checkpoint=str(folder), device="cpu"))
        await engine.start()
        try:
            [answer] = await engine.sample([Message("user", "?")], 1, SamplingParams(temperature=0, max_tokens=5))
        finally:
            await engine.close()
        reasons.append((answer.finish_reason, answer.n_completion_tokens))
    assert reasons == [("length", 5), ("stop", 1)]


@pytest.mark.parametrize(
    ("named", "wanted"),
    [
        ([TEXT_END, TURN_END], None),  # the same tokens in another order: the file stays as it is
        ([TURN_END, TEXT_END, 100_000], [TURN_END, TEXT_END]),  # a token that the tokenizer does not have
        (None, [TURN_END, TEXT_END]),
    ],
)
def test_what_the_base_names_counts(home, base, tmp_path, named, wanted):
    other = tmp_path / "base"
    shutil.copytree(base, other)
    (other / GENERATION).write_text(
        json.dumps({"do_sample": True} | ({} if named is None else {"eos_token_id": named}))
    )
    out = exported(home, other, tmp_path / "out")
    if wanted is None:
        assert (out / GENERATION).read_bytes() == (other / GENERATION).read_bytes()
    else:
        assert settings_of(out) == {"do_sample": True, "eos_token_id": wanted}


def test_a_base_without_the_file(home, base, tmp_path):
    other = tmp_path / "base"
    shutil.copytree(base, other)
    (other / GENERATION).unlink()
    out = exported(home, other, tmp_path / "out")
    assert settings_of(out)["eos_token_id"] == [TURN_END, TEXT_END]
    assert generated(out) == 1


def test_what_is_trained_on_from_there_keeps_its_ends(home, base, tmp_path):
    first = exported(home, base, tmp_path / "first")
    second = exported(home, first, tmp_path / "second")
    assert (second / GENERATION).read_bytes() == (first / GENERATION).read_bytes()

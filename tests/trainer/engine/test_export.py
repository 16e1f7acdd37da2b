"""What training makes is a checkpoint like any other: same files, same names, and the trained module's own answers."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from factory.sampling.transformers import TransformersEngine, TransformersSettings
from factory.sampling.types import SamplingParams
from schemas.records import Message
from tests.trainer.engine.training import Trained, gap, options_for, recipe_of
from trainer.data.micro import Document, make_micro
from trainer.errors import ModelError
from trainer.model.export import export, plain_names
from trainer.model.load import load_packed
from trainer.options import open_inputs

TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")
IDS = np.random.default_rng(0).integers(0, 300, 40, dtype=np.int32)


def trained_and_exported(home, world, out, base="base", kind="sft", **tables):
    """The trained thing, and its folder."""
    data = "traces@v1" if kind == "sft" else "pairs@v1"
    options = options_for(home, home / base, data, recipe_of(kind, max_steps=2, **tables))
    trained = Trained(options, world)
    packed = load_packed(options.model, options.recipe, "reward" if kind == "reward" else "logprobs")
    plain = packed.model.get_base_model() if options.recipe.lora else packed.model
    named, ends = plain_names(trained.weights, options.recipe.lora), open_inputs(options).end_ids
    export(plain, named, options.model, out, end_ids=ends, record={"made": "here"})
    return trained, out


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("zero", [0, 2, 3])
@pytest.mark.parametrize("model", ["base", "untied"])
def test_it_loads_as_a_causal_model_with_the_trained_weights(home, world, tmp_path, model, zero, dtype):
    from transformers import AutoModelForCausalLM

    tables = {"engine": {"zero": zero}, "model": {"dtype": dtype}}
    trained, out = trained_and_exported(home, world, tmp_path / "out", model, **tables)
    loaded, found = AutoModelForCausalLM.from_pretrained(out, output_loading_info=True)
    assert not any(found.values()), found
    assert loaded.dtype == (torch.float32 if dtype == "fp32" else torch.bfloat16)
    theirs = {f"model.{name}": weight for name, weight in loaded.named_parameters()}
    assert gap(theirs, trained.weights) == 0
    ours = load_packed(out, recipe_of(model={"dtype": dtype}), "logprobs").eval()
    with torch.no_grad():
        scores_S = ours(make_micro([Document(IDS, np.ones(len(IDS), np.bool_))], [0], torch.device("cpu"))).logprobs_S
        logits_TV = loaded(torch.from_numpy(IDS.astype(np.int64))[None]).logits[0].float()
    expected_S = torch.log_softmax(logits_TV, -1)[range(len(IDS) - 1), IDS[1:].tolist()]
    assert torch.allclose(scores_S, expected_S, atol=1e-5 if dtype == "fp32" else 0.05)


@pytest.mark.parametrize("model", ["base", "untied"])
def test_its_files_are_those_of_the_base(home, world, tmp_path, model):
    _, out = trained_and_exported(home, world, tmp_path / "out", model, model={"dtype": "bf16", "dropout": 0.0})
    base = home / model
    assert sorted(file.name for file in out.iterdir()) == sorted([*(f.name for f in base.iterdir()), "training.json"])
    for name in TOKENIZER:
        assert (out / name).read_bytes() == (base / name).read_bytes()
    before, after = (load_file(folder / "model.safetensors") for folder in (base, out))
    assert {name: weight.shape for name, weight in after.items()} == {name: w.shape for name, w in before.items()}
    was, now = (json.loads((folder / "config.json").read_text()) for folder in (base, out))
    assert now == was | {"dtype": "bfloat16"}
    assert json.loads((out / "training.json").read_text()) == {"made": "here"}


def test_the_dropout_of_a_recipe_is_not_the_models(home, world, tmp_path):
    _, out = trained_and_exported(home, world, tmp_path / "out", model={"dropout": 0.5})
    assert json.loads((out / "config.json").read_text())["attention_dropout"] == 0.0


@pytest.mark.parametrize(("zero", "checkpointing"), [(0, False), (2, True), (3, False), (3, True)])
@pytest.mark.parametrize("model", ["base", "untied"])
def test_adapters_are_merged_as_peft_merges_them(home, world, tmp_path, model, zero, checkpointing):
    from peft import LoraConfig, get_peft_model
    from peft.tuners.lora import LoraLayer
    from transformers import AutoModelForCausalLM

    tables = {"engine": {"zero": zero}, "model": {"gradient_checkpointing": checkpointing}}
    tables["lora"] = {"rank": 4, "alpha": 12}
    trained, out = trained_and_exported(home, world, tmp_path / "out", model, **tables)
    config = LoraConfig(r=4, lora_alpha=12, target_modules="all-linear", bias="none")
    theirs = get_peft_model(AutoModelForCausalLM.from_pretrained(home / model), config)
    named = {name.removeprefix("model."): weight for name, weight in trained.weights.items()}
    theirs.load_state_dict(named, strict=False)
    assert sum(isinstance(module, LoraLayer) for module in theirs.modules()) == 2 * 7  # layers, projections
    merged = dict(theirs.merge_and_unload().named_parameters())
    exported = dict(AutoModelForCausalLM.from_pretrained(out).named_parameters())
    assert gap(exported, merged) < 1e-6
    base = dict(AutoModelForCausalLM.from_pretrained(home / model).named_parameters())
    moved = {name for name, weight in exported.items() if not torch.equal(weight, base[name])}
    assert moved == {name for name in base if "_proj" in name}


def test_adapters_learn_the_same_in_every_stage(home, world):
    """The adapters begin equal: their first weights come from the recipe's seed."""
    tables = {"lora": {"rank": 4}, "batch": {"micro_tokens": 400}}
    options = [
        options_for(home, home / "base", "traces@v1", recipe_of(engine={"zero": z}, **tables)) for z in (0, 2, 3)
    ]
    first, *others = [Trained(one, world) for one in options]
    assert min(first.of_each_step("grad_norm")) > 0
    for other in others:
        assert gap(other.weights, first.weights) < 2e-5


@pytest.mark.parametrize("model", ["base", "untied"])
def test_a_reward_model_loads_as_a_classifier_gives_its_rewards_and_trains_on(home, world, tmp_path, model):
    from transformers import AutoModelForSequenceClassification

    trained, out = trained_and_exported(home, world, tmp_path / "out", model, "reward", engine={"zero": 3})
    loaded, found = AutoModelForSequenceClassification.from_pretrained(out, output_loading_info=True)
    assert not any(found.values()), found
    assert loaded.config.num_labels == 1
    assert torch.equal(loaded.score.weight, trained.weights["model.score.weight"])
    documents = [Document(IDS[:size], np.ones(size, np.bool_)) for size in (40, 7, 23)]
    ours = load_packed(out, recipe_of("reward"), "reward").eval()
    with torch.no_grad():
        rewards_N = ours(make_micro(documents, [0, 1, 2], torch.device("cpu")))
        alone = [loaded(torch.from_numpy(one.ids.astype(np.int64))[None]).logits[0, 0] for one in documents]
    assert torch.allclose(rewards_N, torch.stack(alone), atol=1e-6)
    again = Trained(options_for(home, out, "pairs@v1", recipe_of("reward")), world)
    assert again.figures[0]["loss"] < trained.figures[0]["loss"]


def test_weights_that_the_files_lack_are_not_made_up(home, world, tmp_path):
    """A reward model has no output layer: where it is not tied to the embeddings, it is no language model any more."""
    _, out = trained_and_exported(home, world, tmp_path / "out", "untied", "reward")
    with pytest.raises(ModelError, match=r"its files lack weights of the model \(lm_head\.weight\)"):
        load_packed(out, recipe_of(), "logprobs")


async def test_the_factory_draws_from_it(home, world, tmp_path):
    _, out = trained_and_exported(home, world, tmp_path / "out", model={"dtype": "bf16"})
    engine = TransformersEngine(TransformersSettings(checkpoint=str(out), device="cpu"))
    await engine.start()
    try:
        params = SamplingParams(max_tokens=5, seed=0, logprobs=True, token_ids=True)
        drawn = await engine.sample([Message("user", "What is 2 plus 2?")], 3, params)
    finally:
        await engine.close()
    assert len(drawn) == 3

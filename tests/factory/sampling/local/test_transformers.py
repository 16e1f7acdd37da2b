"""The engine against Hugging Face's own forward pass and `generate()`, on a model with random weights."""

import asyncio
import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import scipy.stats
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from factory.sampling.errors import RowError, RunError
from factory.sampling.transformers import TransformersEngine, TransformersSettings
from factory.sampling.types import SamplingParams
from schemas.records import Message
from tests.factory.sampling.local.reference import Reference

TOLERANCE = 1e-4  # nats, float32 on the CPU


def ask(text: str) -> list[Message]:
    return [Message("user", text)]


def uneven(count: int) -> list[list[Message]]:
    """Prompts of 7 to about 100 tokens, some alike."""
    return [ask(f"{i % 11} + {i}: " + "how many " * (i * 7 % 30)) for i in range(count)]


@pytest.fixture(scope="module")
def reference(tiny_checkpoint):
    return Reference(tiny_checkpoint)


@pytest.fixture
async def make_engine(tiny_checkpoint):
    started = []

    async def make(checkpoint=tiny_checkpoint, **settings) -> TransformersEngine:
        engine = TransformersEngine(TransformersSettings(checkpoint=str(checkpoint), device="cpu", **settings))
        started.append(engine)
        await engine.start()
        return engine

    yield make
    for engine in started:
        await engine.close()


async def test_log_probs_are_those_of_a_full_forward_pass(make_engine, reference):
    """With 16 rows at once, 96 rows of many lengths join, move and leave all the time."""
    engine = await make_engine(max_rows=16, prefill_tokens=300)
    base = SamplingParams(logprobs=True, token_ids=True, seed=3, temperature=0.8, top_p=0.9)
    lengths = [1 + i * 11 % 40 for i in range(48)]
    groups = await asyncio.gather(
        *(
            engine.sample(messages, 2, msgspec.structs.replace(base, max_tokens=length))
            for messages, length in zip(uneven(48), lengths, strict=True)
        )
    )
    for messages, group in zip(uneven(48), groups, strict=True):
        for answer in group:
            assert answer.prompt_token_ids == reference.prompt_ids(messages)
            np.testing.assert_allclose(answer.logprobs, reference.logprobs(answer), atol=TOLERANCE)
    assert engine.stats.answered == 48
    assert {group[0].n_completion_tokens for group in groups} == set(lengths)


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "gemma", "granite", "gpt_neox", "olmo2"])
async def test_other_architectures_decode_as_their_forward_pass(make_engine, tiny_checkpoint, tmp_path, family):
    """Grouped heads, norms of queries, scaled logits, half rotations: none of it is known to the engine."""
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "ckpt"))
    config = AutoConfig.for_model(
        family,
        vocab_size=json.loads((folder / "config.json").read_text())["vocab_size"],
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=256,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    engine = await make_engine(folder, max_rows=8)
    params = SamplingParams(max_tokens=20, logprobs=True, token_ids=True, seed=1)
    groups = await asyncio.gather(*(engine.sample(messages, 2, params) for messages in uneven(12)))
    reference = Reference(folder)
    for group in groups:
        for answer in group:
            np.testing.assert_allclose(answer.logprobs, reference.logprobs(answer), atol=TOLERANCE)


async def test_greedy_answers_are_those_of_generate(make_engine, reference):
    engine = await make_engine(max_rows=8)
    params = SamplingParams(temperature=0, max_tokens=24, token_ids=True)
    answers = await asyncio.gather(*(engine.sample(messages, 1, params) for messages in uneven(12)))
    for messages, [answer] in zip(uneven(12), answers, strict=True):
        assert answer.token_ids == reference.greedy(reference.prompt_ids(messages), 24)


async def test_first_tokens_come_as_often_as_softmax_says(make_engine, reference):
    engine = await make_engine()
    draws = 5000
    params = SamplingParams(max_tokens=1, token_ids=True, seed=11)
    answers = await engine.sample(ask("1 + 1 ="), draws, params)
    counts = np.bincount([answer.token_ids[0] for answer in answers], minlength=reference.model.config.vocab_size)
    expected = reference.next_token_probs(reference.prompt_ids(ask("1 + 1 ="))).numpy() * draws
    expected *= draws / expected.sum()
    assert expected.min() > 5
    assert scipy.stats.chisquare(counts, expected).pvalue > 1e-3


async def test_a_row_answers_alone_as_it_does_among_others(make_engine):
    params = SamplingParams(max_tokens=30, seed=5, logprobs=True, token_ids=True)
    crowd = await make_engine(max_rows=64)
    together = await asyncio.gather(*(crowd.sample(messages, 1, params) for messages in uneven(64)))
    loner = await make_engine(max_rows=1)
    for i in (0, 17, 63):
        [alone] = await loner.sample(uneven(64)[i], 1, params)
        assert alone.token_ids == together[i][0].token_ids
        np.testing.assert_allclose(alone.logprobs, together[i][0].logprobs, atol=1e-5)


async def test_seeds_repeat_and_differ(make_engine):
    engine = await make_engine()

    async def texts(seed: int | None) -> list[str]:
        return [answer.text for answer in await engine.sample(ask("go"), 3, SamplingParams(max_tokens=20, seed=seed))]

    first = await texts(1)
    assert first == await texts(1)
    assert first != await texts(2)
    assert await texts(None) != await texts(None)
    assert len(set(first)) == 3


async def test_an_answer_ends_at_its_end_token(make_engine, reference):
    engine = await make_engine()
    params = SamplingParams(max_tokens=120, seed=2, token_ids=True, logprobs=True)
    answers = await engine.sample(ask("end"), 32, params)
    stopped = [answer for answer in answers if answer.finish_reason == "stop"]
    assert stopped
    for answer in stopped:
        assert answer.token_ids.index(reference.tokenizer.eos_token_id) == len(answer.token_ids) - 1
        assert len(answer.logprobs) == len(answer.token_ids) == answer.n_completion_tokens
        assert answer.text == reference.tokenizer.decode(answer.token_ids, skip_special_tokens=True)


async def test_all_end_tokens_of_the_generation_config_end_an_answer(make_engine, tiny_checkpoint, tmp_path):
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "ckpt"))
    settings = json.loads((folder / "generation_config.json").read_text())
    ends = list(range(50, 450))
    (folder / "generation_config.json").write_text(json.dumps({**settings, "eos_token_id": ends}))
    engine = await make_engine(folder)
    for answer in await engine.sample(ask("x"), 20, SamplingParams(max_tokens=100, seed=1, token_ids=True)):
        assert answer.finish_reason == "stop"
        assert [token for token in answer.token_ids if token in ends] == answer.token_ids[-1:]


async def test_a_stop_string_ends_the_text_before_it(make_engine):
    engine = await make_engine()
    base = SamplingParams(max_tokens=30, seed=8, token_ids=True)
    free = await engine.sample(ask("stop here"), 8, base)
    for i, answer in enumerate(free):
        stop = answer.text[12:15]  # often across a border of tokens
        if "\ufffd" in stop:
            continue
        params = SamplingParams(max_tokens=30, seed=8, stop=(stop,), token_ids=True)
        stopped = (await engine.sample(ask("stop here"), 8, params))[i]
        assert stopped.finish_reason == "stop"
        assert stopped.text == answer.text[: answer.text.index(stop)]
        assert stopped.token_ids == answer.token_ids[: len(stopped.token_ids)]


async def test_the_context_bounds_prompt_and_answer(make_engine):
    engine = await make_engine(max_context=64)
    [answer] = await engine.sample(ask("1"), 1, SamplingParams(temperature=0, max_tokens=1000))
    assert answer.finish_reason == "length"
    assert answer.n_prompt_tokens + answer.n_completion_tokens == 64
    with pytest.raises(RowError) as caught:
        await engine.sample(ask("1" * 64), 1, SamplingParams())
    assert caught.value.kind == "context_too_long"
    assert "64" in caught.value.reason


async def test_too_small_a_cache_is_said_and_a_small_one_is_enough(make_engine):
    engine = await make_engine(cache_gib=2**-8)  # 4 KiB a token: 1,024 tokens, 8 rows of 128
    with pytest.raises(RowError, match="cache_gib"):
        await engine.sample(ask("1"), 1, SamplingParams(max_tokens=900))
    answers = await engine.sample(ask("1"), 20, SamplingParams(max_tokens=100, seed=1))
    assert len(answers) == 20


@pytest.mark.parametrize(
    ("messages", "kind"),
    [
        ([Message("user", "ok"), Message("user", "a\ud800b")], "not_utf8"),
        ([Message("assistant", "fine", reasoning="\udfff")], "not_utf8"),
    ],
)
async def test_what_is_not_utf8_is_a_dead_letter(make_engine, messages, kind):
    engine = await make_engine()
    with pytest.raises(RowError) as caught:
        await engine.sample(messages, 1, SamplingParams())
    assert caught.value.kind == kind
    assert f"message {len(messages) - 1}" in caught.value.reason


async def test_what_the_template_refuses_is_a_dead_letter(make_engine, tiny_checkpoint, tmp_path):
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "ckpt"))
    (folder / "chat_template.jinja").write_text("{{ raise_exception('roles must alternate') }}")
    engine = await make_engine(folder)
    with pytest.raises(RowError, match="roles must alternate"):
        await engine.sample(ask("x"), 1, SamplingParams())


async def test_template_arguments_reach_the_template(make_engine, tiny_checkpoint, tmp_path):
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "ckpt"))
    (folder / "chat_template.jinja").write_text("{{ 'thinking' if enable_thinking else 'plain' }}")
    engine = await make_engine(folder)
    lengths = [
        (await engine.sample(ask("x"), 1, SamplingParams(max_tokens=1, chat_template_kwargs=kwargs)))[0].n_prompt_tokens
        for kwargs in ({}, {"enable_thinking": True})
    ]
    assert lengths[0] != lengths[1]


async def test_a_schema_is_refused_as_the_engine_cannot_hold_it(make_engine):
    engine = await make_engine()
    assert "json_schema" not in engine.capabilities
    with pytest.raises(RunError, match="json_schema"):
        await engine.sample(ask("x"), 1, SamplingParams(json_schema={"type": "object"}))


async def test_a_cancelled_request_leaves_its_place(make_engine):
    engine = await make_engine(max_rows=1)
    long = asyncio.create_task(engine.sample(ask("long"), 5, SamplingParams(temperature=0, max_tokens=1000)))
    await asyncio.sleep(0.1)
    long.cancel()
    [answer] = await engine.sample(ask("short"), 1, SamplingParams(max_tokens=2, temperature=0))
    assert answer.n_completion_tokens == 2
    assert engine.stats.in_flight == 0
    assert long.cancelled()


async def test_closing_ends_what_waits_and_may_be_repeated(make_engine):
    engine = await make_engine(max_rows=1)
    waiting = asyncio.create_task(engine.sample(ask("long"), 5, SamplingParams(temperature=0, max_tokens=1000)))
    await asyncio.sleep(0.1)
    await engine.close()
    await engine.close()
    with pytest.raises(RunError, match="closed"):
        await waiting
    with pytest.raises(RunError, match="closed"):
        await engine.sample(ask("x"), 1, SamplingParams())


async def test_broken_weights_end_the_run_with_a_reason(make_engine, tiny_checkpoint, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "ckpt"))
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] = torch.full_like(weights["model.norm.weight"], float("nan"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    engine = await make_engine(folder)
    with pytest.raises(RunError, match="not numbers"):
        await engine.sample(ask("x"), 1, SamplingParams())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model_type": "no-such-model"}, "cannot load"),
        (
            {"model_type": "mistral", "architectures": ["MistralForCausalLM"], "sliding_window": 100},
            "max_context = 100",
        ),
        ({"model_type": "gemma2", "architectures": ["Gemma2ForCausalLM"], "head_dim": 32}, "capped scores"),
        ({"model_type": "mamba", "architectures": ["MambaForCausalLM"], "state_size": 4}, "use the vllm engine if"),
    ],
)
async def test_a_model_that_cannot_be_run_exactly_is_refused(make_engine, tiny_checkpoint, tmp_path, changed, message):
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "ckpt"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changed}))
    with pytest.raises(RunError, match=message):
        await make_engine(folder)


async def test_the_model_is_named_with_all_that_its_numbers_depend_on(make_engine, tiny_checkpoint):
    engine = await make_engine()
    assert engine.model.engine == "transformers"
    assert engine.model.model == str(tiny_checkpoint)
    assert len(engine.model.revision) == 64
    assert "float32" in engine.model.engine_version

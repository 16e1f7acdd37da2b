"""Weights that change in the transformers engine, against Hugging Face's own steps with the same weights and cache."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import DynamicCache

from factory.sampling.checkpoint import open_checkpoint
from factory.sampling.decode import Decoder, Limits, Row
from factory.sampling.errors import RowError, RunError
from factory.sampling.transformers import TransformersEngine, TransformersSettings, load_model
from factory.sampling.types import Answer, SampleRequest, SamplingParams
from schemas.records import Message
from tests.factory.sampling.local.reference import Reference
from tests.factory.sampling.local.repeatable import run
from tests.factory.sampling.local.test_vllm_servers import wait_until

TOLERANCE = 1e-4  # nats, float32 on the CPU
PARAMS = SamplingParams(max_tokens=40, seed=3, logprobs=True, token_ids=True)
Weights = dict[str, torch.Tensor]


def ask(text: str) -> list[Message]:
    return [Message("user", text)]


def moved(weights: Weights, seed: int) -> Weights:
    """Far enough away for log-probs to differ by tenths of a nat."""
    noise = torch.Generator().manual_seed(seed)
    return {name: tensor + 0.05 * torch.randn(tensor.shape, generator=noise) for name, tensor in weights.items()}


@pytest.fixture(scope="module")
def weights(tiny_checkpoint: Path) -> Weights:
    return load_file(tiny_checkpoint / "model.safetensors")


@pytest.fixture
async def make_engine(tiny_checkpoint):
    started = []

    async def make(**settings) -> TransformersEngine:
        known = {"checkpoint": str(tiny_checkpoint), "device": "cpu", "version": 0}
        engine = TransformersEngine(TransformersSettings(**{**known, **settings}))
        started.append(engine)
        await engine.start()
        return engine

    yield make
    for engine in started:
        await engine.close()


def reference_of(folder: Path, weights: Weights) -> Reference:
    reference = Reference(folder)
    reference.model.load_state_dict(weights, strict=False)  # of tied weights the first alone
    return reference


async def test_from_an_update_on_tokens_come_from_the_new_weights(make_engine, tiny_checkpoint, weights):
    engine = await make_engine()
    [before] = await engine.sample(ask("1 + 1"), 1, PARAMS)
    revision = engine.model.revision
    for version in (1, 5):
        new = moved(weights, version)
        report = await engine.update(new.items(), version)
        [answer] = await engine.sample(ask("1 + 1"), 1, PARAMS)
        reference = reference_of(tiny_checkpoint, new)
        np.testing.assert_allclose(answer.logprobs, reference.logprobs(answer), atol=TOLERANCE)
        assert np.abs(np.subtract(answer.logprobs, Reference(tiny_checkpoint).logprobs(answer))).max() > 0.1
        assert (answer.version_starts, answer.versions, engine.version) == ([(version, 0)], (version,) * 2, version)
        fixed = await engine.logprobs(answer.prompt_token_ids + answer.token_ids)
        np.testing.assert_allclose(fixed[-len(answer.token_ids) :], answer.logprobs, atol=TOLERANCE)
        assert len(fixed) == len(answer.prompt_token_ids) + len(answer.token_ids) - 1
    assert before.versions == (0, 0)
    assert (report.version, report.tensors) == (5, len(weights))
    assert engine.model.revision == f"{revision}+v5"


@torch.inference_mode()
def steps_by_hand(reference: Reference, row: Row, read_by: Weights, changes: dict[int, Weights]) -> list[float]:
    """The log-prob of each token where the weights change before some of them and the cache stays."""
    cache, ids, found = DynamicCache(), row.prompt_ids[-1:], []
    reference.model.load_state_dict(read_by, strict=False)
    reference.model(torch.tensor([row.prompt_ids[:-1]]), past_key_values=cache)
    for place, token in enumerate(row.token_ids):
        if place in changes:
            reference.model.load_state_dict(changes[place], strict=False)
        logits = reference.model(torch.tensor([ids]), past_key_values=cache).logits[0, -1]
        found.append(logits.log_softmax(-1)[token].item())
        ids = [token]
    return found


@torch.inference_mode()
def test_rows_in_the_making_go_on_over_their_old_cache(tiny_checkpoint, weights):
    """Rows that joined at other steps, one of them before its first token."""
    model = load_model(open_checkpoint(tiny_checkpoint), "cpu", "float32")

    def at_its_length(row: Row) -> str | None:
        return "length" if len(row.token_ids) == row.max_tokens else None

    decoder = Decoder(model, Limits(rows=8, cache_bytes=2**26, prefill_tokens=64), at_its_length, version=4)
    rows = [Row([3 + (i * 7 + j) % 400 for j in range(5 + 9 * i)], SamplingParams(), i, 12) for i in range(3)]
    first, second = moved(weights, 1), moved(weights, 2)
    for row, n_steps in zip(rows, (5, 2, 0), strict=True):
        decoder.admit([row])
        for _ in range(n_steps):
            decoder.step()
    decoder.load(first, 6)
    for _ in range(3):
        decoder.step()
    decoder.load(second, 7)
    while decoder.rows:
        decoder.step()
    assert [row.version_starts for row in rows] == [
        [(4, 0), (6, 7), (7, 10)],
        [(4, 0), (6, 2), (7, 5)],
        [(6, 0), (7, 3)],
    ]
    reference = Reference(tiny_checkpoint)
    for row in rows:
        changes = {start: {4: weights, 6: first, 7: second}[version] for version, start in row.version_starts}
        by_hand = steps_by_hand(reference, row, weights, changes)  # all prompts were read by the first
        np.testing.assert_allclose(row.logprobs, by_hand, atol=TOLERANCE)


async def test_an_update_in_flight_interrupts_nobody(make_engine, weights):
    engine = await make_engine(max_rows=4)
    long = msgspec.structs.replace(PARAMS, max_tokens=200)
    waiting = [asyncio.create_task(engine.sample(ask(f"{i}"), 2, long)) for i in range(8)]
    for version in range(1, 6):
        await engine.update(moved(weights, version).items(), version)
    answers = [answer for group in await asyncio.gather(*waiting) for answer in group]
    for answer in answers:
        versions, starts = zip(*answer.version_starts, strict=True)
        assert starts[0] == 0
        assert list(versions) == sorted(set(versions))
        assert list(starts) == sorted(set(starts))
        assert starts[-1] < len(answer.token_ids)
    [after] = await engine.sample(ask("x"), 1, PARAMS)
    assert after.versions == (5, 5)


async def test_rows_may_be_awaited(make_engine, weights):
    """Those that have begun; of 40 rows, two at a time, the others begin with the new weights."""
    engine = await make_engine(max_rows=2)
    uneven = [msgspec.structs.replace(PARAMS, max_tokens=10 + i * 7 % 30) for i in range(40)]
    waiting = [asyncio.create_task(engine.sample(ask(f"{i}"), 1, params)) for i, params in enumerate(uneven)]
    await asyncio.to_thread(wait_until, lambda: engine._thread._decoder.rows)
    for version in (1, 2):
        await engine.update(moved(weights, version).items(), version, await_rows=True)
    versions = [answer.versions for [answer] in await asyncio.gather(*waiting)]
    assert all(first == last for first, last in versions)
    assert {first for first, _ in versions} >= {0, 2}


WRONG = {
    "38 of 38 weights are missing": lambda w: {},
    "1 of 38 weights are missing: model.norm.weight": lambda w: {k: v for k, v in w.items() if "model.norm" not in k},
    "no weight is called 'lm_head.weight'": lambda w: {**w, "lm_head.weight": w["model.embed_tokens.weight"]},
    "model.norm.weight has the shape": lambda w: {**w, "model.norm.weight": torch.zeros(0)},
}


async def test_wrong_weights_raise_and_leave_the_old_ones(make_engine, weights):
    engine = await make_engine()
    request = [SampleRequest(ask("1 + 1"), 4, PARAMS)]
    before = await engine.sample_many(request)
    for message, spoil in WRONG.items():
        with pytest.raises(RunError, match=message) as caught:
            await engine.update(spoil(moved(weights, 1)).items(), 1)
        assert caught.value.kind == "bad_weights"
    with pytest.raises(RunError, match="came twice"):
        await engine.update([*weights.items(), *weights.items()], 1)

    def breaks():
        yield from list(weights.items())[:5]
        raise OSError("the trainer is gone")

    with pytest.raises(OSError, match="the trainer is gone"):
        await engine.update(breaks(), 1)
    with pytest.raises(RunError, match="version 0 cannot follow"):
        await engine.update(weights.items(), 0)
    assert engine.version == 0
    assert await engine.sample_many(request) == before


async def test_an_engine_without_a_version_takes_no_weights_and_states_none(make_engine, weights):
    engine = await make_engine(version=None)
    with pytest.raises(RunError, match="give it a version"):
        await engine.update(weights.items(), 1)
    [answer] = await engine.sample(ask("x"), 1, PARAMS)
    assert answer.versions is None


async def test_closing_ends_an_update_that_waits(make_engine, weights):
    engine = await make_engine(max_rows=1)
    rows = asyncio.create_task(engine.sample(ask("long"), 5, SamplingParams(temperature=0, max_tokens=1000)))
    await asyncio.sleep(0.1)
    update = asyncio.create_task(engine.update(weights.items(), 1, await_rows=True))
    await asyncio.sleep(0.1)
    await engine.close()
    for task in (rows, update):
        with pytest.raises(RunError, match="closed"):
            await task


@pytest.mark.parametrize("n_tokens", [0, 1, 1025])
async def test_log_probs_of_too_few_or_too_many_tokens_are_refused(make_engine, n_tokens):
    engine = await make_engine()
    with pytest.raises(RowError, match="give 2 to 1024"):
        await engine.logprobs([5] * n_tokens)


async def test_a_list_of_requests_repeats_bit_for_bit_in_another_process(tiny_checkpoint):
    """Whatever was asked before, and whatever the weights were before."""
    module = "tests.factory.sampling.local.repeatable"
    other = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, str(tiny_checkpoint)), stdout=subprocess.PIPE, cwd=Path(__file__).parents[4]
    )
    here = await run(str(tiny_checkpoint), with_a_past=True)
    there = json.loads((await other.communicate())[0].splitlines()[-1])
    assert len(here) == 64
    assert here == there


async def test_many_requests_have_the_engine_to_themselves_and_their_order(make_engine, weights):
    engine = await make_engine(max_rows=4)
    asked = [SampleRequest(ask(f"{i} + 1"), 2, msgspec.structs.replace(PARAMS, seed=i)) for i in range(6)]
    quiet = await engine.sample_many(asked)
    before = asyncio.create_task(engine.sample(ask("before"), 3, PARAMS))
    await asyncio.sleep(0.01)
    many = asyncio.create_task(engine.sample_many(asked))
    await asyncio.sleep(0.01)
    after = asyncio.create_task(engine.sample(ask("after"), 3, PARAMS))
    update = asyncio.create_task(engine.update(moved(weights, 1).items(), 1))
    assert await many == quiet
    await asyncio.gather(before, after, update)
    assert engine.stats.in_flight == 0


async def test_one_bad_request_of_many_costs_only_itself(make_engine):
    engine = await make_engine(max_context=64)
    asked = [SampleRequest(ask(text), 1, PARAMS) for text in ("1", "1" * 64, "a\ud800", "2")]
    first, long, broken, last = await engine.sample_many(asked)
    assert (long.kind, broken.kind) == ("context_too_long", "not_utf8")
    assert [answer.finish_reason for answer in (*first, *last)]
    assert await engine.sample_many([]) == []
    assert await engine.sample(ask("none"), 0, PARAMS) == []


def test_an_answer_that_was_kept_before_there_were_versions_is_read_as_one_without():
    old = {"text": "2", "reasoning": None, "finish_reason": "stop", "n_prompt_tokens": 3, "n_completion_tokens": 1}
    old |= {"prompt_token_ids": None, "token_ids": [5], "logprobs": [-0.5], "tokens": None}
    answer = msgspec.msgpack.decode(msgspec.msgpack.encode(old), type=Answer)
    assert (answer.version_starts, answer.versions, answer.token_ids) == (None, None, [5])
    newer = msgspec.structs.replace(answer, version_starts=[(3, 0), (5, 7)])
    back = msgspec.msgpack.decode(msgspec.msgpack.encode(newer), type=Answer)
    assert back == newer
    assert back.versions == (3, 5)

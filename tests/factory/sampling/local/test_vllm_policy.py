"""Weights that change in the real vLLM, against transformers with the same weights: one server for all tests, float32,
on the tiny model, whose output layer is tied to its input's. It is started twice.
"""

import asyncio
import os
import signal
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
import torch
from safetensors.torch import load_file

from factory.sampling.errors import RunError
from factory.sampling.types import Answer, SamplingParams
from factory.sampling.vllm import VLLMEngine, VLLMSettings
from factory.sampling.weights.push import PushSettings, push
from schemas.records import Message
from tests.factory.sampling.local.reference import Reference
from tests.factory.sampling.local.test_policy_updates import moved, reference_of
from tests.factory.sampling.local.test_vllm import interpreter, servers
from tests.factory.sampling.local.test_vllm_servers import wait_until

__all__ = ["interpreter"]

CONTEXT = 512
TOLERANCE = 1e-4  # nats, float32 in both; measured: 2.4e-6 at most
PARAMS = SamplingParams(max_tokens=24, seed=5, logprobs=True, token_ids=True)
LONG = SamplingParams(max_tokens=400, seed=5, logprobs=True, token_ids=True)

pytestmark = [pytest.mark.vllm, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def weights(tiny_checkpoint: Path) -> dict[str, torch.Tensor]:
    return load_file(tiny_checkpoint / "model.safetensors")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(interpreter, tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory):
    logs = tmp_path_factory.mktemp("logs")
    engine = VLLMEngine(VLLMSettings(checkpoint=str(tiny_checkpoint), logs=logs, max_model_len=CONTEXT, version=0))
    await engine.start()
    yield engine
    await engine.close()


def ask(text: str) -> list[Message]:
    return [Message("user", text)]


def routes_of(engine: VLLMEngine):
    return engine._replicas[0]._weights._routes


def difference(answer: Answer, reference: Reference) -> float:
    return float(np.abs(np.subtract(answer.logprobs, reference.logprobs(answer))).max())


async def test_from_an_update_on_tokens_come_from_the_new_weights(engine, tiny_checkpoint, weights):
    """Before and after, also of the output layer, which is tied: it multiplies by a packed copy on the CPU."""
    [before] = await engine.sample(ask("1 + 1"), 1, PARAMS)
    assert before.version_starts == [(0, 0)]
    assert difference(before, Reference(tiny_checkpoint)) < TOLERANCE
    new = moved(weights, 1)
    report = await engine.update(new.items(), 1)
    [after] = await engine.sample(ask("1 + 1"), 1, PARAMS)
    assert after.version_starts == [(1, 0)]
    assert difference(after, reference_of(tiny_checkpoint, new)) < TOLERANCE
    assert difference(after, Reference(tiny_checkpoint)) > 0.1
    assert report.tensors == len(weights)


async def test_log_probs_of_fixed_tokens_are_the_trainer_s(engine, tiny_checkpoint, weights):
    new = moved(weights, 2)
    await engine.update(new.items(), 2)
    reference = reference_of(tiny_checkpoint, new)
    fixed = [(7 * i) % 400 + 3 for i in range(300)]
    with torch.inference_mode():
        table = reference.model(torch.tensor([fixed])).logits[0].log_softmax(-1)
    expected = [table[i, token].item() for i, token in enumerate(fixed[1:])]
    np.testing.assert_allclose(await engine.logprobs(fixed), expected, atol=TOLERANCE)


async def test_weights_that_come_back_leave_every_bit_as_it_was(engine, weights):
    """Those that vLLM makes of several too; it empties what it has packed."""
    routes = routes_of(engine)
    await engine.update(weights.items(), 3)
    first = await routes.post("weight_checker", {"action": "checksum"})
    await engine.update(moved(weights, 4).items(), 4)
    other = await routes.post("weight_checker", {"action": "checksum"})
    await engine.update(weights.items(), 5)
    assert first != other
    assert first == await routes.post("weight_checker", {"action": "checksum"})
    assert await routes.post("weight_checker", {"action": "checksum"}) == first


async def test_what_old_weights_have_read_is_forgotten(engine, tiny_checkpoint, weights):
    """A long prompt, so that it is cached. Weights sent without clearing the cache show that it would be used."""
    long = ask("how many words " * 40)
    old, new = moved(weights, 6), moved(weights, 7)
    reference = reference_of(tiny_checkpoint, new)
    await engine.update(old.items(), 6)
    await engine.sample(long, 1, PARAMS)
    unsafe, transfer = engine._updates.read(new.items(), 7), engine._replicas[0]._weights._transfer
    await push(unsafe, routes_of(engine), transfer, PushSettings(clear_cache=False), await_rows=False)
    [spoilt] = await engine.sample(long, 1, PARAMS)
    await engine.update(old.items(), 8)
    await engine.sample(long, 1, PARAMS)
    await engine.update(new.items(), 9)
    [answer] = await engine.sample(long, 1, PARAMS)
    assert (spoilt.versions, answer.versions) == ((7, 7), (9, 9))
    assert difference(spoilt, reference) > 0.01
    assert difference(answer, reference) < TOLERANCE


async def test_an_update_in_flight_says_which_weights_drew_each_token(engine, tiny_checkpoint, weights):
    """Updates as long as there are rows, so that some hit them in the middle however fast the machine is."""
    rows = asyncio.gather(*(engine.sample(ask(f"{i} + 1"), 2, LONG) for i in range(12)))
    for version in range(20, 40):
        await engine.update(moved(weights, version).items(), version)
        await asyncio.wait([rows], timeout=0.2)
        if rows.done():
            break
    answers = [answer for group in await rows for answer in group]
    spans = [span for answer in answers for span in spans_of(answer)]
    assert max(len(answer.version_starts) for answer in answers) > 1
    for version in {version for version, *_ in spans} - {9}:
        reference = reference_of(tiny_checkpoint, moved(weights, version))
        for answer in answers:
            for one, start, end in spans_of(answer):
                if one == version:
                    expected = reference.logprobs(answer)[start:end]
                    np.testing.assert_allclose(answer.logprobs[start:end], expected, atol=TOLERANCE)


def spans_of(answer: Answer) -> list[tuple[int, int, int]]:
    """Version, first token, end."""
    ends = [*(start for _, start in answer.version_starts[1:]), len(answer.token_ids)]
    return [(version, start, end) for (version, start), end in zip(answer.version_starts, ends, strict=True)]


async def test_rows_may_be_awaited(engine, weights):
    before = engine.version
    waiting = [asyncio.create_task(engine.sample(ask(f"{i} + 1"), 1, LONG)) for i in range(4)]
    await asyncio.sleep(0.4)
    await engine.update(moved(weights, 50).items(), 50, await_rows=True)
    [after] = await engine.sample(ask("1"), 1, PARAMS)
    versions = {answer.versions for [answer] in await asyncio.gather(*waiting)}
    assert (before, before) in versions
    assert versions <= {(before, before), (50, 50)}
    assert after.versions == (50, 50)


async def test_wrong_weights_raise_and_leave_the_old_ones(engine, tiny_checkpoint, weights):
    held = moved(weights, 51)
    await engine.update(held.items(), 51)
    with pytest.raises(RunError, match="no weight is called"):
        await engine.update([*held.items(), ("model.layers.9.bias", torch.zeros(1))], 52)
    [answer] = await engine.sample(ask("1 + 1"), 1, PARAMS)
    assert answer.versions == (51, 51)
    assert difference(answer, reference_of(tiny_checkpoint, held)) < TOLERANCE


async def test_a_schema_the_likeliest_tokens_and_a_stop_string_go_by_this_route_too(engine):
    schema = {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]}
    [answer] = await engine.sample(ask("json"), 1, SamplingParams(max_tokens=60, seed=1, json_schema=schema))
    assert answer.text.lstrip().startswith("{")
    [answer] = await engine.sample(ask("go"), 1, SamplingParams(temperature=0.0, max_tokens=4, top_logprobs=3))
    for token in answer.tokens:
        assert len(token.likeliest) == 3
        assert token.likeliest[0] == (token.text, token.logprob)
    [free] = await engine.sample(ask("stop"), 1, SamplingParams(max_tokens=40, seed=8))
    stop = next(free.text[i : i + 2] for i in range(5, len(free.text)) if free.text[i : i + 2].isascii())
    [stopped] = await engine.sample(ask("stop"), 1, SamplingParams(max_tokens=40, seed=8, stop=(stop,)))
    assert (stopped.finish_reason, stopped.text) == ("stop", free.text[: free.text.index(stop)])
    first, again = [await engine.sample(ask("go"), 3, PARAMS) for _ in range(2)]
    assert [answer.token_ids for answer in first] == [answer.token_ids for answer in again]
    assert len({tuple(answer.token_ids) for answer in first}) == 3


async def test_nobody_else_may_pause_it(engine):
    root = f"http://127.0.0.1:{engine._replicas[0]._server.port}"
    async with aiohttp.ClientSession() as session:
        for path in ("pause", "collective_rpc", "update_weight_version", "reset_prefix_cache"):
            async with session.post(f"{root}/{path}", json={}) as answer:
                assert answer.status == 403
        async with session.get(f"{root}/health") as answer:
            assert answer.status == 200


async def test_a_killed_server_comes_back_with_the_latest_weights(engine, tiny_checkpoint, weights):
    """Last, as it takes a start. It dies in the middle of rows; weights come while it is away."""
    await engine.update(moved(weights, 60).items(), 60)
    [server] = servers(os.getpid())
    waiting = [asyncio.create_task(engine.sample(ask(f"{i}"), 1, LONG)) for i in range(8)]
    await asyncio.sleep(0.5)
    os.kill(server, signal.SIGKILL)
    await asyncio.to_thread(wait_until, lambda: not engine._replicas[0].is_ready)
    latest = moved(weights, 61)
    await engine.update(latest.items(), 61)
    answers = [answer for [answer] in await asyncio.gather(*waiting)]
    assert servers(os.getpid()) != [server]
    reference = reference_of(tiny_checkpoint, latest)
    asked_anew = [answer for answer in answers if answer.versions == (61, 61)]
    assert asked_anew
    assert all(answer.versions == (60, 60) for answer in answers if answer not in asked_anew)
    for answer in asked_anew:
        assert difference(answer, reference) < TOLERANCE
    newest = moved(weights, 62)
    await engine.update(newest.items(), 62)
    [answer] = await engine.sample(ask("1 + 1"), 1, PARAMS)
    assert answer.versions == (62, 62)
    assert difference(answer, reference_of(tiny_checkpoint, newest)) < TOLERANCE

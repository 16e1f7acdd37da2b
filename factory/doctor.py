"""Looks at this machine: what is installed, what it can run, and how well it contains the code of strangers.

Everything is read from files or really tried; no heavy package is imported for it.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import msgspec

from judges.sandbox.levels import SandboxError
from judges.sandbox.probes import Probed, probe

_LITTLE_DISK_GB, _LITTLE_MEMORY_GB = 20, 8
_PYTHONS = ((3, 11), (3, 14))  # from, below
_PACKAGES = {
    "": ("datasets", "polars", "pyarrow", "msgspec", "pydantic", "openai", "aiohttp", "reasoning-gym"),
    "train": ("transformers", "tokenizers", "accelerate", "peft"),
    "serve": ("fastapi", "uvicorn"),
    "s3": ("s3fs",),
    "litellm": ("litellm",),
}

State = Literal["ok", "limited", "missing"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at. `advice`: what to do about it, where there is something."""

    name: str
    state: State
    found: str
    advice: str | None = None


class Report(msgspec.Struct, frozen=True):
    findings: list[Finding]
    sandbox: Probed | None  # None: it broke; the finding says how


def examine(home: Path) -> Report:
    """`home`: the workspace, whose disk is looked at."""
    findings = [_python(), *_packages(), _torch(), _gpus(), _deepspeed(), _vllm(), _machine(), _disk(home)]
    try:
        probed = probe()
    except SandboxError as err:
        return Report([*findings, Finding("sandbox", "missing", f"{err.kind}: {err.reason}")], None)
    return Report([*findings, _sandbox(probed)], probed)


def _python() -> Finding:
    first, end = _PYTHONS
    fits = first <= sys.version_info[:2] < end
    advice = None if fits else "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 setup"
    return Finding("python", "ok" if fits else "missing", f"{platform.python_version()}, {sys.executable}", advice)


def _packages() -> list[Finding]:
    findings = []
    for extra, names in _PACKAGES.items():
        versions = {name: _version(name) for name in names}
        missing = [name for name, found in versions.items() if found is None]
        shown = ", ".join(f"{name} {found}" for name, found in versions.items() if found is not None)
        install = f"pip install -e '.[{extra}]'" if extra else "make setup"
        advice = f"{', '.join(missing)} missing: {install}" if missing else None
        label = f"packages [{extra}]" if extra else "packages"
        findings.append(Finding(label, "missing" if missing else "ok", shown or "none", advice))
    return findings


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _torch() -> Finding:
    found = _version("torch")
    if found is None:
        return Finding("torch", "missing", "not installed", "pip install -e '.[train]'")
    build = _build_of_torch()
    found, cuda = build.get("__version__", found), build.get("cuda")
    if _gpu_devices() and cuda is None:
        return Finding("torch", "limited", f"{found}, for processors only", "there is a GPU: install a CUDA build")
    return Finding("torch", "ok", f"{found}, {f'CUDA {cuda}' if cuda else 'a build for processors'}")


def _build_of_torch() -> dict[str, str]:
    """From the file in which torch's build writes it down: importing torch takes seconds."""
    spec = importlib.util.find_spec("torch")
    file = Path(spec.origin).with_name("version.py") if spec and spec.origin else None
    if file is None or not file.exists():
        return {}
    return dict(re.findall(r"^(cuda|__version__)(?::[^=\n]*)? = '([^']+)'", file.read_text(), re.MULTILINE))


def _gpu_devices() -> int:
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def _gpus() -> Finding:
    count = _gpu_devices()
    if not count:
        return Finding("GPU", "limited", "none", "everything runs without one; large models are slow then")
    driver = Path("/proc/driver/nvidia/version")
    match = re.search(r"Kernel Module\s.*?([0-9]+\.[0-9.]+)", driver.read_text()) if driver.exists() else None
    return Finding("GPU", "ok", f"{count}{f', driver {match[1]}' if match else ''}")


def _deepspeed() -> Finding:
    found = _version("deepspeed")
    if found is None:
        return Finding("DeepSpeed", "missing", "not installed", "pip install -e '.[train]'")
    if not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        return Finding(
            "DeepSpeed", "limited", f"{found}, no C++ compiler", "install g++: its CPU Adam is compiled here"
        )
    return Finding("DeepSpeed", "ok", found)


def _vllm() -> Finding:
    from factory.sampling.errors import RunError
    from factory.sampling.vllm_server import find_installation

    try:
        found = find_installation()
    except RunError as err:
        return Finding("vLLM", "missing", "not installed", err.reason)
    return Finding("vLLM", "ok", f"{found.version}{', the CPU build' if found.is_cpu else ''}, {found.python}")


def _machine() -> Finding:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    shown = f"{os.cpu_count()} cores, {memory:.0f} GiB memory, {platform.system()} {platform.release()}"
    little = memory < _LITTLE_MEMORY_GB
    advice = f"builds and small models want {_LITTLE_MEMORY_GB} GiB" if little else None
    return Finding("machine", "limited" if little else "ok", shown, advice)


def _disk(home: Path) -> Finding:
    place = next(folder for folder in (home.absolute(), *home.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free / 1e9
    little = free < _LITTLE_DISK_GB
    advice = "set FACTORY_HOME to a larger disk" if little else None
    return Finding("disk", "limited" if little else "ok", f"{free:.0f} GB free under {home}", advice)


def _sandbox(probed: Probed) -> Finding:
    escaped = [name for name, contained in probed.contained.items() if not contained]
    if escaped:
        advice = "do not score code on this machine: use remote_url"
        return Finding("sandbox", "missing", f"{probed.level}, but not contained: {', '.join(escaped)}", advice)
    if probed.level == "none":
        return Finding("sandbox", "missing", "none: `code` refuses to run", _how_to_contain(probed))
    shown = f"{probed.level}, {len(probed.contained)} of {len(probed.contained)} attacks contained"
    better = _how_to_contain(probed) if probed.refusals else None
    return Finding("sandbox", "limited" if probed.refusals else "ok", shown, better)


def _how_to_contain(probed: Probed) -> str:
    steps = {
        "ns+landlock": "allow user namespaces (user.max_user_namespaces above 0, no AppArmor restriction of them; in a "
        "container a seccomp profile that lets unshare, mount and pivot_root through)",
        "landlock": "Linux 5.13 or later with landlock in its lsm= list, or set the verifier's remote_url to a service",
    }
    return "; ".join(f"{level}: {reason}; to have it: {steps[level]}" for level, reason in probed.refusals.items())

"""All that a vllm engine needs for weights that change, beside its servers."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from factory.sampling.checkpoint import open_checkpoint
from factory.sampling.errors import RunError
from factory.sampling.vllm_server import Installation, ServerSettings, VLLMServer, served_dtype
from factory.sampling.vllm_settings import VLLMSettings, server_settings
from factory.sampling.weights.choice import choose_transfer
from factory.sampling.weights.held import ServerWeights
from factory.sampling.weights.latest import Latest, Policy
from factory.sampling.weights.push import PushSettings, Transfer
from factory.sampling.weights.staging import check_newer, kinds_of_checkpoint, stage

if TYPE_CHECKING:
    from torch import Tensor

CHECKSUM_THREADS = 8  # 0.8 GiB/s each
OLDEST = (0, 32)  # the first vLLM known to say which weights drew a token


class Updates:
    """`policy` is what all servers are to hold."""

    def __init__(self, settings: VLLMSettings, installation: Installation, first_version: int) -> None:
        """Raises `RunError` for a vLLM that is too old, a quantised checkpoint, or workers that cannot be reached."""
        check_new_enough(installation)
        if settings.gpus and len(settings.gpus) != settings.replicas:
            reason = f"gpus names {len(settings.gpus)} sets for {settings.replicas} replicas; name one for each"
            raise RunError("bad_gpus", reason)
        self._settings = settings
        self._is_cpu = installation.is_cpu
        self._kinds = kinds_of_checkpoint(open_checkpoint(settings.checkpoint), served_dtype(server_settings(settings)))
        self._secret = secrets.token_hex(16)
        self._flags = self._transfer().server_flags
        self.policy = Policy(first_version)

    def told(self, server: ServerSettings) -> ServerSettings:
        """The settings of a server whose weights can change."""
        return msgspec.structs.replace(server, secret=self._secret, update_flags=self._flags)

    def of(self, server: VLLMServer) -> ServerWeights:
        settings = PushSettings(
            clear_cache=self._settings.in_flight_cache == "recompute", timeout_s=self._settings.update_timeout_s
        )
        return ServerWeights(server, self.policy, self._transfer(), settings)

    def read(self, weights: Iterable[tuple[str, Tensor]], version: int) -> Latest:
        """Copies on the CPU. Raises `RunError` as `UpdatableSampler.update`, before anything is changed."""
        from factory.sampling.in_vllm.weight_receiver import checksum

        check_newer(version, self.policy.version)
        tensors = stage(weights, self._kinds)
        with ThreadPoolExecutor(CHECKSUM_THREADS) as pool:
            checksums = dict(zip(tensors, pool.map(checksum, tensors.values()), strict=True))
        return Latest(version, tensors, checksums)

    def _transfer(self) -> Transfer:
        settings = self._settings
        return choose_transfer(
            is_cpu=self._is_cpu,
            own_gpus=bool(settings.gpus),
            workers=settings.tensor_parallel,
            device=settings.sender_gpu,
            timeout_s=settings.update_timeout_s,
        )


def check_new_enough(installation: Installation) -> None:
    found = re.match(r"(\d+)\.(\d+)", installation.version)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        reason = f"vLLM {installation.version} does not say which weights drew a token; weights that change need 0.32"
        raise RunError("vllm_too_old", f"{reason} or newer")

"""Weights to a vLLM of the CPU build: by torch's gloo, over the loopback device, into our extension of its worker."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from factory.sampling.in_vllm.weight_receiver import as_bytes, gloo_pair
from factory.sampling.weights.background import beside

if TYPE_CHECKING:
    from factory.sampling.weights.latest import Latest
    from factory.sampling.weights.routes import DevRoutes


class GlooTransfer:
    """Each time a new pair of processes: it holds nothing that could go stale when the server is started again."""

    server_flags: tuple[str, ...] = ()

    def __init__(self, seconds: float) -> None:
        """`seconds` that one tensor may take at most."""
        self._seconds = seconds

    async def send(self, latest: Latest, routes: DevRoutes) -> list[dict[str, str]]:
        """The checksums of what each worker's model was told to load. Raises `ServerGone`, `RunError`."""
        with tempfile.TemporaryDirectory(prefix="weights-", ignore_cleanup_errors=True) as folder:  # for us alone
            told = {"folder": folder, "seconds": self._seconds, "tensors": latest.tensor_list()}
            return await beside(routes.call("receive_over_gloo", told), lambda: self._send(latest, folder))

    def _send(self, latest: Latest, folder: str) -> None:
        pair = gloo_pair(folder, 0, self._seconds)
        for tensor in latest.tensors.values():
            pair.send([as_bytes(tensor)], 1, 0).wait()

"""The weights that were sent last, kept here: a server that is started again gets them before any request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Latest:
    """A policy version and its weights, on the CPU, in the types that the servers keep them in."""

    version: int
    tensors: Mapping[str, Tensor]
    checksums: Mapping[str, str]

    @property
    def bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def tensor_list(self) -> list[tuple[str, str, list[int]]]:
        """Name, type, shape of each, in the order in which they are sent."""
        found = self.tensors.items()
        return [(name, str(one.dtype).removeprefix("torch."), list(one.shape)) for name, one in found]


@dataclass
class Policy:
    """What all servers are to hold. `latest` None: the weights of the checkpoint, which are of `first_version`."""

    first_version: int
    latest: Latest | None = None

    @property
    def version(self) -> int:
        return self.first_version if self.latest is None else self.latest.version

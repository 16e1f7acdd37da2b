"""A static key-value cache of rows that come and go, for any Hugging Face decoder with full attention.

Row i of the batch is slot i. A slot holds the tokens of its row from position 0 on, without padding, so that a row's
keys are the same whoever is beside it. Both slots and positions grow by doubling, so that few shapes ever occur.
Shapes: S slots, P positions, H key-value heads, D head size; B rows in use.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from factory.sampling.errors import RunError

SMALLEST_LENGTH = 32  # positions
SMALLEST_SLOTS = 8
READ_LENGTH = 16  # positions are read in multiples of this


class SlotCache(Cache):
    """What the model's attention layers write to and read from, one position a row and forward pass."""

    def __init__(self, example: DynamicCache) -> None:
        """Shape the layers like those of `example`, which a forward pass has filled. Raises as `plain_layers`."""
        super().__init__(layers=[])
        layers = plain_layers(example)
        self._keys_SHPD = [_no_slots(keys) for keys, _ in layers]
        self._values_SHPD = [_no_slots(values) for _, values in layers]
        self._position_B = torch.empty(0, dtype=torch.long)
        self._row_B = torch.empty(0, dtype=torch.long)
        self._seen = 0
        self._longest = 0

    @property
    def bytes_per_position(self) -> int:
        """Of one token of one row, over all layers."""
        tensors = (*self._keys_SHPD, *self._values_SHPD)
        return sum(tensor.shape[1] * tensor.shape[3] * tensor.element_size() for tensor in tensors)

    @property
    def held_bytes(self) -> int:
        return sum(tensor.nbytes for tensor in (*self._keys_SHPD, *self._values_SHPD))

    def aim(self, position_B: Tensor, longest: int) -> Tensor:
        """Say where the next forward pass writes. `longest` tokens are in the longest row, this one included.

        Returns:
            The attention mask, bool (B, 1, 1, seen): True where a row has a token.
        """
        self._position_B = position_B
        self._row_B = torch.arange(len(position_B), device=position_B.device)
        self._seen = -(-longest // READ_LENGTH) * READ_LENGTH
        self._longest = longest
        self._reserve(len(position_B), self._seen)
        seen = torch.arange(self._seen, device=position_B.device)
        return (seen <= position_B[:, None])[:, None, None, :]

    def update(
        self,
        key_states: Tensor,
        value_states: Tensor,
        layer_idx: int,
        *args: object,
        **kwargs: object,
    ) -> tuple[Tensor, Tensor]:
        """Called by each attention layer with the (B, H, 1, D) of this step."""
        keys_SHPD, values_SHPD = self._keys_SHPD[layer_idx], self._values_SHPD[layer_idx]
        keys_SHPD[self._row_B, :, self._position_B] = key_states[:, :, 0]
        values_SHPD[self._row_B, :, self._position_B] = value_states[:, :, 0]
        used = slice(len(self._row_B))
        return keys_SHPD[used, :, : self._seen], values_SHPD[used, :, : self._seen]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Positions are given to every forward pass, never derived from this."""
        return 0

    def fill(self, first_slot: int, filled: DynamicCache, source_B: list[int]) -> None:
        """Copy prompts into slots `first_slot`, `first_slot + 1`, ...: slot i gets row `source_B[i]` of `filled`."""
        layers = plain_layers(filled)
        length = layers[0][0].shape[2]
        self._longest = max(self._longest, length) if first_slot else length
        slots = slice(first_slot, first_slot + len(source_B))
        self._reserve(slots.stop, self._longest)
        for (keys, values), keys_SHPD, values_SHPD in zip(layers, self._keys_SHPD, self._values_SHPD, strict=True):
            keys_SHPD[slots, :, :length] = keys[source_B]
            values_SHPD[slots, :, :length] = values[source_B]

    def move(self, sources: list[int], targets: list[int], longest: int) -> None:
        """Copy slots over others that are free, so that the rows in use stay the first ones."""
        for tensor_SHPD in (*self._keys_SHPD, *self._values_SHPD):
            tensor_SHPD[targets, :, :longest] = tensor_SHPD[sources, :, :longest]

    def _reserve(self, slots: int, length: int) -> None:
        """Make room for what is in use now, and no more: many short rows and a few long ones are never held at once."""
        have_slots, _, have_length, _ = self._keys_SHPD[0].shape
        if slots <= have_slots and length <= have_length:
            return
        new_slots, new_length = grown_shape(slots, length)
        for tensors in (self._keys_SHPD, self._values_SHPD):
            for layer, tensor in enumerate(tensors):
                tensors[layer] = _resized(tensor, new_slots, new_length)


def plain_layers(cache: DynamicCache) -> list[tuple[Tensor, Tensor]]:
    """Keys and values (B, H, P, D) of each layer. Raises `RunError` where a layer keeps anything else."""
    tensors = []
    for layer in cache.layers:
        if type(layer) is not DynamicLayer or layer.keys is None or layer.values is None:
            raise RunError("unsupported_model", "not every layer keeps plain keys and values; use the vllm engine")
        tensors.append((layer.keys, layer.values))
    if not tensors:
        raise RunError("unsupported_model", "no layer keeps keys and values; use the vllm engine")
    return tensors


def grown_shape(slots: int, length: int) -> tuple[int, int]:
    """The slots and positions that the cache really holds to serve so many."""
    return _round_up(slots, SMALLEST_SLOTS), _round_up(length, SMALLEST_LENGTH)


def _round_up(size: int, smallest: int) -> int:
    """The next power of two, at least `smallest`."""
    return max(smallest, 1 << (size - 1).bit_length())


def _no_slots(like: Tensor) -> Tensor:
    _, heads, _, size = like.shape
    return like.new_empty(0, heads, 0, size)


def _resized(old_SHPD: Tensor, slots: int, length: int) -> Tensor:
    # Zeros, as attention multiplies the masked positions by a weight of zero, which NaN would survive.
    new_SHPD = old_SHPD.new_zeros(slots, old_SHPD.shape[1], length, old_SHPD.shape[3])
    kept_slots, kept_length = min(slots, old_SHPD.shape[0]), min(length, old_SHPD.shape[2])
    new_SHPD[:kept_slots, :, :kept_length] = old_SHPD[:kept_slots, :, :kept_length]
    return new_SHPD

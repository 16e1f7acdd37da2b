"""A static key-value cache of rows that come and go, for any Hugging Face decoder with full attention.

Row i of the batch is slot i. A slot holds the tokens of its row from position 0 on, without padding, so that a row's
keys are the same whoever is beside it. Both slots and positions grow by doubling, so that few shapes ever occur.
Shapes: S slots, P positions, H key-value heads, D head size; B rows in use.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache

SMALLEST_LENGTH = 32  # positions
SMALLEST_SLOTS = 8
READ_LENGTH = 16  # positions are read in multiples of this


class SlotCache(Cache):
    """What the model's attention layers write to and read from, one position a row and forward pass."""

    def __init__(self, example: DynamicCache) -> None:
        """Shape the layers like those of `example`, which a forward pass has filled."""
        super().__init__(layers=[])
        self._keys_SHPD = [_no_slots(layer.keys) for layer in example.layers]
        self._values_SHPD = [_no_slots(layer.values) for layer in example.layers]
        self._position_B = torch.empty(0, dtype=torch.long)
        self._row_B = torch.empty(0, dtype=torch.long)
        self._seen = 0

    @property
    def bytes_per_position(self) -> int:
        """Of one token of one row, over all layers."""
        tensors = (*self._keys_SHPD, *self._values_SHPD)
        return sum(tensor.shape[1] * tensor.shape[3] * tensor.element_size() for tensor in tensors)

    def aim(self, position_B: Tensor, longest: int) -> Tensor:
        """Say where the next forward pass writes. `longest` tokens are in the longest row, this one included.

        Returns:
            The attention mask, bool (B, 1, 1, seen): True where a row has a token.
        """
        self._position_B = position_B
        self._row_B = torch.arange(len(position_B), device=position_B.device)
        self._seen = -(-longest // READ_LENGTH) * READ_LENGTH
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
        length = filled.layers[0].keys.shape[2]
        slots = slice(first_slot, first_slot + len(source_B))
        self._reserve(slots.stop, length)
        for layer, keys_SHPD, values_SHPD in zip(filled.layers, self._keys_SHPD, self._values_SHPD, strict=True):
            keys_SHPD[slots, :, :length] = layer.keys[source_B]
            values_SHPD[slots, :, :length] = layer.values[source_B]

    def move(self, sources: list[int], targets: list[int], longest: int) -> None:
        """Copy slots over others that are free, so that the rows in use stay the first ones."""
        for tensor_SHPD in (*self._keys_SHPD, *self._values_SHPD):
            tensor_SHPD[targets, :, :longest] = tensor_SHPD[sources, :, :longest]

    def _reserve(self, slots: int, length: int) -> None:
        have_slots, _, have_length, _ = self._keys_SHPD[0].shape
        if slots <= have_slots and length <= have_length:
            return
        grown_slots, grown_length = grown_shape(max(slots, have_slots), max(length, have_length))
        for tensors in (self._keys_SHPD, self._values_SHPD):
            for layer, tensor in enumerate(tensors):
                tensors[layer] = _grown(tensor, grown_slots, grown_length)


def grown_shape(slots: int, length: int) -> tuple[int, int]:
    """The slots and positions that the cache really holds to serve so many."""
    return _round_up(slots, SMALLEST_SLOTS), _round_up(length, SMALLEST_LENGTH)


def _round_up(size: int, smallest: int) -> int:
    """The next power of two, at least `smallest`."""
    return max(smallest, 1 << (size - 1).bit_length())


def _no_slots(like: Tensor) -> Tensor:
    _, heads, _, size = like.shape
    return like.new_empty(0, heads, 0, size)


def _grown(old_SHPD: Tensor, slots: int, length: int) -> Tensor:
    # Zeros, as attention multiplies the masked positions by a weight of zero, which NaN would survive.
    new_SHPD = old_SHPD.new_zeros(slots, old_SHPD.shape[1], length, old_SHPD.shape[3])
    new_SHPD[: old_SHPD.shape[0], :, : old_SHPD.shape[2]] = old_SHPD
    return new_SHPD

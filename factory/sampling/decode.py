"""Decodes many rows at once: rows join when there is room, leave when they end, and never wait for one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers.cache_utils import DynamicCache

from factory.sampling.draw import ALL_TOKENS, DrawSettings, draw
from factory.sampling.errors import RunError
from factory.sampling.kv_cache import SlotCache, grown_shape
from factory.sampling.types import SamplingParams
from factory.sampling.weights.staging import TensorKind, kinds_of_model


@dataclass(eq=False)
class Row:
    """One answer in the making."""

    prompt_ids: list[int]  # at least one
    params: SamplingParams
    seed: int  # signed 64 bits
    max_tokens: int  # what fits into the context, too
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: str | None = None
    text: str = ""  # once it has ended
    version_starts: list[tuple[int, int]] = field(default_factory=list)  # (policy version, its first token)

    @property
    def positions(self) -> int:
        """Tokens that the row can come to."""
        return len(self.prompt_ids) + self.max_tokens

    @property
    def last_position(self) -> int:
        return len(self.prompt_ids) + len(self.token_ids) - 1

    @property
    def last_token(self) -> int:
        return self.token_ids[-1] if self.token_ids else self.prompt_ids[-1]


@dataclass(frozen=True)
class Limits:
    """How much is held at once. Run-time settings: they change no answer."""

    rows: int
    cache_bytes: int
    prefill_tokens: int  # of one forward pass over prompts, padding included


class Decoder:
    """Owns a model and its rows. One thread only, in inference mode."""

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - any causal language model
        limits: Limits,
        ends: Callable[[Row], str | None],
        version: int = 0,
    ) -> None:
        """`ends` says why a row that just got a token has ended, or None. `version` is the weights'."""
        self.rows: list[Row] = []
        self.policy_version = version
        self._model = model
        self._limits = limits
        self._ends = ends
        self._cache = SlotCache(_example_cache(model))
        self._settings = _draw_settings([], model.device)

    @property
    def version(self) -> str:
        """Of all that the numbers depend on."""
        dtype = str(self._model.dtype).removeprefix("torch.")
        return f"{transformers.__version__} (torch {torch.__version__}, {self._model.device.type}, {dtype})"

    @property
    def cache_bytes(self) -> int:
        """Held now for keys and values."""
        return self._cache.held_bytes

    @property
    def most_positions(self) -> int:
        """The longest row that there is memory for."""
        positions = self._limits.cache_bytes // self._cache.bytes_per_position
        slots, _ = grown_shape(1, 1)
        return 1 << (max(1, positions // slots).bit_length() - 1)

    def room_for(self, waiting: Sequence[Row]) -> int:
        """How many of the first rows in `waiting` can be admitted now."""
        longest = max((row.positions for row in self.rows), default=0)
        most_cells = self._limits.cache_bytes // self._cache.bytes_per_position
        for count, row in enumerate(waiting):
            longest = max(longest, row.positions)
            slots, length = grown_shape(len(self.rows) + count + 1, longest)
            if slots * length > most_cells or len(self.rows) + count >= self._limits.rows:
                return count
        return len(waiting)

    def admit(self, rows: Sequence[Row]) -> None:
        """Read the prompts of `rows`, each different one once, all but its last token: that is the first step's."""
        waiting = sorted(rows, key=lambda row: (len(row.prompt_ids), row.prompt_ids))
        while waiting:
            batch = waiting[: self._prefill_size(waiting)]
            waiting = waiting[len(batch) :]
            if len(batch[-1].prompt_ids) > 1:
                self._prefill(batch)
            self.rows.extend(batch)
        for row in rows:
            row.version_starts = [(self.policy_version, 0)]
        self._settings = _draw_settings(self.rows, self._model.device)

    def load(self, weights: Mapping[str, Tensor], version: int) -> None:
        """Draw from these weights from now on: all of them, checked. Rows keep what the old ones have read."""
        own = self._model.state_dict(keep_vars=True)
        for name, tensor in weights.items():
            own[name].copy_(tensor)
        self.policy_version = version
        for row in self.rows:
            if not row.token_ids:
                row.version_starts.clear()
            row.version_starts.append((version, len(row.token_ids)))

    def logprobs(self, token_ids: Sequence[int]) -> list[float]:
        """Of each token but the first, by one forward pass without a cache."""
        ids_1T = self._tensor([token_ids])
        logits_TV = self._model(input_ids=ids_1T, use_cache=False).logits[0, :-1].float()
        logprobs: list[float] = logits_TV.log_softmax(-1).gather(1, ids_1T[0, 1:, None])[:, 0].tolist()
        return logprobs

    def kinds(self) -> dict[str, TensorKind]:
        """What weights `load` takes."""
        return kinds_of_model(self._model)

    def step(self) -> list[Row]:
        """Draw one token for every row. Returns the rows that ended, which are gone from `rows`."""
        logits_BV = self._forward()
        step_B = self._tensor([len(row.token_ids) for row in self.rows])
        token_B, logprob_B = draw(logits_BV, self._settings, step_B)
        for row, token, logprob in zip(self.rows, token_B.tolist(), logprob_B.tolist(), strict=True):
            if logprob != logprob:
                raise RunError("not_finite", "the model's logits are not numbers: broken weights, or a dtype too small")
            row.token_ids.append(token)
            row.logprobs.append(logprob)
            row.finish_reason = self._ends(row)
        ended = [row for row in self.rows if row.finish_reason is not None]
        self.remove(ended)
        return ended

    def remove(self, gone: Sequence[Row]) -> None:
        """Take rows out; the last rows move into their places."""
        if not gone:
            return
        leaving = set(map(id, gone))
        kept = len(self.rows) - len(leaving)
        targets = [i for i in range(kept) if id(self.rows[i]) in leaving]
        sources = [i for i in range(kept, len(self.rows)) if id(self.rows[i]) not in leaving]
        if targets:
            self._cache.move(sources, targets, max(row.last_position for row in self.rows))
        for source, target in zip(sources, targets, strict=True):
            self.rows[target] = self.rows[source]
        del self.rows[kept:]
        self._settings = _draw_settings(self.rows, self._model.device)

    def _prefill_size(self, rows: Sequence[Row]) -> int:
        """How many of `rows`, shortest first, one forward pass takes: at least one prompt."""
        prompts: list[list[int]] = []
        for count, row in enumerate(rows):
            if not prompts or prompts[-1] != row.prompt_ids:
                prompts.append(row.prompt_ids)
            if len(prompts) > 1 and len(prompts) * len(row.prompt_ids) > self._limits.prefill_tokens:
                return count
        return len(rows)

    def _prefill(self, batch: Sequence[Row]) -> None:
        """Padding goes on the right, where causal attention never looks."""
        prompts: list[list[int]] = []
        source_B = []
        for row in batch:
            if not prompts or prompts[-1] != row.prompt_ids:
                prompts.append(row.prompt_ids)
            source_B.append(len(prompts) - 1)
        longest = len(prompts[-1]) - 1
        ids_BT = self._tensor([prompt[:-1] + [0] * (longest - len(prompt) + 1) for prompt in prompts])
        filled = DynamicCache()
        self._model(input_ids=ids_BT, past_key_values=filled, use_cache=True, logits_to_keep=1)
        self._cache.fill(len(self.rows), filled, source_B)

    def _forward(self) -> Tensor:
        """Logits (B, V) after each row's last token."""
        position_B = self._tensor([row.last_position for row in self.rows])
        mask_B11P = self._cache.aim(position_B, 1 + max(row.last_position for row in self.rows))
        output = self._model(
            input_ids=self._tensor([[row.last_token] for row in self.rows]),
            attention_mask=mask_B11P,
            position_ids=position_B[:, None],
            past_key_values=self._cache,
            use_cache=True,
        )
        logits: Tensor = output.logits[:, -1]
        return logits

    def _tensor(self, values: Sequence[Any]) -> Tensor:
        return torch.tensor(values, dtype=torch.long, device=self._model.device)


def _example_cache(model: Any) -> DynamicCache:  # noqa: ANN401 - any causal language model
    """The cache of one token, to learn the layers' shapes."""
    cache = DynamicCache()
    model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=model.device), past_key_values=cache, use_cache=True)
    return cache


def _draw_settings(rows: Sequence[Row], device: torch.device) -> DrawSettings:
    cuts = [row.params.top_k is not None or row.params.top_p < 1 for row in rows]
    return DrawSettings(
        temperature_B=torch.tensor([row.params.temperature for row in rows], device=device),
        top_p_B=torch.tensor([row.params.top_p for row in rows], device=device),
        top_k_B=torch.tensor([row.params.top_k or ALL_TOKENS for row in rows], device=device),
        seed_B=torch.tensor([row.seed for row in rows], dtype=torch.long, device=device),
        cuts_B=torch.tensor(cuts, dtype=torch.bool, device=device),
        any_cut=any(cuts),
    )

"""A minute of supervised training on worked sums, in fp32 on the CPU."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from trainer.tiny.task import Example, Task, training_examples

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

BATCH = 32
CHUNK = 100 * BATCH  # examples made at a time
PEAK_LR = 2e-3
WARM_UP_STEPS = 40
IGNORED = -100  # the label of tokens that are not trained on


class Budget(msgspec.Struct, frozen=True):
    """Training ends after `steps` or `seconds`, whichever comes first."""

    steps: int
    seconds: float = math.inf

    def share_used(self, step: int, elapsed: float) -> float:
        return max(step / self.steps, elapsed / self.seconds)


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What training did. `loss` is nats a trained token, over the last steps."""

    steps: int
    tokens: int  # trained on: those of answers
    loss: float
    seconds: float


def train(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, task: Task, budget: Budget, seed: int
) -> Trained:
    """Train `model` in place. Where the budget ends at its steps, equal seeds and threads give equal weights."""
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_LR, betas=(0.9, 0.98), weight_decay=0.0)
    began, step, tokens, losses = time.monotonic(), 0, 0, [float("nan")]
    model.train()
    for batch in _batches(task, seed):
        used = budget.share_used(step, time.monotonic() - began)
        if used >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = PEAK_LR * min(1.0, (step + 1) / WARM_UP_STEPS) * (1 - used)
        ids_BT, labels_BT = _tensors(tokenizer, batch)
        loss = _loss(model, ids_BT, labels_BT)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step, tokens = step + 1, tokens + int((labels_BT != IGNORED).sum())
        losses = [*losses[-19:], loss.item()] if step > 1 else [loss.item()]
    model.eval()  # type: ignore[no-untyped-call]
    return Trained(steps=step, tokens=tokens, loss=sum(losses) / len(losses), seconds=time.monotonic() - began)


def _batches(task: Task, seed: int) -> Iterator[list[Example]]:
    """Batches without end, no example made twice."""
    start = 0
    while True:
        chunk = training_examples(task, seed, CHUNK, start)
        for first in range(0, CHUNK, BATCH):
            yield chunk[first : first + BATCH]
        start += CHUNK


def _tensors(tokenizer: PreTrainedTokenizerFast, batch: list[Example]) -> tuple[Tensor, Tensor]:
    """Token ids and labels (B, T), padded on the right. Only what the assistant says is a label."""
    import torch

    rendered: Any = tokenizer.apply_chat_template(
        [_conversation(example) for example in batch], return_dict=True, return_assistant_tokens_mask=True
    )
    rows, masks = rendered["input_ids"], rendered["assistant_masks"]
    ids_BT = torch.full((len(rows), max(map(len, rows))), tokenizer.pad_token_id)
    labels_BT = torch.full_like(ids_BT, IGNORED)
    for i, (row, mask) in enumerate(zip(rows, masks, strict=True)):
        ids_BT[i, : len(row)] = torch.tensor(row)
        labels_BT[i, : len(row)] = torch.tensor(row).where(torch.tensor(mask).bool(), IGNORED)
    return ids_BT, labels_BT


def _conversation(example: Example) -> list[dict[str, str]]:
    return [{"role": "user", "content": example.question}, {"role": "assistant", "content": example.taught}]


def _loss(model: LlamaForCausalLM, ids_BT: Tensor, labels_BT: Tensor) -> Tensor:
    """Mean cross-entropy of the trained tokens, each foretold from those before it."""
    import torch

    hidden_BTD = model.model(input_ids=ids_BT[:, :-1], use_cache=False).last_hidden_state
    trained_BT = labels_BT[:, 1:] != IGNORED
    return torch.nn.functional.cross_entropy(model.lm_head(hidden_BTD[trained_BT]), labels_BT[:, 1:][trained_BT])

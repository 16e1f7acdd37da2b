"""Supervised training on the base corpus, in fp32 on the CPU: knowledge first, then the writers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import msgspec

from bench.demo_base.corpus import Document, Writers, documents, per_cell
from bench.demo_base.muon import Muon

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

STATE = "state.pt"
IGNORED = -100  # the label of tokens that are not trained on
POOL = 32  # batches whose documents are made, and sorted by length, together
SAVE_EVERY = 16 * POOL  # steps
SEED_STRIDE, PHASE_STRIDE = 1_000_000, 20_000_000  # entries of a cell: no two seeds and phases share one


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """`lr` at the phase's first and last step, straight between them."""

    name: str
    steps: int
    lr: tuple[float, float]
    writers: Writers
    batch: int = 48  # documents


class State(msgspec.Struct):
    """Where a run stands. Saved beside the weights and the optimiser's state."""

    phase: int = 0
    step: int = 0  # of the phase
    tokens: int = 0  # trained on so far
    seconds: float = 0.0


class Run:
    """A model in training, its optimiser, and where it stands; all of it on disk in `keep`."""

    def __init__(
        self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, taboo: set[str], seed: int, keep: Path
    ) -> None:
        import torch

        self.model, self.tokenizer, self.taboo, self.seed, self.keep = model, tokenizer, taboo, seed, keep
        self.optimizer = Muon(model)
        self.state = State()
        if (keep / STATE).exists():
            saved = torch.load(keep / STATE, weights_only=True)
            model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.state = msgspec.convert(saved["state"], State)

    def save(self) -> None:
        import torch

        self.keep.mkdir(parents=True, exist_ok=True)
        part = self.keep / f"{STATE}.part"
        saved = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save({**saved, "state": msgspec.structs.asdict(self.state)}, part)
        part.replace(self.keep / STATE)


def train(run: Run, number: int, phase: Phase) -> None:
    """Train `run.model` in place through one phase; log, and save where the run stands."""
    import torch

    state, began, losses = run.state, time.monotonic() - run.state.seconds, []
    for ids_BT, labels_BT in _batches(run, number, phase):
        loss = _loss(run.model, ids_BT, labels_BT)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
        run.optimizer.step(_lr(phase, state.step))
        run.model.zero_grad()
        losses.append(loss.item())
        state.step += 1
        state.tokens += int((labels_BT != IGNORED).sum())
        state.seconds = time.monotonic() - began
        if state.step % 100 == 0:
            mean = sum(losses[-100:]) / len(losses[-100:])
            print(
                f"{phase.name} {state.step}: loss {mean:.4f}, {state.tokens:,} tokens, {state.seconds:.0f} s",
                flush=True,
            )
        if state.step % SAVE_EVERY == 0:
            run.save()
    state.phase, state.step = number + 1, 0
    run.save()


def _lr(phase: Phase, step: int) -> float:
    first, last = phase.lr
    return (first + (last - first) * step / phase.steps) * min(1.0, (step + 1) / 100)


def _batches(run: Run, number: int, phase: Phase) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches from `run.state.step` on. Those of a pool follow from seed, phase and pool alone."""
    size = POOL * phase.batch
    each = per_cell(phase.writers, size)
    for pool in range(run.state.step // POOL, phase.steps // POOL):
        rng = Random(f"{run.seed}/{number}/{pool}")
        start = number * PHASE_STRIDE + run.seed * SEED_STRIDE + pool * each
        rows = _encode(run.tokenizer, documents(phase.writers, run.taboo, rng, size, start))
        rows.sort(key=lambda row: len(row[0]))
        batches = [rows[i : i + phase.batch] for i in range(0, len(rows), phase.batch)]
        rng.shuffle(batches)
        yield from map(_tensors, batches[:POOL])


def rendered(document: Document) -> tuple[str, str]:
    """Prompt and answer as the chat template writes them."""
    prompt = f"<|im_start|>user\n{document.question}<|im_end|>\n<|im_start|>assistant\n"
    thoughts = "" if document.reasoning is None else f"<think>\n{document.reasoning}\n</think>\n\n"
    return prompt, f"{thoughts}{document.answer}<|im_end|>"


def _encode(tokenizer, pool: list[Document]) -> list[tuple[list[int], int]]:
    """Ids of each document, and how many of them are the prompt's."""
    texts = [rendered(document) for document in pool]
    both = tokenizer([text for pair in texts for text in pair])["input_ids"]
    return [(prompt + answer, len(prompt)) for prompt, answer in zip(both[::2], both[1::2], strict=True)]


def _tensors(rows: list[tuple[list[int], int]]) -> tuple[Tensor, Tensor]:
    """Ids and labels (B, T), padded on the right."""
    import torch

    ids_BT = torch.zeros((len(rows), max(len(ids) for ids, _ in rows)), dtype=torch.long)
    labels_BT = torch.full_like(ids_BT, IGNORED)
    for i, (ids, n_prompt) in enumerate(rows):
        ids_BT[i, : len(ids)] = torch.tensor(ids)
        labels_BT[i, n_prompt : len(ids)] = torch.tensor(ids[n_prompt:])
    return ids_BT, labels_BT


def _loss(model: LlamaForCausalLM, ids_BT: Tensor, labels_BT: Tensor) -> Tensor:
    """Mean cross-entropy of the trained tokens, each foretold from those before it."""
    import torch

    hidden_BTD = model.model(input_ids=ids_BT[:, :-1], use_cache=False).last_hidden_state
    trained_BT = labels_BT[:, 1:] != IGNORED
    return torch.nn.functional.cross_entropy(model.lm_head(hidden_BTD[trained_BT]), labels_BT[:, 1:][trained_BT])

"""What Hugging Face computes for a conversation and an answer: the other side of the comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from factory.sampling.types import Answer
from schemas.records import Message


class Reference:
    """The model in float32, one row at a time and without a cache."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def prompt_ids(self, messages: list[Message]) -> list[int]:
        chat = [{"role": turn.role, "content": turn.content} for turn in messages]
        return self.tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)

    @torch.inference_mode()
    def logprobs(self, answer: Answer) -> list[float]:
        """Of each token of the answer, by one full forward pass."""
        ids = torch.tensor([answer.prompt_token_ids + answer.token_ids])
        table = self.model(ids).logits[0].log_softmax(-1)
        first = len(answer.prompt_token_ids) - 1
        return [table[first + i, token].item() for i, token in enumerate(answer.token_ids)]

    @torch.inference_mode()
    def greedy(self, prompt_ids: list[int], max_tokens: int) -> list[int]:
        out = self.model.generate(
            torch.tensor([prompt_ids]),
            attention_mask=torch.ones(1, len(prompt_ids), dtype=torch.long),
            do_sample=False,
            max_new_tokens=max_tokens,
        )
        return out[0, len(prompt_ids) :].tolist()

    @torch.inference_mode()
    def next_token_probs(self, prompt_ids: list[int]) -> torch.Tensor:
        """Float64 (V,)."""
        return self.model(torch.tensor([prompt_ids])).logits[0, -1].double().softmax(-1)

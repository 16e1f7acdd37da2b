"""One plain row of every record type, and what they have in common."""

from __future__ import annotations

from schemas.records import Completion, Judgement, Message, PassRate, PreferencePair, Prompt, Record, Rejection, Trace

QUESTION = [Message("system", "Be brief."), Message("user", "What is 2 + 2? é 😀")]
ANSWER = [Message("assistant", "4", reasoning="Two and two make four.")]
SAMPLED = {
    "model": "tiny",
    "revision": "abc",
    "engine": "vllm",
    "temperature": 0.5,
    "top_p": 0.75,
    "request_key": "k" * 16,
    "source": "gsm8k",
    "licence": "MIT",
}


def prompt(number: int = 0, **changes) -> Prompt:
    fields = {"source": "gsm8k", "source_id": str(number), "licence": "MIT"} | changes
    return Prompt(**{"prompt_id": f"{number:016x}", "prompt": QUESTION} | fields)


def completion(number: int = 0, **changes) -> Completion:
    fields = SAMPLED | {"finish_reason": "stop", "n_prompt_tokens": 3, "n_completion_tokens": 2} | changes
    ids = {"completion_id": f"{number:016x}", "prompt_id": f"{number // 2:016x}", "sample_index": number % 2}
    lists = {"token_ids": [5, number], "logprobs": [-0.5, -0.25]}
    return Completion(**ids | {"prompt": QUESTION, "completion": ANSWER} | lists | fields)


def trace(number: int = 0, **changes) -> Trace:
    fields = SAMPLED | {"finish_reason": "stop", "n_prompt_tokens": 3, "n_completion_tokens": 2} | changes
    ids = {"trace_id": f"{number:016x}", "prompt_id": f"{number:016x}", "sample_index": 0}
    return Trace(**ids | {"messages": QUESTION + ANSWER, "raw": "<think>..."} | fields)


def judgement(number: int = 0, **changes) -> Judgement:
    fields = {"judge": "exact", "score": 1.0, "verdict": "correct", "reason": "equal"} | changes
    return Judgement(**{"prompt_id": f"{number:016x}", "completion_id": f"{number:016x}"} | fields)


def pair(number: int = 0, **changes) -> PreferencePair:
    models = {"model_chosen": "a", "revision_chosen": "1", "model_rejected": "b", "revision_rejected": "2"}
    lengths = {"n_prompt_tokens": 3, "n_chosen_tokens": 2, "n_rejected_tokens": 2}
    scores = {"score_chosen": 1.0, "score_rejected": 0.0, "judge": "exact"}
    ids = {"pair_id": f"{number:016x}", "prompt_id": f"{number:016x}"}
    sides = {"completion_id_chosen": "c", "completion_id_rejected": "r", "source": "gsm8k", "licence": "MIT"}
    texts = {"prompt": QUESTION, "chosen": ANSWER, "rejected": [Message("assistant", "5")]}
    return PreferencePair(**models | lengths | scores | ids | sides | texts | changes)


def pass_rate(number: int = 0, **changes) -> PassRate:
    counts = {"n_samples": 4, "n_correct": 1, "n_abstained": 0, "pass_rate": 0.25, "ci_low": 0.05, "ci_high": 0.7}
    ids = {"prompt_id": f"{number:016x}", "prompt": QUESTION, "model": "tiny", "revision": "abc"}
    return PassRate(**counts | ids | {"source": "gsm8k", "licence": "MIT"} | changes)


def rejection(number: int = 0, **changes) -> Rejection:
    fields = {"stage": "judge", "outcome": "dropped", "kind": "no_correct", "reason": "none is right"} | changes
    return Rejection(**{"prompt_id": f"{number:016x}"} | fields)


MAKERS = {
    Prompt: prompt,
    Completion: completion,
    Trace: trace,
    Judgement: judgement,
    PreferencePair: pair,
    PassRate: pass_rate,
    Rejection: rejection,
}


def rows_of(record: type[Record], count: int, first: int = 0) -> list[Record]:
    return [MAKERS[record](number) for number in range(first, first + count)]

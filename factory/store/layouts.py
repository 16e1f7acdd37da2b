"""The columns that other trainers read, made from our records. One function per layout and kind.

trl            prompt | prompt + completion | messages | prompt + chosen + rejected (its docs, "dataset formats")
open-instruct  messages + ground_truth + dataset (the verifier's name) + dataset_source | messages | chosen + rejected
verl           data_source + prompt + ability + reward_model + extra_info | messages

None of the three has a field for reasoning, so it is written into the text: <think>...</think> and then the content.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from schemas.columns import row_name
from schemas.errors import DataError
from schemas.records import Completion, Message, PassRate, PreferencePair, Prompt, Trace

Row = dict[str, Any]

TURNS = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_TEXT = pa.string()
_TRUTH = [("ground_truth", _TEXT), ("verifier", _TEXT)]
_REWARD = pa.struct([("style", _TEXT), ("ground_truth", _TEXT)])
_EXTRA = pa.struct([("index", pa.int64()), ("split", _TEXT), ("prompt_id", _TEXT)])

TRL_PROMPTS = pa.schema([("prompt", TURNS), *_TRUTH])
TRL_COMPLETIONS = pa.schema([("prompt", TURNS), ("completion", TURNS)])
TRL_PREFERENCE = pa.schema([("prompt", TURNS), ("chosen", TURNS), ("rejected", TURNS)])
MESSAGES = pa.schema([("messages", TURNS)])
OPEN_INSTRUCT_PROMPTS = pa.schema(
    [("messages", TURNS), ("ground_truth", _TEXT), ("dataset", _TEXT), ("dataset_source", _TEXT)]
)
OPEN_INSTRUCT_PREFERENCE = pa.schema([("chosen", TURNS), ("rejected", TURNS)])
VERL_PROMPTS = pa.schema(
    [("data_source", _TEXT), ("prompt", TURNS), ("ability", _TEXT), ("reward_model", _REWARD), ("extra_info", _EXTRA)]
)


def turns(messages: list[Message]) -> list[Row]:
    """Messages as role and content, an assistant's reasoning written before its answer."""
    return [{"role": turn.role, "content": _with_reasoning(turn)} for turn in messages]


def _with_reasoning(turn: Message) -> str:
    if turn.reasoning is None:
        return turn.content
    return f"<think>\n{turn.reasoning}\n</think>\n\n{turn.content}"


def trl_prompts(row: Prompt | PassRate, index: int) -> Row:
    return {"prompt": turns(row.prompt), "ground_truth": row.ground_truth, "verifier": row.verifier}


def trl_completions(row: Completion, index: int) -> Row:
    return {"prompt": turns(row.prompt), "completion": turns(row.completion)}


def trl_preference(row: PreferencePair, index: int) -> Row:
    return {"prompt": turns(row.prompt), "chosen": turns(row.chosen), "rejected": turns(row.rejected)}


def messages_of_trace(row: Trace, index: int) -> Row:
    return {"messages": turns(row.messages)}


def messages_of_completion(row: Completion, index: int) -> Row:
    return {"messages": turns([*row.prompt, *row.completion])}


def open_instruct_prompts(row: Prompt | PassRate, index: int) -> Row:
    truth, verifier = _graded(row)
    return {
        "messages": turns(row.prompt),
        "ground_truth": truth,
        "dataset": verifier,
        "dataset_source": row.source,
    }


def open_instruct_preference(row: PreferencePair, index: int) -> Row:
    return {"chosen": turns([*row.prompt, *row.chosen]), "rejected": turns([*row.prompt, *row.rejected])}


def verl_prompts(row: Prompt | PassRate, index: int) -> Row:
    truth, verifier = _graded(row)
    return {
        "data_source": row.source,
        "prompt": turns(row.prompt),
        "ability": verifier,
        "reward_model": {"style": "rule", "ground_truth": truth},
        "extra_info": {"index": index, "split": "train", "prompt_id": row.prompt_id},
    }


def _graded(row: Prompt | PassRate) -> tuple[str, str]:
    """What these trainers cannot do without."""
    if row.ground_truth is None or row.verifier is None:
        raise DataError(
            f"{row_name(row)}: no ground_truth or no verifier, and this layout trains on verified rewards; "
            "export a version whose prompts all have both"
        )
    return row.ground_truth, row.verifier


Layout = tuple[pa.Schema, Callable[[Any, int], Row]]

# layout -> kind -> its columns and how to fill them
LAYOUTS: dict[str, dict[str, Layout]] = {
    "trl": {
        "prompts": (TRL_PROMPTS, trl_prompts),
        "pass-rate": (TRL_PROMPTS, trl_prompts),
        "completions": (TRL_COMPLETIONS, trl_completions),
        "traces": (MESSAGES, messages_of_trace),
        "preference": (TRL_PREFERENCE, trl_preference),
    },
    "open-instruct": {
        "prompts": (OPEN_INSTRUCT_PROMPTS, open_instruct_prompts),
        "pass-rate": (OPEN_INSTRUCT_PROMPTS, open_instruct_prompts),
        "completions": (MESSAGES, messages_of_completion),
        "traces": (MESSAGES, messages_of_trace),
        "preference": (OPEN_INSTRUCT_PREFERENCE, open_instruct_preference),
    },
    "verl": {
        "prompts": (VERL_PROMPTS, verl_prompts),
        "pass-rate": (VERL_PROMPTS, verl_prompts),
        "completions": (MESSAGES, messages_of_completion),
        "traces": (MESSAGES, messages_of_trace),
    },
}

"""The decoder's books: memory within its bound, and rows that keep their own keys when others come and go."""

from pathlib import Path

import numpy as np
import pytest
import torch

from factory.sampling.checkpoint import open_checkpoint
from factory.sampling.decode import Decoder, Limits, Row
from factory.sampling.transformers import load_model
from factory.sampling.types import SamplingParams

GREEDY = SamplingParams(temperature=0)


def row(prompt: range, max_tokens: int) -> Row:
    return Row([3 + token % 400 for token in prompt], GREEDY, 0, max_tokens)


def at_its_length(row: Row) -> str | None:
    return "length" if len(row.token_ids) == row.max_tokens else None


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Path):
    return load_model(open_checkpoint(tiny_checkpoint), "cpu", "float32")


@torch.inference_mode()
def run(decoder: Decoder, rows: list[Row], watch=lambda: None) -> None:
    waiting = list(rows)
    while waiting or decoder.rows:
        room = decoder.room_for(waiting)
        decoder.admit([waiting.pop(0) for _ in range(room)])
        decoder.step()
        watch()


@torch.inference_mode()
def full_pass(model, row: Row) -> list[float]:
    ids = torch.tensor([row.prompt_ids + row.token_ids])
    table = model(ids).logits[0].log_softmax(-1)
    return [table[len(row.prompt_ids) - 1 + i, token].item() for i, token in enumerate(row.token_ids)]


@torch.inference_mode()
def test_memory_stays_within_its_bound_when_short_rows_give_way_to_long_ones(model):
    """Many slots and many positions are never held together, and long rows wait until they fit."""
    bound = 2 * 2**20  # 512 tokens of 4 KiB
    decoder = Decoder(model, Limits(rows=64, cache_bytes=bound, prefill_tokens=512), at_its_length)
    rows = [row(range(i, i + 6), 3 + i % 5) for i in range(20)]
    rows += [row(range(i, i + 20), 44) for i in range(6)]
    rows += [row(range(i, i + 2), 5) for i in range(20)]
    held: list[int] = []
    run(decoder, rows, lambda: held.append(decoder.cache_bytes))
    assert max(held) <= bound
    for one in rows:
        np.testing.assert_allclose(one.logprobs, full_pass(model, one), atol=1e-4)


@torch.inference_mode()
def test_a_prompt_of_one_token_and_equal_prompts(model):
    decoder = Decoder(model, Limits(rows=8, cache_bytes=2**24, prefill_tokens=64), at_its_length)
    rows = [row(range(5, 6), 4), *(row(range(30), 4) for _ in range(5)), row(range(5, 6), 4)]
    run(decoder, rows)
    assert rows[0].token_ids == rows[-1].token_ids
    assert len({tuple(one.token_ids) for one in rows[1:-1]}) == 1
    for one in rows:
        np.testing.assert_allclose(one.logprobs, full_pass(model, one), atol=1e-4)


@torch.inference_mode()
def test_neighbours_of_other_lengths_do_not_change_a_row_s_numbers(model):
    """Also the keys that shorter rows leave unwritten, and those that a longer row left behind, change nothing."""
    alone = row(range(9), 30)
    run(Decoder(model, Limits(rows=1, cache_bytes=2**26, prefill_tokens=64), at_its_length), [alone])
    crowd = [row(range(i, i + 1 + i * 5), 40 - i) for i in range(30)]
    among = row(range(9), 30)
    decoder = Decoder(model, Limits(rows=16, cache_bytes=2**26, prefill_tokens=64), at_its_length)
    run(decoder, [*crowd[:20], among, *crowd[20:]])
    assert among.token_ids == alone.token_ids
    np.testing.assert_allclose(among.logprobs, alone.logprobs, atol=1e-5)


@torch.inference_mode()
def test_removed_rows_leave_the_others_as_they_were(model):
    decoder = Decoder(model, Limits(rows=16, cache_bytes=2**26, prefill_tokens=512), at_its_length)
    rows = [row(range(i, i + 3 + 4 * i), 20) for i in range(8)]
    decoder.admit(rows)
    for _ in range(6):
        decoder.step()
    decoder.remove(rows[1:4])
    while decoder.rows:
        decoder.step()
    for one in (rows[0], *rows[4:]):
        np.testing.assert_allclose(one.logprobs, full_pass(model, one), atol=1e-4)
    assert len(rows[1].token_ids) == 6


@torch.inference_mode()
def test_many_short_rows_that_join_a_long_one_leave_it_its_keys(model):
    decoder = Decoder(model, Limits(rows=64, cache_bytes=2**26, prefill_tokens=512), at_its_length)
    long = row(range(100), 20)
    decoder.admit([long])
    for _ in range(5):
        decoder.step()
    decoder.admit([row(range(i, i + 5), 30) for i in range(20)])
    while long in decoder.rows:
        decoder.step()
    np.testing.assert_allclose(long.logprobs, full_pass(model, long), atol=1e-4)

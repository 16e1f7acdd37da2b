"""Drops prompts that were seen before: equal ones by their id, similar ones by MinHash. The first of them stays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pipelines.rows import rejection
from pipelines.shingles import SKETCH, Hashes, shingles, similarity
from schemas.canonical import sha256_hex
from schemas.records import Prompt, Rejection

if TYPE_CHECKING:
    from datasketch import MinHash

STAGE = "dedupe"
NUM_PERM = 128
SEED = 1
RECALL = 0.99  # of pairs just at the threshold; the few false candidates are compared exactly
_CHUNK = 4096  # shingles hashed at a time: the permutations take NUM_PERM times their memory


def dedupe(prompts: Iterable[Prompt | Rejection], near_duplicates: float | None = None) -> Iterator[Prompt | Rejection]:
    """Pass on what is new, in order, and a rejection for what is not. Rejections of earlier stages pass.

    Args:
        near_duplicates: the Jaccard similarity of character 5-grams from which two prompts are one; None: never.
    """
    equal = EqualPrompts()
    similar = None if near_duplicates is None else SimilarPrompts(near_duplicates)
    for prompt in prompts:
        if isinstance(prompt, Rejection):
            yield prompt
            continue
        seen = equal.seen(prompt) or (similar.seen(prompt) if similar else None)
        yield seen or prompt


class EqualPrompts:
    """The prompts so far, by id. About 0.4 kB for each."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, str]] = {}  # prompt_id -> source_id, ground truth's hash

    def seen(self, prompt: Prompt) -> Rejection | None:
        truth = _hash(prompt.ground_truth)
        kept = self._kept.get(prompt.prompt_id)
        if kept is None:
            self._kept[prompt.prompt_id] = (prompt.source_id, truth)
            return None
        source_id, first_truth = kept
        where = f"the prompt {prompt.prompt_id} of {prompt.source} {source_id}"
        if first_truth == truth:
            return rejection(prompt.prompt_id, STAGE, "duplicate", f"equal to {where}", row=prompt)
        reason = f"equal to {where}, but with another ground truth; one of them is wrong"
        return rejection(prompt.prompt_id, STAGE, "duplicate_other_ground_truth", reason, row=prompt)


class SimilarPrompts:
    """The prompts so far, by the banded MinHash of their text. About 12 kB for each."""

    def __init__(self, threshold: float) -> None:
        from datasketch import MinHash, MinHashLSH  # most of a second

        self._threshold = threshold
        self._index = MinHashLSH(num_perm=NUM_PERM, params=bands(threshold))
        self._empty = MinHash(num_perm=NUM_PERM, seed=SEED, hashfunc=_low_bits)
        self._kept: list[tuple[str, Hashes]] = []  # prompt_id, sketch

    def seen(self, prompt: Prompt) -> Rejection | None:
        hashes = shingles(_text(prompt))
        sketch, minhash = hashes[:SKETCH].copy(), self._minhash(hashes)
        near = max(((similarity(sketch, self._kept[i][1]), -i) for i in self._index.query(minhash)), default=(0.0, 0))
        if near[0] >= self._threshold:
            kept = self._kept[-near[1]][0]
            reason = f"similar to the prompt {kept} (Jaccard {near[0]:.3f})"
            return rejection(prompt.prompt_id, STAGE, "near_duplicate", reason, row=prompt)
        self._index.insert(len(self._kept), minhash)
        self._kept.append((prompt.prompt_id, sketch))
        return None

    def _minhash(self, hashes: Hashes) -> MinHash:
        minhash = self._empty.copy()
        for start in range(0, len(hashes), _CHUNK):
            minhash.update_batch(hashes[start : start + _CHUNK].tolist())
        return minhash


def bands(threshold: float) -> tuple[int, int]:
    """Bands and rows of each: the longest rows with which a pair at the threshold is found with chance `RECALL`."""
    for rows in range(NUM_PERM, 1, -1):
        count = NUM_PERM // rows
        if 1 - (1 - threshold**rows) ** count >= RECALL:
            return count, rows
    return NUM_PERM, 1


def _low_bits(value: int) -> int:
    return value & 0xFFFFFFFF


def _text(prompt: Prompt) -> str:
    """What is compared: all turns but the system prompt, which rows share."""
    return "\n".join(turn.content for turn in prompt.prompt if turn.role != "system")


def _hash(ground_truth: str | None) -> str:
    return "" if ground_truth is None else sha256_hex(ground_truth.encode())[:16]

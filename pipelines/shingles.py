"""A text as the set of its character 5-grams, hashed, and the similarity of two such sets.

Characters, not words: prompts are short, and one changed number costs a 20-word prompt five of its 16 word 5-grams;
they also serve languages that are written without spaces. Case, punctuation and spacing are ignored.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]

LENGTH = 5
SKETCH = 1024  # hashes kept of a text; similarity is exact while both sets together have no more
_WORD = re.compile(r"\w+")
_PRIME = np.uint64(1_099_511_628_211)
_MIX_1, _MIX_2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(33)


def shingles(text: str) -> Hashes:
    """Hashes of the distinct 5-grams, ascending; of the whole text when it is shorter."""
    words = " ".join(_WORD.findall(text.lower())) or text.strip()
    points = np.frombuffer(words.encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    length = min(LENGTH, len(points))
    hashes = np.zeros(len(points) - length + 1, dtype=np.uint64)
    for offset in range(length):
        hashes = hashes * _PRIME + points[offset : offset + len(hashes)] + np.uint64(1)
    return np.unique(_mixed(hashes))


def _mixed(hashes: Hashes) -> Hashes:
    """Spread over all 64 bits (the finaliser of MurmurHash3)."""
    hashes = (hashes ^ (hashes >> _SHIFT)) * _MIX_1
    hashes = (hashes ^ (hashes >> _SHIFT)) * _MIX_2
    return hashes ^ (hashes >> _SHIFT)


def similarity(a: Hashes, b: Hashes) -> float:
    """Jaccard similarity of two sketches (the first `SKETCH` hashes of each set), estimated by the smallest of both."""
    smallest = np.union1d(a, b)[:SKETCH]
    shared = np.intersect1d(a, b, assume_unique=True)
    return float(np.isin(shared, smallest, assume_unique=True).sum()) / len(smallest)

"""Words in common: against the plain table of lengths, and in bounded time."""

import random

import pytest

from factory.looking.words import MOST_TOKENS, common_places, compare_words


def longest(a, b):
    """The textbook table of lengths."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if one == other else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


def test_it_is_a_longest_common_subsequence():
    chance = random.Random(1)
    for letters in ("ab", "abcdefgh"):
        for _ in range(400):
            a, b = ([chance.choice(letters) for _ in range(chance.randrange(14))] for _ in range(2))
            in_a, in_b = common_places(a, b)
            assert len(in_a) == len(in_b) == longest(a, b)
            assert [a[place] for place in sorted(in_a)] == [b[place] for place in sorted(in_b)]


def test_pieces_make_up_both_texts():
    compared = compare_words("The cat sat, here.", "The dog  sat here!")
    assert "".join(piece.text for piece in compared.first) == "The cat sat, here."
    assert "".join(piece.text for piece in compared.second) == "The dog  sat here!"
    assert [piece.text for piece in compared.first if piece.kind == "only_first"] == ["cat ", ",", "."]
    assert [piece.text for piece in compared.second if piece.kind == "only_second"] == ["dog  ", "!"]
    assert compared.is_whole


def test_signs_of_chinese_are_words():
    compared = compare_words("我喜欢茶", "我喜欢水")
    assert [(piece.kind, piece.text) for piece in compared.first] == [("same", "我喜欢"), ("only_first", "茶")]


@pytest.mark.parametrize("text", ["", "a", " \n\t", "\u202e\x00\U0001f600", "<b>" * 5])
def test_equal_texts_have_no_differences(text):
    compared = compare_words(text, text)
    assert {piece.kind for piece in compared.first + compared.second} <= {"same"}
    assert compare_words(text, "").second == []


def test_of_very_long_texts_the_beginnings_are_compared():
    a, b = "a " * MOST_TOKENS, "b a " * MOST_TOKENS
    compared = compare_words(a, b)
    assert not compared.is_whole
    assert a.startswith("".join(piece.text for piece in compared.first))
    assert sum(len(piece.text) for piece in compared.second) == MOST_TOKENS  # each word and each blank is one

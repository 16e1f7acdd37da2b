"""Text of strangers on a terminal: nothing in it is obeyed, and no two texts look alike that are not."""

import unicodedata

import pytest

from schemas.visible import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢 😀", "plain é 漢 😀"),
        ("\x1b[2Jgone", "\\u{1b}[2Jgone"),
        ("\u202etxt.exe", "\\u{202e}txt.exe"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("zero\u200bwidth", "zero\\u{200b}width"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text, shown):
    assert visible(text) == shown


def test_what_is_kept_stays():
    assert visible("a\nb\x07", keep="\n\t") == "a\nb\\u{7}"


def test_no_control_format_or_surrogate_character_is_left():
    hostile = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs")]
    assert len(hostile) > 2000
    assert visible("".join(hostile)).isascii()

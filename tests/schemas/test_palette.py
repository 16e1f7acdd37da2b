"""The colours of series: each style has all of them, each can be seen on its paper and told from the others."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from schemas.charts.svg import COLOURS

ROOT = Path(__file__).parents[2]
STYLES = [ROOT / "trainer/report/style.css", ROOT / "factory/page/static/style.css"]
SEEN = 3.0  # WCAG 2.1, 1.4.11: contrast of what is drawn
APART = 20.0  # in CIE 1976 Lab, where about 2.3 can just be told
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])  # sRGB, IEC 61966-2-1
WHITE = TO_XYZ.sum(1)


def xyz(colour):
    c = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return TO_XYZ @ np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(colour):
    x, y, z = np.cbrt(np.maximum(xyz(colour) / WHITE, 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one, other):
    low, high = sorted([xyz(one)[1], xyz(other)[1]])
    return (high + 0.05) / (low + 0.05)


def schemes(style):
    """The colours by name, first in the light and then in the dark scheme."""
    blocks = re.findall(r":root \{(.*?)\}", style, re.S)
    found = [dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in blocks]
    assert len(found) == 2, "a light and a dark scheme"
    return found


def test_contrast_of_black_and_white():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.parts[-3])
def test_each_series_has_a_colour_of_its_own(path):
    style = path.read_text()
    for number in range(COLOURS):
        assert f".s{number} {{ fill: var(--s{number}); }}" in style
        assert f".l{number} {{ stroke: var(--s{number}); }}" in style
    for scheme in schemes(style):
        colours = [scheme[f"s{number}"] for number in range(COLOURS)]
        assert min(contrast(colour, scheme["paper"]) for colour in colours) >= SEEN
        assert min(np.linalg.norm(lab(one) - lab(other)) for one, other in combinations(colours, 2)) >= APART

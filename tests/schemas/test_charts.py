"""Where marks are drawn, by hand."""

import re

import pytest

from schemas.charts.bars import Bar, Cluster, bar_chart
from schemas.charts.lines import MOST_POINTS, Path, line_chart
from schemas.charts.svg import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Frame,
    element,
    padded,
    show_number,
    show_share,
    text,
    ticks,
)


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.0, 0.35, [0.0, 0.1, 0.2, 0.3]),
        (-3.0, 3.0, [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0]),
        (98.0, 252.0, [100.0, 150.0, 200.0, 250.0]),
        (1e-6, 2e-6, [1e-6, 1.2e-6, 1.4e-6, 1.6e-6, 1.8e-6, 2e-6]),
    ],
)
def test_ticks_are_round_numbers_inside(low, high, wanted):
    assert ticks(low, high) == pytest.approx(wanted)


def test_a_frame_maps_its_corners():
    frame = Frame((0.0, 2.0), (0.0, 1.0))
    assert (frame.at_x(0.0), frame.at_y(0.0)) == (LEFT, HEIGHT - BOTTOM)
    assert (frame.at_x(2.0), frame.at_y(1.0)) == (WIDTH - RIGHT, TOP)


def test_a_bar_is_as_high_as_its_value():
    drawn = bar_chart([Cluster("a", [Bar(2, 0.25, 0.2, 0.3), Bar(3, None)], floor=0.5)], "x", 1.0, show_share, "alt")
    full = HEIGHT - TOP - BOTTOM
    [bar] = re.findall(r'<rect class="s2"[^>]* height="([\d.]+)"', drawn)
    assert float(bar) == pytest.approx(full / 4)
    [low, high] = [float(y) for y in re.search(r'class="range".*? y1="([\d.]+)" y2="([\d.]+)"', drawn).groups()]
    assert low - high == pytest.approx(full / 10)
    [floor] = re.findall(r'class="floor".*? y1="([\d.]+)"', drawn)
    assert float(floor) == pytest.approx(TOP + full / 2)
    assert 'class="s3"' not in drawn


def test_nothing_right_is_still_a_picture():
    assert "<rect" in bar_chart([Cluster("a", [Bar(0, 0.0)])], "x", None, show_share, "alt")


def test_a_line_goes_through_its_points_and_a_long_one_is_thinned():
    def points(path):
        drawn = line_chart([path], "x", show_number, "a")
        [found] = re.findall(r'<polyline[^>]*points="([^"]*)"', drawn)
        return [tuple(map(float, pair.split(","))) for pair in found.split()]

    (x1, y1), (x2, y2) = points(Path(0, 0, [(0, 1), (1, 3)]))
    assert LEFT < x1 < x2 < WIDTH - RIGHT
    assert TOP < y2 < y1 < HEIGHT - BOTTOM
    long = points(Path(0, 0, [(float(n), float(n)) for n in range(5000)]))
    assert MOST_POINTS // 2 < len(long) <= MOST_POINTS + 2


def test_one_value_that_never_changes_has_an_axis():
    assert padded([3.0, 3.0]) == pytest.approx((2.85, 3.15))
    assert padded([0.0]) == (-1.0, 1.0)
    assert padded([-1.0, 1.0]) == pytest.approx((-1.1, 1.1))
    drawn = line_chart([Path(0, 0, [(5, 0.0)])], "x", show_number, "a")
    assert "<circle" in drawn
    assert ">5</text>" in drawn


def test_steps_are_whole_and_shares_end_at_one():
    drawn = line_chart([Path(0, 0, [(1, 1.0), (4, 0.99)])], "x", show_share, "a")
    assert re.findall(r">(\d+(?:\.\d+)?)</text>", drawn) == ["1", "2", "3", "4"]
    shares = [float(found) for found in re.findall(r">([\d.]+)%</text>", drawn)]
    assert shares
    assert max(shares) <= 100


def test_text_and_attributes_are_escaped():
    assert text("<b>&\u202e", x=1) == r'<text x="1">&lt;b&gt;&amp;\u{202e}</text>'
    assert element("g", aria_label='"<', class_="a") == '<g aria-label="&quot;&lt;" class="a"></g>'

"""SVG elements as text, and a frame with axes to draw in. Colours and lines are classes of the page's style.

Nothing but numbers and escaped text gets into an element, so what comes out is safe to put into a page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

import msgspec

from schemas.visible import visible

WIDTH, HEIGHT = 420, 236
LEFT, RIGHT, TOP, BOTTOM = 50, 10, 10, 38
MOST_TICKS = 6
COLOURS = 12  # that a style has; further series begin again
DASHES = 4
NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
Attribute = str | float
Show = Callable[[float], str]


class Frame(msgspec.Struct, frozen=True):
    """The area of a plot: `x` and `y` are the least and the largest value on its axes."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: float = WIDTH

    def at_x(self, value: float) -> float:
        return LEFT + (value - self.x[0]) / (self.x[1] - self.x[0]) * (self.width - LEFT - RIGHT)

    def at_y(self, value: float) -> float:
        """Upwards, while SVG counts downwards."""
        return HEIGHT - BOTTOM - (value - self.y[0]) / (self.y[1] - self.y[0]) * (HEIGHT - TOP - BOTTOM)


def element(name: str, inside: Iterable[str] = (), /, **attributes: Attribute) -> str:
    """`inside`: elements. A trailing "_" and an inner "_" of an attribute's name stand for nothing and for "-"."""
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{''.join(inside)}</{name}>"


def text(words: str, /, **attributes: Attribute) -> str:
    return element("text", [escape(visible(words))], **attributes)


def drawing(parts: Iterable[str], alt: str, width: float = WIDTH, height: float = HEIGHT) -> str:
    """A whole picture. `alt`: what it shows, for those who do not see it."""
    wide = "plot wide" if width > WIDTH else "plot"
    return element("svg", parts, class_=wide, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=visible(alt))


def ticks(low: float, high: float, most: int = MOST_TICKS) -> list[float]:
    """Round numbers between low and high, about as many as asked for. `low` must be below `high`."""
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(nice * power for nice in NICE if nice * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [place * step for place in range(first, last + 1)]


def y_axis(frame: Frame, show: Show) -> list[str]:
    """Lines across the plot with their values at the left."""
    parts = []
    for value in ticks(*frame.y):
        y = frame.at_y(value)
        parts.append(element("line", class_="grid", x1=LEFT, x2=frame.width - RIGHT, y1=y, y2=y))
        parts.append(text(show(value), x=LEFT - 6, y=y + 4, text_anchor="end"))
    return parts


def x_axis(frame: Frame, marks: Sequence[tuple[float, str]], title: str) -> list[str]:
    """`marks`: values and what is written under them."""
    base = frame.at_y(frame.y[0])
    parts = [element("line", class_="axis", x1=LEFT, x2=frame.width - RIGHT, y1=base, y2=base)]
    parts += [text(words, x=frame.at_x(value), y=base + 15, text_anchor="middle") for value, words in marks]
    parts.append(text(title, x=(LEFT + frame.width - RIGHT) / 2, y=HEIGHT - 6, text_anchor="middle", class_="title"))
    return parts


def padded(values: Sequence[float], share: float = 0.05) -> tuple[float, float]:
    """From the least to the largest, with room around them; never empty."""
    low, high = min(values), max(values)
    room = (high - low) * share or abs(high) * share or 1.0
    return low - room, high + room


def show_share(value: float) -> str:
    return f"{100 * value:.4g}%"


def show_number(value: float) -> str:
    """As short as the place beside an axis: 0.00015 is 1.5e-4."""
    if 0 < abs(value) < 0.001:
        digits, _, power = f"{value:.5e}".partition("e")
        return f"{float(digits):g}e{int(power)}"
    return f"{value:,.6g}"


def _value(value: Attribute) -> str:
    return escape(value) if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")

"""Numbers, sizes and times as a person reads them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

NONE = "\N{EN DASH}"
UNITS = ("", "k", "M", "B", "T")
_SPANS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def count(value: float | None) -> str:
    """1,234"""
    return NONE if value is None else f"{value:,.0f}"


def compact(value: float | None) -> str:
    """1.23k, 45.6M: three digits that mean something."""
    if value is None:
        return NONE
    power = 0
    while abs(value) >= 999.5 and power < len(UNITS) - 1:
        value, power = value / 1000, power + 1
    digits = 0 if abs(value) >= 99.5 or value == int(value) else 1 if abs(value) >= 9.95 else 2
    return f"{value:.{digits}f}{UNITS[power]}"


def size(value: float | None) -> str:
    """Bytes in units of 1,024."""
    if value is None:
        return NONE
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def usd(value: float | None) -> str:
    """Cents, and more digits where there are none. None: no price is known."""
    if value is None:
        return NONE
    return f"${value:,.2f}" if value == 0 or abs(value) >= 0.1 else f"${value:.4f}"


def share(value: float | None) -> str:
    """ "12.3%" of 0.123."""
    return NONE if value is None else f"{100 * value:.1f}%" if 0 < value < 0.9995 else f"{100 * value:.0f}%"


def number(value: float | None) -> str:
    """Of a column: whole numbers whole, others with four digits."""
    if value is None or not math.isfinite(value):
        return NONE if value is None else str(value)
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:,.4g}"


def short(value: float | None) -> str:
    """As `number`, and from a million on with its unit: 2.15B."""
    return number(value) if value is None or not 1e6 <= abs(value) < math.inf else compact(value)


def duration(seconds: float | None) -> str:
    """The two largest units: 1 h 5 min."""
    if seconds is None:
        return NONE
    left = int(seconds)
    parts: list[str] = []
    for unit, length in _SPANS:
        if left >= length or (unit == "s" and not parts):
            parts.append(f"{left // length} {unit}")
            left %= length
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)


def moment(epoch_s: float | None) -> str:
    """UTC, to the second."""
    return NONE if epoch_s is None else datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def stamp(epoch_s: float | None) -> str:
    """UTC as machines read it; what a `time` element says."""
    return "" if epoch_s is None else datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="seconds")


def ago(epoch_s: float | None, now: float) -> str:
    """How long since, or how long until."""
    if epoch_s is None:
        return NONE
    seconds = now - epoch_s
    if abs(seconds) < 5:
        return "now"
    unit, length = next((unit, length) for unit, length in _SPANS if abs(seconds) >= length)
    words = f"{abs(seconds) // length:.0f} {unit}"
    return f"{words} ago" if seconds > 0 else f"in {words}"


def plural(value: int, one: str, many: str | None = None) -> str:
    """ "1 row", "1,234 rows"."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"

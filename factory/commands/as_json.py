"""What `--json` prints."""

from __future__ import annotations


def print_json(value: object) -> None:
    """One line. `value`: what msgspec can encode."""
    import msgspec

    print(msgspec.json.encode(value).decode())

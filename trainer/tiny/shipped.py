"""The checkpoint that comes with the project: `python -m bench.demo_base` made it, its README and manifest say how."""

from pathlib import Path

BASE = Path(__file__).parent / "base"

"""Schedules under fire: kill -9 of two services on one workspace, of watching processes and of commands.

python -m bench.schedules --points 200 --seed 1
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from tests.factory.schedules import kills


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        print(json.dumps(kills.run(Path(home), args.points, args.seed)), flush=True)


if __name__ == "__main__":
    main()

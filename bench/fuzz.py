"""The API against its own description, with many cases: no error of ours, every answer as it is declared.

    python -m bench.fuzz [--examples 300] [--seed 1] [--only jobs]

Asks every call over a workspace that is made on the spot (`tests.factory.service.rich`). Ends at the first case that
is not as it should be, and shows it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from tests.factory.service.fuzzing import Fuzz
from tests.factory.service.rich import rich_workspace

STREAM_EXAMPLES = 20  # of a call that does not end by itself


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=300, help="of each call")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="calls whose path holds this")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        fuzz = Fuzz(Path(home), rich_workspace(Path(home)))
        began = time.monotonic()
        for label in fuzz.calls:
            if args.only in label:
                fuzz.run(label, STREAM_EXAMPLES if label.endswith("/events") else args.examples, args.seed)
                print(label, flush=True)
        _tell(fuzz, time.monotonic() - began)
        fuzz.close()


def _tell(fuzz: Fuzz, seconds: float) -> None:
    statuses: dict[int, int] = {}
    for (_, status), count in sorted(fuzz.app.state.service.requests.answered.items(), key=lambda each: each[0][1]):
        statuses[status] = statuses.get(status, 0) + count
    print(json.dumps({"requests": sum(statuses.values()), "by_status": statuses, "seconds": round(seconds, 1)}))


if __name__ == "__main__":
    main()

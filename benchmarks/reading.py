"""What a document costs from the start of its process to the verdict: a small text, and a PDF of 14 pages.

bash -c '. scripts/environment test && "$PYTHON" -m benchmarks.reading [OTHER]'

OTHER is another version of this project, in a folder of its own (`git worktree add`), that is measured in turns with this
one, in the environment of this one. Prints medians of 40, with the processor time, and how many times the other's they are.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.extraction.documents import PHRASE, pdf

ROUNDS = 40
_LIMITS = "Limits(60, 1 << 30, 1 << 20)"
#: Reads a document for each line that it is told, a path and how it is read, and says how long that took.
_PROGRAM = f"""
import json, resource, sys, tempfile, time
from app.extraction import sandbox
from app.extraction.kinds import Way
from app.extraction.sandbox import Limits
def processor():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
for line in sys.stdin:
    path, kind, media_type = json.loads(line)
    with open(path, "rb") as document, tempfile.TemporaryFile() as output:
        began, used = time.perf_counter(), processor()
        verdict = sandbox.run(Way(kind, media_type), document, output, {_LIMITS})
        assert verdict.reason is None, verdict
        print(json.dumps([time.perf_counter() - began, processor() - used]), flush=True)
"""


@contextlib.contextmanager
def reader(root: Path) -> Iterator[subprocess.Popen[str]]:
    """The program, with the version of the application that is in `root`."""
    command = [sys.executable, "-c", _PROGRAM]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def took(process: subprocess.Popen[str], document: tuple[str, str, str]) -> tuple[float, float]:
    """Seconds, and seconds of processor time."""
    assert process.stdin is not None
    assert process.stdout is not None
    print(json.dumps(document), file=process.stdin, flush=True)
    seconds, processor = json.loads(process.stdout.readline())
    return seconds, processor


def main() -> None:
    versions = {"this version": Path(__file__).parents[1]}
    if sys.argv[1:]:
        versions["the other"] = Path(sys.argv[1])
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        documents = {"a small text": ("text", "text/plain", PHRASE.encode())}
        documents["a PDF of 14 pages"] = ("pdf", "application/pdf", pdf(pages=14, phrase_on=7))
        readers = {name: stack.enter_context(reader(root)) for name, root in versions.items()}
        for title, (kind, media_type, content) in documents.items():
            path = folder / kind
            path.write_bytes(content)
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in readers}
            for _ in range(ROUNDS + 2):
                for name, process in readers.items():
                    found[name].append(took(process, (str(path), kind, media_type)))
            # The first ones read the libraries from the disk.
            medians = {
                name: [statistics.median(each) for each in zip(*all_of_it[2:], strict=True)]
                for name, all_of_it in found.items()
            }
            for name, (seconds, processor) in medians.items():
                print(f"{title}, {name}: {seconds:.3f} s, {processor:.3f} s of processor time")
            if len(medians) == 2:
                ours, others = medians.values()
                print(
                    f"{title}: {ours[0] / others[0]:.2f} times as long, {ours[1] / others[1]:.2f} times the processor"
                )


if __name__ == "__main__":
    main()

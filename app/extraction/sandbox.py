"""Reads one document in a process of its own, within limits. Whatever the process does, the server gets a verdict.

Each document has a process of its own (mostly, its time is the start of the process and its libraries) rather than one
of a pool: a hostile document can't reach the next one, and no process grows over time.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, get_args

from app.confinement.environment import ENVIRONMENT
from app.extraction import inner, parts
from app.extraction.kinds import PICTURED, RECOGNIZED, Kind, Way
from app.extraction.parts import Part
from app.extraction.readers.reader import Inner
from app.extraction.recognition_data import recognition_folder, recognition_installed
from app.extraction.record import Reason, language_in

#: Seconds that must be left to begin another page, or another file inside a document.
LEAST_SECONDS = 1.0

_CHILD = Path(__file__).with_name("start.py")
_POLL = 0.1
_TOLD = 2 * 1024 * 1024
_PIECE = 1 << 20
#: The most characters of a detail that are kept.
_DETAIL = 300

# One thread for each library: otherwise their stacks take the memory. tokio has two: one is busy with a document, and the
# other has a task too (app/extraction/readers/document.py).
_ENVIRONMENT = {
    **ENVIRONMENT,
    "OMP_THREAD_LIMIT": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKIO_WORKER_THREADS": "2",
}


@dataclass(frozen=True)
class Limits:
    """`seconds` of wall clock and of processor time, `memory` of address space and `text` of output in bytes.
    `languages`: those in which text is recognized; empty: all installed ones."""

    seconds: float
    memory: int
    text: int
    languages: tuple[str, ...] = ()
    #: The most bytes of all files inside it together, and the most files.
    inner_bytes: int = inner.MOST_BYTES
    inner_files: int = inner.MOST_FILES


@dataclass(frozen=True)
class Verdict:
    """The result of one document. `reason` None: the text is in the output."""

    reason: Reason | None = None
    detail: str = ""
    cut: bool = False
    characters: int | None = None
    #: Where its pages begin in the text.
    parts: tuple[Part, ...] = ()
    #: The ISO 639 code of the language that the text is in, as far as it is known.
    language: str | None = None
    #: The numbers, from 1, of the pages whose text has to be recognized.
    pictures: tuple[int, ...] = ()
    #: Whether it has pictures, or pages that are pictures, whose text was not recognized yet.
    waits: bool = False
    #: Whether it has any pictures, recognized or not.
    pictured: bool = False
    #: The files inside the document, when its text could be read.
    files: tuple[Inner, ...] = field(default=(), repr=False)

    @property
    def final(self) -> bool:
        """Whether another try would end the same way."""
        return self.reason not in ("timeout", "memory", "crashed")


class Stopped(Exception):
    """The server ends; the document is not at fault."""


def run(
    way: Way,
    document: BinaryIO,
    output: BinaryIO,
    limits: Limits,
    stopping: Callable[[], bool] = lambda: False,
) -> Verdict:
    """Write the text of `document` to `output`, both open files. Raises Stopped.

    On return the process has ended, and everything that it started. A process that could not be started, and a text
    that can't be written, are verdicts too. The process itself can only write to memory: errors of a disk occur here,
    and the process can't report them.
    """
    try:
        with memory_file("text") as text:
            verdict = _run(way, document, text, limits, stopping)
            verdict, content = _believed(verdict, os.pread(text.fileno(), limits.text, 0))
            output.write(content)
            output.flush()
    except OSError as error:
        return Verdict("environment", f"no process could be started, or its text not be written: {error}")
    return verdict


def run_batch(
    kind: Kind, documents: Sequence[tuple[str, bytes]], limits: Limits, stopping: Callable[[], bool]
) -> list[tuple[Verdict, bytes]]:
    """The texts of several small documents of one kind, which one process reads: each as `run` would return and write
    it, from the first one on, as far as the process came. `documents`: media type and content. Raises Stopped, OSError.

    A hostile document can change the results of the others, so all of them must be parts of one document.
    """
    size = limits.text + sum(inner.MOST_HEAD + len(content) for _, content in documents)
    limits = replace(limits, inner_bytes=size, inner_files=len(documents))
    with memory_file("batch") as file, memory_file("text") as text:
        writer = inner.Writer(file.fileno(), size, len(documents))
        for media_type, content in documents:
            writer.write(Inner("", content, media_type))
        file.seek(0)
        verdict = _run(Way(kind, ""), file, text, limits, stopping, batch=True)
    found = []
    for each in verdict.files:
        told, _, content = each.content.partition(b"\n")
        each_verdict, text_of_it = _believed(_told(told), content[: limits.text])
        # A process that was reading a document can't judge the machine.
        blamed = each_verdict.reason == "environment"
        found.append((Verdict("crashed", each_verdict.detail) if blamed else each_verdict, text_of_it))
    return found


def _believed(verdict: Verdict, content: bytes) -> tuple[Verdict, bytes]:
    """The verdict of a process, as far as it is plausible, and the text, if there is one."""
    if verdict.reason is not None:
        return verdict, b""
    try:
        # The output of the process is checked before it counts as text.
        content.decode()
        parts.check(verdict.parts, content)
    except ValueError as error:
        return Verdict("crashed", str(error)), b""
    return verdict, content


def _run(
    way: Way, document: BinaryIO, text: BinaryIO, limits: Limits, stopping: Callable[[], bool], *, batch: bool = False
) -> Verdict:
    # The kernel kills the process at the end of its processor time: one second more, so that the wall clock ends first.
    numbers = (limits.text, limits.memory, math.ceil(limits.seconds) + 1, os.getpid())
    folder = recognition_folder() if way.kind in RECOGNIZED else None
    with (
        memory_file("result") as result,
        memory_file("unfit") as unfit,
        memory_file("inner") as inside,
        memory_file("errors") as errors,
    ):
        handed = [each.fileno() for each in (result, unfit, inside)]
        process = subprocess.Popen(
            # Isolated: it imports only from the interpreter's environment, and writes no bytecode.
            [
                *(sys.executable, "-I", "-B", str(_CHILD), way.kind, way.media_type),
                *(str(each) for each in (*numbers, *handed, folder or "")),
                *(" ".join(limits.languages), str(way.page)),
                *(str(each) for each in (limits.inner_bytes, limits.inner_files, int(batch))),
                str(int(way.kind in PICTURED and recognition_installed())),
            ],
            stdin=document,
            stdout=text,
            stderr=errors,
            cwd="/",
            env=_ENVIRONMENT,
            pass_fds=handed,
            start_new_session=True,
        )
        try:
            ended = _wait(process, limits.seconds, stopping)
        finally:
            # Its process group outlives it if it has started something.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        told, kept_back, said = (os.pread(each.fileno(), _TOLD, 0) for each in (result, unfit, errors))
        files = tuple(inner.files(inside.fileno()))
    if kept_back:
        return Verdict("environment", _shown(kept_back.decode(errors="replace")))
    if not ended:
        return Verdict("timeout", f"not done after {limits.seconds:g} s")
    verdict = _verdict(process.returncode, told, said)
    if verdict.reason is None:
        return replace(verdict, files=files)
    return _checked(verdict, document) if verdict.reason == "environment" else verdict


def _checked(verdict: Verdict, document: BinaryIO) -> Verdict:
    """A verdict about the machine, from a process that was reading the document: the document may have forged it. It
    can only be true when the document's bytes can't be read, which is checked here. Raises the OSError of that."""
    place = 0
    while piece := os.pread(document.fileno(), _PIECE, place):
        place += len(piece)
    return Verdict("crashed", verdict.detail)


def memory_file(name: str) -> BinaryIO:
    """An open file in memory: a writer that fills it gets an error, and unlike a pipe it needs no reader meanwhile."""
    return os.fdopen(os.memfd_create(name, os.MFD_CLOEXEC), "w+b")


def _wait(process: subprocess.Popen[bytes], seconds: float, stopping: Callable[[], bool]) -> bool:
    """Whether the process ended by itself in time."""
    deadline = time.monotonic() + seconds
    with _end_of(process) as ends_within:
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if stopping():
                raise Stopped
            if ends_within(min(left, _POLL)):
                return True


@contextlib.contextmanager
def _end_of(process: subprocess.Popen[bytes]) -> Iterator[Callable[[float], bool]]:
    """A function that waits for the end of the process, for at most the given seconds, and returns whether it ended. A
    descriptor of the process reports that at once: `Popen.wait` with a time limit polls at growing intervals, so that a
    small text took twice the time."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        # A kernel before Linux 5.3, or a container engine that does not allow this system call.
        yield lambda seconds: _waited(process, seconds)
        return
    try:
        ended = select.poll()
        ended.register(descriptor, select.POLLIN)
        yield lambda seconds: bool(ended.poll(1000 * seconds))
    finally:
        os.close(descriptor)


def _waited(process: subprocess.Popen[bytes], seconds: float) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
        return True
    return False


def _verdict(status: int, told: bytes, said: bytes) -> Verdict:
    # A panic of the library is reported as a result too; only its message says that it ran out of memory.
    if b"memory allocation" in said or b"MemoryError" in said or b"bad_alloc" in said:
        return Verdict("memory")
    if status == -signal.SIGXCPU or status == -signal.SIGKILL:
        return Verdict("timeout", "used up its processor time") if status == -signal.SIGXCPU else Verdict("crashed")
    if status != 0:
        return Verdict("crashed", f"signal {-status}" if status < 0 else f"exit status {status}")
    return _told(told)


def _told(told: bytes) -> Verdict:
    """The result that a process reported about a document."""
    try:
        content: dict[str, Any] = json.loads(told)
    except (ValueError, RecursionError):
        content = None  # type: ignore[assignment]
    if not isinstance(content, dict):
        return Verdict("crashed", "no result")
    reason = content.get("reason")
    if reason not in (None, *get_args(Reason)):
        return Verdict("crashed", "no known result")
    characters = content.get("characters")
    try:
        found = parts.from_records(content.get("parts", []))
    except ValueError as error:
        return Verdict("crashed", str(error))
    return Verdict(
        reason,
        _shown(str(content.get("detail", ""))),
        bool(content.get("cut", False)),
        characters if isinstance(characters, int) else None,
        found,
        language_in(content.get("language")),
        _pictures(content.get("pictures"), found),
    )


def _pictures(told: Any, pages: tuple[Part, ...]) -> tuple[int, ...]:
    """The pages that are reported to be pictures."""
    numbers = {each for each in told if type(each) is int} if isinstance(told, list) else set()
    return tuple(each.page for each in pages if each.page in numbers)


def _shown(detail: str) -> str:
    return "".join(each if each.isprintable() else " " for each in detail)[:_DETAIL]

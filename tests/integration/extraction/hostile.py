"""A document that takes the process over which reads it: Python code in the place of a flaw in a library.

    python -P -m tests.integration.extraction.hostile FOLDER confined|free < CODE

prints as JSON how it ended and what the code wrote, as a process of its own, so that it may have another user or kernel.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from app.extraction import child, sandbox
from app.extraction.kinds import Way
from app.extraction.sandbox import Limits, Verdict

LIMITS = Limits(60, 1 << 30, 1 << 20)
APP = Path(child.__file__).parents[1]
#: What the process loads of the application, besides modules that are in no room.
ROOMS = ("confinement", "contents", "extraction", "extraction/readers")
#: What the code may use. It can load nothing by itself.
_IMPORTS = "import ctypes, errno, fcntl, mmap, resource, select, signal, socket, struct, threading, time\n"
_TAKEOVER = """
def takeover() -> str:
    exec(taken(1 << 20).decode(), globals())
    return ""


def main() -> None:"""


def program(folder: Path, *, free: bool = False) -> Path:
    """The process's program in `folder`, with its modules, so that the document is executed instead of read, right after
    everything was given up; `free`: or nothing."""
    for room in (APP, *(APP / each for each in ROOMS)):
        (folder / room.relative_to(APP)).mkdir(parents=True, exist_ok=True)
        for path in room.glob("*.py"):
            (folder / path.relative_to(APP)).write_bytes(path.read_bytes())
    text = Path(child.__file__).read_text()
    replaced = [
        ("from __future__ import annotations\n", f"from __future__ import annotations\n{_IMPORTS}"),
        ("extracted(kind, media_type, reader, options, files).kept(", "Assembly(takeover()).kept("),
        ("\ndef main() -> None:", _TAKEOVER),
        *([("        give_up(", "        (lambda *_, **__: None)(")] if free else []),
    ]
    for old, new in replaced:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "extraction" / "child.py"
    path.write_text(text)
    return path


@contextlib.contextmanager
def in_place(path: Path) -> Iterator[None]:
    """Documents are given to this program."""
    with mock.patch.object(sandbox, "_CHILD", path.with_name(sandbox._CHILD.name)):
        yield


def taken_over(code: str, limits: Limits = LIMITS, kind: str = "text") -> tuple[Verdict, str]:
    """How a document with this code ended, and what it wrote."""
    with tempfile.NamedTemporaryFile() as made, open(made.name, "rb") as document, tempfile.TemporaryFile() as output:
        made.write(code.encode())
        made.flush()
        # What libraries read by it is not what the document is.
        verdict = sandbox.run(Way(kind, "text/plain"), document, output, limits)  # type: ignore[arg-type]
        output.seek(0)
        return verdict, output.read().decode()


if __name__ == "__main__":
    with in_place(program(Path(sys.argv[1]), free=sys.argv[2] == "free")):
        how, wrote = taken_over(sys.stdin.read(), kind=os.environ["KIND"])
    print(json.dumps([how.reason, how.detail, wrote]))

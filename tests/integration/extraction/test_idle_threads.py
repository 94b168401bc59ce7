"""A document that takes longer than the idle threads of its library stay."""

from __future__ import annotations

import subprocess
import sys

#: As a document whose first part takes longer than the library's idle threads stay; there can't be new ones then.
SLOW = """
import asyncio, os, resource, threading
from app.confinement import system_calls
from app.extraction.readers import document, loop
from app.extraction.readers.reader import Options
from app.extraction.samples import sample
document.load(Options(1000, 1000))
list(document.read(sample("document")[1], "application/rtf"))
extract, go = document.native().extract, threading.Event()
class Slow:
    def __getattr__(self, name): return getattr(library, name)
    async def extract(self, input, config):
        if not begun:
            begun.append(None)
            future = asyncio.get_running_loop().create_future()
            later.append((asyncio.get_running_loop(), future))
            go.set()
            await future
        return await extract(input=input, config=config)
library, begun, later = document.native(), [], []
def wake():
    go.wait()
    threading.Event().wait(12)
    later[0][0].call_soon_threadsafe(later[0][1].set_result, None)
threading.Thread(target=wake, daemon=True).start()
document.native = Slow
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
system_calls.confine()
os.write(1, repr(list(document.read(rb"{\\rtf1 late}", "application/rtf"))).encode())
os._exit(0)
"""


def test_a_document_that_takes_long_does_not_hang() -> None:
    environment = {"TOKIO_WORKER_THREADS": "2", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", SLOW], capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    assert done.stdout == "['late']", done.stderr

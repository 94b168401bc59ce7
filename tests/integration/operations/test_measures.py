"""The numbers that are kept while serving, by several threads at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.app import ROOT

#: Two threads count the first thing of a process at once: they meet where the instruments are made, if both make some, and
#: before either of them counts. Then: what the files of the process say.
FIRST = """
import contextlib, os, threading
import prometheus_client
from prometheus_client.multiprocess import MultiProcessCollector
from app.telemetry import measures

Registry, observe = prometheus_client.CollectorRegistry, prometheus_client.Histogram.observe
making, counting = threading.Barrier(2), threading.Barrier(2)

class Meeting(Registry):
    def __init__(self):
        with contextlib.suppress(threading.BrokenBarrierError):
            making.wait(1)
        super().__init__()

def together(self, amount):
    counting.wait(60)
    # As long as the other one, so in the same bucket.
    observe(self, 1.0)

prometheus_client.CollectorRegistry, prometheus_client.Histogram.observe = Meeting, together

def work():
    with measures.step("receive"):
        pass

threads = [threading.Thread(target=work) for _ in range(2)]
for each in threads:
    each.start()
for each in threads:
    each.join()
registry = Registry()
MultiProcessCollector(registry, path=os.environ["PROMETHEUS_MULTIPROC_DIR"])
print(registry.get_sample_value("attachment_store_step_seconds_count", {"step": "receive"}))
"""

#: A process whose first request asks for the numbers.
ASKED = """
import os
from pathlib import Path
from app.telemetry import measures
from app.settings import Settings
from app.web.app import create_app

measures.share(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
# An Elasticsearch that is not there: nobody listens on port 9.
settings = {"DATA": os.environ["FOLDER"], "ELASTICSEARCH_URL": "http://127.0.0.1:9", "METRICS_OPEN": "yes"}
answer = create_app(Settings.from_environ(settings)).test_client().get("/metrics")
print(*[line for line in answer.text.splitlines() if line.startswith("attachment_store_queued_writes")])
"""


def run(code: str, folder: Path) -> str:
    """What `code` prints in a process of its own, one of several that share their numbers in `folder`."""
    numbers = folder / "numbers"
    numbers.mkdir()
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(numbers), "FOLDER": str(folder / "data")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_that_are_counted_at_once_are_all_counted(tmp_path: Path) -> None:
    """Two sets of instruments would write over what the other one counted."""
    assert run(FIRST, tmp_path) == "2.0\n"


def test_no_number_is_missing_before_anything_was_counted(tmp_path: Path) -> None:
    assert run(ASKED, tmp_path) == "attachment_store_queued_writes 0.0\n"

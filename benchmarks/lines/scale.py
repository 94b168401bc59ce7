"""The rebuild of an index, what a large store costs, and the start."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import requests

from benchmarks.client import Sample, drive
from benchmarks.lines.base import Form, Group, Line, Side
from benchmarks.parts import KIB, PRODUCT, Parts, request, upload_request
from tests.integration.commands.doors import door
from tests.support.app import Server
from tests.support.seed import seed

ROOT = Path(__file__).parents[2]
FEW = 1_000
#: Attachments of one session in both stores, which searches ask for.
PAGE = 20


def _rebuild(parts: Parts, form: Form) -> Mapping[str, Side]:
    """benchmarks/rebuild.py, which does rounds of its own and takes the faster run of each side."""
    found: dict[str, float] = {}

    def run(_: float) -> Sample:
        command = [sys.executable, "benchmarks/rebuild.py", "--records", str(form.records)]
        environment = {**os.environ, "ELASTICSEARCH_URL": parts.node.url}
        text = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
        for name, rate in re.findall(r"(rebuild|bulk) (\d+)/s", text):
            found[name] = float(rate)
        return Sample(found["rebuild"])

    return {"rebuild": run, "streaming_bulk": lambda _: Sample(found["bulk"])}


@functools.cache
def _grown(parts: Parts, count: int) -> Server:
    """A server with `count` attachments, written as the store lays them out and indexed by a rebuild."""
    server = parts.serve()
    server.stop()
    # Of a type without text: what is extracted in the background would be measured too.
    seed(server.data, count - PAGE, media_type="application/octet-stream")
    door(server, "store", "rebuild", "--json", timeout=3600)
    server.start()
    for _ in range(PAGE):
        server.upload(("small.bin", parts.small), session="page")
    # What a rebuild leaves to be merged is no cost of a large store.
    requests.post(f"{parts.node.url}/{server.index}/_forcemerge?max_num_segments=5", timeout=600).raise_for_status()
    return server


def _growth(act: str) -> Group:
    def sides(parts: Parts, form: Form) -> Mapping[str, Side]:
        return {"large": _act(parts, _grown(parts, form.grown), act), "small": _act(parts, _grown(parts, FEW), act)}

    return Group(f"growth-{act}", sides)


def _act(parts: Parts, server: Server, act: str) -> Side:
    if act == "upload":
        wanted = upload_request(server, parts.small, "growth")
    elif act == "search":
        wanted = request("GET", "/attachment/_search?session=page", server.headers())
    else:
        ids = [hit["_id"] for hit in server.hits("session=page&size=1")]
        wanted = request("GET" if act == "download" else "HEAD", f"/attachment/{ids[0]}", server.headers())
    return lambda seconds: drive(server.url, lambda: wanted, 1, seconds)


def _disk(parts: Parts, form: Form) -> Mapping[str, Side]:
    """Records, blocks that are not full, the 4,096 folders, and the index."""
    server = _grown(parts, form.grown)

    def measure(_: float) -> Sample:
        blocks = subprocess.run(
            ["du", "-s", "--block-size=1", str(server.data / "attachments")], check=True, capture_output=True, text=True
        )
        statistics = requests.get(f"{parts.node.url}/{server.index}/_stats/store,docs", timeout=30).json()
        primaries = statistics["_all"]["primaries"]
        count = primaries["docs"]["count"]
        with_index = int(blocks.stdout.split()[0]) + primaries["store"]["size_in_bytes"]
        return Sample((with_index - _contents(server)) / count / KIB)

    return {"large": measure}


def _contents(server: Server) -> int:
    """Bytes of the attachments themselves."""
    total = 0
    for folder in os.scandir(server.data / "attachments"):
        total += sum(each.stat().st_size for each in os.scandir(folder) if each.name.endswith(".bytes"))
    return total


def _start(parts: Parts, _: Form) -> Mapping[str, Side]:
    """From the command to the line that says it is ready; each on data that is there already."""
    data = parts.folder / "started"
    environment = {**os.environ, **PRODUCT, "API_TOKEN": "benchmark"}
    environment.pop("ELASTICSEARCH_URL", None)
    serve = ["scripts/serve", "--data", str(data)]
    alone = ["scripts/elasticsearch", "--port", "0", "--data", str(data / "elasticsearch")]

    def until(command: list[str], line: str) -> Sample:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout is not None
        try:
            for each in process.stdout:
                if line in each:
                    return Sample(0, [time.perf_counter() - began])
            raise RuntimeError(f"{command[0]} did not start")
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
            process.wait()

    until(_with_port(serve), "is ready")
    return {
        "scripts/serve": lambda _: until(_with_port(serve), "is ready"),
        "node alone": lambda _: until(alone, " at http"),
    }


def _with_port(command: list[str]) -> list[str]:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as found:
        return [*command, "--port", str(found.getsockname()[1])]


ACTS = ("upload", "download", "search", "HEAD")
GROUPS = (
    Group("rebuild", _rebuild, rounds="once"),
    *(_growth(act) for act in ACTS),
    Group("disk", _disk, rounds="once"),
    Group("start", _start, rounds="slow"),
)
LINES = (
    Line("rebuild of the index", "rebuild", "rebuild", "streaming_bulk", "rate", "/s", least=0.7),
    *(
        Line(f"growth, {act}: a large store against 1,000", f"growth-{act}", "large", "small", "seconds", "s", most=1.3)
        for act in ACTS
    ),
    Line("disk beyond its bytes, KiB for each attachment", "disk", "large", None, "number", "KiB"),
    Line("start of a prepared scripts/serve", "start", "scripts/serve", "node alone", "seconds", "s", most=1.3),
)

"""The memory of the server while a large file goes in and comes out, and of the model of texts.

    bash -c '. scripts/environment test && "$PYTHON" -m benchmarks.memory'      [--size MIB]

Elasticsearch is the one that ELASTICSEARCH_URL names, or an embedded node for the run. Uploads one file of `--size` MiB
(1,024 by default) to a server of its own, downloads it again, and prints the resident memory of all workers before, at
the peak, and after, in MiB. Then it prints how many processes with a model there are with `EMBEDDINGS=off` and with
`builtin`, what they take, and what the workers take beside them. It asserts nothing.
"""

from __future__ import annotations

import argparse
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import requests

from benchmarks.parts import server_for_run
from tests.support.app import Server
from tests.support.models import await_process, models_of

MIB = 1 << 20
BOUNDARY = "benchmark"

Result = TypeVar("Result")


def resident_of(pids: Iterable[int]) -> float:
    """MiB of resident memory, all these processes together."""
    total = 0
    for pid in pids:
        status = Path(f"/proc/{pid}/status").read_text()
        total += int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0])
    return total / 1024


def resident(server: Server) -> float:
    """MiB of resident memory, all workers together."""
    return resident_of(server.worker_pids())


class Peak:
    """Looks at the memory fifty times a second while its block runs."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.value = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._end.wait(0.02):
            self.value = max(self.value, resident(self.server))

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def body(size: int) -> Iterator[bytes]:
    """A form with one file of `size` MiB."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="large.bin"\r\n\r\n'
    yield head.encode()
    piece = os.urandom(MIB)
    for _ in range(size):
        yield piece
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


def upload(server: Server, size: int) -> str:
    length = sum(map(len, body(0))) + size * MIB
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Content-Length": str(length)}
    request = requests.Request(
        "POST", f"{server.url}/attachment/_upload", data=body(size), headers={**server.headers(), **headers}
    ).prepare()
    # requests sends a generator in chunks unless it is told the length.
    request.headers.pop("Transfer-Encoding", None)
    request.headers["Content-Length"] = str(length)
    with requests.Session() as session:
        answer = session.send(request, timeout=600)
    answer.raise_for_status()
    return str(answer.json()["attachments"][0])


def download(server: Server, attachment_id: str) -> int:
    with server.request("GET", f"/attachment/{attachment_id}", stream=True) as answer:
        answer.raise_for_status()
        return sum(len(piece) for piece in answer.iter_content(MIB))


def measured(server: Server, what: str, size: int, act: Callable[[], Result]) -> Result:
    before = resident(server)
    begun = time.monotonic()
    with Peak(server) as peak:
        result = act()
    seconds = time.monotonic() - begun
    figures = f"{before:8.1f} {peak.value:8.1f} {resident(server):8.1f}"
    print(f"{what:10} {figures}   {seconds:6.1f} s  {size / seconds:6.0f} MiB/s")
    return result


def model(server: Server, embeddings: str) -> None:
    """Start the server again, with that value of EMBEDDINGS, and print what it takes."""
    server.stop()
    server.environment["EMBEDDINGS"] = embeddings
    server.start()
    if embeddings == "builtin":
        await_process(server)
    processes, workers = models_of(server), server.worker_pids()
    print(
        f"EMBEDDINGS={embeddings:8} processes with the model: {len(processes)}, {resident_of(processes):5.1f} MiB; "
        f"{len(workers)} workers: {resident_of(workers):6.1f} MiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the server's memory while a large file goes in and out.")
    parser.add_argument("--size", type=int, default=1024, help="MiB of the file (default: %(default)s)")
    size = parser.parse_args().size
    limits = {"MAX_FILE_SIZE": f"{size}MiB", "MAX_REQUEST_SIZE": f"{size + 1}MiB"}
    with server_for_run(**limits) as server:
        download(server, server.upload(("small.bin", b"x"))[0])
        print(f"{len(server.worker_pids())} workers, one file of {size} MiB; resident memory of all workers in MiB")
        print(f"{'':10} {'before':>8} {'peak':>8} {'after':>8}")
        attachment_id = measured(server, "upload", size, lambda: upload(server, size))
        received = measured(server, "download", size, lambda: download(server, attachment_id))
        print(f"received {received // MIB} MiB")
        for embeddings in ("off", "builtin"):
            model(server, embeddings)


if __name__ == "__main__":
    main()

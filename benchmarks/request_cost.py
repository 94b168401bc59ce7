"""Processor time of one request in the thread that serves it, without Elasticsearch and without a client's own.

    bash -c '. scripts/environment test && "$PYTHON" -m benchmarks.request_cost --rounds 7 head download'

The kinds: `nothing` (GET /health/live), `head` and `download` (64 KiB, the same file each time). A worker of the server
serves one kept connection in this process, with the settings, the numbers and the log of a server; the log goes nowhere.
The time is that of the thread, from the bytes of the head to the connection given back. So it compares two versions of the
code also on a machine that does other things, if they run in turns: what runs beside them still takes the caches.

It prints the microseconds of a request in the fastest of `--rounds` rounds of `--requests` requests each, and in the
middle one.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import statistics
import tempfile
import time
from typing import Any

TOKEN = "0123456789abcdef0123456789abcdef"
SIZE = 64 * 1024
#: Requests before the first that counts.
WARM = 200
KINDS = {"nothing": "GET /health/live", "head": "HEAD /attachment/{id}", "download": "GET /attachment/{id}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="kind", help=", ".join(KINDS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=2000, help="requests of a round")
    arguments = parser.parse_args()
    if unknown := set(arguments.kinds) - KINDS.keys():
        parser.error(f"no such kind: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder:
        # The server's configuration reads them when it is imported.
        os.environ |= {
            "API_TOKEN": TOKEN,
            "DATA": f"{folder}/data",
            "ELASTICSEARCH_URL": "http://127.0.0.1:9",
            "EMBEDDINGS": "off",
            "EXTRACTION": "off",
            "METRICS_FOLDER": folder,
        }
        with Bench() as bench:
            for kind in arguments.kinds or KINDS:
                seconds = bench.rounds(kind, arguments.rounds, arguments.requests)
                fastest, middle = min(seconds) * 1e6, statistics.median(seconds) * 1e6
                print(f"{kind:9} {fastest:7.1f} µs, the middle round {middle:.1f}", flush=True)


class Bench:
    """A worker with one connection and one attachment."""

    def __init__(self) -> None:
        from gunicorn.config import Config

        from app.server import config
        from app.server.connection import ClientConnection, Phase
        from app.server.worker import Worker, make_attributes
        from app.settings import Settings
        from app.telemetry.logs import Logger
        from app.web.app import create_app

        nowhere = {"class": "logging.FileHandler", "formatter": "line", "filename": os.devnull}
        config.logconfig_dict["handlers"]["stderr"] = nowhere
        config._share_numbers()
        settings = Settings.from_environ(os.environ)
        application = create_app(settings)
        self._id = _stored(application)
        configuration = Config()
        for name in configuration.settings.keys() & vars(config).keys():
            configuration.set(name, getattr(config, name))
        make_attributes(configuration)
        self._worker = worker = Worker(0, os.getpid(), [], None, 60, configuration, Logger(configuration))
        worker.limit(settings)
        worker.wsgi = application
        worker.ready = select.epoll()
        listener = socket.create_server(("127.0.0.1", 0))
        self._client = socket.create_connection(listener.getsockname())
        accepted, address = listener.accept()
        self._connection = connection = ClientConnection(configuration, accepted, address, listener.getsockname())
        worker.connections[connection.descriptor] = connection
        self._sending = Phase.SENDING
        worker.ready.register(connection.descriptor, select.EPOLLONESHOT)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        from app.server import config

        config.on_exit(None)

    def rounds(self, kind: str, rounds: int, requests: int) -> list[float]:
        """Seconds of processor time of a request, for each round."""
        line = KINDS[kind].format(id=self._id)
        request = f"{line} HTTP/1.1\r\nHost: localhost\r\nX-API-TOKEN: {TOKEN}\r\n\r\n".encode()
        for _ in range(WARM):
            self._once(request)
        return [sum(self._once(request) for _ in range(requests)) / requests for _ in range(rounds)]

    def _once(self, request: bytes) -> float:
        self._client.sendall(request)
        taken = self._served()
        head, _, body = self._client.recv(2 * SIZE).partition(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise SystemExit(f"the answer is {head!r}")
        missing = (
            0 if request.startswith(b"HEAD") else int(head.partition(b"Content-Length: ")[2].split()[0]) - len(body)
        )
        while missing > 0:
            if self._connection.phase is self._sending:
                taken += self._served()
            missing -= len(self._client.recv(2 * SIZE))
        return taken

    def _served(self) -> float:
        """The worker does with what has arrived what a thread of it does."""
        self._worker.waiting.discard(self._connection)
        began = time.thread_time()
        self._worker._go_on(self._connection)
        return time.thread_time() - began


def _stored(application: Any) -> str:
    """The id of a new attachment, which no index has."""
    from app.ids import new_xid
    from app.model.attachment import Attachment, now
    from app.web.services import store_of

    storage = store_of(application).storage
    attachment_id, moment = new_xid(), now()
    staged = storage.stage(iter((os.urandom(SIZE),)), SIZE)
    staged.keep(attachment_id)
    attachment = Attachment(
        id=attachment_id,
        created=moment,
        updated=moment,
        name="s.bin",
        size=SIZE,
        sha256=staged.measured.sha256,
        media_type="application/octet-stream",
        tenant="default",
        owner="API_TOKEN",
        dialect="coco",
    )
    storage.commit(attachment_id, attachment.to_record())
    staged.discard()
    return attachment_id


if __name__ == "__main__":
    main()

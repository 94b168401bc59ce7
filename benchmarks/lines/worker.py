"""The store's worker (`app.server`), against gunicorn's own threaded one under the same application: docs/adr/0005."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import requests

from benchmarks.client import Connection, Sample, drive
from benchmarks.lines.base import Form, Group, Line, Side
from benchmarks.parts import MIB, SESSION, Parts, form, request, upload_request
from benchmarks.processor import processor_seconds
from tests.support.app import Server

LARGE = 256 * MIB
#: What is asked of both, by its name in the lines.
_ASKED: dict[str, Callable[[Parts, Server], bytes]] = {
    "HEAD": lambda parts, server: request("HEAD", _path(server, parts.small), server.headers()),
    "download 64 KiB": lambda parts, server: request("GET", _path(server, parts.small), server.headers()),
    "search by session": lambda parts, server: request(
        "GET", f"/attachment/_search?session={SESSION}", server.headers()
    ),
    "upload 64 KiB": lambda parts, server: upload_request(server, parts.small),
}
_CLIENTS = (1, 8, 32)


def _path(server: Server, content: bytes) -> str:
    (attachment_id,) = server.upload(("small.bin", content), session=SESSION)
    return f"/attachment/{attachment_id}"


def _costs(server: Server, asked: bytes, clients: int) -> Side:
    """Seconds of the processor for each request, in the place of a rate."""

    def side(seconds: float) -> Sample:
        before = processor_seconds(server.worker_pids())
        found = drive(server.url, lambda: asked, clients, seconds)
        cost = (processor_seconds(server.worker_pids()) - before) / len(found.seconds)
        return Sample(found.rate, [cost])

    return side


def _group(what: str, clients: int) -> Group:
    def sides(parts: Parts, _: Form) -> Mapping[str, Side]:
        return {
            "store": _costs(parts.store, _ASKED[what](parts, parts.store), clients),
            "gthread": _costs(parts.stock, _ASKED[what](parts, parts.stock), clients),
        }

    return Group(f"worker-{what.split()[0].lower()}-{clients}", sides)


def _large_upload(parts: Parts, _: Form) -> Mapping[str, Side]:
    source = parts.source(LARGE)

    def side(server: Server) -> Side:
        def send(seconds: float) -> Sample:
            size = source.stat().st_size
            head, tail, content_type = form(size)
            length = str(len(head) + size + len(tail))
            headers = {**server.headers(), "Content-Type": content_type, "Content-Length": length}
            connection = Connection(server.url)
            try:
                with source.open("rb") as file:
                    took = connection.exchange_file(request("POST", "/attachment/_upload", headers) + head, file, tail)
                made = json.loads(connection.answer)["attachments"][0]
            finally:
                connection.close()
            requests.delete(f"{server.url}/attachment/{made}", headers=server.headers(), timeout=60).raise_for_status()
            return Sample(size / took, [took])

        return send

    return {"store": side(parts.store), "gthread": side(parts.stock)}


GROUPS = (
    *(_group(what, clients) for what in _ASKED for clients in _CLIENTS),
    Group("worker-large", _large_upload, rounds="slow"),
)
LINES = (
    *(
        line
        for what in _ASKED
        for clients in _CLIENTS
        for line in (
            Line(
                f"worker: {what}, {clients} clients",
                f"worker-{what.split()[0].lower()}-{clients}",
                "store",
                "gthread",
                "rate",
                "/s",
            ),
            Line(
                "the same, processor time of a request",
                f"worker-{what.split()[0].lower()}-{clients}",
                "store",
                "gthread",
                "seconds",
                "s",
            ),
        )
    ),
    Line("worker: upload 256 MiB", "worker-large", "store", "gthread", "rate", "B/s"),
)

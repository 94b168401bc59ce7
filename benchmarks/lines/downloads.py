"""Downloads and HEAD, against nginx serving the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import requests

from benchmarks.client import Connection, Sample, drive
from benchmarks.lines.base import Form, Group, Line, Side
from benchmarks.parts import MIB, Parts, request
from tests.support.app import Server

LARGE = 256 * MIB
#: All but the first and the last byte.
RANGE = {"Range": f"bytes=1-{LARGE - 2}"}


def _uploaded(server: Server, content: bytes) -> str:
    (attachment_id,) = server.upload(("small.bin", content))
    return attachment_id


def _small(clients: int) -> Callable[[Parts, Form], Mapping[str, Side]]:
    def sides(parts: Parts, _: Form) -> Mapping[str, Side]:
        store, behind = parts.store, parts.handing_over
        direct = request("GET", f"/attachment/{_uploaded(store, parts.small)}", store.headers())
        handed = request("GET", f"/attachment/{_uploaded(behind, parts.small)}", behind.headers())
        static = request("GET", "/static/small.bin")
        return {
            "store": lambda seconds: drive(store.url, lambda: direct, clients, seconds),
            "nginx": lambda seconds: drive(parts.nginx, lambda: static, clients, seconds),
            "handed to nginx": lambda seconds: drive(parts.nginx, lambda: handed, clients, seconds),
        }

    return sides


def _large(parts: Parts, _: Form) -> Mapping[str, Side]:
    source = parts.source(LARGE)
    address = parts.nginx
    static = parts.folder / "static" / "large.bin"
    if not static.exists():
        static.hardlink_to(source)
    with source.open("rb") as file:
        sent = requests.post(
            f"{parts.store.url}/attachment/_upload", headers=parts.store.headers(), files={"files": file}, timeout=60
        )
    sent.raise_for_status()
    path = f"/attachment/{sent.json()['attachments'][0]}"
    whole = request("GET", path, parts.store.headers()), request("GET", "/static/large.bin")
    part = request("GET", path, {**parts.store.headers(), **RANGE}), request("GET", "/static/large.bin", RANGE)
    return {
        "store": lambda seconds: _bytes(parts.store.url, whole[0], LARGE, seconds),
        "nginx": lambda seconds: _bytes(address, whole[1], LARGE, seconds),
        "store, Range": lambda seconds: _bytes(parts.store.url, part[0], LARGE - 2, seconds),
        "nginx, Range": lambda seconds: _bytes(address, part[1], LARGE - 2, seconds),
    }


def _bytes(url: str, wanted: bytes, size: int, seconds: float) -> Sample:
    connection = Connection(url)
    try:
        taken = [connection.exchange(wanted) for _ in range(3)]
        while sum(taken) < seconds:
            taken.append(connection.exchange(wanted))
    finally:
        connection.close()
    return Sample(size * len(taken) / sum(taken), taken)


def _head(parts: Parts, _: Form) -> Mapping[str, Side]:
    store = parts.store
    path = f"/attachment/{_uploaded(store, parts.small)}"
    head, whole = request("HEAD", path, store.headers()), request("GET", path, store.headers())
    return {
        "HEAD": lambda seconds: drive(store.url, lambda: head, 8, seconds),
        "download": lambda seconds: drive(store.url, lambda: whole, 8, seconds),
    }


GROUPS = (
    Group("download-1", _small(1)),
    Group("download-8", _small(8)),
    Group("download-large", _large),
    Group("head", _head),
)
LINES = (
    Line("download 64 KiB, 1 client", "download-1", "store", "nginx", "rate", "/s", least=0.12),
    Line("download 64 KiB, 8 clients", "download-8", "store", "nginx", "rate", "/s", least=0.12),
    Line("the same, handed to nginx, 1 client", "download-1", "handed to nginx", "nginx", "rate", "/s"),
    Line("the same, handed to nginx, 8 clients", "download-8", "handed to nginx", "nginx", "rate", "/s"),
    Line("download 256 MiB, whole", "download-large", "store", "nginx", "rate", "B/s", least=0.9),
    Line("download 256 MiB, by Range", "download-large", "store, Range", "nginx, Range", "rate", "B/s", least=0.9),
    Line("HEAD, 8 clients, against the 64 KiB download", "head", "HEAD", "download", "rate", "/s", least=1.2),
)

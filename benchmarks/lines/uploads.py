"""Uploads: small ones against the bare index call, a large one against nginx, and the memory of many large ones."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from app.ids import new_xid
from app.index.source import source_of
from app.model.attachment import Attachment, now
from benchmarks.client import Connection, Sample, drive
from benchmarks.lines.base import Form, Group, Line, Side
from benchmarks.memory import Peak, resident
from benchmarks.parts import GIB, MIB, SESSION, SMALL, Parts, form, json_request, request, upload_request
from tests.support.app import Server

MANY = 32
PARALLEL, PARALLEL_SIZE = 8, 256 * MIB


def _bare(parts: Parts, refresh: str) -> Callable[[], bytes]:
    """Requests that index the document of an upload such as this, each under an id of its own."""

    def make() -> bytes:
        moment = now()
        attachment = Attachment(
            id=new_xid(),
            created=moment,
            updated=moment,
            name="some file.bin",
            size=SMALL,
            sha256="0" * 64,
            media_type="application/octet-stream",
            tenant="default",
            owner="all",
            dialect="coco",
            session=SESSION,
        )
        document = source_of(attachment)
        return json_request("PUT", f"/{parts.bare_index}/_doc/{document['id']}?refresh={refresh}", document)

    return make


def _small(clients: int, waits: bool) -> Callable[[Parts, Form], Mapping[str, Side]]:
    def sides(parts: Parts, _: Form) -> Mapping[str, Side]:
        upload = upload_request(parts.store, parts.small)
        node = parts.node.url
        found: dict[str, Side] = {
            "store": lambda seconds: drive(parts.store.url, lambda: upload, clients, seconds),
            "refresh=true": lambda seconds: drive(node, _bare(parts, "true"), clients, seconds),
        }
        if waits:
            # Three of them take three seconds.
            found["refresh=wait_for"] = lambda _: drive(node, _bare(parts, "wait_for"), clients, 0, least=3)
        return found

    return sides


def _large(parts: Parts, _: Form) -> Mapping[str, Side]:
    source = parts.source(GIB)
    return {
        "store": lambda _: _delete_after(parts.store, lambda: _send_large(parts.store, source)),
        "nginx": lambda _: _put(parts, source),
    }


def _send_large(server: Server, source: Path) -> tuple[Sample, str]:
    size = source.stat().st_size
    head, tail, content_type = form(size)
    headers = {**server.headers(), "Content-Type": content_type, "Content-Length": str(len(head) + size + len(tail))}
    connection = Connection(server.url)
    try:
        with source.open("rb") as file:
            took = connection.exchange_file(request("POST", "/attachment/_upload", headers) + head, file, tail)
        return Sample(size / took, [took]), json.loads(connection.answer)["attachments"][0]
    finally:
        connection.close()


def _delete_after(server: Server, act: Callable[[], tuple[Sample, str]]) -> Sample:
    _settle()
    sample, attachment_id = act()
    server.delete(f"/attachment/{attachment_id}").raise_for_status()
    return sample


def _put(parts: Parts, source: Path) -> Sample:
    """nginx's PUT, and then what the store does besides: the bytes on the disk and their digest."""
    size = source.stat().st_size
    address, target = parts.nginx, parts.folder / "put" / "large.bin"
    _settle()
    connection = Connection(address)
    try:
        began = time.perf_counter()
        with source.open("rb") as file:
            connection.exchange_file(request("PUT", "/put/large.bin", {"Content-Length": str(size)}), file)
        subprocess.run(["sync", str(target)], check=True)
        subprocess.run(["sha256sum", str(target)], check=True, stdout=subprocess.DEVNULL)
        took = time.perf_counter() - began
    finally:
        connection.close()
    target.unlink()
    return Sample(size / took, [took])


def _settle() -> None:
    """What the other side left to be written would be paid by this one."""
    os.sync()


def _memory(parts: Parts, _: Form) -> Mapping[str, Side]:
    source = parts.source(PARALLEL_SIZE)
    server = parts.serve()
    # As a server is that has worked: every thread has had a small upload.
    small = upload_request(server, parts.small)
    drive(server.url, lambda: small, MANY, 1.0)

    def measure(_: float) -> Sample:
        failed: list[BaseException] = []

        def send() -> None:
            try:
                _, attachment_id = _send_large(server, source)
                server.delete(f"/attachment/{attachment_id}").raise_for_status()
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=send) for _ in range(PARALLEL)]
        before = resident(server)
        with Peak(server) as peak:
            for each in threads:
                each.start()
            for each in threads:
                each.join()
        if failed:
            raise failed[0]
        return Sample(peak.value - before)

    return {"store": measure}


GROUPS = (
    Group("upload-1", _small(1, True)),
    Group("upload-32", _small(MANY, False)),
    Group("upload-large", _large, rounds="slow"),
    Group("memory", _memory, rounds="slow"),
)
_LONE = "small upload, 64 KiB, 1 client, acknowledged and searchable"
LINES = (
    Line(_LONE, "upload-1", "store", "refresh=true", "seconds", "s", most=1.5),
    Line("the same", "upload-1", "store", "refresh=wait_for", "seconds", "s", most=1 / 30),
    Line(f"small uploads, {MANY} clients", "upload-32", "store", "refresh=true", "rate", "/s", least=3),
    Line("large multipart upload, 1 GiB", "upload-large", "store", "nginx", "rate", "B/s", least=1),
    Line("memory of 8 parallel 256 MiB uploads, MiB more", "memory", "store", None, "number", "MiB", most=48),
)

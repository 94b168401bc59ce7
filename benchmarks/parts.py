"""What the measurements run against, each started when a line first needs it and ended with the run."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from app.embedded_node import EmbeddedNode
from app.index import mappings
from app.settings import Settings
from tests.support.app import Server, running_server

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SMALL = 64 * KIB
SESSION = "benchmark"

#: As the product has it by default, where the tests are more patient.
_WAIT: dict[str, Any] = {"ELASTICSEARCH_TIMEOUT": f"{Settings().elasticsearch_timeout:g}"}
#: As scripts/serve has them; the test's own defaults, which differ, are put back.
PRODUCT: dict[str, Any] = {
    **_WAIT,
    "EXTRACTION": "on",
    "EMBEDDINGS": "builtin",
    "RECONCILE_INTERVAL": "2",
    "MAX_FILE_SIZE": "2GiB",
    "MAX_REQUEST_SIZE": "3GiB",
}
PREFIX = "/_attachments/"
#: Where programs lie that ordinary users may not have on their PATH.
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"

_NGINX = """
daemon off; user root; worker_processes auto; pid {folder}/nginx.pid; error_log {folder}/nginx.log warn;
events {{ worker_connections 1024; }}
http {{
    sendfile on; tcp_nopush on; tcp_nodelay on; access_log off; keepalive_requests 100000000; default_type text/plain;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; client_max_body_size 0;
    upstream store {{ server 127.0.0.1:{store}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        location /static/ {{ alias {folder}/static/; }}
        location /put/ {{ alias {folder}/put/; dav_methods PUT; client_body_buffer_size 256k; }}
        location / {{ proxy_pass http://store; proxy_http_version 1.1; proxy_set_header Connection ""; }}
        location /_attachments/ {{ internal; alias {attachments}/; }}
    }}
}}
"""


class Missing(Exception):
    """The machine lacks something to compare with. The message names it, and how to get it."""


def program(name: str, package: str) -> str:
    """The path of a program. Raises Missing, which names Debian's package of it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{SYSTEM_PATH}")
    if found is None:
        raise Missing(f"{name} is missing (on Debian and Ubuntu: apt-get install {package})")
    return found


@contextlib.contextmanager
def server_for_run(**environment: str) -> Iterator[Server]:
    """A server on data of its own and the Elasticsearch that ELASTICSEARCH_URL names, or an embedded node for the run.

    `environment`: settings by their names, in the place of the tests' own.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        url = (
            os.environ.get("ELASTICSEARCH_URL")
            or stack.enter_context(EmbeddedNode(folder / "node", open_to_all=True)).url
        )
        yield stack.enter_context(running_server(folder, url, **{**_WAIT, **environment}))


class Parts:
    """A context that ends everything it started and removes what it wrote."""

    def __init__(self, folder: Path | None, optimized: bool) -> None:
        """`folder`: where all data goes, on the disk to be measured. `optimized`: let the node's JVM compile as far as
        it can, which takes minutes to pay; the default is what scripts/serve starts."""
        self._stack = contextlib.ExitStack()
        self._parent = folder
        self._options = ["-XX:TieredStopAtLevel=4"] if optimized else []

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=self._parent)))
        # nginx's processes look into it.
        self.folder.chmod(0o755)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @functools.cached_property
    def node(self) -> EmbeddedNode:
        """A node with data of its own on a free port."""
        return self._stack.enter_context(
            EmbeddedNode(self.folder / "node", jvm_options=self._options, open_to_all=True)
        )

    def serve(self, **environment: str) -> Server:
        """Another server, on data of its own."""
        settings = {**PRODUCT, **environment}
        return self._stack.enter_context(running_server(self.folder / "servers", self.node.url, **settings))

    @functools.cached_property
    def store(self) -> Server:
        """The server under test, with some attachments in it and nginx's processor caches as warm as its own."""
        server = self.serve()
        for _ in range(20):
            server.upload(("small.bin", self.small), session=SESSION)
        return server

    @functools.cached_property
    def stock(self) -> Server:
        """The same with gunicorn's own threaded worker."""
        settings = {**PRODUCT, "configuration": "python:benchmarks.stock"}
        server = self._stack.enter_context(running_server(self.folder / "servers", self.node.url, **settings))
        for _ in range(20):
            server.upload(("small.bin", self.small), session=SESSION)
        return server

    @functools.cached_property
    def handing_over(self) -> Server:
        """A server that leaves the bytes to nginx; its clients go to `nginx`."""
        return self.serve(ACCEL_REDIRECT=PREFIX)

    @functools.cached_property
    def small(self) -> bytes:
        return os.urandom(SMALL)

    @functools.cached_property
    def nginx(self) -> str:
        """The address of an nginx that serves `static`, takes PUT below /put/, and proxies to `handing_over`. Raises
        Missing."""
        nginx = program("nginx", "nginx-light")
        for name in ("static", "put"):
            (self.folder / name).mkdir(exist_ok=True)
        (self.folder / "static" / "small.bin").write_bytes(self.small)
        with socket.create_server(("127.0.0.1", 0)) as found:
            port = int(found.getsockname()[1])
        configuration = self.folder / "nginx.conf"
        behind = self.handing_over
        attachments = behind.data / "attachments"
        configuration.write_text(
            _NGINX.format(folder=self.folder, port=port, store=behind.port, attachments=attachments)
        )
        process = subprocess.Popen([nginx, "-c", str(configuration)], stderr=subprocess.DEVNULL)
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)
        url = f"http://127.0.0.1:{port}"
        for _ in range(200):
            with contextlib.suppress(requests.RequestException):
                requests.get(f"{url}/static/small.bin", timeout=5)
                return url
            time.sleep(0.05)
        raise RuntimeError("nginx does not answer")

    @functools.cached_property
    def bare_index(self) -> str:
        """An index with the store's own mapping and no store, for the bare calls."""
        definition = mappings.load(mappings.MAPPINGS / "coco_attachment.json")
        requests.put(f"{self.node.url}/bare", json=definition, timeout=30).raise_for_status()
        return "bare"

    def source(self, size: int) -> Path:
        """A file of `size` random bytes, whole in memory and on disk."""
        path = self.folder / f"source-{size}"
        if not path.exists():
            piece = os.urandom(MIB)
            with path.open("wb") as file:
                for _ in range(size // MIB):
                    file.write(piece)
                os.fsync(file.fileno())
        return path


def form(size: int, session: str = SESSION) -> tuple[bytes, bytes, str]:
    """Head and tail of a form around a file of `size` bytes, and its content type."""
    boundary = "----benchmark7MA4YWxkTrZu0gW"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="session"\r\n\r\n{session}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="some file.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode(), f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def request(method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """A request as bytes."""
    fields = {"Host": "127.0.0.1", "Accept": "*/*", "User-Agent": "benchmark", **(headers or {})}
    if body or method in ("POST", "PUT"):
        fields.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def upload_request(server: Server, content: bytes, session: str = SESSION) -> bytes:
    """A small upload of `content` in the Coco dialect."""
    head, tail, content_type = form(len(content), session)
    headers = {**server.headers(), "Content-Type": content_type}
    return request("POST", "/attachment/_upload", headers, head + content + tail)


def json_request(method: str, path: str, body: object) -> bytes:
    """A request of Elasticsearch."""
    return request(method, path, {"Content-Type": "application/json"}, json.dumps(body).encode())

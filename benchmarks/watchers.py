"""Uploads, downloads and searches per second beside idle git watchers, by worker model.

    ELASTICSEARCH_URL=http://127.0.0.1:9200 python benchmarks/watchers.py

Each model serves the same load with 0 and with 100 idle watchers; rounds are interleaved and the medians printed. The
indices it makes are removed. docs/adr/0005-worker-model.md rests on it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

CLIENTS = 4
SECONDS = 2.0
ROUNDS = 2
WATCHERS = 100
ORGANIZATION = "497f6eca-6276-4993-bfeb-53cbbbba6f08"
PARKED = "/parked"


@dataclass(frozen=True)
class Model:
    name: str
    threads: int
    #: Whether a watcher keeps its worker thread, as flask-sock does it.
    parked: bool


MODELS = (
    Model("gthread, 16 threads, sockets handed over", 16, False),
    Model("gthread, 16 threads, a thread a watcher", 16, True),
    Model("gthread, 128 threads, a thread a watcher", 128, True),
)


def parking_app() -> Any:
    """The application with one more path, whose request stays in its thread until the client is gone."""
    from app.web.app import create_app

    application = create_app()
    inner = application.wsgi_app

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] != PARKED:
            return inner(environ, start_response)
        connection = environ["gunicorn.socket"]
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        while connection.recv(4096):
            pass
        raise StopIteration

    application.wsgi_app = serve  # type: ignore[method-assign]
    return application


@contextlib.contextmanager
def served(model: Model, folder: Path, url: str) -> Iterator[tuple[str, str]]:
    """A server of this model; its base URL and a token."""
    token = secrets.token_urlsafe(16)
    alias = f"bench_{secrets.token_hex(6)}"
    (folder / "workspaces" / "default" / "w").mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "-q", str(folder / "workspaces" / "default" / "w")], check=True)
    environment = {
        **os.environ,
        "DATA": str(folder / alias),
        "INDEX": alias,
        "ELASTICSEARCH_URL": url,
        "API_TOKEN": token,
        "WEB_THREADS": str(model.threads),
        "WEB_WORKERS": "2",
        "WORKSPACE_ROOT": str(folder / "workspaces"),
        "DISK_RESERVE": "0",
        "EMBEDDINGS": "off",
        "LOG_LEVEL": "error",
        "PYTHONPATH": str(ROOT),
    }
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = "benchmarks.watchers:parking_app()" if model.parked else "app.web.app:create_app()"
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "gunicorn",
                "-c",
                "python:app.server.config",
                "--bind",
                f"fd://{listener.fileno()}",
                target,
            ],
            cwd=ROOT,
            env=environment,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            requests.get(f"{base}/health", timeout=60)
            yield base, token
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for name in (f"{alias}-000001", f"{alias}_chat-000001"):
                requests.delete(f"{url}/{name}", timeout=30)


def watch(model: Model, base: str, token: str) -> list[socket.socket]:
    """`WATCHERS` idle watchers, as raw sockets: nobody answers pings, which within these seconds does not matter."""
    headers = {"Coder-Session-Token": token}
    path = PARKED
    if not model.parked:
        made = requests.post(f"{base}/api/v2/chats", headers=headers, json={"workspace": "w"}, timeout=60).json()
        path = f"/api/v2/chats/{made['id']}/git/watch"
    host, port = base.removeprefix("http://").split(":")
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nCoder-Session-Token: {token}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    watchers = []
    for _ in range(WATCHERS):
        client = socket.create_connection((host, int(port)))
        client.sendall(request.encode())
        watchers.append(client)
    time.sleep(2)
    return watchers


def rate(act: Callable[[requests.Session], None]) -> float:
    """Acts per second of `CLIENTS` at once."""
    counts = [0] * CLIENTS
    end = time.monotonic() + SECONDS

    def work(number: int) -> None:
        with requests.Session() as session:
            while time.monotonic() < end:
                with contextlib.suppress(requests.RequestException):
                    act(session)
                    counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / SECONDS


def measure(base: str, token: str, file_id: str) -> dict[str, float]:
    def call(session: requests.Session, method: str, path: str, **options: Any) -> requests.Response:
        answer = session.request(method, base + path, headers={"X-API-TOKEN": token}, timeout=SECONDS, **options)
        answer.raise_for_status()
        return answer

    files = {"files": ("n.bin", os.urandom(4096))}
    return {
        "uploads": rate(lambda session: void(call(session, "POST", "/attachment/_upload", files=files))),
        "downloads": rate(lambda session: void(call(session, "GET", f"/attachment/{file_id}"))),
        "searches": rate(lambda session: void(call(session, "GET", "/attachment/_search?size=1"))),
    }


def void(_: object) -> None:
    """Leave the answer: it was read."""


def main() -> None:
    url = os.environ.get("ELASTICSEARCH_URL", "http://127.0.0.1:9200")
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            for model in MODELS:
                with served(model, Path(folder), url) as (base, token):
                    headers = {"X-API-TOKEN": token}
                    sent = requests.post(
                        f"{base}/attachment/_upload",
                        headers=headers,
                        files={"files": ("a", os.urandom(65536))},
                        timeout=60,
                    )
                    file_id = sent.json()["attachments"][0]
                    found.setdefault((model.name, 0), []).append(measure(base, token, file_id))
                    watchers = watch(model, base, token)
                    found.setdefault((model.name, WATCHERS), []).append(measure(base, token, file_id))
                    for each in watchers:
                        each.close()
    print("| worker model | idle watchers | uploads/s | downloads/s | searches/s |")
    print("|---|---|---|---|---|")
    for (name, watchers_number), rounds in found.items():
        medians = (statistics.median(each[kind] for each in rounds) for kind in ("uploads", "downloads", "searches"))
        print(f"| {name} | {watchers_number} | " + " | ".join(f"{each:.0f}" for each in medians) + " |")


if __name__ == "__main__":
    main()

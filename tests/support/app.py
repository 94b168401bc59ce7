"""Fixtures that start the product: the real server under gunicorn, on a data folder and an index of its own."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from app.auth.tokens import DEFAULT_TENANT, SCOPES, Tokens
from app.coordination.local import Local
from app.coordination.local.data_folder import reaching
from app.settings import Settings

ROOT = Path(__file__).parents[2]
START_SECONDS = 120.0
STOP_SECONDS = 90.0


@dataclass
class Server:
    """One running server. `token` has every scope for the default tenant."""

    data: Path
    index: str
    elasticsearch_url: str
    environment: dict[str, str]
    listener: socket.socket
    #: What gunicorn is told to run, and by which configuration.
    application: str = "app.web.app:create_app()"
    configuration: str = "python:app.server.config"
    token: str = ""
    #: A command that the server is started by, such as one that takes something of the machine away, or that of
    #: tests/support/namespaces.py.
    launcher: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    tokens: Tokens = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = Tokens(Local(self.data).tokens)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.data.parent / f"{self.data.name}.log"

    def start(self, *, wait: bool = True) -> None:
        """Start gunicorn on the listener, which outlives restarts: the port stays the same. `wait`: until it answers."""
        descriptor = self.listener.fileno()
        with self.log.open("ab") as log:
            command = [
                sys.executable,
                "-m",
                "gunicorn",
                "-c",
                self.configuration,
                "--bind",
                f"fd://{descriptor}",
            ]
            self.process = subprocess.Popen(
                [*self.launcher, *command, self.application],
                cwd=ROOT,
                env={**os.environ, **self.environment},
                pass_fds=[descriptor],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            self.await_answer()

    def await_answer(self) -> None:
        """Wait until the server answers its health, well or not, and all its workers serve."""
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}\n{self.log.read_text()[-4000:]}")
            with contextlib.suppress(requests.RequestException):
                requests.get(f"{self.url}/health", timeout=10)
                if self._all_serve():
                    return
            time.sleep(0.05)
        raise TimeoutError(f"the server does not answer\n{self.log.read_text()[-4000:]}")

    def await_health(self, status: int = 200, seconds: float = 90.0) -> None:
        """Wait until `/health` answers with `status`."""
        deadline = time.monotonic() + seconds
        while True:
            answer = requests.get(f"{self.url}/health", timeout=60)
            if answer.status_code == status:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"/health still says {answer.status_code} {answer.text}")
            time.sleep(0.1)

    def _all_serve(self) -> bool:
        """Whether each worker has its threads, which it starts last."""
        settings = Settings.from_environ({**os.environ, **self.environment})
        # Whichever of them ends just now.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pids = self.worker_pids()
            threads = [len(os.listdir(f"/proc/{pid}/task")) for pid in pids]
            # Besides those that serve, the main one and the watch over slow clients. gunicorn's own worker starts its
            # threads with its requests.
            least = settings.web_threads + 2 if self.configuration == type(self).configuration else 1
            return len(pids) >= settings.worker_processes and min(threads) >= least
        return False

    def worker_pids(self) -> list[int]:
        """The process ids of the workers."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(each) for each in children.split()]

    def accepted(self) -> list[int]:
        """The connections that each worker has accepted."""
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        ours = {fields[9] for fields in lines if fields[1].endswith(f":{self.port:04X}") and fields[3] == "01"}
        counts = []
        for pid in self.worker_pids():
            links = []
            for each in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    links.append(os.readlink(each))
            counts.append(sum(each.removeprefix("socket:[").removesuffix("]") in ours for each in links))
        return counts

    def stop(self) -> int:
        """End the server in order; its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(STOP_SECONDS)
        self.process = None
        return status

    def kill(self) -> None:
        """Kill the master and its workers with SIGKILL, as a crash of the machine's user session would."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def make_token(
        self, *scopes: str, tenant: str = DEFAULT_TENANT, expires: datetime | None = None, name: str | None = None
    ) -> str:
        """A new token; without `scopes` it has all of them."""
        return self.tokens.create(
            name or f"test-{secrets.token_hex(6)}", scopes=scopes or SCOPES, tenant=tenant, expires=expires
        )

    def headers(self, token: str | None = None) -> dict[str, str]:
        """The headers with which Coco clients show a token."""
        return {"X-API-TOKEN": token or self.token}

    def request(self, method: str, path: str, *, token: str | None = None, **options: Any) -> requests.Response:
        """A request in the Coco dialect. `options` are those of requests."""
        headers = {**self.headers(token), **options.pop("headers", {})}
        return requests.request(method, self.url + path, headers=headers, timeout=60, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return self.request("POST", path, **options)

    def delete(self, path: str, **options: Any) -> requests.Response:
        return self.request("DELETE", path, **options)

    def upload(self, *files: tuple[str, bytes], session: str | None = None, token: str | None = None) -> list[str]:
        """Upload (name, content) pairs through the Coco dialect; their ids."""
        path = f"/chat/{session}/_upload" if session else "/attachment/_upload"
        answer = self.post(path, token=token, files=[("files", each) for each in files])
        assert answer.status_code == 200, answer.text
        ids: list[str] = answer.json()["attachments"]
        return ids

    def hits(self, query: str = "", token: str | None = None) -> list[dict[str, Any]]:
        """The hits of a search, such as `hits("session=s1")`."""
        answer = self.get(f"/attachment/_search?{query}", token=token)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["hits"]["hits"]
        return found

    def stored_files(self) -> list[str]:
        """What lies in the store's folders (attachments, incoming, journal), as sorted relative paths; without the
        journal's spare files."""
        # Not by rglob, which takes a quarter of a second for the 4096 folders; this is asked often.
        walks = itertools.chain(*(os.walk(self.data / name) for name in ("attachments", "incoming", "journal")))
        found = (os.path.relpath(f"{folder}/{name}", self.data) for folder, _, names in walks for name in names)
        return sorted(each for each in found if not each.endswith(".spare"))


ServerFactory = Callable[..., Server]


def unique_index() -> str:
    """An alias that no other test uses, on a server that others may use too."""
    return f"test_{secrets.token_hex(6)}"


def delete_index(elasticsearch_url: str, alias: str) -> None:
    """Remove the generations that a test's server made."""
    assert re.fullmatch(r"test_[0-9a-f]{12}", alias)
    # By their full names: Elasticsearch deletes nothing by a pattern unless it is told that it may.
    found = requests.get(f"{elasticsearch_url}/{alias}-*,{alias}_chat-*?filter_path=*.aliases", timeout=120).json()
    for name in found:
        requests.delete(f"{elasticsearch_url}/{name}", timeout=120)


@contextlib.contextmanager
def running_server(
    folder: Path,
    elasticsearch_url: str,
    *,
    start: bool = True,
    application: str = "",
    configuration: str = "",
    launcher: tuple[str, ...] = (),
    **environment: str,
) -> Iterator[Server]:
    """A server on data in `folder`, ended and its index removed at the end. `environment`: settings by their names."""
    alias = environment.get("INDEX") or unique_index()
    data = folder / f"data-{secrets.token_hex(3)}"
    data.mkdir(parents=True)
    settings = {
        "DATA": str(data),
        "INDEX": alias,
        "RECONCILE_INTERVAL": "0.2",
        "DISK_RESERVE": "0",
        # The machine may be busy, and Elasticsearch with what others ask of it: a test that is about the time says its own.
        "ELASTICSEARCH_TIMEOUT": "20",
        # Its tests ask for it: the others look at the files and documents of the upload alone.
        "EXTRACTION": "off",
        # The same: a process of 160 MiB, and a second of processor time at each start.
        "EMBEDDINGS": "off",
        **environment,
    }
    settings = reaching(settings.get("ELASTICSEARCH_URL", elasticsearch_url), settings)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(data, alias, elasticsearch_url, settings, listener)
        server.application = application or server.application
        server.configuration = configuration or server.configuration
        server.launcher = launcher
        server.token = server.make_token(name="all")
        try:
            if start:
                server.start()
            yield server
        finally:
            if server.process is not None:
                server.stop()
            if "INDEX" not in environment:
                delete_index(server.elasticsearch_url, alias)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    """A server that the whole run shares: tests tell their attachments apart by session or tenant."""
    with running_server(tmp_path_factory.mktemp("shared"), elasticsearch_url) as running:
        yield running


@pytest.fixture
def start_server(tmp_path: Path, elasticsearch_url: str) -> Iterator[ServerFactory]:
    """Starts servers for one test alone: `start_server(MAX_FILE_SIZE="1000")`; `start=False` leaves the start to it."""
    with contextlib.ExitStack() as stack:

        def start(**options: Any) -> Server:
            url = options.pop("elasticsearch_url", elasticsearch_url)
            return stack.enter_context(running_server(tmp_path, url, **options))

        yield start

"""`scripts/serve`: what it prints, what it stops, and that nothing blocks the next start."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.ports import reserved_port

# The first start also prepares what makes later ones fast: minutes on a busy machine.
pytestmark = [pytest.mark.timeout(900), pytest.mark.any_user]

ROOT = Path(__file__).parents[3]
START_SECONDS = 300.0
STOP_SECONDS = 120.0


class Served:
    """One running `scripts/serve` with a data folder of its own."""

    def __init__(self, data: Path, port: int, **environment: str) -> None:
        self.data = data
        self.url = f"http://127.0.0.1:{port}"
        self.lines: list[str] = []
        # The node is its own, whatever the tests themselves use, and it compiles what it runs, whatever they do.
        others = ("ELASTICSEARCH_URL", "API_TOKEN", "PYTHONDONTWRITEBYTECODE")
        given = {name: value for name, value in os.environ.items() if name not in others}
        self.process = subprocess.Popen(
            [str(ROOT / "scripts" / "serve"), "--port", str(port), "--data", str(data)],
            env={**given, "RECONCILE_INTERVAL": "0.2", "DISK_RESERVE": "0", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(iter(self.process.stdout.readline, ""))

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def await_output(self, text: str, seconds: float = START_SECONDS) -> None:
        wait(lambda: text in self.output or self.process.poll() is not None, seconds)
        assert text in self.output, self.output

    def await_ready(self) -> None:
        self.await_output(f"The attachment store is ready: {self.url}\n")

    def token(self) -> str:
        self.await_output("API token (shown only this once): ", 60)
        token: str = re.findall(r"API token \(shown only this once\): (\S+)\n", self.output)[0]
        return token

    def upload(self, token: str, name: str) -> str:
        answer = requests.post(
            f"{self.url}/chat/doors/_upload",
            files={"files": (name, name.encode())},
            headers={"X-API-TOKEN": token},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["attachments"][0])

    def found(self, token: str) -> set[str]:
        answer = requests.get(
            f"{self.url}/attachment/_search?session=doors&size=100", headers={"X-API-TOKEN": token}, timeout=30
        )
        assert answer.status_code == 200, answer.text
        return {hit["_id"] for hit in answer.json()["hits"]["hits"]}

    def findings(self) -> tuple[int, str]:
        """The exit code of `scripts/store verify` and what it says, with nothing told but the data folder."""
        given = {name: value for name, value in os.environ.items() if name != "ELASTICSEARCH_URL"}
        command = [str(ROOT / "scripts" / "store"), "verify", "--data", str(self.data)]
        done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout

    def processes(self, command: bytes = b"") -> set[int]:
        """This process and everything below it, of those with `command` in their command line."""
        found, waiting = set(), [self.process.pid]
        while waiting:
            pid = waiting.pop()
            found.add(pid)
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    waiting += [int(each) for each in (task / "children").read_text().split()]
        return {pid for pid in found if command in _command(pid)}

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        status = self.process.wait(STOP_SECONDS)
        self._reader.join(60)
        return status


def wait(holds: Callable[[], Any], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("it never became true")
        time.sleep(0.1)


def _command(pid: int) -> bytes:
    """The command line of a process; empty for one that has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def alive(pids: set[int]) -> set[int]:
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            if "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
                found.add(pid)
    return found


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts `scripts/serve` on `data` below a folder of this test; ends what still runs."""
    started: list[Served] = []

    with contextlib.ExitStack() as ports:

        def start(data: str = "data", port: int | None = None, **environment: str) -> Served:
            started.append(Served(tmp_path / data, port or ports.enter_context(reserved_port()), **environment))
            return started[-1]

        yield start
        for each in started:
            if each.process.poll() is None:
                each.end(signal.SIGTERM)
            if each.process.stdout is not None:
                each.process.stdout.close()


def test_the_life_of_a_store(serve: Callable[..., Served]) -> None:
    """First start, kill -9, second start, a killed node, an orderly end: one store all the way."""
    readers = ROOT / "app" / "extraction" / "readers"
    shutil.rmtree(readers / "__pycache__", ignore_errors=True)
    first = serve()
    first.await_ready()
    assert all(Path(cache_from_source(str(each))).exists() for each in readers.glob("*.py"))
    token = first.token()
    acknowledged = {first.upload(token, f"{n}.txt") for n in range(3)}
    pids = first.processes()
    assert len(pids) >= 4, "serve, the node, gunicorn's master and its workers"
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    wait(lambda: not alive(pids), STOP_SECONDS)

    second = serve(port=int(first.url.rpartition(":")[2]))
    second.await_ready()
    assert "API token" not in second.output
    assert second.found(token) == acknowledged
    # The commands find the node, which answers at another port and to another login after each start.
    assert second.findings() == (0, "0 findings, 0 repaired, 3 attachments, 3 documents\n")
    told = second.data / "elasticsearch" / "url"
    assert told.stat().st_mode & 0o777 == 0o600
    node_url = told.read_text()
    assert requests.get(f"{node_url}/_search", timeout=60).ok
    plain = re.sub("//.*@", "//", node_url)
    assert requests.get(f"{plain}/_search", timeout=60).status_code == 401
    assert requests.post(f"{plain}/coco_attachment/_close", timeout=60).status_code == 401
    assert "is asked without" not in second.output
    password = node_url.split("@")[0].rpartition(":")[2]
    assert password not in second.output
    # Everybody on the machine sees arguments.
    assert len(second.processes(b"app.server.config")) >= 3
    assert second.processes(password.encode()) == set()

    (node,) = second.processes(b"app.embedded_node.bridge")
    os.kill(node, signal.SIGKILL)
    second.await_output("starting it again")
    wait(lambda: requests.get(f"{second.url}/health", timeout=60).status_code == 200, START_SECONDS)
    acknowledged.add(second.upload(token, "after.txt"))
    assert second.found(token) == acknowledged

    pids = second.processes()
    assert second.end(signal.SIGTERM) == 0
    assert second.lines[-1] == "Stopped.\n"
    assert not (second.data / "elasticsearch" / "url").exists()
    assert alive(pids) == set()


def test_two_side_by_side(serve: Callable[..., Served]) -> None:
    one, other = serve("one", API_TOKEN="one-token"), serve("other", API_TOKEN="other-token")
    one.await_ready()
    other.await_ready()
    mine = one.upload("one-token", "mine.txt")
    assert one.found("one-token") == {mine}
    assert other.found("other-token") == set()
    assert (
        requests.get(f"{other.url}/attachment/{mine}", headers={"X-API-TOKEN": "one-token"}, timeout=60).status_code
        == 401
    )
    assert "API token" not in one.output
    assert "one-token" not in one.output
    pids = one.processes()
    assert one.end(signal.SIGINT) == 0
    assert alive(pids) == set()
    assert other.found("other-token") == set()


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"MAX_FILES": "many"}, "MAX_FILES: 'many' is not a whole number from 1 to 1000000"),
        ({"WEB_WORKERS": "0"}, "WEB_WORKERS: '0' is not a whole number from 1 to 256"),
        ({"API_TOKEN": "two words"}, "API_TOKEN: <secret> has characters other than visible ASCII"),
        ({"ELASTICSEARCH_URL": "localhost"}, "ELASTICSEARCH_URL: 'localhost' is not a URL"),
    ],
)
def test_wrong_settings(serve: Callable[..., Served], environment: dict[str, str], sentence: str) -> None:
    served = serve(**environment)
    assert served.process.wait(START_SECONDS) != 0
    wait(lambda: sentence in served.output, 60)
    assert "Traceback" not in served.output


def test_the_index_of_another_store(serve: Callable[..., Served], elasticsearch_url: str, server: Any) -> None:
    served = serve(ELASTICSEARCH_URL=elasticsearch_url, INDEX=server.index)
    assert served.process.wait(START_SECONDS) != 0
    wait(lambda: "belongs to another store" in served.output, 60)
    assert "Traceback" not in served.output
    assert server.get("/health").status_code == 200


def test_a_port_that_is_taken(serve: Callable[..., Served], elasticsearch_url: str, server: Any) -> None:
    served = serve(port=server.port, ELASTICSEARCH_URL=elasticsearch_url, INDEX=server.index)
    assert served.process.wait(START_SECONDS) != 0
    assert "Traceback" not in served.output


def test_killed_while_the_node_starts(serve: Callable[..., Served]) -> None:
    """Nobody is left of what was begun, the server that waits for the node's address included."""
    served = serve()
    served.await_output("Starting Elasticsearch")

    wait(lambda: served.processes(b"early_server"), START_SECONDS)
    pids = served.processes()
    os.kill(served.process.pid, signal.SIGKILL)
    served.process.wait()
    wait(lambda: not alive(pids), STOP_SECONDS)


def test_stopped_while_the_node_starts(serve: Callable[..., Served]) -> None:
    served = serve()
    served.await_output("Starting Elasticsearch")
    pids = served.processes()
    assert served.end(signal.SIGTERM) == 0
    assert served.lines[-1] == "Stopped.\n"
    wait(lambda: not alive(pids), STOP_SECONDS)

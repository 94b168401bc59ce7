"""The product on one machine: an Elasticsearch node if none is named, the server, and one process that watches both."""

from __future__ import annotations

import argparse
import compileall
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from app.auth.tokens import Tokens
from app.coordination.local import Local
from app.coordination.local.data_folder import open_data_folder, telling_node_url
from app.embedded_node import EmbeddedNode
from app.embedded_node.artifacts import ArtifactError
from app.embedded_node.node import NodeError
from app.errors import StoreError
from app.extraction.recognition_data import recognition_folder, recognition_languages
from app.settings import Settings, in_force

ROOT = Path(__file__).parents[2]
# Seconds that the server may take until it answers, and to finish its requests when it is stopped.
START_LIMIT = 60.0
STOP_LIMIT = 40.0
# Seconds between two checks of the processes, and before a node that ended is started again.
WATCH_INTERVAL = 0.5
RESTART_DELAY = 1.0
# Seconds until a signal whose exception was lost is raised again.
REPEAT_INTERVAL = 0.5
PR_SET_PDEATHSIG = 1


def say(text: str) -> None:
    print(text, flush=True)


class Stopped(Exception):
    """SIGTERM or Ctrl-C was received."""


@contextlib.contextmanager
def raising_stopped() -> Iterator[None]:
    """Within the block, SIGTERM and SIGINT raise Stopped in the main thread: once, and not during the shutdown that
    follows. After the block they are ignored.

    Python drops an exception that is raised where no caller can catch it, as in a finalizer or in the callback of a
    weak reference, which each import has. So an alarm raises it again, until it is known to propagate.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        error = sys.exception()
        while error is not None:
            if isinstance(error, Stopped):
                return
            error = error.__context__
        signal.setitimer(signal.ITIMER_REAL, REPEAT_INTERVAL, REPEAT_INTERVAL)
        raise Stopped

    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    for each in signals:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _die_with_parent() -> None:
    """In the child, before it becomes the server: end when this process ends, even by SIGKILL."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_DFL)


def _authority(host: str, port: int) -> str:
    """Host and port as in a URL: an IPv6 address is in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _start_server(host: str, port: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """The server's process, which waits for `_tell_server`."""
    # -P: nothing is imported from the current folder.
    command = [sys.executable, "-P", "-m", "app.commands.early_server"]
    command += ["-c", "python:app.server.config", "--bind", _authority(host, port), "app.web.app:create_app()"]
    # A session of its own: a Ctrl-C at the terminal is for this process, which shuts down the server.
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=_die_with_parent,
    )


def _tell_server(server: subprocess.Popen[bytes], elasticsearch_url: str) -> None:
    """Let the server begin, with this Elasticsearch. If it has ended, `_await_answer` notices that."""
    assert server.stdin is not None
    with contextlib.suppress(BrokenPipeError), server.stdin:
        server.stdin.write(f"{elasticsearch_url}\n".encode())


def _await_answer(url: str, server: subprocess.Popen[bytes]) -> bool:
    """Wait until the server answers. Returns whether it is healthy. Raises SystemExit when it ends or does not
    answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit(server.returncode or 1)
        try:
            with opener.open(f"{url}/health", timeout=10):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 503:
                return False
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit(f"The server on {url} does not answer.")


def _watch(server: subprocess.Popen[bytes], node: EmbeddedNode | None) -> int:
    """Wait for the server's end; start the node again when it ends before. Returns the server's exit status."""
    while server.poll() is None:
        if node is not None and not node.is_alive():
            say("Elasticsearch ended by itself; starting it again.")
            time.sleep(RESTART_DELAY)
            with contextlib.suppress(NodeError):
                node.start()
        time.sleep(WATCH_INTERVAL)
    return server.returncode


def _end_server(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(STOP_LIMIT)
    if server.poll() is None:
        server.kill()
        server.wait()


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return int(text)


def _arguments(argv: list[str] | None, prog: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=prog, description="Start the attachment store.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=9000, help="port to listen on (default: %(default)s)")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("DATA") or "data"),
        help="folder that holds all state (default: ./data, or what DATA says)",
    )
    parser.add_argument("--heap", default="512m", help="heap of the Elasticsearch node (default: %(default)s)")
    parser.add_argument(
        "--check", action="store_true", help="say which settings are in force and where each is from; start nothing"
    )
    return parser.parse_args(argv)


def check(data: Path) -> int:
    """Print every setting as NAME=value, with `default` or `set` and with secrets masked. Returns 0 when the server
    could start with them, otherwise 1."""
    try:
        found = in_force(_environment(data))
    except StoreError as error:
        print(error, file=sys.stderr)
        return 1
    width = max(len(f"{each.name}={each.value}") for each in found)
    for each in found:
        # The default applies to a server that is started in another way.
        own_node = each.name == "ELASTICSEARCH_URL" and not each.is_set
        text = f"{each.name}={'' if own_node else each.value}"
        say(f"{text:{width}}  {'default: a node of its own' if own_node else 'set' if each.is_set else 'default'}")
    return 0


def _environment(data: Path) -> dict[str, str]:
    environment = {**os.environ, "DATA": str(data)}
    if sys.stderr.isatty():
        # A person reads the output.
        environment.setdefault("LOG_FORMAT", "text")
    return environment


def _recognition(settings: Settings) -> str:
    """What is printed about recognition: in which languages, and how to install more."""
    folder = recognition_folder()
    more = "apt-get install tesseract-ocr-"
    if folder is None:
        return f"Text in pictures and scans is not recognized: there is no data ({more}eng)."
    there = recognition_languages(folder)
    chosen = settings.recognition_languages
    missing = [each for each in chosen if each not in there]
    used = ", ".join([each for each in chosen if each in there] or there)
    said = (
        f"Text in pictures and scans is recognized in these languages: {used} (more: {more}deu, for German, and so on)."
    )
    return f"{said} Not installed: {', '.join(missing)}." if missing else said


def compile_application() -> None:
    """Compile the application's modules beside their sources, if that was not done since they were changed.

    The server would do so with the modules that it imports. But each document is read by a process that writes nothing
    (`python -B`), which would compile the same modules every time: a fifth of its time. A folder that can't be written
    is no error; each process itself compiles modules that are changed while the server runs.
    """
    if not sys.dont_write_bytecode:
        compileall.compile_dir(ROOT / "app", quiet=2)


def run(host: str, port: int, data: Path, heap: str) -> int:
    """Serve until stopped. Returns the exit status."""
    environment = _environment(data)
    settings = Settings.from_environ(environment)
    open_data_folder(data)
    token = None if settings.api_token else Tokens(Local(data).tokens).create_first()
    compile_application()
    with contextlib.ExitStack() as stack:
        node = None
        elasticsearch_url = settings.elasticsearch_url
        if "ELASTICSEARCH_URL" not in environment:
            node = EmbeddedNode(data / "elasticsearch", heap=heap)
            # Entered before the server's: it ends after it.
            stack.callback(node.stop)
        server = _start_server(host, port, environment)
        stack.callback(_end_server, server)
        if node is not None:
            say("Starting Elasticsearch ...")
            node.start()
            elasticsearch_url = node.url
            stack.enter_context(telling_node_url(data, node.url))
        say("Starting the server ...")
        _tell_server(server, elasticsearch_url)
        url = f"http://{_authority(host, port)}"
        if not _await_answer(url, server):
            say(f"Not everything is well yet: see {url}/health")
        say(f"The attachment store is ready: {url}")
        say(_recognition(settings))
        if token:
            say(f"API token (shown only this once): {token}")
        return _watch(server, node)


def main(argv: list[str] | None = None, prog: str = "scripts/serve") -> int:
    """Run the server. Returns the exit status."""
    arguments = _arguments(argv, prog)
    if arguments.check:
        return check(arguments.data.absolute())
    try:
        with raising_stopped():
            status = run(arguments.host.strip("[]"), arguments.port, arguments.data.absolute(), arguments.heap)
    except Stopped:
        say("Stopped.")
        status = 0
    except (StoreError, NodeError, ArtifactError, LookupError) as error:
        # For an OSError, the path; the other causes have reported themselves.
        cause = f" ({error.__cause__})" if isinstance(error.__cause__, OSError) else ""
        print(f"The attachment store can't start: {error}{cause}", file=sys.stderr)
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())

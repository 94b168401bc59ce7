"""HTTP servers that a test answers for: what a client of ours asks of others, and what it makes of any answer.

One function answers each request, in a thread of the connection; what it notes and what it says is the test's. A handler
class for each test was rejected: all but a line of each were the same. `tests/support/breaking.py` breaks connections to a
real Elasticsearch; here there is none, unless the function asks one.
"""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message


@dataclass(frozen=True)
class Asked:
    """A request: its method, its path with the query, its headers (whose names have no case) and its whole body."""

    method: str
    path: str
    headers: Message
    body: bytes


@dataclass(frozen=True)
class Answer:
    """The status, the body and further headers of an answer; its length is told for it."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def answering(answer: Callable[[Asked], Answer]) -> Iterator[str]:
    """The URL, without a final slash, of a server on the loopback whose every request `answer` answers. Connections are kept
    open (HTTP/1.1). Returns when the last of them has ended."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = answer(Asked(self.command, self.path, self.headers, body))
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(found.body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = False  # so that closing it waits for them
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()

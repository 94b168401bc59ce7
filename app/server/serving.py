"""One request and its response. The application makes it in one call; any thread sends it, as fast as the client
receives it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from gunicorn.config import Config
from gunicorn.http.wsgi import FileWrapper, create

from app.server.request import Head
from app.server.response import BufferedResponse


class Serving:
    """Serves `request`. Only the thread that has the connection may call these methods."""

    def __init__(self, request: Head, connection: socket.socket, client: Any, server: Any, settings: Config) -> None:
        self.began = datetime.now()
        self._request = request
        self.answer: BufferedResponse
        self.environ: dict[str, Any]
        self.answer, self.environ = create(
            request, connection, client, server, settings, response_class=BufferedResponse
        )
        self.environ["wsgi.multithread"] = True
        self._body: Any = None
        self._pieces: Iterator[bytes] = iter(())
        self._closed = False
        self._over = False

    def begin(self, application: Any) -> None:
        """Let the application make the response."""
        self._body = body = application(self.environ, self.answer.start_response)
        if not (isinstance(body, FileWrapper) and self.answer.sendfile(body)):
            self._pieces = iter(body)

    def send(self) -> bool:
        """Send as much as the client accepts now. Returns whether that was everything."""
        answer = self.answer
        while answer.flush():
            piece = next(self._pieces, None)
            if piece is not None:
                answer.write(piece)
            elif self._closed:
                return True
            else:
                self._closed = True
                answer.close()
        return False

    def end(self, log: Any) -> None:
        """End it, after it was sent or aborted."""
        if self._over or self._body is None:
            return
        self._over = True
        log.access(self.answer, self._request, self.environ, datetime.now() - self.began)
        if hasattr(self._body, "close"):
            self._body.close()

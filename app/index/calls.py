"""Calls to Elasticsearch, bytes out and bytes in, past the methods of Elastic's client.

A search through these takes four times the processor time of the same bytes over a socket, which was most of a small
request. So the calls that every upload and every search makes use the same nodes (`app.index.nodes`) without them; the
others use the client.

Rejected: connections outside the client's pool (a node that one counts as dead is alive for the other).
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

import httptools

from app.errors import (
    IndexOutcomeUnknown,
    IndexRejected,
    IndexUnavailable,
    SearchTimedOut,
    StoreError,
    WrongIndex,
)
from app.index.node import Answer, NotSent
from app.index.nodes import Nodes

#: Statuses with which a healthy server refuses a request for now; it had no effect. 404: the index is missing.
_REFUSED_FOR_NOW = {403, 408, 429}
#: The answer to a search that Elasticsearch ended at the time limit that came with it.
TIMED_OUT = 504
NOT_TRUSTED = "The certificate of Elasticsearch is not trusted"
NOT_ELASTICSEARCH = "the server at ELASTICSEARCH_URL is not Elasticsearch"


def error_from_status(status: int) -> StoreError:
    """The error that an answer other than success means for the caller."""
    if status == 404:
        return IndexUnavailable("The index is missing")
    if status == 401:
        return IndexUnavailable("Elasticsearch does not accept the user and password, or the API key")
    if status in _REFUSED_FOR_NOW:
        return IndexUnavailable()
    if status == TIMED_OUT:
        return SearchTimedOut()
    return IndexOutcomeUnknown() if status >= 500 else IndexRejected()


class Calls:
    """Calls without Elastic's client."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def ask(
        self,
        path: str,
        body: bytes,
        media_type: str,
        accept: str,
        opaque_id: str | None,
        left: Callable[[], float],
        *,
        method: str = "POST",
        refused: Callable[[int, bytes], StoreError] = lambda status, _: error_from_status(status),
        client: socket.socket | None = None,
    ) -> Answer:
        """Send `body` and return the successful answer. The store itself makes `path` and the types; `left` and `client` as
        in `Nodes.call`.

        Raises IndexUnavailable or IndexRejected when it certainly had no effect, IndexOutcomeUnknown when nobody knows,
        WrongIndex when something else answered, ClientGone, AnswerTooLarge. `refused` turns an answer other than success
        into another error.
        """
        fields = f"Accept: {accept}\r\nContent-Type: {media_type}\r\n"
        if opaque_id is not None:
            fields += f"X-Opaque-Id: {opaque_id}\r\n"
        try:
            answer = self._nodes.call(method, path, fields, body, left, client)
        except NotSent as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise IndexUnavailable(NOT_TRUSTED) from error
            raise IndexUnavailable() from error
        except (OSError, httptools.HttpParserError) as error:
            raise IndexOutcomeUnknown() from error
        if not 200 <= answer.status < 300:
            raise IndexOutcomeUnknown() if answer.done_before else refused(answer.status, answer.content)
        if answer.fields.get(b"x-elastic-product") != b"Elasticsearch":
            raise WrongIndex(NOT_ELASTICSEARCH)
        return answer

    def close(self) -> None:
        self._nodes.close()

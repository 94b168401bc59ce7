"""The connection to Elasticsearch, and the store's own errors for its refusals.

Two questions decide what follows from a failed call: whether Elasticsearch did it (certainly not, or it is unknown),
and whether it would do it later. `index_errors` answers both, once, for every call.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from elastic_transport import ConnectionError as NodeConnectionError
from elastic_transport import (
    ConnectionTimeout,
    SerializationError,
    TransportError,
)
from elasticsearch import ApiError, Elasticsearch, ElasticsearchWarning, UnsupportedProductError

from app.errors import IndexOutcomeUnknown, IndexUnavailable, StoreError, WrongIndex
from app.index import refusals
from app.index.admission import Gate, time_left
from app.index.calls import NOT_ELASTICSEARCH, NOT_TRUSTED, Calls, error_from_status
from app.index.node import Answer, NotSent, node_configs
from app.index.nodes import ClientTransport, client_options
from app.settings import Settings
from app.telemetry.observation import request_id

log = logging.getLogger(__name__)

OLDEST_MAJOR = 8

#: Seconds, for a search that nobody waits for any more: between two checks whether it has ended; until one that can't
#: be observed counts as ended; and until any counts as ended.
LOOK, UNKNOWN, LONGEST = 0.25, 30.0, 600.0


@contextlib.contextmanager
def index_errors() -> Iterator[None]:
    """Turn what the client raises into IndexUnavailable, IndexOutcomeUnknown, IndexRejected or WrongIndex."""
    try:
        yield
    except (ConnectionTimeout, NodeConnectionError) as error:
        if _not_trusted(error):
            raise IndexUnavailable(NOT_TRUSTED) from error
        # `ClientTransport` gives the one error that all attempts amount to.
        never_sent = isinstance(error.__cause__, NotSent)
        raise (IndexUnavailable() if never_sent else IndexOutcomeUnknown()) from error
    except SerializationError as error:
        # An answer came, so the request was received; but the answer is cut off or not JSON.
        raise IndexOutcomeUnknown() from error
    except UnsupportedProductError as error:
        raise WrongIndex(NOT_ELASTICSEARCH) from error
    except TransportError as error:
        raise IndexUnavailable() from error
    except ApiError as error:
        raise error_from_status(error.meta.status) from error


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def to_json(value: Mapping[str, Any]) -> bytes:
    """`value` as Elastic's client would send it."""
    return _encode(value).encode("utf-8", "surrogatepass")


def _block(description: str, levels: Sequence[str]) -> str:
    """A block of `_cluster/state/blocks`, in words."""
    if description == "index closed":
        return "closed"
    if "read" in levels or "metadata_read" in levels:
        return "blocked"
    return "read-only because Elasticsearch's disk is nearly full" if "flood-stage" in description else "read-only"


def _not_trusted(error: BaseException | None) -> bool:
    """Whether the connection failed because of the server's certificate, before anything was sent."""
    if error is None:
        return False
    inner = (*getattr(error, "errors", ()), *error.args, error.__cause__)
    return isinstance(error, ssl.SSLCertVerificationError) or any(
        _not_trusted(each) for each in inner if isinstance(each, BaseException)
    )


def slow_gate(settings: Settings, at_once: int | None = None) -> Gate:
    """A separate gate for calls that may be slow by themselves, in Elasticsearch or while their answers are processed.

    Their time-outs do not mean that Elasticsearch has stalled. With two workers, one for each processor, one tenant
    uses two of the four threads with which a node searches; and even while calls are slow, half of a worker's threads
    serve other requests. `at_once`: how many at once of all tenants together, instead of an eighth of the threads.
    """
    threads = settings.web_threads
    return Gate(
        settings.elasticsearch_timeout,
        at_once or max(1, threads // 8),
        each=max(1, threads // 16),
        patient=max(1, threads * 3 // 8),
        telling=False,
    )


class Connection:
    """Clients for one Elasticsearch, of one node or several. Creating one connects to nothing; safe to share between
    threads."""

    def __init__(self, settings: Settings) -> None:
        # Deprecation warnings are for readers of Elasticsearch's own log, not for every request here.
        warnings.simplefilter("ignore", ElasticsearchWarning)
        self._configs = node_configs(settings)
        self._decoded = Elasticsearch(self._configs, **client_options(settings))
        transport = self._decoded.transport
        assert isinstance(transport, ClientTransport)
        self._nodes = transport.nodes
        self._calls = Calls(self._nodes)
        # A quarter of the threads never wait for Elasticsearch, so downloads always find one.
        threads = max(1, settings.web_threads * 3 // 4)
        self.gate = Gate(settings.elasticsearch_timeout, threads, silent=self._nodes.silent)
        self._seconds = settings.elasticsearch_timeout
        self._major: int | None = None

    @property
    def client(self) -> Elasticsearch:
        """The client. It sends the id of the current request in `X-Opaque-Id`, which Elasticsearch's slow log and tasks
        show."""
        asking = request_id()
        return self._decoded if asking is None else self._decoded.options(opaque_id=asking)

    def silent(self) -> bool:
        """As `Nodes.silent`."""
        return self._nodes.silent()

    def not_serving(self) -> list[int]:
        """Which of several addresses do not answer, or answer that they can't serve: their places in ELASTICSEARCH_URL, from
        1. Takes half a second at most. With one address, nothing is asked."""
        if len(self._configs) == 1:
            return []
        serving = self._nodes.serving(self._configs)
        return [place for place, serves in enumerate(serving, 1) if not serves]

    def major(self) -> int:
        """The server's major version, asked for once. Raises WrongIndex when it is too old or not Elasticsearch."""
        if self._major is None:
            with index_errors():
                text = self._version()
            major = int(text.split(".")[0])
            if major < OLDEST_MAJOR:
                raise WrongIndex(f"Elasticsearch {text} is too old: at least {OLDEST_MAJOR}.0 is needed")
            self._major = major
        return self._major

    def _version(self) -> str:
        # Not from `GET /`: a node without the banner module does not answer it.
        try:
            nodes = self.client.nodes.info(node_id="_local", filter_path="nodes.*.version")["nodes"]
            return str(next(iter(nodes.values()))["version"])
        except ApiError as error:
            # This API key may use the index but not monitor the cluster.
            if error.meta.status != 403:
                raise
            return str(self.client.info()["version"]["number"])

    def when_done(self, asking: str | None, then: Callable[[], None]) -> None:
        """Call `then`, from a thread of its own, once Elasticsearch has no search under way for the request `asking`.
        It is called after `UNKNOWN` seconds where the user may not ask for that, and after `LONGEST` seconds at
        most."""

        def wait() -> None:
            end = time.monotonic() + (LONGEST if asking else UNKNOWN)
            try:
                while time.monotonic() < end:
                    time.sleep(LOOK)
                    # While it does not answer, nothing is known.
                    with contextlib.suppress(TransportError):
                        if asking is not None and not self._is_asked(asking):
                            break
            except ApiError:
                time.sleep(UNKNOWN)
            finally:
                then()

        threading.Thread(target=wait, name="when-done", daemon=True).start()

    def _is_asked(self, asking: str) -> bool:
        # By its path, because the client's method for it warns.
        path = "/_tasks?actions=indices:data/read/*&filter_path=nodes.*.tasks.*.headers"
        answer: Any = self._decoded.perform_request("GET", path, headers={"Accept": "application/json"})
        return any(
            task.get("headers", {}).get("X-Opaque-Id") == asking
            for node in answer.body.get("nodes", {}).values()
            for task in node.get("tasks", {}).values()
        )

    def blocks(self, alias: str) -> list[str]:
        """The blocks on the index behind `alias`, each as a predicate of that index.

        Someone may have closed it or made it read-only, or Elasticsearch did because its disk is full: its health is
        still green.
        """
        with index_errors():
            answer = self.client.cluster.state(
                index=alias,
                metric="blocks,metadata",
                filter_path="blocks,metadata.indices.*.state",
                ignore_unavailable=True,
                expand_wildcards="all",
            )
        found = answer.get("blocks", {})
        # The answer has the blocks of all indices, but the metadata of the requested ones only.
        own = answer.get("metadata", {}).get("indices", {})
        of_indices = (blocks for name, blocks in found.get("indices", {}).items() if name in own)
        blocks = [block for each in (found.get("global", {}), *of_indices) for block in each.values()]
        return sorted({_block(each.get("description", ""), each.get("levels", ())) for each in blocks})

    def undecoded(
        self,
        path: str,
        body: Mapping[str, Any],
        client: socket.socket | None = None,
        refused: Callable[[int, bytes], StoreError] = lambda status, _: error_from_status(status),
    ) -> bytes:
        """POST `body` as JSON to `path` and return the answer's bytes unchanged.

        The store itself makes `path`, never a caller. `client`, `refused`: as in `Calls.ask`.
        """
        form = "application/json"
        asking = request_id()
        return self._calls.ask(
            path, to_json(body), form, form, asking, self._left, refused=refused, client=client
        ).content

    def bulk(self, path: str, lines: Sequence[bytes]) -> Answer:
        """The answer to a bulk of `lines` of JSON. Its `done_before` says whether its operations may have been done already,
        whatever it says of them."""
        content = b"\n".join([*lines, b""])
        return self._calls.ask(path, content, "application/x-ndjson", "application/json", request_id(), self._left)

    def plain(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | Sequence[bytes],
        asked: str = "",
        client: socket.socket | None = None,
    ) -> bytes:
        """The answer's bytes in the form of version 8, which 9 speaks too. A sequence: lines of several searches.

        The store itself makes `path`. An error of Elasticsearch is raised as `refusals.error_from_answer` makes it for
        `asked`.
        """
        self.major()
        accept = "application/vnd.elasticsearch+json; compatible-with=8"
        content, form = b"", accept
        if not isinstance(body, Mapping):
            content, form = b"\n".join([*body, b""]), accept.replace("+json", "+x-ndjson")
        elif body:
            content = to_json(body)

        def refused(status: int, answer: bytes) -> StoreError:
            return refusals.error_from_answer(status, answer, asked)

        left = self._left
        return self._calls.ask(
            path, content, form, accept, request_id(), left, method=method, refused=refused, client=client
        ).content

    def _left(self) -> float:
        return time_left(self._seconds)

    def close(self) -> None:
        self._decoded.close()

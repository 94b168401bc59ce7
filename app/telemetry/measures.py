"""The metrics that are counted while serving. Each has one function or context manager here, which the code that knows
the value calls.

With several worker processes, each counts in files of its own (prometheus-client's multiprocess mode), and `/metrics`
adds these up. The library decides between files and memory when it is imported, by a variable of the environment that
app.server.config sets; that is why it is imported on first use and not above.

Labels are routes, dialects, codes: never an id, a name or a tenant.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

Step = Literal["receive", "fsync", "index", "bulk", "search", "extract", "draw", "embed_query", "embed_passages"]

#: Buckets in seconds: from a small file on a fast disk to a large one over a slow line.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0)
_WRITES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True)
class _Instruments:
    registry: CollectorRegistry
    uploads: Counter
    upload_bytes: Counter
    deletes: Counter
    errors: Counter
    requests: Counter
    request_seconds: Histogram
    step_seconds: Histogram
    bulk_writes: Histogram
    queued_writes: Gauge
    extractions: Counter
    drawings: Counter
    embedded_texts: Counter
    embedding_starts: Counter


_making = threading.Lock()
_made: _Instruments | None = None


def _instruments() -> _Instruments:
    """The one set of instruments of this process. A second one, made by another thread at the same moment, would start at
    zero and overwrite what the first one counted."""
    global _made
    if _made is None:
        with _making:
            if _made is None:
                _made = _make()
    return _made


def _make() -> _Instruments:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

    memory = CollectorRegistry()

    def counter(name: str, what: str, *labels: str) -> Counter:
        return Counter(f"attachment_store_{name}", what, labels, registry=memory)

    def histogram(name: str, what: str, *labels: str, buckets: tuple[float, ...] = _SECONDS) -> Histogram:
        return Histogram(f"attachment_store_{name}", what, labels, buckets=buckets, registry=memory)

    return _Instruments(
        registry=memory,
        uploads=counter("uploads", "Attachments acknowledged.", "dialect"),
        upload_bytes=counter("upload_bytes", "Bytes of the attachments acknowledged.", "dialect"),
        deletes=counter("deletes", "Attachments deleted."),
        errors=counter("errors", "Requests answered with an error, by its code.", "code"),
        requests=counter("requests", "Requests answered.", "route", "method", "status"),
        request_seconds=histogram("request_seconds", "From the request's head to the answer's last byte.", "route"),
        step_seconds=histogram("step_seconds", "Steps of the work; docs/operations.md says which.", "step"),
        bulk_writes=histogram("bulk_writes", "Documents written by one bulk and one refresh.", buckets=_WRITES),
        queued_writes=Gauge(
            "attachment_store_queued_writes",
            "Requests that wait for the next bulk.",
            registry=memory,
            multiprocess_mode="livesum",
        ),
        extractions=counter("extractions", "Files whose text was looked for, by how that ended.", "outcome"),
        drawings=counter("thumbnails", "Files of which thumbnails were drawn, by how that ended.", "outcome"),
        embedded_texts=counter(
            "embedded_texts", "Texts of which vectors were asked, by how that ended.", "kind", "outcome"
        ),
        embedding_starts=counter("embedding_starts", "Starts of the process that has the model of EMBEDDINGS."),
    )


_folder: Path | None = None


def share(folder: Path) -> None:
    """Share the numbers of this process, and of those forked from it, in `folder`."""
    global _folder
    _folder = folder


def shared() -> Path | None:
    """The folder with the numbers of every process; None when each has its own in memory."""
    return _folder


def in_memory() -> CollectorRegistry:
    """The numbers of this process, for a server whose processes share no folder."""
    return _instruments().registry


@contextmanager
def step(name: Step) -> Iterator[None]:
    """Time a step, whether it succeeds or not."""
    began = time.perf_counter()
    try:
        yield
    finally:
        _of_step(name).observe(time.perf_counter() - began)


@functools.cache
def _of_step(name: Step) -> Histogram:
    return _instruments().step_seconds.labels(name)


def begin() -> None:
    """Create the numbers of this process, at zero, before it has counted anything."""
    _instruments()


def uploaded(dialect: str, size: int) -> None:
    """An attachment of `size` bytes was acknowledged."""
    found = _instruments()
    found.uploads.labels(dialect).inc()
    found.upload_bytes.labels(dialect).inc(size)


def deleted() -> None:
    """An attachment was deleted."""
    _instruments().deletes.inc()


def queued(requests: int) -> None:
    """This number of requests of this process waits for the next bulk."""
    _instruments().queued_writes.set(requests)


def bulk(writes: int) -> None:
    """A bulk of `writes` documents was sent."""
    _instruments().bulk_writes.observe(writes)


def extracted(outcome: str) -> None:
    """The extraction of an attachment has ended: `completed`, or the reason why there is no text."""
    _instruments().extractions.labels(outcome).inc()


def drawn(outcome: str) -> None:
    """The drawing of thumbnails of an attachment has ended: `completed`, or the reason why there are none."""
    _instruments().drawings.labels(outcome).inc()


def embedded(kind: str, outcome: str, texts: int) -> None:
    """Vectors of so many texts were asked: `completed` or `unavailable`. `kind`: queries or passages."""
    _instruments().embedded_texts.labels(kind, outcome).inc(texts)


def embedding_process_started() -> None:
    """The process that has the model is ready."""
    _instruments().embedding_starts.inc()


def failed(code: str) -> None:
    """A request was answered with an error."""
    _instruments().errors.labels(code).inc()


def method_label(method: str) -> str:
    """`method` if it is a known one, otherwise `other`: clients may invent methods, and each would stay a series for
    ever."""
    return method if method in _METHODS else "other"


def answered(route: str, method: str, status: int, seconds: float) -> None:
    """The response to a request was sent to the last byte. `route` is the rule that matched, empty for none."""
    requests, request_seconds = _of_requests(route or "unknown", method_label(method), status)
    requests.inc()
    request_seconds.observe(seconds)


@functools.cache
def _of_requests(route: str, method: str, status: int) -> tuple[Counter, Histogram]:
    """The series of such requests, cached: the library looks each up in a dictionary under a lock."""
    found = _instruments()
    return found.requests.labels(route, method, str(status)), found.request_seconds.labels(route)

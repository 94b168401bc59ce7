"""`GET /metrics` for Prometheus, and the folder in which the worker processes share their numbers.

The folder belongs to one server. It is created when the server starts, in memory if possible (a full disk must not stop
a worker that counts). Its lock ends with the server's last process, so the next start removes what a killed server left
behind. The counts of a worker that ended are added to one file: otherwise counters would fall if its file were removed,
and files would accumulate if it were kept.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Blueprint, Response, current_app, request

from app import __version__
from app.embeddings.contract import Embeddings
from app.errors import MissingScope, StoreError, Unauthenticated
from app.services.store import Store
from app.telemetry import measures
from app.web.access import bearer, public
from app.web.describe import TEXT, ResponseSpec, describes
from app.web.services import services, store_of

if TYPE_CHECKING:
    from prometheus_client import Metric

#: The environment variable that prometheus-client reads; app.server.config sets it to the folder.
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PREFIX = "attachment-store-metrics-"
_MAKING = ".attachment-store-metrics-"
_IN_MEMORY = Path("/dev/shm")
_GUARD = "guard"
_RETIRED = "retired"

#: Seconds within which a server has locked and named the folder that it creates.
_MAKING_SECONDS = 60.0

blueprint = Blueprint("metrics", __name__)


class SharedFolder:
    """The folder in which the processes of one server share their numbers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Every process that is forked from this one holds it open.
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @classmethod
    def create(cls, parent: Path | None = None) -> SharedFolder:
        """A new folder in `parent`, by default in memory; removes those whose server is gone. Raises OSError."""
        home = parent or (_IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else Path(tempfile.gettempdir()))
        home.mkdir(parents=True, exist_ok=True)
        for old in home.glob(f"{_PREFIX}*"):
            _remove_abandoned(old)
        for old in home.glob(f"{_MAKING}*"):
            _remove_abandoned(old, older_than=_MAKING_SECONDS)
        # It is locked before it has its name: a folder with the name and without a lock belongs to no process, however new.
        made = cls(Path(tempfile.mkdtemp(prefix=_MAKING, dir=home)))
        made.path = made.path.rename(home / made.path.name.replace(_MAKING, _PREFIX, 1))
        return made

    def retire(self, pid: int) -> None:
        """Process `pid` has ended: keep its counts, and drop the values that only a living process has."""
        from prometheus_client.mmap_dict import MmapedDict

        with guarded(self.path):
            for path in self.path.glob(f"*_{pid}.db"):
                if not path.name.startswith("gauge_"):
                    total = MmapedDict(str(self.path / path.name.replace(f"_{pid}.db", f"_{_RETIRED}.db")))
                    for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path)):
                        total.write_value(key, total.read_value(key)[0] + value, 0.0)
                    total.close()
                path.unlink()

    def remove(self) -> None:
        """Remove the folder: the server ends."""
        shutil.rmtree(self.path, ignore_errors=True)


def _remove_abandoned(path: Path, older_than: float = 0.0) -> None:
    # Another user's folder, or one that is being removed: it is not for this process to remove.
    with contextlib.suppress(OSError):
        if older_than and time.time() - path.stat().st_mtime < older_than:
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """Only one process at a time is in the block: a reader during `retire` would count a worker twice, or not at
    all."""
    with open(folder / _GUARD, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@blueprint.get("/metrics")
@public
@describes(
    "The server's numbers in Prometheus's text format; needs the scope admin unless METRICS_OPEN is yes",
    {200: ResponseSpec("The numbers", {"text/plain": TEXT})},
    errors=(Unauthenticated, MissingScope),
)
def metrics() -> Response:
    """Marked as public because METRICS_OPEN decides. The token may be a bearer token, the only kind that every version
    of Prometheus can send."""
    found = services()
    if not found.settings.metrics_open:
        token = found.tokens.authenticate(bearer(request) or request.headers.get("X-API-TOKEN"))
        if "admin" not in token.scopes:
            raise MissingScope("admin")
    return Response(exposition(store_of(current_app)), content_type=CONTENT_TYPE)


def exposition(store: Store) -> bytes:
    """All numbers, of every process and of the store as it is now, in Prometheus's text format 0.0.4."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    # Otherwise a number that no process has counted yet would be missing, as after all of them were replaced.
    measures.begin()
    present = CollectorRegistry()
    present.register(_Present(store, services().embeddings))
    folder = measures.shared()
    if folder is None:
        counted = generate_latest(measures.in_memory())
    else:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(folder))
        with guarded(folder):
            counted = generate_latest(registry)
    return counted + generate_latest(present)


class _Present:
    """The values that are determined at each request, as a collector of prometheus-client."""

    def __init__(self, store: Store, embeddings: Embeddings) -> None:
        self._store = store
        self._embeddings = embeddings

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

        store = self._store
        yield InfoMetricFamily("attachment_store", "The server.", value={"version": __version__})
        # A value that can't be determined now is missing, which an alert can tell from zero.
        with contextlib.suppress(StoreError):
            yield GaugeMetricFamily("attachment_store_disk_free_bytes", "Space for uploads.", store.uploads.room())
        with contextlib.suppress(StoreError):
            what = "Uploads and deletes begun and not settled: at work now, or waiting for Elasticsearch."
            yield GaugeMetricFamily("attachment_store_journal_entries", what, store.settling.undecided())
        if store.steps.extracts:
            with contextlib.suppress(StoreError):
                what = "Files whose text is still to be extracted, or thumbnails to be drawn."
                yield GaugeMetricFamily("attachment_store_pending_extractions", what, store.queue.count())
        if (state := self._embeddings.state()) is not None:
            what = "Whether vectors of texts can be had now."
            yield GaugeMetricFamily("attachment_store_embeddings_available", what, int(state.missing is None))
            what = "Calls that wait for the model of EMBEDDINGS."
            waiting = GaugeMetricFamily("attachment_store_embeddings_waiting", what, labels=["kind"])
            for kind, count in state.waiting.items():
                waiting.add_metric([kind], count)
            yield waiting
        # A bulk and its refresh are one call, whose answer does not say what the refresh took; Elasticsearch counts it.
        with contextlib.suppress(StoreError):
            found = store.index.refreshes()
            what = "Refreshes of the index that is used, as Elasticsearch counts them."
            yield CounterMetricFamily("attachment_store_refreshes", what, found.count)
            what = "What these took."
            yield CounterMetricFamily("attachment_store_refresh_seconds", what, found.seconds)

"""gunicorn's configuration: `gunicorn -c python:app.server.config 'app.web.app:create_app()'`."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from app.confinement import availability
from app.errors import (
    BrokenStorage,
    IndexUnavailable,
    InvalidSetting,
    StorageUnavailable,
    StoreError,
    WrongIndex,
    WrongStore,
)
from app.opening import open_store
from app.search import collation
from app.server import descriptors
from app.server.apart import apart
from app.server.exposure import sentences
from app.services.chats import Chats
from app.services.extracting import Extractor
from app.services.store import Store
from app.settings import FOLDER, Settings
from app.storage.identity import take
from app.telemetry import logs, measures
from app.upkeep.reconciler import Reconciler
from app.web import metrics
from app.web.metrics import SharedFolder
from app.web.services import services_of, store_of

if TYPE_CHECKING:
    from app.embeddings.keeper import Keeper


def _refuse(error: StoreError) -> NoReturn:
    cause = f" ({error.__cause__})" if isinstance(error.__cause__, OSError) else ""
    print(f"The attachment store can't start: {error}{cause}", file=sys.stderr)
    sys.exit(3)


def _settings() -> Settings:
    try:
        return Settings.from_environ(os.environ)
    except StoreError as error:
        _refuse(error)


_in_force = _settings()

worker_class = "app.server.worker.Worker"
workers = _in_force.worker_processes
threads = _in_force.web_threads
# More than the number at which app.server.worker makes room, so that it can always accept a new connection.
worker_connections = _in_force.max_connections + _in_force.web_threads
# No limit of its own, because gunicorn accepts at most 8190 here: a query in any script, percent-encoded, needs up to
# twelve times MAX_QUERY_LENGTH. MAX_HEAD_SIZE limits the whole head (app.server.worker).
limit_request_line = 0
# Long uploads have limits of their own; this only finds a worker that hangs as a whole.
timeout = 60
graceful_timeout = 30
keepalive = 30
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None
accesslog = None
# Signals are enough to control it, and two servers of one user would share the socket.
control_socket_disable = True
errorlog = "-"
forwarded_allow_ips = _in_force.forwarded_allow_ips
# A request sets nothing of the WSGI environment but the scheme, and that only through a named proxy: no SCRIPT_NAME and
# PATH_INFO (which gunicorn accepts by default), one header for the scheme, no PROXY line.
forwarder_headers = ""
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
header_map = "drop"
proxy_protocol = "off"
logger_class = "app.telemetry.logs.Logger"
logconfig_dict = logs.settings_for(_in_force.log_format, _in_force.log_level)


_numbers: SharedFolder | None = None
_keeper: Keeper | None = None


def _share_numbers() -> None:
    global _numbers
    try:
        _numbers = SharedFolder.create(_in_force.metrics_folder)
    except OSError as error:
        raise InvalidSetting("METRICS_FOLDER", f"can't be used: {error.strerror}") from error
    # prometheus-client reads the folder only from there, when it is imported: in the workers, after this.
    os.environ[metrics.VARIABLE] = str(_numbers.path)
    measures.share(_numbers.path)


def on_starting(server: Any) -> None:
    """Before any worker starts: refuse to start with settings, data or an index that can't be right."""
    try:
        for sentence in availability.check(_in_force):
            server.log.warning("processes that read strangers' files: %s", sentence)
        if (short := descriptors.raise_limit(_in_force).sentence) is not None:
            server.log.warning(short)
        store = open_store(_in_force)
        # Here, so that the workers have it in common.
        collation.load()
        if _in_force.extraction == "off":
            # Uploads from now on are in no queue.
            store.queue.forget_scan()
        apart(partial(_check, server, store))
        # Last, so that a server that does not start leaves nothing behind.
        _share_numbers()
    except StoreError as error:
        _refuse(error)


def _check(server: Any, store: Store) -> None:
    """Refuse attachments or an index that can't be right. What does not answer now may do so later."""
    try:
        take(store.storage, store.id)
        store.storage.check()
        if _in_force.storage != FOLDER:
            # In this process alone.
            from app.upkeep.backend import Backend

            Backend(store.storage).prove()
    except (WrongStore, BrokenStorage):
        raise
    except StoreError as error:
        server.log.warning("%s; searches work, the rest follows when there is a storage to write to", error)
    try:
        store.index.prepare()
        # It is created only when there is a chat, but it must not be another store's.
        Chats(_in_force, store.id, store.index.connection, store.coordination.change_lock).check()
    except WrongIndex:
        raise
    except (IndexUnavailable, StorageUnavailable) as error:
        server.log.warning("%s; downloads work, the rest follows when it is there", error)
    finally:
        store.index.close()


def when_ready(server: Any) -> None:
    """In the master, once it listens: warn about what is open to others."""
    names = (each.sock.getsockname() for each in server.LISTENERS)
    for sentence in sentences(_in_force, [name[0] for name in names if isinstance(name, tuple)]):
        server.log.warning("%s", sentence)


def pre_fork(server: Any, worker: Any) -> None:
    """In the master, for each worker."""
    worker.limit(_in_force)


def post_worker_init(worker: Any) -> None:
    """In each worker: start its background threads."""
    store, settings = store_of(worker.wsgi), services_of(worker.wsgi).settings
    Reconciler(store, settings).start()
    if store.steps.extracts:
        Extractor(store, settings).start()
    if settings.embeddings == "builtin":
        _keep_model(store)


def _keep_model(store: Store) -> None:
    global _keeper
    from app.embeddings.builtin import SLOT
    from app.embeddings.keeper import Keeper

    _keeper = Keeper(store.coordination.work_slots(1, SLOT), store.id)
    _keeper.start()


def worker_exit(server: Any, worker: Any) -> None:
    """In each worker, when it ends in order: no watcher is left to guess why, and no process runs on."""
    if _keeper is not None:
        _keeper.stop()
    if getattr(worker, "wsgi", None) is not None:
        services_of(worker.wsgi).watchers.close()


def child_exit(server: Any, worker: Any) -> None:
    """In the master, when a worker has ended: keep its counts."""
    if _numbers is not None:
        _numbers.retire(worker.pid)


def on_exit(server: Any) -> None:
    """In the master, at the very end."""
    if _numbers is not None:
        _numbers.remove()

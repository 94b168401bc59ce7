"""The server's process, started before the address of its Elasticsearch is known.

    python -m app.commands.early_server ARGUMENTS-OF-GUNICORN

Most of what the server does until it answers is importing, and the node beside it takes seconds of one core to start.
So this process imports while the node starts, waits for the node's address (with the login to it) as a line on its
standard input, and becomes gunicorn, whose workers find everything imported. If no line comes, because its parent has
ended, it ends too.

It is worth it only as long as nothing is left to import, which a test holds: with the worker's modules alone it saved
nothing. docs/performance.md has the figures.

Rejected: gunicorn forked from `scripts/serve` itself, which would have imported everything (the child inherits the pipe
whose end ends the node, so that the node outlives `scripts/serve`), and gunicorn's `preload_app` (one application, with
its locks and connections, made before the workers are forked).
"""

from __future__ import annotations

import os
import sys

import gunicorn.app.wsgiapp

# What the server's configuration and its workers import. Not the configuration itself: it reads the settings.
import app.opening
import app.server.apart
import app.server.descriptors
import app.server.exposure
import app.server.worker
import app.services.extracting
import app.telemetry.logs
import app.upkeep.reconciler
import app.web.app  # noqa: F401
from app.coordination.local.data_folder import reaching
from app.opening import import_embeddings, import_storage

import_storage(os.environ.get("STORAGE", "folder"))
import_embeddings(os.environ.get("EMBEDDINGS", "builtin"))


def main() -> None:
    """Exit status: that of gunicorn; 1 without an address."""
    address = sys.stdin.readline().strip()
    if not address:
        raise SystemExit(1)
    found = reaching(address, os.environ)
    os.environ.clear()
    os.environ.update(found)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    gunicorn.app.wsgiapp.run("gunicorn")


if __name__ == "__main__":
    main()

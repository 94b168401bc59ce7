"""gunicorn's configuration as `app.server.config` has it, but with gunicorn's own threaded worker."""

from __future__ import annotations

from app.server.config import *  # noqa: F403

worker_class = "gthread"


def pre_fork(server: object, worker: object) -> None:
    """Nothing: gunicorn's worker knows no limits of ours."""

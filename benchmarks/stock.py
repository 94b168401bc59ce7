"""gunicorn's configuration as `app.server.config` has it, but with gunicorn's own threaded worker."""

from __future__ import annotations

from app.server import config as _store

# gunicorn takes every name of this module that is one of its settings; `pre_fork` tells the store's worker its limits.
globals().update(
    {name: value for name, value in vars(_store).items() if not name.startswith("_") and name != "pre_fork"}
)
worker_class = "gthread"

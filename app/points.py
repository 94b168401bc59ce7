"""Points in time: frozen views of the index that a caller walks through page by page, each sealed to its tenant.

`<data>/points/<tenant>/<id>` holds Elasticsearch's own id of the view; its modification time is when it expires. The
caller is given `<id>`, 256 random bits, which means nothing outside of its tenant's folder: another tenant's, an expired,
a closed and an invented one are the same missing file. All workers, and all servers on the data folder, see the same
files, also after a restart, and the number of files is the number that is open: so it can be bounded.

Rejected: an id that carries Elasticsearch's, encrypted or signed (nothing counts those that are open, and a key is one
more secret to keep), and a list in memory (a worker does not know of another's).

Nothing here is durable on purpose: after a power cut a walk begins anew.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from pathlib import Path

from app.coordination.local.data_folder import exclusive
from app.errors import PointMissing, TooManyPoints
from app.files import FOLDER_MODE, Writer, replacing, typed_errors

_ID = re.compile(r"[A-Za-z0-9_-]{43}")


class Points:
    """The points in time of one store; safe to use from several processes at once."""

    def __init__(self, root: Path, limit: int) -> None:
        """`limit`: how many each tenant may have open."""
        self.folder = root / "points"
        self._incoming = root / "incoming"
        self._lock = root / ".points.lock"
        self._limit = limit

    def reserve(self, tenant: str, seconds: float) -> str:
        """A new id, which means nothing until `keep`. Raises TooManyPoints, StorageFailed, StorageFull."""
        with typed_errors(), exclusive(self._lock):
            own = self.folder / tenant
            for folder in (self.folder, own, self._incoming):
                folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
            self._sweep()
            if sum(1 for _ in own.iterdir()) >= self._limit:
                raise TooManyPoints(self._limit)
            point = secrets.token_urlsafe(32)
            self._write(own / point, "", seconds)
        return point

    def keep(self, tenant: str, point: str, elastic: str, seconds: float) -> None:
        """Note what a point stands for in Elasticsearch, and that it lives for `seconds` from now on."""
        with typed_errors():
            path = self._path(tenant, point)
            # One that was closed meanwhile stays closed.
            with contextlib.suppress(FileNotFoundError):
                if path.read_text() != elastic:
                    self._write(path, elastic, seconds)
                else:
                    self._touch(path, seconds)

    def find(self, tenant: str, point: str) -> str:
        """Elasticsearch's id of a point. Raises PointMissing."""
        path = self._path(tenant, point)
        try:
            expires, elastic = path.stat().st_mtime, path.read_text()
        except OSError:
            raise PointMissing() from None
        if expires < time.time() or not elastic:
            raise PointMissing()
        return elastic

    def remove(self, tenant: str, point: str) -> None:
        """Forget a point, if it is there."""
        with typed_errors(), contextlib.suppress(PointMissing):
            self._path(tenant, point).unlink(missing_ok=True)

    def _path(self, tenant: str, point: str) -> Path:
        if not _ID.fullmatch(point):
            raise PointMissing()
        return self.folder / tenant / point

    def _sweep(self) -> None:
        for path in self.folder.glob("*/*"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < time.time():
                    path.unlink()

    def _write(self, path: Path, elastic: str, seconds: float) -> None:
        with replacing(path, self._incoming) as file:
            Writer(file).write(elastic.encode())
            self._touch(file.fileno(), seconds)

    @staticmethod
    def _touch(path: Path | int, seconds: float) -> None:
        until = time.time() + seconds
        os.utime(path, (until, until))

"""The client of an object store: one for each process, its errors as the store's own, and its time limits.

It is `obstore`, whose runtime does not survive a fork: a client that was used before one waits forever after it. So nothing
is made before the first call in a process, and a call in a process whose parent has made one raises RuntimeError at once.
gunicorn's master makes none (app/server/apart.py).

Each call has `timeout` seconds, retries included: half for an attempt, and none begins after that. A write that got no
answer may still take effect later: `app.storage.objects` says what follows from that.

Credentials are those that the settings name; with none, botocore finds them as all of AWS's tools do: in the environment, in
`~/.aws`, from a web identity, from the role of the container or the machine. It also lists and aborts uploads in parts,
which obstore can't. It is imported only where it is needed, because it takes 20 MiB.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from app.errors import StorageFailed, StorageFull, StorageUnavailable
from app.storage.contract import IDENTITY
from app.storage.patience import Call, Patience

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore, S3Credential

log = logging.getLogger(__name__)

#: Bytes of a part of an upload, the least that S3 takes. There are 10,000 of them at most.
PART = 5 * 1024 * 1024
#: Objects in one answer to a listing.
PAGE = 1000

# An answer of the store with one of these says that it does not answer now.
_NOT_NOW = frozenset((429, 502, 503, 504))
_NO_ROOM = frozenset(("QuotaExceeded", "InsufficientStorage", "XMinioStorageFull"))
_NO_RANGE, _INSUFFICIENT_STORAGE = 416, 507
# What obstore's text says of an answer: its status, and S3's code in its body. Numbers elsewhere in it are times.
_STATUS = re.compile(r"non-2xx status code: (\d{3})\b")
_CODE = re.compile(r"<Code>(\w{1,64})</Code>")

#: The process that has made the first call, of all that this one is a child of.
_used_by: int | None = None


@dataclass(frozen=True)
class Where:
    """An object store. `url`: s3://bucket/prefix, gs://bucket/prefix or az://account/container/prefix. `virtual`: whether
    the bucket is part of the host's name. Without keys, credentials are found as AWS's tools do. `timeout`: seconds of a
    call. `at_once`: threads of a process that may wait for it at the same time."""

    url: str
    timeout: float
    at_once: int = 16
    endpoint: str | None = None
    region: str = "us-east-1"
    virtual: bool = False
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    ca_certs: Path | None = None

    @property
    def scheme(self) -> str:
        return urlsplit(self.url).scheme

    @property
    def bucket(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def prefix(self) -> str:
        """What the names of all objects begin with; empty, or with a slash at its end."""
        path = urlsplit(self.url).path.strip("/")
        return f"{path}/" if path else ""


@dataclass(frozen=True)
class Meta:
    """An object as it is at a moment. `modified`: seconds since 1970, by the clock of the object store."""

    name: str
    size: int
    tag: str
    modified: float


class Bucket:
    """The objects under one prefix. All methods raise StorageUnavailable, StorageFailed where an answer makes no sense, and
    StorageFull where the object store says that."""

    def __init__(self, where: Where) -> None:
        """No call is made."""
        self.where = where
        self.patience = Patience(where.at_once, self._alive)
        self._lock = threading.Lock()
        self._made: ObjectStore | None = None
        self._upkeep: Any = None

    # Objects

    def head(self, name: str) -> Meta | None:
        with self._asking():
            try:
                return _meta(obstore.head(self._store(), name))
            except FileNotFoundError:
                return None

    def get(self, name: str, start: int = 0, stop: int | None = None) -> tuple[bytes, Meta] | None:
        """The bytes from `start` up to `stop`, fewer where the object ends before that, with the object as it was then; None
        where there is none."""
        with self._asking():
            try:
                options: Any = {} if stop is None else {"range": (start, stop)}
                found = obstore.get(self._store(), name, options=options)
                meta = _meta(found.meta)
                return found.bytes().to_bytes(), meta
            except FileNotFoundError:
                return None
            except BaseError as error:
                # Nothing of an empty object is in any range.
                if stop is None or _status(error) != _NO_RANGE:
                    raise
                return self._nothing_of(name, start)

    def _nothing_of(self, name: str, start: int) -> tuple[bytes, Meta] | None:
        try:
            meta = _meta(obstore.head(self._store(), name))
        except FileNotFoundError:
            return None
        if meta.size > start:
            raise StorageFailed("The object store refused a range")
        return b"", meta

    def put(self, name: str, content: bytes) -> None:
        """Write an object in one step."""
        with self._asking():
            obstore.put(self._store(), name, content, use_multipart=False)

    def create(self, name: str, content: bytes) -> bool:
        """Write an object unless there is one. Returns whether it was written."""
        with self._asking():
            try:
                obstore.put(self._store(), name, content, use_multipart=False, mode="create")
            except obstore.exceptions.AlreadyExistsError:
                return False
            return True

    def put_parts(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write an object in one step, from pieces that are sent while they come, with two parts in memory at a time. An
        error of `pieces` goes through, and nothing is written."""
        with self._asking() as call:

            def moving() -> Iterator[bytes]:
                for piece in pieces:
                    call.progress()
                    yield piece

            obstore.put(self._store(), name, moving(), use_multipart=True, chunk_size=PART, max_concurrency=1)

    def delete(self, names: list[str]) -> None:
        """Remove these objects; a missing one is no error."""
        with self._asking():
            if self.where.scheme == "s3":
                obstore.delete(self._store(), names)
                return
            for each in names:
                with contextlib.suppress(FileNotFoundError):
                    obstore.delete(self._store(), each)

    def walk(self, prefix: str) -> Iterator[Meta]:
        """The objects whose names begin with `prefix` and a slash, in the order of their names, a page in memory at a
        time."""
        with self._asking():
            pages = iter(obstore.list(self._store(), prefix, chunk_size=PAGE))
        while True:
            with self._asking():
                page = next(pages, None)
            if page is None:
                return
            for each in page:
                yield _meta(each)

    def level(self, prefix: str) -> tuple[list[str], list[str]]:
        """What is directly under `prefix`: names of folders, and names of objects."""
        with self._asking():
            found = obstore.list_with_delimiter(self._store(), prefix)
        return sorted(found["common_prefixes"]), sorted(each["path"] for each in found["objects"])

    # Uploads in parts

    def abort(self, name: str) -> list[str]:
        """Remove the parts of all uploads of this object that were not completed. Returns their ids. Only for S3: other
        stores remove them by themselves."""
        if self.where.scheme != "s3":
            return []
        with self._asking():
            client, key = self._aws(), self.where.prefix + name
            try:
                found = client.list_multipart_uploads(Bucket=self.where.bucket, Prefix=key).get("Uploads", [])
                ids = [each["UploadId"] for each in found if each["Key"] == key]
                for each in ids:
                    client.abort_multipart_upload(Bucket=self.where.bucket, Key=key, UploadId=each)
            except Exception as error:
                if getattr(error, "response", {}).get("Error", {}).get("Code") == "NoSuchUpload":
                    return []
                log.warning("parts of an upload that was broken off can't be removed now: %s", _line(error))
                raise StorageUnavailable() from OSError(errno.EIO, _line(error))
            return ids

    # The client

    @contextlib.contextmanager
    def _asking(self) -> Iterator[Call]:
        with self.patience.place() as call:
            try:
                yield call
            except (BaseError, FileNotFoundError) as error:
                raise _told(error) from OSError(errno.EIO, _line(error))

    def _alive(self) -> None:
        try:
            # Its absence is an answer, too.
            obstore.head(self._store(), IDENTITY)
        except FileNotFoundError:
            pass
        except BaseError as error:
            told = _told(error)
            if isinstance(told, StorageUnavailable) and told.unanswered:
                raise told from None

    def _store(self) -> ObjectStore:
        global _used_by
        if _used_by not in (None, os.getpid()):
            raise RuntimeError("the object store was used before this process was forked")
        if self._made is None:
            with self._lock:
                _used_by = os.getpid()
                if self._made is None:
                    self._made = self._new()
        return self._made

    def _new(self) -> ObjectStore:
        where = self.where
        half = timedelta(seconds=where.timeout / 2)
        client: Any = {
            "timeout": half,
            "connect_timeout": min(half, timedelta(seconds=5)),
            "pool_idle_timeout": timedelta(seconds=30),
            "allow_http": where.endpoint is not None and where.endpoint.startswith("http:"),
        }
        if where.ca_certs is not None:
            client["root_certificate"] = where.ca_certs.read_bytes()
        retry: Any = {
            "max_retries": 3,
            "retry_timeout": half,
            "backoff": {"init_backoff": timedelta(seconds=0.05), "max_backoff": timedelta(seconds=1), "base": 2},
        }
        if where.scheme != "s3":
            return from_url(where.url, client_options=client, retry_config=retry)
        config: Any = {"region": where.region, "virtual_hosted_style_request": where.virtual}
        if where.endpoint is not None:
            config["endpoint"] = self._endpoint()
        given: Any = {}
        if where.access_key is not None and where.secret_key is not None:
            config |= {"access_key_id": where.access_key, "secret_access_key": where.secret_key}
        else:
            given["credential_provider"] = _Credentials()
        url = f"s3://{where.bucket}/{where.prefix}"
        return from_url(url, config=config, client_options=client, retry_config=retry, **given)

    def _endpoint(self) -> str:
        """As obstore wants it: with the bucket in its host, where it is there."""
        assert self.where.endpoint is not None
        if not self.where.virtual:
            return self.where.endpoint
        parts = urlsplit(self.where.endpoint)
        return parts._replace(netloc=f"{self.where.bucket}.{parts.netloc}").geturl()

    def _aws(self) -> Any:
        with self._lock:
            if self._upkeep is None:
                import botocore.config
                import botocore.session

                where = self.where
                session = botocore.session.get_session()
                if where.access_key is not None:
                    session.set_credentials(where.access_key, where.secret_key)
                seconds = where.timeout / 2
                self._upkeep = session.create_client(
                    "s3",
                    region_name=where.region,
                    endpoint_url=where.endpoint,
                    verify=None if where.ca_certs is None else str(where.ca_certs),
                    config=botocore.config.Config(
                        connect_timeout=seconds,
                        read_timeout=seconds,
                        retries={"total_max_attempts": 1},
                        s3={"addressing_style": "virtual" if where.virtual else "path"},
                    ),
                )
            return self._upkeep


class _Credentials:
    """Those that AWS's tools would find, asked for again before they expire."""

    #: Seconds after which they are asked for again, where they can change: botocore renews them itself.
    again = timedelta(minutes=5)

    def __init__(self) -> None:
        import botocore.session

        self._found = botocore.session.get_session().get_credentials()
        if self._found is None:
            raise StorageUnavailable("There are no credentials for the object store")

    def __call__(self) -> S3Credential:
        frozen = self._found.get_frozen_credentials()
        expires = datetime.now(UTC) + self.again if frozen.token else None
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": expires,
        }


def _meta(found: ObjectMeta) -> Meta:
    return Meta(found["path"], found["size"], found["e_tag"] or "", found["last_modified"].timestamp())


def _told(error: Exception) -> StorageFailed | StorageFull:
    status, code = _status(error), _CODE.search(str(error))
    if status == _INSUFFICIENT_STORAGE or (status is not None and code is not None and code[1] in _NO_ROOM):
        return StorageFull()
    # An object may be missing, which is no error where it may: otherwise it is the bucket that is missing.
    answered = not isinstance(error, obstore.exceptions.GenericError) or (status is not None and status not in _NOT_NOW)
    return StorageUnavailable(unanswered=not answered)


def _status(error: Exception) -> int | None:
    """The status of the answer that an error of the client is about; None where there was no answer."""
    found = _STATUS.search(str(error))
    return None if found is None else int(found[1])


def _line(error: BaseException) -> str:
    """The first line of what the client says."""
    return str(error).partition("\n")[0][:500]

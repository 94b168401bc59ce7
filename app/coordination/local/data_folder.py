"""The data folder as a whole: its identity and its format version, in `<data>/store.json`."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from app.errors import WrongStore
from app.files import FILE_MODE, FOLDER_MODE, Writer, replacing, storage_errors, sync_folder
from app.ids import new_uuid

_NODE_URL = Path("elasticsearch", "url")
_LOGIN_MODE = 0o600

#: Version of everything on disk; docs/format.md describes each.
STORE_FORMAT = 1


def write_durably(root: Path, target: Path, content: bytes, mode: int) -> None:
    """Replace a file of the store in `root` by `content`, in one step that survives a power cut.

    Raises StorageFull or StorageFailed.
    """
    incoming = root / "incoming"
    with storage_errors():
        incoming.mkdir(mode=FOLDER_MODE, exist_ok=True)
        with replacing(target, incoming, mode) as file:
            Writer(file).write(content)
            os.fsync(file.fileno())
        sync_folder(target.parent)


@contextlib.contextmanager
def exclusive(path: Path, mode: int = FILE_MODE) -> Iterator[int]:
    """Wait for the lock of the file at `path` (created when missing) and hold it. Yields its descriptor, to read and to
    write."""
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode), "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def open_data_folder(root: Path) -> str:
    """The id of the store in `root`. An empty or missing folder becomes a store that other users can't enter.

    Raises WrongStore when the folder has something else or a newer format, StorageFailed or StorageFull.
    """
    with storage_errors():
        root.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        _close(root)
        path = root / "store.json"
        with exclusive(root / ".lock"):
            if not path.exists():
                if (root / "attachments").exists():
                    raise WrongStore(f"{path} is missing: restore it, or choose another data folder")
                content = {"format": STORE_FORMAT, "id": new_uuid()}
                write_durably(root, path, json.dumps(content).encode() + b"\n", FILE_MODE)
            text = path.read_text()
    try:
        content = json.loads(text)
        version, store_id = int(content["format"]), str(content["id"])
    except (ValueError, KeyError, TypeError):
        raise WrongStore(f"{path} is damaged") from None
    if version > STORE_FORMAT:
        raise WrongStore(f"{root} was written by a newer version (format {version} > {STORE_FORMAT})")
    return store_id


def open_copy_folder(root: Path) -> None:
    """Prepare a folder that attachments are copied into: a missing one is made, and other users can't enter it.

    Raises WrongStore when the folder has something else than a store, StorageFailed or StorageFull.
    """
    with storage_errors():
        if root.exists() and not is_store(root) and (not root.is_dir() or any(root.iterdir())):
            raise WrongStore(f"{root} is not empty, and there is no store in it: choose another folder")
        root.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        _close(root)


def is_store(root: Path) -> bool:
    """Whether there is a store in `root`, of whatever version."""
    return (root / "store.json").is_file()


def _close(root: Path) -> None:
    """Remove the permissions that FOLDER_MODE does not have from a folder that someone made. A folder of another user
    is left as it is."""
    status = root.stat()
    mode = stat.S_IMODE(status.st_mode)
    if mode & ~FOLDER_MODE & 0o777 and os.geteuid() in (status.st_uid, 0):
        root.chmod(mode & (FOLDER_MODE | ~0o777))


@contextlib.contextmanager
def telling_node_url(root: Path, url: str) -> Iterator[None]:
    """Within it, `node_url` says that the store in `root` has an Elasticsearch node of its own at `url`, which has the
    login to it. Raises OSError."""
    path = root / _NODE_URL
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _LOGIN_MODE), "w") as file:
        # The file may be there already, with another mode; it is empty.
        os.fchmod(file.fileno(), _LOGIN_MODE)
        file.write(url)
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def node_url(root: Path) -> str | None:
    """The URL of the running Elasticsearch node that `scripts/serve` has started for the store in `root`; None if there
    is none.

    The lock tells a running node from a URL that a killed process or a copy of the folder left behind: at that URL
    could be another store's node by now.
    """
    with contextlib.suppress(FileNotFoundError), (root / _NODE_URL).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read()
    return None


def reaching(url: str, environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with the settings that reach the Elasticsearch at `url`, which may be a list as in ELASTICSEARCH_URL. A
    user and password in `url`, which is then a single one, replace those in `environ`, which are for another one."""
    if "@" not in url:
        return {**environ, "ELASTICSEARCH_URL": url}
    parts = urlsplit(url)
    login, _, address = parts.netloc.rpartition("@")
    found = {**environ, "ELASTICSEARCH_URL": parts._replace(netloc=address).geturl()}
    if login:
        user, _, password = login.partition(":")
        found |= {"ELASTICSEARCH_USERNAME": unquote(user), "ELASTICSEARCH_PASSWORD": unquote(password)}
        found.pop("ELASTICSEARCH_API_KEY", None)
    return found

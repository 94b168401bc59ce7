"""What is in a data folder, and what does not belong there, as docs/format.md says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from app.coordination.contract import Stray
from app.errors import StorageFailed
from app.files import held, listed, older, storage_errors
from app.ids import is_id

_ENTRY = re.compile(r"[0-9a-f]{32}\.(upload|delete|change|new|spare)")
#: Entries of the journal without meaning.
_NO_ENTRY = (".new", ".spare")
# What earlier versions wrote beside the file that it was to replace; now it is in `incoming`.
_REPLACEMENT = re.compile(r"\.[\w.-]+\.new")
_ROOT = {
    "store.json",
    "tokens.json",
    "attachments",
    "incoming",
    "journal",
    "objects",
    "extraction",
    "sign-ins",
    "points",
}
# The second is what earlier versions wrote.
_ROOT |= {"elasticsearch", "sign-in-attempts", "sign-in-failures.json"}
_ROOT |= {".lock", ".tokens.lock", ".door.lock", ".work.lock", ".rebuild.lock", ".points.lock"}
_ROOT |= {".bulk.lock", ".text.lock"}
_PLACE = re.compile(r"\.search-\d+\.lock")
_WORK = re.compile(
    r"\.slot(-pictures|-thumbnails|-passages|-embeddings)?-\d+|\.turns(-pictures|-thumbnails|-passages)?|\.scanned|\.readers|\.controlled|\.unfit-\w+"
)
_SIGN_IN = re.compile(r"[0-9a-f]{64}")
_TENANT = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_POINT = re.compile(r"[\w-]{43}", re.ASCII)
_FOLDER = re.compile(rf"journal|extraction|sign-ins|points|points/{_TENANT.pattern}|")


class Folder:
    """A data folder, except its attachments, temporary files, and the embedded node's data."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def strays(self, grace: float) -> Iterator[Stray]:
        """As `Coordination.strays`."""
        root = self._root
        yield from self._unknown(root, grace, lambda name: name in _ROOT or _PLACE.fullmatch(name))
        yield from self._unknown(root / "extraction", grace, lambda name: is_id(name) or _WORK.fullmatch(name))
        yield from self._unknown(root / "sign-ins", grace, _SIGN_IN.fullmatch)
        points = root / "points"
        yield from self._unknown(points, grace, _TENANT.fullmatch)
        for path in listed(points):
            if path.is_dir():
                yield from self._unknown(path, grace, _POINT.fullmatch)
        for path in listed(root / "journal"):
            if not _ENTRY.fullmatch(path.name):
                yield Stray(self._name_of(path), temporary=False)
            elif path.suffix in _NO_ENTRY and _stale(path, grace):
                yield Stray(self._name_of(path), temporary=True)

    def undecided(self) -> list[str]:
        """As `Journal.undecided`."""
        paths = (path for path in listed(self._root / "journal") if _ENTRY.fullmatch(path.name))
        with storage_errors():
            return [self._name_of(path) for path in paths if path.suffix not in _NO_ENTRY and not held(path)]

    def holds(self, name: str) -> bool:
        """As `Coordination.holds`."""
        try:
            return self._path(name, temporary=False).exists()
        except OSError as error:
            raise StorageFailed(f"{name} can't be read") from error

    def remove_leftover(self, name: str, grace: float) -> None:
        """As `Coordination.remove_leftover`."""
        path = self._path(name, temporary=True)
        with storage_errors():
            if _stale(path, grace):
                path.unlink(missing_ok=True)

    def _unknown(self, folder: Path, grace: float, known: Callable[[str], object]) -> Iterator[Stray]:
        for path in listed(folder):
            if _REPLACEMENT.fullmatch(path.name):
                if _stale(path, grace):
                    yield Stray(self._name_of(path), temporary=True)
            elif not known(path.name):
                yield Stray(self._name_of(path), temporary=False)

    def _name_of(self, path: Path) -> str:
        return str(path.relative_to(self._root))

    def _path(self, name: str, *, temporary: bool) -> Path:
        """The path for a name that `strays` or `undecided` returned: of a temporary file, or of an entry of the
        journal."""
        folder, _, last = name.rpartition("/")
        entry = _ENTRY.fullmatch(last) if folder == "journal" else None
        if not (_FOLDER.fullmatch(folder) and (_REPLACEMENT.fullmatch(last) or entry)):
            raise ValueError("not a name of the coordination")
        if temporary and entry and f".{entry[1]}" not in _NO_ENTRY:
            raise ValueError("not temporary")
        return self._root / name


def _stale(path: Path, grace: float) -> bool:
    try:
        return older(path, grace) and not held(path)
    except OSError as error:
        raise StorageFailed(f"{path} can't be read") from error

"""Fetches the pinned jars of one server version and arranges them as a home from which the node can run.

<store>/<version>/lib/*.jar                         the server and what it depends on
<store>/<version>/modules/transport-netty4/*        the HTTP module, with its descriptor; before version 8 it is in lib
<store>/<version>/config/log4j2.properties          log lines go to the process's output
"""

import fcntl
import os
import shutil
import sys
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.embedded_node.manifest import HTTP_MODULE, LIB, Jar, digest, read

if TYPE_CHECKING:
    from jgo.maven import MavenContext

_ROOT = Path(__file__).resolve().parents[2]


def _store() -> Path:
    """Where homes are stored: in the clone, or in the cache folder of the user who installed the package."""
    if (_ROOT / "setup.cfg").is_file() or (_ROOT / ".node").is_dir():
        return _ROOT / ".node"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "attachment-store" / "node"


STORE = _store()

# One repository connection each; more don't help on a home line.
DOWNLOADS_AT_ONCE = 4
# Seconds without a byte after which a download is given up, and the pauses before each further try: repositories stall.
STALLED = 30
PAUSES = (2, 10, 30)

LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


class ArtifactError(Exception):
    """The server's files can't be fetched, or are not the pinned ones; the message says which and what to do."""


@dataclass(frozen=True)
class Home:
    """A complete, verified server home: its folder, the server's version, and the jars of the class path in order."""

    path: Path
    version: str
    class_path: tuple[Path, ...]


def prepare(version: str, store: Path = STORE) -> Home:
    """Return the verified home of server `version` under `store`, fetching it first when it is not there.

    Every jar is compared with its pinned digest on every call (about 0.05 s). Safe when several processes call at
    once, and after a call that was killed: a home appears complete or not at all, and jars already fetched are kept.

    LookupError: the version has no manifest. ArtifactError: a file differs from its pin, or cannot be fetched.
    """
    jars = read(version)
    path = store / version
    if not path.is_dir():
        with workshop(store) as folder:
            if not path.is_dir():
                _assemble(path, jars, folder)
    verify(path, jars)
    return Home(path, version, tuple(place(path, jar) for jar in jars if jar.place == LIB))


def verify(home: Path, jars: list[Jar]) -> None:
    """Raise ArtifactError unless `home` holds exactly `jars`, each with its pinned digest."""
    remedy = f"Remove {home} to have it prepared again."
    wanted = {place(home, jar) for jar in jars}
    for folder in {path.parent for path in wanted}:
        if strangers := sorted(path.name for path in folder.glob("*.jar") if path not in wanted):
            raise ArtifactError(f"{folder} holds {', '.join(strangers)}, which the manifest does not name. {remedy}")
    for jar in jars:
        path = place(home, jar)
        if not path.is_file():
            raise ArtifactError(f"{path} is missing. {remedy}")
        if (found := digest(path)) != jar.sha256:
            raise ArtifactError(f"{path} is not the pinned file: its SHA-256 is {found}, not {jar.sha256}. {remedy}")


def place(home: Path, jar: Jar) -> Path:
    """Return where `jar` belongs in `home`."""
    return (home / LIB if jar.place == LIB else home / "modules" / jar.place) / jar.file_name


def say(text: str) -> None:
    """Print how far the preparation has come."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def workshop(store: Path) -> Iterator[Path]:
    """Hold `store`'s lock against other preparations and yield an empty folder in it, which is removed at the end."""
    store.mkdir(parents=True, exist_ok=True)
    folder = store / "work"
    # The kernel releases the lock however its holder ends, so none is ever left behind.
    with (store / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another preparation of Elasticsearch...")
            fcntl.flock(file, fcntl.LOCK_EX)
        # A killed preparation may have left it behind.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _assemble(path: Path, jars: list[Jar], folder: Path) -> None:
    # This folder outlives a killed preparation, so that the next one fetches only what is still missing.
    partial = path.with_name(path.name + ".partial")
    missing = [jar for jar in jars if not _fetched(place(partial, jar), jar)]
    say(f"Preparing Elasticsearch {path.name} (once): {len(missing)} files to fetch...")
    context = _repository(folder)
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        for number, _ in enumerate(pool.map(lambda jar: _fetch(context, jar, place(partial, jar)), missing), 1):
            if number % 10 == 0:
                say(f"  {number} of {len(missing)}")
    _describe(partial)
    (partial / "config").mkdir(exist_ok=True)
    (partial / "config" / "log4j2.properties").write_text(LOGGING, encoding="utf-8")
    partial.rename(path)


def fetched(jar: Jar, folder: Path, work: Path) -> Path:
    """Return the file of `jar` in `folder`, fetching it by way of the workshop `work` when it is not there."""
    target = folder / jar.file_name
    if not _fetched(target, jar):
        _fetch(_repository(work), jar, target)
    return target


def _repository(cache: Path) -> "MavenContext":
    # Imported only where something is fetched: the import takes longer than everything else that a start does in
    # Python.
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    # Not the user's ~/.m2: the resolver writes there in place, so a killed download would stay and block every later one.
    # Repositories from the user's jgo.conf come first, for those who reach Maven Central only through a mirror.
    mirrors = GlobalSettings.load().repositories
    remotes = {**mirrors, "central": MAVEN_CENTRAL_URL}
    return MavenContext(repo_cache=cache, local_repos=[], remote_repos=remotes, timeout=STALLED)


def _fetched(target: Path, jar: Jar) -> bool:
    return target.is_file() and digest(target) == jar.sha256


def _fetch(context: "MavenContext", jar: Jar, target: Path) -> None:
    name = f"{jar.group}:{jar.artifact}:{jar.version}"
    found = _download(context, jar, name)
    if (sha256 := digest(found)) != jar.sha256:
        raise ArtifactError(f"{name} was refused: what came has SHA-256 {sha256}, the manifest says {jar.sha256}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(found, target)


def _download(context: "MavenContext", jar: Jar, name: str) -> Path:
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    for pause in (*PAUSES, None):
        try:
            return artifact.resolve()
        except (OSError, RuntimeError) as error:
            # The resolver takes every file in its cache for a whole one, also that of an interrupted download.
            if artifact.cached_path is not None:
                artifact.cached_path.unlink(missing_ok=True)
            if pause is None:
                raise ArtifactError(f"{name} could not be fetched: {error}") from error
            say(f"  {name}: {error}; again in {pause} s")
            time.sleep(pause)
    raise AssertionError("unreachable")


def _describe(home: Path) -> None:
    # The module's jar carries its own descriptor. Its modulename line asks for a named Java module; the node runs from the
    # class path.
    module = home / "modules" / HTTP_MODULE
    if not module.is_dir():
        return
    carried = f"META-INF/es-plugins/{HTTP_MODULE}/"
    [jar] = module.glob(f"{HTTP_MODULE}-*.jar")
    with zipfile.ZipFile(jar) as archive:
        for name in archive.namelist():
            if name.startswith(carried) and not name.endswith("/"):
                lines = archive.read(name).decode().splitlines(keepends=True)
                text = "".join(line for line in lines if not line.startswith("modulename="))
                (module / name.removeprefix(carried)).write_text(text, encoding="utf-8")

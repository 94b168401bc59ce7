"""Fetches the pinned jars of one server version and lays them out as a home that the node can run from.

    <store>/<version>/lib/*.jar                         the server and what it depends on
    <store>/<version>/modules/transport-netty4/*        the HTTP module, with its descriptor
    <store>/<version>/config/log4j2.properties          log lines go to the process's output
"""

import fcntl
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jgo
import jgo.config
import requests

from embedded_node.manifest import HTTP_MODULE, LIB, Jar, digest, read

STORE = Path(__file__).resolve().parents[3] / ".node"

# One repository connection each; more bring nothing on a home line.
DOWNLOADS_AT_ONCE = 4

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
    """The server's files cannot be had, or are not the pinned ones; the message says which and what to do."""


@dataclass(frozen=True)
class Home:
    """A complete, verified server home: its folder, the server's version, and the jars of the class path in order."""

    path: Path
    version: str
    class_path: tuple[Path, ...]


def prepare(version: str, store: Path = STORE) -> Home:
    """Return the verified home of server `version` under `store`, fetching it first when it is not there.

    Every jar is compared with its pinned digest on every call (about 0.1 s). Safe when several processes call at once, and after
    a call that was killed: a home appears complete or not at all, and jars already fetched are kept.

    LookupError: the version has no manifest. ArtifactError: a file differs from its pin, or cannot be fetched.
    """
    jars = read(version)
    path = store / version
    if not path.is_dir():
        with _locked(store):
            if not path.is_dir():
                _assemble(path, jars)
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
    """Tell the person at the terminal how far the preparation is."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _locked(store: Path) -> Iterator[None]:
    store.mkdir(parents=True, exist_ok=True)
    # The kernel lets go of the lock however its holder ends, so none is ever left behind.
    with (store / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another preparation of Elasticsearch...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _assemble(path: Path, jars: list[Jar]) -> None:
    partial = path.with_name(path.name + ".partial")
    missing = [jar for jar in jars if not _fetched(place(partial, jar), jar)]
    say(f"Preparing Elasticsearch {path.name} (once): {len(missing)} files to fetch...")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="fetch-") as folder:
        context = _repository(Path(folder))
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            for number, _ in enumerate(pool.map(lambda jar: _fetch(context, jar, place(partial, jar)), missing), 1):
                if number % 10 == 0:
                    say(f"  {number} of {len(missing)}")
    _describe(partial)
    (partial / "config").mkdir(exist_ok=True)
    (partial / "config" / "log4j2.properties").write_text(LOGGING, encoding="utf-8")
    partial.rename(path)
    say(f"Elasticsearch {path.name} is ready in {path}.")


def _repository(cache: Path) -> "jgo.MavenContext":
    # Not the user's ~/.m2: the resolver writes there in place, so a killed download would stay and block every later one.
    # Repositories from the user's jgo.conf come first, for those who reach Maven Central only through a mirror.
    mirrors = jgo.config.GlobalSettings.load().repositories
    return jgo.MavenContext(repo_cache=cache, local_repos=[], remote_repos={**mirrors, "central": jgo.MAVEN_CENTRAL_URL})


def _fetched(target: Path, jar: Jar) -> bool:
    return target.is_file() and digest(target) == jar.sha256


def _fetch(context: "jgo.MavenContext", jar: Jar, target: Path) -> None:
    name = f"{jar.group}:{jar.artifact}:{jar.version}"
    try:
        found = context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    except (OSError, RuntimeError, requests.RequestException) as error:
        raise ArtifactError(f"{name} could not be fetched: {error}") from error
    if (sha256 := digest(found)) != jar.sha256:
        raise ArtifactError(f"{name} was refused: what came has SHA-256 {sha256}, the manifest says {jar.sha256}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(found, target)


def _describe(home: Path) -> None:
    # The module's jar carries its own descriptor. Its modulename line asks for a named Java module; the node runs from the class path.
    module = home / "modules" / HTTP_MODULE
    carried = f"META-INF/es-plugins/{HTTP_MODULE}/"
    [jar] = module.glob(f"{HTTP_MODULE}-*.jar")
    with zipfile.ZipFile(jar) as archive:
        for name in archive.namelist():
            if name.startswith(carried) and not name.endswith("/"):
                lines = archive.read(name).decode().splitlines(keepends=True)
                text = "".join(line for line in lines if not line.startswith("modulename="))
                (module / name.removeprefix(carried)).write_text(text, encoding="utf-8")


def remove_partial(version: str, store: Path = STORE) -> None:
    """Drop what a killed preparation of `version` left under `store`; what is complete stays."""
    shutil.rmtree(store / f"{version}.partial", ignore_errors=True)

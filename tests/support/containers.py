"""The Docker engine and the images that tests run in it."""

import functools
import gc
import os
import warnings
from typing import TYPE_CHECKING, Any, cast

import docker
import docker.errors

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

# The same server from two makers: the official image where an image registry answers, and the one that .ci/node-image
# builds from the published jars where none does.
OFFICIAL_IMAGE = "docker.elastic.co/elasticsearch/elasticsearch:8.19.21"
OWN_IMAGE = "attachment-store/elasticsearch-node:8.19.21"

_PROBE_SECONDS = 10
_PULL_SECONDS = 600


@functools.cache
def engine_answers() -> bool:
    """Return whether a Docker engine answers where the environment (DOCKER_HOST or the default socket) says."""
    with warnings.catch_warnings():
        # The SDK leaves the socket of a refused connection to the garbage collector, which complains about it.
        warnings.simplefilter("ignore", ResourceWarning)
        answers = _ping()
        gc.collect()
    return answers


def _ping() -> bool:
    try:
        client = docker.from_env(timeout=_PROBE_SECONDS)
    except docker.errors.DockerException:
        return False
    try:
        return bool(client.ping())
    except (docker.errors.DockerException, OSError):
        return False
    finally:
        client.close()


@functools.cache
def elasticsearch_image() -> str | None:
    """Return the name of an Elasticsearch image that the engine has or could pull; None without engine or image.

    ELASTICSEARCH_IMAGE names the only one to consider. Otherwise what is here already comes before what must be pulled.
    The first call may pull about 700 MB.
    """
    if not engine_answers():
        return None
    chosen = os.environ.get("ELASTICSEARCH_IMAGE")
    names = (chosen,) if chosen else (OFFICIAL_IMAGE, OWN_IMAGE)
    client = docker.from_env(timeout=_PULL_SECONDS)
    try:
        for find in (client.images.get, client.images.pull):
            for name in names:
                try:
                    find(name)
                except (docker.errors.DockerException, OSError):
                    continue
                return name
    finally:
        client.close()
    return None


def publish(container: "DockerContainer", port: int) -> None:
    """Have `port` of a container that is not yet started reachable from here, on loopback alone where that is enough.

    It is enough where the engine is on this machine and these tests are in no container. Elsewhere the port is open on
    every network that the engine's machine is on.
    """
    # Here, not above: importing it reads the configuration of Docker, which a machine without Docker need not have.
    from testcontainers.core.config import ConnectionMode

    client = container.get_docker_client()
    if client.get_connection_mode() is ConnectionMode.docker_host and client.host() in {"localhost", "127.0.0.1"}:
        # The Docker SDK takes an address as well; testcontainers hands it on, though its own methods take ports only.
        cast(dict[int, Any], container.ports)[port] = ("127.0.0.1", None)
    else:
        container.with_exposed_ports(port)


def url_of(container: "DockerContainer", port: int) -> str:
    """Return the HTTP URL, without a final slash, of a started container's published `port`."""
    return f"http://{container.get_container_host_ip()}:{container.get_exposed_port(port)}"


def runs(container: "DockerContainer") -> bool:
    """Return whether a started container still runs."""
    wrapped = container.get_wrapped_container()
    wrapped.reload()
    return bool(wrapped.status == "running")

"""Where tests get Elasticsearch from: a real one, always.

In this order: the server that ELASTICSEARCH_URL names; a container, where a Docker engine answers and an image can be
had; the embedded node of scripts/lib. A source that was chosen and then fails is an error: the next is not tried.
"""

import contextlib
import dataclasses
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from app.embedded_node import EmbeddedNode
from tests.support import containers

_PORT = 9200
_READY_SECONDS = 180
_GIVEN_READY_SECONDS = 90  # it was started by someone else, who is expected to have waited
_LOG_CHARACTERS = 4000

# Settings of the official image; the image of .ci/node-image has them built in and reads none.
_CONTAINER_ENVIRONMENT = {
    "discovery.type": "single-node",
    "xpack.security.enabled": "false",
    "cluster.routing.allocation.disk.threshold_enabled": "false",
    "ES_JAVA_OPTS": "-Xms512m -Xmx512m",
}


@dataclasses.dataclass(frozen=True)
class Source:
    """Where Elasticsearch is: the base URL without a final slash, what it is, and whether that is a container."""

    url: str
    name: str
    is_container: bool = False


_description = pytest.StashKey[str]()
_shared = pytest.StashKey[Source]()


def wait_until_ready(url: str, seconds: float, runs: Callable[[], bool] = lambda: True) -> None:
    """Return once the cluster at `url` reports itself yellow or green; raise TimeoutError after `seconds`.

    Raises it at once when `runs`, asked between attempts, says that what was to answer has ended. Asks for the
    cluster's health, not for the banner at the root, which not every build of the server has.
    """
    deadline = time.monotonic() + seconds
    last: object = "no answer"
    while time.monotonic() < deadline and runs():
        try:
            answer = requests.get(f"{url}/_cluster/health?wait_for_status=yellow&timeout=1s", timeout=30)
        except requests.RequestException as error:
            last = error
            time.sleep(0.2)
            continue
        if answer.ok:
            return
        last = f"{answer.status_code} {answer.text[:500]}"
        time.sleep(0.2)
    raise TimeoutError(f"Elasticsearch at {url} has ended, or is not ready after {seconds:.0f} s: {last}")


def _version(url: str) -> str:
    """Return the version numbers of the nodes at `url`, joined by commas."""
    nodes = requests.get(f"{url}/_nodes?filter_path=nodes.*.version", timeout=60).json()["nodes"]
    return ", ".join(sorted({node["version"] for node in nodes.values()}))


@contextlib.contextmanager
def _container(image: str) -> Iterator[str]:
    # Here, not above: importing it reads the configuration of Docker, which a machine without Docker need not have.
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer

    if image != containers.OFFICIAL_IMAGE:
        # Ryuk, the container that sweeps up after killed runs, comes from a registry; this image did not.
        testcontainers_config.ryuk_disabled = True
    container = DockerContainer(image)
    containers.publish(container, _PORT)
    for name, value in _CONTAINER_ENVIRONMENT.items():
        container.with_env(name, value)
    with container:
        url = containers.url_of(container, _PORT)
        try:
            wait_until_ready(url, _READY_SECONDS, lambda: containers.runs(container))
        except TimeoutError as error:
            logs = b"".join(container.get_logs()).decode(errors="replace")
            raise TimeoutError(f"{error}\n{logs[-_LOG_CHARACTERS:]}") from None
        yield url


@contextlib.contextmanager
def _started() -> Iterator[Source]:
    """The source that is there first. It ends with the block, unless it was given."""
    given = os.environ.get("ELASTICSEARCH_URL", "").rstrip("/")
    if given:
        wait_until_ready(given, _GIVEN_READY_SECONDS)
        yield Source(given, "ELASTICSEARCH_URL")
    elif image := containers.elasticsearch_image():
        with _container(image) as url:
            yield Source(url, f"container of {image}", is_container=True)
    else:
        # As open as a container of it is here: what tests send it is theirs, and goes through proxies of theirs.
        with (
            tempfile.TemporaryDirectory(prefix="elasticsearch-") as data,
            EmbeddedNode(Path(data), open_to_all=True) as node,
        ):
            yield Source(node.url, "embedded node")


def _told(config: pytest.Config, source: Source) -> Source:
    config.stash[_description] = f"Elasticsearch {_version(source.url)} ({source.name})"
    return source


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Of a run in several processes: the one that hands out the tests has the source, and tells the others."""
    config: pytest.Config = node.config
    if _shared not in config.stash:
        running = contextlib.ExitStack()
        config.add_cleanup(running.close)
        config.stash[_shared] = _told(config, running.enter_context(_started()))
    node.workerinput["elasticsearch"] = dataclasses.asdict(config.stash[_shared])


@pytest.fixture(scope="session")
def _elasticsearch(request: pytest.FixtureRequest) -> Iterator[Source]:
    if handed := getattr(request.config, "workerinput", {}).get("elasticsearch"):
        yield Source(**handed)
        return
    with _started() as source:
        yield _told(request.config, source)


@pytest.fixture(scope="session")
def elasticsearch_container(request: pytest.FixtureRequest) -> Iterator[str]:
    """The base URL of Elasticsearch in a container: the one of the whole run, or where that has another, one started here.

    A test that uses this fixture itself is marked `needs("docker", "elasticsearch-image")`.
    """
    source: Source = request.getfixturevalue("_elasticsearch")
    if source.is_container:
        yield source.url
        return
    image = containers.elasticsearch_image()
    if image is None:
        pytest.fail("no Docker engine answers, or no image of Elasticsearch can be had", pytrace=False)
    with _container(image) as url:
        yield url


@pytest.fixture(scope="session")
def elasticsearch_url(_elasticsearch: Source) -> str:
    """The base URL, without a final slash, of a real Elasticsearch that the whole run shares.

    Others may use the same server: tests touch no index that they did not make.
    """
    return _elasticsearch.url


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which Elasticsearch the tests talked to."""
    if description := config.stash.get(_description, None):
        terminalreporter.write_line(f"TESTED WITH: {description}")

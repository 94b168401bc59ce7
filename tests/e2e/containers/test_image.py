"""The image and compose.yaml, built and run for real against Elasticsearch in a container."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import requests
import yaml

from app.settings import GIB, MIB, Settings
from tests.dialects.coco import test_transcript
from tests.integration.extraction import documents
from tests.integration.extraction.test_confined_reader import check_that_nothing_was_done, found_by
from tests.support import containers
from tests.support.app import Server, delete_index, unique_index
from tests.support.attempts import surroundings
from tests.support.browsers import post_token
from tests.support.ports import reserved_port
from tests.support.registries import fetch

pytestmark = [pytest.mark.needs("docker", "elasticsearch-image"), pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[3]
TAG = "attachment-store:under-test"
#: What the images are built from: where no image registry answers, one that was made here.
BASE = (
    os.environ.get("BASE_IMAGE") or re.findall(r"^ARG BASE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0]
)
PORT = 9000
TOKEN = "token-of-the-container"
#: The image beyond the base that Docker hub has, which the one of .ci/base-image is larger than. The readers of documents
#: are a third of it; what vectors of texts need (numpy, ICU, the model) is 130 MB.
MOST_ADDED_BYTES = 750 * 1000**2


class Contained(Server):
    """A server that runs in a container, for tests that speak HTTP alone."""

    def __init__(self, url: str, index: str) -> None:
        self._url = url
        self.index = index
        self.token = TOKEN

    @property
    def url(self) -> str:
        return self._url


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env(timeout=120)
    yield client
    client.close()


@pytest.fixture(scope="module")
def image(engine: docker.DockerClient) -> Any:
    arguments = ["--build-arg", "VERSION=1.2.3", "--build-arg", f"BASE={BASE}"]
    fetch(["docker", "build", "--quiet", *arguments, "--tag", TAG, str(ROOT)], seconds=600)
    return engine.images.get(TAG)


def address_within(engine: docker.DockerClient, url: str) -> str:
    """The URL under which other containers reach the container that publishes `url`'s port here."""
    port = url.rpartition(":")[2]
    for each in engine.containers.list():
        for inner, published in (each.ports or {}).items():
            if any(binding["HostPort"] == port for binding in published or []):
                network = next(iter(each.attrs["NetworkSettings"]["Networks"].values()))
                return f"http://{network['IPAddress']}:{inner.partition('/')[0]}"
    raise LookupError(url)


@pytest.fixture
def contained(
    engine: docker.DockerClient, image: Any, elasticsearch_container: str
) -> Iterator[Callable[..., tuple[Contained, Any]]]:
    """Starts the image as compose.yaml does: read-only, without capabilities, with a volume for its data."""
    from testcontainers.core.container import DockerContainer

    index = unique_index()
    volume = engine.volumes.create(f"test-{secrets.token_hex(6)}")
    started: list[DockerContainer] = []

    def start(**environment: str) -> tuple[Contained, Any]:
        container = DockerContainer(TAG).with_tmpfs_mount("/tmp")
        containers.publish(container, PORT)
        container.with_kwargs(
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            mounts=[docker.types.Mount("/data", volume.name)],
        )
        settings = {
            "ELASTICSEARCH_URL": address_within(engine, elasticsearch_container),
            "API_TOKEN": TOKEN,
            "INDEX": index,
            "DISK_RESERVE": "0",
            "WEB_WORKERS": "2",
        }
        for name, value in (settings | environment).items():
            container.with_env(name, value)
        started.append(container.start())
        server = Contained(containers.url_of(container, PORT), index)
        server.await_health(seconds=180)
        return server, container.get_wrapped_container()

    Contained.await_health = _await_health  # type: ignore[method-assign]
    try:
        yield start
    finally:
        for each in started:
            each.stop()
        volume.remove(force=True)
        delete_index(elasticsearch_container, index)


def _await_health(self: Server, status: int = 200, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if requests.get(f"{self.url}/health", timeout=60).status_code == status:
                return
        except requests.RequestException:
            pass
        assert time.monotonic() < deadline, "the container does not answer as healthy"
        time.sleep(0.2)


def inside(container: Any, *command: str) -> str:
    """What a command prints in a container; one that prints something, as the engine at times loses all that a short one
    says before its stream is attached. Then it is asked again."""
    for _ in range(5):
        status, output = container.exec_run(list(command))
        assert status == 0, output
        if output:
            break
    return str(output.decode())


def test_what_is_in_it(engine: docker.DockerClient, image: Any) -> None:
    configuration = image.attrs["Config"]
    assert configuration["User"] == "store:store"
    assert configuration["Labels"]["org.opencontainers.image.version"] == "1.2.3"
    assert configuration["Cmd"][0] == "python", "no shell is between the signals and the server"
    assert configuration["Healthcheck"]["Test"][0] == "CMD"
    assert image.attrs["Size"] - engine.images.get(BASE).attrs["Size"] < MOST_ADDED_BYTES
    command = ["docker", "run", "--rm", TAG, "ls", "-A", "/srv/attachment-store"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True, timeout=180).stdout
    assert listing.split() == ["app", "mappings"]


def test_what_an_object_store_needs_is_left_in_it(image: Any) -> None:
    program = "import botocore.session; make = botocore.session.get_session().create_client\n"
    program += "for name in ('s3', 'sts', 'sso', 'sso-oidc', 'signin'): make(name, region_name='us-east-1')"
    command = ["docker", "run", "--rm", "--network", "none", TAG, "python", "-c", program]
    subprocess.run(command, capture_output=True, check=True, timeout=180)


def test_the_documented_transcript(contained: Callable[..., tuple[Contained, Any]], tmp_path: Path) -> None:
    # The documented score is that of fresh documents.
    server, container = contained(EXTRACTION="off")
    test_transcript.check_the_transcript(server, tmp_path)

    assert inside(container, "id", "-u").strip() == "10001"
    owners = inside(container, "find", "/data", "-type", "f", "-printf", "%U:%G %m\n").split("\n")
    assert {line.split(" ")[0] for line in owners if line} == {"10001:10001"}
    status, _ = container.exec_run(["touch", "/srv/attachment-store/x"])
    assert status != 0, "the root file system can't be written"
    assert inside(container, "git", "--version").startswith("git version")
    deadline = time.monotonic() + 180
    while (container.reload() or container.attrs["State"]["Health"]["Status"]) != "healthy":
        assert time.monotonic() < deadline, container.attrs["State"]["Health"]
        time.sleep(0.5)
    for line in container.logs().decode().splitlines():
        assert json.loads(line)["time"], "every line of the log is an object"


def check_that_documents_are_read(server: Server, log: Callable[[], str]) -> None:
    """A PDF, a Word file and a picture are found by their words: the PDF by one on its last page."""
    made = {
        "paper.pdf": documents.pdf(pages=12, phrase_on=12),
        "letter.docx": documents.word(),
        "scan.png": documents.picture(),
    }
    ids = dict(zip(made, server.upload(*made.items(), session="documents"), strict=True))
    deadline = time.monotonic() + 180
    for name, attachment_id in ids.items():
        while (answer := server.get(f"/attachment/{attachment_id}/status")).json()["initial_parsing"] == "pending":
            assert time.monotonic() < deadline, log()[-2000:]
            time.sleep(0.5)
        assert (answer.json()["initial_parsing"], answer.headers.get("Extraction-Reason")) == ("completed", None), name
    assert {hit["_id"] for hit in server.hits(f"session=documents&query={documents.PHRASE}")} == set(ids.values())
    await_no_warning(server)


def await_no_warning(server: Server) -> None:
    """The one that there is at first, as the model takes seconds to start, goes."""
    deadline = time.monotonic() + 180
    while (said := server.get("/health").json()).get("warnings"):
        assert len(said["warnings"]) == 1, said
        assert said["warnings"][0].startswith("no embeddings: "), said
        assert time.monotonic() < deadline, said
        time.sleep(0.5)


def test_documents_are_read(contained: Callable[..., tuple[Contained, Any]]) -> None:
    """Nothing can be unpacked where it runs: its root file system is read-only, and nothing in /tmp can be loaded. The
    image has the data of recognition, not tesseract: where the process that reads may do little, it is enough."""
    server, container = contained()
    check_that_documents_are_read(server, lambda: container.logs().decode())
    # The folder itself, and nothing in it.
    assert inside(container, "find", "/tmp").split() == ["/tmp"]
    assert "noexec" in inside(container, "grep", " /tmp ", "/proc/mounts")


@pytest.mark.needs("landlock", "seccomp")
@pytest.mark.parametrize("kind", ["text", "pdf", "document", "image"])
@pytest.mark.usefixtures("image")
def test_a_document_that_takes_its_reader_over_can_do_nothing(tmp_path: Path, kind: str) -> None:
    """With what compose.yaml leaves it: no capability, no new privileges, the engine's own list of system calls."""
    limits = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true"]
    variables = ["--env", "PYTHONPATH=/srv/attachment-store:/srv/of", "--env", f"KIND={kind}"]
    program = ["python", "-P", "-m", "tests.integration.extraction.hostile", "/tmp/program", "confined"]
    with surroundings(tmp_path) as around:
        for path in (around.data, *around.data.rglob("*")):
            os.chown(path, 10001, 10001)
        mounts = ["--volume", f"{around.data}:{around.data}", "--volume", f"{ROOT}/tests:/srv/of/tests:ro"]
        # With the network of this machine, so that there is something to be reached.
        command = [
            "docker",
            "run",
            "--rm",
            "--interactive",
            "--network",
            "host",
            *limits,
            *mounts,
            *variables,
            TAG,
            *program,
        ]
        check_that_nothing_was_done(around, found_by(command, around, every=True, environment=dict(os.environ)), kind)


def test_the_container_has_nothing_to_warn_of(contained: Callable[..., tuple[Contained, Any]]) -> None:
    server, _ = contained(CONFINEMENT="required")
    await_no_warning(server)


def test_sigterm_lets_an_upload_finish(contained: Callable[..., tuple[Contained, Any]]) -> None:
    server, container = contained()
    body = (
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n'
        + bytes(4000)
        + b"\r\n--b--\r\n"
    )
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 60) as client:
        client.sendall(
            b"POST /attachment/_upload HTTP/1.1\r\nHost: x\r\nX-API-TOKEN: " + TOKEN.encode() + b"\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
            % len(body)
        )
        # So it is at work on it.
        assert client.recv(65536).startswith(b"HTTP/1.1 100 ")
        client.sendall(body[:2000])
        stopping = threading.Thread(target=lambda: container.stop(timeout=35))
        stopping.start()
        time.sleep(1)
        client.sendall(body[2000:])
        answer = client.recv(65536)
    stopping.join()
    container.reload()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert container.attrs["State"]["ExitCode"] == 0


def test_data_outlives_the_container(contained: Callable[..., tuple[Contained, Any]]) -> None:
    server, container = contained()
    (attachment_id,) = server.upload(("a.txt", b"kept"))
    container.stop(timeout=35)
    again, _ = contained()
    assert again.get(f"/attachment/{attachment_id}").content == b"kept"
    assert [hit["_id"] for hit in again.hits()] == [attachment_id]


COMPOSE = ROOT / "compose.yaml"


def test_compose_is_closed_where_it_should_be() -> None:
    content = yaml.safe_load(COMPOSE.read_text())
    services = content["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["nginx"]
    assert content["networks"]["index"] == {"internal": True}
    for name in ("store", "nginx"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
    # Each secret must be given; none has a default in the file.
    for secret in ("ELASTIC_PASSWORD", "STORE_PASSWORD", "API_TOKEN"):
        assert set(re.findall(rf"\$\{{{secret}(..)", COMPOSE.read_text())) == {":?"}


def test_only_the_setup_has_the_password_of_all_of_elasticsearch() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    given = {name: str(service.get("environment")) for name, service in services.items()}
    assert {name for name, text in given.items() if "ELASTIC_PASSWORD" in text} == {"elasticsearch", "setup"}
    assert services["store"]["environment"]["ELASTICSEARCH_USERNAME"] == "attachment_store"
    assert "'elastic'" not in given["store"]


def test_images_are_named_by_their_content() -> None:
    """Of each a digest, and of the base the same one in every file. Whoever builds from another says so."""
    content = yaml.safe_load(COMPOSE.read_text())
    services = content["services"]
    digest = r"[\w./:-]+@sha256:[0-9a-f]{64}"
    assert services["setup"]["image"] == services["elasticsearch"]["image"]
    assert re.fullmatch(rf"\$\{{ELASTICSEARCH_IMAGE:-{digest}\}}", services["elasticsearch"]["image"])
    found = re.fullmatch(rf"\$\{{BASE_IMAGE:-({digest})\}}", content["x-base"])
    assert found is not None
    for file, name in (("Dockerfile", "store"), ("deploy/nginx/Dockerfile", "nginx")):
        text = (ROOT / file).read_text()
        assert re.findall(r"^ARG BASE=(.*)$", text, re.MULTILINE) == [found[1]]
        assert {line.split()[1] for line in text.splitlines() if line.startswith("FROM ")} == {"$BASE"}
        assert services[name]["build"]["args"]["BASE"] == content["x-base"]


def memory_of(service: str) -> int:
    """Bytes that compose.yaml gives a service where nobody says otherwise."""
    limit = yaml.safe_load(COMPOSE.read_text())["services"][service]["mem_limit"]
    return size(re.fullmatch(r"\$\{[A-Z]+_MEMORY:-(\w+)\}", limit)[1])  # type: ignore[index]


def size(text: str) -> int:
    return int(text[:-1]) * {"m": MIB, "g": GIB}[text[-1]]


def test_memory_fits_what_the_settings_may_take() -> None:
    settings = Settings()
    heap = re.search(r"-Xmx\$\{ELASTICSEARCH_HEAP:-(\w+)\}", COMPOSE.read_text())
    assert heap is not None
    assert memory_of("elasticsearch") == 2 * size(heap[1])
    readers = settings.extraction_workers + settings.thumbnail_workers + settings.recognition_workers
    assert memory_of("store") == readers * settings.extraction_memory + 160 * MIB + GIB
    page = (ROOT / "docs" / "operations.md").read_text()
    for service in yaml.safe_load(COMPOSE.read_text())["services"]:
        name = f"{service.upper()}_MEMORY"
        documented = re.search(rf"^\| `{name}` \| `(\w+)` \|", page, re.MULTILINE)
        assert documented is not None, name
        assert size(documented[1]) == memory_of(service)


def check_that_they_are_closed(services: dict[str, Any], project: str, port: int) -> None:
    """What the file says of rights and networks, as the engine and the processes have it."""
    writable = {"store": True, "nginx": False}
    for name, may_write in writable.items():
        container = services[name]
        host = container.attrs["HostConfig"]
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert not host["CapAdd"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert host["Privileged"] is False
        assert list(host["Tmpfs"]) == ["/tmp"]
        folder = "/data" if may_write else "/data/attachments"
        assert [(each["Destination"], each["RW"]) for each in container.attrs["Mounts"]] == [(folder, may_write)]
        status = dict(line.split(":\t", 1) for line in inside(container, "cat", "/proc/1/status").splitlines())
        assert set(status["Uid"].split()) == {"10001"}
        assert {int(status[each], 16) for each in ("CapPrm", "CapEff", "CapBnd")} == {0}
        assert status["NoNewPrivs"] == "1"
        assert container.exec_run(["touch", "/srv/x"])[0] != 0
        assert (container.exec_run(["touch", f"{folder}/x"])[0] == 0) is may_write
    services["store"].exec_run(["rm", "/data/x"])
    assert inside(services["nginx"], "ls", "-A", "/data").split() == ["attachments"]
    assert "store.json" in inside(services["store"], "ls", "-A", "/data").split()
    assert {name: each.attrs["HostConfig"]["Memory"] for name, each in services.items()} == {
        name: memory_of(name) for name in services
    }
    networks = {name: set(each.attrs["NetworkSettings"]["Networks"]) for name, each in services.items()}
    front, index = f"{project}_front", f"{project}_index"
    assert networks == {"elasticsearch": {index}, "store": {index, front}, "nginx": {front}}
    published = {
        name: [binding for bindings in each.attrs["NetworkSettings"]["Ports"].values() for binding in bindings or ()]
        for name, each in services.items()
    }
    assert published == {
        "elasticsearch": [],
        "store": [],
        "nginx": [{"HostIp": "127.0.0.1", "HostPort": str(port)}],
    }


@pytest.mark.needs("docker-compose")
def test_one_command_up(tmp_path: Path, engine: docker.DockerClient) -> None:
    """`deploy/up` in a copy of what is shipped, secrets made by itself; only the image of Elasticsearch may be another.

    The one that is built where no image registry answers has no security in it and takes any password; that it is one
    which the official image takes too is Elasticsearch's documentation, not shown here.
    """
    project = f"test{secrets.token_hex(4)}"
    folder = tmp_path / project
    folder.mkdir()
    for name in ("compose.yaml", "Dockerfile", ".dockerignore"):
        shutil.copy(ROOT / name, folder)
    for name in ("app", "deploy", "mappings", "scripts/requirements"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    # The engine takes it much later and has rules of its own for that, so it is let go before.
    with reserved_port() as port:
        pass
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if name not in ("API_TOKEN", "ELASTIC_PASSWORD", "STORE_PASSWORD")
        },
        "BASE_IMAGE": BASE,
        "ELASTICSEARCH_IMAGE": str(containers.elasticsearch_image()),
        "LISTEN": f"127.0.0.1:{port}",
        "VERSION": "under-test",
        "ELASTICSEARCH_HEAP": "512m",
        "DOCKER_BUILDKIT": "0",
    }

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
        )

    def running(service: str) -> Any:
        (container,) = engine.containers.list(
            filters={"label": [f"com.docker.compose.project={project}", f"com.docker.compose.service={service}"]}
        )
        return container

    try:
        up = run("deploy/up")
        assert up.returncode == 0, up.stdout[-2000:] + up.stderr[-2000:]
        assert up.stderr.endswith("The attachment store is ready.\n")
        services = {each: running(each) for each in ("elasticsearch", "store", "nginx")}
        assert {each.attrs["State"]["Health"]["Status"] for each in services.values()} == {"healthy"}
        check_that_they_are_closed(services, project, port)
        assert (folder / ".env").stat().st_mode & 0o777 == 0o600
        secret = dict(line.split("=") for line in (folder / ".env").read_text().split())
        assert secret.keys() == {"ELASTIC_PASSWORD", "STORE_PASSWORD", "API_TOKEN", "ATTACHMENTS", "PLAIN_SIGN_IN"}
        assert secret.pop("ATTACHMENTS").endswith("/attachments")
        # This machine's own loopback, and what nginx sees of it.
        assert re.fullmatch(r"127\.0\.0\.0/8,::1,[0-9.]+", secret.pop("PLAIN_SIGN_IN"))
        assert not [each for each in secret.values() if each in up.stdout + up.stderr]
        server = Contained(f"http://127.0.0.1:{port}", "coco_attachment")
        server.token = secret["API_TOKEN"]
        (attachment_id,) = server.upload(("through.txt", b"0123456789"))
        answer = server.get(f"/attachment/{attachment_id}", headers={"Range": "bytes=2-4"})
        assert (answer.status_code, answer.content) == (206, b"234")
        assert answer.headers["Server"] == "nginx"
        assert [hit["_index"] for hit in server.hits()] == ["coco_attachment"]
        check_that_documents_are_read(server, lambda: services["store"].logs().decode())
        # On the machine itself a browser signs in without TLS.
        assert post_token(server.url, server.token).status_code == 200
        # A second time changes nothing, the secrets included.
        kept = (folder / ".env").read_text()
        assert run("deploy/up").returncode == 0
        assert (folder / ".env").read_text() == kept
        assert server.get(f"/attachment/{attachment_id}").content == b"0123456789"
    finally:
        run("docker-compose", "down", "--volumes", "--timeout", "40")

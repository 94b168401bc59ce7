"""What is run is exactly what is pinned."""

import dataclasses
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.embedded_node import DEFAULT_VERSION, ArtifactError, artifacts, manifest

#: What goes wrong in turn, and what was asked for.
Mirror = tuple[list[str], list[str]]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with a home of its own: copies of the real one's files."""
    home = artifacts.prepare(DEFAULT_VERSION).path
    shutil.copytree(home, tmp_path / DEFAULT_VERSION, ignore=shutil.ignore_patterns("*.jsa"))
    return tmp_path


def _replace(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


@pytest.mark.parametrize("version", manifest.supported())
def test_manifest_names_each_jar_once_and_every_place(version: str) -> None:
    jars = manifest.read(version)

    assert {jar.place for jar in jars} == {place for place, _ in manifest.ROOTS[version.partition(".")[0]]}
    assert len({(jar.group, jar.artifact) for jar in jars}) == len(jars)
    assert all(len(jar.sha256) == 64 for jar in jars)


def test_intact_home_is_accepted_without_a_download(store: Path) -> None:
    home = artifacts.prepare(DEFAULT_VERSION, store)

    assert home.path == store / DEFAULT_VERSION
    assert all(path.is_file() for path in home.class_path)


@pytest.mark.parametrize("folder", ["lib", "modules/transport-netty4"])
def test_tampered_jar_is_refused(store: Path, folder: str) -> None:
    jar = min((store / DEFAULT_VERSION / folder).glob("*.jar"))
    _replace(jar, jar.read_bytes() + b"\0")

    with pytest.raises(ArtifactError, match=f"{jar.name} is not the pinned file"):
        artifacts.prepare(DEFAULT_VERSION, store)


def test_missing_jar_is_refused(store: Path) -> None:
    jar = min((store / DEFAULT_VERSION / "lib").glob("*.jar"))
    jar.unlink()

    with pytest.raises(ArtifactError, match=f"{jar.name} is missing"):
        artifacts.prepare(DEFAULT_VERSION, store)


def test_jar_that_the_manifest_does_not_name_is_refused(store: Path) -> None:
    (store / DEFAULT_VERSION / "modules" / "transport-netty4" / "stranger.jar").write_bytes(b"")

    with pytest.raises(ArtifactError, match=r"holds stranger\.jar"):
        artifacts.prepare(DEFAULT_VERSION, store)


def test_download_that_differs_from_its_pin_is_refused_and_leaves_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [small] = [jar for jar in manifest.read(DEFAULT_VERSION) if jar.artifact == "ecs-logging-core"]
    monkeypatch.setattr(artifacts, "read", lambda version: [dataclasses.replace(small, sha256="0" * 64)])

    with pytest.raises(ArtifactError, match="ecs-logging-core.* was refused"):
        artifacts.prepare(DEFAULT_VERSION, tmp_path)

    assert not (tmp_path / DEFAULT_VERSION).exists()


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A real repository on the loopback in place of Maven Central; what `troubles` names goes wrong there, in turn."""
    content = next((artifacts.prepare(DEFAULT_VERSION).path / "lib").glob("ecs-logging-core-*.jar")).read_bytes()
    stalled = threading.Event()
    troubles: list[str] = []
    asked: list[str] = []

    class Repository(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.endswith(".jar"):
                return self.send_error(404)
            asked.append(self.path)
            trouble = troubles.pop(0) if troubles else ""
            if trouble == "refuses":
                return self.send_error(503)
            if trouble == "stalls":
                stalled.wait(120)
                return None
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:1000] if trouble == "breaks off" else content)
            return None

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Repository)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    central = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("jgo.constants.MAVEN_CENTRAL_URL", central)
    monkeypatch.setattr("jgo.config.GlobalSettings.load", classmethod(lambda cls: cls()))
    # Waited for in full once, and never too short for one that does not stall.
    monkeypatch.setattr(artifacts, "STALLED", 4.0)
    monkeypatch.setattr(artifacts, "PAUSES", (0, 0, 0))
    [small] = [jar for jar in manifest.read(DEFAULT_VERSION) if jar.artifact == "ecs-logging-core"]
    monkeypatch.setattr(artifacts, "read", lambda version: [small])
    yield troubles, asked
    stalled.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_repository_that_stalls_refuses_or_breaks_off_is_asked_again(mirror: Mirror, tmp_path: Path) -> None:
    troubles, asked = mirror
    troubles += ["stalls", "breaks off", "refuses"]

    home = artifacts.prepare(DEFAULT_VERSION, tmp_path / "store")

    assert len(asked) == 4
    assert [path.name.partition("-1")[0] for path in home.class_path] == ["ecs-logging-core"]


def test_repository_that_stays_away_is_named(mirror: Mirror, tmp_path: Path) -> None:
    troubles, asked = mirror
    troubles += ["refuses"] * 10

    with pytest.raises(ArtifactError, match="ecs-logging-core.* could not be fetched"):
        artifacts.prepare(DEFAULT_VERSION, tmp_path / "store")

    assert len(asked) == 4
    assert not (tmp_path / "store" / DEFAULT_VERSION).exists()


def test_killed_preparation_is_taken_up_where_it_was(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = store / DEFAULT_VERSION
    for jar in sorted((home / "lib").glob("ecs-logging-*.jar")):
        _replace(jar, b"half a ja")
    (store / "work").mkdir()
    (store / "work" / "left-over").touch()
    home.rename(store / f"{DEFAULT_VERSION}.partial")

    artifacts.prepare(DEFAULT_VERSION, store)

    assert "1 files to fetch" in capsys.readouterr().err
    assert sorted(path.name for path in store.iterdir()) == [DEFAULT_VERSION, "lock"]

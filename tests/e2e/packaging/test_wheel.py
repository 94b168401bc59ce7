"""The package as somebody installs it: from the built wheel, in an environment and a folder that nobody used before."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from app import __version__
from tests.support.ports import reserved_port

# It installs everything that the server stands on.
pytestmark = pytest.mark.timeout(1200)

ROOT = Path(__file__).parents[3]
SOURCES = ("app", "mappings", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
TOKEN = "installed-token-0123456789abcdef0123456789abcdef"


class Installed:
    """An environment with the package in it, and an empty folder to call its command in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "empty"
        self.folder.mkdir()
        home = folder / "home"
        cache = home / ".cache" / "attachment-store"
        cache.mkdir(parents=True)
        # The jars of Elasticsearch's node are those that the tests have fetched.
        (ROOT / ".node").mkdir(exist_ok=True)
        (cache / "node").symlink_to(ROOT / ".node")
        self.command = folder / "venv" / "bin" / "attachment-store"
        self.environment = {
            "PATH": os.defpath,
            "HOME": str(home),
            **{
                name: value for name, value in os.environ.items() if name.startswith("PIP_") or "_proxy" in name.lower()
            },
        }
        sources = folder / "sources"
        sources.mkdir()
        for name in SOURCES:
            path = ROOT / name
            if path.is_dir():
                # As a clone has it: `app/mappings` is a link.
                shutil.copytree(path, sources / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(path, sources / name)
        venv.create(folder / "venv", with_pip=True)
        pip = [str(folder / "venv" / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
        lock = ROOT / "scripts" / "requirements" / "serve.txt"
        for arguments in (
            ["install", "--only-binary", ":all:", "--require-hashes", "-r", str(lock)],
            ["wheel", "--no-deps", "--wheel-dir", str(folder / "wheels"), str(sources)],
            ["install", "--no-deps", "--no-index", "--find-links", str(folder / "wheels"), "attachment-store"],
            ["check"],
        ):
            subprocess.run([*pip, *arguments], check=True, cwd=self.folder, env=self.environment)
        # What runs from here on is the wheel's alone.
        shutil.rmtree(sources)

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.command), *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """The address of a server of its own, with a node of its own."""
        with reserved_port() as port, (self.folder.parent / "log").open("w+") as log:
            process = subprocess.Popen(
                [str(self.command), "serve", "--port", str(port)],
                cwd=self.folder,
                env={**self.environment, "API_TOKEN": TOKEN, "DISK_RESERVE": "0"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                end = time.monotonic() + 600
                while "is ready" not in (said := Path(log.name).read_text()):
                    assert process.poll() is None, said
                    assert time.monotonic() < end, said
                    time.sleep(0.2)
                yield f"http://127.0.0.1:{port}"
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(120)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"))


def test_it_serves_and_its_commands_know_the_store(installed: Installed) -> None:
    with installed.serving() as url:
        headers = {"X-API-TOKEN": TOKEN}
        files = {"files": ("minutes.html", b"<p>the heron stood still</p>")}
        assert requests.post(f"{url}/attachment/_upload", headers=headers, files=files, timeout=60).status_code == 200
        end = time.monotonic() + 120
        while True:
            found = requests.get(
                f"{url}/attachment/_search", headers=headers, params={"query": "heron"}, timeout=60
            ).json()
            if found["hits"]["total"]["value"] == 1 or time.monotonic() > end:
                break
            time.sleep(0.2)
        assert found["hits"]["total"]["value"] == 1
        # The page, which is in the wheel too.
        assert "<html" in requests.get(url, headers={"Accept": "text/html"}, timeout=60).text
        status = installed.call("index", "status", "--json")
        assert json.loads(status.stdout.splitlines()[0])["index"] == "coco_attachment", status.stderr
        created = installed.call("token", "create", "reader", "--scope", "search")
        assert created.returncode == 0, created.stderr
        answer = requests.get(
            f"{url}/attachment/_search", headers={"X-API-TOKEN": created.stdout.split()[-1]}, timeout=60
        )
        assert answer.status_code == 200
        verified = installed.call("store", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr


def test_it_says_what_it_can_do(installed: Installed) -> None:
    assert installed.call("--version").stdout == f"attachment-store {__version__}\n"
    assert "serve" in installed.call("--help").stdout
    for wrong in ([], ["nothing"], ["../serve"]):
        refused = installed.call(*wrong)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "usage: attachment-store" in refused.stderr
    for name in ("serve", "store", "index", "token", "check"):
        assert f"usage: attachment-store {name}" in installed.call(name, "--help").stdout
    checked = installed.call("check")
    assert checked.returncode == 0
    assert "MAX_FILES=100" in checked.stdout


def test_without_the_libraries_of_a_node_it_says_so(installed: Installed) -> None:
    python = installed.command.with_name("python")
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "uninstall", "--yes", "jgo"], check=True, env=installed.environment)
    refused = installed.call("serve", "--data", str(installed.folder / "other"))
    assert refused.returncode == 1
    assert "attachment-store[node]" in refused.stderr

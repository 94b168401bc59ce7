"""The two documented programs, run by Node with the published axios and form-data.

tests/dialects/langdock/client holds them as the page prints them; only base URL and key are changed here, a call is put
after the function of the first, and the second's `...` is filled in.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import requests

from tests.support.app import Server, ServerFactory
from tests.support.registries import install_npm_packages

CLIENT = Path(__file__).parent / "client"
BASE = "https://api.langdock.com"
KEY = "YOUR_API_KEY"
NODE_SECONDS = 120

# A registry may stall, and is asked again.
pytestmark = [pytest.mark.needs("node", "npm"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages that the programs require."""
    folder = tmp_path_factory.mktemp("langdock-client")
    shutil.copy(CLIENT / "package.json", folder)
    install_npm_packages(folder)
    return folder


def run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in `folder`, without whatever proxy the environment names."""
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.run(
        ["node", "-e", program], cwd=folder, env=environment, capture_output=True, text=True, timeout=NODE_SECONDS
    )


def changed(program: str, server: Server, key: str, prefix: str = "") -> str:
    """A documented program with another base URL and key."""
    return (CLIENT / program).read_text().replace(BASE, server.url + prefix).replace(KEY, key)


@pytest.mark.parametrize("prefix", ["", "/api/public"])
def test_upload(server: Server, packages: Path, prefix: str) -> None:
    token = server.make_token(tenant=f"node{len(prefix)}")
    content = b"%PDF-1.4\n" + os.urandom(1_234_558)
    (packages / "example.pdf").write_bytes(content)

    done = run(changed("upload.js", server, token, prefix) + "uploadAttachment();", packages)

    assert done.returncode == 0, done.stderr
    match = re.fullmatch(
        r"\{\n"
        r"  attachmentId: '([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})',\n"
        r"  file: \{\n"
        r"    name: 'example.pdf',\n"
        r"    mimeType: 'application/pdf',\n"
        r"    sizeInBytes: 1234567\n"
        r"  \}\n"
        r"\}\n",
        done.stdout,
    )
    assert match is not None, done.stdout
    (hit,) = server.hits(token=token)
    assert hit["_id"] == match[1]
    assert server.get(f"/attachment/{match[1]}", token=token).content == content


def fail(server: Server, packages: Path, key: str, form: str) -> subprocess.CompletedProcess[str]:
    """Run the documented error handling around an upload of `form`, a JavaScript expression."""
    program = changed("errors.js", server, key).replace("...", "form, { headers }")
    return run(
        'const axios = require("axios"); const FormData = require("form-data"); const fs = require("fs");\n'
        f'const form = {form}; const headers = {{ ...form.getHeaders(), Authorization: "Bearer {key}" }};\n'
        f"async function main() {{ {program} }}\nmain();",
        packages,
    )


def form_of(*fields: str) -> str:
    return "".join(
        ["(() => { const form = new FormData(); "]
        + [f'form.append("{field}", fs.createReadStream("example.pdf")); ' for field in fields]
        + ["return form; })()"]
    )


def test_error_handling(server: Server, packages: Path) -> None:
    (packages / "example.pdf").write_bytes(b"%PDF-1.4\n" + bytes(3_000_000))
    for key, fields, said in (
        (server.token, (), "No file provided\n"),
        (server.token, ("document",), "No file provided\n"),
        (server.token, ("file", "file"), "No file provided\n"),
        ("wrong", ("file",), "Invalid API key\n"),
        (server.token, ("file",), ""),
    ):
        done = fail(server, packages, key, form_of(*fields))
        assert (done.returncode, done.stderr) == (0, said)


def test_error_handling_of_a_server_that_can_not_store(start_server: ServerFactory, packages: Path) -> None:
    (packages / "example.pdf").write_bytes(b"%PDF-1.4\n")
    server = start_server()
    shutil.rmtree(server.data / "incoming")
    (server.data / "incoming").write_bytes(b"no folder")
    done = fail(server, packages, server.token, form_of("file"))
    assert (done.returncode, done.stderr) == (0, "Server error\n")
    assert requests.get(f"{server.url}/health", timeout=60).status_code == 503

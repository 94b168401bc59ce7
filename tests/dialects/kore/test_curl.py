"""The documented command line, run by curl."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.dialects.kore.conftest import Kore

# As the page prints it, typographic quote included, but for the quote that closes the header: without it, no shell would
# run the command.
UPLOAD = r"""
curl --location 'http://{host}/api/v2/apps/{appId}/environments/{envName}/attachments/upload' \
--header 'x-api-key: your-x-api-key' \
--form 'file=@"/path/to/file/file.pdf"' \
--form 'userReference="your-session-reference”' \
--form 'uploadType="runtime"'
"""

pytestmark = pytest.mark.needs("curl", "sh")


def run(kore: Kore, command: str, path: Path) -> dict[str, object]:
    for printed, real in (
        ("http://{host}", kore.server.url),
        ("{appId}", kore.app),
        ("{envName}", kore.environment),
        ("your-x-api-key", kore.key),
        ("/path/to/file/file.pdf", str(path)),
    ):
        command = command.replace(printed, real)
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=True)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize(
    ("command", "session"),
    [
        # curl takes the quotes off a value only where they are a pair; what it sends is the reference.
        (UPLOAD, '"your-session-reference”'),
        (UPLOAD.replace("”", '"'), "your-session-reference"),
    ],
    ids=["as printed", "as meant"],
)
def test_upload(kore: Kore, tmp_path: Path, command: str, session: str) -> None:
    path = tmp_path / "file.pdf"
    path.write_bytes(b"%PDF-1.4\n" + bytes(62_987))
    answer = run(kore, command, path)
    assert list(answer) == ["fileId", "fileName", "filePath", "fileSize", "mimeType", "extension", "uploadedAt"]
    assert (answer["fileName"], answer["fileSize"], answer["extension"]) == ("file.pdf", 62_996, "pdf")
    (hit,) = kore.server.hits(token=kore.key)
    assert (hit["_id"], hit["_source"]["session"]) == (answer["fileId"], session)


def test_upload_and_delete(kore: Kore, tmp_path: Path) -> None:
    path = tmp_path / "file.pdf"
    path.write_bytes(b"%PDF-1.4\n")
    file_id = run(kore, UPLOAD.replace("”", '"'), path)["fileId"]
    delete = ["curl", "-sS", "-X", "DELETE", kore.url(str(file_id)), "-H", f"x-api-key: {kore.key}"]
    for session, expected in (
        ("another", {"errors": [{"msg": "not found", "code": 404}]}),
        ("your-session-reference", {"fileId": file_id, "deleted": True}),
    ):
        done = subprocess.run([*delete, "--form", f"sessionReference={session}"], capture_output=True, check=True)
        assert json.loads(done.stdout) == expected

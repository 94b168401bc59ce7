"""What a power cut leaves: a copy of the device at the moment of the answer, without what the kernel still held back.

The file system of the store lies on a loop device. A copy of the file behind it has what reached the device, and nothing
that only the kernel knew of; mounting the copy is what happens after a power cut. The disk itself is taken at its word:
whatever its own cache would lose is not part of this. Elasticsearch keeps running.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.faults.conftest import assert_all_or_none, await_settled, mounted
from tests.support.app import running_server

MIB = 1024 * 1024

pytestmark = pytest.mark.needs("root")


def test_acknowledged_before_the_power_goes(tmp_path: Path, elasticsearch_url: str) -> None:
    image, disk, after = tmp_path / "image", tmp_path / "disk", tmp_path / "after"
    disk.mkdir()
    after.mkdir()
    with image.open("wb") as file:
        file.truncate(128 * MIB)
    subprocess.run(["mkfs.ext4", "-q", "-N", "16384", str(image)], check=True)
    moments: list[tuple[Path, dict[str, bytes], set[str]]] = []
    present: dict[str, bytes] = {}
    gone: set[str] = set()

    def cut() -> None:
        copy = tmp_path / f"image{len(moments)}"
        shutil.copyfile(image, copy)
        moments.append((copy, dict(present), set(gone)))

    # Nothing is written by the clock, only by fsync.
    with (
        mounted("-o", "loop,commit=600,noatime", str(image), on=disk),
        running_server(disk, elasticsearch_url, WEB_WORKERS="1") as server,
    ):
        subprocess.run(["sync", "--file-system", str(disk)], check=True)
        contents = [bytes([number]) * 5000 for number in range(4)]
        (single,) = server.upload(("a", contents[0]), session="one")
        present[single] = contents[0]
        cut()
        several = server.upload(*((str(n), contents[n]) for n in (1, 2, 3)), session="several")
        present |= dict(zip(several, contents[1:], strict=True))
        cut()
        for attachment in (single, several[1]):
            assert server.delete(f"/attachment/{attachment}").status_code == 200
            del present[attachment]
            gone.add(attachment)
            cut()
        for copy, expected, absent in moments:
            with mounted("-o", "loop", str(copy), on=after):
                data = after / server.data.name
                files = {path.name: path for path in (data / "attachments").rglob("*") if path.is_file()}
                for attachment, content in expected.items():
                    assert files[f"{attachment}.bytes"].read_bytes() == content
                    assert hashlib.sha256(content).hexdigest() in files[f"{attachment}.json"].read_text()
                assert not [name for name in files if name.partition(".")[0] in absent]
        # The last of them with a server again: the others of the upload stay, although one of them was deleted.
        server.kill()
        with mounted("-o", "loop", str(moments[-1][0]), on=disk):
            server.start()
            await_settled(server)
            for attachment, content in present.items():
                assert server.get(f"/attachment/{attachment}").content == content
            for attachment in gone:
                assert server.get(f"/attachment/{attachment}").status_code == 404
            assert_all_or_none(server, "several", 2)
            server.stop()

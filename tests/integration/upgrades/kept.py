"""What earlier versions wrote, in tests/data, put where a server of this one finds it."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import requests

from tests.support.app import ROOT, Server

DATA = ROOT / "tests/data"


def open_copy(server: Server, data: Path) -> None:
    """Give the server, which was not started, a copy of the data folder `data`. It has no token then but those in there."""
    shutil.rmtree(server.data)
    shutil.copytree(data, server.data)
    # Whenever it was checked out.
    earlier = time.time() - 2 * 24 * 3600
    for folder, _, names in os.walk(server.data):
        for name in names:
            os.utime(Path(folder, name), (earlier, earlier))
    server.token = ""


def restore_indices(elasticsearch_url: str, folder: Path) -> list[str]:
    """Make the indices that tests/data/make_release.py wrote to `folder`, under their own names; these."""
    names = []
    for path in sorted(folder.glob("*.bulk")):
        name = path.stem
        url = f"{elasticsearch_url}/{name}"
        made = requests.put(url, json=json.loads(path.with_suffix(".json").read_text()), timeout=60)
        assert made.status_code == 200, made.text
        headers = {"Content-Type": "application/x-ndjson"}
        done = requests.post(f"{url}/_bulk?refresh=true", data=path.read_bytes(), headers=headers, timeout=60)
        assert done.json()["errors"] is False, done.text
        names.append(name)
    return names

"""Documents are read on a machine that nobody used before, with nothing but the environment that was prepared.

Each test has a /tmp, a /var/tmp and a home of its own, empty or planted with what somebody else left there.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.extraction.recognition_data import recognition_installed
from tests.integration.extraction.documents import DOCUMENTS, PHRASE, picture
from tests.support.namespaces import own_mounts

pytestmark = pytest.mark.any_user

ROOT = Path(__file__).parents[3]
#: As Docker mounts it: writable, but nothing in it can be run or loaded.
OWN = ["mount -t tmpfs -o mode=1777,noexec,nosuid,nodev tmpfs " + folder for folder in ("/tmp", "/var/tmp", "/dev/shm")]
READ_ONLY = ["mount -t tmpfs -o ro tmpfs " + folder for folder in ("/tmp", "/var/tmp", "/dev/shm")]

#: Reads the documents of its standard input, by name, and prints how each ended and what lies in the folders then.
PROGRAM = """
import base64, json, os, sys
from app.model.attachment import extension
from app.extraction import drawing, reading
from app.extraction.kinds import drawing_of, way_of
from app.extraction.sandbox import Limits
from app.contents.window import Held
from app.contents.mediatype import detect
from app.storage.held import HeldContent

def read(name, content):
    files = [os.fdopen(os.memfd_create(each), "w+b") for each in ("document", "output")]
    files[0].write(content), files[0].seek(0)
    way = way_of(detect(Held(content), name), extension(name), recognition=True)
    verdict = reading.read(way, *files, Limits(120, 1 << 30, 1 << 20))
    files[1].seek(0)
    return [verdict.reason, verdict.detail, files[1].read().decode()]

def draw(name, content):
    way = drawing_of(detect(Held(content), name), extension(name))
    if way is not None:
        verdict, pictures = drawing.draw(way, HeldContent(content), Limits(120, 1 << 30, 1 << 20))
        return [verdict.reason, verdict.detail, len(pictures)]

documents = {name: base64.b64decode(content) for name, content in json.load(sys.stdin).items()}
folders = ["/tmp", "/var/tmp", "/dev/shm", os.environ["HOME"], os.getcwd()]
before = {each: sorted(os.listdir(each)) for each in folders}
found = {name: read(name, content) for name, content in documents.items()}
drawn = {name: draw(name, content) for name, content in documents.items()}
left = {each: sorted(set(os.listdir(each)) - set(before[each])) for each in folders}
print(json.dumps({"found": found, "drawn": drawn, "left": left}))
"""


def documents() -> dict[str, bytes]:
    """One of each kind that this machine can read."""
    more = {"scan.png": picture()} if recognition_installed() else {}
    return {**{name: make() for name, make in DOCUMENTS.items()}, **more}


def read_on(mounts: list[str], home: Path, given: dict[str, bytes]) -> dict[str, Any]:
    """What the program prints there. `home` is also where it is started."""
    given_text = json.dumps({name: base64.b64encode(content).decode() for name, content in given.items()})
    # Where the folder of the test lies in /tmp, it is brought to where that is covered.
    kept = [f"mount --bind {home} /mnt", *mounts, "cd /mnt"]
    done = subprocess.run(
        [*own_mounts(kept), sys.executable, "-P", "-c", PROGRAM],
        input=given_text,
        env={"PATH": os.environ["PATH"], "HOME": "/mnt", "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def check_that_all_are_read(answer: dict[str, Any], given: dict[str, bytes]) -> None:
    for name in given:
        reason, detail, text = answer["found"][name]
        assert (reason, detail) == (None, ""), name
        assert PHRASE in text, name
    drawn = {name: each for name, each in answer["drawn"].items() if each is not None and not each[2]}
    assert {reason for reason, _, _ in drawn.values()} == {"unsupported"}, drawn
    assert {"report.pdf", "slides.pptx", *(["scan.png"] if "scan.png" in given else [])} <= answer[
        "drawn"
    ].keys() - drawn


@pytest.mark.parametrize("mounts", [OWN, READ_ONLY], ids=["noexec", "read-only"])
def test_every_kind_is_read_and_nothing_is_left(mounts: list[str], tmp_path: Path) -> None:
    given = documents()
    answer = read_on(mounts, tmp_path, given)
    check_that_all_are_read(answer, given)
    assert answer["left"] == {each: [] for each in answer["left"]}


#: Where libraries are looked for by programs that don't know better.
LIBRARIES = (
    "libpdfium.so",
    "pdfium/libpdfium.so",
    "lib/libpdfium.so",
    "libmagic.so.1",
)
MODULES = (
    *("pypdfium2", "pypdfium2_raw", "xberg", "olefile", "xlrd", "selectolax"),
    *("ctypes", "json", "runpy", "zipfile", "sitecustomize", "usercustomize"),
)


def test_what_others_planted_is_never_loaded(tmp_path: Path) -> None:
    """In folders where everybody may write, and in the one where the server was started."""
    says = "open('/mnt/loaded','a').write(__name__ + chr(10))"
    planted = []
    for folder in ("/tmp", "/mnt"):
        planted += [f"mkdir -p $(dirname {folder}/{name}) && echo planted > {folder}/{name}" for name in LIBRARIES]
        planted += [f'echo "{says}" > {folder}/{name}.py' for name in MODULES]
    given = documents()
    answer = read_on([each.replace(",noexec", "") for each in OWN] + planted, tmp_path, given)
    check_that_all_are_read(answer, given)
    assert not (tmp_path / "loaded").exists(), (tmp_path / "loaded").read_text()
    assert (tmp_path / "json.py").exists()

"""Thumbnails in the real server: after the upload and beside the text, whatever is killed, and gone with the attachment."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image, _webp

from app.extraction.recognition_data import RECOGNITION_DATA, recognition_installed
from tests.integration.extraction.documents import DOCUMENTS, PHRASE, pdf, picture
from tests.integration.extraction.test_server import by_phrase, decided, queued, state, store_command, wait
from tests.integration.extraction.test_thumbnails import bomb, draw, halves, saved
from tests.support.app import Server, ServerFactory
from tests.support.namespaces import own_mounts, umount_in
from tests.support.texts import keep_thumbnail

SIZES = (160, 640)


def told(server: Server, *ids: str, token: str | None = None) -> dict[str, dict[str, str]]:
    answer = server.post("/attachment/_thumbnails", json={"attachments": ids}, token=token)
    assert answer.status_code == 200, answer.text
    found: dict[str, dict[str, str]] = answer.json()
    return found


def drawn(server: Server, *ids: str) -> None:
    wait(lambda: all(each != {"thumbnail": "pending"} for each in told(server, *ids).values()))


def get(server: Server, attachment_id: str, size: int | None = None, **options: Any) -> requests.Response:
    more = "" if size is None else f"?size={size}"
    return server.get(f"/attachment/{attachment_id}/thumbnail{more}", **options)


def kept(server: Server, attachment_id: str) -> Path:
    (path,) = server.data.glob(f"attachments/*/{attachment_id}.json")
    return path.with_suffix(".thumbnail")


def head(server: Server, attachment_id: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(kept(server, attachment_id).read_bytes().partition(b"\n")[0])
    return content


def slow() -> bytes:
    """A picture that takes a second or two: a hundred thousand bytes of nearly the most pixels."""
    return saved(Image.new("RGB", (7900, 8000), "navy"), "PNG")


@contextlib.contextmanager
def held(server: Server, lane: str = "-thumbnails") -> Iterator[None]:
    """Nothing is done in this lane within the block: this process has the only slot."""
    with (server.data / "extraction" / f".slot{lane}-0").open("a+b") as slot:
        wait(lambda: locked(slot.fileno()))
        yield


def locked(descriptor: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def drawers(server: Server) -> list[int]:
    """The processes of this server that draw now."""
    workers = {str(each) for each in server.worker_pids()}
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (path / "cmdline").read_bytes().split(b"\0")
            parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
            if parent in workers and any(each.startswith(b"thumbnail_") for each in command):
                found.append(int(path.name))
    return found


@pytest.fixture
def drawing(start_server: ServerFactory) -> Server:
    server: Server = start_server(EXTRACTION="on", EXTRACTION_WORKERS="1")
    return server


@pytest.mark.any_user
def test_what_is_drawn_is_given_in_each_size(drawing: Server) -> None:
    given = {
        "Größe.png": saved(halves(), "PNG"),
        "b.pdf": pdf(2, 1),
        "c.pptx": DOCUMENTS["slides.pptx"](),
        "d.txt": b"no picture",
        "e.docx": DOCUMENTS["letter.odt"](),
        "f.png": bomb(60_000, 60_000),
        "g.pdf": pdf(2, 1)[:900],
    }
    ids = drawing.upload(*given.items())
    drawn(drawing, *ids)
    decided(drawing, *ids)
    states = {name: told(drawing, each)[each] for name, each in zip(given, ids, strict=True)}
    assert states == {
        **{name: {"thumbnail": "completed"} for name in ("Größe.png", "b.pdf", "c.pptx")},
        **{name: {"thumbnail": "none"} for name in ("d.txt", "e.docx", "f.png", "g.pdf")},
    }
    wait(lambda: queued(drawing) == [])
    for size in (None, *SIZES):
        answer = get(drawing, ids[0], size)
        wanted = (160, 53) if size != 640 else (640, 213)
        with Image.open(io.BytesIO(answer.content)) as found:
            assert (answer.status_code, found.format, found.size) == (200, "WEBP", wanted)
        assert answer.headers["Content-Type"] == "image/webp"
        assert answer.headers["Content-Disposition"].startswith("inline")
        assert "Gr%C3%B6%C3%9Fe.png.webp" in answer.headers["Content-Disposition"]
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == drawing.get(f"/attachment/{ids[0]}").headers["Cache-Control"]
        tag = answer.headers["ETag"]
        again = get(drawing, ids[0], size, headers={"If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        asked = drawing.request("HEAD", f"/attachment/{ids[0]}/thumbnail" + (f"?size={size}" if size else ""))
        assert (asked.status_code, asked.headers["Content-Length"]) == (200, str(len(answer.content)))
        part = get(drawing, ids[0], size, headers={"Range": "bytes=8-11"})
        assert (part.status_code, part.content) == (206, b"WEBP")
    assert get(drawing, ids[0], 160).headers["ETag"] != get(drawing, ids[0], 640).headers["ETag"]
    for none in ids[3:]:
        answer = get(drawing, none)
        assert (answer.status_code, answer.json()) == (404, {"_id": none, "found": False})
    # The document in the index knows nothing of it.
    (hit,) = drawing.post("/attachment/_search", json={"attachments": [ids[0]]}).json()["hits"]["hits"]
    assert list(hit["_source"]) == ["id", "created", "updated", "session", "name", "icon", "url", "size"]
    numbers = drawing.get("/metrics").text
    assert 'attachment_store_thumbnails_total{outcome="completed"} 3.0' in numbers
    assert 'attachment_store_step_seconds_count{step="draw"} 6.0' in numbers
    assert store_command(drawing, "verify", "--read-data").returncode == 0


@pytest.mark.parametrize(
    "query", ["size=161", "size=", "size=0160", "size=-160", "size=160&size=640", "size=%00", "size=640x", "width=160"]
)
def test_other_sizes_are_refused(server: Server, query: str) -> None:
    (attachment_id,) = server.upload(("a.png", b"bytes"))
    keep_thumbnail(server.data, attachment_id)
    answer = server.get(f"/attachment/{attachment_id}/thumbnail?{query}")
    assert (answer.status_code, list(answer.json())) == (400, ["error", "status"])
    assert ("size" if "size" in query else "width") in answer.json()["error"]["reason"]
    assert server.get(f"/attachment/{attachment_id}/thumbnail").status_code == 200


@pytest.mark.parametrize("path", ["x", "..", "%2e%2e", "a%00b", "cu737jrq50kcaicgn7p0", "é" * 50])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_malformed_id_is_an_unknown_one(server: Server, method: str, path: str) -> None:
    prepared = requests.Request(method, server.url, headers=server.headers()).prepare()
    prepared.url = f"{server.url}/attachment/{path}/thumbnail"
    with requests.Session() as session:
        assert session.send(prepared, timeout=30).status_code == 404
    hostile = [path, "../../etc/passwd", "a\0b", "*", "x" * 5000]
    assert told(server, *hostile) == {each: {} for each in hostile}


def test_of_another_tenant_nothing_is_told(server: Server) -> None:
    (mine,) = server.upload(("a.png", b"bytes"))
    (small, large) = keep_thumbnail(server.data, mine)
    assert [get(server, mine, size).content for size in SIZES] == [small, large]
    stranger = server.make_token(tenant="a-stranger")
    assert get(server, mine, token=stranger).json() == {"_id": mine, "found": False}
    tag = get(server, mine).headers["ETag"]
    assert get(server, mine, token=stranger, headers={"If-None-Match": tag}).status_code == 404
    assert told(server, mine, token=stranger) == {mine: {}}
    assert told(server, mine) == {mine: {"thumbnail": "completed"}}
    for scope in ("search", "write", "delete", "admin"):
        assert get(server, mine, token=server.make_token(scope)).status_code == 403


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"\n" + content,
        lambda content: content[:-1],
        lambda content: content[:-40] + bytes(40),
        lambda content: content.replace(b'"format": 1', b'"format": 2'),
        lambda content: content.replace(b'"length": ', b'"length": 1'),
        lambda content: content.replace(b'"length": ', b'"length": -'),
        lambda content: b"[" * 5000 + b"\n",
        lambda content: b'{"format": 1, "reason": null, "pictures": [{"x": 1}]}\n',
        lambda content: b'{"format": 1}\n',
        lambda content: content.replace(b'"size": 640', b'"size": 320'),
    ],
)
def test_what_is_damaged_is_given_to_nobody(server: Server, damage: Callable[[bytes], bytes]) -> None:
    (attachment_id,) = server.upload(("a.png", b"bytes"))
    keep_thumbnail(server.data, attachment_id)
    path = kept(server, attachment_id)
    path.write_bytes(damage(path.read_bytes()))
    answers = [get(server, attachment_id, size) for size in SIZES]
    assert 500 in {each.status_code for each in answers}
    for each in answers:
        if each.status_code == 500:
            assert each.json() == {"error": {"reason": "The thumbnail of this attachment is damaged"}, "status": 500}
            assert "ETag" not in each.headers
    assert set(told(server, attachment_id)) == {attachment_id}
    assert server.get(f"/attachment/{attachment_id}").content == b"bytes"
    done = store_command(server, "verify", "--read-data", "--json")
    assert (attachment_id, "damaged-thumbnail", "draw again") in {
        (each.get("id"), each.get("code"), each.get("repair")) for each in map(json.loads, done.stdout.splitlines())
    }
    assert server.delete(f"/attachment/{attachment_id}").status_code == 200
    assert not path.exists()


def test_neither_a_thumbnail_keeps_a_text_waiting_nor_a_scan_a_thumbnail(drawing: Server) -> None:
    with held(drawing):
        paper, photo = drawing.upload(("a.pdf", pdf()), ("b.png", picture()))
        decided(drawing, paper)
        assert by_phrase(drawing) == {paper}
        assert told(drawing, paper, photo) == {each: {"thumbnail": "pending"} for each in (paper, photo)}
        assert get(drawing, paper).status_code == 404
        assert sorted(queued(drawing)) == sorted([paper, photo])
    with held(drawing, "-pictures"):
        drawn(drawing, paper, photo)
        assert get(drawing, photo).status_code == get(drawing, paper).status_code == 200
        assert state(drawing, photo) == ("pending" if recognition_installed() else "failed")
    decided(drawing, photo)
    wait(lambda: queued(drawing) == [])


def test_where_no_text_is_recognized_a_picture_is_drawn_all_the_same(start_server: ServerFactory) -> None:
    folders = [f"mount -t tmpfs tmpfs {each}" for each in RECOGNITION_DATA if each.exists()]
    server = start_server(launcher=own_mounts(folders), EXTRACTION="on")
    (photo,) = server.upload(("b.png", picture()))
    drawn(server, photo)
    assert get(server, photo).status_code == 200
    answer = server.get(f"/attachment/{photo}/status")
    assert (answer.json()["initial_parsing"], answer.headers["Extraction-Reason"]) == ("failed", "unsupported")
    wait(lambda: queued(server) == [])
    assert not kept(server, photo).with_suffix(".extraction").exists()
    # An entry that a power cut took: found by what is missing.
    kept(server, photo).unlink()
    server.stop()
    (server.data / "extraction" / ".scanned").unlink()
    server.start()
    wait(lambda: get(server, photo).status_code == 200)


@pytest.mark.any_user
def test_what_takes_too_long_costs_the_thumbnail_alone(drawing: Server) -> None:
    with held(drawing):
        (paper,) = drawing.upload(("a.pdf", pdf()))
        decided(drawing, paper)
    drawn(drawing, paper)
    drawing.stop()
    drawing.environment |= {"EXTRACTION_TIMEOUT": "0.01", "EXTRACTION_ATTEMPTS": "2"}
    kept(drawing, paper).unlink()
    done = store_command(drawing, "extract", "--thumbnails", "--json")
    assert json.loads(done.stdout) == {"queued": 1, "completed": 0, "failed": 1}, done.stderr
    found = head(drawing, paper)
    assert (found["reason"], found["attempts"], found["pictures"]) == ("timeout", 2, [])
    drawing.environment["EXTRACTION_TIMEOUT"] = "60"
    drawing.start()
    assert by_phrase(drawing) == {paper}
    assert state(drawing, paper) == "completed"
    assert told(drawing, paper) == {paper: {"thumbnail": "none"}}
    done = store_command(drawing, "extract", "--thumbnails", "--json")
    assert json.loads(done.stdout) == {"queued": 1, "completed": 1, "failed": 0}, done.stderr
    assert get(drawing, paper).status_code == 200
    assert json.loads(store_command(drawing, "extract", "--thumbnails", "--json").stdout)["queued"] == 0


@pytest.mark.any_user
def test_a_process_that_is_killed_is_tried_again(drawing: Server) -> None:
    (photo,) = drawing.upload(("a.png", slow()))
    wait(lambda: bool(drawers(drawing)))
    for each in drawers(drawing):
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    drawn(drawing, photo)
    assert told(drawing, photo) == {photo: {"thumbnail": "completed"}}
    assert head(drawing, photo)["attempts"] == 2


@pytest.mark.any_user
def test_killed_in_the_middle_all_are_drawn(drawing: Server) -> None:
    photos = drawing.upload(("a.png", slow()), ("b.png", slow()), ("c.pdf", pdf()))
    for _ in range(2):
        wait(
            lambda: (
                bool(drawers(drawing)) or not [each for each in told(drawing, *photos).values() if "pending" in each]
            )
        )
        drawing.kill()
        drawing.start()
    drawn(drawing, *photos)
    assert told(drawing, *photos) == {each: {"thumbnail": "completed"} for each in photos}
    decided(drawing, *photos)
    assert by_phrase(drawing) == {photos[2]}
    wait(lambda: queued(drawing) == [])
    assert store_command(drawing, "verify", "--read-data").returncode == 0


def test_deleted_before_or_while_it_is_drawn_nothing_of_it_stays(drawing: Server) -> None:
    with held(drawing):
        (photo,) = drawing.upload(("a.png", saved(halves(), "PNG")))
        assert drawing.delete(f"/attachment/{photo}").status_code == 200
    wait(lambda: queued(drawing) == [])
    (photo,) = drawing.upload(("a.png", slow()))
    wait(lambda: bool(drawers(drawing)))
    assert drawing.delete(f"/attachment/{photo}").status_code == 200
    assert get(drawing, photo).status_code == 404
    wait(lambda: queued(drawing) == [])
    (photo,) = drawing.upload(("a.png", saved(halves(), "PNG")))
    drawn(drawing, photo)
    assert kept(drawing, photo).exists()
    assert drawing.delete(f"/attachment/{photo}").status_code == 200
    assert get(drawing, photo).status_code == 404
    assert told(drawing, photo) == {photo: {}}
    wait(lambda: drawing.stored_files() == [])


def test_a_delete_that_a_crash_cut_off_takes_it_too(drawing: Server) -> None:
    (photo,) = drawing.upload(("a.png", saved(halves(), "PNG")))
    drawn(drawing, photo)
    decided(drawing, photo)
    wait(lambda: queued(drawing) == [])
    drawing.stop()
    (drawing.data / "journal" / f"{'0' * 32}.delete").write_text(json.dumps({"ids": [photo]}))
    drawing.start()
    wait(lambda: drawing.stored_files() == [])
    # And one whose record alone was left, as a copy may catch it.
    (photo,) = drawing.upload(("a.png", saved(halves(), "PNG")))
    drawn(drawing, photo)
    decided(drawing, photo)
    path = kept(drawing, photo)
    drawing.stop()
    assert drawing.delete is not None
    for suffix in (".json", ".bytes", ".extraction", ".text"):
        path.with_suffix(suffix).unlink(missing_ok=True)
    os.utime(path, (0, 0))
    done = store_command(drawing, "verify", "--json")
    codes = {each.get("code"): each.get("repair") for each in map(json.loads, done.stdout.splitlines())}
    assert codes["thumbnail-without-record"] == "remove the file"
    assert store_command(drawing, "verify", "--repair", "--yes").returncode == 0
    assert not path.exists()


def test_a_copy_a_rebuild_and_a_repair(drawing: Server, start_server: ServerFactory) -> None:
    photo, paper = drawing.upload(("a.png", saved(halves(), "PNG")), ("b.pdf", pdf()))
    drawn(drawing, photo, paper)
    decided(drawing, photo, paper)
    wait(lambda: queued(drawing) == [])
    before = {each: [get(drawing, each, size).content for size in SIZES] for each in (photo, paper)}
    written = {each: kept(drawing, each).read_bytes() for each in (photo, paper)}
    assert store_command(drawing, "rebuild", "--remove-old").returncode == 0
    assert {each: kept(drawing, each).read_bytes() for each in (photo, paper)} == written
    assert {each: [get(drawing, each, size).content for size in SIZES] for each in (photo, paper)} == before
    # One that is damaged is drawn anew, by the running server, and its text is let be.
    path = kept(drawing, photo)
    path.write_bytes(path.read_bytes()[:-1])
    assert store_command(drawing, "verify", "--repair", "--yes").returncode == 0
    wait(lambda: get(drawing, photo, 640).content == before[photo][1])
    wait(lambda: queued(drawing) == [])
    assert store_command(drawing, "verify", "--read-data").returncode == 0
    # A folder of the version before has none, and works; they are made when they are asked for.
    drawing.stop()
    for each in (photo, paper):
        kept(drawing, each).unlink()
    drawing.start()
    assert told(drawing, photo, paper) == {each: {"thumbnail": "none"} for each in (photo, paper)}
    assert store_command(drawing, "verify", "--read-data").returncode == 0
    assert json.loads(store_command(drawing, "extract", "--thumbnails", "--json").stdout)["completed"] == 2
    assert {each: [get(drawing, each, size).content for size in SIZES] for each in (photo, paper)} == before


@pytest.mark.parametrize("pictures", [True, False])
def test_entries_of_the_version_before_are_worked_off(start_server: ServerFactory, pictures: bool) -> None:
    server = start_server(EXTRACTION="off")
    photo, paper = server.upload(("b.png", picture()), ("a.pdf", pdf()))
    server.stop()
    counts = {"begun": 0, "tried": 0, "refused": 0, "unfit": 0, "put_back": 0, "again": False}
    for each in (photo, paper):
        entry = {"tenant": "default", **counts, "pictures": pictures and each == photo}
        (server.data / "extraction" / each).write_text(json.dumps(entry))
    server.environment["EXTRACTION"] = "on"
    server.start()
    decided(server, photo, paper)
    wait(lambda: queued(server) == [])
    assert paper in by_phrase(server)
    assert [get(server, each).status_code for each in (paper, photo)] == [200, 200]
    if recognition_installed():
        assert by_phrase(server, PHRASE) == {photo, paper}


def test_switched_off_none_are_drawn_and_those_that_are_there_stay(start_server: ServerFactory) -> None:
    server = start_server(EXTRACTION="on")
    (photo,) = server.upload(("a.png", saved(halves(), "PNG")))
    drawn(server, photo)
    with held(server):
        (waiting,) = server.upload(("a.png", saved(halves(), "PNG")))
        server.stop()
    server.environment["THUMBNAILS"] = "off"
    server.start()
    (other,) = server.upload(("a.pdf", pdf()))
    decided(server, photo, waiting, other)
    wait(lambda: queued(server) == [])
    assert [get(server, each).status_code for each in (photo, waiting, other)] == [200, 404, 404]
    assert told(server, other) == {other: {"thumbnail": "none"}}
    server.stop()
    server.environment["THUMBNAILS"] = "on"
    server.start()
    assert store_command(server, "extract", "--thumbnails", "--no-wait").returncode == 0
    wait(lambda: [get(server, each).status_code for each in (photo, waiting, other)] == [200] * 3)


#: What pillow writes WebP with is as good as missing.
WITHOUT_LIBRARY = [f"mount --bind /dev/null {_webp.__file__}"]


def test_where_the_machine_can_not_draw_texts_are_read_and_thumbnails_come_later(start_server: ServerFactory) -> None:
    server = start_server(launcher=own_mounts(WITHOUT_LIBRARY), EXTRACTION="on")
    paper, photo = server.upload(("paper.pdf", pdf()), ("a.bmp", saved(halves(), "BMP")))
    wait(lambda: state(server, paper) == "completed")
    assert by_phrase(server) == {paper}
    warning = "documents of the kind thumbnail_pdf can't be read on this machine"
    wait(lambda: warning in server.get("/health").json().get("warnings", []))
    assert told(server, paper) == {paper: {"thumbnail": "pending"}}
    assert server.process is not None
    os.system(" ".join(umount_in(server.process.pid, _webp.__file__)))
    drawn(server, paper, photo)
    assert [get(server, each).status_code for each in (paper, photo)] == [200, 200]
    wait(lambda: queued(server) == [])
    wait(lambda: warning not in server.get("/health").json().get("warnings", []))


def test_on_a_full_disk_it_waits_for_space(start_server: ServerFactory) -> None:
    server = start_server(EXTRACTION="on")
    with held(server):
        (paper,) = server.upload(("a.pdf", pdf()))
        decided(server, paper)
        server.stop()
    server.environment["DISK_RESERVE"] = "999999999GiB"
    server.start()
    entry = server.data / "extraction" / paper
    wait(lambda: json.loads(entry.read_text())["unfit"] >= 1)
    assert told(server, paper) == {paper: {"thumbnail": "pending"}}
    assert state(server, paper) == "completed"
    assert not kept(server, paper).exists()
    server.stop()
    server.environment["DISK_RESERVE"] = "0"
    server.start()
    drawn(server, paper)
    assert get(server, paper).status_code == 200


def test_a_change_of_the_type_draws_anew(start_server: ServerFactory) -> None:
    """Of what an earlier version took for something else."""
    server = start_server(EXTRACTION="on")
    photo, text = server.upload(("a.png", saved(halves(), "PNG")), ("b.txt", b"a text"))
    drawn(server, photo, text)
    decided(server, photo, text)
    wait(lambda: queued(server) == [])
    server.stop()
    for each, wrong in ((photo, "application/x-nothing"), (text, "image/png")):
        path = kept(server, each).with_suffix(".json")
        path.write_text(json.dumps({**json.loads(path.read_text()), "media_type": wrong}))
    kept(server, photo).unlink()
    keep_thumbnail(server.data, text)
    server.start()
    done = store_command(server, "types", "--apply", "--json")
    assert done.returncode == 0, done.stdout
    wait(lambda: get(server, photo).status_code == 200 and get(server, text).status_code == 404)
    wait(lambda: queued(server) == [])
    assert not kept(server, text).exists()


def test_drawn_by_the_server_is_what_is_drawn_here(drawing: Server) -> None:
    (photo,) = drawing.upload(("a.png", saved(halves(), "PNG")))
    drawn(drawing, photo)
    with Image.open(io.BytesIO(get(drawing, photo, 640).content)) as found:
        assert found.tobytes() == draw("a.png", saved(halves(), "PNG"))[1][1].tobytes()

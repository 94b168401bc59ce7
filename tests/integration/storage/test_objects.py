"""What the storage on an object store does besides the contract: late writes, broken-off uploads, forks, an object store
that does not answer, and whose objects they are."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from obstore.exceptions import GenericError

from app.errors import StorageFailed, StorageFull, StorageUnavailable, WrongStore
from app.ids import new_uuid, new_xid
from app.storage.bucket import PART, Bucket, _told
from app.storage.contract import PARTITIONS, Artefact, key, name_of, partition_of
from app.storage.objects import FIRST, Objects
from tests.support.app import ROOT
from tests.support.breaking import Fault, Proxy
from tests.support.pauses import Pauses
from tests.support.s3 import ACCESS_KEY, SECRET_KEY, Gateway, new_prefix, running_gateway

pytestmark = pytest.mark.needs("versitygw")

MIB = 1 << 20
STORE = new_uuid()


@pytest.fixture
def prefix() -> str:
    return new_prefix()


@pytest.fixture
def objects(s3: Gateway, prefix: str, tmp_path: Path) -> Objects:
    return Objects(s3.where(prefix), tmp_path, STORE)


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Gateway]:
    """A server that a test may stop."""
    with running_gateway(tmp_path / "alone") as running:
        yield running


def stored(objects: Objects, content: bytes = b"bytes") -> str:
    attachment_id = new_xid()
    with closing_staged(objects, content) as staged:
        staged.keep(attachment_id)
    objects.commit(attachment_id, {"id": attachment_id})
    return attachment_id


@contextmanager
def closing_staged(objects: Objects, content: bytes) -> Iterator:  # type: ignore[type-arg]
    staged = objects.stage([content], len(content))
    try:
        yield staged
    finally:
        staged.discard()


def aged(objects: Objects, attachment_id: str) -> None:
    """As if nothing had been written in its partition for an hour."""
    path = objects._data / "objects" / "changed" / f"{partition_of(attachment_id):03x}"
    os.utime(path, (time.time() - 3600, time.time() - 3600))


# What lies where


def test_the_keys_are_the_names_of_the_files(objects: Objects, s3: Gateway, prefix: str) -> None:
    attachment_id = stored(objects, b"the bytes")
    folder = s3.objects(prefix)
    fff = hashlib.sha256(attachment_id.encode()).hexdigest()[:3]
    found = {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()}
    assert found == {
        "store.json",
        f"attachments/{fff}/{attachment_id}.bytes",
        f"attachments/{fff}/{attachment_id}.json",
    }
    assert (folder / "attachments" / key(attachment_id, Artefact.BYTES)).read_bytes() == b"the bytes"
    assert json.loads((folder / "store.json").read_text()) == {"format": 1, "id": STORE}


def test_nothing_is_sent_before_it_is_kept(objects: Objects, s3: Gateway, prefix: str, tmp_path: Path) -> None:
    with closing_staged(objects, b"x" * MIB):
        assert not s3.objects(prefix).exists()
        # And what is here has no name.
        assert list((tmp_path / "incoming").iterdir()) == []


@pytest.mark.parametrize("size", [PART - 1, PART, PART + 1, 2 * PART, 3 * PART + 5])
def test_sizes_around_a_part(objects: Objects, size: int) -> None:
    content = os.urandom(size)
    attachment_id = stored(objects, content)
    with closing(objects.open(attachment_id)) as found:  # type: ignore[type-var]
        assert found is not None
        assert b"".join(found.chunks(0, size)) == content
        assert found.read(FIRST - 5, FIRST + 5) == content[FIRST - 5 : FIRST + 5]
        assert os.pread(found.local().fileno(), size, 0) == content


def test_foreign_objects_are_told(objects: Objects, s3: Gateway, prefix: str) -> None:
    attachment_id = stored(objects)
    number = partition_of(attachment_id)
    bucket = Bucket(s3.where(prefix))
    inside = f"attachments/{number:03x}/readme.txt"
    elsewhere = f"attachments/{(number + 1) % 4096:03x}/{attachment_id}.json"
    for name in (inside, elsewhere, "attachments/more/file", "attachments/note"):
        bucket.put(name, b"{}")
    assert objects.listing(number).foreign == [inside]
    assert (objects.listing((number + 1) % 4096).ids, list(objects.ids())) == ([], [attachment_id])
    assert {each.name for each in objects.strays(0.0)} == {"attachments/more", "attachments/note"}
    assert not any(each.temporary for each in objects.strays(0.0))
    assert objects.sweep(0.0) == []


# Whose they are


def test_another_store_is_kept_out(objects: Objects, s3: Gateway, prefix: str, tmp_path: Path) -> None:
    attachment_id = stored(objects)
    other = Objects(s3.where(prefix), tmp_path / "other", new_uuid())
    for call in (
        lambda: other.record(attachment_id),
        lambda: list(other.ids()),
        lambda: other.remove(attachment_id),
        lambda: other.commit(attachment_id, {}),
        other.check,
    ):
        with pytest.raises(WrongStore, match="another store"):
            call()
    assert objects.record(attachment_id) == {"id": attachment_id}


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", b'{"format": 2, "id": "x"}', b'{"format": "x", "id": 1}']
)
def test_a_damaged_identity(s3: Gateway, prefix: str, tmp_path: Path, content: bytes) -> None:
    Bucket(s3.where(prefix)).put("store.json", content)
    with pytest.raises(WrongStore):
        Objects(s3.where(prefix), tmp_path, STORE).check()


def test_a_bucket_that_was_emptied_or_never_was_this_stores(
    objects: Objects, s3: Gateway, prefix: str, tmp_path: Path
) -> None:
    stored(objects)
    Bucket(s3.where(prefix)).delete(["store.json"])
    with pytest.raises(WrongStore, match="lost"):
        Objects(s3.where(prefix), tmp_path, STORE).check()
    with pytest.raises(WrongStore, match="whose they are"):
        Objects(s3.where(prefix), tmp_path / "other", STORE).check()


def test_a_bucket_that_is_not_there(s3: Gateway, tmp_path: Path) -> None:
    where = s3.where("x")
    objects = Objects(replace(where, url="s3://no-such-bucket/x"), tmp_path, STORE)
    for call in (objects.check, lambda: objects.record(new_xid()), lambda: list(objects.ids())):
        with pytest.raises(StorageUnavailable):
            call()


def test_keys_that_are_refused(s3: Gateway, tmp_path: Path) -> None:
    where = s3.where("x")
    objects = Objects(replace(where, secret_key="wrong"), tmp_path, STORE)
    with pytest.raises(StorageUnavailable) as caught:
        objects.check()
    assert "wrong" not in repr(where) + str(caught.value) + str(caught.value.__cause__)


_PUT = "Generic S3 error: Error performing PUT http://127.0.0.1:50750/b/k in {} - {}"
_ANSWER = "Server returned non-2xx status code: {}: <Error><Code>{}</Code></Error>"


@pytest.mark.parametrize(
    ("said", "kind", "unanswered"),
    [
        (_PUT.format("507.503ms", "HTTP error: error sending request"), StorageUnavailable, True),
        (
            _PUT.format("416.1ms, after 3 retries", "HTTP error: request or response body error"),
            StorageUnavailable,
            True,
        ),
        (_PUT.format("1ms", _ANSWER.format("503 Service Unavailable", "SlowDown")), StorageUnavailable, True),
        (_PUT.format("1ms", _ANSWER.format("500 Internal Server Error", "InternalError")), StorageUnavailable, False),
        (_PUT.format("1ms", _ANSWER.format("400 Bad Request", "InvalidArgument")), StorageUnavailable, False),
        (_PUT.format("1ms", _ANSWER.format("507 Insufficient Storage", "X")), StorageFull, False),
        (_PUT.format("1ms", _ANSWER.format("403 Forbidden", "QuotaExceeded")), StorageFull, False),
    ],
)
def test_what_the_client_says(said: str, kind: type[Exception], unanswered: bool) -> None:
    told = _told(GenericError(said))
    assert type(told) is kind
    assert getattr(told, "unanswered", False) == unanswered


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.mark.needs("openssl")
def test_a_certificate_authority_of_its_own(tmp_path: Path) -> None:
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    for name in ("ca", "another"):
        openssl(tmp_path, "req", "-x509", *new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    openssl(tmp_path, "req", *new, "-subj", "/CN=s3", "-keyout", "server.key", "-out", "server.csr")
    (tmp_path / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    signed = ("-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
    openssl(tmp_path, "x509", "-req", *signed, "-out", "server.pem")
    options = ("--cert", str(tmp_path / "server.pem"), "--key", str(tmp_path / "server.key"))
    with running_gateway(tmp_path / "tls", *options, scheme="https") as gateway:
        where = gateway.where("p")
        for ca, trusted in (("ca", True), ("another", False), (None, False)):
            known = replace(where, ca_certs=None if ca is None else tmp_path / f"{ca}.pem")
            objects = Objects(known, tmp_path / f"data-{ca}", STORE)
            if trusted:
                attachment_id = stored(objects, b"x")
                assert objects.size(attachment_id) == 1
                # By the other client, too.
                assert objects.bucket.abort("attachments/x") == []
            else:
                with pytest.raises(StorageUnavailable):
                    objects.check()


_FINDS = """
import sys
from pathlib import Path
from app.storage.bucket import Where
from app.storage.objects import Objects
objects = Objects(Where(sys.argv[1], 20.0, endpoint=sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
print(len(list(objects.ids())), objects.bucket.abort("attachments/x"))
"""


@pytest.mark.parametrize("source", ["environment", "file", "profile"])
def test_credentials_are_found_as_amazons_tools_find_them(
    objects: Objects, s3: Gateway, prefix: str, tmp_path: Path, source: str
) -> None:
    stored(objects)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    if source == "environment":
        environment |= {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    else:
        name = "default" if source == "file" else "store"
        file = tmp_path / "credentials"
        file.write_text(f"[{name}]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n")
        environment |= {"AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_PROFILE": name}
    command = [sys.executable, "-c", _FINDS, s3.where(prefix).url, s3.url, str(tmp_path / "data"), STORE]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "[]"]


# Late and broken-off writes


def test_a_record_that_comes_late_brings_nothing_back(
    objects: Objects, s3: Gateway, prefix: str, tmp_path: Path
) -> None:
    attachment_id = stored(objects)
    objects.remove(attachment_id)
    late = Bucket(s3.where(prefix))
    late.put(name_of(attachment_id, Artefact.RECORD), b'{"late": true}')
    late.put(name_of(attachment_id, Artefact.BYTES), b"late")
    for each in (objects, Objects(s3.where(prefix), tmp_path, STORE)):
        assert each.record(attachment_id) is None
        assert each.version(attachment_id) is None
        assert each.size(attachment_id, Artefact.RECORD) is None
        assert list(each.ids()) == []
        assert each.changes(partition_of(attachment_id), 0.0, ()).records == set()
        # It is too early to forget it.
        assert each.sweep(3600.0) == []
        assert each.record(attachment_id) is None
    assert objects.sweep(0.0) == []
    assert objects.listing(partition_of(attachment_id)).ids == []
    assert late.head(name_of(attachment_id, Artefact.BYTES)) is None
    assert list((tmp_path / "objects" / "removed").iterdir()) == []
    assert objects.record(attachment_id) is None


def run_until_killed(program: str, s3: Gateway, prefix: str, folder: Path, attachment_id: str) -> None:
    """Run a program that kills itself, with another process of this server's storage in it."""
    arguments = [s3.where(prefix).url, s3.url, ACCESS_KEY, SECRET_KEY, str(folder), STORE, attachment_id]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program, *arguments], cwd=ROOT, env=environment, check=False)
    assert done.returncode == -signal.SIGKILL


_BREAKS = """
import os, signal, sys
from pathlib import Path
from app.storage.bucket import PART, Where
from app.storage.contract import Artefact
from app.storage.objects import Objects
objects = Objects(Where(sys.argv[1], 20.0, endpoint=sys.argv[2], access_key=sys.argv[3], secret_key=sys.argv[4]),
                  Path(sys.argv[5]), sys.argv[6])
staged = objects.stage([b"x" * PART] * 4, 4 * PART)
pieces = staged._spool.pieces()
def broken():
    yield next(pieces)
    yield next(pieces)
    yield next(pieces)
    os.kill(os.getpid(), signal.SIGKILL)
staged._spool.pieces = broken
staged.keep(sys.argv[7])
"""


def test_parts_of_an_upload_whose_process_was_killed(
    objects: Objects, s3: Gateway, prefix: str, tmp_path: Path
) -> None:
    attachment_id = new_xid()
    run_until_killed(_BREAKS, s3, prefix, tmp_path, attachment_id)
    name = f"{attachment_id}.bytes"
    assert unfinished(objects, attachment_id)
    assert [(each.name, each.temporary) for each in objects.strays(0.0)] == [(f"incoming/{name}", True)]
    assert objects.holds(f"incoming/{name}")
    assert objects.sweep(3600.0) == []
    # One that is under way is nobody's leftover.
    with objects._ledger.uploading(new_xid(), Artefact.BYTES):
        assert objects.sweep(0.0) == [name]
    assert not unfinished(objects, attachment_id)
    assert objects.size(attachment_id) is None
    assert list(objects.strays(0.0)) == []


def unfinished(objects: Objects, attachment_id: str) -> list[str]:
    client, where = objects.bucket._aws(), objects.bucket.where
    found = client.list_multipart_uploads(Bucket=where.bucket, Prefix=where.prefix).get("Uploads", [])
    return [each["Key"] for each in found if attachment_id in each["Key"]]


def test_an_error_while_parts_are_sent_leaves_nothing(objects: Objects, s3: Gateway, prefix: str) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * PART
        yield b"x" * PART
        raise StorageFailed("while it was read")

    with pytest.raises(StorageFailed, match="while it was read"):
        objects.bucket.put_parts("attachments/000/x", broken())
    assert objects.bucket.head("attachments/000/x") is None
    assert objects.bucket.abort("attachments/000/x") == []


# What is known


def test_what_is_known_needs_no_request(alone: Gateway, tmp_path: Path) -> None:
    objects = Objects(alone.where("p", timeout=1.0), tmp_path, STORE)
    attachment_id = stored(objects)
    aged(objects, attachment_id)
    version, missing = objects.version(attachment_id), new_xid()
    assert objects.size(attachment_id) == 5
    assert objects.outcome(attachment_id) is None
    with alone.standing_still():
        assert (objects.version(attachment_id), objects.size(attachment_id)) == (version, 5)
        assert (objects.record(attachment_id), objects.outcome(attachment_id)) == ({"id": attachment_id}, None)
        with pytest.raises(StorageUnavailable):
            objects.version(missing)


def test_what_another_process_wrote_is_seen_at_once(objects: Objects, s3: Gateway, prefix: str, tmp_path: Path) -> None:
    another = Objects(s3.where(prefix), tmp_path, STORE)
    attachment_id = stored(objects)
    for number in range(5):
        aged(objects, attachment_id)
        assert objects.record(attachment_id) is not None
        another.commit(attachment_id, {"number": number})
        assert objects.record(attachment_id) == {"number": number}
    aged(objects, attachment_id)
    assert objects.version(attachment_id) is not None
    another.remove(attachment_id)
    assert objects.version(attachment_id) is None


def test_what_is_read_while_a_write_is_under_way_is_not_kept(objects: Objects, s3: Gateway, prefix: str) -> None:
    attachment_id = stored(objects)
    aged(objects, attachment_id)
    assert objects.record(attachment_id) == {"id": attachment_id}
    # As a writer does, which is killed before it can note that it is done.
    objects._ledger.note_change(attachment_id)
    assert objects.record(attachment_id) == {"id": attachment_id}
    Bucket(s3.where(prefix)).put(name_of(attachment_id, Artefact.RECORD), b'{"id": "anew"}')
    assert objects.record(attachment_id) == {"id": "anew"}


_WRITES = """
import os, signal, sys
from pathlib import Path
from app.storage.bucket import Where
from app.storage.objects import Objects
where = Where(sys.argv[1], 20.0, endpoint=sys.argv[2], access_key=sys.argv[3], secret_key=sys.argv[4])
objects = Objects(where, Path(sys.argv[5]), sys.argv[6])
put = objects.bucket.put
def last(name, content):
    put(name, content)
    os.kill(os.getpid(), signal.SIGKILL)
objects.bucket.put = last
objects.commit(sys.argv[7], {"anew": True})
"""


def test_what_a_killed_process_wrote_last_is_seen(objects: Objects, s3: Gateway, prefix: str, tmp_path: Path) -> None:
    attachment_id = stored(objects)
    aged(objects, attachment_id)
    assert objects.record(attachment_id) == {"id": attachment_id}
    run_until_killed(_WRITES, s3, prefix, tmp_path, attachment_id)
    assert objects.record(attachment_id) == {"anew": True}


def test_a_write_that_takes_long_is_a_change_when_it_is_done(objects: Objects) -> None:
    attachment_id = stored(objects)
    put = objects.bucket.put

    def long(name: str, content: bytes) -> None:
        aged(objects, attachment_id)
        put(name, content)

    objects.bucket.put = long  # type: ignore[method-assign]
    before = time.time()
    objects.commit(attachment_id, {})
    assert objects.changed([before] * PARTITIONS) == [partition_of(attachment_id)]


_UPLOADS = """
import os, resource, sys, threading
from pathlib import Path
from app.ids import new_xid
from app.storage.bucket import Where
from app.storage.objects import Objects
where = Where(sys.argv[1], 60.0, endpoint=sys.argv[2], access_key=sys.argv[3], secret_key=sys.argv[4])
objects = Objects(where, Path(sys.argv[5]), sys.argv[6])
chunk = os.urandom(256 * 1024)
def upload(mebibytes):
    staged = objects.stage((chunk for _ in range(4 * mebibytes)), 1 << 40)
    attachment_id = new_xid()
    staged.keep(attachment_id)
    staged.discard()
    assert objects.size(attachment_id) == mebibytes << 20
upload(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
threads = [threading.Thread(target=upload, args=(int(sys.argv[7]),)) for _ in range(int(sys.argv[8]))]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_uploads_take_the_same_memory_whatever_their_size(s3: Gateway, prefix: str, tmp_path: Path) -> None:
    """12 MiB each: two parts, and what is around them. MEBIBYTES says of which size, UPLOADS how many at once."""
    size, at_once = os.environ.get("MEBIBYTES", "40"), int(os.environ.get("UPLOADS", "4"))
    where = s3.where(prefix)
    command = [sys.executable, "-c", _UPLOADS, where.url, s3.url, ACCESS_KEY, SECRET_KEY, str(tmp_path), STORE]
    done = subprocess.run(
        [*command, size, str(at_once)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < at_once * 12 * 1024, f"{int(done.stdout) // 1024} MiB"


# Forks, and no answer


def test_a_process_that_is_forked_after_it_was_opened_uses_it(objects: Objects, s3: Gateway, prefix: str) -> None:
    """As gunicorn's workers do. In a process of its own: this one has used the client already."""
    script = """
import os, signal, sys
from pathlib import Path
from app.storage.bucket import Where
from app.storage.objects import Objects
where = Where(sys.argv[1], 20.0, endpoint=sys.argv[2], access_key=sys.argv[3], secret_key=sys.argv[4])
objects = Objects(where, Path(sys.argv[5]), sys.argv[6])
def forked():
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    signal.alarm(60)
    try:
        list(objects.ids())
    except RuntimeError:
        os._exit(7)
    os._exit(0)
first, second = forked(), forked()
list(objects.ids())
print(first, second, forked())
"""
    where = objects.bucket.where
    command = [sys.executable, "-c", script, where.url, s3.url, ACCESS_KEY, SECRET_KEY, str(objects._data), STORE]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    # In the last one it would wait forever: it is told that.
    assert done.stdout.split() == ["0", "0", "7"]


def test_one_that_does_not_answer_is_asked_by_one_thread_alone(alone: Gateway, tmp_path: Path) -> None:
    objects = Objects(alone.where("p", timeout=1.0), tmp_path, STORE)
    attachment_id = stored(objects, b"x" * 2 * FIRST)
    with alone.standing_still():
        with pytest.raises(StorageUnavailable):
            objects.record(attachment_id)
        assert objects.bucket.patience.away
        began = time.monotonic()
        with Pauses() as pauses:
            for _ in range(25):
                for call in (
                    lambda: objects.record(attachment_id),
                    lambda: objects.stage([], 0),
                    lambda: objects.commit(new_xid(), {}),
                    lambda: objects.remove(attachment_id),
                ):
                    with pytest.raises(StorageUnavailable):
                        call()
        # A hundred calls, of which each would take half a second.
        assert time.monotonic() - began - pauses.seconds < 20
    deadline = time.monotonic() + 60
    while objects.bucket.patience.away:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # What was noted holds.
    assert objects.record(attachment_id) is None
    objects.remove(attachment_id)
    assert objects.listing(partition_of(attachment_id)).ids == []


def test_a_write_that_was_given_up_and_arrives_after_the_removal(s3: Gateway, prefix: str, tmp_path: Path) -> None:
    with Proxy(s3.url) as proxy:
        objects = Objects(replace(s3.where(prefix, timeout=1.0), endpoint=proxy.url), tmp_path, STORE)
        attachment_id = new_xid()
        with closing_staged(objects, b"bytes") as staged:
            staged.keep(attachment_id)
        arrive = threading.Event()
        held = proxy.fault = Fault(f"{attachment_id}.json", hold_until=arrive, times=1)
        with pytest.raises(StorageUnavailable):
            objects.commit(attachment_id, {"late": True})
        until(lambda: not objects.bucket.patience.away)
        objects.remove(attachment_id)
        assert objects.listing(partition_of(attachment_id)).ids == []
        arrive.set()
        assert held.through.wait(60)
        until(lambda: objects.listing(partition_of(attachment_id)).ids == [attachment_id])
        # There it is again, and it is nothing.
        assert objects.record(attachment_id) is None
        assert list(objects.ids()) == []
        objects.sweep(0.0)
        assert objects.listing(partition_of(attachment_id)).ids == []
        assert objects.record(attachment_id) is None


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)

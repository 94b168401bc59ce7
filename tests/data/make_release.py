"""Writes the fixture of a release: what its real server kept, and what that server said to its clients.

    git worktree add ../released <commit of the release>
    bash -c '. scripts/environment test && "$PYTHON" -m tests.data.make_release ../released tests/data/release-0.1.0'

Run once for each release, where tesseract and its data for English are installed: its `scripts/serve` is started in
`../released`, with its own environment and node, and spoken to over HTTP in all dialects. What is written is then committed
and never changed; tests/integration/upgrades/test_releases.py opens it with every later version. (tests/data/make_store.py
writes, once for each format, what no client can have a server leave behind.) 0.1.0 read PDF only where its library had been
unpacked into /tmp before, without the limits of its reader: `kreuzberg.extract_file_sync` of its environment did that.

    data/                         the data folder after an orderly stop, without the node's own data and empty folders
    coco_attachment-000001.json   an index by its own name: aliases, settings, mappings, as the create-index API takes them
    coco_attachment-000001.bulk   its documents, as the bulk API takes them, with their versions, in the order of writing
    coco_chat-000001.*            the same of the chats
    told.json                     what the clients know: tokens, ids, digests, words, and the answers to searches

tests/integration/upgrades/kept.py puts the indices back. Of the fields that are no part of `_source`, the text (`content`)
is stored in the index and comes from there. Its words (`content_words`) are nowhere but in the postings: they are made of
the text by the release's own code, and compared with the postings by a phrase that is all of them. What can't be put back:

- the numbers of operations (`_seq_no`, `_primary_term`), which count anew in the same order. They hold for one index alone:
  a change of a chat names those that it has just read, and a migration counts those of the index that it copies;
- what Elasticsearch remembers of removed documents, for `index.gc_deletes`: a quarter of an hour, and an upgrade is a stop;
- documents that were written over and are not merged away yet, which only the statistics behind `_score` see, and where in a
  segment a document is, which decides between equal scores. So `_score` is left out of the answers, and only a search that
  asks for an order has one in them;
- the settings that Elasticsearch gives an index itself (`_GIVEN`): its UUID, its time, the version that made it.

Rejected: a snapshot of the index, which has all of that and can be read by two major versions of Elasticsearch only, and by
nobody who looks at a change of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from elasticsearch import Elasticsearch

from app.coordination.local.data_folder import node_url
from tests.dialects.coder.client import CHATS, call, chat, uploaded
from tests.integration.extraction.documents import PHRASE, excel, mail, packed_tar, pdf, picture, powerpoint, word
from tests.support.app import Server
from tests.support.browsers import post_token, sign_in
from tests.support.multipart import HOSTILE_NAMES, Form, Part
from tests.support.ports import reserved
from tests.support.speakers import SPEAKERS

Json = dict[str, Any]

ALIASES = ("coco_attachment", "coco_chat")
#: What Elasticsearch gives an index and takes from nobody.
_GIVEN = ("creation_date", "uuid", "version", "provided_name", "routing")
#: Of an answer, what is of its moment.
_OF_THE_MOMENT = ("took", "max_score")
#: Run by the release: texts, as JSON, to the fields that it makes of each.
_WORDS = """
import json, sys
from app.search.words import content_fields
json.dump([content_fields(each) for each in json.load(sys.stdin)], sys.stdout)
"""
SECONDS = 180.0

#: Names that are kept, with a text inside that tells which one it was.
NAMES = {wire: f"hostile number{number}" for number, (wire, kept) in enumerate(HOSTILE_NAMES.items()) if kept}

#: What the release is asked, by the name of the token that asks; each is asked again of the later version.
SEARCHES = (
    ("all", "session=first"),
    ("all", "session=first&_source=name,size,media_type,sha256,owner,dialect,created,extension"),
    ("all", "session=names&size=100"),
    ("all", "session=spoken"),
    ("all", "session=nobody"),
    ("all", "query=*&size=100&sort=name"),
    ("all", f"query={PHRASE.replace(' ', '+')}&size=100&sort=name"),
    ("all", "query=grosser"),
    ("all", "query=größer"),
    ("all", "query=ÜBERSICHT"),
    ("all", "query=日本"),
    ("all", "query=number3&session=names"),
    ("all", "query=word:+in+a+cell"),
    ("all", "query=deleted"),
    ("all", "extension=pdf&sort=size:desc"),
    ("all", "query=notes&session=first"),
    ("other", "query=*"),
    ("other", "session=first"),
    ("reader", "session=first"),
)


def main(clone: Path, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="release-") as place, reserved() as listener:
        server = Released(Path(place, "data"), ALIASES[0], "", {}, listener, clone=clone)
        # Until it has ended.
        with contextlib.ExitStack() as held, server.running():
            told = spoken(server, held)
            kept = {name: dumped(clone, *each) for name, each in indices(server).items()}
        keep_data(server.data, folder / "data")
    for name, (made, documents) in kept.items():
        (folder / f"{name}.json").write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")
        lines = [json.dumps(each, ensure_ascii=False) + "\n" for pair in documents for each in pair]
        (folder / f"{name}.bulk").write_text("".join(lines))
    (folder / "told.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


@dataclass
class Released(Server):
    """A server that `scripts/serve` of another clone has started, with a node of its own."""

    clone: Path = Path()
    _environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        known = ("PATH", "HOME", "LANG", "TMPDIR", "PIP_INDEX_URL", "PIP_CONFIG_FILE", "SSL_CERT_FILE", "HTTPS_PROXY")
        self._environment = {name: os.environ[name] for name in known if name in os.environ}
        # One slot, so that it can be held.
        self._environment |= {"DATA": str(self.data), "EXTRACTION_WORKERS": "1", "DISK_RESERVE": "0"}

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        command = [str(self.clone / "scripts/serve"), "--port", str(self.port)]
        with (
            self.log.open("wb") as log,
            subprocess.Popen(command, env=self._environment, stdout=subprocess.PIPE, stderr=log, text=True) as process,
        ):
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    if line.startswith("API token"):
                        break
                url = node_url(self.data)
                assert url is not None, self.log.read_text()
                self.elasticsearch_url = url
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=120)

    def command(self, *words: str) -> str:
        """What a program of the release prints."""
        done = subprocess.run(
            [str(self.clone / "scripts" / words[0]), *words[1:]],
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return done.stdout

    def created(self, name: str, *options: str) -> str:
        """A new token."""
        token: str = json.loads(self.command("token", "create", name, "--json", *options))["token"]
        return token

    def ask(self, query: str, token: str) -> Json:
        """The answer to a search, without what is of its moment."""
        answer = self.get(f"/attachment/_search?{query}", token=token)
        assert answer.status_code == 200, (query, answer.text)
        return timeless(query, answer.json())


def timeless(query: str, answer: Json) -> Json:
    """The answer to a search, without what is of its moment; without an order where none was asked for."""
    hits = {key: value for key, value in answer["hits"].items() if key not in _OF_THE_MOMENT}
    hits["hits"] = [{key: value for key, value in hit.items() if key != "_score"} for hit in hits["hits"]]
    if "sort=" not in query:
        hits["hits"].sort(key=lambda hit: hit["_id"])
    return {**{key: value for key, value in answer.items() if key not in _OF_THE_MOMENT}, "hits": hits}


def wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not until():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.1)


def spoken(server: Released, held: contextlib.ExitStack) -> Json:
    """Have clients of all dialects do what they do; what they know afterwards. `held`: as long as it is open, nothing more
    is extracted."""
    tokens = {
        "all": server.created("all"),
        "other": server.created("other", "--tenant", "other"),
        "reader": server.created("reader", "--scope", "read", "--scope", "search"),
        "revoked": server.created("revoked"),
    }
    server.command("token", "revoke", "revoked")
    server.token = tokens["all"]
    files: list[Json] = []

    def note(attachment_id: str, name: str, content: bytes, token: str = "all", words: str | None = None) -> None:
        digest = hashlib.sha256(content).hexdigest()
        files.append({"id": attachment_id, "name": name, "token": token, "sha256": digest, "words": words})

    def upload(session: str | None, token: str, words: str | None, *pairs: tuple[str, bytes]) -> list[str]:
        ids = server.upload(*pairs, session=session, token=tokens[token])
        for attachment_id, (name, content) in zip(ids, pairs, strict=True):
            note(attachment_id, name, content, token, words)
        return ids

    upload(
        "first",
        "all",
        PHRASE,
        ("Ärger & Co. „Übersicht“.pdf", pdf(3, 2)),
        ("letter.docx", word()),
        ("notes.txt", f"größer {PHRASE} 日本".encode()),
    )
    upload("first", "all", PHRASE, ("table.xlsx", excel()), ("slides.pptx", powerpoint()), ("message.eml", mail()))
    upload(None, "all", None, ("no extension", b""))
    upload("first", "other", PHRASE, ("theirs.txt", f"{PHRASE} of others".encode()))
    # What this release reads no text of, or can't: a later one may.
    unread = [*upload("first", "all", None, ("files.tar.gz", packed_tar()), ("damaged.pdf", b"%PDF-1.4\n" + bytes(99)))]
    for wire, text in NAMES.items():
        form = Form((Part("files", text.encode(), wire),))
        answer = server.post("/chat/names/_upload", **form.options(**server.headers()))
        assert answer.status_code == 200, answer.text
        note(answer.json()["attachments"][0], str(HOSTILE_NAMES[wire]), text.encode(), words=text.split()[1])
    for speaker in SPEAKERS:
        name, content = f"by {speaker.dialect}.txt", f"{PHRASE} by {speaker.dialect}".encode()
        if speaker.takes is None:
            note(speaker.stored(server, name.encode(), content), name, content, words=PHRASE)
    image = uploaded(server, picture(), disposition="attachment; filename=shot.png")
    note(image, "shot.png", call(server, "GET", f"/api/v2/chats/files/{image}").content, words=PHRASE)
    chats = chatted(server, image)
    # What is kept of those who are there for a while.
    sign_in(server.url, tokens["all"])
    assert post_token(server.url, "of nobody").status_code == 401
    with Elasticsearch(server.url, api_key=tokens["all"]) as client:
        client.open_point_in_time(index="coco_attachment", keep_alive="1m")

    (deleted,) = server.upload(("deleted.txt", b"deleted"), session="first")
    wait(lambda: all(state(server, each["id"], tokens[each["token"]]) != "pending" for each in files))
    assert server.delete(f"/attachment/{deleted}").status_code == 200
    # What is said to be found is: with tesseract and its data on this machine, and what else the release reads with.
    for each in files:
        assert each["words"] is None or each["id"] in found(server, each["words"], tokens[each["token"]]), each
    unread_states = {each: state(server, each, tokens["all"]) for each in unread}
    # It is stopped with this text still to be taken out.
    slot = held.enter_context((server.data / "extraction/.slot-0").open("a+b"))
    fcntl.flock(slot, fcntl.LOCK_EX)
    (waiting,) = upload("waiting", "all", "patience", ("waiting.txt", b"patience"))
    assert state(server, waiting, tokens["all"]) == "pending"
    answers = [
        {"token": token, "query": query, "answer": server.ask(query, tokens[token])} for token, query in SEARCHES
    ]
    (node,) = requests.get(f"{server.elasticsearch_url}/_nodes", timeout=60).json()["nodes"].values()
    return {
        "elasticsearch": node["version"],
        "tokens": tokens,
        "files": files,
        "deleted": deleted,
        "unread": unread_states,
        "waiting": waiting,
        "chats": chats,
        "searches": answers,
    }


def found(server: Server, words: str, token: str) -> set[str]:
    """The ids of what has the words in their order."""
    return {hit["_id"] for hit in server.hits(f'query="{words}"&size=100', token)}


def state(server: Server, attachment_id: str, token: str) -> str:
    answer = server.get(f"/attachment/{attachment_id}/status", token=token)
    return str(answer.json()["initial_parsing"])


def chatted(server: Server, image: str) -> Json:
    """Chats by what became of them, as they are shown."""
    content = [{"type": "text", "text": "Why is  this\nred?"}, {"type": "file", "file_id": image}]
    made = {name: chat(server, content=content)["id"] for name in ("kept", "archived", "back")}
    for name, what in (("archived", "archive"), ("back", "archive"), ("back", "unarchive")):
        assert call(server, "POST", f"{CHATS}/{made[name]}/{what}").status_code == 204
    return {name: call(server, "GET", f"{CHATS}/{chat_id}").json() for name, chat_id in made.items()}


def indices(server: Server) -> dict[str, tuple[str, Json]]:
    """Both indices by their own names: where Elasticsearch is, and what it says of them."""
    found = requests.get(f"{server.elasticsearch_url}/{','.join(ALIASES)}", timeout=60)
    found.raise_for_status()
    assert len(found.json()) == len(ALIASES)
    return {name: (f"{server.elasticsearch_url}/{name}", content) for name, content in found.json().items()}


def dumped(clone: Path, url: str, content: Json) -> tuple[Json, list[tuple[Json, Json]]]:
    """What makes an index again: the body that creates it, and the lines of a bulk."""
    requests.post(f"{url}/_refresh", timeout=60).raise_for_status()
    settings = {key: value for key, value in content["settings"]["index"].items() if key not in _GIVEN}
    made = {"aliases": content["aliases"], "mappings": content["mappings"], "settings": {"index": settings}}
    stored = [name for name, each in content["mappings"]["properties"].items() if each.get("store")]
    body = {"version": True, "_source": True, "stored_fields": stored, "sort": ["_seq_no"], "size": 10_000}
    answer = requests.post(f"{url}/_search", json=body, timeout=60)
    answer.raise_for_status()
    hits = answer.json()["hits"]["hits"]
    outside = set(content["mappings"].get("_source", {}).get("excludes", ()))
    texts = {hit["_id"]: hit["fields"]["content"][0] for hit in hits if "fields" in hit}
    derived = dict(zip(texts, words_of(clone, list(texts.values())), strict=True))
    documents = []
    for hit in hits:
        source = hit["_source"]
        if hit["_id"] in texts:
            fields = derived[hit["_id"]]
            assert (fields.keys(), fields["content"]) == (outside, texts[hit["_id"]])
            assert_posted(url, hit["_id"], fields["content_words"])
            source = {**source, **fields}
        header = {"_id": hit["_id"], "version": hit["_version"], "version_type": "external"}
        documents.append(({"index": header}, source))
    return made, documents


def words_of(clone: Path, texts: list[str]) -> list[Json]:
    """The fields that the release makes of each text."""
    done = subprocess.run(
        [str(clone / ".venv/bin/python"), "-c", _WORDS],
        cwd=clone,
        env={"PYTHONPATH": str(clone)},
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    made: list[Json] = json.loads(done.stdout)
    return made


def assert_posted(url: str, attachment_id: str, words: str) -> None:
    """That the postings of the words of a text have these, one behind the other."""
    query = {"bool": {"filter": [{"term": {"id": attachment_id}}, {"match_phrase": {"content_words": words}}]}}
    answer = requests.post(f"{url}/_count", json={"query": query}, timeout=60)
    assert answer.json()["count"] == 1, words


def keep_data(data: Path, into: Path) -> None:
    """Copy the data folder, but for what is the node's."""
    shutil.copytree(data, into, ignore=lambda folder, _: ["elasticsearch"] if folder == str(data) else [])
    for folder, folders, names in os.walk(into, topdown=False):
        if not names and not any(Path(folder, each).exists() for each in folders):
            os.rmdir(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]))

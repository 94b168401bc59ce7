"""Search by meaning and what it costs others: queries beside a bare `match`, a text that is found by its meaning, and
uploads and queries while thousands of texts wait for vectors.

Those that wait are on the disk as an extraction leaves them: what is measured beside them is the model and the writing of
vectors, and not the reading of files. Where a side is to be alone, the model of the other one is stopped meanwhile.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import quote

import requests
from fpdf import FPDF

from app.auth.tokens import DEFAULT_TENANT
from app.model.schema import DOCUMENTED_FIELDS
from app.search.words import content_words
from benchmarks.client import Sample, drive
from benchmarks.documents import prose
from benchmarks.embeddings import status_of
from benchmarks.lines.base import Form, Group, Line, Side
from benchmarks.lines.searches import TEXTS
from benchmarks.meaning import QUESTIONS
from benchmarks.parts import SESSION, Parts, json_request, request, upload_request
from benchmarks.processor import costed
from tests.support.app import Server
from tests.support.models import PATIENCE, await_process, await_that, process_of
from tests.support.texts import keep_text

#: Texts that wait for vectors, and characters of each: for a dozen passages, so that they last for the run.
WAITING, LENGTH = 2000, 6000
#: Uploads in one request.
AT_ONCE = 100
PAGES = 10
#: So many that none is remembered when it comes again.
DIFFERENT = 400
ROWS = [line.split("\t") for line in QUESTIONS.read_text().splitlines()]
REAL = {f"{name}.txt": text for kind, _, name, text in ROWS if kind == "paragraph"}
ASKED = [text for kind, language, _, text in ROWS if kind == "question" and language in ("en", "de")]
PATIENT = {"EMBEDDINGS": "builtin", "EMBEDDINGS_QUERY_TIMEOUT": "60"}


def _left(server: Server) -> int:
    """How many attachments have something left to be done."""
    return sum(not each.name.startswith(".") for each in (server.data / "extraction").iterdir())


@functools.cache
def _waiting() -> dict[str, str]:
    return {f"{number}.txt": prose(LENGTH + number) for number in range(WAITING)}


@functools.cache
def _meant(parts: Parts) -> Server:
    """A server with texts of prose and real ones, whose passages have vectors."""
    texts = {f"text{number}.txt": prose(2000 + number) for number in range(TEXTS)} | REAL
    server = _filled(parts, texts, **PATIENT)
    await_process(server)
    await_that(lambda: not _left(server), 600)
    return server


#: Words of prose, of which questions are made.
_ABOUT = (
    *("committee", "budget", "meeting", "report", "invoice", "contract", "delivery", "account", "customer", "supplier"),
    *("quarter", "schedule", "project", "agreement", "water", "people", "words", "time", "way", "number"),
)


def questions(count: int) -> list[str]:
    """So many questions like `QUESTION`, all different."""
    kinds = itertools.islice(itertools.permutations(_ABOUT, 4), 0, None, 97)
    return [
        f"Which of the {one}s of the {two} {three} were postponed by the {four}, and why?"
        for one, two, three, four in itertools.islice(kinds, count)
    ]


def _query(clients: int, match: str, different: int) -> Callable[[Parts, Form], Mapping[str, Side]]:
    """The whole way of a question through the store, beside a bare `match` of its words put straight to Elasticsearch. So
    many `different` questions are asked, one after the other."""
    asked = questions(different)

    def sides(parts: Parts, _: Form) -> Mapping[str, Side]:
        store = _meant(parts)
        paths = [f"/attachment/_search?session={SESSION}&match={match}&query={quote(each)}" for each in asked]
        told = store.get(paths[0])
        assert (told.status_code, told.headers.get("Search-Match", "words")) == (200, match)
        wanted = itertools.cycle([request("GET", path, store.headers()) for path in paths])
        filters = [{"term": {"tenant": DEFAULT_TENANT}}, {"term": {"session": SESSION}}]
        bodies = [
            {
                "query": {"bool": {"must": {"match": {"content_words": content_words(each)}}, "filter": filters}},
                "_source": list(DOCUMENTED_FIELDS),
                "size": 10,
            }
            for each in asked
        ]
        direct = itertools.cycle([json_request("POST", f"/{store.index}/_search", body) for body in bodies])
        node = {"Elasticsearch": [parts.node.pid]}

        def of_store() -> Mapping[str, Sequence[int]]:
            return {"workers": store.worker_pids(), "model": [process_of(store)], **node}

        return {
            "store": costed(lambda seconds: drive(store.url, lambda: next(wanted), clients, seconds), of_store),
            "match": costed(
                lambda seconds: drive(parts.node.url, lambda: next(direct), clients, seconds), lambda: node
            ),
        }

    return sides


def _found(parts: Parts, _: Form) -> Mapping[str, Side]:
    """From the upload of a document of ten pages until what is on one of them finds it by its meaning."""
    server = _meant(parts)
    answer = REAL["boiler.txt"]
    question = answer.partition(".")[0]
    numbers = itertools.count()

    def measure(_: float) -> Sample:
        number = next(numbers)
        made = FPDF()
        made.set_font("helvetica", size=11)
        for page in range(PAGES):
            made.add_page()
            made.multi_cell(0, 5, answer if page == PAGES - 3 else prose(1900 + 37 * page + number))
        session, content = f"ten-{number}", bytes(made.output())
        began = time.perf_counter()
        server.upload((f"{number}.pdf", content), session=session)
        path = f"/attachment/_search?session={session}&match=meaning&query={quote(question)}"
        while not server.get(path).json()["hits"]["hits"]:
            if time.perf_counter() - began > PATIENCE:
                raise RuntimeError("it is not found by its meaning")
            time.sleep(0.02)
        return Sample(1, [time.perf_counter() - began])

    return {"store": measure}


def _memory(parts: Parts, _: Form) -> Mapping[str, Side]:
    server = _meant(parts)
    return {"process": lambda _: Sample(status_of(process_of(server), "VmRSS"))}


# Beside texts that wait


def _filled(parts: Parts, texts: Mapping[str, str], session: str = SESSION, **environment: str) -> Server:
    """A server with these texts, by their names, that were taken out while EMBEDDINGS was off."""
    server = parts.serve(EXTRACTION="off", EMBEDDINGS="off")
    names, ids = list(texts), []
    for at in range(0, len(names), AT_ONCE):
        ids += server.upload(*((name, b"text") for name in names[at : at + AT_ONCE]), session=session)
    server.stop()
    for each, text in zip(ids, texts.values(), strict=True):
        keep_text(server.data, each, text.encode())
    server.environment |= {"EXTRACTION": "on", **environment}
    server.start()
    return server


@functools.cache
def _flooded(parts: Parts) -> Server:
    """With vectors of all of them to be made."""
    server = _filled(parts, _waiting(), "waiting", EMBEDDINGS="builtin")
    await_process(server)
    await_that(lambda: _left(server) > WAITING / 2)
    return server


@functools.cache
def _off(parts: Parts) -> Server:
    return _filled(parts, _waiting(), "waiting")


@contextlib.contextmanager
def _stopped(server: Server) -> Iterator[None]:
    """Its model does nothing meanwhile, which is for less than a keeper allows."""
    process = process_of(server)
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def _beside(server: Server, act: Callable[[], Sample]) -> Sample:
    """What is measured while texts wait from the beginning to the end."""
    found = act()
    if not _left(server):
        raise RuntimeError("no text waits any more: the run is too long for so few")
    return found


def _uploads(clients: int) -> Callable[[Parts, Form], Mapping[str, Side]]:
    def sides(parts: Parts, _: Form) -> Mapping[str, Side]:
        flooded, off = _flooded(parts), _off(parts)
        one, other = upload_request(flooded, parts.small), upload_request(off, parts.small)

        def alone(seconds: float) -> Sample:
            with _stopped(flooded):
                time.sleep(0.2)
                return drive(off.url, lambda: other, clients, seconds)

        return {
            "waiting": lambda seconds: _beside(flooded, lambda: drive(flooded.url, lambda: one, clients, seconds)),
            "off": alone,
        }

    return sides


def _asked(server: Server, token: str, seconds: float) -> Sample:
    """Questions one after the other; the rate is how many of a hundred were answered by meaning."""
    taken, meant = [], 0
    questions = itertools.cycle(ASKED)
    with requests.Session() as calls:
        calls.headers.update(server.headers(token))
        end = time.perf_counter() + max(seconds, 2.0)
        while time.perf_counter() < end:
            began = time.perf_counter()
            answer = calls.get(
                f"{server.url}/attachment/_search?query={quote(next(questions))}&match=meaning", timeout=60
            )
            taken.append(time.perf_counter() - began)
            answer.raise_for_status()
            meant += answer.headers["Search-Match"] == "meaning"
    return Sample(100 * meant / len(taken), taken)


def _questions(parts: Parts, _: Form) -> Mapping[str, Side]:
    """As a server has it by default, with 0.3 s for the vector of a query. The texts that wait are of the first tenant."""
    flooded, calm = _flooded(parts), _filled(parts, REAL, EMBEDDINGS="builtin")
    await_process(calm)
    await_that(lambda: not _left(calm), 600)
    other = flooded.make_token(tenant="other")

    def alone(seconds: float) -> Sample:
        with _stopped(flooded):
            time.sleep(0.2)
            return _asked(calm, calm.token, seconds)

    return {
        "waiting": lambda seconds: _beside(flooded, lambda: _asked(flooded, flooded.token, seconds)),
        "other tenant": lambda seconds: _beside(flooded, lambda: _asked(flooded, other, seconds)),
        "alone": alone,
    }


#: By the name of a group: by what a question is searched for, how many different ones, and what the line says.
ASKING = {
    "words": ("words", DIFFERENT, "a question by words"),
    "both": ("both", DIFFERENT, "a question by words and meaning"),
    "again": ("both", 1, "the same question by words and meaning, again and again"),
}
GROUPS = (
    *(
        Group(f"query-{name}-{clients}", _query(clients, match, different))
        for name, (match, different, _) in ASKING.items()
        for clients in (1, 8)
    ),
    Group("found", _found, rounds="slow"),
    Group("model-memory", _memory, rounds="once"),
    Group("waiting-upload-1", _uploads(1)),
    Group("waiting-upload-8", _uploads(8)),
    Group("waiting-query", _questions),
)
LINES = (
    *(
        line
        for name, (_, _, what) in ASKING.items()
        for clients in (1, 8)
        for line in (
            Line(f"{what}, {clients} at once", f"query-{name}-{clients}", "store", "match", "rate", "/s", least=0.5),
            Line("the same, processor time", f"query-{name}-{clients}", "store", "match", "processor", "s"),
        )
    ),
    Line(
        f"{PAGES} pages of a PDF: from the upload until found by meaning",
        "found",
        "store",
        None,
        "seconds",
        "s",
        most=3,
    ),
    Line("memory of the model's process, resident", "model-memory", "process", None, "number", "MiB"),
    *(
        line
        for clients in (1, 8)
        for line in (
            Line(
                f"small uploads while {WAITING:,} texts wait for vectors, {clients} at once",
                f"waiting-upload-{clients}",
                "waiting",
                "off",
                "rate",
                "/s",
                least=0.8,
            ),
            Line("the same, in the middle", f"waiting-upload-{clients}", "waiting", "off", "seconds", "s"),
            Line("the same, p99", f"waiting-upload-{clients}", "waiting", "off", "p99", "s", most=2),
        )
    ),
    Line(
        "a search by meaning with nothing to be done, answered by meaning",
        "waiting-query",
        "alone",
        None,
        "number",
        "of 100",
    ),
    Line("a search by meaning while they wait, their tenant's", "waiting-query", "waiting", "alone", "seconds", "s"),
    Line("the same, p99", "waiting-query", "waiting", "alone", "p99", "s"),
    Line("the same, answered by meaning", "waiting-query", "waiting", None, "number", "of 100", least=99),
    Line("another tenant's", "waiting-query", "other tenant", "alone", "seconds", "s"),
    Line("the same, p99", "waiting-query", "other tenant", "alone", "p99", "s"),
    Line("the same, answered by meaning", "waiting-query", "other tenant", None, "number", "of 100", least=99),
)

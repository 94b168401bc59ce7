"""Every route asked for its dearest answer: so much processor time, so many bytes, so much memory, and no more.

What a route may cost is bounded by what it counts (`app.processing`) and by the sizes of what it reads and answers, so the
bounds here are those of a kind and not of a machine: many times what any of them takes, and a small part of what they took
where something multiplied. A new route without an entry fails the first test.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from app.embedded_node import EmbeddedNode
from app.extraction.parts import MOST_PARTS, MOST_TOLD, Part
from app.search import citing
from app.search.language import limits
from app.settings import MIB, Settings
from app.web.app import create_app, dialect_of
from tests.integration.access.test_matrix import CODER_UPLOAD, KORE, KORE_RULE, SHOWN, UNKNOWN_UUID
from tests.support.app import Server, running_server
from tests.support.texts import keep_text

#: Processor time of the server for one request: most of them take a tenth of a second, none a whole one.
MOST_SECONDS = 4.0
#: Memory of the worker beyond what it had: the largest answer, read, decoded and written, takes a third of it.
MOST_MEMORY = 400 * MIB
MOST_BYTES = Settings().max_answer_size + MIB

CHATS = "/api/v2/chats"
INDEX = "/coco_attachment"
TARGET = "/<index:target>"
#: Characters of a field of a head, and of a query string: gunicorn takes 8,190 of the first, MAX_HEAD_SIZE bounds both.
LONG = 8_000
LONG_QUERY = 60_000
WORD = "a" * 249
#: A name of the most bytes whose words are nearly those that are looked for, and one of nothing but words.
NEAR = " ".join(WORD + each for each in "bcde")
MANY = ("aB1 " * 256).strip()
NEARLY = "|".join(f"{WORD[:-1]}{each}~" for each in ("zz", "yy", "xx", "ww"))
#: Steps of all kinds, as many as there may be.
PATHS = ",".join(f"**.a{n}*b*" for n in range(limits.MAX_PATH_STEPS // 2))
BLANKS = b"\n" * 16_384
#: As many passages as there may be in an answer.
MOST_PASSAGES = {"size": citing.MOST_SIZE, "per_attachment": citing.MOST_OF_ONE, "max_tokens": citing.MOST_TOKENS}
#: As many names of indices as there may be, none of them quick to be told from the one.
INDICES = ",".join(["*o" * 20] * (limits.MAX_INDICES - 1) + ["*"])


@dataclass(frozen=True)
class Ask:
    """One dear request. `path` may have `{name}` of what is in the store (`Seeds`)."""

    path: str
    status: int = 200
    options: dict[str, Any] = field(default_factory=dict)
    #: Bytes of the answer at most.
    most_bytes: int = MOST_BYTES


def headers(**fields: str) -> dict[str, Any]:
    return {"headers": {name.replace("_", "-"): value for name, value in fields.items()}}


#: Which attachments have as many pages as are kept of one.
PAGED = slice(880, 1090)
TAGS = ",".join(f'"{n:x}"' for n in range(1_300))
CONDITIONS = headers(If_None_Match=TAGS, If_Match=TAGS)
BLANK_ACCEPT = headers(Accept="text/html,a" + "\t" * LONG + "a")
MANY_ACCEPT = headers(Accept="a/b," * (LONG // 4))
MANY_PARAMETERS = "&".join(f"p{n}" for n in range(LONG_QUERY // 7))
#: As many files as one request may have, of what is slow to be told the type of, with the longest names of many words.
FILES = {"files": [("files", (f"{MANY[:1000]}{n}", BLANKS)) for n in range(100)]}
FIELDS = {f"f{n}": "x" * 8_000 for n in range(32)}
FILE = {"files": [("file", (MANY[:1000], BLANKS))], "data": {**FIELDS}}
KORE_FILE = {
    "files": [("file", (MANY[:1000], BLANKS))],
    "data": {"userReference": "é" * 512, "uploadType": "runtime", **{f"f{n}": "x" * 8_000 for n in range(30)}},
}
EVERY_FIELD = {"docvalue_fields": ["*"] * 50, "fields": ["*"] * 50, "sort": ["created"]}
PAGE = {"size": 1000, "query": {"match_all": {}}, **EVERY_FIELD}
#: Each value of the histogram is a name in the answer that is nobody else's.
NAMES = {
    "size": 0,
    "aggs": {
        "a": {"histogram": {"field": "size", "interval": 1, "keyed": True, "extended_bounds": {"min": 0, "max": 9_999}}}
    },
}
CLAUSES = {
    "query": {"bool": {"should": [{"simple_query_string": {"query": "*" * 1000 + "x"}} for _ in range(120)]}},
    "highlight": {"fields": {"content": {}}},
}
WORDY = {"query": {"bool": {"should": [{"multi_match": {"query": "aB1" * 200, "fields": ["*"]}} for _ in range(50)]}}}
#: Fields by patterns that are slow to be told from their names, and a query that is only looked at.
CAPABLE = {"fields": ["*a" * 60] * 49 + ["*"], "index_filter": WORDY["query"]}
VECTOR = {
    "field": "passages.vector",
    "query_vector": [0.123456789] * 512,
    "filter": WORDY["query"]["bool"]["should"][:8],
}


def lines(search: dict[str, Any], count: int) -> dict[str, Any]:
    text = b"{}\n" + json.dumps(search).encode() + b"\n"
    return {"data": text * count, "headers": {"Content-Type": "application/x-ndjson"}}


#: As many hits as one request may be told: of these names they are more bytes than it may be, and nearly as many.
TOO_MANY = lines({**PAGE, "size": limits.MAX_HITS // limits.MAX_SEARCHES}, limits.MAX_SEARCHES)
#: Hits of each of many searches: with all fields of names like these, nearly as many bytes as an answer may have.
HITS_EACH = 100
SEARCHES = lines({**PAGE, "size": HITS_EACH}, limits.MAX_SEARCHES)


def language(path: str, pages: dict[str, Any]) -> list[Ask]:
    many = {**pages, "headers": {**pages.get("headers", {}), **MANY_ACCEPT["headers"]}}
    return [
        Ask(f"{path}?filter_path={PATHS}", options=pages),
        Ask(f"{path}?pretty", options=pages),
        Ask(path, options=many),
    ]


def of_search(path: str) -> list[Ask]:
    return [
        *language(path, {"json": PAGE}),
        Ask(f"{path}?filter_path={PATHS}", options={"json": NAMES}),
        Ask(path, options={"json": CLAUSES}),
        Ask(path, options={"json": WORDY}),
        Ask(f"{path}?{MANY_PARAMETERS}", 400),
    ]


DEAREST: dict[tuple[str, str], list[Ask]] = {
    ("POST", "/chat/<session>/_upload"): [Ask(f"/chat/{'s' * 512}/_upload", options=FILES)],
    ("POST", "/attachment/_upload"): [Ask("/attachment/_upload", options={**FILES, "data": FIELDS})],
    ("GET", "/attachment/<attachment_id>"): [
        Ask("/attachment/{attachment}", 412, CONDITIONS),
        Ask("/attachment/{attachment}", 200, headers(Range="bytes=" + "0-0," * (LONG // 4) + "0-0")),
    ],
    ("DELETE", "/attachment/<attachment_id>"): [Ask("/attachment/{deleted}", 200, CONDITIONS)],
    ("GET", "/attachment/_search"): [
        Ask("/attachment/_search?" + urlencode({"query": NEARLY, "highlight": "true", "size": 100, "session": "near"})),
        Ask("/attachment/_search?" + urlencode({"query": "a1 " * 300, "highlight": "true", "size": 100})),
        Ask("/attachment/_search?" + urlencode({"query": "*" * 1023 + "x", "size": 1000, "sort": "name"})),
        Ask(
            "/attachment/_search?"
            + urlencode([("owner", f"o{n}") for n in range(100)] + [("facets", ",".join(["owner", "session"] * 2000))])
        ),
        Ask("/attachment/_search?" + urlencode({"_source": ",".join(["name"] * 9000), "size": 1000})),
        Ask("/attachment/_search?" + urlencode({"sort": "name", "search_after": "[" * (LONG_QUERY // 3)}), 400),
        Ask("/attachment/_search?" + urlencode({"query": "a1 " * 300, "size": 1000, "pit": "x" * LONG_QUERY}), 404),
    ],
    ("POST", "/attachment/_search"): [Ask("/attachment/_search", options={"json": "ids"})],
    ("POST", "/attachment/_passages"): [
        Ask(
            "/attachment/_passages",
            options={"json": {"query": "aB1 " * 250, "session": ["s9", "s10"], **MOST_PASSAGES}},
        ),
        Ask("/attachment/_passages", options={"json": {"query": NEARLY, "session": "near", **MOST_PASSAGES}}),
        Ask("/attachment/_passages", 400, {"json": {"query": "a", "session": ["x"] * 40_000}}),
    ],
    ("GET", "/attachment/<attachment_id>/status"): [Ask("/attachment/{attachment}/status", 200, CONDITIONS)],
    ("GET", "/attachment/<attachment_id>/text"): [
        Ask("/attachment/{attachment}/text", 412, CONDITIONS),
        Ask("/attachment/{attachment}/text", 200, headers(Range="bytes=" + "0-0," * (LONG // 4) + "0-0")),
    ],
    ("GET", "/attachment/<attachment_id>/parts"): [Ask("/attachment/{attachment}/parts", most_bytes=6 * MIB)],
    ("GET", "/attachment/<attachment_id>/thumbnail"): [
        Ask("/attachment/{attachment}/thumbnail?size=640", 404, CONDITIONS),
        Ask(f"/attachment/{{attachment}}/thumbnail?{MANY_PARAMETERS}", 400),
    ],
    ("GET", "/attachment/_thumbnails"): [Ask("/attachment/_thumbnails", options={"json": "ids"})],
    ("POST", "/attachment/_thumbnails"): [Ask("/attachment/_thumbnails", options={"json": "ids"})],
    ("GET", "/attachment/_status"): [Ask("/attachment/_status", options={"json": "ids"})],
    ("POST", "/attachment/_status"): [
        Ask("/attachment/_status", options={"json": "ids"}),
        Ask("/attachment/_status", 400, {"json": "paged"}),
    ],
    **{
        ("POST", f"{prefix}/attachment/v1/upload"): [Ask(f"{prefix}/attachment/v1/upload", options=FILE)]
        for prefix in ("", "/api/public")
    },
    # The server makes no embeddings; it refuses before it reads what it should make them of.
    ("POST", "/v1/embeddings"): [Ask("/v1/embeddings", 404, {"json": {"model": "m", "input": ["é" * 2000] * 64}})],
    ("POST", CHATS): [
        Ask(CHATS, 201, {"data": b'{"content":[{"type":"text","text":"%b"}]}' % ("é " * 80_000).encode()}),
        Ask(CHATS, 201, {"json": "files"}),
        Ask(CHATS, 400, {"data": b'{"content":' + b"[" * 250_000}),
    ],
    ("GET", CHATS): [
        Ask(CHATS, most_bytes=MOST_BYTES // 8),
        Ask(f"{CHATS}?q={'+' * LONG_QUERY}", most_bytes=MOST_BYTES // 8),
    ],
    ("GET", f"{CHATS}/<chat>"): [Ask(f"{CHATS}/{{files}}"), Ask(f"{CHATS}/{{chat}}")],
    ("POST", f"{CHATS}/<chat>/archive"): [Ask(f"{CHATS}/{{chat}}/archive", 204)],
    ("POST", f"{CHATS}/<chat>/unarchive"): [Ask(f"{CHATS}/{{chat}}/unarchive", 204)],
    ("GET", f"{CHATS}/<chat>/git/watch"): [
        Ask(f"{CHATS}/{{chat}}/git/watch", 400, headers(Upgrade="websocket, " * (LONG // 12), Connection="Upgrade")),
    ],
    ("POST", f"{CHATS}/files"): [
        Ask(
            f"{CHATS}/files?organization={UNKNOWN_UUID}",
            201,
            {
                "data": CODER_UPLOAD["data"],
                "headers": {"Content-Type": "image/png", "Content-Disposition": "attachment; filename=" + "a" * 1000}
                | {"Accept": ";a*0=x" * (LONG // 6)},
            },
        ),
    ],
    ("GET", f"{CHATS}/files/<file>"): [Ask(f"{CHATS}/files/{{image}}", 412, CONDITIONS)],
    ("GET", "/"): [Ask("/", 200, BLANK_ACCEPT), Ask("/", 200, MANY_ACCEPT), Ask(f"/?{MANY_PARAMETERS}", 400)],
    **{
        (method, f"{prefix}/_search"): asks
        for method in ("GET", "POST")
        for prefix, asks in (
            (
                TARGET,
                [
                    *of_search(f"{INDEX}/_search"),
                    Ask(f"/{INDICES}/_search", options={"json": PAGE}),
                    Ask(f"{INDEX}/_search", 400, {"json": {"knn": [VECTOR] * limits.MAX_VECTORS}}),
                ],
            ),
            ("", [Ask("/_search", options={"json": "point"})]),
        )
    },
    **{
        (method, f"{prefix}/_msearch"): asks
        for method in ("GET", "POST")
        for prefix, asks in (
            (
                TARGET,
                [
                    *language(f"{INDEX}/_msearch", SEARCHES),
                    Ask(f"{INDEX}/_msearch", 400, TOO_MANY),
                    Ask(f"/{INDICES}/_msearch", options=lines({"size": 0}, limits.MAX_SEARCHES)),
                ],
            ),
            ("", [Ask(f"/_msearch?filter_path={PATHS}", options={"json": "points"})]),
        )
    },
    **{
        (method, f"{rule}/{kind}"): [Ask(f"{prefix}/{kind}{query}", options={"json": content})]
        for method in ("GET", "POST")
        for rule, prefix in ((TARGET, INDEX), ("", ""))
        for kind, query, content in (("_count", "", WORDY), ("_field_caps", f"?filter_path={PATHS}", CAPABLE))
    },
    ("GET", "/<alone:target>"): [Ask(f"/{INDICES}?filter_path={PATHS}"), Ask(f"{INDEX}?{MANY_PARAMETERS}", 400)],
    ("GET", f"{TARGET}/_mapping"): [Ask(f"/{INDICES}/_mapping?pretty")],
    ("GET", "/_mapping"): [Ask(f"/_mapping?filter_path={PATHS}", 200, MANY_ACCEPT)],
    **{
        ("GET", f"{TARGET}/{kind}/<path:document>"): [
            Ask(f"{INDEX}/{kind}/{{attachment}}?filter_path={PATHS}&_source={','.join(['*a' * 9] * 49)},*"),
            Ask(f"{INDEX}/{kind}/{'a/' * (LONG_QUERY // 2)}", 404),
        ]
        for kind in ("_doc", "_source")
    },
    ("GET", "/_cat/indices"): [
        Ask(f"/_cat/indices?h={'i,' * (LONG_QUERY // 4)}i", 400),
        Ask(f"/_cat/indices?h={'i,' * 500}i"),
    ],
    ("GET", f"/_cat/indices{TARGET}"): [Ask(f"/_cat/indices/{INDICES}?format=json")],
    ("GET", "/_cluster/health"): [Ask("/_cluster/health", 200, BLANK_ACCEPT)],
    ("GET", f"/_cluster/health{TARGET}"): [Ask(f"/_cluster/health/{INDICES}?filter_path={PATHS}")],
    ("POST", f"{TARGET}/_pit"): [Ask(f"{INDEX}/_pit?keep_alive=1s", 200, MANY_ACCEPT)],
    ("DELETE", "/attachment/_pit"): [Ask("/attachment/_pit", 404, {"json": {"id": "x" * 100_000}})],
    ("DELETE", "/_pit"): [Ask("/_pit", 404, {"json": {"id": "x" * 1000}, **MANY_ACCEPT})],
    **{
        ("POST", f"{prefix}{KORE_RULE}/upload"): [Ask(f"{prefix}{KORE}/upload", options=KORE_FILE)]
        for prefix in ("", "/api/v2")
    },
    **{
        ("DELETE", f"{prefix}{KORE_RULE}/<file_id>"): [
            Ask(f"{prefix}{KORE}/{{attachment}}", 404, {"data": {"sessionId": "é" * 20_000}}),
            Ask(f"{prefix}{KORE}/{{attachment}}", 400, {"data": dict.fromkeys((f"f{n}" for n in range(20_000)), "x")}),
        ]
        for prefix in ("", "/api/v2")
    },
    **{("GET", path): [Ask(path, 200, MANY_ACCEPT)] for path in ("/health", "/health/live", "/health/ready")},
    ("GET", "/metrics"): [Ask("/metrics", 200, MANY_ACCEPT)],
    ("GET", "/openapi"): [Ask("/openapi", 200, MANY_ACCEPT)],
    ("GET", "/openapi.json"): [Ask("/openapi.json", 200, BLANK_ACCEPT)],
    ("GET", "/openapi/<asset>"): [Ask("/openapi/swagger-ui-bundle.js", 200, headers(If_None_Match=TAGS))],
    ("GET", "/page/"): [Ask("/page/", 412, CONDITIONS), Ask("/page/", 200, BLANK_ACCEPT)],
    ("GET", "/page/static/<path:name>"): [
        Ask("/page/static/page.css", 412, CONDITIONS),
        Ask(f"/page/static{'/a' * (LONG_QUERY // 2)}", 404),
    ],
    ("POST", "/page/sign-in"): [
        Ask("/page/sign-in", 401, {"json": {"token": "x" * 4000}}),
        Ask("/page/sign-in", 400, {"data": b"{}", **headers(Content_Type="a;" + "a=b;" * (LONG // 4))}),
    ],
    ("GET", "/page/signed-in"): [Ask("/page/signed-in", 204, headers(Cookie="a=b;" * (LONG // 4)))],
    ("POST", "/page/sign-out"): [Ask("/page/sign-out", 401, headers(Cookie='a="b;' * (LONG // 5)))],
}


def routes(folder: Path) -> set[tuple[str, str]]:
    app = create_app(Settings(data=folder))
    return {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_every_route_has_an_entry(tmp_path: Path) -> None:
    assert set(DEAREST) == routes(tmp_path)
    assert all(DEAREST.values())


@dataclass
class Seeds:
    """A server with much in it, all of one tenant."""

    server: Server
    ids: list[str]
    names: dict[str, str]

    def headers(self, path: str) -> dict[str, str]:
        return {**SHOWN[dialect_of(path.partition("?")[0]).name](self.server.token), **SHOWN["coco"](self.server.token)}

    def call(self, method: str, ask: Ask) -> requests.Response:
        path = ask.path
        for name, value in self.names.items():
            path = path.replace("{" + name + "}", value)
        options = dict(ask.options)
        content = options.get("json")
        if isinstance(content, str):
            options = self.asked(content)
        given = {**self.headers(path), **options.pop("headers", {})}
        return requests.request(
            method, self.server.url + path, headers=given, timeout=300, allow_redirects=False, **options
        )

    def asked(self, what: str) -> dict[str, Any]:
        """Options whose content is known only once there is a store."""
        if what == "ids":
            return {"json": {"attachments": self.ids[:1000]}}
        if what == "paged":
            return {"json": {"attachments": self.ids[PAGED]}}
        if what == "files":
            return {"json": {"content": [{"type": "file", "file_id": self.names["image"]}] * 100}}
        opened = self.call("POST", Ask(f"{INDEX}/_pit?keep_alive=1m")).json()
        search = {**PAGE, "pit": {"id": opened["id"]}}
        return {"json": search} if what == "point" else lines({**search, "size": HITS_EACH}, limits.MAX_SEARCHES)


def answered(answer: requests.Response) -> Any:
    assert answer.status_code < 300, answer.text[:500]
    return answer.json()


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeds]:
    folder = tmp_path_factory.mktemp("dearest")
    # More time than a request needs, as the machine may be busy; attempts to sign in are not what is tested.
    more: dict[str, Any] = {"WEB_WORKERS": "1", "ELASTICSEARCH_TIMEOUT": "60", "SIGN_IN_FAILURES": "1000"}
    # A node of its own: what fills its memory for a moment would have it refuse what other tests ask.
    with (
        EmbeddedNode(folder / "node", open_to_all=True) as node,
        running_server(folder, node.url, **more) as server,
    ):
        ids: list[str] = []
        for number in range(11):
            session, name = ("near", NEAR) if not number else (f"s{number}", MANY[:1000] + "é")
            ids += server.upload(*([(name, b"x" * number)] * 100), session=session)
        found = Seeds(server, ids, {"attachment": ids[0], "deleted": ids[-1]})
        content = [{"type": "text", "text": "x y" * 85_000}]
        for _ in range(40):
            found.names["chat"] = answered(found.call("POST", Ask(CHATS, options={"json": {"content": content}})))["id"]
        # As large as a text may be, with as many parts of as long names as there may be, of letters that JSON escapes.
        at = range(0, MIB, MIB // MOST_PARTS + 1)
        names = "\U0001f98a" * (MOST_TOLD // MOST_PARTS)
        keep_text(server.data, ids[0], b"x" * MIB, *(Part(each, file=(names,)) for each in at), cut=True)
        for each in ids[PAGED]:
            keep_text(server.data, each, b"x" * MOST_PARTS, *(Part(n, n + 1) for n in range(MOST_PARTS)))
        upload = Ask(f"{CHATS}/files?organization={UNKNOWN_UUID}", options=CODER_UPLOAD)
        found.names["image"] = answered(found.call("POST", upload))["id"]
        images = [answered(found.call("POST", upload))["id"] for _ in range(100)]
        linked = [{"type": "file", "file_id": each} for each in images]
        found.names["files"] = answered(found.call("POST", Ask(CHATS, options={"json": {"content": linked}})))["id"]
        yield found


def of_workers(server: Server, figure: Callable[[Path], float]) -> float:
    return sum(figure(Path(f"/proc/{pid}")) for pid in server.worker_pids())


def seconds(process: Path) -> float:
    """Processor time of a process so far."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak(process: Path) -> float:
    """The most memory that it had since `forget_peak`."""
    (line,) = (each for each in (process / "status").read_text().splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def forget_peak(process: Path) -> float:
    (process / "clear_refs").write_text("5")
    return peak(process)


ASKED = [(method, rule, ask) for (method, rule), asks in DEAREST.items() for ask in asks]


@pytest.mark.parametrize(
    ("method", "rule", "ask"), ASKED, ids=[f"{method} {rule} {n}" for n, (method, rule, _) in enumerate(ASKED)]
)
def test_the_dearest_answer_is_bounded(seeds: Seeds, method: str, rule: str, ask: Ask) -> None:
    server = seeds.server
    memory, before = of_workers(server, forget_peak), of_workers(server, seconds)
    answer = seeds.call(method, ask)
    assert answer.status_code == ask.status, answer.text[:500]
    assert len(answer.content) <= ask.most_bytes
    took, grown = of_workers(server, seconds) - before, of_workers(server, peak) - memory
    # For whoever looks (-rP): what it took.
    print(f"{took:.2f} s, {grown / MIB:.0f} MiB, {len(answer.content)} bytes: {method} {rule}")
    assert took < MOST_SECONDS
    assert grown < MOST_MEMORY


def test_work_for_a_client_that_has_left_is_given_up(seeds: Seeds) -> None:
    """A search whose answer takes a while to be made, again and again, each left at once."""
    server = seeds.server
    ask, *_ = DEAREST["GET", "/attachment/_search"]
    head = f"GET {ask.path} HTTP/1.1\r\nHost: x\r\nX-API-TOKEN: {server.token}\r\n\r\n".encode()
    deadline = time.monotonic() + 120
    while '"status":499' not in server.log.read_text():
        assert time.monotonic() < deadline
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head)
        time.sleep(0.1)

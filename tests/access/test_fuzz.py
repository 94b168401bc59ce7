"""Ten thousand hostile requests over every route: no server error, and no answer that tells how the server is made."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.app import Server

CASES = 10_000
UUID = "497f6eca-6276-4993-bfeb-53cbbbba6f08"

# Text as an attacker writes it: what has a meaning to some layer, beside anything at all.
HOSTILE = st.sampled_from(
    [
        "..", "../../etc/passwd", "..\\..", "%2e%2e%2f", "\0", "a\0b", "\r\nX-Injected: 1", "%0d%0aX-Injected:1", '"',
        "'", ";", "{{7*7}}", "${jndi:ldap://x}", "<script>alert(1)</script>", "* OR 1=1", "*:*", "_all", "?", "#", "%",
        "%00", "%ff", "\u202egnp.exe", "\ufeff", "\ud800", "🦊" * 20, "é", "e\u0301", "ﬁ", "A" * 3000, "-1", "1e309",
        "NaN", "99999999999999999999", "true", "null", "[]", "{}", "text/html", "image/svg+xml", "bytes=0-", "bytes=-0",
        "bytes=5-1,0-0", "W/\"x\"", "Bearer", "Bearer x y", UUID, "f-" + UUID, "cv9q94bq50k2r0s6nob0", "_search", "_status",
    ]
)  # fmt: skip
TEXT = HOSTILE | st.text(max_size=40) | st.text(alphabet="./\\%?#&=;:\"'<>{}[]\0\r\n \t", max_size=12)

SEGMENTS = [
    "/attachment/{}", "/attachment/{}/status", "/attachment/_search", "/attachment/_status", "/attachment/_upload",
    "/chat/{}/_upload", "/attachment/v1/upload", "/api/public/attachment/v1/{}", "/api/public/{}",
    "/apps/{}/environments/{}/attachments/upload", "/api/v2/apps/{}/environments/{}/attachments/{}",
    "/api/v2/chats/files", "/api/v2/chats/files/{}", "/api/v2/chats", "/api/v2/chats/{}", "/api/v2/chats/{}/archive",
    "/api/v2/chats/{}/unarchive", "/api/v2/chats/{}/git/watch", "/health", "/openapi/{}", "/openapi.json", "/{}", "/{}/{}",
]  # fmt: skip
PARAMETERS = ["session", "query", "from", "size", "sort", "_source", "attachments", "organization", "q", "x"]
HEADERS = [
    "Range", "If-Range", "If-None-Match", "If-Match", "If-Modified-Since", "If-Unmodified-Since", "Content-Type",
    "Content-Disposition", "Accept", "Accept-Encoding", "Origin", "Cookie", "X-Forwarded-For", "X-Forwarded-Proto",
    "X-Request-Id", "X-HTTP-Method-Override", "Expect", "Content-Encoding", "Upgrade", "Sec-WebSocket-Key",
]  # fmt: skip


@st.composite
def paths(draw: st.DrawFn) -> str:
    template = draw(st.sampled_from(SEGMENTS))
    values = [quote(draw(TEXT), safe=draw(st.sampled_from(["", "/", "%/"])), errors="surrogatepass") for _ in range(3)]
    path = template.format(*values)
    names = draw(st.lists(st.sampled_from(PARAMETERS), max_size=4))
    pairs = [f"{name}={quote(draw(TEXT), safe='', errors='surrogatepass')}" for name in names]
    return path + ("?" + "&".join(pairs) if pairs else "")


@st.composite
def headers(draw: st.DrawFn) -> dict[str, str]:
    names = draw(st.lists(st.sampled_from(HEADERS), max_size=3, unique=True))
    printable = st.text(
        alphabet=st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60
    )
    clean = TEXT.map(lambda text: "".join(c for c in text if " " <= c <= "ÿ" and c != "\x7f")[:3000])
    return {name: draw(printable | clean).strip() for name in names}


@st.composite
def forms(draw: st.DrawFn) -> tuple[bytes, str]:
    boundary = draw(st.sampled_from(["b", "----x", "a" * 70]))
    body = b""
    for _ in range(draw(st.integers(0, 4))):
        name = draw(st.sampled_from(["files", "file", "File", "session", "userReference", "uploadType"]) | TEXT)
        filename = draw(st.none() | TEXT)
        head = f'Content-Disposition: form-data; name="{name}"'
        if filename is not None:
            head += f'; filename="{filename}"'
        extra = draw(
            st.sampled_from(["", "\r\nContent-Type: text/html", "\r\nContent-Length: 5", "\r\nX: y", "\r\nbroken"])
        )
        body += f"--{boundary}\r\n{head}{extra}\r\n\r\n".encode(errors="surrogatepass")
        body += draw(st.binary(max_size=100)) + b"\r\n"
    if draw(st.booleans()) or draw(st.booleans()):
        body += f"--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


JSONS: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["attachments", "sessionId", "content", "workspace", "query"]) | TEXT, inner, max_size=3
        )
    ),
    max_leaves=12,
)
BODIES = (
    st.just((b"", ""))
    | forms()
    | JSONS.map(lambda value: (json.dumps(value).encode(), "application/json"))
    | st.binary(max_size=300).map(lambda body: (body, "application/json"))
    | st.binary(max_size=300).map(lambda body: (b"\x89PNG\r\n\x1a\n" + body, "image/png"))
    | st.binary(max_size=300).map(lambda body: (body, "application/x-www-form-urlencoded"))
)  # fmt: skip


@pytest.fixture(scope="module")
def connection(server: Server) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    yield connection
    connection.close()


TOKEN_HEADERS = ["X-API-TOKEN", "Authorization", "x-api-key", "Coder-Session-Token"]


@pytest.mark.timeout(900)
def test_nothing_breaks_it(server: Server, connection: http.client.HTTPConnection) -> None:
    secrets = [str(server.data), "/app/", "site-packages", "Traceback", 'File "', server.token]
    tokens = {name: f"Bearer {server.token}" if name == "Authorization" else server.token for name in TOKEN_HEADERS}
    statuses: dict[int, int] = {}

    @settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(
        method=st.sampled_from(["GET", "POST", "GET", "POST", "DELETE", "HEAD", "PUT", "OPTIONS", "PATCH"]),
        path=paths(),
        extra=headers(),
        body=BODIES,
        shown=st.booleans() | st.just(True),
    )
    def survives(method: str, path: str, extra: dict[str, str], body: tuple[bytes, str], shown: bool) -> None:
        sent = {"Content-Type": body[1], **(tokens if shown else {}), **extra}
        if "Expect" in sent:
            sent["Expect"] = "100-continue"
        try:
            connection.request(method, path, body=body[0] or None, headers=sent)
            answer = connection.getresponse()
            content = answer.read()
        except (http.client.HTTPException, ConnectionError):
            # The HTTP server may close on what is no HTTP; it must be there for the next one.
            connection.close()
            return
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        assert answer.status < 500 or answer.status == 501, (answer.status, content[:300])
        text = content.decode("latin-1")
        if not path.startswith(("/openapi", "/attachment/c", "/api/v2/chats/files/")):
            for secret in secrets:
                assert secret not in text, (secret, text[:300])
        assert "x-injected" not in {name.lower() for name, _ in answer.getheaders()}

    survives()
    assert sum(statuses.values()) > CASES * 0.9
    # It reached the routes, and was not refused at the door each time.
    assert {200, 400, 401, 404, 405} <= set(statuses)
    assert server.get("/health").status_code == 200

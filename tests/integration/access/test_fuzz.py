"""Ten thousand hostile requests over every route: no server error, and no answer that tells how the server is made."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.app import Server

CASES = 10_000
METHODS = ["GET", "POST", "GET", "POST", "DELETE", "HEAD", "PUT", "OPTIONS", "PATCH"]
UUID = "497f6eca-6276-4993-bfeb-53cbbbba6f08"

# Text as an attacker writes it: what has a meaning to some layer, beside anything at all.
HOSTILE = (
    [
        "..", "../../etc/passwd", "..\\..", "%2e%2e%2f", "\0", "a\0b", "\r\nX-Injected: 1", "%0d%0aX-Injected:1", '"',
        "'", ";", "{{7*7}}", "${jndi:ldap://x}", "<script>alert(1)</script>", "* OR 1=1", "*:*", "_all", "?", "#", "%",
        "%00", "%ff", "\u202egnp.exe", "\ufeff", "\ud800", "🦊" * 20, "é", "e\u0301", "ﬁ", "A" * 3000, "-1", "1e309",
        "NaN", "99999999999999999999", "true", "null", "[]", "{}", "text/html", "image/svg+xml", "bytes=0-", "bytes=-0",
        "bytes=5-1,0-0", "W/\"x\"", "Bearer", "Bearer x y", UUID, "f-" + UUID, "cv9q94bq50k2r0s6nob0", "_search", "_status",
    ]
)  # fmt: skip


def text(random: Random, limit: int = 40) -> str:
    """Hostile text: a known trick, characters that separate something, or anything at all."""
    kind = random.randrange(4)
    if kind < 2:
        return random.choice(HOSTILE)
    if kind == 2:
        return "".join(random.choices("./\\%?#&=;:\"'<>{}[]\0\r\n \t", k=random.randrange(12)))
    return "".join(
        chr(random.choice((random.randrange(0x80), random.randrange(0x110000)))) for _ in range(random.randrange(limit))
    )


SEGMENTS = [
    "/attachment/{}", "/attachment/{}/status", "/attachment/{}/text", "/attachment/{}/parts",
    "/attachment/_search", "/attachment/_status", "/attachment/_upload",
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


def path(random: Random) -> str:
    safe = random.choice(["", "/", "%/"])
    values = [quote(text(random), safe=safe, errors="surrogatepass") for _ in range(3)]
    pairs = [
        f"{name}={quote(text(random), safe='', errors='surrogatepass')}"
        for name in random.choices(PARAMETERS, k=random.choice([0, 0, 1, 2, 4]))
    ]
    return random.choice(SEGMENTS).format(*values) + ("?" + "&".join(pairs) if pairs else "")


def headers(random: Random) -> dict[str, str]:
    names = random.sample(HEADERS, random.randrange(4))
    # What a header can carry at all; anything else the client library refuses.
    return {
        name: "".join(c for c in text(random, 60) if " " <= c <= "ÿ" and c != "\x7f")[:3000].strip() for name in names
    }


def form(random: Random) -> tuple[bytes, str]:
    boundary = random.choice(["b", "----x", "a" * 70])
    body = b""
    for _ in range(random.randrange(5)):
        name = random.choice(["files", "file", "File", "session", "userReference", "uploadType", text(random)])
        head = f'Content-Disposition: form-data; name="{name}"'
        if random.random() < 0.6:
            head += f'; filename="{text(random)}"'
        head += random.choice(["", "\r\nContent-Type: text/html", "\r\nContent-Length: 5", "\r\nX: y", "\r\nbroken"])
        body += f"--{boundary}\r\n{head}\r\n\r\n".encode(errors="surrogatepass")
        body += random.randbytes(random.randrange(100)) + b"\r\n"
    if random.random() < 0.75:
        body += f"--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def value(random: Random, depth: int = 0) -> Any:
    """A JSON value."""
    kind = random.randrange(7 if depth < 3 else 5)
    if kind == 5:
        return [value(random, depth + 1) for _ in range(random.randrange(4))]
    if kind == 6:
        return {
            random.choice(["attachments", "sessionId", "content", "workspace", "query", text(random)]): value(
                random, depth + 1
            )
            for _ in range(random.randrange(4))
        }
    return (None, True, random.randrange(-(2**70), 2**70), random.random() * 1e308, text(random))[kind]


def body(random: Random) -> tuple[bytes, str]:
    """A body and its Content-Type."""
    raw = random.randbytes(random.randrange(300))
    forms: list[Callable[[], tuple[bytes, str]]] = [
        lambda: (b"", ""),
        lambda: form(random),
        lambda: form(random),
        lambda: (json.dumps(value(random)).encode(), "application/json"),
        lambda: (raw, "application/json"),
        lambda: (b"\x89PNG\r\n\x1a\n" + raw, "image/png"),
        lambda: (raw, "application/x-www-form-urlencoded"),
    ]
    return random.choice(forms)()


@pytest.fixture(scope="module")
def connection(server: Server) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
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
    @given(seed=st.integers(0, 2**64 - 1))
    def survives(seed: int) -> None:
        # Hypothesis picks and reports the seed; the case is made from it at once, as ten thousand are many.
        random = Random(seed)
        method, target, (content_sent, media_type) = random.choice(METHODS), path(random), body(random)
        sent = {"Content-Type": media_type, **(tokens if random.random() < 0.8 else {}), **headers(random)}
        if "Expect" in sent:
            sent["Expect"] = "100-continue"
        try:
            connection.request(method, target, body=content_sent or None, headers=sent)
            answer = connection.getresponse()
            content = answer.read()
        except (http.client.HTTPException, ConnectionError):
            # The HTTP server may close on what is no HTTP; it must be there for the next one.
            connection.close()
            return
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        assert answer.status < 500 or answer.status == 501, (answer.status, content[:300])
        told = content.decode("latin-1")
        if not target.startswith(("/openapi", "/attachment/c", "/api/v2/chats/files/")):
            for secret in secrets:
                assert secret not in told, (secret, told[:300])
        assert "x-injected" not in {name.lower() for name, _ in answer.getheaders()}

    survives()
    assert sum(statuses.values()) > CASES * 0.9
    # It reached the routes, and was not refused at the door each time.
    assert {200, 400, 401, 404, 405} <= set(statuses)
    assert server.get("/health").status_code == 200

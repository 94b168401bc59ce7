"""Hostile file names come back exactly, or are refused; they break no header and leave no folder."""

import asyncio
import subprocess
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import pytest
from werkzeug.http import parse_options_header

from app.web.names import decode_extended
from tests.dialects.coco import wire
from tests.support.app import Server

LONGEST = 1024

#: The parameters of a part as sent, and the name that must come back; None where it is refused.
SENT: dict[str, tuple[bytes, str | None]] = {
    "plain": (b'filename="a b.txt"', "a b.txt"),
    "quotes": (b'filename="say %22hi%22.txt"', 'say "hi".txt'),
    "raw quote": (b'filename="say "hi.txt"', 'say "hi.txt'),
    "CR LF": (b'filename="a%0D%0ASet-Cookie: x=y.txt"', "a\r\nSet-Cookie: x=y.txt"),
    "lower-case escapes stay": (b'filename="a%0d%0a%2f%25.txt"', "a%0d%0a%2f%25.txt"),
    "parent": (b'filename="../../../../etc/cron.d/x"', "x"),
    "parent alone": (b'filename=".."', None),
    "parent at the end": (b'filename="a/.."', None),
    "this": (b'filename="."', None),
    "folder": (b'filename="a/"', None),
    "empty": (b'filename=""', None),
    "backslash": (b'filename="..\\..\\a.txt"', "..\\..\\a.txt"),
    "backslash at the end": (b'filename="a\\"', "a\\"),
    "NUL": (b'filename="a\0.txt"', None),
    "encoded NUL": (b"filename*=UTF-8''a%00.txt", None),
    "longest": (b'filename="' + b"x" * LONGEST + b'"', "x" * LONGEST),
    "too long": (b'filename="' + b"x" * (LONGEST + 1) + b'"', None),
    "longest in bytes": (b'filename="' + "ö".encode() * 512 + b'"', "ö" * 512),
    "too long in bytes": (b'filename="x' + "ö".encode() * 512 + b'"', None),
    "longest of quotes": (b'filename="' + b"%22" * LONGEST + b'"', '"' * LONGEST),
    "longest, escaped": (b"filename*=UTF-8''" + b"%C3%B6" * 512, "ö" * 512),
    "longest, both ways": (b'filename="' + b"_" * 1024 + b"\"; filename*=UTF-8''" + b"%C3%B6" * 512, "ö" * 512),
    "override": ('filename="cod\u202egpj.exe"'.encode(), "cod\u202egpj.exe"),
    "emoji": ('filename="👩‍💻 🎉.txt"'.encode(), "👩‍💻 🎉.txt"),
    "composed": (b'filename="' + unicodedata.normalize("NFC", "né.txt").encode() + b'"', "n\u00e9.txt"),
    "decomposed": (b'filename="' + unicodedata.normalize("NFD", "né.txt").encode() + b'"', "ne\u0301.txt"),
    "RFC 5987": (b"filename=\"x\"; filename*=UTF-8''%E2%82%AC%20rates.txt", "€ rates.txt"),
    "RFC 5987, a path": (b"filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
    "RFC 5987, CR LF": (b"filename*=UTF-8''a%0D%0Ab", "a\r\nb"),
    "not UTF-8": (b'filename="\xff\xfe.txt"', None),
    "percent": (b'filename="100%.txt"', "100%.txt"),
    "semicolons": (b'filename="a; filename=b.txt"', "a; filename=b.txt"),
    "blanks": (b'filename="  a  "', "  a  "),
    "tab and bell": (b'filename="a\t\x07.txt"', "a\t\x07.txt"),
    "delete": (b'filename="a\x7f.txt"', "a\x7f.txt"),
    "markup": (b'filename="<svg onload=alert(1)>.svg"', "<svg onload=alert(1)>.svg"),
    "imitates the envelope": (b'filename="{%22_index%22:%22x-000001%22,%22_id%22:"', '{"_index":"x-000001","_id":'),
    "imitates an extended value": (b"filename=\"UTF-8''x\"", "UTF-8''x"),
    "dots": (b'filename="..."', "..."),
    "option": (b'filename="-rf"', "-rf"),
    "encoded words": (b'filename="=?UTF-8?Q?Gr=C3=B6=C3=9Fe.txt?="', "Größe.txt"),
    "encoded words, a path": (b'filename="=?UTF-8?Q?../../etc/x?="', "x"),
    "encoded words, NUL": (b'filename="=?UTF-8?Q?a=00b?="', None),
    "RFC 2231": (b"filename*0*=UTF-8''Gr%C3%B6; filename*1*=%C3%9Fe.txt", "Größe.txt"),
    "percent-encoded": (b'filename="a%20b.txt"', "a%20b.txt"),
}


@pytest.mark.parametrize("case", SENT)
def test_names(server: Server, case: str) -> None:
    parameters, name = SENT[case]
    outside = sorted(path.name for path in server.data.parent.iterdir())
    before = server.stored_files()
    session = f"names-{list(SENT).index(case)}"
    answer = wire.upload(server, wire.part(b'name="files"; ' + parameters, b"content"), path=f"/chat/{session}/_upload")
    assert sorted(path.name for path in server.data.parent.iterdir()) == outside
    if name is None:
        assert answer.status == 400, answer
        assert b'{"error":{"reason":"' in answer.body
        assert server.stored_files() == before
        assert server.hits(f"session={session}") == []
        return
    assert answer.status == 200, answer
    (hit,) = server.hits(f"session={session}")
    assert hit["_source"]["name"] == name
    assert_headers_tell(server, hit["_id"], name)


def assert_headers_tell(server: Server, attachment_id: str, name: str) -> None:
    for method in ("GET", "HEAD"):
        answer = wire.exchange(server, method, f"/attachment/{attachment_id}")
        assert answer.status == 200
        assert all((key + value).isascii() for key, value in answer.headers)
        assert {key.lower() for key, _ in answer.headers}.isdisjoint({b"set-cookie"})
        assert parse_options_header(answer.header("Content-Disposition"))[1]["filename"] == name
    value = answer.header("Filename")
    assert (decode_extended(value) if value.startswith("UTF-8''") else value) == name


@pytest.mark.parametrize(
    "name",
    [
        'a "quoted" name',
        "back\\slash",
        "cod\u202egpj.exe",
        "👩‍💻.txt",
        "n\u00e9",
        "ne\u0301",
        "100%.txt",
        "a;b=c",
        "ö" * 127,
    ],
)
def test_names_that_curl_sends(server: Server, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"content")
    # Between quotes curl reads a path with a backslash before each quote and backslash.
    quoted = '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
    arguments = ["-H", f"X-API-TOKEN: {server.token}", "-F", f"files=@{quoted}", f"{server.url}/attachment/_upload"]
    done = subprocess.run(["curl", "-sS", *arguments], check=True, capture_output=True, text=True).stdout
    assert done.startswith('{"acknowledged":true'), done
    attachment_id = done.split('"')[5]
    assert_headers_tell(server, attachment_id, name)
    # What curl itself makes of the answer stays in the folder it was told.
    target = tmp_path / "downloads"
    target.mkdir()
    subprocess.run(
        ["curl", "-sSOJ", "-H", f"X-API-TOKEN: {server.token}", f"{server.url}/attachment/{attachment_id}"],
        check=True,
        cwd=target,
        capture_output=True,
    )
    (saved,) = target.iterdir()
    assert saved.read_bytes() == b"content"


@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize(
    "name", ["Größe über.txt", 'say "hi".txt', "back\\slash.txt", "100%25 done.txt", "a;b.txt", "plain.txt"]
)
def test_names_that_aiohttp_sends(server: Server, name: str, quoted: bool) -> None:
    async def send() -> str:
        form = aiohttp.FormData(quote_fields=quoted)
        form.add_field("files", b"content", filename=name)
        async with (
            aiohttp.ClientSession(headers=server.headers()) as calls,
            calls.post(f"{server.url}/attachment/_upload", data=form) as answer,
        ):
            (attachment_id,) = (await answer.json())["attachments"]
            return str(attachment_id)

    # In a thread of its own: a browser of another test may have a loop in this one.
    with ThreadPoolExecutor(1) as threads:
        attachment_id = threads.submit(lambda: asyncio.run(send())).result()
    assert_headers_tell(server, attachment_id, name)

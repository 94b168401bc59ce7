"""Uploads of Kore.ai clients."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import requests

from tests.dialects.kore.conftest import FILE, Kore
from tests.support.multipart import Part

Refused = Callable[[requests.Response, int], str]

REFERENCE = Part("userReference", b"session-1")
TYPE = Part("uploadType", b"runtime")


@pytest.mark.parametrize("prefix", ["/api/v2", ""])
@pytest.mark.parametrize("field", ["file", "File"])
def test_answer(kore: Kore, prefix: str, field: str) -> None:
    kore.prefix = prefix
    answer = kore.post(Part(field, b"%PDF-1.4\n" + bytes(62_987), b"myfile.PDF"), REFERENCE, TYPE)
    assert answer.status_code == 200
    match = re.fullmatch(
        r'\{"fileId":"(f-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})","fileName":"myfile.PDF",'
        r'"filePath":"AppFileSystem/(f-[0-9a-f-]{36})\.pdf","fileSize":62996,"mimeType":"application/pdf",'
        r'"extension":"pdf","uploadedAt":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"\}\n',
        answer.text,
    )
    assert match is not None, answer.text
    assert match[1] == match[2]

    (hit,) = kore.server.hits("session=session-1&_source=created,session,app,environment", token=kore.key)
    assert hit["_id"] == match[1]
    source = hit["_source"]
    assert (source["session"], source["app"], source["environment"]) == ("session-1", kore.app, kore.environment)
    shift = datetime.fromisoformat(source["created"]) - datetime.fromisoformat(match[3])
    assert timedelta(0) <= shift < timedelta(milliseconds=1)


def test_name_without_an_extension(kore: Kore) -> None:
    answer = kore.post(Part("file", b"x", b"README"), REFERENCE, TYPE).json()
    assert (answer["extension"], answer["filePath"]) == ("", f"AppFileSystem/{answer['fileId']}")


def test_the_order_of_the_parts_does_not_matter(kore: Kore) -> None:
    assert kore.post(TYPE, REFERENCE, Part("unknown", b"ignored"), FILE).status_code == 200


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ((), "file"),
        ((REFERENCE, TYPE), "file"),
        ((Part("file", b"a field, no file"), REFERENCE, TYPE), "file"),
        ((FILE, TYPE), "userReference"),
        ((FILE, Part("userReference", b""), TYPE), "userReference"),
        ((FILE, Part("userReference", b"x", b"a.txt"), TYPE), "userReference"),
        ((FILE, REFERENCE, REFERENCE, TYPE), "userReference"),
        ((FILE, Part("userReference", b"\xff"), TYPE), "userReference"),
        ((FILE, REFERENCE), "uploadType"),
        ((FILE, REFERENCE, Part("uploadType", b"")), "uploadType"),
        ((FILE, REFERENCE, Part("uploadType", b"design")), "uploadType"),
        ((FILE, REFERENCE, Part("uploadType", b"Runtime")), "uploadType"),
        ((FILE, REFERENCE, Part("uploadType", b"runtime ")), "uploadType"),
        ((FILE, REFERENCE, TYPE, TYPE), "uploadType"),
        ((FILE, FILE, REFERENCE, TYPE), "more than one file"),
        ((FILE, Part("File", b"x", b"a.txt"), REFERENCE, TYPE), "more than one file"),
        ((Part("FILE", b"x", b"a.txt"), REFERENCE, TYPE), "FILE"),
    ],
)
def test_fields_that_are_missing_or_wrong(kore: Kore, refused: Refused, parts: tuple[Part, ...], named: str) -> None:
    before = kore.server.stored_files()
    assert named in refused(kore.post(*parts), 400)
    assert kore.server.stored_files() == before


@pytest.mark.parametrize(("text", "limit"), [("s", 512), ("é", 512)])
def test_length_of_the_session(kore: Kore, refused: Refused, text: str, limit: int) -> None:
    kore.upload(text * limit)
    (hit,) = kore.server.hits(f"session={text * limit}", token=kore.key)
    assert hit["_source"]["session"] == text * limit
    answer = kore.post(FILE, Part("userReference", (text * (limit + 1)).encode()), TYPE)
    assert "userReference" in refused(answer, 400)


@pytest.mark.parametrize(("segment", "named"), [("app", "AppID"), ("environment", "EnvName")])
def test_length_of_app_and_environment(kore: Kore, refused: Refused, segment: str, named: str) -> None:
    file_id = kore.upload(**{segment: "a" * 256})
    assert kore.delete(file_id, place={segment: "a" * 256}).status_code == 200
    answer = kore.post(FILE, REFERENCE, TYPE, **{segment: "a" * 257})
    assert named in refused(answer, 400)


@pytest.mark.parametrize(
    "path", ["/apps", "/apps/", "/apps/a", "/api/v2/apps", "/api/v2/apps/a/environments/b/attachments"]
)
def test_below_the_prefixes_everything_is_kores(kore: Kore, refused: Refused, path: str) -> None:
    refused(requests.get(kore.server.url + path, timeout=60), 404)

"""Files inside of attachments, in hits: their paths, and which of them it is that was found."""

from __future__ import annotations

import gzip
import html
import io
import json
import time
import zipfile
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlencode

import pytest

from app.extraction.parts import Part
from app.search.inside import MOST_CHARACTERS, MOST_FILES
from app.search.params import MAX_HIGHLIGHTED
from tests.integration.extraction.test_archives import sevenzip, tar, zipped
from tests.support.app import Server
from tests.support.texts import keep_text


def stored(server: Server, token: str, *files: tuple[str, bytes]) -> list[str]:
    """Their ids, once their texts are searchable."""
    ids = server.upload(*files, token=token)
    deadline = time.monotonic() + 120
    while "pending" in server.post("/attachment/_status", json={"attachments": ids}, token=token).text:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return ids


def found(server: Server, token: str, query: str, **more: str) -> list[dict[str, Any]]:
    return server.hits(urlencode({"query": query, "highlight": "true", **more}), token=token)


def the_file(server: Server, token: str, query: str) -> list[str]:
    """Of the one hit."""
    (hit,) = found(server, token, query)
    files: list[str] = hit["highlight"].get("file", [])
    assert len(files) in (0, len(hit["highlight"]["content"]))
    return files


def mail() -> bytes:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "a@example.org", "b@example.org", "Offer"
    made.set_content("The covering letter speaks of shingles.")
    made.add_attachment(b"Copper sheets, 40 EUR.", maintype="text", subtype="plain", filename="Dach & Söhne.txt")
    made.add_attachment(
        zipped({"deep/tiles.txt": b"Glazed tiles, 90 EUR."}), maintype="application", subtype="zip", filename="more.zip"
    )
    return bytes(made)


FILES = {"list/roof.txt": b"A roof of copper.", "wall.txt": b"A wall of granite."}
#: How it is packed, and in front of which path.
PACKED: dict[str, tuple[bytes, str]] = {
    "plain.zip": (zipped(FILES), ""),
    "outer.zip": (zipped({"first.txt": b"nothing", "a/inner.zip": zipped(FILES)}), "a/inner.zip/"),
    "all.tar.gz": (gzip.compress(tar(FILES)), ""),
    "all.7z": (sevenzip(FILES), ""),
}


@pytest.mark.parametrize("name", PACKED)
def test_the_file_that_was_found_in_an_archive(library: Server, name: str) -> None:
    token = library.make_token(tenant=f"inside-{name}")
    content, before = PACKED[name]
    stored(library, token, (name, content))
    assert the_file(library, token, "copper") == [f"{before}list/roof.txt"]
    assert the_file(library, token, "granite") == [f"{before}wall.txt"]
    # By its name alone.
    assert the_file(library, token, "wall")[0] == f"{before}wall.txt"
    # By the name of the archive there is nothing to say.
    (hit,) = found(library, token, name)
    assert "file" not in hit.get("highlight", {})
    (hit,) = library.hits("_source=name,files", token=token)
    paths = [f"{before}{each}" for each in FILES]
    if before:
        paths = ["first.txt", before.rstrip("/"), *paths]
    assert hit["_source"] == {"name": name, "files": paths}
    (hit,) = library.hits("_source=files", token=token)
    assert hit["_source"] == {"files": paths}
    # Who does not ask for them is told the eight fields.
    (hit,) = library.hits(token=token)
    assert "files" not in hit["_source"]


def test_the_file_that_was_found_in_a_mail(library: Server) -> None:
    token = library.make_token(tenant="inside-mail")
    stored(library, token, ("offer.eml", mail()), ("other.txt", b"Copper and tiles, without a file."))
    by_name = {hit["_source"]["name"]: hit["highlight"] for hit in found(library, token, "copper")}
    assert by_name["offer.eml"]["file"] == ["Dach &amp; Söhne.txt"]
    assert "file" not in by_name["other.txt"]
    (hit,) = [hit for hit in found(library, token, "tiles") if hit["_source"]["name"] == "offer.eml"]
    assert set(hit["highlight"]["file"]) == {"more.zip/deep/tiles.txt"}
    # In the letter itself.
    assert the_file(library, token, "shingles") == []
    by_name = {hit["_source"]["name"]: hit["_source"] for hit in library.hits("_source=name,files", token=token)}
    assert by_name["offer.eml"]["files"] == ["Dach & Söhne.txt", "more.zip", "more.zip/deep/tiles.txt"]
    assert by_name["other.txt"] == {"name": "other.txt"}


def test_a_letter_and_its_attachment_that_both_say_it(library: Server) -> None:
    """Of each fragment its own place is told, beside it."""
    token = library.make_token(tenant="inside-both")
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "a@example.org", "b@example.org", "Offer"
    made.set_content("The letter says quokka. " + "Then it speaks of other things for long. " * 10)
    more = b"First of something else for long. " * 10 + b"The attachment says quokka too."
    made.add_attachment(more, maintype="text", subtype="plain", filename="zoo.txt")
    stored(library, token, ("both.eml", bytes(made)))
    (hit,) = found(library, token, "quokka")
    told = list(zip(hit["highlight"]["content"], hit["highlight"]["file"], strict=True))
    assert {("letter" in fragment, file) for fragment, file in told} == {(True, ""), (False, "zoo.txt")}


HOSTILE_NAMES = {
    "../../etc/passwd": "etc/passwd",
    "<script>hacked=1</script>.txt": None,
    "a\x1b[31mb\x07\x9fc.txt": "a [31mb c.txt",
    "one\r\nSet-Cookie: two\u2028three.txt": "one Set-Cookie: two three.txt",
    "\u202egnp.exe": "\u202egnp.exe",
    "<mark>quoll</mark>&lt;.txt": "<mark>quoll</mark>&lt;.txt",
    "x" * 3000 + ".txt": "x" * 251 + ".txt",
    " ": None,
}


def test_hostile_names(library: Server) -> None:
    token = library.make_token(tenant="inside-hostile")
    words = [f"word{number}x" for number in range(len(HOSTILE_NAMES))]
    content = {name: f"says {word}".encode() for name, word in zip(HOSTILE_NAMES, words, strict=True)}
    stored(library, token, ("hostile.zip", zipped(content)))
    for word, shown in zip(words, HOSTILE_NAMES.values(), strict=True):
        if shown is not None:
            (file,) = the_file(library, token, word)
            assert html.unescape(file) == shown
            assert not set(file) & set("<>\"'"), file
    (hit,) = library.hits("_source=files", token=token)
    told = hit["_source"]["files"]
    assert [each for each in HOSTILE_NAMES.values() if each is not None and each not in told] == []


def test_half_a_character_in_a_name_is_no_error(library: Server) -> None:
    """As earlier versions kept it."""
    token = library.make_token(tenant="inside-half")
    (one,) = stored(library, token, ("a.zip", zipped({"x.txt": b"some words of it"})))
    (path,) = library.data.glob(f"attachments/*/{one}.extraction")
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "parts": [{"at": 0, "file": ["x\ud800\x1b.txt"]}]}))
    assert the_file(library, token, "words") == ["x?\x1b.txt"]
    (hit,) = library.hits("_source=files", token=token)
    assert hit["_source"]["files"] == ["x?\x1b.txt"]


def test_ten_thousand_entries_are_bounded(library: Server) -> None:
    token = library.make_token(tenant="inside-many")
    names = [f"folder/{number:05}-of-many.txt" for number in range(10_000)]
    stored(library, token, ("many.zip", zipped({name: b"entry%s" % name[7:12].encode() for name in names})))
    (hit,) = library.hits("_source=files", token=token)
    assert hit["_source"]["files"] == names[:MOST_FILES]
    # Before the files that were read stand the names of the others, and marks end where the text that is marked does.
    assert the_file(library, token, "entry00077") == [names[77]]
    (hit,) = found(library, token, "entry00777")
    assert "highlight" not in hit
    # Long names are fewer.
    long = [f"{number}{'y' * 240}.txt" for number in range(80)]
    stored(library, token, ("long.zip", zipped(dict.fromkeys(long, b"z"))))
    (hit,) = found(library, token, "long.zip", _source="files")
    told = hit["_source"]["files"]
    assert told == long[: len(told)]
    assert MOST_CHARACTERS - 300 < sum(map(len, told)) <= MOST_CHARACTERS


def test_what_is_repeated_is_told_of_each_place(library: Server) -> None:
    token = library.make_token(tenant="inside-repeated")
    same = b"This sentence about the numbat stands in each of them, word by word, and is a long one all the same. "
    other = b"Whatever else there is to say of something else is said here at some length, once and again. " * 3
    names = ("a.txt", "b.txt", "c.txt")
    stored(library, token, ("same.zip", zipped(dict.fromkeys(names, other + same + other))))
    assert sorted(the_file(library, token, "numbat")) == list(names)


def test_another_tenant_is_told_nothing(library: Server) -> None:
    mine, theirs = (library.make_token(tenant=f"inside-{each}") for each in ("mine", "theirs"))
    (one,) = stored(library, mine, ("a.zip", zipped({"secret-name.txt": b"hidden words"})))
    for query in ("hidden", "secret-name", "a.zip"):
        assert found(library, theirs, query, _source="files") == []
    picked = library.post("/attachment/_search", json={"attachments": [one]}, token=theirs)
    assert picked.json()["hits"]["hits"] == []


def test_a_hit_says_nothing_that_the_disk_does_not(library: Server) -> None:
    """Of what was deleted, damaged or read anew since, the hit stays without the file."""
    token = library.make_token(tenant="inside-damaged")
    (one,) = stored(library, token, ("a.zip", zipped({"x.txt": b"wombat words"})))
    (path,) = library.data.glob(f"attachments/*/{one}.extraction")
    (text,) = library.data.glob(f"attachments/*/{one}.text")
    whole, content = path.read_bytes(), text.read_bytes()
    assert the_file(library, token, "wombat") == ["x.txt"]
    record = json.loads(whole)
    damaged = [
        b'{"file"',
        b'["file"]',
        b'{"parts":[{"file":[]}],"size":1}',
        json.dumps({**record, "parts": [{"at": 0, "file": "x"}]}).encode(),
        json.dumps({**record, "parts": [{"at": -1, "file": ["x"]}]}).encode(),
        json.dumps({**record, "parts": 7}).encode().replace(b"7", b'{"file": 7}'),
        b"[" * 100_000 + b'"file"',
    ]
    for each in damaged:
        path.write_bytes(each)
        (hit,) = found(library, token, "wombat", _source="name,files")
        assert hit["_source"] == {"name": "a.zip"}
        assert list(hit["highlight"]) == ["content"]
    path.write_bytes(whole)
    for other in (b"another text", b""):
        text.write_bytes(other)
        assert the_file(library, token, "wombat") == []
    text.unlink()
    assert the_file(library, token, "wombat") == []
    text.write_bytes(content)
    assert the_file(library, token, "wombat") == ["x.txt"]


@pytest.mark.parametrize("source", ["files,", "file", "files.x", "Files", "extraction.files", "*", "files\0"])
def test_other_names_are_refused(library: Server, source: str) -> None:
    answer = library.get(f"/attachment/_search?{urlencode({'_source': source})}")
    assert (answer.status_code, "[_source]" in answer.text) == (400, True)


def test_a_page_with_files_has_an_end(library: Server) -> None:
    for size, status in ((MAX_HIGHLIGHTED, 200), (MAX_HIGHLIGHTED + 1, 400)):
        answer = library.get(f"/attachment/_search?_source=id,files&size={size}")
        assert answer.status_code == status
    assert "[size]" in answer.text
    assert library.get(f"/attachment/_search?_source=id&size={MAX_HIGHLIGHTED + 1}").status_code == 200


def test_a_page_of_the_largest_archives_is_answered(library: Server) -> None:
    """As many parts, names and places as there may be (tests/unit/search/test_inside.py has as many hits)."""
    token = library.make_token(tenant="inside-largest")
    deep = tuple("d" * 250 for _ in range(4))
    line = "numbat and others, a line of it.\n"
    text = (line * 5000).encode()
    parts = [Part(number * len(line), number + 1) for number in range(4000)]
    parts += [Part(number * len(line), file=(*deep[: number % 4], f"{number}")) for number in range(4000, 4600)]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("a.txt", text)
    ids = stored(library, token, *((f"{number}.zip", file.getvalue()) for number in range(3)))
    for each in ids:
        keep_text(library.data, each, b"a.txt\n" + text, Part(0, file=("a.txt",)), *parts)
    hits = found(library, token, "numbat", size=str(MAX_HIGHLIGHTED), _source="id,files")
    assert len(hits) == 3
    assert all(hit["highlight"]["file"][0] == "a.txt" for hit in hits)

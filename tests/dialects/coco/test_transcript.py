"""The documented transcript, request by request."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from app.ids import new_xid
from tests.support.app import ROOT, Server, ServerFactory

SESSION = "cu737jrq50kcaicgn7pg"


def curl(*arguments: str) -> str:
    return subprocess.run(["curl", "-sS", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("embeddings", ["off", "builtin"])
def test_upload_head_download_search(start_server: ServerFactory, tmp_path: Path, embeddings: str) -> None:
    check_the_transcript(start_server(EXTRACTION="off", EMBEDDINGS=embeddings), tmp_path)


def check_the_transcript(server: Server, tmp_path: Path) -> None:
    """Of a server with nothing in it, that extracts nothing."""
    first = tmp_path / "neurips19-diskann.pdf"
    first.write_bytes(b"%PDF-1.4\n" + bytes(2_221_333))
    second = tmp_path / "Adaptive_searching_in_succinctly_encoded.pdf"
    second.write_bytes(b"%PDF-1.4\n" + bytes(125_373))
    header = f"X-API-TOKEN: {server.token}"
    # Five attachments, two of them in the session: the documented score is the logarithm of 2.4.
    for number in range(3):
        server.upload((f"other{number}.txt", b"x"), session="another")

    answer = curl("-X", "POST", f"{server.url}/chat/{SESSION}/_upload", "-H", header)
    assert answer == '{"error":{"reason":"Failed to parse multipart form"},"status":400}\n'
    answer = curl(
        *("-X", "POST", f"{server.url}/chat/{SESSION}/_upload", "-H", header),
        *("-F", f"files=@{first}", "-F", f"files=@{second}"),
    )
    match = re.fullmatch(r'\{"acknowledged":true,"attachments":\["([0-9a-v]{20})","([0-9a-v]{20})"\]\}\n', answer)
    assert match is not None, answer
    ids = match.groups()

    downloaded = subprocess.run(
        ["curl", "-sS", f"{server.url}/attachment/{ids[0]}", "-H", header], check=True, capture_output=True
    ).stdout
    assert downloaded == first.read_bytes()

    head = curl("-I", f"{server.url}/attachment/{ids[0]}", "-H", header).splitlines()
    assert head[0] == "HTTP/1.1 200 OK"
    assert "Content-Length: 2221342" in head
    assert "Filename: neurips19-diskann.pdf" in head
    assert "Vary: Accept-Encoding" in head
    assert any(re.fullmatch(r"Created: \d{10}", line) for line in head)

    answer = curl(f"{server.url}/attachment/_search?session={SESSION}", "-H", header)
    hit = (
        r'\{"_index":"INDEX","_type":"_doc","_id":"(\w{20})","_score":0\.87546873,"_source":\{"id":"(\w{20})",'
        r'"created":"TIME","updated":"TIME","session":"SESSION","name":"([^"]+)","icon":"pdf",'
        r'"url":"/attachment/(\w{20})","size":(\d+)\}\}'
    )
    envelope = (
        r'\{"took":\d+,"timed_out":false,"_shards":\{"total":1,"successful":1,"skipped":0,"failed":0\},'
        rf'"hits":\{{"total":\{{"value":2,"relation":"eq"\}},"max_score":0\.87546873,"hits":\[{hit},{hit}\]\}}\}}'
    )
    envelope = envelope.replace("INDEX", server.index).replace("SESSION", SESSION)
    envelope = envelope.replace("TIME", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d")
    match = re.fullmatch(envelope, answer)
    assert match is not None, answer
    found = match.groups()
    assert (found[0], found[1], found[3]) == (ids[0],) * 3
    assert (found[5], found[6], found[8]) == (ids[1],) * 3
    assert found[2::5] == (first.name, second.name)
    assert [int(size) for size in found[4::5]] == [2221342, 125382]


def test_delete(server: Server) -> None:
    (attachment_id,) = server.upload(("a.txt", b"some text"), session="deleting")
    header = f"X-API-TOKEN: {server.token}"
    address = f"{server.url}/attachment/{attachment_id}"
    assert curl("-X", "DELETE", address, "-H", header) == f'{{"_id":"{attachment_id}","result":"deleted"}}\n'
    assert curl("-X", "DELETE", address, "-H", header) == f'{{"_id":"{attachment_id}","result":"not_found"}}\n'
    assert curl(address, "-H", header) == f'{{"_id":"{attachment_id}","found":false}}\n'
    assert server.hits("session=deleting") == []
    assert not [path for path in server.stored_files() if attachment_id in path]


def shape(text: str) -> str:
    """A printed answer without what is another one each time, and without the breaks that the page has in it."""
    for found, kept in (
        (r"[0-9a-v]{19}[0g]", "ID"),
        (r'"took":\d+', '"took":N'),
        # Before the scores: a time's seconds may end in 0.
        (r"\d{4}-\d\d-\d\dT[\d:.+]+", "TIME"),
        (r"0\.\d{6,9}", "SCORE"),
        (r"\n", ""),
    ):
        text = re.sub(found, kept, text)
    return text


def test_the_lines_of_the_readme_run_as_printed(start_server: ServerFactory, tmp_path: Path) -> None:
    # In an index of its own: the score is one that depends on all that is in it, and the order too.
    server = start_server()
    block = (ROOT / "README.md").read_text().partition("## In two minutes")[2].split("```")[1].replace("\\\n", "")
    printed = [each.partition("\n") for each in block.split("$ ")[1:] if each.startswith("curl")]
    commands, answers = [each[0] for each in printed], [each[2] for each in printed]
    uploads, rest = commands[0], commands[1:]
    for name in re.findall(r"files=@([^\"]+)", uploads):
        (tmp_path / name).write_bytes(b"%PDF-1.4\n" + name.encode())
    (session,) = re.findall(r"/chat/(\w+)/", uploads)
    (old, _) = re.findall(r'"([0-9a-v]{20})"', answers[0])
    own = new_xid()
    (tmp_path / "downloads").mkdir()

    def run(command: str) -> str:
        here = command.replace("http://127.0.0.1:9000", server.url).replace(session, own)
        folder = tmp_path / "downloads" if "-J" in command else tmp_path
        done = subprocess.run(
            ["sh", "-c", here], cwd=folder, env={**os.environ, "TOKEN": server.token}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = [run(uploads)]
    new = re.findall(r'"([0-9a-v]{20})"', said[0])[0]
    said += [run(command.replace(old, new)) for command in rest]
    for answer, expected in zip(said, answers, strict=True):
        # A long answer is printed as far as its first hit.
        beginning, dots, _ = shape(expected).partition(" ...")
        assert shape(answer).replace(server.index, "coco_attachment").startswith(beginning), answer
        assert dots or not beginning or shape(answer).replace(server.index, "coco_attachment") == beginning
    assert said[2].startswith("HTTP/1.1 200 OK")
    assert [path.name for path in (tmp_path / "downloads").iterdir()] == ["neurips19-diskann.pdf"]
    assert server.get(f"/attachment/{new}").status_code == 404

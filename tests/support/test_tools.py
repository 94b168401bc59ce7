"""A test whose tool is missing is counted as not run, and is a failure in continuous integration."""

import os

import pytest

SUITE = """
import pytest

@pytest.mark.needs("sh")
def test_its_tool_is_here():
    pass

@pytest.mark.needs("no-such-tool", "sh")
def test_its_tool_is_missing():
    raise AssertionError("it must not run")

@pytest.mark.skip(reason="because")
def test_that_is_skipped():
    raise AssertionError("it must not run")

@pytest.mark.xfail(reason="known", strict=True)
def test_that_is_expected_to_fail():
    raise AssertionError("as expected")
"""


@pytest.fixture(autouse=True)
def importable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the inner runs, whose root is elsewhere, import the plugin."""
    monkeypatch.setenv("PYTHONPATH", str(request.config.rootpath))


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(SUITE)
    return pytester


def test_missing_tool_is_counted_and_named(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    result = suite.runpytest_subprocess("--strict-markers", "-p", "tests.support.tools")
    result.assert_outcomes(passed=1, skipped=2, xfailed=1)
    result.stdout.fnmatch_lines(["NOT RUN: 1 test (because)", "NOT RUN: 1 test (no-such-tool missing)"])
    assert result.ret == pytest.ExitCode.OK


def test_missing_tool_fails_in_continuous_integration(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    result = suite.runpytest_subprocess("--strict-markers", "-p", "tests.support.tools")
    result.assert_outcomes(passed=1, errors=2, xfailed=1)
    result.stdout.fnmatch_lines(["*not run: no-such-tool missing*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_module_that_is_skipped_whole_fails_in_continuous_integration(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile("import pytest\npytest.importorskip('no_such_module')\n")
    result = pytester.runpytest_subprocess("-p", "tests.support.tools")
    result.assert_outcomes(errors=1)
    assert result.ret != pytest.ExitCode.OK


def test_what_only_root_can_do_is_run_by_root(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """In continuous integration everything runs as root, and some of it a second time as another user."""
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile("import os, pytest\n@pytest.mark.needs('root')\ndef test_it():\n    assert os.geteuid() == 0\n")
    result = pytester.runpytest_subprocess("-p", "tests.support.tools")
    result.assert_outcomes(**{"passed" if os.geteuid() == 0 else "skipped": 1})
    assert result.ret == pytest.ExitCode.OK

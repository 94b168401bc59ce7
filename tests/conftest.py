"""What every test can use; the parts are in tests/support, and docs/testing.md describes them."""

pytest_plugins = ("tests.support.engine", "tests.support.tools", "tests.support.app", "pytester")

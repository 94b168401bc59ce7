"""What every test can use; the parts are in tests/support, and docs/testing.md describes them."""

import gc
import os
import sys
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# Who wants no compiled modules among the sources has them in the environment: the tests alone take two seconds to compile.
# Processes that tests start are not told.
if sys.dont_write_bytecode:
    sys.dont_write_bytecode, sys.pycache_prefix = False, f"{sys.prefix}/compiled"

# How long a case takes is the machine's affair, not the code's. The cases are the same each time: a run that fails says
# something of what was changed. Who looks for others asks for so many of them, drawn anew.
more = os.environ.get("PROPERTY_EXAMPLES")
settings.register_profile(
    "any-machine",
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=more is None,
    max_examples=int(more or 100),
    **({} if more else {"database": None}),
)
settings.load_profile("any-machine")

pytest_plugins = ("tests.support.engine", "tests.support.tools", "tests.support.app", "tests.support.s3", "pytester")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without looking for garbage, which takes a third of the time and finds none; nor later in what was found."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()

"""What every test can use; the parts are in tests/support, and docs/testing.md describes them."""

import os

from hypothesis import HealthCheck, settings

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

pytest_plugins = ("tests.support.engine", "tests.support.tools", "tests.support.app", "pytester")

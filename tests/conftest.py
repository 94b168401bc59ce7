"""What every test can use; the parts are in tests/support, and docs/testing.md describes them."""

from hypothesis import HealthCheck, settings

# How long a case takes is the machine's affair, not the code's.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

pytest_plugins = ("tests.support.engine", "tests.support.tools", "tests.support.app", "pytester")

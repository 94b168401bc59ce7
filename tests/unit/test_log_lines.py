"""What a line of the log says of a failure."""

import logging
import sys

import pytest

from app.telemetry.logs import Lines


@pytest.mark.parametrize("form", ["json", "text"])
def test_the_message_of_a_failure_is_for_debugging_alone(form: str) -> None:
    try:
        raise ValueError("what a client sent")
    except ValueError:
        record = logging.LogRecord("app", logging.ERROR, __file__, 1, "it failed", (), sys.exc_info())
    assert "what a client sent" not in Lines(form).format(record)
    assert "builtins.ValueError" in Lines(form).format(record)
    assert "what a client sent" in Lines(form, quotes=True).format(record)

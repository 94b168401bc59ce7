"""What reads headers takes time by their length, whatever is in them: by its square, these would take minutes."""

import pytest
from flask import Flask, Request
from werkzeug.test import EnvironBuilder

from app.web.dialects.coder.disposition import request_name
from app.web.elastic import answered_type
from app.web.names import disposition_parameters, form_filename
from app.web.page.routes import prefers_html

LENGTH = 200_000
PIECES = (" ", "; ", '"', '" ', ';a="', ';a="x', ';a="x" ', "=;", ";a", ";a=", ';"', "\\", '\\"', "'", "%22", ";a*0=")
OF_NAMES = (";filename*1=a", "=?utf-8?q?=41?= ", "=?")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", [*PIECES, *OF_NAMES])
def test_nothing_takes_the_square_of_its_length(piece: str) -> None:
    text = piece * (LENGTH // len(piece))
    for header in (f"a{text}a", f';filename="{text}x', f"form-data; filename*=UTF-8''{text}", f'; filename="{text}"'):
        disposition_parameters(header)
        form_filename(header)
        request_name(header)
    answered_type(Request(EnvironBuilder(headers=[("Accept", f"application/json{text}a")]).get_environ()))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("blank", [" ", "\t", ", ", "; "])
def test_nor_does_what_a_browser_would_rather_have(blank: str) -> None:
    for text in (f"text/html,a{blank * LENGTH}a", f"text/html{blank * LENGTH};q=0.9"):
        with Flask(__name__).test_request_context("/", headers={"Accept": text}):
            assert not prefers_html()
    with Flask(__name__).test_request_context("/", headers={"Accept": "text/html,application/xml;q=0.9,*/*;q=0.8"}):
        assert prefers_html()


def test_the_ends_of_quoted_values() -> None:
    header = 'form-data; name="a"b"; filename="x"; y" ; z="open; w=1'
    assert disposition_parameters(header) == {"name": 'a"b', "filename": "x", "z": "", "w": "1"}

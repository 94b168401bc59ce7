"""What reads headers takes time by their length, whatever is in them: by its square, these would take minutes."""

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from app.dialects.coder.disposition import request_name
from app.http.elastic import answered_type
from app.http.names import disposition_parameters, form_filename

LENGTH = 200_000
PIECES = (" ", "; ", '"', '" ', ';a="', ';a="x', ';a="x" ', "=;", ";a", ";a=", ';"', "\\", '\\"', "'", "%22", ";a*0=")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", PIECES)
def test_nothing_takes_the_square_of_its_length(piece: str) -> None:
    text = piece * (LENGTH // len(piece))
    for header in (f"a{text}a", f';filename="{text}x', f"form-data; filename*=UTF-8''{text}"):
        disposition_parameters(header)
        form_filename(header)
        request_name(header)
    answered_type(Request(EnvironBuilder(headers={"Accept": f"application/json{text}a"}).get_environ()))


def test_the_ends_of_quoted_values() -> None:
    header = 'form-data; name="a"b"; filename="x"; y" ; z="open; w=1'
    assert disposition_parameters(header) == {"name": 'a"b', "filename": "x", "z": "", "w": "1"}

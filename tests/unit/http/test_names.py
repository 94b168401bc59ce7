"""File names: from the wire to what is kept, and from there into a header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from app.errors import InvalidName
from app.web.names import (
    MAX_NAME_BYTES,
    checked_name,
    content_disposition,
    decode_extended,
    disposition_parameters,
    encode_extended,
    form_filename,
    header_value,
)

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=120).filter(
    lambda name: name not in (".", "..") and len(name.encode()) <= MAX_NAME_BYTES
)


def on_the_wire(name: str) -> str:
    """The header of a form part as browsers and curl write it."""
    escaped = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    return f'form-data; name="files"; filename="{escaped}"'


def parsed(header: str) -> str | None:
    """The file name that a parser which is no part of the store reads in a Content-Disposition."""
    return parse_options_header(header)[1].get("filename")


@given(NAMES.filter(lambda name: not any(escape in name for escape in ("%22", "%0D", "%0A"))))
def test_a_name_survives_the_form_and_the_headers(name: str) -> None:
    kept = form_filename(on_the_wire(name))
    assert kept == name
    assert checked_name(name) == name
    disposition = content_disposition("attachment", name)
    assert disposition.isascii()
    assert disposition.isprintable()
    if "filename*" in disposition:
        assert decode_extended(disposition_parameters(disposition)["filename*"]) == name
    assert parsed(disposition) == name
    value = header_value(name)
    assert value.isascii()
    assert value.isprintable()
    assert (decode_extended(value) if value.startswith("UTF-8''") else value) == name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('form-data; name="files"; filename="a.txt"', "a.txt"),
        ("form-data; name=files; filename=a.txt", "a.txt"),
        ('form-data; filename="a.txt"; name="files"', "a.txt"),
        ('form-data; name="files"; filename="C:\\dir\\a.txt"', "C:\\dir\\a.txt"),
        ('form-data; name="files"; filename="a\\"', "a\\"),
        ('form-data; name="files"; filename="a"b".txt"', 'a"b".txt'),
        ('form-data; name="files"; filename="a; b=c.txt"', "a; b=c.txt"),
        ('form-data; name="files"; filename="%22%0D%0A%25%2F%0a%0d.txt"', '"\r\n%25%2F%0a%0d.txt'),
        ("form-data; name=\"files\"; filename*=UTF-8''na%C3%AFve.txt", "naïve.txt"),
        ('form-data; name="files"; filename="x"; filename*=utf-8\'en\'na%C3%AFve.txt', "naïve.txt"),
        ('form-data; name="files"; filename="x"; filename*=ISO-8859-1\'\'na%EFve.txt', "naïve.txt"),
        ('form-data; name="files"; filename="x"; filename*=UTF-8\'\'%FF', "x"),
        ('form-data; name="files"; filename="x"; filename*=KOI8-R\'\'%C1', "x"),
        ("form-data; filename*0*=UTF-8''Gr%C3%B6; filename*1*=%C3%9Fe; filename*2=\"%20 x.txt\"", "Größe%20 x.txt"),
        ('form-data; filename="a.txt"; filename*1*=%C3%9F', "a.txt"),
        ('form-data; filename="=?UTF-8?Q?Gr=C3=B6=C3=9Fe.txt?="', "Größe.txt"),
        ('form-data; filename="=?utf-8?B?R3LDtsOf?= =?iso-8859-1?q?e=FC.txt?="', "Größeü.txt"),
        ('form-data; filename="=?UTF-8?B?R?="', "=?UTF-8?B?R?="),
        ('form-data; filename="=?nothing?Q?x?="', "=?nothing?Q?x?="),
        ('form-data; filename="a =?UTF-8?Q?x?="', "a =?UTF-8?Q?x?="),
        ('form-data; name="files"; filename=""', ""),
        ('form-data; name="session"', None),
        ('form-data; name="filename=x"', None),
    ],
)
def test_names_in_a_form_part(header: str, name: str | None) -> None:
    assert form_filename(header) == name


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("Gr%C3%B6%C3%9Fe%20100%2525.txt", "Größe 100%25.txt"),
        ("a.txt", "a.txt"),
        # Not what aiohttp makes of any name.
        ("100%25 done.txt", "100%25 done.txt"),
        ("100%.txt", "100%.txt"),
        ("%ff.txt", "%ff.txt"),
        ("%FF.txt", "%FF.txt"),
    ],
)
def test_names_that_a_client_percent_encodes(sent: str, name: str) -> None:
    header = f'form-data; name="files"; filename="{sent}"'
    assert form_filename(header, "Python/3.11 aiohttp/3.12.0") == name
    for other in ("", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "curl/8.5.0"):
        assert form_filename(header, other) == sent


@pytest.mark.parametrize(
    ("name", "kept"), [("/etc/passwd", "passwd"), ("../../a", "a"), ("a/..b", "..b"), ("..\\..\\a", "..\\..\\a")]
)
def test_a_path_is_cut(name: str, kept: str) -> None:
    assert checked_name(name) == kept


@pytest.mark.parametrize("name", ["", ".", "..", "a/", "a/..", "/", "a\0b", "\0", "x" * 1025, "ö" * 513, "\ud800"])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        checked_name(name)


@pytest.mark.parametrize("name", ["x" * 1024, "ö" * 512, " ", "...", "-rf", "CON"])
def test_names_that_are_kept(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["a b", "  a", "a\r\nSet-Cookie: x=y", "naïve", "UTF-8''x", "a\x7f", 'a"b', "a\\b"])
def test_a_header_of_its_own_is_unambiguous(name: str) -> None:
    value = header_value(name)
    assert value.isascii()
    assert value.isprintable()
    assert (decode_extended(value) if value.startswith("UTF-8''") else value) == name


@pytest.mark.parametrize("value", ["x", "UTF-8'x", "UTF-8''%FF", "utf-16''x", ""])
def test_what_is_no_extended_value(value: str) -> None:
    assert decode_extended(value) is None


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_extended_values_round_trip(text: str) -> None:
    assert decode_extended(encode_extended(text)) == text

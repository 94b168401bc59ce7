"""Names in a request's Content-Disposition: all forms that the RFCs have, and what is not one of them."""

import pytest

from app.web.dialects.coder.disposition import request_name


def wire(text: str) -> str:
    """UTF-8 on the wire as WSGI shows it."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename=shot.png", "shot.png"),
        ('inline; filename="my shot.png"', "my shot.png"),
        ('form-data; name="file"; filename="x.png"', "x.png"),
        ('ATTACHMENT; FILENAME="x.png"', "x.png"),
        ('attachment;filename="x.png";', "x.png"),
        ('attachment ; filename = "x.png" ; size = 3', "x.png"),
        (r'attachment; filename="a \"quoted\" name.png"', 'a "quoted" name.png'),
        (r'attachment; filename="back\\slash.png"', "back\\slash.png"),
        (r'attachment; filename="C:\dir\x.png"', "C:\\dir\\x.png"),
        ('attachment; filename="semi;colon.png"', "semi;colon.png"),
        ('attachment; filename="per%20cent.png"', "per%20cent.png"),
        (wire('attachment; filename="naïve.png"'), "naïve.png"),
        ('attachment; filename="na\xefve.png"', "naïve.png"),
        ("attachment; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.png", "naïve €.png"),
        ("attachment; filename*=utf-8'en'x.png", "x.png"),
        ("attachment; filename=plain.png; filename*=UTF-8''%E2%82%AC.png", "€.png"),
        ("attachment; filename*=UTF-8''%E2%82%AC.png; filename=plain.png", "€.png"),
        ("attachment; filename=plain.png; filename*=UTF-8''%FF.png", "plain.png"),
        ("attachment; filename=plain.png; filename*=utf-16''x.png", "plain.png"),
        ("attachment; filename=plain.png; filename*=UTF-8''50%", "plain.png"),
        ("attachment; filename*0=one-; filename*1=two.png", "one-two.png"),
        ("attachment; filename*1=two.png; filename*0=one-", "one-two.png"),
        ("attachment; filename*0*=UTF-8''%E2%82; filename*1*=%AC; filename*2=.png", "€.png"),
        ('attachment; filename="../../etc/shot.png"', "shot.png"),
    ],
)
def test_a_name(header: str, name: str) -> None:
    assert request_name(header) == name


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "inline",
        "attachment; filename",
        "attachment; filename=",
        'attachment; filename=""',
        'attachment; filename="open',
        "attachment; filename=two words.png",
        "attachment; filename=a.png; filename=b.png",
        "attachment; filename=a.png trailing",
        "attachment filename=a.png",
        "; filename=a.png",
        "=; filename=a.png",
        "attachment; filename*=UTF-8''%FF.png",
        "attachment; filename*=x.png",
        "attachment; filename*1=x.png",
        "attachment; filename*0*=koi8-r''x.png",
        "attachment; filename*0*=UTF-8''50%",
        "attachment; filename*0*=UTF-8''%FF",
        'attachment; filename=".."',
        'attachment; filename="folder/"',
        "attachment; filename*=UTF-8''nul%00.png",
    ],
)
def test_no_name(header: str | None) -> None:
    assert request_name(header) is None


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a" * 255, "a" * 255),
        ("a" * 256, "a" * 255),
        ("a" * 254 + "é", "a" * 254),
        ("a" * 253 + "é!", "a" * 253 + "é"),
        ("€" * 86, "€" * 85),
        ("a" * 252 + "😀", "a" * 252),
    ],
)
def test_names_are_cut_at_a_characters_edge(name: str, kept: str) -> None:
    assert request_name(wire(f'attachment; filename="{name}"')) == kept

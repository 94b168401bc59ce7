"""Texts whose characters are not all written as themselves: JSON, properties, calendars, cards, directories."""

from __future__ import annotations

import base64
import json as library
import random

import pytest

from app.extraction.readers import folded, json, properties


def of(reader: object, text: str) -> str:
    (piece,) = reader.read(text.encode(), "")  # type: ignore[attr-defined]
    assert isinstance(piece, str)
    return piece


PICTURE = base64.encodebytes(random.Random(1).randbytes(900)).decode()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r'{"a": "one\ntwo\tthree\/four\\five\"six"}', '{"a": "one\ntwo\tthree/four\\five"six"}'),
        (r'["J\u00fcrgen", "\u4f1a\u8bae", "\ud83d\ude00", "\ud83d"]', '["Jürgen", "会议", "😀", "\ufffd"]'),
        (r'{"path": "C:\\new\\text"}', '{"path": "C:\\new\\text"}'),
        ('{"a": 1}\n{"b": "x\\ny"}\n', '{"a": 1}\n{"b": "x\ny"}\n'),
        ('{"a": "x\\ny", // why\n "b": [1, 2,],}', '{"a": "x\ny", // why\n "b": [1, 2,],}'),
        ('{"cut": "x\\ny and "more\\n', '{"cut": "x\ny and "more\n'),
        ('{"odd": "\\ux \\', '{"odd": "\\ux \\'),
        ('{"broken": "a\\nb\n{"next": "c\\nd"}', '{"broken": "a\nb\n{"next": "c\nd"}'),
        (r'{"log": "{\"m\": \"x\\ny\"}"}', '{"log": "{"m": "x\ny"}"}'),
    ],
)
def test_json(written: str, meant: str) -> None:
    assert of(json, written) == meant


def test_a_notebook_without_its_pictures() -> None:
    cells = [
        {"source": ["# Title\n", "![x](data:image/png;base64," + PICTURE.replace("\n", "") + ")\n", "behind"]},
        {"outputs": [{"data": {"image/png": PICTURE, "text/plain": ["<Figure>"]}}, {"text": ["one\n", "two\n"]}]},
    ]
    text = of(json, library.dumps({"cells": cells}))
    assert {"Title", "behind", "Figure", "one", "two", "outputs"} <= set(
        text.replace('"', " ").replace("<", " ").replace(">", " ").split()
    )
    assert len(text) < 400


def test_long_runs_that_are_no_files_stay() -> None:
    genes = "ACGTTGCA" * 100
    assert of(json, f'{{"sequence": "{genes}"}}') == f'{{"sequence": "{genes}"}}'


def test_properties() -> None:
    assert (
        of(properties, "a.b=Gr\\u00fc\\u00dfe an \\\n    alle\nc = x\\ty\\:z\nd=\\\\\n")
        == "a.b=Grüße an alle\nc = x\ty:z\nd=\\\n"
    )
    # What chardet takes for Hungarian.
    assert list(properties.read("a=naïve résumé".encode("latin-1"), "")) == ["a=naïve résumé"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("SUMMARY:Quartals\r\n besprechung\r\nX:y", "SUMMARY: Quartalsbesprechung\nX: y"),
        ("DESCRIPTION:one\\ntwo\\, three\\; four\\\\five", "DESCRIPTION: one\ntwo, three; four\\five"),
        ('ATTENDEE;CN="Gr\n\tün: x":mailto:a@example.org', 'ATTENDEE;CN="Grün: x": mailto:a@example.org'),
        ("VERSION:2.1\nNOTE:words\n apart", "VERSION: 2.1\nNOTE: words apart"),
        (
            "N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BC=\n=C3=9F;Ada\nX:y",
            "N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE: Müß;Ada\nX: y",
        ),
        ("N;QUOTED-PRINTABLE;CHARSET=ISO-8859-1:M=FCller", "N;QUOTED-PRINTABLE;CHARSET=ISO-8859-1: Müller"),
        ("N;QUOTED-PRINTABLE;CHARSET=none:M=FCller", "N;QUOTED-PRINTABLE;CHARSET=none: Müller"),
        ("PHOTO;ENCODING=b;TYPE=JPEG:iVBORw0KGgo\n AAAA\nFN:Ada", "PHOTO;ENCODING=b;TYPE=JPEG: \nFN: Ada"),
        ("PHOTO:data:image/png;base64," + PICTURE.replace("\n", "\n ") + "\nFN:Ada", "PHOTO:  \nFN: Ada"),
        ("cn:: R3LDvMOfZQ==\njpegPhoto:: /9j/4AAQ\nsn: x\n  y", "cn:: Grüße\njpegPhoto:: \nsn: x y"),
        ("no line of it\n", "no line of it\n"),
    ],
)
def test_folded(written: str, meant: str) -> None:
    assert of(folded, written) == meant

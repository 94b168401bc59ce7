"""Texts: mails by any header, whatever it begins with; notes that begin like one; what says of itself what it is."""

from __future__ import annotations

import json

import pytest

from tests.unit.test_mediatype import told

MAIL = "message/rfc822"
HEADER = {
    "Received": "from a.example by b.example; Mon, 2 Mar 2026 10:00:00 +0000",
    "MIME-Version": "1.0",
    "Message-ID": "<1@a.example>",
    "From": "Jo <jo@a.example>",
    "To": "ada@b.example",
    "Subject": "Lantern",
    "Date": "Mon, 2 Mar 2026 10:00:00 +0000",
    "X-Spam-Score": "0",
    "Content-Type": "text/html; charset=utf-8",
    "DKIM-Signature": "v=1;\n\tb=abc",
}
BODY = "\n<html><body><p>Lantern</p></body></html>\n"


def mail(first: str, end: str = "\n") -> bytes:
    lines = [f"{name}: {HEADER[name]}" for name in (first, *(each for each in HEADER if each != first))]
    return ("\n".join(lines) + "\n" + BODY).replace("\n", end).encode()


@pytest.mark.parametrize("first", HEADER)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_mail_whatever_comes_first(first: str, end: str) -> None:
    assert told(mail(first, end)) == MAIL
    assert told(mail(first, end), "x.eml") == MAIL


@pytest.mark.parametrize(
    ("content", "name", "found"),
    [
        (mail("From").decode().encode("utf-16"), "x", MAIL),
        (b"\n\n" + mail("From"), "x", MAIL),
        (b"X-Note: " + b"x" * 40_000 + b"\n" + mail("From"), "x", MAIL),
        ("\n".join(f"X-Item: {n};\n type=400" for n in range(800)).encode() + b"\n" + mail("To"), "x", MAIL),
        (b"MIME-Version: 1.0\nContent-Type: multipart/signed; boundary=a\n\n--a\n", "x", MAIL),
        (b"From jo@a.example Mon Mar  2 10:00:00 2026\n" + mail("Subject"), "x", "application/mbox"),
        (b"From jo@a.example Mon Mar  2 10:00:00 2026\n" + mail("Subject"), "x.eml", MAIL),
        (b"1795      \n" + mail("From") + b"<?xml version='1.0'?><plist/>", "x", "message/x-emlx"),
        # Mails that somebody kept as a text.
        (mail("Received"), "note.txt", MAIL),
    ],
)
def test_forms_of_mails(content: bytes, name: str, found: str) -> None:
    assert told(content, name) == found


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"From: Jo\nTo: Ada\nSubject: what to bring\n\n- a lantern\n", "list.txt"),
        (b"From: the beginning of the year\nwe have had no lantern.\n", "x"),
        (b"From: here\n\nto there\n", "x"),
        (b"Subject: lanterns\nDate: today\n\nNone are left.\n", "x"),
        (b"From what I saw on 10:00 in 2026 nothing\nfollows, and this is no header.\n", "x"),
        (
            b"From 1f2e3d4c Mon Sep 17 00:00:00 2001\nFrom: Jo <jo@a.example>\nDate: x\nSubject: [PATCH] y\n\n---\n",
            "x.patch",
        ),
        (b"12\nlanterns\n", "x"),
        (b"Received: 3 lanterns\n\n", "x.txt"),
    ],
)
def test_notes_that_begin_like_one(content: bytes, name: str) -> None:
    assert told(content, name) in ("text/plain", "text/x-diff")


NOTEBOOK, SVG = "application/x-ipynb+json", "image/svg+xml"
CELLS = [{"cell_type": "code", "source": ["x" * 40] * 30, "outputs": []}] * 20


@pytest.mark.parametrize(
    ("content", "name", "found"),
    [
        (b'{"a": 1}', "x", "application/json"),
        (b'\n [{"a": "' + b"\\u00fc" * 9000 + b'"}]', "x", "application/json"),
        (json.dumps([{"a": [n, None, "b"]} for n in range(5000)]).encode(), "x.txt", "application/json"),
        (b'{"a": 1}\n{"a": 2}\n', "x", "application/x-ndjson"),
        (b'{"a": 1}\n', "x.jsonl", "application/json"),
        (json.dumps({"cells": CELLS, "metadata": {}, "nbformat": 4}).encode(), "x", NOTEBOOK),
        (json.dumps({"metadata": {"x": "y" * 30_000}, "cells": CELLS, "nbformat": 4}).encode(), "x", NOTEBOOK),
        (b"[ ] a list\n[x] of things\n", "x", "text/plain"),
        (b"{a brace}", "x", "text/plain"),
        (b"[" * 100_000, "x", "text/plain"),
        (b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Jo\r\nEND:VCARD\r\n", "x", "text/vcard"),
        (b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "x", "text/calendar"),
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\nx\n", "x", "text/vtt"),
        (b"\xef\xbb\xbf1\r\n00:00:01,000 --> 00:00:02,000\r\nx\r\n", "x", "application/x-subrip"),
        (b"{\\rtf1\\ansi x}", "x", "text/rtf"),
        (b'<?xml version="1.0"?><!-- ' + b"x" * 3000 + b' --><svg xmlns="http://www.w3.org/2000/svg"/>', "x", SVG),
        (b"<svg width='1' height='1'></svg>", "x.svg", SVG),
        (b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><s:svg xmlns:s="x"/>', "x", SVG),
        (b'<?xml version="1.0"?><a>&lt;html&gt; <html/></a>', "x", "text/xml"),
        (b'<rss version="2.0"><channel><description>&lt;html&gt;</description></channel></rss>', "x.xml", "text/xml"),
        (b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body/></html>', "x", "application/xhtml+xml"),
        (b"<!-- x --><!DOCTYPE html>\n<html lang=de><body>x</body></html>", "x", "text/html"),
    ],
)  # fmt: skip
def test_what_says_of_itself_what_it_is(content: bytes, name: str, found: str) -> None:
    assert told(content, name) == found

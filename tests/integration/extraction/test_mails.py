"""Mails of all forms: what a person sees of them is found, once, whatever they are made like."""

from __future__ import annotations

import base64
import io
import struct
from email.message import EmailMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest

from app.extraction.kinds import Kind, Way
from app.extraction.parts import Part
from app.extraction.readers import mail as mail_reader
from app.extraction.readers.compound_writer import packed_up
from app.extraction.sandbox import Verdict
from tests.integration.extraction.test_sandbox import read

HEAD = b"From: a@example.org\nSubject: short\nMIME-Version: 1.0\n"


def told(content: bytes, kind: Kind = "mail") -> tuple[Verdict, str]:
    verdict, text = read("x", content, way=Way(kind, ""))
    assert verdict.reason is None, verdict
    return verdict, text


def compound(streams: dict[str, bytes]) -> bytes:
    return packed_up({(name,): content for name, content in streams.items()})


def text_of(content: bytes, kind: Kind = "mail") -> str:
    return told(content, kind)[1]


def part(head: str, body: str | bytes) -> bytes:
    return head.encode() + b"\n\n" + (body if isinstance(body, bytes) else body.encode()) + b"\n"


def mail(*parts: bytes, form: str = "mixed") -> bytes:
    inside = b"".join(b"--=b\n" + each for each in parts)
    return HEAD + f"Content-Type: multipart/{form}; boundary==b\n\n".encode() + inside + b"--=b--\n"


CHARSETS = [
    ("gb2312", "gb18030", "镕基的会议"), ("big5", "big5", "預算會議"), ("euc-kr", "cp949", "똠방각하 회의"),
    ("iso-2022-jp", "iso-2022-jp", "予算会議"), ("shift_jis", "cp932", "①予算会議"), ("koi8-r", "koi8-r", "совещание"),
    ("ks_c_5601-1987", "cp949", "회의가"), ("iso-8859-1", "cp1252", "Preis in €"), ("windows-1250", "cp1250", "Łódź"),
    ("utf-8", "utf-8", "größer"), ("us-ascii", "utf-8", "größer"), ("iso-8859-1", "utf-8", "größer"),
    ("", "iso-2022-jp", "予算会議"), ("us-ascii", "iso-2022-jp", "予算会議"),
    ("unicode_escape", "cp1252", "\\u0041 größer"),
    ("x-unknown", "utf-8", "größer"), ("zlib", "cp1252", "größer"), ("\0", "utf-8", "größer"),
]  # fmt: skip


@pytest.mark.parametrize(("named", "written", "words"), CHARSETS)
def test_a_charset_is_read_as_it_is_meant(named: str, written: str, words: str) -> None:
    content = f'Content-Type: text/plain; charset="{named}"\n\n'.encode() + words.encode(written)
    assert words in text_of(HEAD + content)


def test_headers_are_told_as_a_person_sees_them() -> None:
    # A character of Japanese that is cut between two encoded words, and one that is in no charset.
    whole = "議事録について".encode()
    words = " ".join(f"=?utf-8?b?{base64.b64encode(each).decode()}?=" for each in (whole[:4], whole[4:]))
    head = f"From: =?iso-8859-1?q?J=F8rn?= <j@example.org>\nSubject: {words}\n {'and more ' * 300}\n".encode()
    head += "To: Größer <g@example.org>\nCc: Ünal <u@example.org>\n".encode()
    head += b"Date: Mon, 1 Jan 2024 10:00:00 +0100\nX-Spam: nobodyseesit\n"
    text = text_of(head + b"\nbody")
    for each in (
        "From: Jørn <j@",
        "Subject: 議事録について and more",
        "To: Größer <",
        "Cc: Ünal <",
        "Date: Mon, 1 Jan 2024 10",
    ):
        assert each in text
    assert "nobodyseesit" not in text


def test_two_forms_of_one_text_are_told_once() -> None:
    plain, markup = "Content-Type: text/plain; charset=utf-8", "Content-Type: text/html; charset=utf-8"
    same = mail(part(plain, "See *you* there"), part(markup, "<p>See <b>you</b> there</p>"), form="alternative")
    assert text_of(same).count("there") == 1
    # Where each has words of its own, only the lines with more are added.
    more = mail(
        part(plain, "See you there\nhttps://example.org/only"),
        part(markup, "<div>See you there</div><div>Unsubscribe</div>"),
        form="alternative",
    )
    text = text_of(more)
    assert (text.count("there"), text.count("only"), text.count("Unsubscribe")) == (1, 1, 1)
    empty = mail(
        part(plain, "Your program shows no HTML."), part(markup, "<p>All of it</p><p>and more</p>"), form="alternative"
    )
    assert "All of it\nand more" in text_of(empty)


def test_html_alone_is_read_as_html() -> None:
    content = b"Content-Type: text/html\n\n<meta charset=iso-8859-2><style>no</style><div>Lam" + "pał".encode(
        "iso-8859-2"
    )
    text = text_of(HEAD + content + b"</div><table><tr><td>one<td>two</table>")
    assert {"Lampał", "one", "two"} <= set(text.split())
    assert "no" not in text.split()


def test_files_and_forwarded_mails_are_found() -> None:
    forwarded = part(
        "Content-Type: message/rfc822", b"Subject: =?utf-8?q?Mahnung_gr=C3=B6=C3=9Fer?=\nFrom: b@c\n\nwithin"
    )
    name = "filename*0*=utf-8''Pack%C3%BC; filename*1*=liste.txt"
    attached = part(
        f"Content-Type: text/plain; charset=koi8-r\nContent-Disposition: attachment; {name}", "список".encode("koi8-r")
    )
    folder = part(
        'Content-Type: text/plain; name="=?utf-8?q?=C3=BCber?="\nContent-Disposition: attachment; filename="..\\\\a/b.txt"',
        "x",
    )
    encoded = part(
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64",
        base64.b64encode(b"Subject: y\n\nencodedall\n"),
    )
    verdict, text = told(mail(part("Content-Type: text/plain", "first"), forwarded, attached, folder, encoded))
    assert [
        each for each in ("first", "Subject: Mahnung größer", "within", "encodedall", "список") if each not in text
    ] == []
    assert [each.file for each in verdict.parts] == [("Packüliste.txt",), ("b.txt",), ("message.eml",)]
    at = verdict.parts[0].at
    assert text.encode()[at:].decode().startswith("Packüliste.txt\nсписок")


def test_the_charset_of_a_name_is_its_own() -> None:
    name = "filename*=koi8-r''%D3%D0%C9%D3%CF%CB.txt"
    attached = part(f"Content-Type: text/plain; charset=utf-8\nContent-Disposition: attachment; {name}", "x")
    assert "список.txt" in text_of(mail(attached))


def test_reports_digests_and_signed_mails() -> None:
    status = b"Reporting-MTA: dns; mta.example.org\n\nFinal-Recipient: rfc822; lost@example.org"
    headers = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nX-Else: nothere"
    report = mail(
        part("Content-Type: text/plain", "Not delivered."),
        part("Content-Type: message/delivery-status", status),
        part("Content-Type: text/rfc822-headers", headers),
        form="report",
    )
    text = text_of(report)
    assert "lost@example.org" in text
    assert "Subject: Grüße" in text
    assert "nothere" not in text
    digest = mail(b"\nSubject: one\n\nfirst\n", b"\nSubject: two\n\nsecond\n", form="digest")
    assert {"one", "first", "two", "second"} <= set(text_of(digest).split())
    signature = part("Content-Type: application/pgp-signature; name=signature.asc", "-----BEGIN PGP SIGNATURE-----")
    text = text_of(mail(part("Content-Type: text/plain", "clear"), signature, form="signed"))
    assert "clear" in text
    assert "signature" not in text.lower()


def test_mails_that_are_made_wrong_are_read_as_far_as_they_go() -> None:
    other = b"--one\nContent-Transfer-Encoding: base64\n\nd29ydGw=\n--one--\n"
    assert "wortl" in text_of(HEAD + b"Content-Type: multipart/mixed; boundary=else\n\n" + other)
    cut = mail(part("Content-Type: text/plain", "all of the first"), part("Content-Type: text/plain", "half"))
    assert "all of the first" in text_of(cut[:-15])
    assert "wide größer" in text_of("From: a\nSubject: x\n\nwide größer".encode("utf-16"))
    assert read("x.eml", b"\x00\x01nothing", way=Way("mail", ""))[0].reason == "damaged"


def test_mailboxes_and_mails_of_apple() -> None:
    one = b"From a@b Mon Jan  1 10:00:00 2024\nFrom: a@b\nSubject: =?utf-8?q?erst=C3=A9?=\n"
    one += b"\n>From here on\n\nFrom there no header\n"
    two = b"From a@b Mon Jan  1 10:00:00 2024\r\nFrom: a@b\r\nSubject: second\r\n\r\nlast\r\n"
    verdict, text = told(one + b"\n" + two)
    assert verdict.parts == (Part(0, 1, "ersté"), Part(text.encode().index(b"second\n"), 2, "second"))
    assert "\nFrom here on\n" in text
    assert "From there no header" in text
    inside = b"From: a\nSubject: apple\n\nbody\n"
    text = text_of(b"%d      \n" % len(inside) + inside + b"<?xml version='1.0'?><plist>nothere</plist>")
    assert "body" in text
    assert "nothere" not in text


def _filetime(seconds: int) -> int:
    return (seconds + 11_644_473_600) * 10_000_000


def test_messages_of_outlook() -> None:
    text = text_of(
        compound(
            {
                "__substg1.0_0037001F": "Größe".encode("utf-16-le"),
                "__substg1.0_1000001E": "Zuschlag für Łódź".encode("cp1250"),
                "__properties_version1.0": bytes(32)
                + struct.pack("<HHIQ", 3, 0x3FFD, 0, 1250)
                + struct.pack("<HHIQ", 0x40, 0x39, 0, _filetime(1_704_067_200)),
            }
        ),
        "msg",
    )
    assert [
        each
        for each in ("Subject: Größe", "Zuschlag für Łódź", "Date: Mon, 01 Jan 2024 00:00:00 +0000")
        if each not in text
    ] == []
    # A text that is there in RTF alone, packed without being compressed.
    rtf = rb"{\rtf1\ansi packed words}"
    packed = struct.pack("<II4sI", len(rtf) + 12, len(rtf), b"MELA", 0) + rtf
    assert "packed words" in text_of(compound({"__substg1.0_10090102": packed}), "msg")
    assert read("x.msg", compound({}), way=Way("msg", ""))[0].reason == "damaged"


def test_packed_rtf_is_unpacked() -> None:
    """The second example of [MS-OXRTFCP] 4."""
    packed = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
    assert "WXYZWXYZWXYZWXYZWXYZ" in text_of(compound({"__substg1.0_10090102": packed}), "msg")


def _attribute(level: int, name: int, content: bytes) -> bytes:
    return struct.pack("<BII", level, name, len(content)) + content + struct.pack("<H", sum(content) & 0xFFFF)


def test_what_outlook_packs() -> None:
    content = struct.pack("<IH", 0x223E9F78, 1)
    content += _attribute(1, 0x00069007, struct.pack("<II", 1252, 0))
    content += _attribute(1, 0x00018004, "Größe\0".encode("cp1252")) + _attribute(
        1, 0x0002800C, "für dich\0".encode("cp1252")
    )
    content += _attribute(2, 0x00069002, bytes(14)) + _attribute(2, 0x00018010, b"note.txt\0")
    content += _attribute(2, 0x0006800F, b"attached words")
    verdict, text = told(content, "tnef")
    assert [each for each in ("Subject: Größe", "für dich", "note.txt\nattached words") if each not in text] == []
    assert read("winmail.dat", content[:30], way=Way("tnef", ""))[0].reason in (None, "damaged")


def _element(tag: int, *inside: bytes, indefinite: bool = False) -> bytes:
    content = b"".join(inside)
    if indefinite:
        return bytes((tag, 0x80)) + content + b"\0\0"
    size = len(content)
    return bytes((tag, size)) + content if size < 128 else bytes((tag, 0x82)) + size.to_bytes(2, "big") + content


@pytest.mark.parametrize("indefinite", [False, True])
def test_signed_contents(indefinite: bool) -> None:
    form = bytes.fromhex("06092a864886f70d0107")
    inner_mail = b"Content-Type: text/plain; charset=utf-8\n\n" + "unterschrieben größer".encode() * 10
    pieces = _element(0x24, _element(4, inner_mail[:50]), _element(4, inner_mail[50:]), indefinite=indefinite)
    octets = pieces if indefinite else _element(4, inner_mail)
    inside = _element(0x30, form + b"\1", _element(0xA0, octets, indefinite=indefinite), indefinite=indefinite)
    data = _element(0x30, b"\2\1\1", _element(0x31), inside, _element(0x31), indefinite=indefinite)
    content = _element(0x30, form + b"\2", _element(0xA0, data, indefinite=indefinite), indefinite=indefinite)
    assert "unterschrieben größer" in text_of(content, "signed")
    armored = b"-----BEGIN PKCS7-----\n" + base64.encodebytes(content) + b"-----END PKCS7-----\n"
    assert "unterschrieben größer" in text_of(armored, "signed")
    attached = part(
        "Content-Type: application/pkcs7-mime; name=smime.p7m\nContent-Transfer-Encoding: base64",
        base64.encodebytes(content),
    )
    assert "smime.p7m" in text_of(mail(attached))
    encrypted = _element(0x30, form + b"\3", _element(0xA0, _element(0x30, b"\2\1\1", _element(0x31))))
    assert read("x.p7m", encrypted, way=Way("signed", ""))[0].reason == "encrypted"
    for end in range(0, len(content), 7):
        assert read_here(content[:end]) is not None


def read_here(content: bytes) -> list[object]:
    """In this process: it is quick, and says whether anything but Unreadable is raised."""
    from app.extraction.readers import signed
    from app.extraction.readers.reader import Unreadable

    try:
        return list(signed.read(content, ""))
    except Unreadable:
        return []


def test_as_programs_write_them() -> None:
    made = EmailMessage()
    made["Subject"], made["From"], made["To"] = "Größe der Räume", "a@example.org", "b@example.org"
    made.set_content("Grüße, alle\n")
    made.add_alternative("<p>Grüße, <b>alle</b></p>", subtype="html")
    made.add_attachment("Beilage, größer\n", filename="Prüfung.txt")
    text = text_of(bytes(made))
    assert [each for each in ("Größe der Räume", "Prüfung.txt\nBeilage, größer") if each not in text] == []
    assert text.count("alle") == 1
    related = MIMEMultipart("related")
    related.attach(MIMEText("<p>with a picture</p>", "html"))
    related["Subject"] = "x"
    assert "with a picture" in text_of(related.as_bytes())


def _nested(depth: int) -> bytes:
    return b"".join(b"Content-Type: multipart/mixed; boundary=B%d\n\n--B%d\n" % (each, each) for each in range(depth))


#: What is read of each, and whether something is left out.
HOSTILE: dict[str, tuple[bytes, str, bool]] = {
    "ten thousand parts": (mail(*[b"\nword\n"] * 10_000), "word", True),
    "parts in each other": (HEAD + _nested(200) + b"\ndeep\n", "From: a", True),
    "mails in each other": (
        HEAD + b"Content-Type: message/rfc822\n\n" * 200 + b"Subject: deep\n\nx\n",
        "From: a",
        True,
    ),
    "parts deeper than Python calls": (HEAD + _nested(2000) + b"\ndeep\n", "From: a", True),
    "encoded words without an end": (
        b"".join(name + b": " + b"=?a?q?x" * 9_000 + b"\n" for name in (b"From", b"To", b"Cc", b"Bcc", b"Date") * 10)
        + b"\nbody",
        "=?a?q?",
        True,
    ),
    "a long header": (b"From: a\nSubject: " + b"x" * 5_000_000 + b"\n\nbody", "body", False),
    "a mailbox": (b"From a Mon Jan  1 10:00:00 2024\nFrom: a\n\nbody\n\n" * 5000, "body", False),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mails_are_read_in_their_time(name: str) -> None:
    """They take time by the square of something, or are deeper or longer than what is looked at."""
    content, words, left_out = HOSTILE[name]
    verdict, text = read("x.eml", content, way=Way("mail", ""))
    assert (verdict.reason, verdict.cut) == (None, left_out), verdict
    assert words in text
    assert "deep" not in text
    if name == "a long header":
        assert len(text) < 100_000


def test_a_header_that_says_what_a_part_is_has_so_many_parameters() -> None:
    """The library takes time by the square of their number, several times for each part."""
    value = mail_reader._POLICY.header_fetch_parse("Content-Type", "text/plain" + '; a="' * 5000)
    assert value.count(";") < 100
    assert mail_reader._POLICY.header_fetch_parse("Subject", ";" * 5000) == ";" * 5000


def test_broken_files_of_outlook_raise_nothing_else() -> None:
    whole = compound({"__substg1.0_1000001F": "words".encode("utf-16-le")})
    for place in (30, 48, 76, 512, 516, 1024 + 66, 1024 + 128 + 64, 1024 + 128 + 76, 1024 + 128 + 120):
        broken = io.BytesIO(whole)
        broken.seek(place)
        broken.write(b"\xee" * 8)
        reason = read("x.msg", broken.getvalue(), way=Way("msg", ""))[0].reason
        assert reason in (None, "damaged"), (place, reason)

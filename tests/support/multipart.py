"""Bodies byte by byte, multipart and plain: what no client library would send, some program does."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Part:
    """One part. `filename` is written between quotes as it is; None makes the part a field that is no file."""

    name: str
    content: bytes
    filename: bytes | None = None

    def encoded(self) -> bytes:
        head = b'Content-Disposition: form-data; name="' + self.name.encode() + b'"'
        if self.filename is not None:
            head += b'; filename="' + self.filename + b'"\r\nContent-Type: application/octet-stream'
        return head + b"\r\n\r\n" + self.content + b"\r\n"


@dataclass(frozen=True)
class Form:
    """A body and its header, as the options of `requests.request`."""

    parts: tuple[Part, ...]
    boundary: str = field(default_factory=lambda: f"----{secrets.token_hex(8)}")

    @property
    def body(self) -> bytes:
        line = b"--" + self.boundary.encode()
        return b"".join(line + b"\r\n" + part.encoded() for part in self.parts) + line + b"--\r\n"

    @property
    def content_type(self) -> str:
        return f"multipart/form-data; boundary={self.boundary}"

    def options(self, **headers: str) -> dict[str, Any]:
        return {"data": self.body, "headers": {"Content-Type": self.content_type, **headers}}


@dataclass(frozen=True)
class Plain:
    """A body that is the file itself, named in the request's own header, between quotes as it is."""

    content: bytes
    filename: bytes
    content_type: str

    def options(self, **headers: str) -> dict[str, Any]:
        own = {"Content-Type": self.content_type, "Content-Disposition": b'attachment; filename="%b"' % self.filename}
        return {"data": self.content, "headers": {**own, **headers}}


#: File names as on the wire in a form, and the name that is kept; None where the upload is refused with 400.
HOSTILE_NAMES: dict[bytes, str | None] = {
    b"../../etc/passwd": "passwd",
    b"/etc/shadow": "shadow",
    b"..\\..\\windows\\win.ini": "..\\..\\windows\\win.ini",
    b"C:\\Users\\me\\file.txt": "C:\\Users\\me\\file.txt",
    b"a%22b.txt": 'a"b.txt',
    b"a%0D%0ASet-Cookie: b=1.txt": "a\r\nSet-Cookie: b=1.txt",
    b"a%0d%0a.txt": "a%0d%0a.txt",
    b"%2e%2e%2fpasswd": "%2e%2e%2fpasswd",
    b"100%.txt": "100%.txt",
    b"<img src=x onerror=alert(1)>.html": "<img src=x onerror=alert(1)>.html",
    b"a;filename=b.txt": "a;filename=b.txt",
    b".htaccess": ".htaccess",
    b" lead and trail ": " lead and trail ",
    "naïve 文件 😀.txt".encode(): "naïve 文件 😀.txt",
    "\u202egnp.exe".encode(): "\u202egnp.exe",
    b"x" * 1024: "x" * 1024,
    b"x" * 1025: None,
    "é".encode() * 513: None,
    b"": None,
    b".": None,
    b"..": None,
    b"folder/": None,
    b"folder/..": None,
    b"a\0b.txt": None,
    b"\xff\xfe.txt": None,
}

#: The same in the header of a plain body, as Coder reads it: by the RFCs, cut to 255 bytes, and what can't be kept is no
#: name. A NUL is not here, as no header can hold it.
PLAIN_NAMES: dict[bytes, str | None] = {
    **{wire: name or "image.png" for wire, name in HOSTILE_NAMES.items() if b"\0" not in wire},
    b"a%22b.txt": "a%22b.txt",
    b"a%0D%0ASet-Cookie: b=1.txt": "a%0D%0ASet-Cookie: b=1.txt",
    b"x" * 1024: "x" * 255,
    b"x" * 1025: "x" * 255,
    "é".encode() * 513: "é" * 127,
    b"\xff\xfe.txt": "ÿþ.txt",
}

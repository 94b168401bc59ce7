"""The process that reads one document, started by app/extraction/sandbox.py; it imports nothing of the application.

    python -I child.py KIND MEDIA_TYPE LIMIT MEMORY SECONDS

The document is standard input, the text goes to standard output in UTF-8, at most LIMIT bytes of it, and a JSON object to
descriptor 3. Before it looks at the document it gives up what it does not need: memory, time, files, the network, and
where it runs as root, that.
"""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import encodings.aliases
import io
import json
import os
import re
import resource
import signal
import sys
import zipfile
from typing import Any

RESULT = 3
NOBODY = 65534
#: Bytes from which the encoding of a text is told.
SAMPLE = 256 * 1024
#: Characters that a cut goes back at most, so as not to end within a word.
BACK = 200

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_MARKS: tuple[tuple[bytes, str], ...]
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"))
_MARKS += ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
# Where in each unit of four bytes most texts have NUL, in encodings that write no mark.
_WIDE: tuple[tuple[tuple[int, ...], str], ...]
_WIDE = (((1, 2, 3), "utf-32-le"), ((0, 1, 2), "utf-32-be"), ((1, 3), "utf-16-le"), ((0, 2), "utf-16-be"))
#: Blocks of Unicode that a wrong guess among those encodings also has.
_WESTERN = ("Basic Latin", "Latin-1", "Control", "Spacing Modifier", "General Punctuation", "Currency", "Mathematical")
# What no text has: it would only be in the way of who shows it.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff]+")


class Unreadable(Exception):
    """The document is damaged, encrypted, or not what its media type says."""


def give_up(memory: int, seconds: int, limit: int, parent: int) -> None:
    """Take this process's rights away; none of it comes back."""
    libc = ctypes.CDLL(None, use_errno=True)
    root = os.geteuid() == 0
    # Where neither is allowed the process keeps the network: it has nothing to say there, but nothing stops it.
    if libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    os.nice(10)
    if root:
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # After the change of user, which clears it.
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit + 65536, limit + 65536))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def load(kind: str) -> Any:
    """Import what this kind needs, while there are rights to read it: the interpreter may lie where nobody else reads."""
    if kind in ("text", "html"):
        # Those that `decoded` names; they are modules too.
        for name in (*(each for _, each in _MARKS), *(each for _, each in _WIDE)):
            codecs.lookup(name)
        try:
            beginning(os.pread(0, SAMPLE, 0))
        except UnicodeDecodeError:
            import charset_normalizer.api  # noqa: F401

            for name in set(encodings.aliases.aliases.values()):
                with contextlib.suppress(LookupError):
                    codecs.lookup(name)
    if kind == "odp":
        import xml.etree.ElementTree
        import xml.parsers.expat

        codecs.lookup("cp437")
        return xml.etree.ElementTree
    if kind == "text":
        return None
    import kreuzberg

    if kind == "image":
        import tempfile

        # It looks for tesseract's data now and not again, and finds it only where it can make a folder for a cache, which
        # it is told not to use.
        with tempfile.TemporaryDirectory() as folder:
            os.putenv("XDG_CACHE_HOME", folder)
            kreuzberg.list_ocr_backends()
    return kreuzberg


def wide(sample: bytes) -> str | None:
    """The encoding of two or four bytes for each character that `sample` is in, as its NULs tell; None when it is none.

    A quarter of the places is enough: a text in Chinese has them in its blanks and its punctuation only.
    """
    units = len(sample) // 4
    nuls = [sample[: 4 * units][place::4].count(0) for place in range(4)]
    for places, encoding in _WIDE:
        if all(nuls[place] > units / 4 if place in places else nuls[place] == 0 for place in range(4)):
            return encoding
    return None


def beginning(content: bytes) -> str:
    """The text that `content` begins in UTF-8: the read may have ended within a character. Raises UnicodeDecodeError."""
    return codecs.getincrementaldecoder("utf-8")().decode(content)


def decoded(content: bytes) -> str:
    """Text in any encoding. Raises Unreadable when it is none."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    if (found := wide(content[:SAMPLE])) is not None:
        return content.decode(found, errors="replace")
    try:
        return beginning(content)
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        best = from_bytes(content[:SAMPLE]).best()
        if best is None:
            raise Unreadable("not a text in any known encoding") from None
        # Of the many for western languages that differ in a few letters, one is the most likely by far.
        western = all(each.startswith(_WESTERN) for each in best.alphabets)
        return content.decode("cp1252" if western else best.encoding, errors="replace")


def slides(xml: Any, document: bytes) -> str:
    """The paragraphs of an OpenDocument presentation."""
    names = ("{urn:oasis:names:tc:opendocument:xmlns:text:1.0}p", "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}h")
    found = []
    try:
        with zipfile.ZipFile(io.BytesIO(document)) as archive, archive.open("content.xml") as content:
            for _, element in xml.iterparse(content):
                if element.tag in names:
                    found.append("".join(element.itertext()))
                    element.clear()
    except (zipfile.BadZipFile, KeyError, xml.ParseError, EOFError, NotImplementedError, RuntimeError) as error:
        raise Unreadable(str(error)) from None
    return "\n".join(found)


def as_it_is(content: bytes, limit: int) -> tuple[str, bool] | None:
    """The text that `content` is, though it is called a document of another form, and whether it is the whole one; None
    where it is none: for a damaged document this is how it is told from a text."""
    most = 4 * limit + 4
    kept = content[:most]
    try:
        text = content.decode() if len(content) <= most else beginning(kept)
    except UnicodeDecodeError:
        return None
    return None if content.startswith(b"%PDF-") or _CONTROLS.search(text) else (text, len(content) <= most)


def extracted(kind: str, media_type: str, library: Any, limit: int) -> tuple[str, bool]:
    """The text, and whether it is the whole one. Raises Unreadable, MemoryError."""
    if kind == "text":
        # No character has more than four bytes in any encoding.
        content = sys.stdin.buffer.read(4 * limit + 4)
        return decoded(content), not sys.stdin.buffer.read(1)
    content = sys.stdin.buffer.read()
    try:
        return form_read(kind, media_type, library, content), True
    except Unreadable:
        found = as_it_is(content, limit)
        if found is None:
            raise
        return found


def form_read(kind: str, media_type: str, library: Any, content: bytes) -> str:
    """The text in a document of this form. Raises Unreadable, MemoryError."""
    if kind == "odp":
        return slides(library, content)
    if kind == "html":
        content, media_type = decoded(content).encode(errors="replace"), "text/html"
    options: dict[str, Any] = {"use_cache": False, "enable_quality_processing": False}
    if kind == "image":
        options["ocr"] = library.OcrConfig(backend="tesseract", language="eng")
    try:
        result = library.extract_bytes_sync(content, media_type, library.ExtractionConfig(**options))
    except library.KreuzbergError as error:
        raise Unreadable(str(error)) from None
    return str(result.content)


def cut(text: str, limit: int) -> tuple[bytes, bool]:
    """The beginning of `text` that has at most `limit` bytes in UTF-8, and whether there was more."""
    content = text[: limit + 1].encode(errors="replace")
    if len(text) <= limit and len(content) <= limit:
        return content, False
    kept = content[:limit].decode(errors="ignore")
    border = max(kept.rfind(blank, len(kept) - BACK) for blank in " \n\t")
    return (kept[:border] if border > 0 else kept).encode(), True


def main() -> None:
    kind, media_type, limit, memory, seconds, parent = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:7])
    library = load(kind)
    give_up(memory, seconds, limit, parent)
    result: dict[str, Any] = {}
    try:
        text, whole = extracted(kind, media_type, library, limit)
        text = _CONTROLS.sub(" ", text).strip()
        content, more = cut(text, limit)
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        result = {"cut": more or not whole, "characters": len(text) if whole else None}
    except Unreadable as error:
        result = {"reason": "unreadable", "detail": str(error)}
    except MemoryError:
        result = {"reason": "memory"}
    os.write(RESULT, json.dumps(result).encode())
    # The library's threads have nothing more to do, and may be waited for at an orderly end.
    os._exit(0)


if __name__ == "__main__":
    main()

"""Thumbnails, drawn in the process that can do nothing else: of each form, and of what is made to be a nuisance."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pillow_heif
import pptx
import pytest
from fpdf import FPDF
from fpdf.enums import EncryptionMethod
from PIL import Image, ImageCms

from app.contents.mediatype import detect
from app.extraction import child, drawing, sandbox
from app.extraction.kinds import drawing_of
from app.extraction.sandbox import Limits, Verdict
from app.extraction.thumbnail import SIZES, dimensions
from app.model.attachment import extension
from app.storage.held import HeldContent
from tests.integration.extraction.documents import DOCUMENTS, pdf
from tests.integration.extraction.hostile import LIMITS, in_place, program

pillow_heif.register_heif_opener()

#: Of the left and the right half of each picture here, and what of it may be lost.
LEFT, RIGHT = (200, 30, 30), (30, 30, 200)
NEARLY = 40
Colour = tuple[int, ...]


def halves(size: tuple[int, int] = (900, 300), mode: str = "RGB") -> Image.Image:
    made = Image.new("RGB", size, RIGHT)
    made.paste(LEFT, (0, 0, size[0] // 2, size[1]))
    return made.convert(mode)


def saved(picture: Image.Image, form: str, **more: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **more)
    return buffer.getvalue()


def draw(name: str, content: bytes, limits: Limits = LIMITS) -> tuple[Verdict, Sequence[Image.Image]]:
    with closing(HeldContent(content)) as document:
        way = drawing_of(detect(document, name), extension(name))
        assert way is not None, detect(document, name)
        verdict, pictures = drawing.draw(way, document, limits)
    assert (verdict.reason is None) == (len(pictures) == len(SIZES)), verdict
    found = [Image.open(io.BytesIO(each)) for each in pictures]
    for each, size, picture in zip(found, SIZES, pictures, strict=False):
        assert (each.format, each.mode, each.size) == ("WEBP", "RGB", dimensions(picture))
        assert max(each.size) <= size
        assert not {"exif", "icc_profile", "xmp"} & each.info.keys()
    return verdict, found


def colours(picture: Image.Image) -> list[Colour]:
    """In the middle of the left and of the right half."""
    width, height = picture.size
    return [picture.getpixel((width * part // 4, height // 2)) for part in (1, 3)]  # type: ignore[misc]


def alike(found: Sequence[Colour], wanted: Sequence[Colour]) -> bool:
    pairs = [(a, b) for one, other in zip(found, wanted, strict=True) for a, b in zip(one, other, strict=True)]
    return all(abs(a - b) <= NEARLY for a, b in pairs)


def sixteen_bits() -> Image.Image:
    made = Image.new("I;16", (900, 300))
    made.putdata(([1000] * 450 + [3000] * 450) * 300)
    return made


def photoshop(picture: Image.Image) -> bytes:
    """In Photoshop's form, without layers, which pillow does not write (its specification: header, three empty sections, the
    planes as they are)."""
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, picture.height, picture.width, 8, 3)
    return head + bytes(12) + struct.pack(">H", 0) + b"".join(each.tobytes() for each in picture.split())


def turned(orientation: int) -> bytes:
    """What is the left half is at the top, as the camera was held."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    way = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270, 3: Image.Transpose.ROTATE_180}[orientation]
    return saved(halves().transpose(way), "JPEG", exif=exif)


#: Of a second frame, or page.
OTHER = Image.new("RGB", (900, 300), "lime")
GREY = [(76, 76, 76), (52, 52, 52)]
RED_BLUE = [LEFT, RIGHT]
BLACK_WHITE = [(0, 0, 0), (255, 255, 255)]

PICTURES: dict[str, tuple[Callable[[], bytes], Sequence[Colour]]] = {
    "a.png": (lambda: saved(halves(), "PNG"), RED_BLUE),
    "palette.png": (lambda: saved(halves(mode="P"), "PNG"), RED_BLUE),
    "grey.png": (lambda: saved(halves(mode="L"), "PNG"), GREY),
    "a.jpg": (lambda: saved(halves((4000, 1200)), "JPEG", quality=90), RED_BLUE),
    "turned-6.jpg": (lambda: turned(6), RED_BLUE),
    "turned-8.jpg": (lambda: turned(8), RED_BLUE),
    "turned-3.jpg": (lambda: turned(3), RED_BLUE),
    "cmyk.jpg": (lambda: saved(halves(mode="CMYK"), "JPEG"), RED_BLUE),
    "moving.gif": (lambda: saved(halves(), "GIF", save_all=True, append_images=[OTHER]), RED_BLUE),
    "moving.webp": (lambda: saved(halves(), "WEBP", save_all=True, append_images=[OTHER]), RED_BLUE),
    "a.webp": (lambda: saved(halves(), "WEBP"), RED_BLUE),
    "a.bmp": (lambda: saved(halves(), "BMP"), RED_BLUE),
    "a.heic": (lambda: saved(halves(), "HEIF"), RED_BLUE),
    "a.avif": (lambda: saved(halves(), "AVIF"), RED_BLUE),
    "a.jp2": (lambda: saved(halves(), "JPEG2000"), RED_BLUE),
    "a.ppm": (lambda: saved(halves(), "PPM"), RED_BLUE),
    "a.psd": (lambda: photoshop(halves()), RED_BLUE),
    "a.pcx": (lambda: saved(halves(), "PCX"), RED_BLUE),
    "a.tga": (lambda: saved(halves(), "TGA"), RED_BLUE),
    "a.ico": (lambda: saved(halves((256, 256)), "ICO", sizes=[(256, 256), (16, 16)]), RED_BLUE),
    "pages.tif": (lambda: saved(halves(), "TIFF", save_all=True, append_images=[OTHER]), RED_BLUE),
    "cmyk.tif": (lambda: saved(halves(mode="CMYK"), "TIFF"), RED_BLUE),
    "fax.tif": (lambda: saved(Image.new("1", (900, 300), 1), "TIFF", compression="group4"), [(255, 255, 255)] * 2),
    "16-bits.tif": (lambda: saved(sixteen_bits(), "TIFF"), BLACK_WHITE),
    "16-bits.png": (lambda: saved(sixteen_bits(), "PNG"), BLACK_WHITE),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_in_any_form_is_drawn(name: str) -> None:
    made, wanted = PICTURES[name]
    verdict, pictures = draw(name, made())
    assert verdict.reason is None, verdict
    for each in pictures:
        assert alike(colours(each), wanted), colours(each)
        # As it is, and not on its side.
        assert each.width >= each.height


def test_each_size_is_the_longest_side_and_nothing_is_enlarged() -> None:
    for size, wanted in (
        ((900, 300), [(160, 53), (640, 213)]),
        ((300, 900), [(53, 160), (213, 640)]),
        ((200, 100), [(160, 80), (200, 100)]),
        ((1, 1), [(1, 1), (1, 1)]),
        ((20_000, 3), [(160, 1), (640, 1)]),
        ((3, 20_000), [(1, 160), (1, 640)]),
    ):
        verdict, pictures = draw("a.png", saved(Image.new("RGB", size, LEFT), "PNG"))
        assert (verdict.reason, [each.size for each in pictures]) == (None, wanted)


def test_what_is_transparent_is_on_white() -> None:
    clear = Image.new("RGBA", (900, 300), (0, 0, 0, 0))
    clear.paste((*RIGHT, 255), (450, 0, 900, 300))
    palette = Image.new("P", (900, 300), 0)
    palette.putpalette([0, 0, 0, *RIGHT])
    palette.paste(1, (450, 0, 900, 300))
    for name, content in (
        ("a.png", saved(clear, "PNG")),
        ("a.webp", saved(clear, "WEBP")),
        ("la.png", saved(clear.convert("LA"), "PNG")),
        ("a.gif", saved(palette, "GIF", transparency=0)),
        ("p.png", saved(palette, "PNG", transparency=0)),
    ):
        pictures = draw(name, content)[1]
        assert alike(colours(pictures[1])[:1], [(255, 255, 255)]), name


def test_the_colours_of_a_profile_are_those_of_screens() -> None:
    """Numbers that mean other colours: those of Lab, written as a profile of it."""
    lab = ImageCms.profileToProfile(
        halves(), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    assert alike(colours(draw("lab.tif", saved(lab, "TIFF"))[1][1]), RED_BLUE)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"no profile at all", srgb[:200], b"\xff" * 4000):
        assert alike(colours(draw("a.png", saved(halves(), "PNG", icc_profile=profile))[1][1]), RED_BLUE)


def test_a_photo_of_a_hundred_million_pixels_is_drawn() -> None:
    """It is decoded in a smaller size at once."""
    verdict, pictures = draw("a.jpg", saved(Image.new("RGB", (12_000, 9_000), LEFT), "JPEG"))
    assert (verdict.reason, pictures[1].size) == (None, (640, 480))


def bomb(width: int, height: int) -> bytes:
    """A PNG that says that it is as large, in a hundred bytes or so."""
    content = bytearray(saved(halves(), "PNG"))
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize("size", [(60_000, 60_000), (2_000_000_000, 1), (8001, 8000)])
def test_one_that_is_far_too_large_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    verdict, _ = draw("bomb.png", bomb(*size))
    assert verdict.final, verdict
    assert verdict.reason == ("unsupported" if size[1] > 1 else verdict.reason)


def test_one_that_needs_more_memory_than_there_is_costs_itself_alone() -> None:
    content = saved(Image.new("RGBA", (7900, 8000), (9, 9, 9, 9)), "PNG")
    verdict, _ = draw("large.png", content, Limits(60, 400 << 20, 1000))
    assert (verdict.reason, verdict.final) == ("memory", False), verdict


def test_of_a_picture_that_breaks_off_there_is_what_there_is() -> None:
    content = saved(halves(), "JPEG", quality=95)
    verdict, pictures = draw("a.jpg", content[: len(content) * 3 // 4])
    assert verdict.reason is None, verdict
    assert alike([pictures[1].getpixel((100, 10))], [LEFT])  # type: ignore[list-item]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "GIF", "WEBP", "AVIF", "HEIF", "JPEG2000"])
def test_a_broken_picture_has_none(form: str) -> None:
    name = {"JPEG": "x.jpg", "HEIF": "x.heic", "JPEG2000": "x.jp2"}.get(form, f"x.{form.lower()}")
    verdict, _ = draw(name, saved(halves(), form)[:60])
    assert (verdict.reason, verdict.final) == ("damaged", True), verdict


def paper(**more: Any) -> FPDF:
    made = FPDF(unit="pt", format=(600, 800), **more)
    made.set_fill_color(*LEFT)
    made.add_page()
    made.rect(0, 0, 300, 800, "F")
    made.set_fill_color(*RIGHT)
    made.rect(300, 0, 300, 800, "F")
    made.add_page()
    return made


def test_the_first_page_of_a_pdf_is_drawn() -> None:
    verdict, pictures = draw("a.pdf", bytes(paper().output()))
    assert (verdict.reason, [each.size for each in pictures]) == (None, [(120, 160), (480, 640)])
    assert alike(colours(pictures[1]), RED_BLUE)
    # What is not painted is paper.
    assert draw("b.pdf", pdf(2, 1))[1][1].getpixel((2, 2)) == (255, 255, 255)


def test_a_page_of_any_size_is_drawn() -> None:
    content = bytes(paper().output())
    for box, wanted in ((b"14400 14400", (640, 640)), (b"14400 1", (640, 1)), (b"3 4", (480, 640))):
        made = content.replace(b"/MediaBox [0 0 600.00 800.00]", b"/MediaBox [0 0 %s]" % box)
        assert made != content
        verdict, pictures = draw("a.pdf", made)
        assert (verdict.reason, pictures[1].size) == (None, wanted), box


def test_a_pdf_that_nobody_opens_has_none() -> None:
    made = paper()
    made.set_encryption(owner_password="owner", user_password="user", encryption_method=EncryptionMethod.RC4)  # noqa: S106
    assert draw("a.pdf", bytes(made.output()))[0].reason == "encrypted"
    content = bytes(paper().output())
    for broken in (content[:200], content.replace(b"/Kids [", b"/Nobody ["), b"%PDF-1.4\n"):
        assert draw("a.pdf", broken)[0].reason == "damaged"


def package(media_type: str, members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", media_type)
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


ODT, EPUB = "application/vnd.oasis.opendocument.text", "application/epub+zip"
CONTAINER = (
    b'<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfile full-path="o/c.opf"/></container>'
)
OPF = b'<package xmlns="http://www.idpf.org/2007/opf"><item id="i" href="pics/one.jpg" %s/>%s</package>'


def book(item: bytes, more: bytes = b"", name: str = "o/pics/one.jpg") -> bytes:
    members = {"META-INF/container.xml": CONTAINER, "o/c.opf": OPF % (item, more), name: saved(halves(), "JPEG")}
    return package(EPUB, members)


def test_the_preview_that_a_document_carries_is_drawn() -> None:
    given = {
        "a.odt": package(ODT, {"content.xml": b"<x/>", "Thumbnails/thumbnail.png": saved(halves(), "PNG")}),
        "a.docx": package("", {"word/document.xml": b"<x/>", "docProps/thumbnail.jpeg": saved(halves(), "JPEG")}),
        "a.pages": package("", {"Index/Document.iwa": b"", "preview.jpg": saved(halves(), "JPEG")}),
        "3.epub": book(b'properties="cover-image"'),
        "2.epub": book(b"", b'<meta name="cover" content="i"/>'),
        "named.epub": book(b"", name="o/Cover.JPG"),
    }
    for name, content in given.items():
        verdict, pictures = draw(name, content)
        assert verdict.reason is None, (name, verdict)
        assert alike(colours(pictures[1]), RED_BLUE), name
    buffer = io.BytesIO()
    pptx.Presentation().save(buffer)
    assert draw("a.pptx", buffer.getvalue())[0].reason is None


def test_a_document_without_one_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    run = sandbox.run

    def counted(*given: Any) -> Verdict:
        started.append(given)
        return run(*given)

    monkeypatch.setattr(sandbox, "run", counted)
    for name in ("table.xlsx", "letter.odt", "table.ods"):
        assert draw(name, DOCUMENTS[name]()) == (drawing.NO_PREVIEW, [])
    assert started == []
    assert draw("book.epub", DOCUMENTS["book.epub"]())[0].reason == "unsupported"
    assert len(started) == 1


@pytest.mark.parametrize(
    "preview", [b"", b"no picture", b"<svg/>", bomb(60_000, 60_000), pdf(1, 1), saved(halves(), "PNG")[:60]]
)
def test_a_preview_that_is_none_is_done_without(preview: bytes) -> None:
    verdict, _ = draw("a.odt", package(ODT, {"Thumbnails/thumbnail.png": preview}))
    assert verdict.reason in ("damaged", "unsupported"), verdict
    both = {"docProps/thumbnail.jpeg": preview, "docProps/thumbnail.png": saved(halves(), "PNG")}
    assert draw("a.docx", package("", {"word/document.xml": b"", **both}))[0].reason is None


def test_what_is_packed_within_bounds_alone_is_unpacked() -> None:
    """A preview of a gigabyte, in a megabyte; one that leads out of the archive; a list that is broken."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", ODT)
        with archive.open("Thumbnails/thumbnail.png", "w", force_zip64=True) as member:
            for _ in range(1024):
                member.write(bytes(1 << 20))
    assert draw("a.odt", buffer.getvalue())[0].reason == "damaged"
    assert draw("a.epub", book(b"", b'<meta name="cover" content="../../../etc/passwd"/>'))[0].reason == "unsupported"
    assert draw("a.odt", package(ODT, {"Thumbnails/thumbnail.png": b""})[:-30])[0].reason is not None


# What the process does that draws

#: In the place of what draws: once the document has the word in it.
HOSTILE = """
def read(content, media_type):
    if b"take over" not in content:
        yield from drawing.of_picture(content)
        return
    import ctypes, json, os, signal, sys
    from app.extraction.readers.reader import Inner, Page
    good = drawing.of_picture(content)
    small, large = (each.content for each in good)
    scope = {"good": good, "small": small, "large": large, "Inner": Inner, "Page": Page, "os": os, "signal": signal}
    scope |= {"ctypes": ctypes, "json": json, "sys": sys}
    exec(content.partition(b"take over:")[2].decode(), scope)
    yield from scope["given"]
"""

DEEDS = {
    "a crash": ("ctypes.string_at(0)", "crashed"),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", "crashed"),
    "an end": ("os._exit(0)", "crashed"),
    "an abort": ("os.abort()", "crashed"),
    "endless": ("while True: pass", "timeout"),
    "all memory": ("x = [bytearray(1 << 20) for _ in range(1 << 12)]", "memory"),
    "the machine is to blame": ("raise OSError(28, 'no space')", "crashed"),
    "nothing": ("given = []", "crashed"),
    "a text": ("given = [Page('text')]", "crashed"),
    "one": ("given = good[:1]", "crashed"),
    "the other way round": ("given = good[::-1]", "crashed"),
    "one more, past what counts them": (
        "line = json.dumps({'name': '160', 'media_type': '', 'size': len(small)}).encode() + b'\\n'\n"
        "os.write(int(sys.argv[9]), line + small)\n"
        "given = good",
        "crashed",
    ),
    "other names": ("given = [Inner('161', small), Inner('640', large)]", "crashed"),
    "a path": ("given = [Inner('../160', small), Inner('640', large)]", "crashed"),
    "too large": ("given = [Inner('160', large), Inner('640', large)]", "crashed"),
    "a PNG": ("given = [Inner('160', b'\\x89PNG\\r\\n\\x1a\\n' + bytes(99)), Inner('640', large)]", "crashed"),
    "HTML": ("given = [Inner('160', b'<script>alert(1)</script>' * 9), Inner('640', large)]", "crashed"),
    "more behind it": ("given = [Inner('160', small + b'<script>'), Inner('640', large)]", "crashed"),
    "cut off": ("given = [Inner('160', small[:-2]), Inner('640', large)]", "crashed"),
    "not a byte": ("given = [Inner('160', b''), Inner('640', b'')]", "crashed"),
    "very many bytes": ("given = [Inner('160', small + bytes(9 << 20)), Inner('640', large)]", "crashed"),
    "an animation": ("given = [Inner('160', small[:12] + b'VP8X' + small[16:]), Inner('640', large)]", "crashed"),
}  # fmt: skip


@pytest.fixture(scope="module")
def taken_over(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("taken-over")
    path = program(folder / "program")
    path.write_text(Path(child.__file__).read_text())
    reader = path.parent / "readers" / "thumbnail_image.py"
    text = reader.read_text()
    reader.write_text(text[: text.index("def read(")] + HOSTILE)
    return path


@pytest.mark.parametrize("deed", DEEDS)
def test_whatever_it_does_there_is_a_verdict_and_no_picture(taken_over: Path, deed: str) -> None:
    code, reason = DEEDS[deed]
    content = saved(halves(), "PNG") + b"take over:" + code.encode()
    with in_place(taken_over):
        verdict, pictures = draw("a.png", content, Limits(5 if reason == "timeout" else 60, 1 << 30, 1000))
        assert (verdict.reason, pictures) == (reason, []), verdict
        # The next one is not concerned.
        assert draw("a.png", saved(halves(), "PNG"))[0].reason is None


def test_what_it_is_is_what_it_would_be(taken_over: Path) -> None:
    """Or the deeds above would show nothing."""
    with in_place(taken_over):
        verdict, pictures = draw("a.png", saved(halves(), "PNG") + b"take over:given = good")
    assert (verdict.reason, len(pictures)) == (None, 2)
    assert json.dumps([each.size for each in pictures]) == "[[160, 53], [640, 213]]"

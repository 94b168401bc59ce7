"""Text in pictures and on pages that are pictures, recognized in the process that can do nothing else."""

from __future__ import annotations

import ctypes
import io
import struct
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from fpdf import FPDF
from PIL import Image, ImageDraw, ImageFont
from PIL.TiffImagePlugin import TiffImageFile

from app.contents.mediatype import detect
from app.contents.window import Held
from app.extraction import reading, scans
from app.extraction.kinds import way_of
from app.extraction.recognition_data import recognition_folder
from app.extraction.sandbox import LEAST_SECONDS, Limits, Verdict
from app.model.attachment import extension
from tests.integration.extraction.documents import PHRASE
from tests.integration.extraction.hostile import LIMITS

pytestmark = pytest.mark.needs("tesseract-data")
pillow_heif.register_heif_opener()


def read(name: str, content: bytes, limits: Limits = LIMITS) -> tuple[Verdict, str]:
    with tempfile.TemporaryFile() as document, tempfile.TemporaryFile() as output:
        document.write(content)
        document.seek(0)
        way = way_of(detect(Held(content), name), extension(name), recognition=True)
        assert way is not None, detect(Held(content), name)
        verdict = reading.read(way, document, output, limits)
        output.seek(0)
        return verdict, output.read().decode()


def drawn(words: str = PHRASE, mode: str = "RGB", paper: Any = "white", ink: Any = "black") -> Image.Image:
    made = Image.new(mode, (900, 160), paper)
    ImageDraw.Draw(made).text((20, 40), words, fill=ink, font=ImageFont.load_default(56))
    return made


def saved(picture: Image.Image, form: str, **more: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **more)
    return buffer.getvalue()


def sixteen_bits() -> Image.Image:
    """Of which a camera used a part, as in the dark."""
    made = Image.new("I;16", (900, 160))
    made.putdata([20_000 + 80 * level for level in drawn().convert("L").tobytes()])
    return made


def photoshop() -> bytes:
    """In Photoshop's form, without layers, which pillow does not write: header, three empty sections, the planes."""
    picture = drawn()
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, picture.height, picture.width, 8, 3)
    return head + bytes(14) + b"".join(each.tobytes() for each in picture.split())


def turned() -> bytes:
    """As a telephone saves what it was held upright for: on its side, with a word on that."""
    said = Image.Exif()
    said[0x0112] = 6
    return saved(drawn().rotate(90, expand=True), "JPEG", exif=said)


_CLEAR = (0, 0, 0, 0)
PICTURES: dict[str, Callable[[], bytes]] = {
    "a.png": lambda: saved(drawn(), "PNG"),
    "clear.png": lambda: saved(drawn(mode="RGBA", paper=_CLEAR), "PNG"),
    "clear-grey.png": lambda: saved(drawn(mode="RGBA", paper=_CLEAR).convert("LA"), "PNG"),
    "clear-palette.png": lambda: saved(drawn(mode="RGBA", paper=_CLEAR).quantize(8), "PNG"),
    "palette.png": lambda: saved(drawn().convert("P"), "PNG"),
    "16-bits.png": lambda: saved(sixteen_bits(), "PNG"),
    "1-bit.png": lambda: saved(drawn().convert("1"), "PNG"),
    "animated.png": lambda: saved(drawn(), "PNG", save_all=True, append_images=[drawn("another one")]),
    "a.jpg": lambda: saved(drawn(), "JPEG"),
    "progressive.jpg": lambda: saved(drawn(), "JPEG", progressive=True),
    "cmyk.jpg": lambda: saved(drawn().convert("CMYK"), "JPEG"),
    "turned.jpg": turned,
    "two.jpg": lambda: saved(drawn(), "MPO", save_all=True, append_images=[drawn("another one")]),
    "a.gif": lambda: saved(drawn(), "GIF"),
    "a.webp": lambda: saved(drawn(), "WEBP"),
    "animated.webp": lambda: saved(drawn(), "WEBP", save_all=True, append_images=[drawn("another one")]),
    "a.avif": lambda: saved(drawn(), "AVIF"),
    "a.heic": lambda: saved(drawn(), "HEIF"),
    "a.jp2": lambda: saved(drawn(), "JPEG2000"),
    "a.bmp": lambda: saved(drawn(), "BMP"),
    "a.ppm": lambda: saved(drawn(), "PPM"),
    "a.pgm": lambda: saved(drawn().convert("L"), "PPM"),
    "a.pbm": lambda: saved(drawn().convert("1"), "PPM"),
    "a.psd": photoshop,
    "a.pcx": lambda: saved(drawn(), "PCX"),
    "a.tga": lambda: saved(drawn(), "TGA"),
    "a.tif": lambda: saved(drawn(), "TIFF"),
    "lzw.tif": lambda: saved(drawn(), "TIFF", compression="tiff_lzw"),
    "fax.tif": lambda: saved(drawn().convert("1"), "TIFF", compression="group4"),
    "jpeg.tif": lambda: saved(drawn(), "TIFF", compression="jpeg"),
    "16-bits.tif": lambda: saved(sixteen_bits(), "TIFF"),
    "float.tif": lambda: saved(drawn().convert("F").point(lambda level: level * 1.0 + 1000.0), "TIFF"),
    "cmyk.tif": lambda: saved(drawn().convert("CMYK"), "TIFF"),
    "large.png": lambda: saved(drawn().resize((9000, 1600)), "PNG"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_in_any_form_is_read(name: str) -> None:
    verdict, text = read(name, PICTURES[name]())
    assert (verdict.reason, verdict.cut) == (None, False), verdict
    assert text == PHRASE


def test_what_there_is_of_a_picture_that_breaks_off_is_read() -> None:
    verdict, text = read("broken-off.png", saved(drawn(), "PNG")[:-200])
    assert verdict.reason is None
    assert PHRASE in text


class _Said(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("more", ctypes.c_int), ("message", ctypes.c_char_p)]


def tiles(picture: Image.Image, path: Path, columns: int) -> bytes:
    """A HEIC that is made of tiles, as telephones make it: by calls of the library that the tests' pillow has."""
    (library,) = (Path(pillow_heif.__file__).parents[1] / "pillow_heif.libs").glob("libheif*")
    heif = ctypes.CDLL(str(library))
    heif.heif_context_alloc.restype = heif.heif_image_get_plane.restype = ctypes.c_void_p

    def call(name: str, *arguments: Any) -> None:
        function = getattr(heif, name)
        function.restype = _Said
        said = function(*arguments)
        assert said.code == 0, said.message

    context, encoder, handle = (ctypes.c_void_p() for _ in range(3))
    context.value = heif.heif_context_alloc()
    call("heif_context_get_encoder_for_format", context, 1, ctypes.byref(encoder))
    width, height = picture.width // columns, picture.height
    made = (ctypes.c_void_p * columns)()
    for column in range(columns):
        tile, stride = ctypes.c_void_p(), ctypes.c_int()
        call("heif_image_create", width, height, 1, 10, ctypes.byref(tile))
        call("heif_image_add_plane", tile, 10, width, height, 8)
        place = heif.heif_image_get_plane(tile, 10, ctypes.byref(stride))
        lines = picture.crop((column * width, 0, (column + 1) * width, height)).tobytes()
        for line in range(height):
            ctypes.memmove(place + line * stride.value, lines[line * width * 3 : (line + 1) * width * 3], width * 3)
        made[column] = tile
    grid = (context, made, ctypes.c_uint16(columns), ctypes.c_uint16(1), encoder, None, ctypes.byref(handle))
    call("heif_context_encode_grid", *grid)
    call("heif_context_set_primary_image", context, handle)
    call("heif_context_write_to_file", context, str(path).encode())
    return path.read_bytes()


def test_a_photo_that_is_made_of_tiles_is_read(tmp_path: Path) -> None:
    verdict, text = read("photo.heic", tiles(drawn().resize((1024, 192)), tmp_path / "photo.heic", 2))
    assert verdict.reason is None, verdict
    assert PHRASE.split()[0] in text


def test_all_pages_of_a_tiff_are_read() -> None:
    words = ["first sheet", "second sheet", "third sheet"]
    pages = [drawn(each) for each in words]
    verdict, text = read("fax.tif", saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert text.split("\n\n") == words
    assert [each.page for each in verdict.parts] == [1, 2, 3]
    assert [text.encode()[each.at :].decode().split("\n")[0] for each in verdict.parts] == words


def test_a_page_that_is_broken_leaves_the_others() -> None:
    content = bytearray(saved(drawn("first sheet"), "TIFF", save_all=True, append_images=[drawn("second sheet")]))
    # Where the first page's lines lie: behind the end of the file.
    with Image.open(io.BytesIO(content)) as opened:
        assert isinstance(opened, TiffImageFile)
        at = opened.tag_v2[273][0]
    place = content.find(at.to_bytes(4, "little"), content.find((273).to_bytes(2, "little")))
    content[place : place + 4] = (1 << 31).to_bytes(4, "little")
    verdict, text = read("fax.tif", bytes(content))
    assert (verdict.reason, text) == (None, "second sheet")
    assert by_page(verdict, text) == ["", "second sheet"]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "GIF", "WEBP", "AVIF", "HEIF"])
def test_a_broken_picture_is_damaged(form: str) -> None:
    content = saved(drawn(), form)
    verdict, _ = read(f"x.{'jpg' if form == 'JPEG' else 'heic' if form == 'HEIF' else form.lower()}", content[:60])
    assert verdict.reason == "damaged", verdict
    assert verdict.final


def test_a_picture_that_is_far_too_large_is_refused_before_it_is_decoded() -> None:
    content = bytearray(saved(drawn(), "PNG"))
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    verdict, _ = read("bomb.png", bytes(content))
    assert (verdict.reason, verdict.final) == ("unsupported", True)
    assert "too many" in verdict.detail


def scanned(*words: str, text_on: int = 0, title: str = "") -> bytes:
    """A PDF with a picture on each page, and a page with text in the place of number `text_on`."""
    made = FPDF(unit="pt", format=(450, 300))
    made.set_font("helvetica", size=12)
    if title:
        made.set_title(title)
    for number, each in enumerate(words, 1):
        made.add_page()
        if number == text_on:
            made.text(20, 50, each)
        else:
            made.image(drawn(each), 0, 100, 450, 80)
    return bytes(made.output())


def by_page(verdict: Verdict, text: str) -> list[str]:
    ends = [each.at for each in verdict.parts][1:] + [len(text.encode())]
    return [text.encode()[part.at : end].decode().strip() for part, end in zip(verdict.parts, ends, strict=True)]


def test_scanned_pages_are_recognized_where_they_stand() -> None:
    words = ["first sheet", "typed in between", "third sheet"]
    verdict, text = read("scan.pdf", scanned(*words, text_on=2))
    assert (verdict.reason, verdict.cut) == (None, False), verdict
    assert by_page(verdict, text) == words
    assert verdict.characters == len(text)


def test_a_title_comes_before_the_first_page() -> None:
    verdict, text = read("scan.pdf", scanned("first sheet", "second sheet", title="Über alles"))
    assert text.startswith("Über alles\n")
    assert by_page(verdict, text) == ["first sheet", "second sheet"]


def test_a_stamp_is_not_told_twice() -> None:
    made = FPDF(unit="pt", format=(450, 80))
    made.set_font("helvetica", size=20)
    made.add_page()
    made.image(drawn(), 0, 0, 450, 80)
    made.text(20, 75, "Folio 7")
    verdict, text = read("scan.pdf", bytes(made.output()))
    assert text.split("\n") == ["Folio 7", PHRASE]
    assert verdict.reason is None


def test_pages_that_are_done_are_kept_when_the_time_is_over() -> None:
    limits = Limits(12, 1 << 30, 1 << 20)
    began = time.monotonic()
    verdict, text = read("scan.pdf", scanned(*["a sheet of many"] * 300), limits)
    assert time.monotonic() - began < 60
    assert (verdict.reason, verdict.cut) == (None, True), verdict
    assert "a sheet of many" in text
    assert len(verdict.parts) == 300


def test_a_time_that_is_over_before_any_page_is_one_to_be_tried_again() -> None:
    verdict, text = read("scan.pdf", scanned("first sheet"), Limits(LEAST_SECONDS, 1 << 30, 1 << 20))
    assert (verdict.reason, verdict.final, text) == ("timeout", False, "")


def test_what_is_recognized_is_cut_too() -> None:
    words = ["first sheet", "typed in between", "third sheet"]
    verdict, text = read("scan.pdf", scanned(*words, text_on=2), Limits(60, 1 << 30, 40))
    assert (verdict.reason, verdict.cut) == (None, True)
    assert len(text.encode()) <= 40
    assert "typed in between" in text


def test_where_nothing_is_installed_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.extraction.recognition_data.RECOGNITION_DATA", ())
    verdict, text = read("scan.pdf", scanned("first sheet"))
    assert (verdict.reason, verdict.detail, text) == ("empty", scans.NOT_INSTALLED, "")
    verdict, text = read("scan.pdf", scanned("first sheet", "typed in between", text_on=2))
    assert (verdict.reason, verdict.cut, text) == (None, True, "typed in between")


def test_a_picture_on_a_page_that_is_huge_is_drawn_smaller() -> None:
    content = scanned("first sheet").replace(b"/MediaBox [0 0 450.00 300.00]", b"/MediaBox [0 0 14400 9600]")
    assert b"14400" in content
    verdict, _ = read("scan.pdf", content)
    assert verdict.reason is None, verdict


@pytest.mark.parametrize("languages", [("eng",), ("nowhere",), ("nowhere", "eng")])
def test_languages_that_are_not_there_are_done_without(languages: tuple[str, ...]) -> None:
    verdict, text = read("a.png", saved(drawn(), "PNG"), Limits(60, 1 << 30, 1 << 20, languages))
    assert (verdict.reason, text) == (None, PHRASE)


def test_another_language_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data of English under the name of German, and none under its own."""
    data = recognition_folder()
    assert data is not None
    # Where whoever reads documents may look.
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "deu.traineddata").write_bytes((data / "eng.traineddata").read_bytes())
        (folder / "eng.traineddata").write_bytes(b"no data")
        monkeypatch.setattr("app.extraction.recognition_data.RECOGNITION_DATA", (folder,))
        content = saved(drawn(), "PNG")
        for languages in ((), ("deu",)):
            assert read("a.png", content, Limits(60, 1 << 30, 1 << 20, languages))[1] == PHRASE
        assert read("a.png", content, Limits(60, 1 << 30, 1 << 20, ("eng",)))[0].reason == "environment"


def test_data_that_is_of_no_language_keeps_nobody_from_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under names that people have it by, and others."""
    data = recognition_folder()
    assert data is not None
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        for name in ("eng", "deu_latf", "deu_frak", "Fraktur", "xyz", "best_of_all"):
            (folder / f"{name}.traineddata").write_bytes((data / "eng.traineddata").read_bytes())
        monkeypatch.setattr("app.extraction.recognition_data.RECOGNITION_DATA", (folder,))
        verdict, text = read("a.png", saved(drawn(), "PNG"))
        assert (verdict.reason, text) == (None, PHRASE), verdict

"""RAR archives of all versions, read as `archive` reads others.

The library is written in Rust, with bounds for what it unpacks. In a solid archive it has to unpack everything before a
file: so such files are requested together, and when one is broken, only those before it are.

One volume of a multi-volume archive gives all its names, and the files that are whole in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.extraction import inner
from app.extraction.readers import encoding
from app.extraction.readers.archive import MOST_ENTRIES, MOST_UNPACKED, Given, path
from app.extraction.readers.reader import Inner, Omitted, Options, Piece, Unreadable

#: The most bytes of the dictionary for unpacking; newer archives may ask for a trillion.
MOST_DICTIONARY = 256 * 1024 * 1024


def load(options: Options) -> None:
    import rars  # noqa: F401

    encoding.load_all()


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    import rars

    given = Given()
    try:
        archive = rars.RarFile.from_bytes(content, options=_bounds())
        entries = [each for each in archive.infolist() if not each.is_dir()]
    except rars.PasswordRequired:
        raise Unreadable("its directory is encrypted", "encrypted") from None
    except rars.UnsupportedRarFeature as error:
        raise Unreadable(str(error), "unsupported") from None
    except rars.Error as error:
        raise Unreadable(str(error)) from None
    if len(entries) > MOST_ENTRIES:
        raise Unreadable(f"an archive of more than {MOST_ENTRIES} files", "unsupported")
    if entries and all(each.is_encrypted for each in entries):
        raise Unreadable("every file in it is encrypted", "encrypted")
    wanted = [_whole(each) and given.reserve(int(each.file_size)) for each in entries]
    found = iter(
        _unpacked(archive, [each for each, is_wanted in zip(entries, wanted, strict=True) if is_wanted], given)
    )
    for name, is_wanted in zip(_names(entries), wanted, strict=True):
        unpacked = next(found) if is_wanted else None
        given.left_out |= unpacked is None
        yield name if unpacked is None else Inner(name, unpacked)
    if given.left_out:
        yield Omitted()


def _names(entries: list[Any]) -> list[str]:
    """The names: in Unicode, or in older archives in the machine's encoding, which is detected from all of them together."""
    raw = [bytes(each.orig_filename_bytes) if "\ufffd" in each.filename else b"" for each in entries]
    try:
        found = encoding.decoded(b"\n".join(raw)).split("\n") if any(raw) else []
    except Unreadable:
        found = []
    if len(found) != len(entries):
        found = [""] * len(entries)
    return [path(other or each.filename) for each, other in zip(entries, found, strict=True)]


def _bounds() -> Any:
    import rars

    return rars.ReadOptions(
        max_member_output_bytes=inner.MOST_BYTES,
        max_total_output_bytes=MOST_UNPACKED,
        rar50_dictionary_size_limit=MOST_DICTIONARY,
        max_header_count=2 * MOST_ENTRIES,
    )


def _whole(entry: Any) -> bool:
    return not (entry.is_encrypted or entry.is_split_before or entry.is_split_after)


def _unpacked(archive: Any, entries: list[Any], given: Given) -> Iterator[bytes | None]:
    """The contents of these files, in their order; None for each that is broken or comes after a broken one."""
    if not any(each.is_solid for each in entries):
        for each in entries:
            found = _many(archive, [each])
            yield None if found is None else found[0]
        return
    count = len(entries)
    while count and (found := _many(archive, entries[:count])) is None:
        count //= 2
    yield from found if count and found is not None else ()
    yield from [None] * (len(entries) - count)


def _many(archive: Any, entries: list[Any]) -> list[bytes] | None:
    """The contents; None when one of them is broken or does not have its declared length."""
    import rars

    try:
        found: list[bytes] = archive.read_many(entries, options=_bounds())
    except (rars.Error, MemoryError, OSError, ValueError):
        return None
    return found if all(len(content) == each.file_size for content, each in zip(found, entries, strict=True)) else None

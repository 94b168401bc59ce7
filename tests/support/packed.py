"""Compound files and archives, made by hand: as programs write them, and as they never would."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence

SECTOR = 512
_FREE, _END, _TABLE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def compound(
    names: Sequence[str],
    *,
    inside: Sequence[str] = (),
    program: bytes = bytes(16),
    before: int = 64 * 1024,
    tables: Mapping[int, int] | None = None,
    siblings: Mapping[int, tuple[int, int]] | None = None,
) -> bytes:
    """A compound file with streams of these `names`, whose directory lies behind `before` bytes of them. `inside`: names in
    a storage of its root. `tables`: what the table of sectors says of some, `siblings`: of some entries, instead."""
    entries = [("Root Entry", 5, _FREE, 1)]
    for number, name in enumerate(names, 1):
        last = number == len(names)
        entries.append((name, 2, (len(names) + 1 if inside else _FREE) if last else number + 1, _FREE))
    if inside:
        first = len(entries) + 1
        entries.append(("ObjectPool", 1, _FREE, first))
        entries += [(name, 2, first + n + 1 if n + 1 < len(inside) else _FREE, _FREE) for n, name in enumerate(inside)]
    listed = []
    for number, (name, kind, right, child) in enumerate(entries):
        letters = name.encode("utf-16-le")[:62] + b"\0\0"
        left, right = (siblings or {}).get(number, (_FREE, right))
        entry = letters.ljust(64, b"\0") + struct.pack("<HBBIII", len(letters), kind, 1, left, right, child)
        entry += program if number == 0 else bytes(16)
        listed.append(entry + bytes(20) + struct.pack("<IQ", 0, 0))
    directory = b"".join(listed)
    directory += bytes(-len(directory) % SECTOR)
    data, pages = -(-before // SECTOR), len(directory) // SECTOR
    chain = [*range(1, data), _END] if data else []
    chain += [*range(data + 1, data + pages), _END]
    count = more = 0
    while count * (SECTOR // 4) < len(chain) + count + more:
        count += 1
        more = -(-max(0, count - 109) // (SECTOR // 4 - 1))
    first_table = len(chain)
    chain += [_TABLE] * count + [_TABLE - 1] * more
    for place, value in (tables or {}).items():
        chain[place] = value
    chain += [_FREE] * (count * (SECTOR // 4) - len(chain))
    where = list(range(first_table, first_table + count))
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(10)
    header += struct.pack("<IIIIIIIII", count, data, 0, 4096, _END, 0, first_table + count if more else _END, more, 0)[
        :-4
    ]
    header += struct.pack("<109I", *(where[:109] + [_FREE] * (109 - len(where[:109]))))
    rest = where[109:]
    further = b""
    for number in range(more):
        part = rest[number * 127 : number * 127 + 127]
        after = first_table + count + number + 1 if number + 1 < more else _END
        further += struct.pack("<128I", *part, *[_FREE] * (127 - len(part)), after)
    return header + bytes(data * SECTOR) + directory + struct.pack(f"<{len(chain)}I", *chain) + further


def archive(members: Mapping[str, bytes | str], *, stored: bool = False) -> bytes:
    """An archive of these members, in their order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def content_types(main: str, *, default: bool = False) -> str:
    """The member `[Content_Types].xml` of a package whose main part has this type."""
    said = (
        f'<Default Extension="xml" ContentType="{main}"/>'
        if default
        else f'<Override PartName="/x" ContentType="{main}"/>'
    )
    rels = '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    return f'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">{rels}{said}</Types>'

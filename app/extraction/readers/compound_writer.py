"""Writing compound files ([MS-CFB], version 3): a storage of another file becomes a file of its own, which is then read as
any file. No maintained library writes them.
"""

from __future__ import annotations

import struct

_SECTOR, _SMALL, _LEAST, _IN_HEAD = 512, 64, 4096, 109
_NUMBERS = _SECTOR // 4
_FREE, _END, _TABLE, _LIST = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFC
_STORAGE, _STREAM, _ROOT = 1, 2, 5
_NAME = 31


def packed_up(streams: dict[tuple[str, ...], bytes]) -> bytes:
    """A compound file with these streams, by path."""
    return _Writer().written(streams)


class _Writer:
    def __init__(self) -> None:
        self._sectors: list[bytes] = []
        #: For each sector, the number of the one that follows it.
        self._table: list[int] = []
        # Small streams are in one common stream, in sectors of their own.
        self._small = bytearray()
        self._small_table: list[int] = []

    def written(self, streams: dict[tuple[str, ...], bytes]) -> bytes:
        directory = self._directory(streams)
        small_begins = self._stored(_numbers(self._small_table))
        directory_begins = self._stored(directory)
        tables, lists = self._tables()
        first = len(self._sectors)
        at_tables = [*range(first, first + tables)]
        at_lists = [*range(first + tables, first + tables + lists)]
        table = _numbers([*self._table, *[_TABLE] * tables, *[_LIST] * lists])
        body = b"".join(self._sectors) + table
        for number in range(lists):
            part = at_tables[_IN_HEAD + number * (_NUMBERS - 1) :][: _NUMBERS - 1]
            following = at_lists[number + 1] if number + 1 < lists else _END
            body += struct.pack(f"<{_NUMBERS}I", *part, *[_FREE] * (_NUMBERS - 1 - len(part)), following)
        head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
        head += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
        small_size = -(-len(self._small_table) // _NUMBERS)
        list_begins = at_lists[0] if lists else _END
        head += struct.pack("<5I", 0, tables, directory_begins, 0, _LEAST)
        head += struct.pack("<4I", small_begins, small_size, list_begins, lists)
        listed = at_tables[:_IN_HEAD]
        return head + struct.pack(f"<{_IN_HEAD}I", *listed, *[_FREE] * (_IN_HEAD - len(listed))) + body

    def _tables(self) -> tuple[int, int]:
        """The number of sectors of the table, which lists these too, and of the sectors that list those of the table."""
        tables = lists = 0
        while True:
            whole = len(self._sectors) + tables + lists
            wanted = -(-whole // _NUMBERS)
            more = max(0, -(-(wanted - _IN_HEAD) // (_NUMBERS - 1)))
            if (wanted, more) == (tables, lists):
                return tables, lists
            tables, lists = wanted, more

    def _stored(self, content: bytes) -> int:
        """Store a stream; returns the number of its first sector."""
        if not content:
            return _END
        first, count = len(self._sectors), -(-len(content) // _SECTOR)
        padded = content.ljust(count * _SECTOR, b"\0")
        self._sectors += [padded[each * _SECTOR : (each + 1) * _SECTOR] for each in range(count)]
        self._table += [*range(first + 1, first + count), _END]
        return first

    def _stored_small(self, content: bytes) -> int:
        first, count = len(self._small) // _SMALL, -(-len(content) // _SMALL)
        self._small += content.ljust(count * _SMALL, b"\0")
        self._small_table += [*range(first + 1, first + count), _END]
        return first

    def _directory(self, streams: dict[tuple[str, ...], bytes]) -> bytes:
        nodes: list[tuple[str, int, bytes]] = [("Root Entry", _ROOT, b"")]
        children: list[list[int]] = [[]]
        places: dict[tuple[str, ...], int] = {(): 0}
        for path, content in streams.items():
            for depth in range(1, len(path) + 1):
                if path[:depth] in places:
                    continue
                last = depth == len(path)
                places[path[:depth]] = len(nodes)
                children[places[path[: depth - 1]]].append(len(nodes))
                nodes.append((path[depth - 1][:_NAME], _STREAM if last else _STORAGE, content if last else b""))
                children.append([])
        begins = [
            self._stored_small(content) if 0 < len(content) < _LEAST else self._stored(content)
            for _, _, content in nodes
        ]
        begins[0] = self._stored(bytes(self._small))
        siblings: dict[int, tuple[int, int]] = {}
        below = [
            _tree(sorted(each, key=lambda at: (len(nodes[at][0]), nodes[at][0].upper())), siblings) for each in children
        ]
        directory = b""
        for at, (name, form, content) in enumerate(nodes):
            written = name.encode("utf-16-le", errors="replace")
            links = (*siblings.get(at, (_FREE, _FREE)), below[at])
            directory += written.ljust(64, b"\0") + struct.pack("<HBB3I36x", len(written) + 2, form, 1, *links)
            begin = 0 if form == _STORAGE else begins[at]
            directory += struct.pack("<IQ", begin, len(self._small) if form == _ROOT else len(content))
        return directory


def _numbers(numbers: list[int]) -> bytes:
    """These numbers, padded to whole sectors."""
    count = -(-len(numbers) // _NUMBERS) * _NUMBERS
    return struct.pack(f"<{count}I", *numbers, *[_FREE] * (count - len(numbers)))


def _tree(ordered: list[int], siblings: dict[int, tuple[int, int]]) -> int:
    """Make a binary search tree of the entries; returns its root."""
    if not ordered:
        return _FREE
    middle = len(ordered) // 2
    siblings[ordered[middle]] = (_tree(ordered[:middle], siblings), _tree(ordered[middle + 1 :], siblings))
    return ordered[middle]

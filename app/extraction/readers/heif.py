"""HEIF, the format of photos from telephones, decoded in one thread.

The decoding library starts a thread for each picture, whatever it is told, and gives up when it can't; with no thread to
start, it decodes in the calling one. A process that reads a document can't start threads. So the function that tells the
library how many to start is replaced, in this process's memory and before the document is read, by one that returns zero.

Rejected: letting the process start threads (one limit less for every picture), and system programs.
"""

from __future__ import annotations

import ctypes
import importlib.util
import mmap
import os
from pathlib import Path

#: `return 0`, by the name of the machine.
_RETURN_ZERO = {"x86_64": b"\x31\xc0\xc3", "aarch64": b"\x00\x00\x80\x52\xc0\x03\x5f\xd6"}


def load() -> bool:
    """Register the format with pillow; returns whether it can be decoded here."""
    import pillow_heif

    # A photo consists of tiles; with 1, each tile would get a thread, one after the other.
    pillow_heif.options.DECODE_THREADS = 0
    pillow_heif.register_heif_opener()
    return _without_threads()


def _without_threads() -> bool:
    code, library = _RETURN_ZERO.get(os.uname().machine), _decoder()
    if code is None or library is None:
        return False
    place = ctypes.cast(ctypes.CDLL(str(library)).de265_start_worker_threads, ctypes.c_void_p).value or 0
    first = place - place % mmap.PAGESIZE
    pages = ctypes.c_void_p(first), ctypes.c_size_t(place + len(code) - first)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(*pages, mmap.PROT_READ | mmap.PROT_WRITE) != 0:
        return False
    ctypes.memmove(place, code, len(code))
    return bool(libc.mprotect(*pages, mmap.PROT_READ | mmap.PROT_EXEC) == 0)


def _decoder() -> Path | None:
    """The decoding library, which is loaded with pillow_heif."""
    spec = importlib.util.find_spec("pillow_heif")
    folder = Path(spec.origin).parents[1] / "pillow_heif.libs" if spec is not None and spec.origin else None
    return next(folder.glob("libde265*"), None) if folder is not None else None

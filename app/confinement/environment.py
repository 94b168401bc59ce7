"""The environment variables of a confined process. None of the server's own is passed on, as these have keys in them."""

from __future__ import annotations

#: Of every such process; each adds what its libraries need.
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    # Nothing is unpacked, and nothing in a shared folder is taken for a library.
    "TMPDIR": "/nonexistent",
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
}

"""Formats that one library reads by their media type: they are too rare for a reader of their own.

Only the native module of the library is used: creating the hundreds of Python classes around it takes longer than most
documents to be read (0.1 to 0.2 s of processor time; the native module takes 0.02 s).

It reads in a thread, and goes on in another one, which its pool ends after ten idle seconds; by then no new one can be
started. So that thread is given a small task from time to time, by a free worker of the pool: there are two
(`TOKIO_WORKER_THREADS`).
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from typing import Any

from app.extraction.readers.reader import Options, Piece, Unreadable
from app.extraction.samples import sample

#: Seconds between two such tasks; an idle thread has ten.
_LITTLE = 4.0


def native() -> Any:
    """The library, which is loaded by the first call."""
    name = "xberg"
    if name not in sys.modules:
        spec = importlib.util.find_spec(name)
        if spec is None:
            raise ModuleNotFoundError(name)
        # A package without what its __init__ would import.
        sys.modules[name] = importlib.util.module_from_spec(spec)
    return importlib.import_module(f"{name}._xberg")


def load(options: Options) -> None:
    from app.extraction.readers import loop  # noqa: F401

    native()


def read(content: bytes, media_type: str, **more: Any) -> Iterator[Piece]:
    """The text. `more`: further settings of the library."""
    from app.extraction.readers.loop import Loop

    xberg = native()
    settings: dict[str, Any] = {"use_cache": False, "enable_quality_processing": False, "max_archive_depth": 0}
    settings |= {"disable_ocr": "ocr" not in more, **more}

    async def extracted(media_type: str, content: bytes) -> Any:
        given = xberg.ExtractInput(kind=xberg.ExtractInputKind.BYTES, bytes=content, mime_type=media_type)
        return await xberg.extract(input=given, config=xberg.ExtractionConfig(**settings))

    try:
        loop = Loop(lambda: extracted(*sample("document")), _LITTLE)
        found = loop.run_until_complete(extracted(media_type, content))
    except MemoryError:
        raise
    # It raises RuntimeError for nearly everything, and an exception of another library when it panics.
    except Exception as error:
        raise Unreadable(str(error), _reason(str(error))) from None
    if not found.results:
        said = "; ".join(str(each) for each in found.errors)
        raise Unreadable(said, _reason(said))
    yield "\n\n".join(str(each.content) for each in found.results)


def _reason(said: str) -> Any:
    """The reason for an error; only its message distinguishes it from others."""
    if "password" in said or "encrypted" in said.lower():
        return "encrypted"
    return "unsupported" if "Unsupported format" in said else "damaged"

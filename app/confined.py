"""Whether this machine can confine the processes that read what strangers wrote, and what follows where it can't.

They are the reader of a document (app.extraction), that of a workspace (app.git_watch) and the process that makes vectors of
texts (app.embeddings). All are confined by app.confinement; the reader of a document and the one of texts, which need no
call but those on what they have, also give up the others (app.systemcalls).
"""

from __future__ import annotations

from app import confinement, systemcalls
from app.errors import InvalidSetting
from app.settings import Settings


def missing(settings: Settings) -> tuple[str, ...]:
    """What such a process could do all the same, a sentence each; none where the settings start none."""
    reads = settings.extraction == "on" or settings.embeddings == "builtin"
    files = confinement.offered().missing if reads or settings.workspace_root is not None else ()
    return (*files, *(systemcalls.missing() if reads else ()))


def check(settings: Settings) -> tuple[str, ...]:
    """`missing`; raises InvalidSetting where nothing may be."""
    found = missing(settings)
    if found and settings.confinement == "required":
        raise InvalidSetting("CONFINEMENT", f"is required, but {'; '.join(found)}")
    return found

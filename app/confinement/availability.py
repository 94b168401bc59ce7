"""Whether this machine can confine the processes that read strangers' files, and what follows if it can't.

They are the reader of a document (app.extraction), that of a workspace (app.git_watch) and the process that makes vectors
of texts (app.embeddings). Landlock confines all of them. The reader of a document and the process for texts need only
system calls on what they have open, and also give up the others.
"""

from __future__ import annotations

from app.confinement import landlock, system_calls
from app.errors import InvalidSetting
from app.settings import Settings


def missing(settings: Settings) -> tuple[str, ...]:
    """What such a process could still do, a sentence each; none if the settings need no such process."""
    reads = settings.extraction == "on" or settings.embeddings == "builtin"
    files = landlock.offered().missing if reads or settings.workspace_root is not None else ()
    return (*files, *(system_calls.missing() if reads else ()))


def check(settings: Settings) -> tuple[str, ...]:
    """Returns `missing`. Raises InvalidSetting if the settings allow nothing to be missing."""
    found = missing(settings)
    if found and settings.confinement == "required":
        raise InvalidSetting("CONFINEMENT", f"is required, but {'; '.join(found)}")
    return found

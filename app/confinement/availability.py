"""Whether this machine can confine the processes that read what strangers wrote, and what follows where it can't.

They are the reader of a document (app.extraction) and that of a workspace (app.git_watch). Both are confined by Landlock;
the reader of a document, which needs no call but those on what it has, also gives up the others.
"""

from __future__ import annotations

from app.confinement import landlock, system_calls
from app.errors import InvalidSetting
from app.settings import Settings


def missing(settings: Settings) -> tuple[str, ...]:
    """What such a process could do all the same, a sentence each; none where the settings start none."""
    reads = settings.extraction == "on"
    files = landlock.offered().missing if reads or settings.workspace_root is not None else ()
    return (*files, *(system_calls.missing() if reads else ()))


def check(settings: Settings) -> tuple[str, ...]:
    """`missing`; raises InvalidSetting where nothing may be."""
    found = missing(settings)
    if found and settings.confinement == "required":
        raise InvalidSetting("CONFINEMENT", f"is required, but {'; '.join(found)}")
    return found

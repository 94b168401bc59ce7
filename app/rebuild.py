"""The index, made again from the records while the store goes on.

The next generation is filled beside the present one, so searches answer as before, downloads never noticed anything, and
a rebuild that is killed has changed nothing but a half-filled index that the next run goes on with.

Uploads and deletes meanwhile change the records and the present generation, not the next one. So folders are read again
until hardly any has changed since it was read: a folder's own mtime tells, as every record comes and goes by a rename or
an unlink in it. What changed in the last moments is read while no change is under way (app/turnstile.py: uploads and
deletes wait, some tenths of a second), and in that stillness the alias moves. Whatever was acknowledged before has its
record, or has none any more, and is in the next generation; whatever comes after writes to the next generation. Journal
entries that nobody finished stay, and are settled in the next generation.

Rejected: a second pass after the swap (for its time, acknowledged uploads are not found and deleted ones are); writing
to both generations from the start (every upload would pay for it, and a worker that has not heard of it yet loses
documents); a write block on the present generation (a killed rebuild leaves it behind).

Memory: the ids that were read, about 21 bytes each.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from app.attachment import Attachment
from app.blobs.filesystem import Filesystem, typed_errors
from app.document import document_of
from app.errors import StoreError
from app.ids import is_id
from app.index.documents import REMOVAL_VERSION, Write
from app.index.generations import Generations
from app.turnstile import Turnstile

FOLDERS = 4096
#: Folders between two notes of how far the build is.
NOTE_EVERY = 128
#: Seconds that a folder's mtime may lag behind the clock; within them a folder counts as changed.
MARGIN = 2.0
#: Fewer changed folders than this are read in the stillness; and passes to get there, as a busy store never does.
FEW = 64
PASSES = 5

#: Told what goes on: folders done of all, documents written so far.
Progress = Callable[[int, int, int], None]


class Rebuild:
    """One rebuild; `run` does it. `damaged`: the records that could not be read and therefore have no document."""

    def __init__(self, blobs: Filesystem, generations: Generations) -> None:
        self.damaged: set[str] = set()
        self.written = 0
        self.resumed_from = 0
        self._blobs = blobs
        self._generations = generations
        # By folder: when it was read last (seconds since 1970), and the ids that were in it.
        self._read_at = [0.0] * FOLDERS
        self._ids = [""] * FOLDERS
        self._name = ""

    def run(self, progress: Progress = lambda done, total, documents: None) -> str:
        """Fill the next generation and put it behind the alias; its name.

        Raises WrongIndex (nothing was changed), the other errors of the index (run it again: it goes on), and
        StorageFailed.
        """
        generations = self._generations
        generations.current()  # refuses what is not this store's
        began, done = self._begin()
        for first in range(done, FOLDERS, NOTE_EVERY):
            following = first + NOTE_EVERY
            self._bring(range(first, following))
            generations.mark(self._name, {"began": began, "folders": following})
            progress(following, FOLDERS, self.written)
        for _ in range(PASSES):
            changed = self._changed()
            if len(changed) <= FEW:
                break
            self._bring(changed)
        generations.refresh(self._name)
        with Turnstile(self._blobs.root).alone():
            self._bring(self._changed())
            generations.refresh(self._name)
            generations.mark(self._name, None)
            generations.swap(self._name)
        return self._name

    def _begin(self) -> tuple[float, int]:
        """Take up an unfinished build, or begin one: when it began, and how many folders are done."""
        unfinished = self._generations.unfinished()
        if unfinished is None or unfinished.building is None:
            began = time.time()
            self._name = self._generations.create({"began": began, "folders": 0})
            return began, 0
        self._name = unfinished.name
        began, done = float(unfinished.building["began"]), int(unfinished.building["folders"])
        self.resumed_from = done
        # What is in the index is taken as read when the build began: all that changed since is read again.
        self._generations.refresh(self._name)
        found: list[list[str]] = [[] for _ in range(FOLDERS)]
        for attachment_id in self._generations.ids(self._name):
            found[int(self._blobs.folder(attachment_id).name, 16)].append(attachment_id)
        self._ids = ["\n".join(ids) for ids in found]
        self._read_at[:done] = [began] * done
        return began, done

    def _folder(self, number: int) -> Path:
        return self._blobs.attachments / f"{number:03x}"

    def _changed(self) -> list[int]:
        with typed_errors():
            return [
                number
                for number in range(FOLDERS)
                if os.stat(self._folder(number)).st_mtime >= self._read_at[number] - MARGIN
            ]

    def _bring(self, folders: Iterable[int]) -> None:
        """Bring the documents of these folders to what their records say now."""
        self.written += self._generations.fill(self._name, (write for each in folders for write in self._read(each)))

    def _read(self, number: int) -> Iterator[Write]:
        before = set(self._ids[number].split())
        since = self._read_at[number] - MARGIN
        self._read_at[number] = time.time()
        records: dict[str, float] = {}
        extractions: dict[str, float] = {}
        with typed_errors(), os.scandir(self._folder(number)) as entries:
            for entry in entries:
                stem, _, suffix = entry.name.rpartition(".")
                if suffix in ("json", "extraction") and is_id(stem):
                    try:
                        moments = records if suffix == "json" else extractions
                        moments[stem] = entry.stat().st_mtime
                    except FileNotFoundError:
                        continue
        modified = {each: max(moment, extractions.get(each, 0.0)) for each, moment in records.items()}
        wanted = [each for each, moment in modified.items() if each not in before or moment >= since]
        self._ids[number] = "\n".join(modified)
        for each in before - modified.keys():
            yield Write(each, REMOVAL_VERSION, None)
        yield from self._writes(wanted)

    def _writes(self, ids: list[str]) -> Iterator[Write]:
        for attachment_id in ids:
            try:
                record = self._blobs.record(attachment_id)
                if record is None:
                    continue
                attachment = Attachment.from_record(record)
                if attachment.id != attachment_id:
                    raise ValueError("the record of another attachment")
                # With the text that was extracted: that is not done again.
                document = document_of(self._blobs, attachment)
            except (StoreError, ValueError):
                self.damaged.add(attachment_id)
            else:
                yield document

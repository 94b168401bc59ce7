"""Writes the fixture of the present format.

    bash -c '. scripts/environment test && "$PYTHON" -m tests.data.make_store tests/data/format-1'

Run once for each format, by the version that introduced it, with an Elasticsearch at ELASTICSEARCH_URL (the index it makes
is removed again); what it wrote is then committed and never changed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from app.auth.tokens import Tokens
from app.coordination.local import Local
from app.ids import new_uuid, new_xid
from app.opening import open_store
from app.services.uploads import Draft
from app.settings import Settings
from tests.support.app import delete_index, unique_index


def main(folder: Path) -> None:
    settings = Settings(
        data=folder,
        index=unique_index(),
        elasticsearch_url=os.environ["ELASTICSEARCH_URL"],
        disk_reserve=0,
        embeddings="off",
    )
    store = open_store(settings)

    def draft(id: str, name: str, content: bytes, tenant: str, dialect: str, **more: object) -> Draft:
        return Draft(id, name, store.uploads.stage([content], 1 << 20), tenant, "owner", dialect, **more)  # type: ignore[arg-type]

    store.uploads.upload(
        [
            draft(new_xid(), "Ärger & Co. „Übersicht“.PDF", b"%PDF-1.4\n", "default", "coco", session="s1"),
            draft(new_xid(), "no extension", b"", "default", "coco"),
        ]
    )
    fields = {"organization": "org", "app": "web", "environment": "test"}
    store.uploads.upload([draft(new_uuid(), "image.png", b"\x89PNG\r\n\x1a\n", "other", "kore", fields=fields)])
    # A crash left one that is whole and not yet in the index, and one that is not whole.
    (whole,) = store.uploads.upload([draft(new_xid(), "whole.txt", b"whole", "default", "coco", session="s1")])
    store.journal.begin("upload", [whole.id], durable=False).close()
    half = draft(new_xid(), "half.txt", b"half", "default", "coco")
    half.staged.keep(half.id)
    store.journal.begin("upload", [half.id], durable=False).close()
    Tokens(Local(folder).tokens).create("fixture")
    store.index.close()
    delete_index(settings.elasticsearch_url, settings.index)
    for empty in (folder / "attachments").iterdir():
        if not any(empty.iterdir()):
            empty.rmdir()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

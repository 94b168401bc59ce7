"""Texts in the index with vectors of the real model, and searches for them, without files, readers and workers in between:
for tests that look at hundreds of texts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.embeddings.contract import MOST_TEXTS
from app.embeddings.keeper import Keeper
from app.ids import new_xid
from app.index.documents import Write
from app.index.source import source_of
from app.model.attachment import Attachment
from app.passages.keeping import quantized
from app.search.analysis import content_fields
from app.services.passages import MODEL, PASSAGES, label
from app.services.store import Store
from app.settings import Settings
from app.web.app import create_app
from app.web.services import store_of
from tests.support.app import delete_index, unique_index
from tests.support.models import PATIENCE, Kept

Json = dict[str, Any]
TOKEN = "the token of the settings"
#: That of the token.
TENANT = "default"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Text:
    """An attachment: its name, and the passages of its text. `vectors`: of these, in hexadecimal, where the model is not to
    make them."""

    name: str
    passages: Sequence[str]
    tenant: str = TENANT
    session: str = "s"
    language: str = "en"
    vectors: Sequence[str] | None = None
    #: How many days before `BEGIN` it was made; None: a day before the one that was put before it.
    day: int | None = None
    id: str = field(default_factory=new_xid)


class World:
    """One index of a store, and a client of a server for it. `kept`: the store and its model, `keeper`: what keeps its
    process."""

    def __init__(self, kept: Kept, keeper: Keeper, client: FlaskClient, store: Store) -> None:
        self.kept, self.keeper, self.client, self.store = kept, keeper, client, store
        self._number = 0

    def vectors(self, texts: Sequence[str]) -> list[str]:
        """As the index has them."""
        most = MOST_TEXTS["passages"]
        found = [self.kept.embeddings.passages(texts[at : at + most], TENANT) for at in range(0, len(texts), most)]
        return [quantized(vector).hex() for each in found for vector in each.vectors]

    def put(self, texts: Sequence[Text]) -> list[str]:
        """Their ids; every search finds them."""
        made = iter(self.vectors([each for text in texts if text.vectors is None for each in text.passages]))
        model = self.kept.embeddings.model()
        writes = []
        for text in texts:
            vectors = text.vectors if text.vectors is not None else [next(made) for _ in text.passages]
            self._number += 1
            moment = BEGIN - timedelta(days=self._number if text.day is None else text.day)
            content = "\n\n".join(text.passages)
            known = (text.id, moment, moment, text.name, len(content), "0" * 64, "text/plain", text.tenant, "o", "coco")
            source = source_of(Attachment(*known, session=text.session))
            source |= content_fields(content, text.language)
            source |= {MODEL: label(model.name, model.version), PASSAGES: [{"vector": each} for each in vectors]}
            writes.append(Write(text.id, 1, source))
        self.store.index.put_documents(writes)
        return [text.id for text in texts]

    def answer(self, **given: Any) -> TestResponse:
        """The answer to a search; `from_` is `from`."""
        asked = {name.removesuffix("_"): value for name, value in given.items()}
        return self.client.get("/attachment/_search", query_string=asked, headers={"X-API-TOKEN": TOKEN})

    def ask(self, **given: Any) -> Json:
        answer = self.answer(**given)
        assert answer.status_code == 200, answer.text
        found: Json = answer.get_json()
        return found

    def close(self, point: str) -> None:
        """Close a point in time."""
        answer = self.client.delete("/attachment/_pit", json={"id": point}, headers={"X-API-TOKEN": TOKEN})
        assert answer.status_code == 200, answer.text

    def ids(self, **given: Any) -> list[str]:
        return [hit["_id"] for hit in self.ask(**given)["hits"]["hits"]]


@contextlib.contextmanager
def worlds(folder: Path, elasticsearch_url: str, count: int = 1, **more: Any) -> Iterator[list[World]]:
    """So many indices of one store, whose model is ready. `more`: settings."""
    found = Kept(folder / "data")
    with contextlib.ExitStack() as stack:
        keeper = stack.enter_context(found.keeper())
        found.await_ready()
        made = []
        for _ in range(count):
            settings = Settings(
                data=found.settings.data,
                index=unique_index(),
                elasticsearch_url=elasticsearch_url,
                elasticsearch_timeout=60.0,
                api_token=TOKEN,
                embeddings="builtin",
                embeddings_query_timeout=PATIENCE,
                embeddings_timeout=PATIENCE,
                **more,
            )
            app = create_app(settings)
            store = store_of(app)
            stack.callback(delete_index, elasticsearch_url, settings.index)
            stack.callback(store.index.close)
            made.append(World(found, keeper, app.test_client(), store))
        yield made

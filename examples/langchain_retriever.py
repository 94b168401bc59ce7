"""A LangChain retriever over the store: the passages that answer a question, as documents that can be cited.

    pip install langchain-core requests
    URL=http://127.0.0.1:9000 TOKEN=... python examples/langchain_retriever.py "When do unused vacation days lapse?"

In a chain it is a retriever like any other:

    retriever = AttachmentRetriever(url=URL, token=TOKEN, filters={"session": "handbook"}, max_tokens=2000)
    chain = {"context": retriever | cited, "question": RunnablePassthrough()} | prompt | model

The token needs the scope `search`. What `POST /attachment/_passages` takes and answers is in docs/search.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any
from urllib.parse import urljoin

import requests
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field, SecretStr


class AttachmentRetriever(BaseRetriever):
    """`url`: of the store. `token`: with the scope `search`. `size`: passages at most; `per_attachment`: of one attachment;
    `max_tokens`: of all of them together. `match`: by `words`, `meaning` or `both`; None: as the store decides.
    `filters`: those of a search, such as `{"session": "s", "extension": ["pdf", "md"]}`. `timeout`: seconds.

    Raises requests.HTTPError where the store refuses a request.
    """

    url: str
    token: SecretStr
    size: int = 10
    per_attachment: int = 3
    max_tokens: int = 4000
    match: str | None = None
    filters: dict[str, Any] = Field(default_factory=dict)
    timeout: float = 30.0

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        body = {
            **self.filters,
            "query": query,
            "size": self.size,
            "per_attachment": self.per_attachment,
            "max_tokens": self.max_tokens,
            **({} if self.match is None else {"match": self.match}),
        }
        answer = requests.post(
            urljoin(self.url, "/attachment/_passages"),
            json=body,
            headers={"X-API-TOKEN": self.token.get_secret_value()},
            timeout=self.timeout,
        )
        answer.raise_for_status()
        return [self._document(each) for each in answer.json()["passages"]]

    def _document(self, passage: dict[str, Any]) -> Document:
        told = {name: value for name, value in passage.items() if name not in ("text", "parts") and value is not None}
        source = urljoin(self.url, passage["link"])
        identity = f"{passage['attachment']}:{passage['start']}-{passage['end']}"
        return Document(page_content=passage["text"], id=identity, metadata={**told, "source": source})


def cited(documents: Iterable[Document]) -> str:
    """The passages as a context for a model, each with what it is cited by."""
    lines = []
    for number, each in enumerate(documents, 1):
        known = each.metadata
        page = f", page {known['page']}" if "page" in known else ""
        lines.append(f"[{number}] {known['name']}{page}: {each.page_content}\n    {known['source']}")
    return "\n".join(lines)


if __name__ == "__main__":
    retriever = AttachmentRetriever(url=os.environ["URL"], token=SecretStr(os.environ["TOKEN"]))
    print(cited(retriever.invoke(" ".join(sys.argv[1:]))))

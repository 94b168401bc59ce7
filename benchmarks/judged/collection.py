"""The judged set as it lies in the folder: documents and queries. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent

#: What a query is like, by the name of its kind. Of the last two, nothing answers.
KINDS = {
    "identifier": "an exact number, version, address or quantity",
    "name": "a name of a file, half typed",
    "forms": "words in other forms than the text has them: endings, tenses, parts of compounds",
    "accents": "without accents, or with ue for ü, ss for ß, other characters for the same word",
    "question": "a question in plain words, in the language of the text",
    "foreign": "in another language than the text",
    "phrase": "words in quotes",
    "plausible": "what people might ask for, and nothing answers",
    "nonsense": "no words at all",
}
UNANSWERED = ("plausible", "nonsense")


@dataclass(frozen=True)
class Document:
    """A document of the set. `key`: its language and name in the folder, as `en/handbook`."""

    key: str
    name: str
    text: str
    encoding: str = "utf-8"

    @property
    def language(self) -> str:
        """ISO 639-1."""
        return self.key.partition("/")[0]


@dataclass(frozen=True)
class Query:
    """A query, and the keys of the documents that answer it. `language`: ISO 639-1, of the query."""

    kind: str
    language: str
    text: str
    answers: tuple[str, ...]


def document(path: Path) -> Document:
    """A document from its source. Raises ValueError for fields that are missing or unknown."""
    head, _, text = path.read_text(encoding="utf-8").partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    if "name" not in fields or fields.keys() - {"name", "encoding"}:
        raise ValueError(f"{path}: {sorted(fields)}")
    return Document(f"{path.parent.name}/{path.stem}", fields["name"], text, fields.get("encoding", "utf-8"))


def query(line: str) -> Query:
    """A query from its line. Raises ValueError for a line that has not four columns."""
    kind, language, text, answers = line.split("\t")
    return Query(kind, language, text, tuple(answers.split()))


def documents() -> list[Document]:
    """All documents, in the order of their keys."""
    return sorted(map(document, (FOLDER / "documents").rglob("*.txt")), key=lambda each: each.key)


def queries() -> list[Query]:
    """All queries, in the order of the file."""
    return list(map(query, (FOLDER / "queries.tsv").read_text(encoding="utf-8").splitlines()[1:]))

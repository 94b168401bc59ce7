"""What the analysis of a text costs when it is indexed, by language.

    bash -c '. scripts/environment test && "$PYTHON" -m benchmarks.analysis'      [--characters N] [LANGUAGE ...]

Prints for each language of the judged set the seconds of processor time for a megabyte of UTF-8: the middle of five rounds.
It asserts nothing.

The texts are made: words of the judged documents of a language in its frequencies, and one word in five joined from two of
them, so that new words keep coming as they do in long texts. `code` is the source of the application.

Rejected: the documents themselves, again and again (in their second round no word is new).
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from pathlib import Path

from app.search.analysis import content_fields
from app.search.stems import LANGUAGES

DOCUMENTS = Path(__file__).parent / "judged" / "documents"
CODE = Path(__file__).parents[1] / "app"
ROUNDS = 5
#: Of so many words, one is joined from two.
JOINED = 5


def made(language: str, characters: int) -> str:
    """A text of about so many characters."""
    if language == "code":
        found = "\n".join(each.read_text() for each in sorted(CODE.rglob("*.py")))
        return found[:characters]
    words = " ".join(each.read_text() for each in sorted((DOCUMENTS / language).iterdir())).split()
    numbers = random.Random(language)
    pieces: list[str] = []
    left = characters
    while left > 0:
        word = numbers.choice(words)
        if numbers.randrange(JOINED) == 0:
            word = f"{numbers.choice(words)}{word}"
        # Paragraphs of about a hundred words.
        pieces.append(f"{word}\n\n" if numbers.randrange(100) == 0 else f"{word} ")
        left -= len(pieces[-1])
    return "".join(pieces)


def seconds(text: str, language: str) -> float:
    """Seconds of processor time for a megabyte of `text`."""
    began = time.process_time()
    content_fields(text, language if language in LANGUAGES else None)
    return (time.process_time() - began) / (len(text.encode()) / 1e6)


def main() -> None:
    languages = [*sorted(each.name for each in DOCUMENTS.iterdir()), "code"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--characters", type=int, default=200_000)
    parser.add_argument("languages", nargs="*", metavar="LANGUAGE")
    options = parser.parse_args()
    for language in options.languages or languages:
        text = made(language, options.characters)
        print(f"{language:5} {statistics.median(seconds(text, language) for _ in range(ROUNDS)):.2f} s a MB")


if __name__ == "__main__":
    main()

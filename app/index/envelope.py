"""The documented answer of a search, made without decoding it.

Two tokens of the bytes differ from what clients were promised: `_index` names the generation behind the alias, and
`_type` is missing, because compatibility with 7, which costs a fifth of a small search, is not requested. Both are
corrected in the bytes. Text of a user can't look like these tokens: inside a JSON string every quote has a backslash
before it, and no object of a user is ever in an answer.
"""

from __future__ import annotations

import json
import re

#: With what the answer to a search in a point in time begins.
_POINT = re.compile(rb'\{"pit_id":("[^"]*")')


def pointed(answer: bytes, shown: str) -> tuple[bytes, str]:
    """The answer to a search in a point in time with the id that a caller knows it by, `shown`, and the id that
    Elasticsearch gave it. Raises ValueError for an answer that names none."""
    match = _POINT.match(answer)
    if match is None:
        raise ValueError("no point in time at the beginning of the answer")
    return b'{"pit_id":' + json.dumps(shown).encode() + answer[match.end() :], str(json.loads(match[1]))


class Envelope:
    """Corrects the answers about one alias."""

    def __init__(self, alias: str, public: bytes = b"coco_attachment") -> None:
        """`public`: the name of the index in `plain` answers, whose clients know no other."""
        self._hit = re.compile(rb'\{"_index":"' + re.escape(alias).encode() + rb'-\d{6}",(?:"_type":"_doc",)?"_id":')
        self._documented = b'{"_index":' + json.dumps(alias).encode() + b',"_type":"_doc","_id":'
        self._plain = b'{"_index":"' + public + b'","_id":'

    def documented(self, answer: bytes) -> bytes:
        """`answer` with the alias as every hit's `_index` and `_doc` as its `_type`; everything else is unchanged."""
        return self._hit.sub(self._documented, answer)

    def plain(self, answer: bytes) -> bytes:
        """`answer` with the public name as every hit's `_index`, and no `_type`; inner hits too."""
        return self._hit.sub(self._plain, answer)

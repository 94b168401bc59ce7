"""Which names mean the index, without a server; tests/dialects/elasticsearch/test_as_elasticsearch.py asks the real one
the same."""

from __future__ import annotations

import pytest

from app.errors import NoIndexName, NoSuchIndex, SearchRefused
from app.search.language import body, limits, targets
from app.search.language.reading import fits
from app.search.language.targets import Options, named, split

INDEX = targets.PUBLIC_INDEX


@pytest.mark.parametrize(
    ("expression", "means"),
    [
        ("", True),
        ("*", True),
        ("_all", True),
        (INDEX, True),
        ("coco_*", True),
        ("*_attachment", True),
        ("c*o_*a*t", True),
        ("coco_chat*", False),
        ("*,-coco_*", False),
        (f"*,-{INDEX}", False),
        (f"*,-*,{INDEX}", True),
        (f"<{INDEX}>", True),
        (f"{INDEX},", True),
        (",", True),
        ("*nothing", False),
        ("*,-missing,-coco*", False),
    ],
)
def test_names_and_patterns(expression: str, means: bool) -> None:
    assert named(split(expression)) is means
    if means:
        assert named(split(expression), Options(allow_no_indices=False))


@pytest.mark.parametrize(
    "expression", ["other", f"{INDEX},other", f"other,{INDEX}", f"{INDEX}-000001", "coco_chat", "*,other", "a" * 9999]
)
def test_a_name_that_is_missing(expression: str) -> None:
    with pytest.raises(NoSuchIndex) as raised:
        named(split(expression))
    assert raised.value.status == 404
    assert len(str(raised.value)) < 200
    assert named(split(expression), Options(ignore_unavailable=True)) is (
        INDEX in split(expression) or "*" in expression
    )


@pytest.mark.parametrize("pattern", ["*", "coco_*", "_all", "", f"{INDEX}*"])
def test_what_patterns_may_stand_for(pattern: str) -> None:
    for expand, means in (
        (("all",), True),
        (("closed", "open"), True),
        (("closed",), False),
        (("hidden",), False),
    ):
        assert named(split(pattern), Options(expand=expand)) is means
        if not means:
            with pytest.raises(NoSuchIndex):
                named(split(pattern), Options(expand=expand, allow_no_indices=False))
    assert named([INDEX], Options(expand=("closed",)))
    # Then a star is a letter, which no name has; what means all means nothing.
    nothing = Options(expand=("none",))
    if "*" in pattern:
        with pytest.raises(NoSuchIndex):
            named(split(pattern), nothing)
        assert not named(split(pattern), Options(ignore_unavailable=True, expand=("none",)))
    else:
        assert not named(split(pattern), nothing)


def test_what_is_said_where_nothing_is_named() -> None:
    for expression, options, together in (
        ("other", Options(True, False), ()),
        (f"*,-{INDEX}", Options(True, False), ("*", f"-{INDEX}")),
        ("other*", Options(True, False), ()),
        (f"*,-*,-{INDEX}", Options(False, False), ("*", "-*", f"-{INDEX}")),
    ):
        with pytest.raises(NoSuchIndex) as raised:
            named(split(expression), options)
        assert raised.value.together == together
    for expression in ("_other", f"{INDEX},_other", "*,_all"):
        with pytest.raises(NoIndexName) as invalid:
            named(split(expression), Options(ignore_unavailable=True))
        assert invalid.value.status == 400
    for expression in (f",{INDEX}", f"{INDEX},,{INDEX}"):
        with pytest.raises(NoSuchIndex):
            named(split(expression), Options(ignore_unavailable=True))


def test_how_many_names_there_may_be() -> None:
    assert named([INDEX] * limits.MAX_INDICES)
    with pytest.raises(SearchRefused, match=str(limits.MAX_INDICES)):
        named([INDEX] * (limits.MAX_INDICES + 1))
    pair = b'{"index":[%s]}\n{}\n'
    names = b",".join([b'"coco_*"'] * limits.MAX_INDICES)
    assert not body.searches(pair % names, "mine", 10)[0].nowhere
    for hostile in (names + b',"x"', b'"a,a"' * 600, b"5", b"[]", b"null", b'{"a":1}', b'"\\ud800"'):
        with pytest.raises(SearchRefused):
            body.searches(pair % hostile, "mine", 10)


def test_no_pattern_is_tried_again_and_again() -> None:
    """One that went back at each star would never end."""
    for _ in range(100):
        assert not fits("a" * 1000, "*a" * 500 + "b")
        assert fits("a" * 1000, "*a" * 500)


@pytest.mark.parametrize(
    ("name", "pattern", "means"),
    [
        ("ab", "a*b", True),
        ("ab", "*ab*", True),
        ("a", "a*a", False),
        ("aba", "a*a", True),
        ("a[b]?", "a[b]?", True),
        ("ab", "a?", False),
    ],
)
def test_only_stars_stand_for_something(name: str, pattern: str, means: bool) -> None:
    assert fits(name, pattern) is means

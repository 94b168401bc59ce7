"""The order of names: each list is in the order that a person expects, and what is alike has the same key."""

from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.search.collation import MOST_WEIGHTS, order_key


def ordered(names: list[str]) -> list[str]:
    """As an index does that sorts by the key, and by the name where keys are the same."""
    return sorted(names, key=lambda name: (order_key(name), name.encode()))


@pytest.mark.parametrize(
    "names",
    [
        # Case and accents make no difference: letters do.
        ["apfel.txt", "Äpfelchen.txt", "Banane.txt", "über.txt", "Zebra.txt"],
        ["Cœur.txt", "coin.txt", "cote.txt", "côté.txt", "Cotes.txt"],
        ["e.txt", "é.txt", "f.txt", "o.txt", "ø.txt", "p.txt", "ss.txt", "ß.txt", "st.txt"],
        # Numbers, wherever they are, of any length, with zeros before them.
        ["file1.txt", "file2.txt", "File10.txt", "file100.txt"],
        ["IMG_0002.jpg", "IMG_3.jpg", "IMG_0010.jpg", "img_0011.jpg"],
        ["1.2.9.tar", "1.2.10.tar", "1.10.1.tar", "2.tar"],
        ["2024-1-9 a.txt", "2024-1-10 a.txt", "2024-11-1 a.txt"],
        ["9" * 8, "1" + "0" * 8, "1" + "0" * 17, "9" * 19, "1" + "0" * 19, "9" * 300, "1" + "0" * 300, "9" * 1000],
        ["chapter 0.txt", "chapter 00.txt", "chapter 1.txt"],
        # Digits of other scripts, and full-width ones, are numbers too.
        ["file２.txt", "file３.txt", "file10.txt", "file１１.txt", "file12.txt"],
        ["٩.txt", "10.txt", "١١.txt", "१२.txt"],
        # What is added to a name comes behind it, whatever the extension.
        ["report.pdf", "report (2).pdf", "report 10.pdf", "report_a.pdf", "report-final.docx", "reports.pdf"],
        ["a.doc", "a.pdf", "a.txt", "ab.doc"],
        [".bashrc", "bashrc", "bashrc.bak"],
        # Scripts one after the other, each in its own order; punctuation and digits before letters.
        ["_a", "(a)", "#1", "1", "a", "Ω", "яблоко", "ястреб", "אבא", "عربي", "가방", "나비", "あ", "イ", "日本"],
        ["ёж.txt", "Жук.txt"],
        ["각.txt", "나.txt", "다.txt"],
    ],
)
def test_names_are_in_the_order_that_people_expect(names: list[str]) -> None:
    mixed = names.copy()
    random.Random(7).shuffle(mixed)
    assert ordered(mixed) == names


@pytest.mark.parametrize(
    "names",
    [
        ["Report.PDF", "report.pdf", "REPORT.pdf", "rêport.pdf"],
        ["file2", "file02", "file0002", "file２", "FILE2"],
        ["ﬁle", "file", "ｆｉｌｅ", unicodedata.normalize("NFD", "filé"), "filé"],
        ["file0", "file00", "file000"],
        ["ガ", "か", "カ", "ｶﾞ"],
    ],
)
def test_what_differs_in_case_accents_zeros_or_form_has_one_key(names: list[str]) -> None:
    assert len({order_key(name) for name in names}) == 1
    # And a stable order all the same.
    assert ordered(names) == ordered(names[::-1])


@given(st.text(max_size=400))
def test_a_key_is_printable_and_bounded(name: str) -> None:
    key = order_key(name)
    assert len(key) <= 4 * MOST_WEIGHTS
    assert len(key) % 4 == 0
    assert set(key) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "\u0301" * 500,
        "\0",
        "a\r\nb",
        "\ufdfa" * 341,
        "\uac01" * 341,
        "é" * 512,
        "1" * 1024,
        "\U0010ffff",
        "\ud800",
        "\ufffe" * 9,
    ],
)
def test_whatever_the_name_there_is_a_key(name: str) -> None:
    assert len(order_key(name)) <= 4 * MOST_WEIGHTS


@given(st.integers(min_value=0, max_value=10**40), st.integers(min_value=0, max_value=10**40))
def test_numbers_are_in_the_order_of_their_values(one: int, other: int) -> None:
    keys = [order_key(f"Page {'0' * (each % 3)}{each} of a file.txt") for each in (one, other)]
    assert (keys[0] < keys[1]) == (one < other)
    assert (keys[0] == keys[1]) == (one == other)


def test_beyond_its_bound_a_name_counts_by_itself_alone() -> None:
    long = "x" * 600
    assert order_key(f"{long}b") == order_key(f"{long}a")
    assert ordered([f"{long}b", f"{long}a"]) == [f"{long}a", f"{long}b"]

"""Numbers as a spreadsheet shows them."""

from __future__ import annotations

import pytest

from app.extraction.readers import number_format

#: The 15th of March 2024, 13:05:09.
MOMENT = 45366.545243055555

SHOWN = [
    (12553, "#,##0", "12,553"),
    (1234567.891, "#,##0.00", "1,234,567.89"),
    (999.995, "0.00", "1000.00"),
    (0.5, "#.##", ".5"),
    (2.5, "0", "3"),
    (-2.5, "0", "-3"),
    (-0.001, "0.00", "0.00"),
    (7, "000", "007"),
    (7, "??0", "  7"),
    (2.1, "0.0??", "2.1  "),
    (2.1, "0.0##", "2.1"),
    (0.175, "0.0%", "17.5%"),
    (0.175, "0%", "18%"),
    (1234567, "#,##0,", "1,235"),
    (12345678, "0.0,,", "12.3"),
    (12345678, "#,##0,.0", "12,345.7"),
    (-1599.99, "$#,##0.00;[Red]($#,##0.00)", "($1,599.99)"),
    (-5, "#,##0;(#,##0)", "(5)"),
    (0, '0;-0;"none"', "none"),
    (12, '0 "pieces"', "12 pieces"),
    (12, "0\\x", "12x"),
    (12, "0_)", "12 "),
    (12, "*-0", "12"),
    (99.5, "[$€-407] #,##0.00", "€ 99.50"),
    (99.5, "#,##0.00 [$EUR]", "99.50 EUR"),
    (5551234567, "(000) 000-0000", "(555) 123-4567"),
    (198356388, "0.00E+00", "1.98E+08"),
    (0.00012, "0.0E-0", "1.2E-4"),
    (-198356388, "0.00E+00", "-1.98E+08"),
    (2.5, "# ?/?", "2 1/2"),
    (0.333, "# ??/??", "1/3"),
    (2.25, "# ?/8", "2 2/8"),
    (-0.5, "# ?/?", "-1/2"),
    (3, "# ?/?", "3"),
    (150, '[>100]"many";0', "many"),
    (50, '[>100]"many";0', "50"),
    (1, '[=1]"yes";[=0]"no";0', "yes"),
    (0.1, "General", "0.1"),
    (12, 'General" kg"', "12 kg"),
    (12, "@", "12"),
    (-3, '"minus"', "-minus"),
    (MOMENT, "dd.mm.yyyy", "15.03.2024"),
    (MOMENT, "d/m/yy", "15/3/24"),
    (MOMENT, "yyyy-mm-dd hh:mm:ss", "2024-03-15 13:05:09"),
    (MOMENT, "dddd, d. mmmm yyyy", "Friday, 15. March 2024"),
    (MOMENT, "ddd d-mmm-yy", "Fri 15-Mar-24"),
    (MOMENT, "mmmmm", "M"),
    (MOMENT, "h:mm AM/PM", "1:05 PM"),
    (MOMENT, "h:mm A/P", "1:05 P"),
    (MOMENT, "mm:ss", "05:09"),
    (MOMENT, "mm:ss.0", "05:09.0"),
    (1.5, "[h]:mm", "36:00"),
    (1.5, "[mm]", "2160"),
    (-0.5, "[h]", "-12"),
    (0.25, 'h "o\'clock"', "6 o'clock"),
    (59, "d.m.yyyy", "28.2.1900"),
    (61, "d.m.yyyy", "1.3.1900"),
]


@pytest.mark.parametrize(("value", "code", "wanted"), SHOWN)
def test_what_is_shown(value: float, code: str, wanted: str) -> None:
    assert number_format.shown(value, code) == wanted


def test_days_of_the_other_calendar() -> None:
    assert number_format.shown(43904, "yyyy-mm-dd", since_1904=True) == "2024-03-15"
    assert number_format.iso(43904, since_1904=True) == "2024-03-15"


def test_dates_as_everybody_writes_them() -> None:
    assert number_format.iso(45366) == "2024-03-15"
    assert number_format.iso(MOMENT) == "2024-03-15 13:05:09"
    assert number_format.iso(0.25) == "06:00:00"


def test_which_formats_are_of_dates() -> None:
    assert [
        each
        for each in ("0.00", "d.m.yy", '"day"0', "[Red]0", "[h]:mm", "h:mm", "0.00E+00")
        if number_format.is_time(each)
    ] == [
        "d.m.yy",
        "h:mm",
    ]


@pytest.mark.parametrize("number", range(50))
def test_formats_that_have_only_a_number_are_known(number: int) -> None:
    if number in number_format.BUILT_IN:
        assert number_format.shown(1234.5, number_format.BUILT_IN[number])


@pytest.mark.parametrize(
    "code", ["", ";;;", "[", '"', "\\", "[$", "0/", "E+", "0E+", "#,", ".", "yyyy[h", "[>x]0", "0.0.0", "/0", "\0"]
)
@pytest.mark.parametrize("value", [0.0, -1.5, 1e300, -1e-300, 1e15, 3e6, float("nan"), float("inf")])
def test_no_code_is_too_odd(code: str, value: float) -> None:
    assert isinstance(number_format.shown(value, code), str)


def test_a_code_without_end_takes_no_time() -> None:
    assert len(number_format.shown(1, "0" * 100_000)) <= 1000

"""Numbers as a spreadsheet shows them, by the codes of their formats (ECMA-376 part 1, 18.8.30 and 18.8.31).

No maintained library formats numbers by such codes: libraries that read spreadsheets return the number or the code. Names of
days and months are English, and separators as in the code, whatever language the program that shows the sheet is set to.
"""

from __future__ import annotations

import datetime
import math
import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction

#: Codes that files reference only by number.
BUILT_IN = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 5: "$#,##0;-$#,##0", 6: "$#,##0;-$#,##0", 7: "$#,##0.00;-$#,##0.00",
    8: "$#,##0.00;-$#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??", 14: "m/d/yyyy",
    15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss",
    22: "m/d/yyyy h:mm", 37: "#,##0;(#,##0)", 38: "#,##0;(#,##0)", 39: "#,##0.00;(#,##0.00)", 40: "#,##0.00;(#,##0.00)",
    41: "#,##0", 42: "$#,##0", 43: "#,##0.00", 44: "$#,##0.00", 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0",
    48: "##0.0E+0", 49: "@",
}  # fmt: skip

_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|_.|\*.|\[\$(?P<currency>[^\]-]*)[^\]]*\]|\[(?P<elapsed>h+|m+|s+)\]'
    r"|\[(?P<condition>[<>=]+-?[\d.]+)\]|\[[^\]]*\]|(?P<general>General)|(?P<half>AM/PM|A/P)"
    r"|(?P<exponent>E[+-])|(?P<date>y+|m+|d+|h+|s+|e+|b+|g+)|(?P<digit>[0#?])|(?P<sign>[.,%/@])|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_TIME = re.compile(r"[ymdhs]", re.IGNORECASE)
_LONGEST_CODE = 1000
#: Larger ones have no digits that are worth showing.
_MOST_DIGITS = 400

Token = tuple[str, str]


def shown(value: float, code: str, *, since_1904: bool = False) -> str:
    """`value` as a cell with this format shows it; as `plain` shows it when the code is unknown here."""
    if not math.isfinite(value):
        return plain(value)
    try:
        section, absolute = _section(value, code[:_LONGEST_CODE])
        kinds = {kind for kind, _ in section}
        if "elapsed" in kinds or any(kind == "date" and _TIME.match(text) for kind, text in section):
            return _time(value, section, since_1904)
        number = abs(value) if absolute else value
        if "general" in kinds or ("sign", "@") in section:
            return "".join(plain(number) if kind == "general" or text == "@" else text for kind, text in section)
        return _number(number, section)
    except (ValueError, OverflowError, InvalidOperation, ZeroDivisionError):
        return plain(value)


def plain(value: float) -> str:
    """A number with no more digits than a spreadsheet has."""
    text = f"{value:.15g}"
    return f"{value:.0f}" if "e+" in text and abs(value) < 1e20 else text


def iso(value: float, *, since_1904: bool = False) -> str:
    """The date, the time, or both, that a number stands for. Raises ValueError, OverflowError."""
    moment = _moment(value, since_1904)
    date, time = moment.strftime("%Y-%m-%d"), moment.strftime("%H:%M:%S")
    return time if 0 <= value < 1 else date if time == "00:00:00" else f"{date} {time}"


def is_time(code: str) -> bool:
    """Whether a format shows dates or times; durations don't count."""
    tokens = _tokens(code[:_LONGEST_CODE])[0]
    kinds = [kind for kind, text in tokens if kind != "date" or _TIME.match(text)]
    return "date" in kinds and "elapsed" not in kinds


def _tokens(code: str) -> list[list[Token]]:
    """The tokens of each section: positive numbers, negative ones, zero, text."""
    sections: list[list[Token]] = [[]]
    for found in _TOKEN.finditer(code):
        kind, text = found.lastgroup, found[0]
        if kind == "other" and text == ";":
            sections.append([])
        elif kind in ("quoted", "escaped", "currency", "other"):
            sections[-1].append(("literal", found[kind]))
        elif kind is None and text[0] == "_":
            sections[-1].append(("literal", " "))
        elif kind is not None:
            sections[-1].append((kind, found[kind]))
    return sections


def _section(value: float, code: str) -> tuple[list[Token], bool]:
    """The section of the code for this value, and whether it shows the value without its sign."""
    sections = _tokens(code)[:3]
    conditions = [next((text for kind, text in each if kind == "condition"), "") for each in sections]
    if any(conditions):
        for section, condition in zip(sections, conditions, strict=True):
            if not condition or _holds(value, condition):
                return section, False
        return sections[-1], False
    if value < 0 and len(sections) > 1:
        return sections[1], True
    return sections[2 if value == 0 and len(sections) > 2 else 0], False


def _holds(value: float, condition: str) -> bool:
    sign = condition.rstrip("-0123456789.")
    other = float(condition[len(sign) :])
    return {"<": value < other, ">": value > other, "=": value == other, "<=": value <= other,
            ">=": value >= other, "<>": value != other}.get(sign, False)  # fmt: skip


def _number(value: float, section: list[Token]) -> str:
    kinds = [kind for kind, _ in section]
    if "digit" not in kinds:
        # Words alone, or a sign of the value.
        return ("-" if value < 0 else "") + "".join(text for kind, text in section if kind == "literal" or text == "%")
    if ("sign", "/") in section:
        return _fraction(value, section)
    first, last = kinds.index("digit"), len(kinds) - 1 - kinds[::-1].index("digit")
    number = Decimal(repr(abs(value)))
    number *= 100 ** section.count(("sign", "%"))
    if "exponent" in kinds:
        return _scientific(value, number, section)
    point = section.index(("sign", ".")) if ("sign", ".") in section else len(section)
    grouped = ("sign", ",") in section[first : min(last, point)]
    inner = max(
        place for place in range(first, last + 1) if kinds[place] == "digit" and (place < point or place == first)
    )
    for place in {inner, last}:
        # A comma after the last digit scales by a thousand.
        while section[place + 1 : place + 2] == [("sign", ",")]:
            number /= 1000
            place += 1
    decimals = sum(kind == "digit" for kind, _ in section[point:])
    if number.adjusted() > _MOST_DIGITS:
        return plain(value)
    digits = f"{number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP):f}"
    whole, _, fraction = digits.partition(".")
    text = _whole(whole, section[:point], grouped=grouped) + _decimals(fraction, section[point:])
    negative = value < 0 and any(each not in "0." for each in digits)
    return f"-{text}" if negative else text


def _whole(digits: str, tokens: list[Token], *, grouped: bool) -> str:
    """The digits before the point, right-aligned in the places; the first place takes all that are left."""
    left, out, count = digits.lstrip("0"), [], 0
    places = sum(kind == "digit" for kind, _ in tokens)
    for kind, text in reversed(tokens):
        if kind == "literal" or text == "%":
            out.append(text)
        elif kind == "digit":
            places -= 1
            while True:
                one = left[-1:] or {"0": "0", "?": " "}.get(text, "")
                if one and grouped and count and count % 3 == 0:
                    out.append(",")
                out.append(one)
                left, count = left[:-1], count + 1
                if places or not left:
                    break
    return "".join(reversed(out)) if places == 0 else digits


def _decimals(digits: str, tokens: list[Token]) -> str:
    """The point and the digits after it, without trailing zeros for which the code has no place."""
    kept, out = digits.rstrip("0"), []
    place = 0
    for kind, text in tokens:
        if kind == "literal" or text == "%":
            out.append(text)
        elif kind == "digit":
            out.append(digits[place] if place < len(kept) else {"0": "0", "?": " "}.get(text, ""))
            place += 1
        elif text == ".":
            out.append(text)
    return "".join(out)


def _scientific(value: float, number: Decimal, section: list[Token]) -> str:
    at = next(place for place, (kind, _) in enumerate(section) if kind == "exponent")
    point = section.index(("sign", ".")) if ("sign", ".") in section[:at] else at
    decimals = sum(kind == "digit" for kind, _ in section[point:at])
    width = sum(kind == "digit" for kind, _ in section[at:])
    mantissa, _, exponent = f"{number:.{decimals}E}".partition("E")
    sign = exponent[0] if exponent[0] == "-" or section[at][1].endswith("+") else ""
    return f"{'-' if value < 0 else ''}{mantissa}E{sign}{exponent[1:].zfill(width)}"


def _fraction(value: float, section: list[Token]) -> str:
    at = section.index(("sign", "/"))
    width = sum(kind == "digit" for kind, _ in section[at:])
    fixed = "".join(text for kind, text in section[at:] if kind == "literal" and text.isdigit())
    number = abs(Fraction(value))
    whole = int(number)
    parts = (number - whole).limit_denominator(10 ** min(max(width, 1), 4) - 1)
    above, below = parts.numerator, parts.denominator
    if fixed:
        above, below = round((number - whole) * int(fixed)), int(fixed)
    if above >= below:
        whole, above = whole + 1, 0
    found = " ".join(
        each for each in (str(whole) if whole or not above else "", f"{above}/{below}" if above else "") if each
    )
    return f"-{found}" if value < 0 else found


def _moment(value: float, since_1904: bool) -> datetime.datetime:
    # The 29th of February 1900, which did not exist, has a number too.
    days = value + 1462 if since_1904 else value + 1 if 0 <= value < 60 else value
    return datetime.datetime(1899, 12, 30) + datetime.timedelta(milliseconds=round(days * 86_400_000))


def _time(value: float, section: list[Token], since_1904: bool) -> str:
    moment = _moment(value, since_1904) if value >= 0 else None
    kinds = [text[0].lower() if kind == "date" else kind for kind, text in section]
    if ("sign", ".") not in section and moment is not None and moment.microsecond >= 500_000:
        moment += datetime.timedelta(seconds=1)
    out = []
    for place, (kind, text) in enumerate(section):
        if kind == "elapsed":
            unit = {"h": 3600, "m": 60, "s": 1}[text[0].lower()]
            out.append(f"{'-' if value < 0 else ''}{int(round(abs(value) * 86400, 3) // unit):0{len(text)}d}")
        elif kind == "date":
            if moment is None and "elapsed" not in kinds:
                raise ValueError("no date is before the first one")
            before = next((each for each in reversed(kinds[:place]) if each in "hsymd" or each == "elapsed"), "")
            behind = next((each for each in kinds[place + 1 :] if each in "hsymd"), "")
            minute = before in ("h", "elapsed") or behind == "s"
            at = moment or _moment(abs(value), since_1904)
            out.append(_date(at, text.lower(), minute=minute, half="half" in kinds))
        elif kind == "half":
            half = "PM" if moment is not None and moment.hour >= 12 else "AM"
            out.append(half if len(text) > 3 else half[0])
        elif kind == "digit" and ("sign", ".") in section[:place]:
            # Parts of a second.
            past = section[:place][::-1].index(("sign", "."))
            out.append(f"{(moment or _moment(abs(value), since_1904)).microsecond:06d}"[past : past + 1])
        elif kind in ("literal", "sign", "digit"):
            out.append(text)
    return "".join(out)


def _date(at: datetime.datetime, text: str, *, minute: bool, half: bool) -> str:
    letter, length = text[0], len(text)
    if letter == "y" or letter == "e":
        return f"{at.year % 100:02d}" if length <= 2 and letter == "y" else f"{at.year:04d}"
    if letter == "m" and not (minute and length <= 2):
        return [str(at.month), f"{at.month:02d}", f"{at:%b}", f"{at:%B}", f"{at:%B}"[0]][min(length, 5) - 1]
    if letter == "d":
        return [str(at.day), f"{at.day:02d}", f"{at:%a}", f"{at:%A}"][min(length, 4) - 1]
    if letter in "bg":
        return ""
    number = {"m": at.minute, "s": at.second, "h": (at.hour % 12 or 12) if half else at.hour}[letter]
    return f"{number:02d}" if length > 1 else str(number)

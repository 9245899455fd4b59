"""Money and other numbers, as people and exports write them.

Knows: thousands separators, currency signs, 万, minor units.  Must not know: what is paid for.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation
from typing import Final

from profiles.cleaning.cell import NOTHING, Cleaned
from profiles.cleaning.texts import text

LARGEST: Final = 10**10  #: major units; the limit of intake
DOLLARS: Final = frozenset({"USD", "HKD", "TWD", "SGD", "AUD", "CAD", "NZD", "MXN"})
SIGNS: Final = {
    "人民币": frozenset({"CNY"}), "RMB": frozenset({"CNY"}), "CNY": frozenset({"CNY"}), "元": frozenset({"CNY"}),
    "圆": frozenset({"CNY"}), "块": frozenset({"CNY"}), "¥": frozenset({"CNY", "JPY"}), "円": frozenset({"JPY"}),
    "JPY": frozenset({"JPY"}), "美元": frozenset({"USD"}), "USD": frozenset({"USD"}), "US$": frozenset({"USD"}),
    "HK$": frozenset({"HKD"}), "HKD": frozenset({"HKD"}), "港币": frozenset({"HKD"}), "$": DOLLARS,
    "欧元": frozenset({"EUR"}), "EUR": frozenset({"EUR"}), "€": frozenset({"EUR"}), "£": frozenset({"GBP"}),
    "GBP": frozenset({"GBP"}),
}  # fmt: skip
"""How currencies are written -> the currencies it may be."""

_SIGN: Final = re.compile("|".join(re.escape(sign) for sign in sorted(SIGNS, key=len, reverse=True)), re.IGNORECASE)
_PLAIN: Final = re.compile(r"-?\d{1,14}(\.\d{1,20})?", re.ASCII)
_USUAL: Final = re.compile(r"([¥￥])?(\d{1,3}(?:,\d{3}){1,3}|\d{1,12})(\.\d{1,6})?(元)?", re.ASCII)
_THOUSANDS: Final = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?|\d{1,4}(,\d{4})+(\.\d+)?")
_DECIMAL_COMMA: Final = re.compile(r"\d{1,3}(\.\d{3})+,\d{1,2}|\d+,\d{1,2}")
_SCIENTIFIC: Final = re.compile(r"\d(\.\d+)?[eE][+-]?\d{1,2}")
_POWERS: Final = {"千": 10**3, "万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
_UNIT_WORDS: Final = re.compile(r"(件|个|次|岁|周岁|分钟|天|%|颗星|星|分)$")


def amount(value: object, currency: str = "CNY", minor_digits: int = 0) -> Cleaned:
    """An amount in major units, a float of at most 15 digits.

    ``minor_digits``: 2 if the column counts fen, 3 if it counts mils; a repair.

    >>> amount("￥1,234.50"), amount("1.2万元").value, amount(1990, minor_digits=2).value
    (Cleaned(value=1234.5, repairs=('full_width', 'currency_sign', 'thousands'), refusal=''), 12000.0, 19.9)
    >>> amount("$5").refusal, amount("(12.00)").value
    ('other_currency', -12.0)
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _scaled(float(value), (), minor_digits) if math.isfinite(value) else NOTHING
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return _scaled(float(value), (), minor_digits)
    if isinstance(value, str) and currency == "CNY" and (usual := _USUAL.fullmatch(value)):
        return _usually(*usual.groups(""), minor_digits=minor_digits)
    return written(value, currency, minor_digits)


def _usually(sign: str, major: str, minor: str, word: str, *, minor_digits: int) -> Cleaned:
    """As most shops of the country write it, and quicker."""
    repairs: tuple[str, ...] = ("full_width",) if sign == "￥" else ()
    repairs += ("currency_sign",) if sign or word else ()
    repairs += ("thousands",) if "," in major else ()
    return _scaled(float(major.replace(",", "") + minor), repairs, minor_digits)


def written(value: object, currency: str, minor_digits: int = 0) -> Cleaned:
    """``amount`` of whatever stands in the cell, the usual ways included."""
    found = text(value)
    if found.value is None:
        return found
    given, repairs = str(found.value), list(found.repairs)
    if not _PLAIN.fullmatch(given):
        signs = {sign.upper() for sign in _SIGN.findall(given)}
        if any(currency not in SIGNS[sign] for sign in signs):
            return Cleaned(refusal="other_currency")
        if signs:
            given, repairs = _SIGN.sub("", given).strip(), [*repairs, "currency_sign"]
    number = _number(given, repairs)
    return Cleaned(refusal="not_an_amount") if number is None else _scaled(number, tuple(repairs), minor_digits)


def whole(value: object) -> Cleaned:
    """A number of things; ``3.0`` and ``3 件`` are 3.

    >>> whole("３件").value, whole("a lot").refusal
    (3, 'not_a_number')
    """
    found = number(value)
    return found if found.value is None else Cleaned(round(found.value), found.repairs)


def number(value: object) -> Cleaned:
    """Any number, without a unit."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Cleaned(float(value)) if math.isfinite(value) and abs(value) < 1e15 else NOTHING
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return Cleaned(float(value))
    found = text(value)
    if found.value is None:
        return found
    repairs = list(found.repairs)
    given = _UNIT_WORDS.sub("", found.value).strip()
    if given != found.value:
        repairs.append("unit_word")
    read = _number(given, repairs)
    return Cleaned(refusal="not_a_number") if read is None else Cleaned(read, tuple(repairs))


def age(value: object) -> Cleaned:
    """Years of somebody's life.

    >>> age("28岁").value, age(200).refusal
    (28, 'impossible_age')
    """
    found = whole(value)
    if found.value is not None and not 0 < found.value <= 120:
        return Cleaned(refusal="impossible_age")
    return found


def _number(given: str, repairs: list[str]) -> float | None:
    """The number that a text writes; None if it is none.  What was mended is added to ``repairs``."""
    negative = False
    if (given[:1], given[-1:]) == ("(", ")") or (given.endswith("-") and len(given) > 1):
        given, negative = given.strip("()-").strip(), True
        repairs.append("negative_form")
    elif given[:1] in "+-" and given:
        given, negative = given[1:].strip(), given[0] == "-"
    power = 1
    if given[-1:] in _POWERS:
        given, power = given[:-1].strip(), _POWERS[given[-1]]
        repairs.append("wan")
    if _THOUSANDS.fullmatch(given):
        given = given.replace(",", "")
        repairs.append("thousands")
    elif _DECIMAL_COMMA.fullmatch(given):
        given = given.replace(".", "").replace(",", ".")
        repairs.append("decimal_comma")
    if not (_PLAIN.fullmatch(given) or _SCIENTIFIC.fullmatch(given)) or given[:1] == "-":
        return None
    try:
        read = float(Decimal(given) * power)
    except (InvalidOperation, OverflowError):
        return None
    return (-read if negative else read) if math.isfinite(read) and read < 1e15 else None


def _scaled(read: float, repairs: tuple[str, ...], minor_digits: int) -> Cleaned:
    if minor_digits:
        read, repairs = round(read / 10**minor_digits, minor_digits + 2), (*repairs, "minor_unit")
    return Cleaned(refusal="amount_too_large") if abs(read) > LARGEST else Cleaned(read + 0.0, repairs)

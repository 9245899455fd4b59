"""Phone numbers as E.164, e-mail addresses in one shape.

Knows: how both are written.  Must not know: whose they are, where they are kept.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import phonenumbers

from profiles.cleaning.cell import Cleaned
from profiles.cleaning.texts import text

LONGEST: Final = 40  #: characters of a phone number, however it is written
_CHINESE: Final = re.compile(r"(?:\+?86|0086)?(1[3-9]\d{9})")
_MOBILE: Final = re.compile(r"(1[3-9][0-9]{9})")
_SEPARATORS: Final = re.compile(r"[\s().\-/]")
_SPREADSHEET: Final = re.compile(r"(\d{7,15})\.0+")
_SCIENTIFIC: Final = re.compile(r"\d\.\d+[eE]\+?1\d")
_MASKED: Final = re.compile(r"[*xX×•]{2,}")
_PLACEHOLDERS: Final = frozenset({"13800138000", "13800000000", "13888888888", "13900000000", "12345678901"})
_EMAIL: Final = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")


def phone(value: object, region: str = "CN") -> Cleaned:
    """A phone number in E.164; ``region`` says what a number without a country code is.

    >>> phone("138-1234 1234").value, phone("１３８１２３４１２３４").value, phone("021-6217 8888").value
    ('+8613812341234', '+8613812341234', '+862162178888')
    >>> phone("13800138000").refusal, phone("138****1234").refusal
    ('placeholder_phone', 'masked')
    """
    if isinstance(value, str) and region == "CN" and (plain := _MOBILE.fullmatch(value)):
        bare = plain[1]
        return (
            Cleaned(refusal="placeholder_phone") if _stands_for_none(bare) else Cleaned(f"+86{bare}", ("phone_shape",))
        )
    found = text(value)
    if found.value is None:
        return found
    written, repairs = str(found.value), list(found.repairs)
    if spreadsheet := _SPREADSHEET.fullmatch(written):
        written = spreadsheet[1]
        repairs.append("excel_number")
    elif _SCIENTIFIC.fullmatch(written) and float(written).is_integer() and float(written) % 1000:
        written = str(int(float(written)))
        repairs.append("excel_number")
    number, refusal = _e164(written, region)
    if refusal:
        return Cleaned(refusal=refusal)
    if number != written:
        repairs.append("phone_shape")
    return Cleaned(number, tuple(repairs))


def email(value: object) -> Cleaned:
    """An e-mail address in small letters.

    >>> email(" Li.Lei＠Example.COM ").value, email("li.lei@example").refusal
    ('li.lei@example.com', 'not_an_email')
    """
    found = text(value)
    if found.value is None:
        return found
    plain = found.value.lower().removeprefix("mailto:").strip(" <>,;\"'").replace("。", ".")
    if _MASKED.search(plain.partition("@")[0]) and "*" in plain:
        return Cleaned(refusal="masked")
    if len(plain) > 254 or ".." in plain or not _EMAIL.fullmatch(plain) or plain[0] == "." or ".@" in plain:
        return Cleaned(refusal="not_an_email")
    return Cleaned(plain, found.repairs if plain == found.value else (*found.repairs, "email_shape"))


@lru_cache(maxsize=100_000)
def _e164(written: str, region: str) -> tuple[str, str]:
    """(E.164, "") or ("", why not).  Chinese mobiles, nearly all of them in China, need no library."""
    if len(written) > LONGEST:
        return "", "not_a_phone"
    if _MASKED.search(written):
        return "", "masked"
    bare = _SEPARATORS.sub("", written)
    chinese = _CHINESE.fullmatch(bare) if region == "CN" or bare.startswith(("+86", "0086")) else None
    if chinese:
        national = chinese[1]
        return ("", "placeholder_phone") if _stands_for_none(national) else (f"+86{national}", "")
    try:
        parsed = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return "", "not_a_phone"
    national = str(parsed.national_number)
    if _stands_for_none(national):
        return "", "placeholder_phone"
    if not phonenumbers.is_valid_number(parsed):
        return "", "not_a_phone"
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164), ""


def _stands_for_none(national: str) -> bool:
    return national in _PLACEHOLDERS or len(set(national[2:])) <= 1 or national in "1234567890123456789"

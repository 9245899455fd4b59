"""Texts: blanks, full-width forms, what cannot be seen, and what says nothing.

Knows: Unicode.  Must not know: what a text is about.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Final

from profiles.cleaning.cell import NOTHING, Cleaned

SAYS_NOTHING: Final = frozenset(
    {"", "null", "none", "nan", "nat", "na", "n/a", "#n/a", "<na>", "nil", "undefined", "-", "--", "\\n", "无", "暂无", "空", "未知"}
)  # fmt: skip
LONGEST: Final = 40  #: digits of a number
ROUNDS: Final = 4  #: taking something out may bring characters together that Unicode then joins
_INVISIBLE: Final = re.compile(
    "[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u00ad]|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]"
)
_BLANKS: Final = re.compile(r"\s+")
_WHOLE_FLOAT: Final = re.compile(r"-?\d+\.0+")


def spelled(value: object) -> str:
    """Any cell as text; whole numbers of spreadsheets have no point, and what is not there is empty.

    >>> spelled(17850.0), spelled(None), spelled(float("nan")), spelled(" a ")
    ('17850', '', '', ' a ')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() and abs(value.adjusted()) < LONGEST else ""
    if value is None or isinstance(value, (list, dict, tuple, set)) or value != value:  # noqa: PLR0124 - NaN and NaT are what does not equal itself
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            return ""
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value) if not isinstance(value, int) or abs(value) < 10**LONGEST else ""


def text(value: object) -> Cleaned:
    r"""A name or an id: NFKC, no superfluous blanks, nothing that cannot be seen.

    >>> text("　ＶＩＰ　客户\u200b ").value
    'VIP 客户'
    """
    given = value if type(value) is str else spelled(value)
    if given.isascii() and given.isprintable() and "  " not in given and given == given.strip():
        return NOTHING if given.lower() in SAYS_NOTHING else Cleaned(given)
    return _mended(given)


@lru_cache(maxsize=50_000)
def _mended(given: str) -> Cleaned:
    if "\ufffd" in given:
        return Cleaned(refusal="undecodable")
    repairs: list[str] = []
    now = given
    for _ in range(ROUNDS):
        before = now
        for code, change in _CHANGES:
            after = change(now)
            if after != now and code not in repairs:
                repairs.append(code)
            now = after
        if now == before:
            break
    return NOTHING if now.lower() in SAYS_NOTHING else Cleaned(now, tuple(repairs))


def identity(value: object) -> Cleaned:
    """An id; a spreadsheet may have made a number of it.

    >>> identity("17850.0"), identity("０００７").value
    (Cleaned(value='17850', repairs=('excel_number',), refusal=''), '0007')
    """
    found = text(value)
    if found.value is not None and "." in found.value and _WHOLE_FLOAT.fullmatch(found.value):
        return Cleaned(found.value.partition(".")[0], (*found.repairs, "excel_number"))
    return found


def words(value: object) -> Cleaned:
    """What somebody wrote in their own words: only what cannot be seen goes.

    >>> words(" 很好，下次还来！ ").value
    '很好，下次还来！'
    """
    given = spelled(value)
    if "\ufffd" in given:
        return Cleaned(refusal="undecodable")
    now = _INVISIBLE.sub("", given).strip()
    repairs = ("invisible",) if _INVISIBLE.search(given) else ()
    return NOTHING if now.lower() in SAYS_NOTHING else Cleaned(now, repairs)


_CHANGES: Final[tuple[tuple[str, Callable[[str], str]], ...]] = (
    ("invisible", lambda given: _INVISIBLE.sub("", given)),
    ("full_width", lambda given: unicodedata.normalize("NFKC", given)),
    ("whitespace", lambda given: _BLANKS.sub(" ", given).strip()),
)

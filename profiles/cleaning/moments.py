"""Dates and times, however they are written, as milliseconds since 1970.

Knows: shapes of dates, spreadsheets' serial numbers, time zones.
Must not know: what time it is (``now`` is told), what happened then.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from profiles.cleaning.cell import Cleaned
from profiles.cleaning.texts import text
from profiles.clock import MINUTE, Millis

EARLIEST: Final = 946_684_800_000  #: 2000-01-01; as intake
SLACK: Final = 5 * MINUTE  #: how far another clock may be ahead
SERIALS: Final = (36_526.0, 73_051.0)  #: serial dates of 2000 and 2100
PLACEHOLDERS: Final = frozenset({(1, 1, 1), (1900, 1, 1), (1970, 1, 1), (9999, 12, 31)})
_SERIAL_ZERO: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - a serial is local time
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS: Final = {
    name: i + 1
    for i, name in enumerate(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"))
}

_TIME: Final = (
    r"(?:[\sT,]*(?P<half>上午|下午|中午|凌晨|早上|晚上)?\s*(?P<hour>\d{1,2})\s*[:时点]\s*(?P<minute>\d{1,2})?"
    r"(?:\s*[:分]\s*(?P<second>\d{1,2})?(?:\.(?P<part>\d{1,9}))?秒?)?\s*(?P<ampm>[aApP]\.?[mM]\.?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?"
)
_YEAR_FIRST: Final = re.compile(
    r"(?P<year>\d{4})\s*[-/.年]\s*(?P<month>\d{1,2})\s*[-/.月]\s*(?P<day>\d{1,2})\s*[日号]?" + _TIME
)
_YEAR_LAST: Final = re.compile(r"(?P<one>\d{1,2})[-/.](?P<two>\d{1,2})[-/.](?P<year>\d{4})" + _TIME)
_NAMED: Final = re.compile(
    r"(?:(?P<day>\d{1,2})[-\s](?P<name>[A-Za-z]{3})[a-z]*|(?P<name2>[A-Za-z]{3})[a-z]*\.?\s(?P<day2>\d{1,2}),?)"
    r"[-\s](?P<year>\d{4})" + _TIME
)
_COMPACT: Final = re.compile(r"((?:19|20|21)\d\d)(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?")
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")


class Local(NamedTuple):
    """What a source says of its dates: its zone, and whether ``03/04/2026`` begins with the day."""

    zone: ZoneInfo
    day_first: bool | None = None


def moment(value: object, local: Local, now: Millis) -> Cleaned:
    """When something happened, as UTC milliseconds; between the year 2000 and ``now``.

    >>> shanghai = Local(ZoneInfo("Asia/Shanghai"))
    >>> [
    ...     moment(each, shanghai, 1_800_000_000_000).value
    ...     for each in ("2026/1/3 8:05", "2026年1月3日 8时5分", 46025.336805556)
    ... ]
    [1767398700000, 1767398700000, 1767398700000]
    """
    read, repairs, refusal = _read(value, local)
    if refusal or read is None:
        return Cleaned(refusal=refusal)
    millis = read if isinstance(read, int) else _millis(read, local.zone)
    if millis is None or (isinstance(read, datetime) and (read.year, read.month, read.day) in PLACEHOLDERS):
        return Cleaned(refusal="placeholder_date")
    if millis < EARLIEST:
        return Cleaned(refusal="placeholder_date" if millis == 0 else "too_old")
    return Cleaned(refusal="in_future") if millis > now + SLACK else Cleaned(millis, repairs)


def day(value: object, local: Local, now: Millis) -> Cleaned:
    """A date of somebody's life, as ``1990-02-28``; from 1900 to ``now``.

    >>> day("1990年2月28日", Local(ZoneInfo("Asia/Shanghai")), 1_800_000_000_000).value
    '1990-02-28'
    """
    read, repairs, refusal = _read(value, local, birthdays=True)
    if refusal or read is None:
        return Cleaned(refusal=refusal)
    try:
        at = (_EPOCH + timedelta(milliseconds=read)).astimezone(local.zone) if isinstance(read, int) else read
        today = (_EPOCH + timedelta(milliseconds=now)).astimezone(local.zone).date()
    except (OverflowError, ValueError):
        return Cleaned(refusal="impossible_date")
    if (at.year, at.month, at.day) in PLACEHOLDERS:
        return Cleaned(refusal="placeholder_date")
    if at.year < 1900 or at.date() > today:
        return Cleaned(refusal="in_future" if at.date() > today else "impossible_date")
    return Cleaned(at.date().isoformat(), repairs)


_Read = tuple[datetime | int | None, tuple[str, ...], str]  #: local time or milliseconds, repairs, refusal


def _read(value: object, local: Local, *, birthdays: bool = False) -> _Read:
    if isinstance(value, datetime):
        return (value, (), "") if value == value else (None, (), "")  # noqa: PLR0124 - NaT
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day), (), ""  # noqa: DTZ001 - local
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _numbered(float(value), value == int(value), birthdays) if math.isfinite(value) else (None, (), "")
    if isinstance(value, str) and (plain := _iso(value)) is not None:
        return plain, (), ""
    found = text(value)
    if found.value is None:
        return None, (), found.refusal
    given = str(found.value)
    if (plain := _iso(given)) is not None:
        return plain, found.repairs, ""
    if compact := _COMPACT.fullmatch(given):
        return _made(*(int(part or 0) for part in compact.groups()), repairs=(*found.repairs, "date_shape"))
    if _NUMBER.fullmatch(given):
        at, repairs, refusal = _numbered(float(given), "." not in given, birthdays)
        return at, (*found.repairs, *repairs), refusal
    return _shaped(given, local, (*found.repairs, "date_shape"))


def _iso(given: str) -> datetime | None:
    """The usual shape at the usual length only: ``fromisoformat`` also takes weeks and commas."""
    if len(given) < 10 or given[4] != "-" or given[7] != "-":
        return None
    try:
        return datetime.fromisoformat(given)
    except ValueError:
        return None


def _numbered(given: float, is_whole: bool, birthdays: bool) -> _Read:
    """A number that stands for a time: a serial date, a compact date, or time since 1970."""
    if SERIALS[0] <= given < SERIALS[1] or (birthdays and 1 < given < SERIALS[1]):
        at = _SERIAL_ZERO + timedelta(milliseconds=round(given * 86_400) * 1000)
        return at, ("excel_serial",), ""
    if is_whole and (compact := _COMPACT.fullmatch(str(int(given)))):
        return _made(*(int(part or 0) for part in compact.groups()), repairs=("date_shape",))
    if given == 0:
        return None, (), "placeholder_date"
    size = abs(given)
    for low, high, factor in ((1e8, 1e10, 1000.0), (1e11, 1e14, 1.0), (1e14, 1e17, 1e-3), (1e17, 1e20, 1e-6)):
        if low <= size < high:
            return int(given * factor), () if factor == 1 else ("epoch",), ""
    return None, (), "not_a_date"


def _shaped(given: str, local: Local, repairs: tuple[str, ...]) -> _Read:
    if match := _YEAR_FIRST.fullmatch(given):
        return _timed(match, int(match["year"]), int(match["month"]), int(match["day"]), repairs)
    if match := _NAMED.fullmatch(given):
        month = _MONTHS.get((match["name"] or match["name2"]).lower())
        if month is not None:
            return _timed(match, int(match["year"]), month, int(match["day"] or match["day2"]), repairs)
    if match := _YEAR_LAST.fullmatch(given):
        one, two = int(match["one"]), int(match["two"])
        day_first = local.day_first if local.day_first is not None else one > 12 if max(one, two) > 12 else None
        if day_first is None and one != two:
            return None, (), "ambiguous_date"
        return _timed(match, int(match["year"]), *((two, one) if day_first else (one, two)), repairs)
    return None, (), "not_a_date"


def _timed(match: re.Match[str], year: int, month: int, day_: int, repairs: tuple[str, ...]) -> _Read:
    hour, half = int(match["hour"] or 0), (match["half"] or match["ampm"] or "").lower().replace(".", "")
    if half in ("下午", "晚上", "pm", "中午") and hour < 12 and not (half == "中午" and hour > 10):
        hour += 12
    elif half in ("上午", "凌晨", "早上", "am") and hour == 12:
        hour = 0
    micro = int((match["part"] or "").ljust(6, "0")[:6])
    read, repairs, refusal = _made(
        year, month, day_, hour, int(match["minute"] or 0), int(match["second"] or 0), micro, repairs=repairs
    )
    if isinstance(read, datetime) and match["zone"]:
        read = read.replace(tzinfo=UTC) + _behind(match["zone"])
    return read, repairs, refusal


def _behind(zone: str) -> timedelta:
    """What has to be added to a time of a zone to have it in UTC."""
    if zone in ("Z", "UTC", "GMT"):
        return timedelta()
    digits = zone[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return offset if zone[0] == "-" else -offset


def _made(*parts: int, repairs: tuple[str, ...]) -> _Read:
    if not any(parts[:3]):
        return None, (), "placeholder_date"
    try:
        return datetime(*parts), repairs, ""  # type: ignore[arg-type]  # noqa: DTZ001 - the caller knows the zone
    except ValueError:
        return None, (), "impossible_date"


def _millis(at: datetime, zone: ZoneInfo) -> Millis | None:
    try:
        aware = at if at.tzinfo else at.replace(tzinfo=zone)
        since = aware - _EPOCH
    except (OverflowError, ValueError):
        return None
    return since // timedelta(milliseconds=1)

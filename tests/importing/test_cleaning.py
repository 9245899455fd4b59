"""Cleaning: whatever a cell holds, it never raises, and what it gave back it leaves alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from profiles.cleaning.amounts import age, amount, number, whole, written
from profiles.cleaning.cell import REFUSALS, REPAIRS, Cleaned
from profiles.cleaning.contacts import email, phone
from profiles.cleaning.moments import EARLIEST, Local, day, moment
from profiles.cleaning.texts import identity, text, words

SHANGHAI: Final = Local(ZoneInfo("Asia/Shanghai"))
NOW: Final = 1_795_000_000_000  #: November 2026
CLEANERS: Final[dict[str, Callable[[object], Cleaned]]] = {
    "text": text,
    "identity": identity,
    "words": words,
    "amount": amount,
    "number": number,
    "whole": whole,
    "age": age,
    "phone": phone,
    "email": email,
    "moment": lambda value: moment(value, SHANGHAI, NOW),
    "day": lambda value: day(value, SHANGHAI, NOW),
}
ODD: Final = st.text(alphabet="0123456789-/.:年月日时分秒上下午 TZ+,¥￥$元万亿()eE%@abx*＋－０１２ \u3000\u200b\ufeff")
CELLS: Final = (
    st.text()
    | ODD
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.none()
    | st.dates()
    | st.datetimes()
    | st.decimals()
)


@pytest.mark.parametrize("name", CLEANERS)
@given(value=CELLS)
def test_no_cell_makes_a_cleaner_raise(name: str, value: object) -> None:
    found = CLEANERS[name](value)
    assert set(found.repairs) <= REPAIRS.keys()
    assert found.refusal in {"", *REFUSALS}
    assert found.value is None or not found.refusal


@pytest.mark.parametrize("name", CLEANERS)
@given(value=CELLS)
def test_what_was_cleaned_is_left_alone(name: str, value: object) -> None:
    first = CLEANERS[name](value)
    if first.value is not None:
        assert CLEANERS[name](first.value) == Cleaned(first.value)


@given(st.datetimes(min_value=datetime(2000, 1, 2), max_value=datetime(2026, 11, 1)))  # noqa: DTZ001 - local on purpose
def test_a_moment_is_the_same_in_every_shape(at: datetime) -> None:
    at = at.replace(microsecond=0, fold=0)
    millis = round((at.replace(tzinfo=SHANGHAI.zone) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
    serial = (at - datetime(1899, 12, 30)) / timedelta(days=1)  # noqa: DTZ001 - a serial is local
    shapes: list[Any] = [
        at,
        at.isoformat(" "),
        f"{at.year}/{at.month}/{at.day} {at.hour}:{at:%M:%S}",
        f"{at.year}.{at.month}.{at.day} {at.hour}:{at:%M:%S}",
        f"{at.year}年{at.month}月{at.day}日 {at.hour}时{at.minute}分{at.second}秒",
        f"{at:%Y%m%d%H%M%S}",
        f"{at:%d-%b-%Y %H:%M:%S}",
        f"{at:%b %d, %Y %I:%M:%S %p}",
        serial,
        repr(serial),
        millis,
        millis // 1000,
        str(millis),
        float(millis),
        millis * 1000,
        at.replace(tzinfo=SHANGHAI.zone).isoformat(),
        at.replace(tzinfo=SHANGHAI.zone).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        at.replace(tzinfo=SHANGHAI.zone).astimezone(UTC).strftime("%Y/%m/%d %H:%M:%S+0000"),
    ]
    assert [moment(each, SHANGHAI, NOW).value for each in shapes] == [millis] * len(shapes), shapes


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("2026-02-30", "impossible_date"),
        ("2026/13/01", "impossible_date"),
        ("2026-01-01 25:00", "impossible_date"),
        ("20260231", "impossible_date"),
        ("1970-01-01", "placeholder_date"),
        ("0000-00-00", "placeholder_date"),
        ("9999-12-31", "placeholder_date"),
        (0, "placeholder_date"),
        ("1999-12-31", "too_old"),
        ("2027-01-01", "in_future"),
        ("03/04/2026", "ambiguous_date"),
        ("yesterday", "not_a_date"),
        ("12", "not_a_date"),
    ],
)
def test_dates_that_never_were_are_refused_with_their_reason(given: object, code: str) -> None:
    assert moment(given, SHANGHAI, NOW).refusal == code


def test_a_source_may_say_that_the_day_comes_first() -> None:
    expected = moment("2026-04-03", SHANGHAI, NOW).value
    assert moment("03/04/2026", Local(SHANGHAI.zone, day_first=True), NOW).value == expected
    assert moment("04/03/2026", Local(SHANGHAI.zone, day_first=False), NOW).value == expected
    assert moment("31/12/2025", SHANGHAI, NOW).value == moment("2025-12-31", SHANGHAI, NOW).value


@given(st.integers(EARLIEST, NOW))
def test_milliseconds_are_taken_as_they_are(millis: int) -> None:
    assert moment(millis, SHANGHAI, NOW) == Cleaned(millis)


@given(st.decimals(min_value=0, max_value=10**9, places=2))
def test_an_amount_is_the_same_in_every_shape(value: Decimal) -> None:
    shapes: list[Any] = [
        f"{value}", f"{value:,}", f"¥{value:,}", f"￥ {value}", f"{value}元", f"RMB {value}", f"CNY{value}", f" {value} ",
        f"人民币{value:,}元", f"{value}".translate(str.maketrans("0123456789.", "０１２３４５６７８９．")), float(value),
    ]  # fmt: skip
    assert [amount(each).value for each in shapes] == [float(value)] * len(shapes)
    assert amount(int(value * 100), minor_digits=2).value == pytest.approx(float(value), abs=1e-6)


@given(
    st.from_regex(r"[¥￥]?[0-9]{1,4}(,[0-9]{3,4})*(\.[0-9]{1,7})?元?", fullmatch=True),
    st.sampled_from(["CNY", "JPY"]),
    st.sampled_from([0, 2]),
)
@example("￥1,234.50元", "CNY", 2)
@example("99,999,999,999.99", "CNY", 0)
def test_an_amount_written_as_usual_is_what_it_is_by_all_rules(given: str, currency: str, minor_digits: int) -> None:
    """Nearly all amounts take the short way; it must not be another one."""
    plain = re.fullmatch(r"[0-9]+(\.[0-9]+)?", given)  # needs no rules at all
    assert plain or amount(given, currency, minor_digits) == written(given, currency, minor_digits)


@pytest.mark.parametrize(
    ("given", "expected"),
    [("1.2万", 12_000), ("3亿元", 300_000_000), ("(1,234.50)", -1234.5), ("12-", -12), ("1.234,56", 1234.56), ("12,5", 12.5),
     ("1.2E+05", 120_000), ("1,2345.6", 12_345.6)],
)  # fmt: skip
def test_amounts_as_people_write_them(given: str, expected: float) -> None:
    assert amount(given).value == expected


@pytest.mark.parametrize(("given", "code"), [("$5", "other_currency"), ("5 USD", "other_currency"), ("abc", "not_an_amount"),
                                             ("5%", "not_an_amount"), ("1,23,4", "not_an_amount"), ("99999999999", "amount_too_large")])  # fmt: skip
def test_amounts_that_cannot_be_added_up_are_refused(given: str, code: str) -> None:
    assert amount(given).refusal == code


@given(st.sampled_from("3456789"), st.integers(0, 10**9 - 1))
def test_a_chinese_mobile_is_what_the_library_says(second: str, rest: int) -> None:
    """Nearly all phones take the short way; it must not be another one."""
    national = f"1{second}{rest:09d}"
    found = phone(national)
    parsed = phonenumbers.parse(national, "CN")
    if found.refusal == "placeholder_phone":
        return
    assert found.value == phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def test_phones_of_other_countries_need_their_code_or_region() -> None:
    assert phone("+1 (415) 555-2671").value == "+14155552671"
    assert phone("415-555-2671", region="US").value == "+14155552671"
    assert phone("0086 138 1234 1234").value == "+8613812341234"
    assert phone(13812341234.0).value == "+8613812341234"
    assert phone("13579").refusal == "not_a_phone"


def test_nobody_is_two_hundred_years_old_and_nobody_was_born_tomorrow() -> None:
    assert [age(each).refusal for each in (0, -3, 121, 999)] == ["impossible_age"] * 4
    assert age("２８岁").value == 28
    assert day("1990/2/28", SHANGHAI, NOW).value == "1990-02-28"
    assert day("1899-05-05", SHANGHAI, NOW).refusal == "impossible_date"
    assert day("2030-01-01", SHANGHAI, NOW).refusal == "in_future"
    assert day(date(1990, 2, 28), SHANGHAI, NOW).value == "1990-02-28"


def test_every_reason_has_a_sentence_in_both_languages() -> None:
    assert all(zh and en for zh, en in (*REPAIRS.values(), *REFUSALS.values()))
    assert not REPAIRS.keys() & REFUSALS.keys()


def test_the_page_on_imports_explains_every_reason() -> None:
    page = (Path(__file__).parents[2] / "docs" / "import.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE)) == {*REPAIRS, *REFUSALS}

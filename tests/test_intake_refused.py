"""What intake turns away, each with a reason that can be counted, and what it lets through only masked."""

from __future__ import annotations

from typing import Any

import pytest

from profiles.errors import Rejected
from profiles.intake import EVENT_LIMIT
from tests.test_intake import order, read, track


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "invalid_json"),
        (b"not json", "invalid_json"),
        (b'{"type":"page","userId":"u"', "invalid_json"),
        (b'{"type":"page","userId":"\xff\xfe"}', "invalid_json"),
        (b'{"type":"track","event":"Order Completed","userId":"u","properties":{"revenue":NaN}}', "invalid_json"),
        (b'{"type":"track","event":"Order Completed","userId":"u","properties":{"revenue":Infinity}}', "invalid_json"),
        (b'{"type":"identify","userId":"u","traits":{"a":' + b"[" * 15_000 + b"]" * 15_000 + b"}}", "invalid_json"),
        (b"[]", "wrong_type"),
        (b"null", "wrong_type"),
        (b'"page"', "wrong_type"),
        ({"type": "page", "userId": ["u"]}, "wrong_type"),
        ({"type": 7, "userId": "u"}, "wrong_type"),
        (track(properties=[]), "wrong_type"),
        (track(timestamp="yesterday"), "wrong_type"),
        (order(products={"price": 1}), "wrong_type"),
        (order(revenue=True), "wrong_type"),
        ({"type": "page"}, "missing_id"),
        ({"type": "page", "userId": ""}, "missing_id"),
        ({"type": "page", "userId": " NULL ", "anonymousId": "undefined"}, "missing_id"),
        ({"type": "page", "userId": 0}, "missing_id"),
        ({"type": "page", "userId": "x" * 10_000}, "id_too_long"),
        ({"type": "page", "userId": "张" * 86}, "id_too_long"),
        ({"type": "page", "userId": "a\nb"}, "bad_id"),
        ({"type": "page", "userId": "a\u0000b"}, "bad_id"),
        (track(""), "missing_event"),
        (track("   "), "missing_event"),
        ({"type": "track", "userId": "u"}, "missing_event"),
        ({"type": "purchase", "userId": "u"}, "unknown_type"),
        (order(revenue=-1), "negative_amount"),
        (order(revenue="-12.50"), "negative_amount"),
        (order(discount=-1), "negative_amount"),
        (order(revenue=1e11), "amount_too_large"),
        (order(revenue="1e999"), "not_a_number"),
        (order(revenue="NaN"), "not_a_number"),
        (order(revenue="-Infinity"), "not_a_number"),
        (order(revenue="twelve"), "not_a_number"),
        (order(revenue=1e300), "not_a_number"),
        (order(products=[{"price": 1e9, "quantity": 1e14}]), "amount_too_large"),
        (order(products=[{"price": 1e9}] * 40), "amount_too_large"),
        (order(revenue=1, currency="GBP"), "unknown_currency"),
        (order(revenue=1, currency="人民币"), "unknown_currency"),
        (track(timestamp="1970-01-01T00:00:00Z"), "time_implausible"),
        (track(timestamp="0001-01-01T00:00:00"), "time_implausible"),
        (track(timestamp=1), "time_implausible"),
        (track(timestamp=-5e12), "time_implausible"),
        (track(timestamp=1e300), "time_implausible"),
        (track(properties={"note": "x" * EVENT_LIMIT}), "event_too_large"),
        (b"x" * (1 << 20), "event_too_large"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_a_reason_that_can_be_counted(raw: Any, reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        read(raw)
    assert refused.value.reason == reason
    assert refused.value.detail
    assert len(refused.value.detail) < 1000, "a detail is a sentence, not the record"


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("phone", "13812341234", "138****1234"),
        ("phone", "+86 138 1234 1234", "138****1234"),
        ("Phone_Number", "13812341234", "138****1234"),
        ("mobilePhone", 13812341234, "138****1234"),
        ("手机号", "13812341234", "138****1234"),
        ("contact", "13812341234", "138****1234"),
        ("whatsapp", "+1 (212) 555-0100", "121****0100"),
        ("email", "li.lei@example.com", "l***@example.com"),
        ("emailAddress", "li.lei@example.com", "l***@example.com"),
        ("login", "li.lei@example.com", "l***@example.com"),
        ("note", "write to li.lei@example.com", "***"),
        ("email", "not an address", "***"),
        ("name", "张伟", "张*"),
        ("firstName", "Ludmilla", "L****"),
        ("姓名", "张伟", "张*"),
        ("address", "中山路 1 号", "***"),
        ("Birthday", "1990-01-01", "***"),
        ("id_card", "310101199001011234", "***"),
    ],
)
def test_personal_traits_are_masked_at_the_door(key: str, value: Any, shown: str) -> None:
    """By their names, and, when they look like a phone number or an e-mail, whatever they are called."""
    for message in ({"traits": {key: value}}, {"context": {"traits": {key: value}}}):
        event = read({"type": "identify", "userId": "hh-1", **message})
        assert dict(event.patch) == {key: shown}
        assert event.traits == ()

"""What intake makes of single records: the good ones, the odd ones, and why the others are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import pytest

from profiles.clock import DAY, HOUR, MINUTE, SECOND
from profiles.intake import Event, Intake
from profiles.kinds import Channel, Kind
from profiles.stable import code_of, message_key

NOW: Final = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC, 22:13:20 in Shanghai
SHOP: Final = Intake("CNY", "Asia/Shanghai", {"USD": 7.0, "JPY": 0.05})


def read(raw: bytes | dict[str, Any], received: int = NOW, shop: Intake = SHOP) -> Event:
    return shop.read(raw if isinstance(raw, bytes) else msgspec.json.encode(raw), received)


def track(event: str = "Product Viewed", /, **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": event, "userId": "hh-1", **more}


def order(**properties: Any) -> dict[str, Any]:
    return track("Order Completed", properties=properties)


def at(text: str) -> int:
    """UTC milliseconds of a moment written down."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (track("Product Viewed"), Kind.VIEW),
        (track("  pRODUCT viewed "), Kind.VIEW),
        (track("Order Updated"), Kind.ORDER),
        (track("Order Cancelled"), Kind.CANCEL),
        (track("下单成功"), Kind.OTHER),
        (track("🛒🎉"), Kind.OTHER),
        ({"event": "Signed In", "userId": "hh-1"}, Kind.LOGIN),
        ({"type": "page", "userId": "hh-1"}, Kind.VISIT),
        ({"type": "screen", "userId": "hh-1"}, Kind.VISIT),
        ({"type": "identify", "userId": "hh-1", "traits": {"age": 30}}, Kind.IDENTIFY),
        ({"type": "alias", "userId": "hh-1"}, Kind.IDENTIFY),
    ],
)
def test_names_and_calls_become_kinds(message: dict[str, Any], kind: Kind) -> None:
    """An event name nobody mapped still proves that the customer is there."""
    assert read(message).kind is kind


@pytest.mark.parametrize(
    ("message", "profile"),
    [
        ({"userId": "hh-1"}, "hh-1"),
        ({"userId": " hh-1 "}, "hh-1"),
        ({"userId": 42}, "42"),
        ({"anonymousId": "a-1"}, "anon:a-1"),
        ({"userId": "hh-1", "anonymousId": "a-1"}, "hh-1"),
        ({"userId": "null", "anonymousId": "a-1"}, "anon:a-1"),
        ({"userId": "", "anonymousId": "a-1"}, "anon:a-1"),
        ({"userId": None, "anonymousId": "a-1"}, "anon:a-1"),
        ({"userId": "张伟🐼𠮷"}, "张伟🐼𠮷"),
        ({"userId": "x" * 256}, "x" * 256),
    ],
)
def test_the_customer_is_named_by_the_first_id_that_names_anybody(message: dict[str, Any], profile: str) -> None:
    assert read({"type": "page", **message}).profile == profile


@pytest.mark.parametrize(
    ("properties", "amount"),
    [
        ({"revenue": 12.34}, 1234),
        ({"revenue": "12.34"}, 1234),
        ({"revenue": 0}, 0),
        ({"revenue": 19.99, "total": 25}, 1999),
        ({"subtotal": 30, "total": 40}, 3000),
        ({"total": 40, "shipping": 8, "tax": 2.5}, 2950),
        ({"total": 5, "shipping": 8}, 0),
        ({"value": 7}, 700),
        ({"revenue": "", "total": 9}, 900),
        ({"revenue": 10, "currency": "USD"}, 7000),
        ({"revenue": 10, "currency": "usd"}, 7000),
        ({"revenue": 1000, "currency": "JPY"}, 5000),
        ({"products": [{"price": 1.5, "quantity": 3}, {"price": "2.25"}]}, 675),
        ({"products": [{"price": 10}], "discount": 4}, 600),
        ({"products": [{"price": 10}], "discount": 40}, 0),
        ({"products": [{"price": 10, "quantity": -3}]}, 0),
        ({}, 0),
        ({"revenue": 1e10}, 10**12),
    ],
)
def test_an_order_is_worth_what_the_spec_says_to_the_cent(properties: dict[str, Any], amount: int) -> None:
    assert read(order(**properties)).amount == amount


def test_money_is_counted_in_the_minor_units_that_the_currency_has() -> None:
    assert read(order(revenue=1200), shop=Intake("JPY", "Asia/Tokyo")).amount == 1200
    assert read(order(revenue=1.234), shop=Intake("KWD", "Asia/Kuwait")).amount == 1234


def test_only_orders_and_refunds_carry_money() -> None:
    assert read(track("Product Viewed", properties={"price": 10, "revenue": 10})).amount == 0
    assert read(track("Order Refunded", properties={"total": 10})).amount == 1000


@pytest.mark.parametrize(
    ("properties", "quantity", "discount"),
    [
        ({"products": [{"quantity": 2}, {}, {"quantity": "3"}]}, 6, 0),
        ({"products": [{"quantity": -2}]}, 0, 0),
        ({"products": [{"quantity": 10**9}]}, 10**6, 0),
        ({"quantity": 4}, 4, 0),
        ({"discount": "1.05"}, 1, 105),
    ],
)
def test_items_and_discounts_of_an_order(properties: dict[str, Any], quantity: int, discount: int) -> None:
    event = read(order(**properties))
    assert (event.quantity, event.discount) == (quantity, discount)


@pytest.mark.parametrize(("stars", "rating"), [(5, 5), ("4", 4), (4.6, 5), (9, 5), (-1, 0), (None, 0)])
def test_stars_are_kept_between_nothing_and_five(stars: Any, rating: int) -> None:
    assert read(track("Product Reviewed", properties={"rating": stars})).rating == rating


@pytest.mark.parametrize(
    ("stamps", "time"),
    [
        ({}, NOW),
        ({"timestamp": "2026-09-21T14:00:00Z"}, at("2026-09-21T14:00:00")),
        ({"timestamp": "2026-09-21T22:00:00+08:00"}, at("2026-09-21T14:00:00")),
        ({"timestamp": "2026-09-21T22:00:00"}, at("2026-09-21T14:00:00")),  # no zone: the shop's
        ({"timestamp": "2026-09-21T14:00:00.123456Z"}, at("2026-09-21T14:00:00.123")),
        ({"timestamp": NOW - HOUR}, NOW - HOUR),
        ({"timestamp": (NOW - HOUR) // 1000}, NOW - HOUR),
        ({"timestamp": (NOW - HOUR) / 1000 + 0.25}, NOW - HOUR + 250),
        ({"timestamp": NOW - 2 * DAY, "originalTimestamp": NOW - 3 * DAY}, NOW - 3 * DAY),
        ({"timestamp": "2099-01-01T00:00:00Z"}, NOW),
        ({"timestamp": "9999-12-31T23:59:59Z"}, NOW),
        ({"timestamp": NOW + 4 * MINUTE}, NOW + 4 * MINUTE),
        ({"timestamp": NOW + 6 * MINUTE}, NOW),
        # sentAt tells how wrong the device's clock is: here it is two hours ahead, two hours behind, 70 years ahead
        ({"timestamp": NOW + HOUR, "sentAt": NOW + 2 * HOUR}, NOW - HOUR),
        ({"timestamp": NOW - 3 * HOUR, "sentAt": NOW - 2 * HOUR}, NOW - HOUR),
        ({"timestamp": "2096-09-21T14:13:10Z", "sentAt": "2096-09-21T14:13:20Z"}, NOW - 10 * SECOND),
        # half a minute is the network, a day or more is a phone that was off, or an import
        ({"timestamp": NOW - HOUR, "sentAt": NOW - 30 * SECOND}, NOW - HOUR),
        ({"timestamp": NOW - 3 * DAY, "sentAt": NOW - 2 * DAY}, NOW - 3 * DAY),
    ],
)
def test_when_it_happened(stamps: dict[str, Any], time: int) -> None:
    """Device clocks are corrected, the future is not believed, and a time without a zone is the shop's."""
    assert read(track(**stamps)).time == time


def test_a_time_without_a_zone_is_read_on_the_shops_clock_in_summer_too() -> None:
    shop = Intake("USD", "America/New_York")
    assert read(track(timestamp="2026-07-01T12:00:00"), shop=shop).time == at("2026-07-01T16:00:00")
    assert read(track(timestamp="2026-01-01T12:00:00"), shop=shop).time == at("2026-01-01T17:00:00")


@pytest.mark.parametrize(
    ("where", "channel"),
    [
        ({"context": {"channel": "iOS"}}, Channel.APP),
        ({"channel": "pos"}, Channel.STORE),
        ({"channel": "web", "context": {"channel": "wechat"}}, Channel.MINI_PROGRAM),
        ({"channel": "carrier pigeon"}, Channel.UNKNOWN),
        ({}, Channel.UNKNOWN),
    ],
)
def test_where_it_happened(where: dict[str, Any], channel: Channel) -> None:
    assert read(track(**where)).channel is channel


def test_what_it_was_about() -> None:
    """Categories, brands and items by name; what is not said, or empty, is no name."""
    products = [{"product_id": 7, "category": "乳品", "brand": " Aral "}, {"sku": "S", "category": "", "brand": "  "}]
    event = read(track(properties={"products": products}))
    assert event.lines == ((code_of("乳品"), code_of("Aral"), code_of("7")), (0, 0, code_of("S")))
    assert dict(event.names) == {code_of(name): name for name in ("乳品", "Aral", "7", "S")}
    assert read(track(properties={"product_id": 7, "brand": "B"})).lines == ((0, code_of("B"), code_of("7")),)


def test_traits_are_counted_by_code_and_kept_in_words() -> None:
    given = {
        "age": "34",
        "city": " 上海 ",
        "member_level": "gold",
        "vip": True,
        "tags": ["a"],
        "nick": None,
        "bad": 2**70,
    }
    event = read({"type": "identify", "userId": "hh-1", "traits": given})
    assert [value for _, value in event.traits] == [34, code_of("上海"), code_of("gold")]
    assert dict(event.patch) == {"age": 34, "city": "上海", "member_level": "gold", "vip": True}


@pytest.mark.parametrize("age", ["old", -5, 10**12, "NaN", [3], {"years": 3}, "1e400"])
def test_one_bad_trait_is_no_bad_event(age: Any) -> None:
    event = read({"type": "identify", "userId": "hh-1", "traits": {"age": age, "city": "上海"}})
    assert dict(event.patch) == {"city": "上海"}


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({"messageId": "m"}, {"messageId": "m"}, True),
        ({"messageId": "m", "timestamp": NOW}, {"messageId": "m", "timestamp": NOW, "channel": "web"}, True),
        ({"messageId": "m"}, {"messageId": "n"}, False),
        ({"timestamp": NOW}, {"timestamp": NOW}, True),  # no id: the same bytes at the same claimed time
        ({"timestamp": NOW}, {"timestamp": NOW, "channel": "web"}, False),
    ],
)
def test_a_repeat_is_told_from_a_second_message(first: dict[str, Any], second: dict[str, Any], same: bool) -> None:
    a, b = read(track(**first)).key, read(track(**second), received=NOW + DAY).key
    assert (a == b) is same
    assert a != 0


def test_what_has_neither_id_nor_time_is_always_new() -> None:
    assert read(track()).key == 0


def test_keys_fit_a_slot_whatever_time_is_claimed() -> None:
    assert 0 < message_key(b"m", 10**18) < 2**63
    assert 0 < read(track(messageId="m", timestamp="9999-12-31T00:00:00Z")).key < 2**63

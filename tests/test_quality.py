"""What is counted of sources is exact whoever dies, and says how complete, valid, repeated and fresh their events are."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any, Final, cast

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiles.errors import Rejected
from profiles.intake import Event, Intake
from profiles.landing import Landing
from profiles.mapping.document import Column, SourceMap
from profiles.mapping.live import Live
from profiles.store.quality import Position, QualityStore
from profiles.worth import Counts, merged, quality
from streams.intake import IntakeHop
from streams.quality import Quality
from streams.quarantine import Sender
from tests.api_shop import NOW, Shop

pytest_plugins = ["tests.api_fixtures"]

LANDING: Final = Landing(Intake("CNY", "Asia/Shanghai"))
TODAY: Final = "2025-10-09"  #: of NOW, in Shanghai


@dataclass
class Record:
    """As a consumer hands it over."""

    offset: int
    value: bytes
    timestamp: int = NOW
    topic: str = "events.crm"
    partition: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


def order(number: int, **more: object) -> bytes:
    properties = {"order_id": f"o-{number}", "revenue": 5, **more}
    return json.dumps({"event": "Order Completed", "userId": "u", "messageId": f"m-{number}", "timestamp": NOW - 60_000,
                       "properties": properties}).encode()  # fmt: skip


def became(record: Record) -> Event | str:
    try:
        return LANDING.read(record.value, record.timestamp, record.headers)
    except Rejected as fault:
        return fault.reason


async def counted(worker: Quality, records: list[Record]) -> None:
    """As intake does it for a stretch."""
    await worker.begin((records[0].topic, records[0].partition))
    worker.count(records, [became(each) for each in records])


async def stored(shop: Shop, day: str = TODAY) -> dict[str, dict[str, int]]:
    return merged((await QualityStore(shop.client).read([day])).get(day, []))


def test_the_answer_says_what_events_are_worth_in_both_languages(shop: Shop, http: httpx.Client) -> None:
    """Of a topic, and apart from it of the write key that some of its events came by."""
    page = json.dumps({"type": "page", "anonymousId": "a"}).encode()
    mine = [order(1), order(2, currency="CNY"), order(2), page, b"{", order(3, revenue="lots")]
    records = [Record(at, raw) for at, raw in enumerate(mine)]
    records += [Record(6, order(4), headers=(("source", b"k-7"),)), Record(7, b"{}", headers=(("source", b"k-7"),))]
    worker = Quality(QualityStore(shop.client), "Asia/Shanghai")
    shop.run(counted(worker, records))
    shop.run(worker.flush())
    found = {each["source"]: each for each in http.get("/v1/sources/quality", params={"days": 2}).json()["sources"]}
    assert found.keys() == {"events.crm", "events.crm|k-7"}
    crm = found["events.crm"]
    assert crm["totals"] == {"received": 6, "accepted": 4, "refused": 2, "skipped": 0, "repeated": 1, "valid": 0.6667}
    shares = {each["field"]: (each["present"], each["looked_at"]) for each in crm["complete"]}
    assert shares == {"user_id": (3, 4), "message_id": (3, 4), "time": (3, 4), "channel": (0, 4), "order_id": (3, 3),
                      "amount": (3, 3), "currency": (1, 3), "product": (0, 3)}  # fmt: skip
    assert {(each["code"], each["zh"], each["events"]) for each in crm["refusals"]} == {
        ("invalid_json", "不是 JSON", 1), ("not_a_number", "不是数字", 1)}  # fmt: skip
    assert crm["delays"] == {"within_minute": 4, "within_hour": 0, "within_day": 0, "later": 0}
    assert [(day["day"], day["received"]) for day in crm["days"]] == [(TODAY, 6)]
    assert found["events.crm|k-7"]["refusals"][0]["code"] == "missing_event"
    short = http.get("/v1/sources").json()["sources"]
    assert {each["source"]: each["totals"]["received"] for each in short} == {"events.crm": 6, "events.crm|k-7": 2}
    only = http.get("/v1/sources/quality", params={"source": "events.crm"}).json()["sources"]
    assert [each["source"] for each in only] == ["events.crm"]
    assert http.get("/v1/sources/quality", params={"days": 31}).status_code == 422


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), size=st.integers(1, 60))
def test_whoever_dies_whenever_every_record_is_counted_once(shop: Shop, seed: int, size: int) -> None:
    """Workers die, stall and come back; each begins where Kafka was told to: never behind what is not stored yet."""
    chance = random.Random(seed)
    records = [
        Record(at, chance.choice((order(at), b"{")), NOW + chance.randrange(-5000, 5000), topic=f"t-{seed}-{size}")
        for at in range(size)
    ]
    place = (records[0].topic, 0)
    committed = 0

    async def life() -> None:
        nonlocal committed
        worker, at = Quality(QualityStore(shop.client), "Asia/Shanghai"), committed
        while at < size:
            stretch = records[at : at + chance.randrange(1, 9)]
            await counted(worker, stretch)
            at = stretch[-1].offset + 1
            if chance.random() < 0.3:
                await worker.flush()
            if chance.random() < 0.4:
                safe = worker.safe(place)
                committed = at if safe is None else min(safe, at)
            if chance.random() < 0.2:
                return
        await worker.flush()
        committed = size

    while committed < size:
        shop.run(life())
    found = shop.run(stored(shop))[records[0].topic]
    assert found.get("accepted", 0) == sum(each.value != b"{" for each in records)
    assert found.get("refused::invalid_json", 0) == sum(each.value == b"{" for each in records)


def test_a_worker_that_was_overtaken_adds_nothing_and_a_new_log_of_that_name_is_counted(shop: Shop) -> None:
    slow, quick = (Quality(QualityStore(shop.client), "Asia/Shanghai") for _ in range(2))
    records = [Record(at, order(at)) for at in range(4)]
    for worker in (slow, quick):
        shop.run(counted(worker, records))
    shop.run(quick.flush())
    shop.run(slow.flush())
    assert shop.run(stored(shop))["events.crm"]["accepted"] == 4
    assert slow.safe(("events.crm", 0)) is None
    anew = Quality(QualityStore(shop.client), "Asia/Shanghai")
    shop.run(counted(anew, [Record(0, order(9), NOW + 1)]))
    shop.run(anew.flush())
    assert shop.run(stored(shop))["events.crm"]["accepted"] == 5
    assert shop.run(QualityStore(shop.client).position("events.crm/0")) == Position(1, NOW + 1)


def test_what_is_stored_once_more_because_no_answer_came_counts_once(shop: Shop) -> None:
    store, was, now = QualityStore(shop.client), Position(), Position(5, NOW)
    assert shop.run(store.add("t/0", was, now, {TODAY: {"t\taccepted": 5}}))
    assert shop.run(store.add("t/0", was, now, {TODAY: {"t\taccepted": 5}}))
    assert shop.run(stored(shop))["t"] == {"accepted": 5}
    assert not shop.run(store.add("t/0", was, Position(7, NOW), {TODAY: {"t\taccepted": 7}}))


def test_days_add_up_and_of_the_latest_the_latest_counts() -> None:
    days: dict[str, Counts] = {
        "2026-01-01": {"accepted": 3, "last": 5, "of:time": 2, "has:time": 1},
        "2026-01-02": {"refused::skipped": 1, "repaired:revenue:thousands": 2, "last": 4, "of:time": 2},
    }
    found = quality("crm|k", days, {"k": "till"})
    assert (found.totals.received, found.totals.valid, found.key_name) == (4, 0.75, "till")
    assert found.complete[0].share == 0.25
    assert found.last_seen == "1970-01-01T00:00:00.005Z"
    assert (found.repairs[0].field, found.repairs[0].zh) == ("revenue", "去除千分位")


def test_what_mappings_mended_counts_once_and_for_the_source_of_its_record(shop: Shop) -> None:
    """Through intake itself; a stretch that is read again, cut differently, counts only what is new of it."""
    source = SourceMap("till", topics=("events.crm",), keys=("k-7",), shape="segment",
                       fields=(Column("revenue", ("revenue",), "amount"),))  # fmt: skip
    landing = Landing(Intake("CNY", "Asia/Shanghai"), Live([source], "Asia/Shanghai", "CNY"))
    hop = IntakeHop(landing, 1, cast("Sender", None))  # nothing is sent
    mended, plain, wrong = order(1, revenue="￥1,000"), order(2), order(3, revenue="many")
    records = [Record(0, mended), Record(1, plain), Record(2, wrong), Record(3, mended, headers=(("source", b"k-7"),))]
    worker = Quality(QualityStore(shop.client), "Asia/Shanghai", landing.form)
    shop.run(worker.begin(("events.crm", 0)))
    for stretch in (records[:2], records):
        read = hop.read(stretch)
        worker.count(stretch, read.became, read.notes)
    shop.run(worker.flush())
    found = shop.run(stored(shop))
    for name in ("events.crm", "events.crm|k-7"):
        assert {key: n for key, n in found[name].items() if key.startswith("repaired")} == {
            "repaired:revenue:full_width": 1, "repaired:revenue:currency_sign": 1,
            "repaired:revenue:thousands": 1}  # fmt: skip
    assert found["events.crm"]["refused::not_an_amount"] == 1


def test_strange_records_are_counted_like_any_other(shop: Shop) -> None:
    strange: list[Any] = [
        Record(0, b'{"type": "page", "userId": 7, "messageId": "m", "properties": {"currency": 5}, "traits": {}}'),
        Record(1, b"", headers=(("source", b"\xff" * 500),)),
        Record(2, b'{"type": "page", "userId": "u"}', timestamp=NOW + 86_400_000),
    ]
    worker = Quality(QualityStore(shop.client), "Asia/Shanghai")
    shop.run(counted(worker, strange))
    shop.run(worker.flush())
    found = shop.run(stored(shop, "2025-10-10"))
    assert sum(counts["accepted"] for counts in found.values()) == 1
    assert sum(n for counts in found.values() for name, n in counts.items() if name.startswith("refused")) == 2

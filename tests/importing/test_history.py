"""History is told as history: nothing that follows from it, silence up to today included, can send anything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, Final

import pytest
from msgspec.structs import replace

from profiles import inputs
from profiles.clock import DAY, HOUR, WEEK
from profiles.intake import Event, Intake
from profiles.kinds import Kind
from profiles.landing import Landing
from profiles.store.memory import MemoryStore
from profiles.wire import MAY_SEND, Sample, Transition, decode_lesson, decode_transition
from streams.groups import groups
from streams.intake import IntakeHop
from tests.bucket_house import House, Letters, batch, notes_of, open_house
from tests.laws.lives import END

H: Final = 4  #: weeks that the churn model looks ahead
BUYS: Final = [Event("u1", Kind.ORDER, END - (300 - 20 * n) * DAY, amount=9900, order=n, key=n) for n in range(1, 8)]


@pytest.fixture
def house(redis_url: str) -> Iterator[House]:
    with open_house(redis_url) as one:
        yield one


def told(store: MemoryStore) -> list[Transition]:
    messages = (message for _, some in sorted(store._buckets[0].outbox.items()) for message in some)
    return [decode_transition(message.value) for message in messages if message.topic == "transitions"]


def lived(house: House, origin: Any, pieces: int = 1) -> list[Transition]:
    """The buys, a year of silence up to now, and the sweep that looks for it."""
    bucket = house.bucket(store := MemoryStore(), Letters())
    for offset in range(pieces):
        part = [(at, event) for at, event in enumerate(BUYS) if at % pieces == offset]
        record = replace(batch(part), origin=origin, partition=offset)
        house.run(bucket.apply([(offset, inputs.encode(record))]))
    while house.run(bucket.sweep()).swept:
        pass
    return told(store)


def test_live_the_same_events_would_have_sent(house: House) -> None:
    """Otherwise the other tests would prove nothing."""
    found = lived(house, "live")
    assert {"live", "sweep"} == {each.origin for each in found}
    assert any(each.name in ("at_risk", "churn_warning") or each.what == "stage" for each in found)


@pytest.mark.parametrize("pieces", [1, 3])
def test_history_and_the_silence_after_it_are_told_as_backfill(house: House, pieces: int) -> None:
    found = lived(house, "backfill", pieces)
    assert found
    assert not {each.origin for each in found} & MAY_SEND


def test_half_of_a_history_raises_no_false_alarm(house: House) -> None:
    """The part of a file that comes first may end just where an alarm is due; the rest is on its way."""
    bucket = house.bucket(store := MemoryStore(), Letters())
    old = [
        (at, Event("u1", Kind.ORDER, END - 61 * DAY - n * 7 * DAY, amount=9900, order=n, key=n))
        for at, n in enumerate(range(9, 0, -1))
    ]
    house.run(bucket.apply([(0, inputs.encode(replace(batch(old), origin="backfill")))]))
    while house.run(bucket.sweep()).swept:
        pass
    assert told(store)
    assert not {each.origin for each in told(store)} & MAY_SEND


def test_a_timeline_ends_with_the_silence_after_the_history(house: House) -> None:
    """Silence is felt in the same step as the history before it; it came later all the same."""
    bucket = house.bucket(store := MemoryStore(), Letters())
    history = [(at, event) for at, event in enumerate(BUYS)]
    house.run(bucket.apply([(0, inputs.encode(replace(batch(history), origin="backfill")))]))
    noted = notes_of(store, "u1")
    times = [note["at"] for note in noted]
    assert times == sorted(times, reverse=True), "newest first"
    assert times[0] > BUYS[-1].time
    assert "event" not in noted[0]


def samples(house: House, origin: Any) -> dict[int, dict[str, float]]:
    bucket = house.bucket(store := MemoryStore(), Letters(), weeks=H)
    house.run(bucket.apply([(0, inputs.encode(replace(batch(list(enumerate(BUYS))), origin=origin)))]))
    while house.run(bucket.sweep()).swept:
        pass
    messages = (message for _, some in sorted(store._buckets[0].outbox.items()) for message in some)
    lessons = (decode_lesson(message.value) for message in messages if message.topic == "samples")
    return {each.at: each.features for each in lessons if isinstance(each, Sample)}


def test_a_history_is_sampled_so_that_every_sample_is_settled(house: House) -> None:
    """All weeks of years ago of all customers would be a hundred samples each, of which a panel keeps a few."""
    everything, chosen = samples(house, "live"), samples(house, "backfill")
    assert chosen.items() <= everything.items()
    last = {at for at in everything if at > END - H * WEEK}
    before = sorted(chosen.keys() - last)
    assert last <= chosen.keys(), "whatever happens next settles them"
    assert {later - earlier for earlier, later in pairwise(before)} == {H * WEEK}
    assert before[0] - min(everything) < H * WEEK
    assert before[-1] + H * WEEK in last
    assert len(chosen) < len(everything) / 2


def test_what_happens_after_an_import_is_live_again(house: House) -> None:
    bucket = house.bucket(store := MemoryStore(), Letters())
    history = [(at, event) for at, event in enumerate(BUYS)]
    house.run(bucket.apply([(0, inputs.encode(replace(batch(history), origin="backfill")))]))
    before = len(told(store))
    now = [(99, Event("u1", Kind.ORDER, END - HOUR, amount=990_000, order=99, key=99))]
    house.run(bucket.apply([(1, inputs.encode(batch(now)))]))
    assert {each.origin for each in told(store)[before:]} == {"live"}


def test_history_and_what_happens_are_never_one_commit() -> None:
    live, history = batch([(0, BUYS[0])]), replace(batch([(0, BUYS[0])]), origin="backfill")
    cut = list(groups([(0, live), (1, live), (2, history), (3, live)]))
    assert [offset for offset, _ in cut] == [1, 2, 3]


def test_history_is_committed_in_small_pieces() -> None:
    """A hundred customers tell of every week since, and all that a commit has to say is one message to Redis."""
    events = [
        (at, Event(f"u{at}", Kind.ORDER, END - 300 * DAY, amount=9900, order=at + 1, key=at + 1)) for at in range(60)
    ]
    live, history = batch(events), replace(batch(events), origin="backfill")
    assert [offset for offset, _ in groups([(0, live), (1, live), (2, live)])] == [2]
    assert [offset for offset, _ in groups([(0, history), (1, history), (2, history)])] == [0, 1, 2]


def test_a_record_written_before_there_was_history_is_live() -> None:
    raw = inputs.encode(batch([(0, BUYS[0])]))
    old = raw.replace(b"\xa6origin\xa4live", b"\xa6ignore\xa4live")
    assert old != raw
    record = inputs.decode(old)
    assert isinstance(record, inputs.Batch)
    assert record.origin == "live"


@pytest.mark.parametrize(
    ("topic", "origin"), [("events.history", "backfill"), ("crm.history", "backfill"), ("events.orders", "live")]
)
def test_the_topic_says_what_is_history(topic: str, origin: str) -> None:
    sent: list[bytes] = []

    class Sender:
        async def send_and_wait(self, _topic: str, value: bytes, **_: object) -> None:
            sent.append(value)

    hop = IntakeHop(Landing(Intake("CNY", "Asia/Shanghai")), 1, Sender(), history=("*.history",))  # type: ignore[arg-type]
    raw = json.dumps({"type": "page", "userId": "u1", "timestamp": END}).encode()
    asyncio.run(hop.handle([SimpleNamespace(topic=topic, partition=0, offset=0, headers=(), timestamp=END, value=raw)]))
    [record] = [inputs.decode(each) for each in sent]
    assert isinstance(record, inputs.Batch)
    assert record.origin == origin

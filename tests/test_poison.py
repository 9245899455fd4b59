"""What we ourselves cannot handle is set aside alone, and everybody else is counted as if it had never been there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
import pytest
from aiokafka.errors import KafkaConnectionError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from profiles import inputs, packing
from profiles.clock import DAY, HOUR
from profiles.inputs import table_of
from profiles.intake import Event, Intake
from profiles.landing import Landing
from profiles.quarantine import cut, first, without
from profiles.store import keys
from profiles.store.alarms import Alarms
from profiles.store.memory import MemoryStore
from profiles.store.redis import RedisStore
from profiles.timeline import Note
from streams.bucket import Bucket
from streams.intake import IntakeHop
from streams.patience import EXIT_BUG, Stop
from streams.quarantine import Limit
from tests.bucket_house import HERE, TOPIC, House, Letters, batch, notes_of, open_house, records
from tests.laws.lives import END, events, keyed
from tests.laws.shop import PEOPLE, life

NOWHERE: Final = 10**6  #: a row, a kind, a trait that does not exist


@pytest.fixture(scope="module")
def house(valkey: str) -> Iterator[House]:
    with open_house(valkey) as house:
        yield house


def poisoned(event: Event, how: str) -> Event:
    """An event that nobody can handle."""
    if how == "kind":
        return replace(event, kind=NOWHERE)
    if how == "time":
        return replace(event, time=-1)
    return replace(event, traits=((NOWHERE, 1),))


def row_nowhere(record: inputs.Batch, event: int) -> inputs.Batch:
    """The same batch, with one event of a customer that it does not name."""
    table = table_of(record)
    table[event, inputs.COLUMNS.index("who")] = NOWHERE
    return msgspec.structs.replace(record, numbers=packing.packed(table, len(inputs.COLUMNS)))


def stored(store: MemoryStore) -> dict[str, Any]:
    """Everything the store holds of the bucket but how it came to be: commits and sequence numbers."""
    bucket = store._buckets[0]
    fields = {name: value for name, value in bucket.fields.items() if name not in ("v", "seq")}
    told = {
        who: [_unnumbered(note) for note in notes_of(store, who)] for who, notes in bucket.timeline.items() if notes
    }
    counts = {name: n for name, n in bucket.counts.items() if n}
    tags = {name: held for name, held in bucket.tags.items() if held}
    return {
        "fields": fields, "blobs": bucket.blobs, "sidecars": bucket.sidecars, "due": bucket.due,
        "counts": counts, "tags": tags, "told": told,
    }  # fmt: skip


def _unnumbered(note: Note) -> Note:
    return {name: value for name, value in note.items() if name != "seq"}


# --- cutting ---------------------------------------------------------------------------------------------------------


@given(st.lists(events(), min_size=1, max_size=12).map(keyed), st.data())
def test_a_cut_batch_is_the_batch_of_the_events_that_are_left(life: list[Event], data: st.DataObject) -> None:
    """Customers without events are gone from it; names stay, as codes that nobody may need do no harm."""
    log = [(7 * i, replace(event, profile=f"p-{i % 3}")) for i, event in enumerate(life)]
    kept = data.draw(st.lists(st.booleans(), min_size=len(log), max_size=len(log)))
    found = cut(batch(log), np.array(kept))
    wanted = batch([each for each, keep in zip(log, kept, strict=True) if keep])

    def told(record: inputs.Batch) -> list[Any]:
        work = inputs.gather([record], {}, HERE)
        names = [work.profiles[row] for row in work.events.row.tolist()]
        columns = [column.tolist() for column in work.events]
        return [tuple(names), *map(tuple, columns[1:-3]), work.patches, set(names) == set(work.profiles)]

    assert str(told(found)) == str(told(wanted))
    assert first(found, 0).count == 0
    assert without(found, range(found.count)).profiles == []


# --- events ----------------------------------------------------------------------------------------------------------


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bad=st.dictionaries(st.integers(0, 59), st.sampled_from(["kind", "time", "trait"]), max_size=5),
    size=st.sampled_from([1, 4, 25, 60]),
    replay=st.booleans(),
)
def test_whatever_is_poison_the_rest_is_counted_as_if_it_had_never_been_there(
    house: House, bad: dict[int, str], size: int, replay: bool
) -> None:
    """Byte by byte: profiles, tags, due times, timelines; and each poison is a letter with its own place."""
    log = list(enumerate(life(7, 60)))
    sick = [(at, poisoned(event, bad[at]) if at in bad else event) for at, event in log]
    well = [(at, event) for at, event in log if at not in bad]
    letters = Letters()
    torn, calm = MemoryStore(), MemoryStore()
    house.run(_all(house.bucket(torn, letters, replay=replay), records(sick, size)))
    # the same records, less the poison: cut as they were, so that what is left was worked on in the same pieces
    cuts = [[each for each in well if each[0] // size == n] for n in range((len(log) + size - 1) // size)]
    house.run(
        _all(
            house.bucket(calm, Letters(), replay=replay),
            [(n, inputs.encode(batch(part))) for n, part in enumerate(cuts)],
        )
    )
    assert letters.offsets("poison") == sorted(bad)
    left, right = stored(torn), stored(calm)
    cursors = [side["fields"].pop(f"s:{TOPIC}/0", None) for side in (left, right)]
    assert left == right
    assert cursors[0] is None or replay or cursors[0] == 59  # the poison is behind it as well


async def _all(bucket: Bucket, some: list[tuple[int, bytes]]) -> None:
    await bucket.apply(some)


@pytest.mark.parametrize("replay", [False, True])
def test_records_that_are_only_bytes_are_set_aside_whole(house: House, replay: bool) -> None:
    """Garbage, and batches whose parts do not fit together, in the middle of good ones."""
    log = list(enumerate(life(3, 40)))
    good = batch(log[:20]), batch(log[20:])
    broken = msgspec.structs.replace(good[0], count=good[0].count + 1)
    some = [inputs.encode(good[0]), b"\xc1 no msgpack", b"", inputs.encode(broken), inputs.encode(good[1])]
    letters, torn, calm = Letters(), MemoryStore(), MemoryStore()
    house.run(_all(house.bucket(torn, letters, replay=replay), list(enumerate(some))))
    house.run(_all(house.bucket(calm, Letters(), replay=replay), records(log, 20)))
    assert letters.offsets("poison") == [1, 2, 3]
    assert {said["topic"] for said, _ in letters.sent} == {"profile-inputs"}
    assert {value for _, value in letters.sent} == set(some[1:4])
    left, right = stored(torn), stored(calm)
    assert (left["fields"].pop("next"), right["fields"].pop("next")) == (5, 2)
    assert left == right


def test_an_event_of_a_customer_that_its_batch_does_not_name_is_found(house: House) -> None:
    log = list(enumerate(life(5, 30)))
    letters, torn, calm = Letters(), MemoryStore(), MemoryStore()
    house.run(_all(house.bucket(torn, letters), [(0, inputs.encode(row_nowhere(batch(log), 11)))]))
    house.run(_all(house.bucket(calm, Letters()), records([each for each in log if each[0] != 11], 30)))
    assert letters.offsets("poison") == [11]
    (said, value), *_ = letters.sent
    assert (said["topic"], said["partition"], said["form"]) == (TOPIC, "0", "packed")
    packed = inputs.decode(value)
    assert isinstance(packed, inputs.Batch)
    assert packed.count == 1
    assert stored(torn) == stored(calm)


def test_what_is_set_aside_is_safe_before_the_bucket_goes_on(house: House) -> None:
    """While Kafka is away nothing is committed; afterwards it is done again, once."""
    log = [(at, poisoned(event, "kind") if at == 4 else event) for at, event in enumerate(life(2, 12))]
    letters, store = Letters(down=2), MemoryStore()
    bucket = house.bucket(store, letters)
    for _ in range(2):
        with pytest.raises(KafkaConnectionError):
            house.run(bucket.apply(records(log, 12)))
        assert house.run(store.checkpoint(0)).version == 0
    house.run(bucket.apply(records(log, 12)))
    assert letters.offsets("poison") == [4]
    checkpoint = house.run(store.checkpoint(0))
    assert (checkpoint.applied + checkpoint.duplicates, checkpoint.next) == (11, 1)


def test_a_stretch_sent_again_brings_no_second_letter(house: House) -> None:
    """Intake died after it had sent the stretch: the poison is behind the cursor like everything else."""
    log = [(at, poisoned(event, "kind") if at == 11 else event) for at, event in enumerate(life(2, 12))]
    letters, store = Letters(), MemoryStore()
    bucket = house.bucket(store, letters)
    house.run(bucket.apply([(0, inputs.encode(batch(log)))]))
    before = stored(store)
    house.run(bucket.apply([(1, inputs.encode(batch(log[6:])))]))
    assert letters.offsets("poison") == [11]
    assert stored(store)["blobs"] == before["blobs"]


# --- stored profiles -------------------------------------------------------------------------------------------------


@pytest.fixture
def shop(house: House) -> RedisStore:
    """A store where everybody of the little shop has a profile."""
    house.empty()
    store = RedisStore(house.client)
    house.run(house.bucket(store, Letters()).apply(records(list(enumerate(life(1, 90))), 30)))
    return store


def test_a_damaged_profile_costs_nobody_else_anything(house: House, shop: RedisStore) -> None:
    """Events and silence of others go on; the damaged bytes stay as they are, its events are letters."""
    victim, *others = PEOPLE
    name = keys.profile(0, victim)
    raw = house.run(house.client.get(name))
    damaged = raw[:7] + b"\xff" * 12
    house.run(house.client.set(name, damaged))
    before = house.run(shop.checkpoint(0))
    letters = Letters()
    bucket = house.bucket(shop, letters)
    log = [(90 + at, event) for at, event in enumerate(life(8, 60))]
    house.run(bucket.apply([(3 + at, value) for at, value in records(log, 20)]))
    mine = [at for at, event in log if event.profile == victim]
    assert letters.offsets("damaged") == mine
    after = house.run(shop.checkpoint(0))
    assert after.applied + after.duplicates == before.applied + before.duplicates + len(log) - len(mine)
    assert house.run(house.client.get(name)) == damaged

    house.clock.advance(400 * DAY)  # by then silence has something to say to everybody
    assert house.run(_swept(bucket)) >= len(others)
    assert house.run(shop.due(0, house.clock(), 10)) == [victim]

    house.run(house.client.set(name, raw))  # somebody has the right bytes
    house.clock.advance(2 * HOUR)
    assert house.run(_swept(bucket)) >= 1
    assert house.run(shop.due(0, house.clock(), 10)) == []


async def _swept(bucket: Bucket) -> int:
    """Sweep until nobody is left who is due."""
    total = 0
    while (done := await bucket.sweep()).swept:
        total += done.swept
    return total


def test_alarms_say_what_was_set_aside_and_who_is_left_alone(house: House, shop: RedisStore) -> None:
    house.run(house.client.set(keys.profile(0, PEOPLE[0]), b"\x01"))
    house.run(house.client.zadd(keys.due(0), {PEOPLE[0]: END - HOUR}))
    bucket = house.bucket(shop, Letters())
    house.run(bucket.apply([(3, inputs.encode(batch([(90, Event(PEOPLE[0], life(1, 1)[0].kind, END))])))]))
    house.run(bucket.sweep())
    alarms = house.run(Alarms(house.client).ringing(END))
    assert {alarm.name for alarm in alarms} == {"set aside", "left alone"}
    assert any(f"{TOPIC}/0 at 90" in alarm.text for alarm in alarms)


# --- too many --------------------------------------------------------------------------------------------------------


def test_too_many_at_once_stop_the_worker_and_skip_nothing(house: House) -> None:
    """It says that the deploy is to blame, and what to set if it is not."""
    log = [(at, poisoned(event, "kind") if at % 2 else event) for at, event in enumerate(life(2, 12))]
    letters, store = Letters(), MemoryStore()
    with pytest.raises(Stop, match=r"bad deploy, not bad data.*MIEN_FAULTS_PER_MINUTE") as stop:
        house.run(house.bucket(store, letters, most=5).apply(records(log, 12)))
    assert stop.value.code == EXIT_BUG
    assert letters.sent == []
    assert house.run(store.checkpoint(0)).version == 0
    house.run(house.bucket(store, letters, most=6).apply(records(log, 12)))
    assert letters.offsets("poison") == [1, 3, 5, 7, 9, 11]


def test_the_limit_is_per_minute_and_counts_each_thing_once() -> None:
    now = 0.0
    limit = Limit(2, lambda: now)
    limit.note(["a", "b"])
    limit.note(["a", "b"])
    with pytest.raises(Stop):
        limit.note(["c"])
    now = 61.0
    limit.note(["d", "e"])


# --- intake ----------------------------------------------------------------------------------------------------------


@dataclass
class Raw:
    """A record as a consumer hands it over."""

    offset: int
    value: bytes
    topic: str = TOPIC
    partition: int = 0
    timestamp: int = END
    headers: tuple[tuple[str, bytes], ...] = ()


class Moody(Intake):
    """An intake with a bug."""

    def read(self, raw: bytes, received: int) -> Event:
        if b"u-bug" in raw:
            raise ZeroDivisionError("a bug in intake")
        event = super().read(raw, received)
        return replace(event, quantity=2**80) if b"u-huge" in raw else event


@dataclass
class Sent(Letters):
    """Both topics."""

    inputs: list[bytes] = field(default_factory=list)

    async def send_and_wait(self, topic: str, value: bytes | None = None, *more: Any, **named: Any) -> None:
        if topic == "profile-inputs":
            self.inputs.append(value or b"")
        else:
            await super().send_and_wait(topic, value, *more, **named)


def test_a_bug_in_intake_costs_the_records_it_hits_and_no_other(house: House) -> None:
    """Whether it shows when the record is read or when it is packed for the way."""
    sent = Sent()
    hop = IntakeHop(Landing(Moody("CNY", "Asia/Shanghai")), 1, sent, house.aside(sent))
    who = ["u-1", "u-bug", "u-2", "u-huge", "u-3"]
    some = [Raw(at, b'{"type":"page","userId":"%s"}' % name.encode()) for at, name in enumerate(who)]
    refused = house.run(hop.handle([*some, Raw(5, b"{")]))
    assert [(letter.offset, letter.reason) for letter in refused] == [(5, "invalid_json")]
    assert sent.offsets("fault") == [1, 3]
    assert {value for said, value in sent.sent if said["reason"] == "fault"} == {some[1].value, some[3].value}
    (record,) = map(inputs.decode, sent.inputs)
    assert isinstance(record, inputs.Batch)
    assert record.profiles == ["u-1", "u-2", "u-3"]
    work = inputs.gather([record], {}, HERE)
    assert work.cursors == {f"{TOPIC}/0": 4}

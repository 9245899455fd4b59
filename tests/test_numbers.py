"""Numbers are given once: also after an older store came back, whoever notices it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from uuid import uuid4

import msgspec
import pytest
from kafka import KafkaProducer

from profiles.clock import DAY
from profiles.errors import Stale
from profiles.intake import Event
from profiles.kinds import Kind
from profiles.settings import Settings
from profiles.store.memory import MemoryStore
from profiles.wire import Transition, encode
from streams.bucket import Bucket
from streams.numbers import last_told
from streams.topics import TRANSITIONS, provision
from tests.bucket_house import House, Letters, open_house, records
from tests.laws.lives import END

LIFE = [(n, Event(f"p{n % 3}", Kind.ORDER, END - (60 - n) * DAY, amount=9900, order=n, key=n + 1)) for n in range(40)]
LOG = records(LIFE, 10)


@pytest.fixture
def house(redis_url: str) -> Iterator[House]:
    with open_house(redis_url) as opened:
        yield opened


def told(store: MemoryStore) -> list[int]:
    """The number under which each piece of work left."""
    return list(store._buckets[0].outbox)


def go_back(store: MemoryStore, then: MemoryStore) -> None:
    """As if the server had come back from a backup."""
    store._buckets = deepcopy(then._buckets)


def half_way(house: House) -> tuple[Bucket, MemoryStore, MemoryStore]:
    """A bucket that has done three of four pieces of work, its store, and a backup of it after the first."""
    store = MemoryStore()
    bucket = house.bucket(store, Letters())
    house.run(bucket.apply(LOG[:1]))
    backup = deepcopy(store)
    for piece in LOG[1:3]:
        house.run(bucket.apply([piece]))
    return bucket, store, backup


def test_a_writer_whose_store_went_back_never_gives_a_number_again(house: House) -> None:
    bucket, store, backup = half_way(house)
    given = told(store)
    go_back(store, backup)
    with pytest.raises(Stale):
        house.run(bucket.apply(LOG[3:]))
    wanted = house.run(bucket.reopen()).next
    house.run(bucket.apply(LOG[wanted:]))

    anew = told(store)
    checkpoint = house.run(store.checkpoint(0))
    assert anew[0] == given[0], "what was said before the backup stays"
    assert min(anew[1:]) > max(given)
    assert [checkpoint.took_back(seq) for seq in given] == [False, True, True]
    assert not any(map(checkpoint.took_back, anew))
    assert checkpoint.applied == len(LIFE)


def test_a_frozen_writer_does_not_find_the_version_it_remembers_reached_again(house: House) -> None:
    """Else it could commit what it knew of another history."""
    frozen, store, backup = half_way(house)
    go_back(store, backup)
    heir = house.bucket(store, Letters())
    last = told(store)[-1]
    house.run(heir.heed(last + 1))
    assert frozen.checkpoint is not None
    for piece in LOG[1:3]:
        house.run(heir.apply([piece]))
        assert house.run(store.checkpoint(0)).version > frozen.checkpoint.version
    with pytest.raises(Stale):
        house.run(frozen.apply(LOG[3:]))


def test_whoever_opens_a_bucket_of_which_more_was_told_than_it_knows_numbers_on_beyond(house: House) -> None:
    _, store, backup = half_way(house)
    given = told(store)
    go_back(store, backup)
    after = house.run(house.bucket(store, Letters()).heed(given[-1]))
    assert after.seq > given[-1]
    assert after.gaps == {given[0]: after.seq}
    assert house.run(store.checkpoint(0)) == msgspec.structs.replace(after, beat=0)


def test_a_bucket_that_knows_all_that_was_told_stays_as_it_is(house: House) -> None:
    _, store, _ = half_way(house)
    before = house.run(store.checkpoint(0))
    opened = house.bucket(store, Letters())
    house.run(opened.open())
    house.run(house.bucket(store, Letters()).apply(LOG[3:]))  # another writer says more, after this one has looked
    house.run(opened.heed(told(store)[-1]))
    assert house.run(store.checkpoint(0)).gaps == before.gaps == {}


def test_a_store_that_goes_back_twice_takes_back_both_stretches(house: House) -> None:
    bucket, store, backup = half_way(house)
    first = told(store)
    for _ in range(2):
        house.clock.advance(DAY)
        go_back(store, backup)
        house.run(bucket.reopen())
        house.run(bucket.apply(LOG[1:]))
    checkpoint = house.run(store.checkpoint(0))
    assert [checkpoint.took_back(seq) for seq in first] == [False, True, True]
    assert not any(map(checkpoint.took_back, told(store)))


def test_the_last_number_of_each_bucket_is_read_from_its_log(own_broker: str) -> None:
    settings = Settings(broker=own_broker, buckets=3, group=f"group-{uuid4().hex[:6]}")
    provision(settings)
    producer = KafkaProducer(bootstrap_servers=own_broker)
    for bucket, seq in ((0, 7), (0, 8), (2, 5), (2, 9)):
        producer.send(TRANSITIONS, _transition(bucket, seq), partition=bucket)
    producer.send(TRANSITIONS, b"of somebody else", partition=0)
    producer.flush()
    producer.close()
    assert last_told(settings, range(3))[2] == 9
    assert 1 not in last_told(settings, range(3))


def _transition(bucket: int, seq: int) -> bytes:
    return encode(Transition(bucket, seq, "p", "tag", "vip", "entered", END, END, "live", rules=1))


def test_texts_behind_codes_that_went_back_with_the_store_are_written_again(house: House) -> None:
    """A bucket remembers what it has written; after a loss that is no longer so."""
    named = [(n, msgspec.structs.replace(event, names=((n + 1, f"brand {n}"),))) for n, event in LIFE]
    log = records(named, 10)
    store = MemoryStore()
    bucket = house.bucket(store, Letters())
    house.run(bucket.apply(log[:1]))
    backup = deepcopy(store)
    house.run(bucket.apply(log[1:]))
    store._buckets, store._names = deepcopy(backup._buckets), dict(backup._names)
    assert house.run(store.names_known()) == 10
    house.run(bucket.apply(log[house.run(bucket.reopen()).next :]))
    assert house.run(store.names_known()) == len(LIFE)

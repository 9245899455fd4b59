"""A bucket goes on where it was, or not at all: a log that is not the one it was written about is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import msgspec
import pytest
from structlog.testing import capture_logs

from profiles.intake import Event
from profiles.kinds import Kind
from profiles.stable import code_of
from profiles.store.alarms import Alarms
from profiles.store.base import Checkpoint
from profiles.store.redis import RedisStore
from streams.bell import Bell
from streams.bucket import Bucket, Place
from streams.patience import EXIT_CONFIG, Stop
from streams.places import Places, placed
from streams.topics import PROFILE_INPUTS, Log
from tests.bucket_house import TOPIC, House, Letters, records
from tests.laws.lives import END

HERE = Checkpoint(version=9, next=50, offsets={f"{TOPIC}/0": 70}, topics={PROFILE_INPUTS: 1, TOPIC: 2})
SEEN = {(PROFILE_INPUTS, 0): Log(40, 60), (TOPIC, 0): Log(0, 71)}
CODES = {PROFILE_INPUTS: 1, TOPIC: 2}


def test_a_checkpoint_that_fits_its_logs_stays_where_it_is() -> None:
    assert placed(0, HERE, SEEN, CODES) == (Place(50, topics=CODES), "")


@pytest.mark.parametrize(
    ("seen", "place", "says"),
    [
        ({(PROFILE_INPUTS, 0): Log(0, 49)}, Place(0), "profile-inputs/0 was made anew"),
        ({(PROFILE_INPUTS, 0): Log(53, 60)}, Place(53, lost=3), "3 records of bucket 0 are gone"),
        ({(TOPIC, 0): Log(0, 70)}, Place(50, forget=(f"{TOPIC}/0",)), f"{TOPIC}/0 was made anew"),
        (
            {(PROFILE_INPUTS, 0): Log(0, 3), (TOPIC, 0): Log(0, 3)},
            Place(0, forget=(f"{TOPIC}/0",)),
            "profile-inputs/0 was made anew",
        ),
    ],
)
def test_what_the_logs_no_longer_have_is_said(seen: dict[tuple[str, int], Log], place: Place, says: str) -> None:
    found, why = placed(0, HERE, SEEN | seen, CODES)
    assert replace(found, topics={}) == place
    assert says in why


def test_another_topic_of_the_same_name_is_another_however_long_it_is() -> None:
    """Its id tells, even when the positions would fit by accident."""
    place, why = placed(0, HERE, SEEN, CODES | {PROFILE_INPUTS: 7})
    assert (place.next, place.topics[PROFILE_INPUTS]) == (40, 7)
    assert "made anew" in why
    place, why = placed(0, HERE, SEEN, CODES | {TOPIC: 7})
    assert (place.next, place.forget) == (50, (f"{TOPIC}/0",))


def test_an_event_topic_that_is_gone_is_no_fault_and_an_end_that_nobody_knows_none_either() -> None:
    assert placed(0, HERE, {(PROFILE_INPUTS, 0): Log(40, 60)}, {PROFILE_INPUTS: 1})[1] == ""
    assert placed(0, HERE, {place: Log(0, 0, sure=False) for place in SEEN}, {})[1] == ""


# --- with a store ----------------------------------------------------------------------------------------------------


@dataclass
class Kafka:
    """What a broker says of its logs."""

    ids: dict[str, str]
    logs: dict[tuple[str, int], Log]
    asked: list[set[tuple[str, int]]] = field(default_factory=list)

    def __call__(self, wanted: Iterable[tuple[str, int]]) -> tuple[Mapping[str, str], Mapping[tuple[str, int], Log]]:
        self.asked.append(set(wanted))
        return self.ids, {place: log for place, log in self.logs.items() if place in self.asked[-1]}


@pytest.fixture(scope="module")
def house(valkey: str) -> Iterator[House]:
    with capture_logs(), asyncio.Runner() as runner:
        house = House(valkey, runner)
        yield house
        house.run(house.client.aclose())


@pytest.fixture
def profiles(house: House) -> RedisStore:
    house.empty()
    return RedisStore(house.client)


LIFE = [(at, Event("u-1", Kind.VIEW, END - 100 + at, key=at + 1)) for at in range(30)]


def kafka(inputs: Log, source: Log, anew: str = "") -> Kafka:
    ids = {PROFILE_INPUTS: f"id-{anew == PROFILE_INPUTS}", TOPIC: f"id-{anew == TOPIC}"}
    return Kafka(ids, {(PROFILE_INPUTS, 0): inputs, (TOPIC, 0): source})


def places(house: House, kafka: Kafka, *, accept: bool = False, told: dict[int, int] | None = None) -> Places:
    settings = house.settings.model_copy(update={"accept_loss": accept})
    return Places(settings, Bell(Alarms(house.client), house.clock), kafka, lambda _: told or {})


def opened(house: House, profiles: RedisStore) -> Bucket:
    return house.bucket(profiles, Letters())


def test_the_first_look_remembers_whose_positions_they_are(house: House, profiles: RedisStore) -> None:
    bucket = opened(house, profiles)
    house.run(bucket.apply(records(LIFE, 10)))
    look = kafka(Log(0, 3), Log(0, 30))
    assert house.run(places(house, look).of([bucket])) == {0: 3}
    assert look.asked == [{(PROFILE_INPUTS, 0), (TOPIC, 0)}]
    checkpoint = house.run(profiles.checkpoint(0))
    assert checkpoint.topics == {PROFILE_INPUTS: code_of("id-False"), TOPIC: code_of("id-False")}
    version = checkpoint.version
    assert house.run(places(house, look).of([bucket])) == {0: 3}
    assert house.run(profiles.checkpoint(0)).version == version


@pytest.mark.parametrize("anew", [PROFILE_INPUTS, TOPIC])
def test_a_topic_made_anew_is_refused_and_nothing_is_changed(house: House, profiles: RedisStore, anew: str) -> None:
    bucket = opened(house, profiles)
    house.run(bucket.apply(records(LIFE, 10)))
    house.run(places(house, kafka(Log(0, 3), Log(0, 30))).of([bucket]))
    before = house.run(profiles.checkpoint(0))
    with pytest.raises(Stop, match=r"was made anew.*MIEN_ACCEPT_LOSS=true") as stop:
        house.run(places(house, kafka(Log(0, 9), Log(0, 90), anew)).of([opened(house, profiles)]))
    assert stop.value.code == EXIT_CONFIG
    assert house.run(profiles.checkpoint(0)) == before


def test_once_that_is_accepted_the_new_log_is_read_from_its_beginning(house: House, profiles: RedisStore) -> None:
    """Everything was made anew: positions begin at nothing, customers stay, and nothing counts twice."""
    bucket = opened(house, profiles)
    house.run(bucket.apply(records(LIFE, 10)))
    house.run(places(house, kafka(Log(0, 3), Log(0, 30))).of([bucket]))
    look = kafka(Log(0, 2), Log(0, 20), PROFILE_INPUTS)
    look.ids[TOPIC] = "id-new"
    bucket = opened(house, profiles)
    assert house.run(places(house, look, accept=True).of([bucket])) == {0: 0}
    new = [(at, msgspec.structs.replace(event, key=1000 + at)) for at, event in LIFE[:20]]
    house.run(bucket.apply(records(new, 10)))
    checkpoint = house.run(profiles.checkpoint(0))
    assert (checkpoint.applied, checkpoint.next, checkpoint.offsets) == (50, 2, {f"{TOPIC}/0": 19})
    assert house.run(places(house, look).of([bucket])) == {0: 2}, "it is accepted once, not for ever"


def test_records_lost_to_retention_are_refused_or_counted(house: House, profiles: RedisStore) -> None:
    bucket = opened(house, profiles)
    house.run(bucket.apply(records(LIFE, 10)))
    look = kafka(Log(8, 12), Log(0, 90))
    with pytest.raises(Stop, match=r"5 records of bucket 0 are gone .*MIEN_ACCEPT_LOSS=true"):
        house.run(places(house, look).of([bucket]))
    assert house.run(places(house, look, accept=True).of([bucket])) == {0: 8}
    checkpoint = house.run(profiles.checkpoint(0))
    assert (checkpoint.next, checkpoint.lost, checkpoint.applied) == (8, 5, 30)
    (alarm,) = house.run(Alarms(house.client).ringing(house.clock()))
    assert alarm.name == "lost"
    house.run(bucket.apply([(8, records([(31, Event("u-2", Kind.VIEW, END, key=99))], 1)[0][1])]))
    assert house.run(profiles.checkpoint(0)).applied == 31


def test_a_new_store_begins_where_an_old_log_begins(house: House, profiles: RedisStore) -> None:
    """It never had anything, so nothing is lost; and it must not wait for records that will never come."""
    bucket = opened(house, profiles)
    assert house.run(places(house, kafka(Log(8, 12), Log(0, 90))).of([bucket])) == {0: 8}
    assert house.run(profiles.checkpoint(0)).lost == 0
    house.run(bucket.apply([(8 + at, raw) for at, raw in records(LIFE, 10)]))
    assert house.run(profiles.checkpoint(0)).applied == 30


def test_a_worker_that_was_away_too_long_asks_the_store_before_it_complains(house: House, profiles: RedisStore) -> None:
    """What it remembers is gone from the log, but somebody else has read it meanwhile."""
    zombie, heir = opened(house, profiles), opened(house, profiles)
    house.run(zombie.apply(records(LIFE, 10)[:1]))
    house.run(heir.apply(records(LIFE, 10)))
    assert house.run(places(house, kafka(Log(2, 3), Log(0, 30))).of([zombie])) == {0: 3}
    assert house.run(profiles.checkpoint(0)).lost == 0

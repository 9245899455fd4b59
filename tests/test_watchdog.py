"""A worker that stands still beside work ends; one that has nothing to do, or waits for somebody, does not."""

from __future__ import annotations

import pytest

from streams.patience import EXIT_WORLD, Stop
from streams.topics import Log
from streams.watchdog import STUCK_SECONDS, Watchdog


class Time:
    """Seconds that pass when they are told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def looks(dog: Watchdog, clock: Time, place: int, end: int, *, waits: bool = False) -> None:
    """Look at one bucket every twenty seconds for ten minutes."""
    for _ in range(30):
        dog.look({0: place}, {0: Log(0, end)}, waits=waits)
        clock.now += 20


def feels(dog: Watchdog, clock: Time) -> None:
    """Feel nothing flow for ten minutes."""
    for _ in range(30):
        dog.feel(flows=False)
        clock.now += 20


def test_a_bucket_that_stands_still_beside_its_log_stops_the_worker() -> None:
    clock = Time()
    with pytest.raises(Stop, match=r"bucket 0 has stood at 5 .* log goes to 9") as stop:
        looks(Watchdog(clock), clock, 5, 9)
    assert stop.value.code == EXIT_WORLD
    assert STUCK_SECONDS < clock.now <= STUCK_SECONDS + 40


def test_idle_and_waiting_are_no_standstill() -> None:
    for place, end, waits in ((9, 9, False), (5, 9, True), (5, 5, False)):
        clock = Time()
        looks(Watchdog(clock), clock, place, end, waits=waits)


def test_every_step_begins_a_new_count_and_a_bucket_that_left_is_forgotten() -> None:
    clock, log = Time(), {0: Log(0, 100)}
    dog = Watchdog(clock)
    for step in range(5):
        dog.look({0: step}, log, waits=False)
        clock.now += STUCK_SECONDS - 10
    dog.look({}, {}, waits=False)
    clock.now += 1000
    dog.look({0: 4}, log, waits=False)
    clock.now += 20
    dog.look({0: 4}, log, waits=False)


def test_a_worker_that_nothing_flows_to_any_more_stops() -> None:
    clock = Time()
    with pytest.raises(Stop, match="nothing has been read for") as stop:
        feels(Watchdog(clock), clock)
    assert stop.value.code == EXIT_WORLD
    assert STUCK_SECONDS < clock.now <= STUCK_SECONDS + 40


def test_every_sharing_out_has_its_own_patience() -> None:
    clock = Time()
    dog = Watchdog(clock)
    for round_ in range(60):
        dog.feel(flows=round_ % 6 == 0)
        clock.now += 20

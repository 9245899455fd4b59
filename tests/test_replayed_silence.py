"""In a replay silence is told at its own moment: an alert must not depend on how fast a machine reads."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from profiles import inputs
from profiles.clock import DAY
from profiles.intake import Event
from profiles.kinds import Kind
from profiles.store.memory import MemoryStore
from tests.bucket_house import House, Letters, batch
from tests.laws.lives import END


def lived(house: House, stops: list[int], *, replay: bool, swept: bool = True) -> list[dict[str, Any]]:
    """What is told of a customer who ordered, fell silent and came back, while others moved the clock to each stop."""
    bucket = house.bucket(store := MemoryStore(), Letters(), replay=replay)
    buys = [Event("silent", Kind.ORDER, END - (300 - n) * DAY, amount=9900, order=n, key=n) for n in range(1, 4)]
    others = [Event("other", Kind.VISIT, END - stop * DAY, key=100 + stop) for stop in stops]
    back = Event("silent", Kind.VISIT, END - 10 * DAY, key=99)
    log = [(offset, [(offset, event)]) for offset, event in enumerate([*buys, *others, back])]
    for offset, part in log:
        raw = inputs.encode(batch(part, clock=part[-1][1].time))
        house.run(bucket.apply([(offset, raw)]))
        while swept and house.run(bucket.sweep()).swept:
            pass
    notes = [msgspec.json.decode(note) for note in store._buckets[0].timeline["silent"]]
    return [{name: note[name] for name in ("name", "at", "clock")} for note in notes if note.get("origin") == "sweep"]


def test_a_stream_that_jumps_tells_the_same_as_one_that_creeps(redis_url: str) -> None:
    with asyncio.Runner() as runner:
        house = House(redis_url, runner)
        house.empty()
        creeping = lived(house, list(range(290, 20, -3)), replay=True)
        jumping = lived(house, [20], replay=True)
        unswept = lived(house, [20], replay=True, swept=False)
        house.run(house.client.aclose())

    assert creeping
    assert jumping == creeping
    assert unswept == creeping, "an event may come before the sweep"
    assert all(note["clock"] == note["at"] for note in jumping)


def test_live_a_sweep_that_is_late_says_so(redis_url: str) -> None:
    with asyncio.Runner() as runner:
        house = House(redis_url, runner)
        house.empty()
        notes = lived(house, [20], replay=False)
        house.run(house.client.aclose())

    assert notes
    assert all(note["clock"] == END > note["at"] for note in notes)

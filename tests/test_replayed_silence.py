"""In a replay silence is told at its own moment: an alert must not depend on how fast a machine reads."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from profiles import inputs, replay
from profiles.clock import DAY
from profiles.errors import StoreDown
from profiles.intake import Event
from profiles.kinds import Kind
from profiles.store.base import Commit
from profiles.store.memory import MemoryStore
from tests.bucket_house import House, Letters, batch, notes_of, open_house
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
    notes = [note for note in notes_of(store, "silent") if note.get("origin") == "sweep"]
    return [{name: note[name] for name in ("name", "at", "clock")} for note in notes]


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


class Frail(MemoryStore):
    """A store that takes so many commits and then answers nobody until it is mended."""

    def __init__(self, commits: int) -> None:
        super().__init__()
        self.commits = commits

    async def commit(self, commit: Commit) -> int:
        if self.commits == 0:
            raise StoreDown
        self.commits -= 1
        return await super().commit(commit)


def test_who_takes_over_between_the_pieces_of_the_first_work_finds_nobody_due(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clocks of sources are committed with the last piece only: until then it is no time yet, least of all today."""
    monkeypatch.setattr(replay, "SLICE", 2)
    buys = [Event("silent", Kind.ORDER, END - (300 - n) * DAY, amount=9900, order=n, key=n) for n in range(1, 6)]
    raw = inputs.encode(batch(list(enumerate(buys)), clock=buys[-1].time))
    with open_house(redis_url) as house:
        store = Frail(commits=1)
        with pytest.raises(StoreDown):
            house.run(house.bucket(store, Letters(), replay=True).apply([(0, raw)]))
        store.commits = -1
        heir = house.bucket(store, Letters(), replay=True)
        early = house.run(heir.sweep()), house.run(heir.renew())
        house.run(heir.apply([(0, raw)]))

    assert [done.swept for done in early] == [0, 0]
    assert store._buckets[0].fields["applied"] == len(buys)

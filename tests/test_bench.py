"""What the bench stands on: its events are real events, the same every time, and what it writes down is readable.

No number is judged here: a benchmark is no test.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from pathlib import Path

import pytest

from bench.bars import BARS, Bar
from bench.data import BUSY, DAY, KINDS, LIVE, Events, Shop, Skew, live
from bench.fold import BUCKETS, Counted, OneByOne, UpdatePath
from bench.parts import PARTS
from bench.report import Book, Figure, Part, Results, Table, figure, page, shown
from profiles import step
from profiles.clock import SECOND, ManualClock
from profiles.codec import from_blobs
from profiles.intake import Intake
from profiles.kinds import Kind
from profiles.layout import TABLES
from profiles.stable import bucket_of
from streams.shoppers.batch import BEHAVIOR, Batch

ROOT = Path(__file__).parents[1]
END = 1_760_000_000_000
SHOP = Shop(500, END, 90 * DAY)


@pytest.mark.parametrize("skew", ["uniform", "zipf", "busy"])
def test_the_same_shop_makes_the_same_events(skew: Skew) -> None:
    first, second = (list(Events(Shop(500, END, DAY, skew), 3_000)) for _ in range(2))

    assert [batch.values for batch in first] == [batch.values for batch in second]
    assert [len(batch) for batch in first] == [3_000]


def test_every_event_is_understood_and_none_is_a_repeat() -> None:
    intake = Intake("CNY", "Asia/Shanghai")
    (batch,) = Events(SHOP, 20_000)
    events = [intake.read(value, at) for value, at in zip(batch.values, batch.times, strict=True)]

    assert len({(event.profile, event.key) for event in events}) == 20_000
    assert [event.time for event in events] == batch.times
    assert {event.kind for event in events} >= {Kind.ORDER, Kind.VIEW, Kind.CART_ADD, Kind.REFUND, Kind.COMPLAINT}
    assert abs(sum(event.kind is Kind.ORDER for event in events) / 20_000 - 0.1229) < 0.01


def test_the_shares_of_kinds_are_a_whole() -> None:
    assert abs(sum(kind.share for kind in KINDS) - 100) < 1


def test_a_live_shop_goes_by_so_fast_that_silence_has_no_part_in_it() -> None:
    (batch,) = Events(live(500, END, LIVE), LIVE)

    assert batch.times[-1] - batch.times[0] <= SECOND
    assert batch.times[-1] == END


@pytest.mark.parametrize("skew", ["zipf", "busy"])
def test_the_same_customers_are_busy_in_every_run(skew: Skew) -> None:
    first, second = (
        Counter(next(Events(Shop(50_000, END, DAY, skew, seed), 10_000)).keys).most_common(20) for seed in (1, 2)
    )
    everybody = {key for seed in (1, 2) for key in next(Events(Shop(50_000, END, DAY, "busy", seed), 10_000)).keys}

    assert len(everybody) == BUSY
    assert skew == "busy" or first[0][0] == second[0][0]


def test_every_decision_is_an_events_own_or_a_silences_and_after_a_sweep_none_is_a_silences(redis_url: str) -> None:
    async def measured() -> tuple[Counted, int, int, Counted]:
        clock = ManualClock(END)
        path = UpdatePath(redis_url, clock)
        await path.open()
        await path.intake(path.records(Events(SHOP, 2_000)))
        behind = await path.update()
        stored = from_blobs([blob for blob, _ in await path.profiles(SHOP.customers)], {})
        swept = await path.sweep()
        clock.advance(SECOND)
        await path.intake(path.records(Events(live(SHOP.customers, clock(), 1_000, seed=8), 1_000)))
        now = await path.update()
        await path.close()
        return behind, int(stored[:, TABLES.version].sum()), swept, now

    behind, decided, swept, now = asyncio.run(measured())

    assert behind.applied + behind.ticks == decided
    assert behind.ticks > 0
    assert swept > 0
    assert (now.applied, now.ticks) == (1_000, 0)


def _picked(rows: list[int], *columns: list[bytes]) -> list[list[bytes]]:
    return [[column[n] for n in rows] for column in columns]


def test_an_event_folded_alone_gives_the_profile_that_a_worker_stores(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peers do the same work as Mien, to the byte."""
    monkeypatch.setattr(step, "ROOM", step.ROOM)  # the peers make it small
    (both,) = Events(Shop(20, END, 90 * DAY), 400)
    rows = [n for n, topic in enumerate(both.topics) if topic == BEHAVIOR]  # of one topic, so that their order is one
    keys, values = _picked(rows, both.keys, both.values)
    batch = Batch([BEHAVIOR] * len(rows), keys, values, [both.times[n] for n in rows])
    fold, alone = OneByOne(), dict[str, bytes]()
    for value, at in zip(batch.values, batch.times, strict=True):
        event = fold.read(value, at)
        assert event is not None
        for entry in fold.fold(event, alone.get(event.profile)).entries:
            alone[entry.profile] = entry.blob

    async def stored() -> dict[str, bytes | None]:
        path = UpdatePath(redis_url, lambda: END)
        await path.open()
        await path.intake(path.records([batch]))
        counted = await path.update()
        assert (counted.applied, counted.dead) == (len(rows), 0)
        names = {name: bucket_of(name, BUCKETS) for name in alone}
        found = {name: (await path.store.load(bucket, [name]))[0] for name, bucket in names.items()}
        await path.close()
        return found

    assert asyncio.run(stored()) == alone


def test_a_peer_that_meets_a_known_customer_begins_with_the_profile_that_a_store_would_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(step, "ROOM", step.ROOM)
    (batch,) = Events(Shop(3, END, DAY), 60)
    plain, history = OneByOne(), dict[str, bytes]()
    events = [plain.read(value, at) for value, at in zip(batch.values, batch.times, strict=True)]
    for event in events[:-1]:
        assert event is not None
        history |= {entry.profile: entry.blob for entry in plain.fold(event, history.get(event.profile)).entries}
    knowing, last = OneByOne(known=[history[f"c-{n:07d}"] for n in range(3)]), events[-1]

    assert last is not None
    assert knowing.fold(last, None) == plain.fold(last, history[last.profile])


def test_numbers_are_told_with_as_many_digits_as_mean_something() -> None:
    assert [shown(each) for each in (31_234.4, 187.61, 3.14159, 0.0123, None, float("nan"), 7)] == [
        "31 234", "188", "3.14", "0.012", "–", "–", "7",
    ]  # fmt: skip


def test_a_part_that_is_run_again_replaces_only_itself(tmp_path: Path) -> None:
    for value in (1.0, 2.0):
        Book(tmp_path).enter(
            Part("sweep", "Silence", figures={"sweep.latest": figure([value], "ms late")}), list(PARTS)
        )
    Book(tmp_path).enter(Part("ceiling", "Ceiling", [Table("t", ["a"], [[1.5]])], {"x": figure([], "ms")}), list(PARTS))
    kept = Book(tmp_path).results.parts

    assert list(kept) == ["ceiling", "sweep"], "in the order in which parts are told"
    assert kept["sweep"].figures == {"sweep.latest": Figure(2.0, "ms late", 2.0, 2.0, 1)}
    assert kept["ceiling"].figures == {}, "what was not measured is no number"
    assert "| 1.50 |" in (tmp_path / "RESULTS.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("bar", BARS, ids=lambda bar: bar.figure)
@pytest.mark.parametrize("value", [1e-9, 1e12])
def test_a_bar_is_told_as_reached_or_not(bar: Bar, value: float) -> None:
    told = page(Results({"p": Part("p", "P", figures={bar.figure: figure([value], "ms")})}))

    assert ("**not reached**" in told) == ((value > 1) == bar.most)


def test_every_part_has_its_file() -> None:
    assert all((ROOT / "bench" / f"{name}.py").is_file() for name in PARTS)


def test_what_only_the_bench_needs_is_explained_and_locked_with_hashes() -> None:
    wanted = re.findall(r"^([\w-]+)", (ROOT / "bench" / "requirements.in").read_text(encoding="utf-8"), re.MULTILINE)
    lock = (ROOT / "bench" / "requirements.lock").read_text(encoding="utf-8")
    told = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")

    assert wanted
    assert [name for name in wanted if f"- `{name}`:" not in told] == []
    assert [name for name in wanted if not re.search(rf"^{name}==.*\\\n    --hash=sha256:", lock, re.MULTILINE)] == []
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|--trusted-host", lock)

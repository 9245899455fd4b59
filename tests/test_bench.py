"""What the bench stands on: its events are real events, the same every time, and what it writes down is readable.

No number is judged here: a benchmark is no test.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from bench.bars import BARS, Bar
from bench.data import DAY, KINDS, Events, Shop, Skew
from bench.fold import BUCKETS, OneByOne, UpdatePath
from bench.parts import PARTS
from bench.report import Book, Part, Results, Table, page, shown
from profiles import step
from profiles.intake import Intake
from profiles.kinds import Kind
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


def test_numbers_are_told_with_as_many_digits_as_mean_something() -> None:
    assert [shown(each) for each in (31_234.4, 187.61, 3.14159, 0.0123, None, float("nan"), 7)] == [
        "31 234", "188", "3.14", "0.012", "–", "–", "7",
    ]  # fmt: skip


def test_a_part_that_is_run_again_replaces_only_itself(tmp_path: Path) -> None:
    for value in (1.0, 2.0):
        Book(tmp_path).enter(Part("sweep", "Silence", figures={"sweep.latest": value}), list(PARTS))
    Book(tmp_path).enter(Part("ceiling", "Ceiling", [Table("t", ["a"], [[1.5]])], {"x": float("nan")}), list(PARTS))
    kept = Book(tmp_path).results.parts

    assert list(kept) == ["ceiling", "sweep"], "in the order in which parts are told"
    assert kept["sweep"].figures == {"sweep.latest": 2.0}
    assert kept["ceiling"].figures == {}, "what was not measured is no number"
    assert "| 1.50 |" in (tmp_path / "RESULTS.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("bar", BARS, ids=lambda bar: bar.figure)
@pytest.mark.parametrize("value", [1e-9, 1e12])
def test_a_bar_is_told_as_reached_or_not(bar: Bar, value: float) -> None:
    told = page(Results({"p": Part("p", "P", figures={bar.figure: value})}))

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

"""The judge counts steps and returns again from the log, notices one too many, and says where it cannot know."""

from __future__ import annotations

import asyncio

import pytest

from profiles import inputs
from profiles.clock import MINUTE, zone
from profiles.intake import Event
from profiles.kinds import Kind
from profiles.store.base import Checkpoint
from profiles.store.pins import Pin
from profiles.verify.bucket import BucketJudge
from profiles.verify.history import Rulers
from profiles.verify.log import BucketLog, Logged
from profiles.verify.position import position
from profiles.verify.report import Report
from profiles.verify.told import Told
from tests.laws.lives import END, keyed
from tests.laws.machine import Machine, world_of
from tests.laws.shop import PEOPLE, life

HERE = zone("Asia/Shanghai")
STEPS = "counts of steps and returns of buckets where repeats came too late to be recognised"


def judged(
    shop: Machine, *, replay: bool = False, checkpoint: Checkpoint | None = None, more: str = "", by: int = 1
) -> Report:
    """The only bucket of a shop beside its log, one of its counts changed."""
    log = BucketLog(0, HERE)
    for offset, raw in enumerate(shop.records[0]):
        log.add(Logged(offset, END, inputs.decode(raw)))
    counts = asyncio.run(shop.store.counts(0))
    if more:
        counts[more] = counts.get(more, 0) + by
    report, at = Report(), checkpoint or shop.checkpoint(0)
    roster = len({event.profile for source in shop.sources for event in source})
    rulers = Rulers(world_of(shop.book, HERE), shop.book)
    judge = BucketJudge(log, Told(0), lambda _rules, _cuts: rulers, {}, replay, report, told_whole=False)
    position(judge, Pin(0, at, counts, roster, {}, (), {}), sampled=True)
    return report


@pytest.mark.parametrize("replay", [False, True])
def test_what_was_counted_is_what_the_log_adds_up_to(replay: bool) -> None:
    log = sorted(life(5, 200), key=lambda event: event.time) if replay else life(5, 200)
    report = judged(Machine([log], HERE).run([]), replay=replay)
    assert report.by_kind["count"] == 0
    assert report.compared["counts of steps and returns"] > 60


@pytest.mark.parametrize(
    "name", ["path:VIEW>ORDER", "path:START>EXIT", "retention:2025-12-29:w0", "retention:1970-01-05:d1"]
)
@pytest.mark.parametrize("by", [1, -1])
def test_one_too_many_or_too_few_is_found(name: str, by: int) -> None:
    report = judged(Machine([life(5, 200)], HERE).run([]), more=name, by=by)
    assert report.by_kind["count"] == 1


def test_where_a_replay_s_order_is_not_known_only_returns_are_compared() -> None:
    """The first source runs back in time, so it depended on stops which event was a step."""
    late = keyed([Event(PEOPLE[0], Kind.VIEW, END), Event(PEOPLE[0], Kind.ORDER, END - MINUTE)])
    shop = Machine([late], HERE).run([])
    assert judged(shop, replay=True, more="path:VIEW>ORDER").by_kind["count"] == 0
    assert judged(shop, replay=True, more="retention:2025-01-06:w1").by_kind["count"] == 1


def test_repeats_that_were_not_recognised_leave_the_counts_out() -> None:
    log = life(5, 40)
    shop = Machine([[*log, log[0]]], HERE).run([])
    at = shop.checkpoint(0)
    assert judged(shop).left_out[STEPS] == 0
    missed = Checkpoint(next=at.next, applied=at.applied + 1, duplicates=at.duplicates - 1, offsets=at.offsets)
    assert judged(shop, checkpoint=missed).left_out[STEPS] == 1

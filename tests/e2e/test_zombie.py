"""A worker is frozen until another has taken its buckets over, and then it wakes: nothing is lost or counted twice.

The one that wakes still believes in its buckets, its outboxes and its partitions.  Its commits are refused, what it
sends again is recognised, and it joins as a newcomer.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from profiles.clock import system_clock
from profiles.store import keys
from tests.e2e.stacks import Stack, stack
from tests.e2e.test_kill import DAYS, HOUSEHOLDS, SHIPPED, alerts_of, settled
from tests.lanes.brokers import gives_up_no_leader
from tests.processes import eventually

LEFT_FOR_DEAD = 120.0  #: seconds in which a group must have given a silent member up, on any broker


def tended_since(shop: Stack, moment: int) -> Callable[[], bool]:
    """Whether every bucket has had a living worker after that moment."""
    return lambda: min(int(shop.redis.hget(keys.checkpoint(each), "beat") or 0) for each in shop.buckets) > moment


def freeze(shop: Stack, name: str) -> None:
    """Freeze a worker until all of its buckets are in other hands and have been worked on for a while."""
    pid = shop.pid(name)
    os.kill(pid, signal.SIGSTOP)
    frozen = system_clock()
    try:
        eventually(tended_since(shop, frozen + 3000), "somebody else tends all buckets", seconds=LEFT_FOR_DEAD)
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.skipif(bool(gives_up_no_leader()), reason=gives_up_no_leader())
def test_two_workers_that_freeze_and_wake_again_change_nothing(tmp_path: Path) -> None:
    """Profiles, tags, due times, timelines and alerts are those of a run without any of it."""
    with stack(tmp_path / "undisturbed", **SHIPPED) as shop:
        totals = shop.replay(HOUSEHOLDS, DAYS)
        settled(shop, totals.valid, totals.duplicates)
        calm, calm_alerts = shop.everything(), alerts_of(shop)
    with stack(tmp_path / "frozen", workers=2, **SHIPPED) as shop:
        pids = [shop.pid("worker-0"), shop.pid("worker-1")]
        woken: list[str] = []

        def frost() -> None:
            for name, share in (("worker-0", 0.1), ("worker-1", 0.5)):
                while shop.counted()[0] < share * totals.valid:
                    time.sleep(0.02)
                freeze(shop, name)
                woken.append(name)
                eventually(tended_since(shop, system_clock()), "after the next rebalance all buckets are tended again",
                           seconds=LEFT_FOR_DEAD)  # fmt: skip

        thread = threading.Thread(target=frost, daemon=True)
        thread.start()
        shop.replay(HOUSEHOLDS, DAYS)
        thread.join(4 * LEFT_FOR_DEAD)
        assert woken == ["worker-0", "worker-1"]
        settled(shop, totals.valid, totals.duplicates)
        eventually(tended_since(shop, system_clock()), "no bucket is between two workers", seconds=LEFT_FOR_DEAD)
        settled(shop, totals.valid, totals.duplicates)  # whoever is tended again may have something to say
        assert [shop.pid("worker-0"), shop.pid("worker-1")] == pids, "they came back by themselves"
        torn, torn_alerts = shop.everything(), alerts_of(shop)
    assert torn.keys() == calm.keys()
    assert {key: (torn[key], calm[key]) for key in calm if torn[key] != calm[key]} == {}
    assert torn_alerts == calm_alerts
    assert len(calm_alerts) > 0

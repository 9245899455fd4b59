"""A replay that is killed and one that is not end in the same bytes."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from profiles.store import keys
from tests.e2e.stacks import Stack, stack
from tests.processes import eventually

HOUSEHOLDS, DAYS = 90, 120
SHIPPED: dict[str, Any] = {"tags": None, "clock": "stream", "currency": "USD"}


def settled(shop: Stack, valid: int, duplicates: int) -> None:
    """Everything is applied, nobody is due any more, nothing waits in an outbox or for the alert desk."""
    eventually(lambda: shop.counted() == (valid, duplicates), f"{valid} applied, {duplicates} repeats", seconds=240)

    def quiet() -> bool:
        waiting = sum(shop.redis.xlen(keys.outbox(bucket)) for bucket in shop.buckets)
        seqs = [int(shop.redis.hget(keys.checkpoint(bucket), "seq") or 0) for bucket in shop.buckets]
        time.sleep(1.2)  # two rounds of the sweep
        again = [int(shop.redis.hget(keys.checkpoint(bucket), "seq") or 0) for bucket in shop.buckets]
        return waiting == 0 and seqs == again

    eventually(quiet, "the sweep has nothing left to say", seconds=60)
    eventually(shop.decided, "the alert desk has heard it all", seconds=60)


def test_killing_the_worker_in_a_replay_changes_nothing(tmp_path: Path) -> None:
    """Profiles, tags, due times, timelines and alerts are those of an undisturbed run."""
    with stack(tmp_path / "undisturbed", **SHIPPED) as shop:
        totals = shop.replay(HOUSEHOLDS, DAYS)
        settled(shop, totals.valid, totals.duplicates)
        calm, calm_alerts = shop.everything(), alerts_of(shop)
    with stack(tmp_path / "killed", **SHIPPED) as shop:
        killed = 0

        def assassin() -> None:
            nonlocal killed
            for share in (0.2, 0.5, 0.8):
                while shop.counted()[0] < share * totals.valid:
                    time.sleep(0.02)
                shop.kill("worker")
                killed += 1

        thread = threading.Thread(target=assassin, daemon=True)
        thread.start()
        again = shop.replay(HOUSEHOLDS, DAYS)
        assert (again.valid, again.duplicates) == (totals.valid, totals.duplicates)
        settled(shop, totals.valid, totals.duplicates)
        thread.join(10)
        assert killed == 3
        torn, torn_alerts = shop.everything(), alerts_of(shop)
    assert torn.keys() == calm.keys()
    assert {key: (torn[key], calm[key]) for key in calm if torn[key] != calm[key]} == {}
    assert torn_alerts == calm_alerts
    assert len(calm_alerts) > 0


def alerts_of(shop: Stack) -> set[bytes]:
    """Ids of every alert that was ever raised: the same episode has the same id in every run."""
    return {member.split(b":")[-1] for member in shop.redis.zrange(keys.ALERT_ALL, 0, -1)}

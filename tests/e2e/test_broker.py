"""Brokers that die in the middle of the load: nothing is lost, nothing counts twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stacks import Stack, stack
from tests.processes import eventually

HOUSEHOLDS, DAYS = 150, 120
SHIPPED: dict[str, Any] = {"tags": None, "clock": "stream", "currency": "USD"}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Stack]:
    """A stack on brokers that remember."""
    with stack(tmp_path, **SHIPPED) as started:
        if not started.servers.kafka.durable:
            pytest.skip("the private broker keeps its log in memory only; KAFKA=apache or apache3 keeps it on disk")
        yield started


@contextmanager
def while_running(shop: Stack, expected: int, shares: tuple[float, ...]) -> Iterator[list[float]]:
    """Kill one broker after the other as the work goes on; the list fills with the shares at which it happened."""
    done: list[float] = []

    def reached(share: float) -> bool:
        return shop.counted()[0] >= share * expected

    def assassin() -> None:
        for turn, share in enumerate(shares):
            eventually(partial(reached, share), f"{share:.0%} done", seconds=240)
            shop.servers.kafka.restart(turn % len(shop.servers.kafka.nodes))
            done.append(share)

    thread = threading.Thread(target=assassin, daemon=True)
    thread.start()
    yield done
    thread.join(240)


def test_every_broker_is_killed_once_in_a_replay_and_every_event_counts_once(shop: Stack) -> None:
    """Sender, worker and consumer group find their way back by themselves; the profiles add up."""
    expected = HOUSEHOLDS * DAYS  # somewhat less than what will come, so that every share is reached
    with while_running(shop, expected, (0.2, 0.5, 0.8)) as killed:
        totals = shop.replay(HOUSEHOLDS, DAYS)
        eventually(
            lambda: shop.counted() == (totals.valid, totals.duplicates),
            f"{totals.valid} applied, {totals.duplicates} repeats, once each",
            seconds=240,
        )
    assert killed == [0.2, 0.5, 0.8]
    eventually(shop.decided, "the alert desk has heard it all", seconds=120)

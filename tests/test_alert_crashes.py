"""Nothing is lost and no SMS is doubled, wherever a worker dies: the crash is an element of the input."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from profiles.clock import MINUTE, ManualClock
from profiles.store.client import Client
from profiles.store.desk_reads import DeskReads
from streams.alerts import AlertDesk
from streams.lanes import LEASE
from tests.alert_parts import Died, Open, lapse, mortal, recovery, sent
from tests.hook_receiver import Receiver, receiving

pytest_plugins = ["tests.alert_fixtures"]
pytestmark = pytest.mark.anyio


async def test_what_a_worker_could_not_record_is_told_to_whoever_calls_next(
    opened: Open, desk_clock: ManualClock, redis_url: str
) -> None:
    async with mortal(redis_url) as client:
        desk = opened(client=client)
        await desk.handle(0, [lapse(1)])
        client.left = 3
        with pytest.raises(Died):
            await desk.settled()


BEFORE = [lapse(1, "stays"), lapse(2, "leaves"), lapse(3, "old", origin="backfill")]
AFTER = [*BEFORE[1:], recovery(4, "leaves"), lapse(5, "late")]


async def _one_life(desk: AlertDesk) -> None:
    await desk.handle(0, BEFORE)
    await desk.settled()
    await desk.handle(0, AFTER)
    await desk.settled()


async def _dies(desk: AlertDesk) -> bool:
    """Whether the life ended before its time."""
    try:
        await _one_life(desk)
    except Died:
        return True
    else:
        return False
    finally:
        with contextlib.suppress(Died):
            await desk.close(grace=0)


async def _afterlife(desk: AlertDesk, desk_clock: ManualClock) -> None:
    """A new worker: reads everything again, waits for leases to end, delivers what is left."""
    await _one_life(desk)
    for _ in range(2):
        desk_clock.advance(LEASE + MINUTE)
        await desk.settled()


async def _check(reads: DeskReads, receiver: Receiver, messages: list[dict[str, Any]]) -> None:
    alerts = {alert.profile: alert for alert in (await reads.alerts()).alerts}
    assert {name: alert.state for name, alert in alerts.items()} == {
        "stays": "open",
        "leaves": "resolved",
        "late": "open",
    }
    assert len(await reads.feed("0-0")) == 4
    assert [line.reason for line in await reads.ledger() if line.profile == "old"] == ["backfill"]
    for name in ("stays", "late"):
        hooks = [one for one in receiver.got if one.json["data"]["profile"] == name]
        assert 1 <= len(hooks) <= 2
        assert len({one.id for one in hooks}) == 1
        texts = [one for one in messages if one["profile"] == name]
        ends = [one for one in await reads.ledger() if (one.profile, one.channel) == (name, "sms")]
        assert [one.outcome for one in ends] in (["sent"], ["unknown"])
        assert len(texts) == 1 or (not texts and ends[0].outcome == "unknown")
    story = [one.json["data"]["state"] for one in receiver.got if one.json["data"]["profile"] == "leaves"]
    assert story == sorted(story), "the end is never told before the beginning"
    assert set(story) in ({"open", "resolved"}, {"resolved"}, set()), "whoever heard the beginning hears the end"


async def test_wherever_the_worker_dies_nothing_is_lost_and_no_sms_is_sent_twice(
    opened: Open, redis: Client, redis_url: str, reads: DeskReads, desk_clock: ManualClock, tmp_path: Path
) -> None:
    moments, died = 0, True
    with receiving() as receiver:
        hook = (receiver.url + "/",)
        while died:
            await redis.flushall()
            receiver.got.clear()
            (tmp_path / "sms.log").unlink(missing_ok=True)
            async with mortal(redis_url, moments) as client:
                died = await _dies(opened(client=client, webhook_urls=hook))
            await _afterlife(opened(webhook_urls=hook), desk_clock)
            await _check(reads, receiver, sent(tmp_path))
            moments += 1
    assert moments > 40


async def test_many_workers_that_die_at_random_agree_in_the_end(
    opened: Open, redis_url: str, reads: DeskReads, desk_clock: ManualClock, tmp_path: Path
) -> None:
    rng = random.Random(1337)
    batch = [lapse(seq, f"hh-{seq}") for seq in range(1, 61)]

    async def worker() -> None:
        async with mortal(redis_url, rng.randrange(5, 60)) as client:
            desk = opened(client=client)
            with contextlib.suppress(Died):
                start = rng.randrange(0, 40)
                done = await desk.cursor(0)
                await desk.handle(0, [one for one in batch if one.seq > min(done, start)])
                await desk.settled()
            with contextlib.suppress(Died):
                await desk.close(grace=0)

    for _ in range(12):
        await asyncio.gather(*(worker() for _ in range(4)))
        desk_clock.advance(LEASE)
    last = opened()
    await last.handle(0, batch)
    for _ in range(2):
        desk_clock.advance(LEASE)
        await last.settled()

    assert Counter(alert.profile for alert in (await reads.alerts(limit=100)).alerts) == Counter(
        one.profile for one in batch
    )
    texts = Counter(message["profile"] for message in sent(tmp_path))
    unknown = {line.profile for line in await reads.ledger(limit=500) if line.outcome == "unknown"}
    assert set(texts.values()) == {1}
    assert set(texts) | unknown == {one.profile for one in batch}

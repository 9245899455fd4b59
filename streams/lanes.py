"""Deliveries on their way out: every lane drains its own queue, and none waits for another.

Knows: claiming, what to record after an attempt, when the next one is.
Must not know: how an attempt is made (``courier``), how alerts come to be (``alerts``).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

from profiles.clock import SECOND, Clock, Millis
from profiles.deliveries import LONGEST_WAIT, Delivery, Lane, next_attempt
from profiles.store.desk import Desk, Verdict
from profiles.store.desk_rows import counter
from streams.courier import Again, Courier

AT_ONCE: Final = 8  #: attempts under way on one lane
LEASE: Final = 30 * SECOND  #: twice as long as an attempt may take


class Lanes:
    """One worker's deliveries; several workers share the queues."""

    def __init__(self, desk: Desk, clock: Clock, lanes: tuple[Lane, ...], courier: Courier) -> None:
        """``lanes``: those that are configured; others that still have deliveries are drained too."""
        self._desk = desk
        self._clock = clock
        self._lanes = lanes
        self._courier = courier
        self._running: dict[str, asyncio.Task[None]] = {}
        self._held: dict[str, Millis] = {}  # lane -> the moment until which it asked to be left alone
        self._counts: Counter[str] = Counter()
        self._closing = False

    async def start(self) -> Counter[str]:
        """Let every lane that is idle drain its queue; returns what happened since the last call."""
        self._reap()
        for lane in {lane.id: lane for lane in (*await self._desk.lanes(), *self._lanes)}.values():
            if lane.id not in self._running and not self._closing:
                self._running[lane.id] = asyncio.create_task(self._drain(lane), name=f"lane {lane.id}")
        done, self._counts = self._counts, Counter()
        return done

    async def settled(self) -> Counter[str]:
        """Wait until every queue is drained; returns what happened since the last call."""
        await self._wait(None)  # a lane that is at it may have looked for the last time before what we wait for came
        done = await self.start()
        await self._wait(None)
        self._reap()
        done, self._counts = done + self._counts, Counter()
        return done

    async def close(self, grace: float) -> None:
        """Claim nothing more; drop what has not ended after ``grace`` seconds."""
        self._closing = True
        await self._wait(grace)
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        self._running.clear()

    async def _wait(self, seconds: float | None) -> None:
        if self._running:
            await asyncio.wait(self._running.values(), timeout=seconds)

    def _reap(self) -> None:
        """Forget lanes that have come to rest; raise the fault of one that broke."""
        for lane in [lane for lane, task in self._running.items() if task.done()]:
            self._running.pop(lane).result()

    async def _drain(self, lane: Lane) -> None:
        while not self._closing and self._held.get(lane.id, 0) <= self._clock():
            claimed = await self._desk.claim(lane, self._clock(), LEASE, AT_ONCE)
            if not claimed:
                return
            ended = await asyncio.gather(*map(self._deliver, claimed), return_exceptions=True)
            for one in ended:  # all of them have ended: no fault of one cuts another short
                if isinstance(one, BaseException):
                    raise one

    async def _deliver(self, one: Delivery) -> None:
        if one.state == "unknown":  # found half-sent; it is in the ledger already
            self._counts[counter("unknown", "outcome_unknown", one.lane.channel)] += 1
            return
        match await self._courier.carry(one):
            case Verdict() as verdict:
                await self._finish(one, verdict)
            case Again() as again:
                await self._retry(one, again)
            case None:
                pass

    async def _finish(self, one: Delivery, verdict: Verdict) -> None:
        if await self._desk.finish(one, verdict, self._clock()):
            self._counts[counter(verdict.state, verdict.reason, one.lane.channel)] += 1

    async def _retry(self, one: Delivery, again: Again) -> None:
        now = self._clock()
        if again.wait:
            self._held[one.lane.id] = now + min(again.wait, LONGEST_WAIT)
        at = next_attempt(one.id, one.attempts, now, again.wait)
        if at is None:
            detail = f"given up after attempt {one.attempts}: {again.detail}"
            await self._finish(one, Verdict("dead", again.reason, detail, again.payload))
        elif await self._desk.retry(one, at, again.reason, again.detail, now):
            self._counts[counter("failed", again.reason, one.lane.channel)] += 1

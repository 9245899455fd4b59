"""Events at a steady rate, whatever happens to them: an open loop.

Arguments: broker, events a second, seconds, probes a second, start (monotonic seconds), linger in ms, a name for the
probes, a file for the outcome.  Everything is made before the start; event ``i`` is due at start + i / rate.  A probe is
a complaint by a customer of its own, which makes a tag.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
from aiokafka import AIOKafkaProducer

from bench.data import Events, Shop
from profiles.clock import iso, system_clock
from streams.shoppers.batch import BEHAVIOR

TICK = 0.002
CUSTOMERS = 100_000  #: whom the events are about, evenly


class Outcome(msgspec.Struct):
    """How the sending went."""

    sent: int
    late_p99_ms: float  #: between the moment an event was due and the moment it was handed over


def probe(name: str, event: str, at: int) -> bytes:
    """An event of a probe."""
    body = {"type": "track", "event": event, "userId": name, "messageId": f"{name}-{event}", "timestamp": iso(at)}
    return msgspec.json.encode(body | {"properties": {}})


async def main(broker: str, rate: float, seconds: float, probes: float, start: float, linger: int, run: str) -> Outcome:
    producer = AIOKafkaProducer(bootstrap_servers=broker, acks="all", linger_ms=linger)
    await producer.start()
    wall = system_clock() + int((start - time.monotonic()) * 1000)
    shop = Shop(CUSTOMERS, wall + int(seconds * 1000), int(seconds * 1000))
    due: list[tuple[float, str, bytes, bytes]] = []
    for batch in Events(shop, int(rate * seconds)):
        due += zip(
            np.arange(len(due), len(due) + len(batch)) / rate, batch.topics, batch.keys, batch.values, strict=True
        )
    for n in range(int(probes * seconds)):
        name, at = f"probe-{run}-{n}", n / probes
        due.append((at, BEHAVIOR, name.encode(), probe(name, "Complaint Filed", wall + int(at * 1000))))
    due.sort(key=lambda each: each[0])
    late, place = [], 0
    while place < len(due):
        now = time.monotonic() - start
        while place < len(due) and due[place][0] <= now:
            at, topic, key, value = due[place]
            await producer.send(topic, value, key=key)
            late.append(time.monotonic() - start - at)
            place += 1
        await asyncio.sleep(TICK)
    await producer.flush()
    await producer.stop()
    return Outcome(len(due), float(np.percentile(late, 99)) * 1000)


if __name__ == "__main__":
    a = sys.argv
    outcome = asyncio.run(main(a[1], float(a[2]), float(a[3]), float(a[4]), float(a[5]), int(a[6]), a[7]))
    Path(a[8]).write_bytes(msgspec.json.encode(outcome))

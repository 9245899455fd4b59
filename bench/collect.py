"""How much the collector takes: events a second in batches of 100 on one core, and how long an answer takes at 2 000 a second.

``python -m bench.collect``: one API process before the private broker; whoever sends is another process.  The core's own
time is what counts, since sender and broker share the machine: ``per core`` is events by CPU second of the API process.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import psutil

from profiles.clock import iso, system_clock
from tests.sdk.collecting import KEY, collecting

SECONDS = 8.0
CONNECTIONS = 16


def body(batch: int) -> bytes:
    """Events as a shop's SDK sends them, about 450 bytes each."""
    now = iso(system_clock())
    return json.dumps({
        "sentAt": now,
        "batch": [
            {"type": "track", "event": "Product Viewed", "userId": f"u-{number}", "messageId": f"m-{number}-0123456789",
             "timestamp": now, "channel": "web", "context": {"library": {"name": "bench", "version": "1"}, "ip": "10.0.0.1"},
             "properties": {"product_id": f"p-{number}", "category": "咖啡", "brand": "b", "price": 12.5, "quantity": 1,
                            "url": "https://shop.example/p/1", "title": "a product of some name"}}
            for number in range(batch)
        ],
    }, ensure_ascii=False).encode()  # fmt: skip


def send(port: int, batch: int, per_second: float) -> list[float]:
    """Send for a while; ``per_second=0``: as fast as it is taken.  Returns how long each answer took."""
    return asyncio.run(_send(port, batch, per_second))


async def _send(port: int, batch: int, per_second: float) -> list[float]:
    content = body(batch)
    head = (
        f"POST /v1/batch HTTP/1.1\r\nHost: x\r\nX-Write-Key: {KEY}\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    )
    took: list[float] = []
    started = time.perf_counter()
    turns = iter(range(10**9))

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (now := time.perf_counter()) < started + SECONDS:
            due = now
            if per_second:  # from when it should have been sent, so that a slow answer is not its own excuse
                due = started + next(turns) * batch / per_second
                if due > started + SECONDS:
                    break
                await asyncio.sleep(max(due - now, 0))
            writer.write(head + content)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200"), answer
            length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            took.append(time.perf_counter() - due)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS if not per_second else 4 * CONNECTIONS)))
    return took


def measured(port: int, pid: int, batch: int, per_second: float) -> str:
    """One run, in words."""
    api = psutil.Process(pid)
    before, started = sum(api.cpu_times()[:2]), time.perf_counter()
    with get_context("spawn").Pool(1) as pool:
        took = sorted(pool.apply(send, (port, batch, per_second)))
    seconds, cpu = time.perf_counter() - started, sum(api.cpu_times()[:2]) - before
    events = len(took) * batch
    p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
    return (
        f"batches of {batch:>3}: {events / SECONDS:>8,.0f} events/s, {events / cpu:>8,.0f} per core-second, "
        f"p50 {1000 * p50:.1f} ms, p99 {1000 * p99:.1f} ms ({cpu:.1f} s of CPU in {seconds:.1f} s)"
    )


def main() -> int:
    """Three runs."""
    with tempfile.TemporaryDirectory() as folder, collecting(Path(folder), data_dir=folder) as door:
        pid, port = door.api.pid or 0, door.settings.api_port
        for _ in range(2):  # the first seconds belong to starting
            measured(port, pid, 100, 500.0)
        for batch, rate in ((100, 0.0), (100, 2000.0), (10, 2000.0), (1, 2000.0)):
            print(f"{rate or 'any':>6} wanted, {measured(port, pid, batch, rate)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

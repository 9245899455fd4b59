"""Read events with aiokafka alone and throw them away.  Arguments: tally, broker."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aiokafka import AIOKafkaConsumer

from bench.programs.tally import Tally
from streams.shoppers.batch import TOPICS


async def main(tally: Tally, broker: str) -> None:
    consumer = AIOKafkaConsumer(
        *TOPICS, bootstrap_servers=broker, group_id=None, auto_offset_reset="earliest", max_poll_records=4000,
        fetch_max_wait_ms=50,
    )  # fmt: skip
    await consumer.start()
    while True:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            tally.add(len(records))


if __name__ == "__main__":
    asyncio.run(main(Tally(Path(sys.argv[1])), sys.argv[2]))

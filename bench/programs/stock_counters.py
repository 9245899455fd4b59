"""The least that people write: a stock Faust agent that adds up a few numbers in Redis.

Arguments: tally, broker, redis.  No tags, no windows, no repeats recognised, no due times.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from bench.programs.faust_apps import RAW, app_on, work
from bench.programs.tally import Tally
from streams.shoppers.batch import TOPICS


def main(tally: Tally, broker: str, url: str) -> None:
    app, redis = app_on(broker), Redis.from_url(url)

    @app.agent(app.topic(*TOPICS, key_type=bytes, value_type=bytes, **RAW))
    async def count(events: Any) -> None:
        async for raw in events:
            event = json.loads(raw)
            key = f"user:{event['userId']}"
            pipeline: Any = redis.pipeline(transaction=False)
            pipeline.hincrby(key, event.get("event", event["type"]), 1)
            if "revenue" in event.get("properties", {}):
                pipeline.hincrbyfloat(key, "revenue", event["properties"]["revenue"])
            pipeline.hset(key, "last_seen", event["timestamp"])
            await pipeline.execute()
            tally.add()

    work(app)


if __name__ == "__main__":
    main(Tally(Path(sys.argv[1])), sys.argv[2], sys.argv[3])

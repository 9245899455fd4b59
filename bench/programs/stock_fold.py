"""The profile fold in a stock Faust agent: one event, one read of the profile, one atomic commit.

Arguments: tally, broker, redis; the profiles are there already.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from bench.fold import BUCKETS, OneByOne
from bench.programs.faust_apps import RAW, app_on, work
from bench.programs.tally import Tally
from profiles.store.redis import RedisStore, connect
from streams.shoppers.batch import TOPICS


def main(tally: Tally, broker: str, url: str) -> None:
    app, store, fold = app_on(broker), RedisStore(connect(url)), OneByOne()
    version, seq = [0] * BUCKETS, [0] * BUCKETS

    @app.agent(app.topic(*TOPICS, key_type=bytes, value_type=bytes, **RAW))
    async def profile(stream: Any) -> None:
        for b in range(BUCKETS):
            stands = await store.checkpoint(b)
            version[b], seq[b] = stands.version, stands.seq
        async for record in stream.events():
            event = fold.read(record.value, int(record.message.timestamp * 1000))
            if event is not None:
                b = fold.bucket(event)
                (blob,) = await store.load(b, [event.profile])
                commit = fold.fold(event, blob, expect=version[b], seq=seq[b], then=record.message.offset)
                version[b], seq[b] = await store.commit(commit), commit.seq
            tally.add()

    work(app)


if __name__ == "__main__":
    main(Tally(Path(sys.argv[1])), sys.argv[2], sys.argv[3])

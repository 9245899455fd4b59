"""The profile fold in Quix Streams: the profile in its state store (RocksDB and a changelog), a copy in Redis.

Arguments: tally, broker, redis, folder, profiles of known customers.  Redis is written by Quix's own sink, which batches.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from quixstreams import Application, State
from quixstreams.sinks.community.redis import RedisSink

from bench.filling import kept
from bench.fold import OneByOne
from bench.programs.tally import Tally
from streams.shoppers.batch import TOPICS


def main(tally: Tally, broker: str, url: str, folder: Path, known: Path) -> None:
    app = Application(
        broker_address=broker, consumer_group=f"bench-quix-{os.getpid()}", auto_offset_reset="earliest", state_dir=folder,
        loglevel="WARNING",
    )  # fmt: skip
    fold, where = OneByOne(known=kept(known)), urlsplit(url)
    sink = RedisSink(where.hostname or "", where.port or 0, 0, value_serializer=bytes, key_serializer=_named)

    def profile(raw: bytes, _key: Any, timestamp: int, _headers: Any, state: State) -> bytes | None:
        tally.add()
        event = fold.read(raw, timestamp)
        if event is None:
            return None
        commit = fold.fold(event, state.get_bytes("profile"))
        if not commit.entries:
            return None
        state.set_bytes("profile", commit.entries[0].blob)
        return commit.entries[0].blob

    for name in TOPICS:
        topic = app.topic(name, value_deserializer="bytes", key_deserializer="bytes")
        frame = app.dataframe(topic).apply(profile, stateful=True, metadata=True)
        frame.filter(lambda blob: blob is not None).sink(sink)
    app.run()


def _named(key: bytes, _value: Any) -> str:
    return f"quix:{key.decode()}"


if __name__ == "__main__":
    main(Tally(Path(sys.argv[1])), sys.argv[2], sys.argv[3], Path(sys.argv[4]), Path(sys.argv[5]))

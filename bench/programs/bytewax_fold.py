"""The profile fold in Bytewax: the profile in its keyed state, a copy in Redis, a pipeline a batch.

Arguments: tally, broker, redis, a folder (unused), profiles of known customers.  One worker, no recovery store: its fastest form.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import operators as kafka
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main
from redis import Redis

from bench.filling import kept
from bench.fold import OneByOne
from bench.programs.tally import Tally
from streams.shoppers.batch import TOPICS


class _Writer(StatelessSinkPartition[Any]):
    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url)

    def write_batch(self, items: list[Any]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for name, blob in items:
            if blob is not None:
                pipeline.set(f"bytewax:{name}", blob)
        pipeline.execute()


class _Sink(DynamicSink[Any]):
    def __init__(self, url: str) -> None:
        self._url = url

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Writer:
        del step_id, worker_index, worker_count
        return _Writer(self._url)


def main(tally: Tally, broker: str, url: str, known: Path) -> None:
    fold = OneByOne(known=kept(known))

    def profile(stored: bytes | None, record: Any) -> tuple[bytes | None, bytes | None]:
        tally.add()
        event = fold.read(record.value, record.timestamp[1])
        entries = fold.fold(event, stored).entries if event is not None else ()
        return (entries[0].blob, entries[0].blob) if entries else (stored, None)

    flow = Dataflow("bench")
    read = kafka.input("events", flow, brokers=[broker], topics=list(TOPICS), tail=True, batch_size=1000)
    keyed = op.key_on("by customer", read.oks, lambda record: record.key.decode())
    folded = op.stateful_map("fold", keyed, profile)
    op.output("redis", folded, _Sink(url))
    run_main(flow)


if __name__ == "__main__":
    main(Tally(Path(sys.argv[1])), sys.argv[2], sys.argv[3], Path(sys.argv[5]))

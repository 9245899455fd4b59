"""Read events with Mien's batch delivery in a Faust agent and throw them away.  Arguments: tally, broker."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from bench.programs.faust_apps import app_on, work
from bench.programs.tally import Tally
from streams.batches import FetchScheduler, PassThrough
from streams.shoppers.batch import TOPICS


def main(tally: Tally, broker: str) -> None:
    app = app_on(broker, ConsumerScheduler=FetchScheduler, broker_max_poll_records=4000, stream_buffer_maxsize=8)

    @app.agent(app.topic(*TOPICS, schema=PassThrough()))
    async def discard(fetches: Any) -> None:
        async for fetch in fetches.events():
            tally.add(len(fetch.value))

    work(app)


if __name__ == "__main__":
    main(Tally(Path(sys.argv[1])), sys.argv[2])

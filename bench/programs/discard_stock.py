"""Read events in a stock Faust agent, one by one, and throw them away.  Arguments: tally, broker."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from bench.programs.faust_apps import RAW, app_on, work
from bench.programs.tally import Tally
from streams.shoppers.batch import TOPICS


def main(tally: Tally, broker: str) -> None:
    app = app_on(broker)

    @app.agent(app.topic(*TOPICS, key_type=bytes, value_type=bytes, **RAW))
    async def discard(events: Any) -> None:
        async for _ in events:
            tally.add()

    work(app)


if __name__ == "__main__":
    main(Tally(Path(sys.argv[1])), sys.argv[2])

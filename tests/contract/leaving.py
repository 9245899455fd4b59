"""A worker that ends in the middle of its work, as ``patience.leave`` ends one; run as a program by a contract test.

    python -m tests.contract.leaving BROKER FOLDER GROUP TOPIC OFFSET

It handles what it is given until an item carries OFFSET.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from streams.patience import surely
from tests.contract.running import Running, Seen


def main(broker: str, folder: str, group: str, topic: str, offset: str) -> None:
    running = Running(broker, Path(folder), group)
    tap = running.tap(topic)

    async def work(seen: Seen) -> None:
        async def fail() -> None:
            raise ValueError("a bug")

        if int(offset) in seen.offsets:
            await surely(fail())

    tap.handle = work
    with running:
        threading.Event().wait(120)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Stores of many customers, each with a profile that 90 days of events have made.

Knows: which profiles are copied, as of when.  Must not know: what is measured on them.
Some customers are made event by event; then everything that silence owes them is decided, as a running worker would have
done; then they are copied under as many names as are wanted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bench.data import Events, Shop
from bench.fold import BUCKETS, UpdatePath
from bench.progress import Progress
from bench.servers import place
from profiles.clock import DAY, ManualClock, Millis
from profiles.store import keys
from profiles.store.registry import Registry

MODELS: Final = 2000  #: customers that are copied
EVENTS_EACH: Final = 20  #: events that made each of them
PIECE: Final = 50_000


class Models(NamedTuple):
    """Customers to be copied."""

    profiles: list[tuple[bytes, int]]  #: as they are stored, and when each falls due
    names: dict[bytes, bytes]  #: the texts behind the codes in them: without, each read would ask for them in vain


async def models(at: Millis) -> Models:
    """Profiles as of ``at`` whom nothing is owed: whatever falls due does so later."""
    with place() as here:
        path = UpdatePath(here.valkey(durable=False), ManualClock(at))
        await path.open()
        history = Shop(MODELS, at, 90 * DAY, prefix="m")
        await path.intake(path.records(Events(history, MODELS * EVENTS_EACH)))
        await path.update()
        await path.sweep()
        found = Models(await path.profiles(MODELS), await path.client.hgetall(keys.NAMES))
        await path.close()
    return found


async def fill(path: UpdatePath, customers: int, copies: Models) -> None:
    """Write the profiles of so many customers of a shop."""
    shop = Shop(customers, 0, DAY)
    await path.client.hset(keys.NAMES, mapping=copies.names)
    with Progress("filling the store", customers) as bar:
        for start in range(0, customers, PIECE):
            await path.fill((shop.name(n) for n in range(start, min(start + PIECE, customers))), copies.profiles)
            bar.at(start)


async def filled(redis: str, customers: int, copies: Models, at: Millis) -> None:
    """Fill the store at an address, for who measures a worker or an API on it; its broker's log is still to be read."""
    path = UpdatePath(redis, ManualClock(at))
    await path.open()
    await fill(path, customers, copies)
    for bucket in range(BUCKETS):
        await Registry(path.client).forget_offsets(bucket)
    await path.close()


def keep(copies: Models, file: Path) -> Path:
    """Put them where another process can read them."""
    file.write_bytes(msgspec.msgpack.encode([blob for blob, _ in copies.profiles]))
    return file


def kept(file: Path) -> list[bytes]:
    """Profiles that another process put there."""
    return msgspec.msgpack.decode(file.read_bytes(), type=list[bytes])

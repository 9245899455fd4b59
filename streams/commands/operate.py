"""``mien worker``, ``api`` and ``topics``: the processes and preparations of production.

Knows: how each process is started.  Must not know: what it does.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from typing import NoReturn

from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from profiles.settings import Settings, load
from profiles.store import keys
from profiles.store.address import WrongStore
from profiles.store.client import connect, fits
from streams.patience import EXIT_CONFIG, leave
from streams.topics import describe, provision

#: Faust tells at ``info`` what only its authors want to know
FAUST_LEVELS = {"debug": "info", "info": "warn", "warning": "warn", "error": "error"}


def worker(instance: str = "") -> NoReturn:
    """Become a Faust worker, after making sure that topics and store fit: one that cannot work joins no group.

    Raises:
        TopicMismatch, BrokerDown: see ``streams.topics``.
    """
    settings = load()
    try:
        asyncio.run(_store_fits(settings))
    except WrongStore as fault:
        leave(str(fault), code=EXIT_CONFIG)
    provision(settings)
    if instance:
        os.environ["MIEN_INSTANCE"] = instance
    level = FAUST_LEVELS[settings.log_level]
    command = [sys.executable, "-m", "faust", "-A", "streams.app", "worker", "-l", level, "--without-web"]
    os.execv(sys.executable, command)


async def _store_fits(settings: Settings) -> None:
    """Raises WrongStore: it is of another kind.  One that does not answer yet is waited for later, by the worker."""
    client = connect(settings.redis, timeout=2.0)
    try:
        with suppress(RedisError, OSError):
            await fits(client, [keys.checkpoint(bucket) for bucket in range(settings.buckets)])
    finally:
        await client.aclose()


def api(port: int | None = None) -> NoReturn:
    """Become the API's server."""
    if port is not None:
        os.environ["MIEN_API_PORT"] = str(port)
    os.execv(sys.executable, [sys.executable, "-m", "api"])


def topics(*, show_only: bool) -> int:
    """Create what is missing, then show what is there."""
    settings = load()
    created = () if show_only else provision(settings)
    table = Table("topic", "what it carries", "partitions", "state")
    fits = True
    for seen in describe(settings):
        fits = fits and seen.fits
        state = (
            "created"
            if seen.name in created
            else "fits"
            if seen.fits
            else "missing"
            if not seen.partitions
            else "wrong"
        )
        table.add_row(seen.name, seen.purpose, str(seen.partitions), state)
    Console().print(table)
    return 0 if fits else 1


if __name__ == "__main__":
    worker()

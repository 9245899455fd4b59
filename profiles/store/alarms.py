"""What somebody should look at: said by workers, shown by ``mien doctor`` and ``/readyz``.

Knows: that an alarm has a name, a text and an end.  Must not know: what may go wrong.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from profiles.clock import Millis
from profiles.store import keys
from profiles.store.client import Client

WAITING: Final = "waiting"
"""An alarm that says how things are, not what happened: it is rung with every beat, for as long as it lasts."""

SOURCES: Final = "sources"
"""Another one: the file of MIEN_SOURCES cannot be used."""


class Alarm(msgspec.Struct, frozen=True):
    """One thing to look at; a new one of the same name takes its place."""

    name: str
    text: str
    at: Millis
    until: Millis  #: shown so long, unless it is said again


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Alarm).decode


class Alarms:
    """The alarms of all workers."""

    def __init__(self, client: Client) -> None:
        self._client: Any = client  # its answers are typed bytes-or-text; ours are bytes

    async def ring(self, name: str, text: str, now: Millis, lasts: Millis) -> None:
        """Show an alarm for so long."""
        await self._client.hset(keys.ALARMS, name, _encode(Alarm(name, text[:1000], now, now + lasts)))

    async def ringing(self, now: Millis) -> list[Alarm]:
        """What is to be shown, the latest first."""
        return read(await self._client.hvals(keys.ALARMS), now)


def read(stored: list[bytes], now: Millis) -> list[Alarm]:
    """Alarms as they are stored that have not ended, the latest first."""
    found = [_decode(each) for each in stored]
    return sorted((each for each in found if each.until > now), key=lambda each: -each.at)

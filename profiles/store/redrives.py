"""Which dead letters were sent again, so that each is sent once however often the command is run or killed.

Knows: that nobody writes who does not hold the lock.  Must not know: Kafka, letters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from profiles.clock import Millis
from profiles.errors import MienError
from profiles.store import keys
from profiles.store.client import Client, Script

_NOTE: Final = """
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if #ARGV > 2 then redis.call('HSET', KEYS[2], unpack(ARGV, 3)) end
return 1
"""
_LET_GO: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class Busy(MienError):
    """Somebody else sends dead letters again, or holds the lock of a command that was killed."""


class Sent(NamedTuple):
    """Where a letter went.  Not ``sure``: it was on its way there when its command ended; ``offset`` or later."""

    topic: str
    partition: int
    offset: int
    at: Millis  #: when it became a dead letter
    sure: bool = True

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{'' if self.sure else '~'}{self.offset} {self.at}"

    @classmethod
    def read(cls, text: str) -> Sent:
        """The inverse of ``str``.

        >>> Sent.read(str(Sent("events.orders", 1, 7, 99, sure=False)))
        Sent(topic='events.orders', partition=1, offset=7, at=99, sure=False)
        """
        place, at = text.rsplit(" ", 1)
        topic, partition, offset = place.rsplit("/", 2)
        return cls(topic, int(partition), int(offset.removeprefix("~")), int(at), sure=not offset.startswith("~"))


class Redrives:
    """The ledger, as one command sees it; ``token`` is the command's own."""

    def __init__(self, client: Client, token: str, lasts: Millis) -> None:
        self._client: Any = client  # its answers are typed bytes-or-text; ours are bytes
        self._note, self._let_go = Script(client, _NOTE), Script(client, _LET_GO)
        self._token = token
        self._lasts = lasts

    async def note(self, sent: Mapping[str, Sent]) -> None:
        """Write down all of these in one moment; with none, only take or keep the lock.

        Raises:
            Busy: another command holds it.
        """
        words = [word for name, place in sent.items() for word in (name, str(place))]
        if not await self._note([keys.REDRIVE_LOCK, keys.REDRIVEN], [self._token, self._lasts, *words]):
            raise Busy(f"another `mien deadletters redrive` is at work; one that was killed lets go after "
                       f"{self._lasts // 1000} s")  # fmt: skip

    async def known(self, names: Sequence[str]) -> dict[str, Sent]:
        """Those of these letters that were sent, or were about to be."""
        found = await self._client.hmget(keys.REDRIVEN, list(names)) if names else []
        return {name: Sent.read(value.decode()) for name, value in zip(names, found, strict=True) if value}

    async def forget(self, before: Millis) -> int:
        """Drop what is about letters that became such before a moment: Kafka has none of them any more."""
        old = [
            name
            async for name, value in self._client.hscan_iter(keys.REDRIVEN, count=1000)
            if Sent.read(value.decode()).at < before
        ]
        return await self._client.hdel(keys.REDRIVEN, *old) if old else 0

    async def let_go(self) -> None:
        """Give the lock back."""
        await self._let_go([keys.REDRIVE_LOCK], [self._token])

"""The audit log in Redis: appended by one atomic call, never changed.

Knows: a stream, and its head.  Must not know: what acts mean.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from profiles.clock import Millis
from profiles.errors import MienError
from profiles.store import keys
from profiles.store.client import Client, Script, reaching
from profiles.vault.audit import START, Act, Entry, decode, link

PAGE: Final = 500
RACES: Final = 50  #: others that may be quicker, one after the other, before we stop to believe that it is a race

# The head is compared, because Lua in Redis has no SHA-256 to work out what the next entry has to say.
_APPEND: Final = """
local seq = tonumber(redis.call('HGET', KEYS[2], 'seq') or '0')
local last = redis.call('HGET', KEYS[2], 'last') or ARGV[5]
if seq ~= tonumber(ARGV[1]) - 1 or last ~= ARGV[2] then return {0, seq, last} end
redis.call('XADD', KEYS[1], ARGV[1] .. '-0', 'e', ARGV[4])
redis.call('HSET', KEYS[2], 'seq', ARGV[1], 'last', ARGV[3])
return {1, seq, last}
"""


class AuditLog:
    """Appends and reads."""

    def __init__(self, client: Client) -> None:
        self._client: Any = client  # its answers are typed bytes-or-text; ours are bytes
        self._append = Script(client, _APPEND)

    async def append(self, act: Act, at: Millis) -> int:
        """Write down what was done; returns the entry's number.

        Raises:
            StoreDown: the store does not answer; whoever asked must not get what would not be on record.
        """
        seq, last = await self.head()
        for _ in range(RACES):
            raw, digest = link(seq + 1, at, last, act)
            with reaching():
                done, stored, found = await self._append(
                    [keys.AUDIT_LOG, keys.AUDIT_HEAD], [seq + 1, last, digest, raw, START]
                )
            if done:
                return seq + 1
            seq, last = int(stored), found.decode()
        raise MienError("the audit log moves faster than it can be written to")

    async def head(self) -> tuple[int, str]:
        """Number and hash of the last entry."""
        with reaching():
            seq, last = await self._client.hmget(keys.AUDIT_HEAD, ["seq", "last"])
        return (int(seq), last.decode()) if seq else (0, START)

    async def raw(self) -> AsyncIterator[bytes]:
        """Every entry as it is stored, the first one first."""
        after = "-"
        while True:
            with reaching():
                page = await self._client.xrange(keys.AUDIT_LOG, min=after, count=PAGE)
            for name, fields in page:
                after = f"({name.decode()}"
                yield fields[b"e"]
            if len(page) < PAGE:
                return

    async def latest(self, limit: int) -> list[Entry]:
        """The last entries, newest first."""
        with reaching():
            page = await self._client.xrevrange(keys.AUDIT_LOG, count=limit)
        return [decode(fields[b"e"]) for _, fields in page]

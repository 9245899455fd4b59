"""How far imports are and what they counted, in Redis: one field an import, whole numbers from its first row on.

Whatever is told again, late or twice, leaves the newest of the latest attempt.
Knows: which of two tellings is newer.  Must not know: what the counts mean.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from profiles.clock import Millis
from profiles.imports import Import
from profiles.store import keys
from profiles.store.client import Client, Script, reaching
from profiles.store.quality import KEPT

# KEYS: imports.  ARGV: name, when it began, rows, what is told, ms to keep, began before which others are forgotten.
_TELL: Final = """
local was = redis.call('HGET', KEYS[1], ARGV[1])
if was then
  local began, rows = string.match(was, '^(%d+) (%d+) ')
  began, rows = tonumber(began), tonumber(rows)
  if began > tonumber(ARGV[2]) or (began == tonumber(ARGV[2]) and rows > tonumber(ARGV[3])) then return 0 end
else
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    if tonumber(string.match(all[i + 1], '^%d+')) < tonumber(ARGV[6]) then redis.call('HDEL', KEYS[1], all[i]) end
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
"""
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Import).decode


class ImportStore:
    """Reads and tells."""

    def __init__(self, client: Client) -> None:
        self._client: Any = client  # its answers are typed bytes-or-text; ours are bytes
        self._tell = Script(client, _TELL)

    async def tell(self, name: str, one: Import) -> bool:
        """Keep what is known of an import; False, and nothing happens, if more is known already.

        Raises:
            StoreDown: Redis does not answer.
        """
        with reaching():
            words = [name, one.started, one.rows, _encode(one), KEPT, one.at - KEPT]
            return bool(await self._tell([keys.IMPORTS], words))

    async def read(self, since: Millis = 0) -> dict[str, Import]:
        """Imports that began at a moment or later, by name.

        Raises:
            StoreDown: Redis does not answer.
        """
        with reaching():
            stored = await self._client.hgetall(keys.IMPORTS)
        found = {name.decode(): _decode(value.split(b" ", 2)[2]) for name, value in stored.items()}
        return {name: one for name, one in found.items() if one.started >= since}

"""What was counted of each source, in Redis: a hash a day, and how far each partition was counted.

Counts and position change in one call that compares the position, so that nothing is counted twice, whoever is killed.
Knows: that names of counters are texts.  Must not know: what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from profiles.clock import DAY, Millis
from profiles.store import keys
from profiles.store.client import Client, Script, reaching

KEPT: Final[Millis] = 32 * DAY

# KEYS: positions, then a hash a day.  ARGV: place, position expected, position then, ms to keep, then for each hash: how
# many pairs, the pairs; a name that ends with ! keeps the largest.
_ADD: Final = """
local at = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if at == ARGV[3] then return 1 end
if at ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
local i = 5
for d = 2, #KEYS do
  local pairs_left = tonumber(ARGV[i]); i = i + 1
  for _ = 1, pairs_left do
    local name, n = ARGV[i], ARGV[i + 1]; i = i + 2
    if string.sub(name, -1) == '!' then
      name = string.sub(name, 1, -2)
      if tonumber(redis.call('HGET', KEYS[d], name) or '0') < tonumber(n) then redis.call('HSET', KEYS[d], name, n) end
    else
      redis.call('HINCRBY', KEYS[d], name, n)
    end
  end
  redis.call('PEXPIRE', KEYS[d], ARGV[4])
end
return 1
"""


class Position(NamedTuple):
    """How far a partition was counted: the next offset, and the latest arrival among what is before it.

    What has a lower offset and came later stands in another log of the same name.
    """

    next: int = 0
    latest: Millis = -1

    @property
    def text(self) -> str:
        """As it is stored; nothing is stored before anything was counted."""
        return f"{self.next} {self.latest}" if self.latest >= 0 else ""


class QualityStore:
    """Reads and adds."""

    def __init__(self, client: Client) -> None:
        self._client: Any = client  # its answers are typed bytes-or-text; ours are bytes
        self._add = Script(client, _ADD)

    async def position(self, place: str) -> Position:
        """How far a partition was counted."""
        found = await self._client.hget(keys.QUALITY_AT, place)
        return Position(*map(int, found.split())) if found else Position()

    async def add(self, place: str, was: Position, now: Position, days: Mapping[str, Mapping[str, int]]) -> bool:
        """Add counts by day, and say how far they go; False, and nothing happens, if somebody else was there since.

        Once more after no answer came is harmless: the position tells that it was done.

        A name that ends with ``!`` keeps the largest.
        """
        named = [keys.QUALITY_AT, *(keys.quality(day) for day in days)]
        words: list[str | int] = [place, was.text, now.text, KEPT]
        for counts in days.values():
            words.append(len(counts))
            words += [word for pair in counts.items() for word in pair]
        return bool(await self._add(named, words))

    async def read(self, days: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
        """The counts of some days; a day without any is left out.

        Raises:
            StoreDown: Redis does not answer.
        """
        with reaching():
            found = {day: await self._client.hgetall(keys.quality(day)) for day in days}
        return {
            day: [(name.decode("utf-8", "replace"), int(n)) for name, n in counts.items()]
            for day, counts in found.items()
            if counts
        }

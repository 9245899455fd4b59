"""What all buckets share: published rules and params, remembered layouts, the shop's fixed facts.

Knows: versions; a published version never changes.  Must not know: what is in a document.
"""

from __future__ import annotations

import json
from typing import Any

from profiles.errors import LayoutError, MienError
from profiles.layout import LAYOUT, Layout
from profiles.store import keys
from profiles.store.client import Client, Script, fits

LIVE = "live"


class MetaMismatch(MienError):
    """The store was made for another shop or another shape; the message names the setting."""


# One call, so that two publishers cannot give two documents the same version.  `last` is missing where nothing was ever
# held: then the live one is the last.
_PUBLISH = """
local live = tonumber(redis.call('HGET', KEYS[1], 'live') or '0')
if ARGV[2] ~= '' and live >= tonumber(ARGV[2]) then return live end
local version = tonumber(redis.call('HGET', KEYS[1], 'last') or live) + 1
redis.call('HSET', KEYS[1], version, ARGV[1], 'last', version)
if redis.call('HEXISTS', KEYS[1], 'held') == 0 then redis.call('HSET', KEYS[1], 'live', version) end
return version
"""
_HOLD = """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'live', ARGV[1], 'held', ARGV[1])
return 1
"""
_RELEASE = """
redis.call('HDEL', KEYS[1], 'held')
local last = redis.call('HGET', KEYS[1], 'last') or redis.call('HGET', KEYS[1], 'live') or '0'
if last ~= '0' then redis.call('HSET', KEYS[1], 'live', last) end
return tonumber(last)
"""


class Registry:
    """Shared documents by name and version."""

    def __init__(self, client: Client) -> None:
        self.client: Any = client  # its answers are typed bytes-or-text; ours are bytes
        self._publish = Script(client, _PUBLISH)
        self._hold = Script(client, _HOLD)
        self._release = Script(client, _RELEASE)

    async def reach(self, buckets: int) -> None:
        """Find out, once at the start, that MIEN_REDIS is for the kind of store that is there.

        Raises:
            WrongStore: it is not; the message says what to write.
        """
        shared = (keys.META, keys.RULES, keys.LAYOUTS, keys.NAMES, keys.API_KEYS, keys.ALERT_CURSOR)
        await fits(self.client, [*shared, *map(keys.checkpoint, range(buckets))])

    async def publish(self, name: str, document: str, unless_at: int | None = None) -> int:
        """Store a document as the next version and make it live, unless another is held; returns its version.

        ``unless_at``: do nothing if that version, or a later one, is live already; returns the live one then.
        """
        return int(await self._publish([name], [document, "" if unless_at is None else unless_at]))

    async def hold(self, name: str, version: int) -> None:
        """Make an older version live, whatever is published from now on, until ``release``.

        Raises:
            MienError: that version was never published here.
        """
        if not await self._hold([name], [version]):
            raise MienError(f"{name} has no version {version}")

    async def release(self, name: str) -> int:
        """Let the last version be live again, and every later one; returns it, 0 if nothing was ever published."""
        return int(await self._release([name], []))

    async def held(self, name: str) -> int:
        """The version that is held, 0 if the last one is live."""
        return int(await self.client.hget(name, "held") or 0)

    async def last(self, name: str) -> int:
        """The version that was published last, 0 if none ever was."""
        last, live = await self.client.hmget(name, ["last", LIVE])
        return int(last or live or 0)

    async def live(self, name: str) -> int:
        """The live version, 0 if nothing was ever published."""
        return int(await self.client.hget(name, LIVE) or 0)

    async def document(self, name: str, version: int) -> str:
        """Raises MienError: that version was never published here."""
        found = await self.client.hget(name, str(version))
        if found is None:
            raise MienError(f"{name} version {version} is not in the store; was Redis replaced?")
        return str(found.decode())

    async def remember_layout(self) -> dict[int, Layout]:
        """Store today's layout and return every layout that ever wrote here, by fingerprint."""
        await self.client.hset(keys.LAYOUTS, str(LAYOUT.fingerprint), json.dumps(LAYOUT.pieces))
        return await self.layouts()

    async def layouts(self) -> dict[int, Layout]:
        """Every layout that ever wrote here, by fingerprint."""
        found = await self.client.hgetall(keys.LAYOUTS)
        layouts = {}
        for fingerprint, pieces in found.items():
            layout = Layout(tuple((str(name), int(size)) for name, size in json.loads(pieces)))
            if layout.fingerprint != int(fingerprint):
                raise LayoutError(f"the remembered layout {fingerprint!r} does not match its own fingerprint")
            layouts[layout.fingerprint] = layout
        return layouts

    async def settle(self, facts: dict[str, str]) -> None:
        """Fix the shop's facts on first use; afterwards insist on them.

        Raises:
            MetaMismatch: a fact differs from the one profiles were made with.
        """
        for name, value in facts.items():
            await self.client.hsetnx(keys.META, name, value)
        stored: dict[bytes, bytes] = await self.client.hgetall(keys.META)
        for name, value in facts.items():
            fixed = stored[name.encode()].decode()
            if fixed != value:
                raise MetaMismatch(
                    f"profiles in this store were made with {name}={fixed}, now it is {value}: "
                    f"set MIEN_{name.upper()}={fixed}, or use an empty store"
                )

    async def facts(self) -> dict[str, str]:
        stored: dict[bytes, bytes] = await self.client.hgetall(keys.META)
        return {name.decode(): value.decode() for name, value in stored.items()}

    async def forget_offsets(self, bucket: int) -> None:
        """Begin a new log: profiles stay, positions in the lost log go.  Only for a broker that keeps nothing."""
        name = keys.checkpoint(bucket)
        fields: dict[bytes, Any] = await self.client.hgetall(name)
        positions = [each for each in fields if each == b"next" or each[:2] in (b"s:", b"c:")]
        if positions:
            await self.client.hdel(name, *positions)

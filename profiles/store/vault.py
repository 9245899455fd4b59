"""The vault in Redis: the shop's index key, and a key for every customer of whom something is sealed.

A customer's key lies locked in the customer's own bucket, under a name that names nobody, so the commit that erases a
customer can destroy it with everything else.  Without a ring nobody's traits are sealed, and only masks are kept.

Knows: where keys are, how they come to be.  Must not know: what is sealed with them, who may look.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable
from typing import Any, Final

from profiles.errors import MienError
from profiles.stable import bucket_of
from profiles.store import keys
from profiles.store.client import Client, Script, abreast, reaching
from profiles.vault.blind import Blind
from profiles.vault.ring import Locked, Ring, kid_of
from profiles.vault.seal import DataKey, new_key

INDEX: Final = "index"  #: what the index key is locked for, and its field
CUSTOMER: Final = "customer"  #: kind under which a customer's name is hashed
REMEMBERED: Final = 50_000  #: customers' keys at hand; others cost one round trip
PAGE: Final = 500
_PLAIN: Final = b"\0"  #: stands before an index key that no ring has locked: the name of its key is empty


class Vault:
    """Keys of customers, found or made; opened by ``open_vault``."""

    def __init__(self, client: Client, ring: Ring | None, blind: Blind, buckets: int) -> None:
        self.blind = blind
        self._client: Any = client  # its answers are typed bytes-or-text; ours are bytes
        self._ring = ring
        self._buckets = buckets
        self._known: OrderedDict[str, DataKey] = OrderedDict()
        self._put = Script(client, _PUT)
        self._made: OrderedDict[str, tuple[int, bytes]] = OrderedDict()  #: field -> bucket, key as it was stored

    @property
    def seals(self) -> bool:
        """Whether personal traits are kept at all, sealed; else only their masks are."""
        return self._ring is not None

    def field_of(self, owner: str) -> str:
        """Under what a customer's key lies; also what a customer is called where no name may be."""
        return self.blind(CUSTOMER, owner)

    def forget(self) -> None:
        """Ask the store again for every key: some were destroyed."""
        self._known.clear()
        self._made.clear()

    async def restore(self) -> int:
        """Put keys that were made here back where an older store has lost them; how many it had.

        What they sealed may be on its way, or in the log that repairs the store, and nobody else can open it.
        """
        pipe: Any = self._client.pipeline(transaction=False)
        for field, (bucket, locked) in self._made.items():
            pipe.hsetnx(keys.data_keys(bucket), field, locked)
        with reaching():
            return sum(await pipe.execute()) if self._made else 0

    async def keys_for(self, owners: Collection[str]) -> dict[str, DataKey]:
        """The key of each of these customers; who has none gets one.

        Raises:
            StoreDown: the store does not answer.
            Locked: a key was locked by one that the ring does not have.
        """
        found = {owner: key for owner in owners if (key := self._known.get(owner)) is not None}
        for owner in found:
            self._known.move_to_end(owner)
        if missing := [owner for owner in owners if owner not in found]:
            found |= await self._fetch(missing, make=True)
        return found

    async def find(self, owners: Collection[str]) -> dict[str, DataKey]:
        """The keys of those of these customers who have one, as the store has them now; raises as ``keys_for``."""
        return await self._fetch(list(owners), make=False)

    async def _fetch(self, owners: Iterable[str], *, make: bool) -> dict[str, DataKey]:
        ring = self._ring
        if ring is None:
            raise Locked("there is no key to open or seal personal data with: set MIEN_PII_KEYS")
        where: defaultdict[int, list[str]] = defaultdict(list)
        for owner in owners:
            where[bucket_of(owner, self._buckets)].append(owner)

        async def of(bucket: int) -> dict[str, DataKey]:
            here = {owner: self.field_of(owner) for owner in where[bucket]}
            return await self._in_bucket(ring, bucket, here, make=make)

        out: dict[str, DataKey] = {}
        with reaching():
            for some in await abreast(of, where):
                out |= some
        for owner, key in out.items() if make else ():
            self._known[owner] = key
        for held in (self._known, self._made):
            while len(held) > REMEMBERED:
                held.popitem(last=False)
        return out

    async def _in_bucket(self, ring: Ring, bucket: int, here: dict[str, str], *, make: bool) -> dict[str, DataKey]:
        name, fields = keys.data_keys(bucket), list(here.values())
        stored: list[bytes | None] = await self._client.hmget(name, fields)
        fresh = [field for field, locked in zip(fields, stored, strict=True) if locked is None] if make else []
        if fresh:
            made = [word for field in fresh for word in (field, ring.lock(new_key(), field))]
            agreed = dict(zip(fresh, await self._put([name], made), strict=True))  # another worker may be quicker
            stored = [locked or agreed[field] for field, locked in zip(fields, stored, strict=True)]
            self._made |= {field: (bucket, locked) for field, locked in agreed.items()}
        return {
            owner: DataKey(ring.unlock(locked, field))
            for (owner, field), locked in zip(here.items(), stored, strict=True)
            if locked is not None
        }

    async def rotate(self) -> int:
        """Lock every key anew that an older key of the ring has locked; how many there were.

        Nothing that was sealed changes.  When it returns, older keys of the ring are needed no more.  Safe to repeat.

        Raises:
            MienError: there is no ring, or a key was locked by one that it does not have.
        """
        ring = self._ring
        if ring is None:
            raise MienError("there is nothing to rotate: set MIEN_PII_KEYS, the new key first")
        count = 0
        with reaching():
            for bucket in range(self._buckets):
                name, cursor = keys.data_keys(bucket), None
                while cursor != 0:
                    cursor, page = await self._client.hscan(name, cursor=cursor or 0, count=PAGE)
                    old = {field: each for field, each in page.items() if kid_of(each) != ring.current}
                    for field, locked in old.items():
                        anew = ring.lock(ring.unlock(locked, field.decode()), field.decode())
                        count += await _exchange(self._client, name, field, locked, anew)
            index: bytes = await self._client.hget(keys.VAULT, INDEX)
            if kid_of(index) != ring.current:
                anew = ring.lock(ring.unlock(index, INDEX), INDEX)
                count += await _exchange(self._client, keys.VAULT, INDEX, index, anew)
        return count


# Many at once: a command of its own for each costs more than making the key.
_PUT: Final = """
local out = {}
for i = 1, #ARGV, 2 do
  redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1])
  out[#out + 1] = redis.call('HGET', KEYS[1], ARGV[i])
end
return out
"""

# Only if it is still there: a key that is destroyed meanwhile must not come back.
_EXCHANGE: Final = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""


async def _exchange(client: Any, name: str, field: bytes | str, old: bytes, new: bytes) -> int:
    return int(await client.eval(_EXCHANGE, 1, name, field, old, new))


async def open_vault(client: Client, ring: Ring | None, buckets: int) -> Vault:
    """The vault of this store; its index key is made at the first opening and stays for ever.

    Without a ring the index key lies there unlocked: it keeps ids from being read by eye, not from somebody who has a
    copy of the store.  The first opening with a ring locks it.

    Raises:
        StoreDown: the store does not answer.
        Locked: the index key was locked by a key that the ring does not have.
    """
    store: Any = client
    with reaching():
        if await store.hget(keys.VAULT, INDEX) is None:
            key = new_key()
            await store.hsetnx(keys.VAULT, INDEX, ring.lock(key, INDEX) if ring else _PLAIN + key)
        stored: bytes = await store.hget(keys.VAULT, INDEX)
        if stored[:1] == _PLAIN and ring is not None:
            await _exchange(store, keys.VAULT, INDEX, stored, ring.lock(stored[1:], INDEX))
    if stored[:1] == _PLAIN:
        return Vault(client, ring, Blind(stored[1:]), buckets)
    if ring is None:
        raise Locked(f"personal data here is locked with the key {kid_of(stored)!r}: set MIEN_PII_KEYS")
    return Vault(client, ring, Blind(ring.unlock(stored, INDEX)), buckets)

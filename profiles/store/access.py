"""API keys in Redis: made, found, listed, revoked.

Knows: one hash, SHA-256 of the token -> the key as JSON.
Must not know: HTTP, or who is allowed what.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any, Final

from profiles.access import Key, decode, digest, encode, scopes, token
from profiles.clock import Clock, system_clock
from profiles.store import keys
from profiles.store.client import Client

ID_BYTES: Final = 4
SECRET_BYTES: Final = 24


async def make_key(client: Client, name: str, allowed: Iterable[str], clock: Clock = system_clock) -> str:
    """A new key; the token is returned this once and can never be read again.

    Raises:
        UnknownScope: ``allowed`` names a scope that does not exist, or none.
    """
    key = Key(secrets.token_hex(ID_BYTES), name, scopes(allowed), clock())
    made = token(key.id, secrets.token_hex(SECRET_BYTES))
    await client.hset(keys.API_KEYS, digest(made), encode(key))
    return made


async def find_key(client: Client, hashed: str) -> Key | None:
    """The key with this digest.

    What is compared is a digest, which nobody can choose, so the time an ordinary look-up takes tells nothing.
    """
    found: Any = await client.hget(keys.API_KEYS, hashed)
    return decode(found) if found else None


async def list_keys(client: Client) -> list[Key]:
    """All keys, the oldest first."""
    stored: Any = await client.hgetall(keys.API_KEYS)
    return sorted((decode(each) for each in stored.values()), key=lambda key: (key.created, key.id))


async def revoke_key(client: Client, name: str) -> bool:
    """Take back the key with this id; false if there is none.  A running API notices within a second."""
    stored: Any = await client.hgetall(keys.API_KEYS)
    mine = [hashed for hashed, each in stored.items() if decode(each).id == name]
    return bool(mine and await client.hdel(keys.API_KEYS, *mine))

"""Profiles in Redis or Valkey: one atomic call a batch, one GET a read.

Knows: commands and key names.  Must not know: what a blob means.
Needs Redis >= 6.2 or Valkey >= 8; works in a Cluster because all keys of a call share the bucket's hash tag.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from itertools import chain
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec

from profiles.errors import Stale
from profiles.store import keys
from profiles.store.base import TIMELINE_KEPT, Checkpoint, Commit, Erasure, Message, from_fields
from profiles.store.client import Client, Script, connect, reaching

__all__ = ["RedisStore", "connect"]
COMMIT = (Path(__file__).parent / "commit.lua").read_text(encoding="utf-8")
ERASE = (Path(__file__).parent / "erase.lua").read_text(encoding="utf-8")

P = ParamSpec("P")
R = TypeVar("R")

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[tuple[str, bytes, bytes]]).decode


def _reaching(
    call: Callable[Concatenate[RedisStore, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[RedisStore, P], Coroutine[Any, Any, R]]:
    """A call of the store, within ``reaching``."""

    @wraps(call)
    async def bounded(self: RedisStore, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with reaching():
            return await call(self, *args, **kwargs)

    return bounded


class RedisStore:
    """The store of production."""

    def __init__(self, client: Client) -> None:
        self.client: Any = client  # its answers are typed bytes-or-text; ours are bytes
        self._commit = Script(client, COMMIT)
        self._erase = Script(client, ERASE)

    @_reaching
    async def checkpoint(self, bucket: int) -> Checkpoint:
        fields: dict[bytes, bytes] = await self.client.hgetall(keys.checkpoint(bucket))
        return from_fields({name.decode(): int(value) for name, value in fields.items()})

    @_reaching
    async def load(self, bucket: int, profiles: Sequence[str]) -> list[bytes | None]:
        if not profiles:
            return []
        found: list[bytes | None] = await self.client.mget([keys.profile(bucket, profile) for profile in profiles])
        return found

    @_reaching
    async def sidecars(self, bucket: int, profiles: Sequence[str]) -> list[bytes | None]:
        if not profiles:
            return []
        found: list[bytes | None] = await self.client.mget([keys.sidecar(bucket, profile) for profile in profiles])
        return found

    @_reaching
    async def parts(self, bucket: int, wanted: Sequence[tuple[str, str]]) -> list[bytes | None]:
        found = [self.client.hget(keys.parts(bucket, profile), part) for profile, part in wanted]
        return list(await asyncio.gather(*found))  # asked at once they are one trip

    @_reaching
    async def family(self, bucket: int, profile: str) -> dict[str, bytes]:
        found: dict[bytes, bytes] = await self.client.hgetall(keys.parts(bucket, profile))
        return {part.decode(): what for part, what in found.items()}

    @_reaching
    async def commit(self, commit: Commit) -> int:
        if commit.erasure is None:
            done, version = await self._commit(*call_of(commit))
        else:
            done, version = await self._erase(*erase_call_of(commit, commit.erasure))
        if not done:
            raise Stale(commit.bucket, commit.expect, version)
        return int(version)

    @_reaching
    async def suppressed(self, bucket: int) -> set[str]:
        return {name.decode() for name in await self.client.hkeys(keys.suppressed(bucket))}

    @_reaching
    async def due(self, bucket: int, until: int, limit: int) -> list[str]:
        found = await self.client.zrangebyscore(keys.due(bucket), "-inf", until, start=0, num=limit)
        return [profile.decode() for profile in found]

    @_reaching
    async def roster(self, bucket: int, cursor: int, limit: int) -> tuple[int, list[str]]:
        after, found = await self.client.zscan(keys.due(bucket), cursor=cursor, count=limit)
        return int(after), [profile.decode() for profile, _ in found]

    @_reaching
    async def outbox(self, bucket: int, limit: int) -> list[tuple[int, list[Message]]]:
        found = await self.client.xrange(keys.outbox(bucket), count=limit)
        return [(int(name.split(b"-")[0]), [Message(*each) for each in _unpack(data[b"m"])]) for name, data in found]

    @_reaching
    async def published(self, bucket: int, seq: int) -> None:
        await self.client.xtrim(keys.outbox(bucket), minid=f"{seq + 1}-0", approximate=False)

    @_reaching
    async def timeline(self, bucket: int, profile: str, limit: int) -> list[bytes]:
        found: list[bytes] = await self.client.lrange(keys.timeline(bucket, profile), 0, limit - 1)
        return found

    @_reaching
    async def counts(self, bucket: int) -> dict[str, int]:
        found: dict[bytes, bytes] = await self.client.hgetall(keys.counts(bucket))
        return {name.decode(): int(value) for name, value in found.items()}

    @_reaching
    async def members(self, bucket: int, tag: str, cursor: int, limit: int) -> tuple[int, list[str]]:
        after, found = await self.client.sscan(keys.tag(bucket, tag), cursor=cursor, count=limit)
        return int(after), [profile.decode() for profile in found]

    @_reaching
    async def beat(self, bucket: int, now: int) -> None:
        await self.client.hset(keys.checkpoint(bucket), "beat", str(now))

    @_reaching
    async def learn_names(self, names: dict[int, str]) -> None:
        if names:
            await self.client.hset(keys.NAMES, mapping={str(code): name for code, name in names.items()})

    @_reaching
    async def names_known(self) -> int:
        return int(await self.client.hlen(keys.NAMES))

    @_reaching
    async def names(self, codes: Sequence[int]) -> list[str | None]:
        if not codes:
            return []
        found = await self.client.hmget(keys.NAMES, [str(code) for code in codes])
        return [name.decode() if name is not None else None for name in found]


def call_of(commit: Commit) -> tuple[list[str], list[Any]]:
    """Keys and arguments of ``commit.lua``: few words, since a word costs more than the bytes in it."""
    bucket, messages = commit.bucket, [(message.topic, message.key, message.value) for message in commit.messages]
    timelines: defaultdict[str, list[bytes]] = defaultdict(list)
    for profile, note in commit.timeline:
        timelines[profile].append(note)
    families: defaultdict[str, list[tuple[str, bytes]]] = defaultdict(list)
    for profile, part, what in commit.parts:
        families[profile].append((part, what))
    notes, tags = [each[-TIMELINE_KEPT:] for each in timelines.values()], _tags(commit)
    names = [keys.checkpoint(bucket), keys.due(bucket), keys.counts(bucket), keys.outbox(bucket)]
    names += [keys.profile(bucket, entry.profile) for entry in commit.entries]
    names += [keys.sidecar(bucket, profile) for profile, _ in commit.sidecars]
    names += [keys.timeline(bucket, profile) for profile in timelines]
    names += [keys.tag(bucket, tag) for tag, _ in tags]
    names += [keys.parts(bucket, profile) for profile in families]
    blobs, sidecars = [entry.blob for entry in commit.entries], [blob for _, blob in commit.sidecars]
    rest = (
        [len(blob) for blob in blobs],
        [len(blob) for blob in sidecars],
        [[len(note) for note in each] for each in notes],
        [word for entry in commit.entries if entry.due is not None for word in (str(entry.due), entry.profile)],
        [[way, *profiles] for (_, way), profiles in tags.items()],
        *(_flat(pairs) for pairs in (commit.counts, commit.set, commit.add)),
        [[word for part, what in each for word in (part, len(what))] for each in families.values()],
        list(commit.left),
    )
    version, outbox = commit.version or commit.expect + 1, f"{commit.seq}-0" if messages else ""
    parts = [what for each in families.values() for _, what in each]
    data = b"".join([*blobs, *sidecars, *chain.from_iterable(notes), *parts])
    return names, [commit.expect, version, TIMELINE_KEPT, outbox, _pack(messages), data, _pack(rest)]


def erase_call_of(commit: Commit, erasure: Erasure) -> tuple[list[str], list[Any]]:
    """Keys and arguments of ``erase.lua``."""
    bucket = commit.bucket
    of = [keys.of_customer(bucket, name) for name in erasure.subjects]
    names = [keys.checkpoint(bucket), keys.due(bucket), keys.counts(bucket), keys.data_keys(bucket)]
    names += [keys.suppressed(bucket), keys.receipts(bucket), keys.outbox(bucket)]
    names += [keys.tag(bucket, tag) for tag in erasure.tags] + list(chain.from_iterable(of))
    order = {
        "regulation": erasure.regulation,
        "subjects": list(erasure.subjects.items()),
        "each": len(of[0]) if of else 0,
        "tags": len(erasure.tags),
        "delete": int(erasure.delete),
        "suppress": {None: "", True: "yes", False: "no"}[erasure.suppress],
        "at": str(erasure.at),
        "counts": _flat(commit.counts),
        "fields": _flat(commit.set),
    }
    messages = [(message.topic, message.key, message.value) for message in commit.messages]
    outbox = f"{commit.seq}-0" if messages else ""
    return names, [commit.expect, commit.version or commit.expect + 1, outbox, _pack(messages), _pack(order)]


def _tags(commit: Commit) -> dict[tuple[str, str], list[str]]:
    """Who enters and who leaves each tag in the end."""
    last = {(tag, profile): entered for tag, profile, entered in commit.held}
    ways: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for (tag, profile), entered in last.items():
        ways[tag, "SADD" if entered else "SREM"].append(profile)
    return ways


def _flat(pairs: dict[str, int]) -> list[str]:
    return [word for name, value in pairs.items() for word in (name, str(value))]

"""Looking at a bucket while it is being written: many keys as they were at one moment, with the checkpoint of that moment.

Knows: that one script is one moment.  Must not know: what the values mean, what they are compared with.
Nothing here writes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from profiles.store import keys
from profiles.store.base import Checkpoint, Message, from_fields
from profiles.store.client import Client, Script

PIN: Final = (Path(__file__).parent / "pin.lua").read_text(encoding="utf-8")
SCAN: Final = 2000  #: names asked for at a time

_unpack: Final = msgspec.msgpack.Decoder(list[tuple[str, bytes, bytes]]).decode


@dataclass(frozen=True)
class Stored:
    """All that is stored of one customer."""

    blob: bytes | None
    due: int | None  #: in the due index (ms); None: not on the roster
    sidecar: bytes | None
    timeline: tuple[bytes, ...]  #: newest first
    tags: frozenset[str]  #: sets that the customer is a member of


@dataclass(frozen=True)
class Pin:
    """Some customers of a bucket and the state of the bucket, all at the same moment."""

    bucket: int
    checkpoint: Checkpoint
    counts: dict[str, int]
    roster: int  #: customers in the due index
    holders: dict[str, int]  #: tag -> members of its set
    outbox: tuple[tuple[int, tuple[Message, ...]], ...]  #: (last sequence number, messages) of commits not yet told
    customers: dict[str, Stored]


class Pins:
    """Reads pins; ``client`` may be one of a Cluster."""

    def __init__(self, client: Client) -> None:
        self.client: Any = client  # its answers are typed bytes-or-text; ours are bytes
        self._pin = Script(client, PIN)

    async def pin(self, bucket: int, customers: Sequence[str], tags: Sequence[str], after: int = 0) -> Pin:
        """These customers, and of the outbox what has a sequence number above ``after``."""
        named = [keys.checkpoint(bucket), keys.due(bucket), keys.counts(bucket), keys.outbox(bucket)]
        named += [keys.tag(bucket, tag) for tag in tags]
        for name in customers:
            named += [keys.profile(bucket, name), keys.sidecar(bucket, name), keys.timeline(bucket, name)]
        fields, counts, roster, sizes, outbox, found = await self._pin(named, [len(tags), f"{after + 1}-0", *customers])
        return Pin(
            bucket=bucket,
            checkpoint=from_fields({name.decode(): int(value) for name, value in _pairs(fields)}),
            counts={name.decode(): int(value) for name, value in _pairs(counts)},
            roster=int(roster),
            holders=dict(zip(tags, map(int, sizes), strict=True)),
            outbox=tuple((int(name.split(b"-")[0]), _messages(row)) for name, row in outbox),
            customers={name: _stored(row, tags) for name, row in zip(customers, found, strict=True)},
        )

    async def roster(self, bucket: int) -> set[str]:
        """Everybody in the due index; whoever is there all the time is not left out."""
        found: set[str] = set()
        cursor = -1
        while cursor != 0:
            cursor, some = await self.client.zscan(keys.due(bucket), cursor=max(cursor, 0), count=SCAN)
            found.update(name.decode() for name, _ in some)
        return found

    async def members(self, bucket: int, tag: str) -> AsyncIterator[str]:
        """Everybody in the set of a tag."""
        cursor = -1
        while cursor != 0:
            cursor, some = await self.client.sscan(keys.tag(bucket, tag), cursor=max(cursor, 0), count=SCAN)
            for name in some:
                yield name.decode()


def _stored(row: list[Any], tags: Sequence[str]) -> Stored:
    blob, due, sidecar, timeline, held = row
    return Stored(
        blob=blob,
        due=None if due is None else int(float(due)),
        sidecar=sidecar,
        timeline=tuple(timeline),
        tags=frozenset(tag for tag, member in zip(tags, held, strict=True) if member),
    )


def _messages(row: Any) -> tuple[Message, ...]:
    packed = dict(_pairs(row))[b"m"]
    return tuple(Message(*each) for each in _unpack(packed))


def _pairs(flat: Iterable[Any]) -> Iterable[tuple[bytes, Any]]:
    items = iter(flat)
    return zip(items, items, strict=True)

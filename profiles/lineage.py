"""Who is behind a customer: the ids, when each came, and what was refused.

Knows: nodes as they are stored, and how one leads to the next.  Must not know: profiles in words, HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from profiles.identity.names import USER, kind_of, name_of
from profiles.identity.node import Node, Refusal, decode_part, node_of
from profiles.stable import bucket_of

MOST: Final = 1000  #: ids that are listed


class Store(Protocol):
    """What has to be read."""

    async def load(self, bucket: int, profiles: Sequence[str]) -> list[bytes | None]: ...

    async def family(self, bucket: int, profile: str) -> dict[str, bytes]: ...


class IdLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One id of a customer."""

    id: str
    kind: str
    into: str | None = None  #: whom it retired into; null for the root
    since: int | None = None  #: when (ms)


class RefusedLine(msgspec.Struct, frozen=True):
    """A claim that was not believed."""

    id: str  #: which of the customer's ids it is about
    other: str
    reason: str
    at: int


class Lineage(msgspec.Struct, frozen=True):
    """All ids of one customer."""

    id: str  #: the root, whose profile answers
    asked: str
    weight: int  #: how many ids there are; of very many not all are listed
    ids: tuple[IdLine, ...]
    refused: tuple[RefusedLine, ...]


class Lineages:
    """Follows nodes through the buckets of a shop."""

    def __init__(self, store: Store, buckets: int) -> None:
        self._store = store
        self._buckets = buckets

    async def node(self, name: str) -> tuple[bool, Node]:
        """Whether anything is stored under a name, and its head; an id that is alone has an empty one."""
        blob = (await self._store.load(self._bucket(name), [name]))[0]
        return blob is not None, node_of(blob) or Node()

    async def known(self, given: str) -> str | None:
        """The name of an id as a person gives it, an anonymous one also without its prefix; None if nobody has it."""
        for name in (given, *([name_of("anon", given)] if kind_of(given) == USER else [])):
            if (await self.node(name))[0]:
                return name
        return None

    async def root(self, name: str) -> str:
        """The customer whom an id belongs to."""
        while into := (await self.node(name))[1].into:
            name = into
        return name

    async def of(self, given: str) -> Lineage | None:
        """All ids of the customer who has this one; None if nobody has it."""
        asked = await self.known(given)
        if asked is None:
            return None
        root = await self.root(asked)
        node = (await self.node(root))[1]
        lines, refused, waiting = [IdLine(root, kind_of(root))], _refused(root, node.refused), [root]
        while waiting and len(lines) < MOST:
            owner = waiting.pop(0)
            for name, raw in sorted((await self._store.family(self._bucket(owner), owner)).items()):
                part = decode_part(raw)
                if part.gone or name == owner:
                    continue
                lines.append(IdLine(name, kind_of(name), owner, part.at))
                refused += _refused(name, (await self.node(name))[1].refused)
                if part.card.weight > 1:
                    waiting.append(name)
        return Lineage(root, asked, node.card.weight, tuple(lines[:MOST]), tuple(refused))

    async def everybody(self, given: Sequence[str]) -> list[str]:
        """These ids and all others of their customers, each once; an id that nobody has stands for itself."""
        names = list(given)
        for one in given:
            found = await self.of(one)
            names += [line.id for line in found.ids] if found else []
        return list(dict.fromkeys(names))

    def _bucket(self, name: str) -> int:
        return bucket_of(name, self._buckets)


def _refused(name: str, refused: Sequence[Refusal]) -> list[RefusedLine]:
    return [RefusedLine(name, each.other, each.reason, each.at) for each in refused]

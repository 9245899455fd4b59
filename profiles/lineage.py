"""Who is behind a customer: the ids, when each came, and what was refused.

Knows: nodes as they are stored, and how one leads to the next.  Must not know: profiles in words, HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from profiles.identity.names import ANONYMOUS, USER, kind_of, value_of, visitor_of
from profiles.identity.node import Node, Part, Refusal, decode_part, node_of
from profiles.stable import bucket_of
from profiles.store.client import abreast

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
        for name in (given, *([visitor_of(given)] if kind_of(given) == USER else [])):
            stored, node = await self.node(name)
            if stored and not node.unheard:
                return name
        return None

    async def root(self, name: str) -> str:
        """The customer whom an id belongs to."""
        while into := (await self.node(name))[1].into:
            name = into
        return name

    async def of(self, given: str) -> Lineage | None:
        """All ids of the customer who has this one; None if nobody has it.

        What an alias named was a user's id or a visitor's: a visitor's of whom nothing was heard is not listed
        beside the user's.
        """
        asked = await self.known(given)
        if asked is None:
            return None
        root = await self.root(asked)
        behind = await self._behind(root, MOST)
        users = {name for name, _, _ in behind} | {root}
        kept = [each for each in behind if not (_is_silent(*each) and value_of(each[0]) in users)]
        heads = [(name, (await self.node(name))[1]) for name in (root, *(name for name, _, _ in kept))]
        lines = (IdLine(name, kind_of(name), owner, part.at) for name, owner, part in kept)
        return Lineage(
            id=root,
            asked=asked,
            weight=heads[0][1].card.weight - len(behind) + len(kept),
            ids=(IdLine(root, kind_of(root)), *lines),
            refused=tuple(line for name, node in heads for line in _refused(name, node.refused)),
        )

    async def names(self, root: str) -> list[str]:
        """All ids of a customer, the root first."""
        return [root, *(name for name, _, _ in await self._behind(root))]

    async def _behind(self, root: str, most: int | None = None) -> list[tuple[str, str, Part]]:
        """Who retired into whom, and what came through them; those nearest to the root first."""
        found, waiting = list[tuple[str, str, Part]](), [root]
        while waiting and (most is None or len(found) < most):
            families = await abreast(lambda owner: self._store.family(self._bucket(owner), owner), waiting)
            parts = [
                (name, owner, decode_part(raw))
                for owner, family in zip(waiting, families, strict=True)
                for name, raw in sorted(family.items())
                if name != owner
            ]
            here = [each for each in parts if not each[2].gone]
            found += here
            waiting = [name for name, _, part in here if part.card.weight > 1]
        return found[:most]

    async def everybody(self, given: Sequence[str]) -> list[str]:
        """These ids and all others of their customers, each once; an id that nobody has stands for itself.

        Also those that were never used: what an alias named is somebody's, and may be used as a user's one day.
        """
        names = list(given)
        for one in given:
            asked = await self.known(one)
            root = await self.root(asked) if asked else one
            mine = await self.names(root) if asked else []
            visitors = [value_of(name) for name in mine if kind_of(name) == ANONYMOUS]
            names += mine + [user for user in visitors if (await self.node(user))[1].unheard]
        return list(dict.fromkeys(names))

    def _bucket(self, name: str) -> int:
        return bucket_of(name, self._buckets)


def _refused(name: str, refused: Sequence[Refusal]) -> list[RefusedLine]:
    return [RefusedLine(name, each.other, each.reason, each.at) for each in refused]


def _is_silent(name: str, _: str, part: Part) -> bool:
    """Whether it is a visitor of whom nothing was ever heard."""
    return kind_of(name) == ANONYMOUS and part.card.weight == 1 and not (part.facts or part.side)

"""Customers behind several ids, as one bucket works on them: loaded with their parts, changed, and who is told of it.

Knows: what has to be loaded, in which record an answer travels.  Must not know: when work is done, what is committed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from profiles import inputs
from profiles.identity.family import Held
from profiles.identity.guards import Limits, first_card
from profiles.identity.joining import needs, receive
from profiles.identity.messages import Joining, Told
from profiles.identity.names import owner_and_part
from profiles.identity.node import Node, decode_part, node_of
from profiles.joined import Spread, onwards, spread
from profiles.quarantine import read_rows
from profiles.stable import bucket_of
from profiles.step import Rows

if TYPE_CHECKING:
    from profiles.clock import Int64s
    from profiles.store.base import Checkpoint, ProfileStore
    from profiles.store.worlds import Worlds

TOGETHER: Final = 50  #: most messages of one record
Said = list[tuple[int, inputs.Batch | Joining]]  #: what other buckets are told


class Joiner:
    """Loads and changes the nodes of one bucket.  Every call may raise ``StoreDown`` or ``Damaged``."""

    def __init__(self, number: int, store: ProfileStore, worlds: Worlds, limits: Limits, buckets: int) -> None:
        self._number = number
        self._store = store
        self._worlds = worlds
        self._limits = limits
        self._buckets = buckets

    def heads(self, names: Sequence[str], blobs: Sequence[bytes | None], state: Int64s) -> dict[str, Held]:
        """Those that are not alone, with their rows in ``state``; without sidecars and parts."""
        found = ((i, name, node_of(blob)) for i, (name, blob) in enumerate(zip(names, blobs, strict=True)))
        return {
            name: Held(name, node, state[i], None, {}, self._worlds.layouts)
            for i, name, node in found
            if node is not None
        }

    async def through(
        self, at: Checkpoint, batches: Sequence[inputs.Batch], work: inputs.Work, rows: Rows
    ) -> tuple[Spread, Said]:
        """Count the events of ``work`` in the parts they came through; what is left is to be decided.

        ``rows`` are those of whom the labels of ``work`` speak.
        """
        held = rows.held
        asked = {(owner, part or owner) for owner, part in map(owner_and_part, work.profiles) if owner in held}
        asked |= {(owner, owner) for owner, _ in asked}
        await self._fill(held, sorted(asked))
        came = spread(work, held)
        into = {label: (owner, held[owner].node.into)
                for label in came.passing for owner in (owner_and_part(label)[0],)}  # fmt: skip
        said = onwards(batches, at.offsets, work.cursors, into, self._number, self._bucket) if into else []
        return came, [*said, *self.said(came.said)]

    async def told(self, told: Sequence[Told]) -> Rows:
        """The nodes that these messages are for."""
        names = list(dict.fromkeys(each.to for each in told))
        blobs = await self._store.load(self._number, names)
        rows = Rows(names, read_rows(names, blobs, self._worlds.layouts))
        held = {
            name: Held(name, node_of(blob) or self._alone(name), row, None, {}, self._worlds.layouts)
            for name, blob, row in zip(names, blobs, rows.state, strict=True)
        }
        asked = [(each.to, needs(each)) for each in told]
        some = {(name, part) for name, part in asked if part} | {(name, name) for name, _ in asked}
        whole = sorted({name for name, part in asked if part is None})
        await self._fill(held, sorted(some))
        for name in whole:
            found = await self._store.family(self._number, name)
            held[name].parts = {part: decode_part(raw) for part, raw in found.items()}
        return Rows(names, rows.state, held=held)

    def receive(self, held: Mapping[str, Held], told: Sequence[Told]) -> Said:
        """Change the nodes as they are told, one message after the other; returns the answers."""
        return self.said([answer for each in told for answer in receive(held[each.to], each, self._limits)])

    def said(self, messages: Sequence[Told]) -> Said:
        """Messages, as records for the buckets they go to."""
        answers: dict[int, list[Told]] = {}
        for each in messages:
            answers.setdefault(self._bucket(each.to), []).append(each)
        return [
            (bucket, Joining(tuple(some[start : start + TOGETHER]), self._number))
            for bucket, some in sorted(answers.items())
            for start in range(0, len(some), TOGETHER)
        ]

    def _alone(self, name: str) -> Node:
        return Node(card=first_card(name, (), self._limits))

    def _bucket(self, name: str) -> int:
        return bucket_of(name, self._buckets)

    async def _fill(self, held: Mapping[str, Held], asked: Sequence[tuple[str, str]]) -> None:
        """Sidecars, and these parts."""
        names = list(held)
        for name, side in zip(names, await self._store.sidecars(self._number, names), strict=True):
            held[name].side = side
        for (name, part), raw in zip(asked, await self._store.parts(self._number, asked), strict=True):
            if raw is not None:
                held[name].parts[part] = decode_part(raw)

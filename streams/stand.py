"""The checkpoint that a bucket's only writer works from.

Every piece of work is based on one and makes the next.  A refused commit means that somebody else, or an older store,
holds the truth; then what is kept here is dropped and read again, and an older store is told at once that numbers go on
beyond all that were ever given.
Knows: checkpoints, commits.  Must not know: what is in a commit, how work comes about.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog
from msgspec.structs import replace

from profiles.store import keys
from streams.numbers import jump

if TYPE_CHECKING:
    from profiles.clock import Clock
    from profiles.store.base import Checkpoint, Commit, ProfileStore
    from profiles.store.worlds import Worlds

log = structlog.get_logger("mien")


class Stand:
    """Where one bucket stands, as far as its writer knows."""

    def __init__(
        self,
        number: int,
        store: ProfileStore,
        worlds: Worlds,
        clock: Clock,
        *,
        dropped: Callable[[], None],
        older: Callable[[], None],
    ) -> None:
        """``dropped`` is called when the checkpoint is not trusted any more, ``older`` when an older store came back."""
        self.checkpoint: Checkpoint | None = None
        self._number = number
        self._store = store
        self._worlds = worlds
        self._clock = clock
        self._dropped = dropped
        self._older = older
        self._reached = 0  #: the farthest `next` that was ever committed from here
        self._version = 0  #: the highest version that was ever seen from here

    async def open(self) -> Checkpoint:
        """The checkpoint, read from the store if it is not at hand; one that came back older numbers on beyond."""
        if self.checkpoint is None:
            self.checkpoint = await self._store.checkpoint(self._number)
            if self.checkpoint.version < self._version:
                await self._jump(self.checkpoint)
            self._version = self.checkpoint.version
        if self.checkpoint.rules == 0:
            live = await self._worlds.registry.live(keys.RULES)
            self.checkpoint = replace(self.checkpoint, rules=live)
        return self.checkpoint

    async def reopen(self) -> Checkpoint:
        """The checkpoint as it is stored now, whatever was kept here."""
        self.drop()
        return await self.open()

    def drop(self) -> None:
        """Forget it; the store knows better."""
        self.checkpoint = None
        self._dropped()

    async def heed(self, told: int) -> Checkpoint:
        """The checkpoint; if more was ``told`` than it knows of, an older store came back before this was opened."""
        if told > (await self.open()).seq:  # or somebody else has gone on since, and then it is as it should be
            checkpoint = await self.reopen()
            if told > checkpoint.seq:
                await self._jump(checkpoint)
        return await self.open()

    async def behind(self) -> int | None:
        """Where the store wants to go on if it is an older one than was written to; None if it is not.

        Whoever sends nothing more to this bucket would otherwise leave it as old as it came back.
        """
        stored = await self._store.checkpoint(self._number)
        if self.checkpoint is not None and stored.version != self.checkpoint.version:
            self.drop()
        return stored.next if stored.next < self._reached else None

    async def commit(self, commit: Commit, before: Checkpoint, fields: dict[str, int]) -> None:
        """Write it; ``fields`` are those of the checkpoint that it sets.

        Raises:
            Stale: the store moved; nothing was written.
        """
        try:
            version = await self._store.commit(commit)
        except BaseException:  # refused, or perhaps written: only the store knows; a cancelled task knows least
            self.drop()
            raise
        self.checkpoint = replace(
            before,
            version=version,
            seq=commit.seq,
            next=fields.get("next", before.next),
            rules=fields.get("rules", before.rules),
            renewed=fields.get("renewed", before.renewed),
            cuts=fields.get("cuts", before.cuts),
            applied=before.applied + commit.add.get("applied", 0),
            duplicates=before.duplicates + commit.add.get("duplicates", 0),
            offsets=before.offsets | {name[2:]: at for name, at in fields.items() if name.startswith("s:")},
            clocks=before.clocks | {name[2:]: at for name, at in fields.items() if name.startswith("c:")},
        )
        self._reached, self._version = max(self._reached, self.checkpoint.next), version

    async def _jump(self, older: Checkpoint) -> None:
        log.warning("an older store came back", bucket=self._number, version=older.version, told=older.seq)
        self._older()
        commit, fields = jump(self._number, older, self._clock()), begun(older, {})
        after = replace(older, gaps=older.gaps | {older.seq: commit.seq})
        await self.commit(replace(commit, set=commit.set | fields), after, fields)


def begun(checkpoint: Checkpoint, fields: dict[str, int]) -> dict[str, int]:
    """Fields of a bucket's first commit say by which rules it begins: it holds nobody whom older ones decided."""
    if checkpoint.version:
        return fields
    rules = fields.get("rules", checkpoint.rules)
    return fields | {"rules": rules, "renewed": rules}

"""What a piece of work would change in one bucket; nothing is written here, so anything may be tried.

Knows: how profiles are loaded, which rules and cut points decide, how work becomes a step.
Must not know: when work is done, whether it was committed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec import structs

from profiles import inputs
from profiles.clock import Millis, Zone
from profiles.codec import HEAD
from profiles.erasure import place, told
from profiles.identity.guards import Limits
from profiles.identity.names import PART, owner_and_part
from profiles.layout import LADDERS, TABLES
from profiles.quarantine import Damaged, check, read_rows
from profiles.step import TRANSITIONS, Rows, Step
from profiles.store.base import Commit, Erasure, Message
from profiles.topics import PROFILE_INPUTS
from profiles.wire import encode
from streams.joining import Joiner, Said

if TYPE_CHECKING:
    from profiles.identity.messages import Told
    from profiles.rules import RuleBook
    from profiles.store.base import Checkpoint, ProfileStore
    from profiles.store.worlds import Worlds

_FIRST = HEAD[0]
NOBODY = Rows([], np.zeros((0, TABLES.size), np.int64))


class Planner:
    """Makes steps for one bucket.  Every call may raise ``StoreDown``, and ``Damaged`` for profiles it cannot read."""

    def __init__(
        self, number: int, store: ProfileStore, worlds: Worlds, zone: Zone, limits: Limits, buckets: int, weeks: int
    ) -> None:
        """``weeks``: how far the churn model looks ahead."""
        self._number = number
        self._store = store
        self._worlds = worlds
        self._zone = zone
        self._weeks = weeks
        self._joiner = Joiner(number, store, worlds, limits, buckets)

    async def nothing(self, at: Checkpoint, now: Millis) -> Step:
        """A step that touches nobody."""
        return await self._begin(at, NOBODY, now)

    async def events(
        self, at: Checkpoint, batches: Sequence[inputs.Batch], told: Millis, until: Millis | None = None
    ) -> tuple[inputs.Work, Step]:
        """Fold what is new in ``batches``, in a replay only up to ``until``; ``told`` is when it is told, if not later."""
        work = inputs.gather(batches, at.offsets, self._zone, until)
        check(work)
        owners = _owners(work.profiles)
        rows = await self._load(owners)
        live, said, forwarded = work, Said(), 0
        dropped = 0  #: events that their id has counted already, since it is on its own again
        if rows.held or owners is not work.profiles:
            came, said = await self._joiner.through(at, batches, work, rows)
            live, forwarded, dropped = came.live, came.passed, came.dropped
        if live.patches:
            rows = replace(rows, sidecars=await self._sidecars(live))
        step = await self._begin(at, rows, told)
        step.forwarded, step.applied = forwarded, dropped
        history = any(batch.origin == "backfill" for batch in batches)
        step.events(live, "backfill" if history else "live")
        if history and told:  # what silence did up to today is history as well
            step.silence(np.full(len(owners), told, np.int64), "backfill")
        _send(step, said)
        return work, step

    async def told(
        self, at: Checkpoint, messages: Sequence[Told], now: Millis, told: Millis, answers: Sequence[Told] = ()
    ) -> Step:
        """Let nodes hear these messages; whoever is somebody else by that is decided anew, as of ``now``.

        ``answers`` are sent as well: to messages that nobody may hear.
        """
        rows = await self._joiner.told(messages)
        step = await self._begin(at, rows, told)
        step.silence(np.where(rows.state[:, TABLES.due] > 0, now, 0), "sweep")
        said = self._joiner.receive(rows.held, messages) + self._joiner.said(answers)
        step.joined(now)
        _send(step, said)
        return step

    async def silence(self, at: Checkpoint, profiles: Sequence[str], now: Millis, told: Millis) -> Step:
        """Let these customers feel the silence until now, and tell it as of ``told``, or its own moment if later."""
        step = await self._begin(at, await self._load(profiles), told)
        step.silence(np.full(len(profiles), now, np.int64), "sweep")
        return step

    async def renewal(self, at: Checkpoint, profiles: Sequence[str], now: Millis) -> Step:
        """Ask today's rules about customers that older rules decided."""
        step = await self._begin(at, await self._load(profiles), now)
        step.renewal(np.full(len(profiles), now, np.int64))
        return step

    async def erasure(self, at: Checkpoint, order: inputs.Erase, now: Millis) -> Commit:
        """What an order destroys, and what counts of tags and rungs lose by it."""
        step, book = await self.nothing(at, now), await self._worlds.book(at.rules)
        counted = await self._store.counts(self._number)
        tags = sorted({name.removeprefix("tag:") for name in counted if name.startswith("tag:")})
        erasure = Erasure(order.regulation, order.subjects, order.delete, order.suppress, tags, now)
        commit = msgspec.structs.replace(step.commit(at.version), erasure=erasure)
        if not order.delete:
            return commit
        said = [
            told(self._number, at.seq + i, name, place(order.regulation, hashed), now, at.rules)
            for i, (name, hashed) in enumerate(order.subjects.items(), start=1)
        ]
        return msgspec.structs.replace(
            commit,
            counts=dict(await self._lost(list(order.subjects), book)),
            messages=[Message(TRANSITIONS, each.profile.encode(), encode(each)) for each in said],
            seq=at.seq + len(said),
            set=commit.set | {"seq": at.seq + len(said)},
        )

    async def _lost(self, profiles: Sequence[str], book: RuleBook) -> Counter[str]:
        """By how much counts change when these customers are gone; who cannot be read cannot be counted."""
        found: Counter[str] = Counter()
        for name, blob in zip(profiles, await self._store.load(self._number, profiles), strict=True):
            if blob is None:
                continue
            try:
                row = read_rows([name], [blob], self._worlds.layouts)[0]
            except Damaged:
                continue
            found.subtract(f"tag:{tag}" for tag in book.held(row))
            found.subtract(f"{ladder}:{rung}" for ladder in LADDERS if (rung := book.rung(ladder, row)) is not None)
        return found

    async def _load(self, profiles: Sequence[str]) -> Rows:
        blobs = await self._store.load(self._number, profiles)
        state = read_rows(profiles, blobs, self._worlds.layouts)
        if any(blob and blob[0] == _FIRST for blob in blobs):  # hardly ever, and this is asked of everybody
            return Rows(profiles, state, held=self._joiner.heads(profiles, blobs, state))
        return Rows(profiles, state)

    async def _sidecars(self, work: inputs.Work) -> dict[str, bytes | None]:
        """The traits in words of those who told some."""
        patched = [work.profiles[row] for row in sorted({int(work.events.row[event]) for event, _ in work.patches})]
        return dict(zip(patched, await self._store.sidecars(self._number, patched), strict=True))

    async def _begin(self, at: Checkpoint, rows: Rows, now: Millis) -> Step:
        world = await self._worlds.world(at.rules, at.cuts)
        book, model = await self._worlds.book(at.rules), await self._worlds.model(at.cuts)
        return Step(self._number, rows, world, book, at.seq, now, model, self._weeks)


def _owners(labels: list[str]) -> list[str]:
    """Those whom labels speak of; the same list if they are names."""
    if not any(PART in label for label in labels):
        return labels
    return list(dict.fromkeys(owner_and_part(label)[0] for label in labels))


def _send(step: Step, said: Said) -> None:
    for bucket, record in said:
        numbered = structs.replace(record, seq=step.seq + 1)
        step.send(PROFILE_INPUTS, str(bucket).encode(), inputs.encode(numbered))

"""One bucket and its single writer: events and silence become commits.

Knows: checkpoints, what to do when the store moved.  Must not know: Faust, topics, HTTP.
The beats of every piece of work: load, step, commit; a refused commit means that somebody else, or an older store,
holds the truth, and then everything kept here is dropped and read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from profiles import inputs
from profiles.clock import MINUTE, Clock, Zone
from profiles.codec import from_blobs
from profiles.errors import Stale
from profiles.layout import TABLES
from profiles.step import Rows, Step
from profiles.store import keys

if TYPE_CHECKING:
    from profiles.store.base import Checkpoint, Commit, ProfileStore
    from profiles.wire import Origin
    from profiles.store.worlds import Worlds

COMMIT_LIMIT = 2000  #: most profiles of one commit, so that Redis is never busy for long
SWEEP_LIMIT = 500
CAUGHT_UP = 5 * MINUTE  #: a replay within this of the wall clock has arrived in the present


class Behind(Exception):
    """The store wants records from an earlier offset than the one at hand: seek there."""

    def __init__(self, wanted: int) -> None:
        super().__init__(f"offset {wanted} is wanted")
        self.wanted = wanted


@dataclass(frozen=True)
class Done:
    """What one piece of work came to, for metrics."""

    applied: int = 0
    duplicates: int = 0
    transitions: int = 0
    swept: int = 0
    messages: bool = False


class Bucket:
    """The state of one bucket's writer.  One task at a time: ``lock`` is held during every piece of work."""

    def __init__(self, number: int, store: ProfileStore, worlds: Worlds, clock: Clock, zone: Zone, *, replay: bool) -> None:
        self.number = number
        self.lock = asyncio.Lock()
        self.checkpoint: Checkpoint | None = None
        self._store = store
        self._worlds = worlds
        self._clock = clock
        self._zone = zone
        self._replay = replay
        self._named: set[int] = set()
        self._renewing = 0  #: where the walk through the roster stands

    async def open(self) -> Checkpoint:
        """The checkpoint, read from the store if it is not at hand."""
        if self.checkpoint is None:
            self.checkpoint = await self._store.checkpoint(self.number)
        if self.checkpoint.rules == 0:
            live = await self._worlds.registry.live(keys.RULES)
            self.checkpoint = replace(self.checkpoint, rules=live)
        return self.checkpoint

    def now(self) -> int:
        """What time it is here: the wall's, or in a replay the time the slowest source has reached."""
        wall = self._clock()
        if not self._replay or self.checkpoint is None or not self.checkpoint.clocks:
            return wall
        slowest = min(self.checkpoint.clocks.values())
        return wall if wall - slowest < CAUGHT_UP else slowest

    async def apply(self, records: Sequence[tuple[int, bytes]]) -> Done:
        """Fold records of profile-inputs (offset, bytes), in order; known ones are skipped.

        Raises:
            Behind: they begin after what the checkpoint wants.
            Stale: the store moved; nothing of the refused part was written.
        """
        async with self.lock:
            checkpoint = await self.open()
            if records and records[0][0] > checkpoint.next:
                raise Behind(checkpoint.next)
            done = Done()
            fresh = [(offset, inputs.decode(raw)) for offset, raw in records if offset >= checkpoint.next]
            for offset, group in _groups(fresh):
                if isinstance(group, inputs.Control):
                    await self._obey(group, offset)
                else:
                    done = _sum(done, await self._fold(group, offset))
            return done

    async def _obey(self, control: inputs.Control, offset: int) -> None:
        checkpoint = await self.open()
        fields = {"next": offset + 1}
        if control.what in ("rules", "cuts") and control.version > getattr(checkpoint, control.what):
            fields[control.what] = control.version
        step = Step(self.number, Rows([], _no_rows()), await self._world(), await self._book(), checkpoint.seq, self.now())
        await self._commit(step.commit(checkpoint.version, fields=fields), checkpoint, fields)

    async def _fold(self, batches: list[inputs.Batch], offset: int) -> Done:
        checkpoint = await self.open()
        work = inputs.gather(batches, checkpoint.offsets, self._zone)
        rows = await self._load(work.profiles)
        patched = sorted({int(work.events.row[event]) for event, _ in work.patches})
        known = await self._store.sidecars(self.number, [work.profiles[row] for row in patched])
        rows = replace(rows, sidecars={work.profiles[row]: blob for row, blob in zip(patched, known, strict=True)})
        step = Step(self.number, rows, await self._world(), await self._book(), checkpoint.seq, self.now())
        step.events(work, "live")
        fields = {"next": offset + 1, "rules": checkpoint.rules}
        if checkpoint.version == 0:
            fields["renewed"] = checkpoint.rules
        fields |= {f"s:{source}": at for source, at in work.cursors.items()}
        fields |= {f"c:{source}": max(at, checkpoint.clocks.get(source, 0)) for source, at in work.clocks.items()}
        fields["received"], fields["at"] = max(batch.received for batch in batches), self._clock()
        new = {code: name for code, name in work.names.items() if code not in self._named}
        if new:
            await self._store.learn_names(new)
            self._named.update(new)
        await self._commit(step.commit(checkpoint.version, fields), checkpoint, fields)
        return Done(step.applied, step.duplicates, step.seq - checkpoint.seq, 0, step.seq > checkpoint.seq)

    async def sweep(self) -> Done:
        """Let silence act on profiles that are due; at most SWEEP_LIMIT of them."""
        async with self.lock:
            checkpoint, now = await self.open(), self.now()
            due = await self._store.due(self.number, now, SWEEP_LIMIT)
            if not due:
                return Done()
            rows = await self._load(due)
            step = Step(self.number, rows, await self._world(), await self._book(), checkpoint.seq, now)
            step.silence(np.full(len(due), now, np.int64), "sweep")
            await self._commit(step.commit(checkpoint.version), checkpoint, {})
            return Done(0, 0, step.seq - checkpoint.seq, len(due), step.seq > checkpoint.seq)

    async def renew(self) -> Done:
        """Ask new rules about some customers that older rules decided; Done(swept=0) when there are none left."""
        async with self.lock:
            checkpoint, now = await self.open(), self.now()
            if checkpoint.renewed == checkpoint.rules or checkpoint.version == 0:
                return Done()
            self._renewing, profiles = await self._store.roster(self.number, self._renewing, SWEEP_LIMIT)
            rows = await self._load(profiles)
            step = Step(self.number, rows, await self._world(), await self._book(), checkpoint.seq, now)
            step.renewal(np.full(len(profiles), now, np.int64))
            fields = {"renewed": checkpoint.rules} if self._renewing == 0 else {}
            await self._commit(step.commit(checkpoint.version, fields=fields), checkpoint, fields)
            return Done(0, 0, step.seq - checkpoint.seq, max(len(profiles), 1), step.seq > checkpoint.seq)

    async def _load(self, profiles: list[str]) -> Rows:
        blobs = await self._store.load(self.number, profiles)
        return Rows(profiles, from_blobs(blobs, self._worlds.layouts))

    async def _world(self):  # noqa: ANN202 - the kernels' tuple
        checkpoint = await self.open()
        return await self._worlds.world(checkpoint.rules, checkpoint.cuts)

    async def _book(self):  # noqa: ANN202
        return await self._worlds.book((await self.open()).rules)

    async def _commit(self, commit: Commit, before: Checkpoint, fields: dict[str, int]) -> None:
        try:
            version = await self._store.commit(commit)
        except Stale:
            self.checkpoint = None
            raise
        except Exception:
            self.checkpoint = None  # it may have been written: only the store knows
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


def _no_rows():  # noqa: ANN202
    return np.zeros((0, TABLES.size), np.int64)


def _groups(records: list[tuple[int, inputs.Record]]):  # noqa: ANN202
    """Runs of batches small enough for one commit, and controls alone, each with its last offset."""
    run: list[inputs.Batch] = []
    size, last = 0, 0
    for offset, record in records:
        if isinstance(record, inputs.Control):
            if run:
                yield last, run
            yield offset, record
            run, size = [], 0
            continue
        if run and size + len(record.profiles) > COMMIT_LIMIT:
            yield last, run
            run, size = [], 0
        run.append(record)
        size += len(record.profiles)
        last = offset
    if run:
        yield last, run


def _sum(a: Done, b: Done) -> Done:
    return Done(
        a.applied + b.applied, a.duplicates + b.duplicates, a.transitions + b.transitions, 0, a.messages or b.messages
    )

"""One bucket and its single writer: events and silence become commits.

Knows: checkpoints, what to do when the store moved.  Must not know: Faust, topics, HTTP.
The beats of every piece of work: load, step, commit; a refused commit means that somebody else, or an older store,
holds the truth, and then everything kept here is dropped and read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from profiles import inputs
from profiles.clock import NEVER, SECOND, Clock, Zone
from profiles.codec import from_blobs
from profiles.layout import TABLES
from profiles.replay import Waiting, stream_time
from profiles.step import Rows, Step
from profiles.store import keys

if TYPE_CHECKING:
    from profiles.store.base import Checkpoint, Commit, ProfileStore
    from profiles.store.worlds import Worlds

COMMIT_LIMIT = 2000  #: most profiles of one commit, so that Redis is never busy for long
SWEEP_LIMIT = 500
NOBODY = Rows([], np.zeros((0, TABLES.size), np.int64))
QUIET = 5 * SECOND  #: a replay that brings nothing for so long has ended


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

    def __init__(
        self,
        number: int,
        store: ProfileStore,
        worlds: Worlds,
        clock: Clock,
        zone: Zone,
        *,
        replay: bool,
        sources: int = 0,
    ) -> None:
        """``replay``: follow the stream's time; ``sources`` is then the number of source partitions."""
        self.number = number
        self.lock = asyncio.Lock()
        self.checkpoint: Checkpoint | None = None
        self._store = store
        self._worlds = worlds
        self._clock = clock
        self._zone = zone
        self._replay = replay
        self._waiting = Waiting(sources)
        self._read = 0  #: in a replay: the first record that was not read; the checkpoint may be behind
        self._heard = 0  #: wall time of the last record
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
        """What time it is here: the wall's, or in a replay the stream's."""
        if not self._replay or self.checkpoint is None:
            return self._clock()
        return stream_time(self.checkpoint.clocks, self._clock())

    async def apply(self, records: Sequence[tuple[int, bytes]]) -> Done:
        """Fold records of profile-inputs (offset, bytes), in order; known ones are skipped.

        Raises:
            Behind: they begin after what is wanted next.
            Stale: the store moved; nothing of the refused part was written.
        """
        async with self.lock:
            checkpoint = await self.open()
            wanted = max(checkpoint.next, self._read)
            if records and records[0][0] > wanted:
                raise Behind(checkpoint.next)
            fresh = [(offset, inputs.decode(raw)) for offset, raw in records if offset >= wanted]
            return await (self._apply_in_time(fresh) if self._replay else self._apply_at_once(fresh))

    async def _apply_at_once(self, fresh: list[tuple[int, inputs.Record]]) -> Done:
        done = Done()
        for offset, group in _groups(fresh):
            if isinstance(group, inputs.Control):
                await self._obey(group, offset + 1)
            else:
                done = _sum(done, await self._fold(group, offset + 1))
        return done

    async def _apply_in_time(self, fresh: list[tuple[int, inputs.Record]]) -> Done:
        """Hold everything until all sources have passed its time (see ``profiles.replay``)."""
        for offset, record in fresh:
            self._read = offset + 1
            if isinstance(record, inputs.Control):
                await self._obey(record, self._next())
            else:
                self._waiting.add(offset, record)
        if fresh:
            self._heard = self._clock()
        until = self._waiting.watermark(self._clock())
        return Done() if until is None else await self._release(until)

    async def _release(self, until: int) -> Done:
        done = Done()
        for moment in self._waiting.slices(until, (await self.open()).offsets):
            batches = [batch for _, batch in self._waiting.batches]
            done = _sum(done, await self._fold(batches, None, moment, moment == until))
            self._waiting.forget((await self.open()).offsets)
        return done

    async def hurry(self) -> Done:
        """In a replay: if nothing has come for a while, nothing more will; apply what waits."""
        async with self.lock:
            if not self._waiting.batches or self._clock() - self._heard < QUIET:
                return Done()
            await self.open()
            return await self._release(NEVER)

    def _next(self) -> int:
        """The first record that is not applied to the end."""
        return self._waiting.batches[0][0] if self._waiting.batches else self._read

    def _drop(self) -> None:
        """Forget everything; the store knows better."""
        self.checkpoint, self._read = None, 0
        self._waiting = Waiting(self._waiting.sources)

    async def _obey(self, control: inputs.Control, then: int) -> None:
        checkpoint = await self.open()
        fields = {"next": then}
        if control.what in ("rules", "cuts") and control.version > getattr(checkpoint, control.what):
            fields[control.what] = control.version
        step = await self._begin(NOBODY)
        await self._commit(step.commit(checkpoint.version, fields=fields), checkpoint, fields)

    async def _fold(
        self, batches: list[inputs.Batch], then: int | None, until: int | None = None, clocks_too: bool = True
    ) -> Done:
        """One commit: ``then`` is the offset to read next (None: work it out), ``until`` bounds a replay's slice."""
        checkpoint = await self.open()
        work = inputs.gather(batches, checkpoint.offsets, self._zone, until)
        step = await self._begin(await self._rows_of(work))
        step.events(work, "live")
        if then is None:
            self._waiting.forget(checkpoint.offsets | work.cursors)
            then = self._next()
        fields = {"next": then, "rules": checkpoint.rules}
        if checkpoint.version == 0:
            fields["renewed"] = checkpoint.rules
        fields |= {f"s:{source}": at for source, at in work.cursors.items()}
        if clocks_too:
            clocks = self._waiting.clocks if until is not None else work.clocks
            fields |= {f"c:{source}": max(at, checkpoint.clocks.get(source, 0)) for source, at in clocks.items()}
        if batches:
            fields["received"], fields["at"] = max(batch.received for batch in batches), self._clock()
        await self._learn_names(work.names)
        await self._commit(step.commit(checkpoint.version, fields), checkpoint, fields)
        return Done(step.applied, step.duplicates, step.seq - checkpoint.seq, 0, step.seq > checkpoint.seq)

    async def _rows_of(self, work: inputs.Work) -> Rows:
        rows = await self._load(work.profiles)
        patched = sorted({int(work.events.row[event]) for event, _ in work.patches})
        known = await self._store.sidecars(self.number, [work.profiles[row] for row in patched])
        return replace(rows, sidecars={work.profiles[row]: blob for row, blob in zip(patched, known, strict=True)})

    async def _learn_names(self, names: dict[int, str]) -> None:
        new = {code: name for code, name in names.items() if code not in self._named}
        if new:
            await self._store.learn_names(new)
            self._named.update(new)

    async def sweep(self) -> Done:
        """Let silence act on profiles that are due; at most SWEEP_LIMIT of them."""
        async with self.lock:
            checkpoint, now = await self.open(), self.now()
            due = await self._store.due(self.number, now, SWEEP_LIMIT)
            if not due:
                return Done()
            rows = await self._load(due)
            step = await self._begin(rows)
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
            step = await self._begin(rows)
            step.renewal(np.full(len(profiles), now, np.int64))
            fields = {"renewed": checkpoint.rules} if self._renewing == 0 else {}
            await self._commit(step.commit(checkpoint.version, fields=fields), checkpoint, fields)
            return Done(0, 0, step.seq - checkpoint.seq, max(len(profiles), 1), step.seq > checkpoint.seq)

    async def _load(self, profiles: list[str]) -> Rows:
        blobs = await self._store.load(self.number, profiles)
        return Rows(profiles, from_blobs(blobs, self._worlds.layouts))

    async def _begin(self, rows: Rows) -> Step:
        """A step from where the bucket stands, by the rules and params it decides with."""
        checkpoint = await self.open()
        world = await self._worlds.world(checkpoint.rules, checkpoint.cuts)
        return Step(self.number, rows, world, await self._worlds.book(checkpoint.rules), checkpoint.seq, self.now())

    async def _commit(self, commit: Commit, before: Checkpoint, fields: dict[str, int]) -> None:
        try:
            version = await self._store.commit(commit)
        except Exception:
            self._drop()  # refused, or perhaps written: only the store knows
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


def _groups(
    records: list[tuple[int, inputs.Record]],
) -> Iterator[tuple[int, list[inputs.Batch] | inputs.Control]]:
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

"""One bucket and its single writer: events and silence become commits.

Knows: in what order work is done and committed.  Must not know: Faust, topics, HTTP, where the truth is (``stand``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from profiles import inputs
from profiles.clock import MINUTE, NEVER, SECOND, Clock, Zone
from profiles.errors import LayoutError
from profiles.identity.guards import Limits
from profiles.identity.messages import Joining, Told
from profiles.quarantine import parts_of
from profiles.replay import Waiting, stream_time
from streams.alone import Reach
from streams.gate import Gate
from streams.groups import Done, Order, groups
from streams.plan import Planner
from streams.sift import Aside, Placed, ours, sift, tried, unreadable
from streams.stand import Stand, begun

if TYPE_CHECKING:
    from profiles.store.base import Checkpoint, Commit, ProfileStore
    from profiles.store.worlds import Worlds

SWEEP_LIMIT = 500
QUIET = 5 * SECOND  #: a replay that brings nothing for so long, with nothing under way, has ended
LONG_QUIET = 5 * MINUTE  #: so it has if nobody knows whether something is under way
USUAL = Limits()
NOBODY_WAITS: Final[AbstractAsyncContextManager[object]] = nullcontext()
NOTHING = inputs.Control("nothing", 0)  #: stands where a record could not be read: only its offset counts


class Behind(Exception):
    """The store wants records from an earlier offset than the one at hand: seek there."""

    def __init__(self, wanted: int) -> None:
        super().__init__(f"offset {wanted} is wanted")
        self.wanted = wanted


@dataclass(frozen=True)
class Place:
    """Where a bucket is to go on, if not where its checkpoint says."""

    next: int
    lost: int = 0  #: records that are gone and were not read
    forget: tuple[str, ...] = ()  #: sources that begin anew
    topics: Mapping[str, int] = field(default_factory=dict)  #: codes of the topics' ids


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
        aside: Aside | None = None,
        named: set[int] | None = None,
        blind: Callable[[str, str], str] | None = None,
        buckets: int = 1,
        limits: Limits = USUAL,
        weeks: int = 1,
        turn: AbstractAsyncContextManager[object] = NOBODY_WAITS,
    ) -> None:
        """``replay``: follow the stream's time; ``sources`` is then the number of source partitions.

        ``named``: codes whose texts were written, for all buckets of a worker.
        ``blind`` hashes a customer's name, to know whose events may not be kept; without it there is nobody.
        ``buckets``: how many there are; ``limits``: of ids that are one customer; ``weeks``: how far the
        churn model looks ahead; ``turn`` is held while history is worked on.
        Without ``aside`` a fault of ours is raised, with it what is to blame goes there and the rest goes on.
        """
        self.number = number
        self.lock = asyncio.Lock()
        self._stand = Stand(number, store, worlds, clock, dropped=self._let_go, older=self.forget_names)
        self._store = store
        self._worlds = worlds
        self._planner = Planner(number, store, worlds, zone, limits, buckets, weeks)
        self._clock = clock
        self._replay = replay
        self._aside = aside
        self._waiting = Waiting(sources)
        self._read = 0  #: in a replay: the first record that was not read; the checkpoint may be behind
        self._heard = 0  #: wall time of the last record
        self._named = named if named is not None else set()
        self._renewing = 0  #: where the walk through the roster stands
        self._reach = Reach(number, clock, aside)
        self._gate = Gate(number, store, blind)
        self._turn = turn

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Where it stands, as far as is known here."""
        return self._stand.checkpoint

    async def open(self) -> Checkpoint:
        """The checkpoint, read from the store if it is not at hand."""
        return await self._stand.open()

    @property
    def place(self) -> int:
        """The record it reads next, as far as is known here; -1 if nothing is."""
        return -1 if self.checkpoint is None else max(self.checkpoint.next, self._read)

    async def reopen(self) -> Checkpoint:
        """The checkpoint as it is stored now, whatever was kept here."""
        async with self.lock:
            return await self._stand.reopen()

    async def heed(self, told: int) -> Checkpoint:
        """The checkpoint; if more was ``told`` than it knows of, an older store came back before this was opened."""
        async with self.lock:
            return await self._stand.heed(told)

    async def behind(self) -> int | None:
        """Where the store wants to go on if it is an older one than was written to; None if it is not."""
        async with self.lock:
            return await self._stand.behind()

    def now(self) -> int:
        """What time it is here: the wall's, or in a replay the stream's; 0 if that is not known yet."""
        if not self._replay or self.checkpoint is None:
            return self._clock()
        return stream_time(self.checkpoint.clocks, self._clock())

    def told(self) -> int:
        """When what is found out now is told, if not later; 0, so never late, as long as a replay is under way.

        How far the stream jumps between two pieces of work depends on the machine, and alerts must not.
        """
        if not self._replay:
            return self._clock()
        wall, clocks = self._clock(), self.checkpoint.clocks if self.checkpoint is not None else {}
        return wall if stream_time(clocks, wall) == wall else 0

    # --- events ------------------------------------------------------------------------------------------------------

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
            await self._gate.open()
            fresh = await self._understood([(offset, raw) for offset, raw in records if offset >= wanted])
            return await (self._apply_in_time(fresh) if self._replay else self._apply_at_once(fresh))

    async def _understood(self, records: Sequence[tuple[int, bytes]]) -> list[tuple[int, inputs.Record]]:
        """Records that can be read; of others only that they were there."""
        out: list[tuple[int, inputs.Record]] = []
        found = []
        for offset, raw in records:
            try:
                record = inputs.decode(raw)
                if self._replay and isinstance(record, inputs.Batch):
                    parts_of(record)  # it is looked into before it is folded
            except LayoutError as error:
                if self._aside is None:
                    raise
                found.append(unreadable(self.number, offset, raw, error))
                record = NOTHING
            out.append((offset, record))
        if found and self._aside is not None:
            await self._aside.set_aside(found)
        return out

    async def _apply_at_once(self, fresh: list[tuple[int, inputs.Record]]) -> Done:
        done = Done()
        for offset, group in groups(fresh):
            if isinstance(group, inputs.Control | inputs.Erase):
                done += await self._obey(offset, group, offset + 1)
            elif isinstance(group, Joining):
                done += await self._hear(offset, group.told, offset + 1)
            else:
                async with self._turn if group[0][1].origin == "backfill" else NOBODY_WAITS:
                    done += await self._fold(self._gate.pass_on(group), offset + 1)
        return done

    async def _apply_in_time(self, fresh: list[tuple[int, inputs.Record]]) -> Done:
        """Hold everything until all sources have passed its time (see ``profiles.replay``)."""
        done = Done()
        for offset, record in fresh:
            held = self._waiting.batches
            then = held[0][0] if held else offset + 1
            if isinstance(record, inputs.Control | inputs.Erase):
                done += await self._obey(offset, record, then)
                self._waiting.batches = self._gate.pass_on(self._waiting.batches)
            elif isinstance(record, Joining):
                done += await self._hear(offset, record.told, then)
            else:
                self._waiting.add(*self._gate.pass_on([(offset, record)])[0])
            self._read = offset + 1
        if fresh:
            self._heard = self._clock()
        until = self._waiting.watermark(self._clock())
        return done if until is None else done + await self._release(until)

    async def _release(self, until: int) -> Done:
        done = Done()
        for moment in self._waiting.slices(until, (await self.open()).offsets):
            done += await self._fold(self._waiting.batches, None, moment, moment == until)
            self._waiting.forget((await self.open()).offsets)
        return done

    @property
    def quiet(self) -> bool:
        """In a replay: whether something waits, and nothing has come for a while."""
        return bool(self._waiting.batches) and self._clock() - self._heard >= QUIET

    async def hurry(self, end: int | None = None) -> Done:
        """In a replay: if nothing more will come, apply what waits.

        ``end``: nothing is under way, and the log ends there.  None: something may be, say from a worker that is frozen;
        then only a much longer silence counts.
        """
        async with self.lock:
            enough = QUIET if end is not None and self._read >= end else LONG_QUIET
            if not self._waiting.batches or self._clock() - self._heard < enough:
                return Done()
            await self.open()
            return await self._release(NEVER)

    def _next(self) -> int:
        """The first record that is not applied to the end."""
        return self._waiting.batches[0][0] if self._waiting.batches else self._read

    def _let_go(self) -> None:
        """What was read from where the checkpoint was will be read again."""
        self._read = 0
        self._waiting = Waiting(self._waiting.sources)
        self._gate.close()

    async def _obey(self, offset: int, order: Order, then: int) -> Done:
        """Do what the order says, and go on at ``then``."""
        if isinstance(order, inputs.Erase):
            return await self._erase(order, then)
        await self._decide_by(offset, order, then)
        return Done()

    async def _erase(self, order: inputs.Erase, then: int) -> Done:
        """Destroy what is kept of some customers, and let in nothing more of them, in one commit."""
        checkpoint = await self.open()
        fields = begun(checkpoint, {"next": then})
        commit = await self._planner.erasure(checkpoint, order, self._clock())
        await self._stand.commit(replace(commit, set=commit.set | fields), checkpoint, fields)
        self._gate.obey(order)
        return Done(messages=bool(commit.messages))

    async def _decide_by(self, offset: int, control: inputs.Control, then: int) -> None:
        """Decide by another version from here on; one that the store does not have (any more) is passed by."""
        checkpoint = await self.open()
        fields = {"next": then}
        wanted = {"rules": checkpoint.rules, "cuts": checkpoint.cuts}
        if control.version > wanted.get(control.what, control.version):
            wanted[control.what] = control.version
            try:
                await self._worlds.world(**wanted)
                fields[control.what] = control.version
            except Exception as error:
                if self._aside is None or not ours(error):
                    raise
                await self._aside.set_aside([unreadable(self.number, offset, inputs.encode(control), error)])
        fields = begun(checkpoint, fields)
        step = await self._planner.nothing(checkpoint, self.now())
        await self._stand.commit(step.commit(checkpoint.version, fields=fields), checkpoint, fields)

    async def _hear(self, offset: int, told: Sequence[Told], then: int) -> Done:
        """Let nodes hear who is who; of messages that fail for a fault of ours each is tried alone."""
        checkpoint = await self.open()
        fields = begun(checkpoint, {"next": then, "rules": checkpoint.rules})
        heard, answers = self._gate.hear(told)
        try:
            step = await self._planner.told(checkpoint, heard, self.now(), self.told(), answers)
            commit = step.commit(checkpoint.version, fields=fields)
        except Exception as error:
            if self._aside is None or not ours(error):
                raise
            if len(told) > 1:
                done = Done()
                for i, each in enumerate(told, 1):
                    done += await self._hear(offset, [each], then if i == len(told) else checkpoint.next)
                return done
            await self._aside.set_aside([unreadable(self.number, offset, inputs.encode(Joining(tuple(told))), error)])
            commit = (await self._planner.nothing(checkpoint, self.now())).commit(checkpoint.version, fields=fields)
        await self._stand.commit(commit, checkpoint, fields)
        joined, refused = commit.add.get("joined", 0), commit.add.get("refused", 0)
        said = commit.seq - checkpoint.seq
        return Done(transitions=said, messages=said > 0, joined=joined, refused=refused)

    async def _fold(
        self, placed: list[Placed], then: int | None, until: int | None = None, clocks_too: bool = True
    ) -> Done:
        """One commit: ``then`` is the offset to read next (None: work it out), ``until`` bounds a replay's slice."""
        checkpoint = await self.open()
        passed: dict[str, int] = {}
        try:
            work, commit = await self._planned(checkpoint, placed, until)
        except Exception as error:
            if self._aside is None or not ours(error):
                raise
            placed, passed = await self._sifted(checkpoint, placed, until)
            work, commit = await self._planned(checkpoint, placed, until)
        await self._learn_names(work.names)
        cursors = {name: max(work.cursors.get(name, -1), passed.get(name, -1)) for name in (*work.cursors, *passed)}
        if then is None:
            self._waiting.forget(checkpoint.offsets | cursors)
            then = self._next()
        fields = begun(checkpoint, {"next": then, "rules": checkpoint.rules})
        fields |= {f"s:{source}": at for source, at in cursors.items()}
        if clocks_too:
            clocks = self._waiting.clocks if until is not None else work.clocks
            fields |= {f"c:{source}": max(at, checkpoint.clocks.get(source, 0)) for source, at in clocks.items()}
        if placed:
            fields["received"], fields["at"] = max(batch.received for _, batch in placed), self._clock()
        await self._stand.commit(replace(commit, set=commit.set | fields), checkpoint, fields)
        counted = commit.add.get("applied", 0), commit.add.get("duplicates", 0)
        forwarded = commit.add.get("forwarded", 0)
        return Done(*counted, commit.seq - checkpoint.seq, 0, commit.seq > checkpoint.seq, forwarded=forwarded)

    async def _planned(
        self, checkpoint: Checkpoint, placed: Sequence[Placed], until: int | None
    ) -> tuple[inputs.Work, Commit]:
        batches = [batch for _, batch in placed]
        work, step = await self._planner.events(checkpoint, batches, self.told(), until)
        return work, step.commit(checkpoint.version)

    async def _sifted(
        self, checkpoint: Checkpoint, placed: list[Placed], until: int | None
    ) -> tuple[list[Placed], dict[str, int]]:
        """The batches less the events that fail, which are safe elsewhere now, and how far those went per source."""

        async def plan(some: Sequence[Placed]) -> None:
            await self._planned(checkpoint, some, until)

        kept, found = await sift(self.number, placed, checkpoint.offsets, tried(plan))
        if self._aside is not None:
            await self._aside.set_aside(found)
        if until is not None:  # others of that source may wait that come before them
            self._waiting.batches = kept
            return kept, {}
        passed: dict[str, int] = {}
        for each in found:
            if each.source:
                passed[each.source] = max(passed.get(each.source, -1), each.letter.offset)
        return kept, passed

    def forget_names(self) -> None:
        """Write the texts behind codes again when they are next used."""
        self._named.clear()

    async def _learn_names(self, names: dict[int, str]) -> None:
        new = {code: name for code, name in names.items() if code not in self._named}
        if new:
            await self._store.learn_names(new)
            self._named.update(new)

    # --- silence -----------------------------------------------------------------------------------------------------

    async def sweep(self) -> Done:
        """Let silence act on profiles that are due; at most SWEEP_LIMIT of them."""
        async with self.lock:
            checkpoint, now, told = await self.open(), self.now(), self.told()
            due = await self._store.due(self.number, now, SWEEP_LIMIT + self._reach.alone)
            if not due:
                return Done()

            async def plan(profiles: Sequence[str]) -> Commit:
                return (await self._planner.silence(checkpoint, profiles, now, told)).commit(checkpoint.version)

            reached, commit = await self._reach(due, plan)
            if not reached:
                return Done()
            await self._stand.commit(commit, checkpoint, {})
            return Done(0, 0, commit.seq - checkpoint.seq, len(reached), commit.seq > checkpoint.seq)

    async def renew(self) -> Done:
        """Ask new rules about some customers that older rules decided; Done(swept=0) when there are none left."""
        async with self.lock:
            checkpoint, now = await self.open(), self.now()
            if checkpoint.renewed == checkpoint.rules or checkpoint.version == 0 or now == 0:
                return Done()
            self._renewing, profiles = await self._store.roster(self.number, self._renewing, SWEEP_LIMIT)
            fields = {"renewed": checkpoint.rules} if self._renewing == 0 else {}

            async def plan(profiles: Sequence[str]) -> Commit:
                return (await self._planner.renewal(checkpoint, profiles, now)).commit(checkpoint.version, fields)

            reached, commit = await self._reach(profiles, plan)
            await self._stand.commit(commit, checkpoint, fields)
            return Done(0, 0, commit.seq - checkpoint.seq, max(len(reached), 1), commit.seq > checkpoint.seq)

    async def settle(self, place: Place) -> None:
        """Go on there."""
        async with self.lock:
            checkpoint = await self.open()
            fields = begun(checkpoint, {"next": place.next})
            fields |= {f"s:{source}": -1 for source in place.forget}
            fields |= {f"t:{topic}": code for topic, code in place.topics.items()}
            commit = (await self._planner.nothing(checkpoint, self.now())).commit(checkpoint.version, fields)
            await self._stand.commit(replace(commit, add=commit.add | {"lost": place.lost}), checkpoint, fields)
            self._stand.drop()

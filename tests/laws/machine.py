"""The way of an event without a wire: source log, intake, profile-inputs, worker, store; and everything that can happen
to it, as values in a list.

Every part that decides anything is the real one.  What Kafka does here is a list and an offset; what may go wrong
(a crash, a stretch sent again and cut differently, records delivered twice) is an element of the input.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from profiles import inputs
from profiles.clock import NEVER, Zone
from profiles.codec import from_blobs
from profiles.errors import Stale
from profiles.features import factors
from profiles.intake import Event
from profiles.kernels.advance import World
from profiles.models.params import Params
from profiles.population import Cuts, population
from profiles.rules import RuleBook, assign_slots, compile_rules, load
from profiles.rules.parts import SHIPPED
from profiles.stable import bucket_of
from profiles.step import Rows, Step
from profiles.store.base import Checkpoint, Commit
from profiles.store.memory import MemoryStore
from profiles.timeline import decode
from tests.laws.lives import END

RULES: Final = Path(__file__).with_name("rules.yaml")
BOOKS: Final = {"rules of the laws": RULES, "shipped rules": SHIPPED}
TOPIC: Final = "events.behavior"


@lru_cache(maxsize=4)
def book_of(path: Path = RULES) -> RuleBook:
    """The rules of a file, compiled; those of the laws, or the ones that Mien ships."""
    document = load(path.read_text(encoding="utf-8"), path.name)
    return compile_rules(document, assign_slots(document, {}))


def world_of(book: RuleBook, here: Zone, model: Params | None = None) -> World:
    """What decides, in a shop that lies here and has shipped cut points, and a budget of alerts if it has a model."""
    people = population(Cuts(churn=model, line=40.0))
    return World(factors(2), people, book.rules, here.since, here.offset, book.version)


@dataclass(frozen=True)
class Read:
    """Intake reads up to ``count`` more events of a source partition and sends them on as one stretch."""

    partition: int
    count: int


@dataclass(frozen=True)
class ReadAgain:
    """Intake dies and its successor starts ``back`` events earlier."""

    partition: int
    back: int


@dataclass(frozen=True)
class Apply:
    """The worker of a bucket applies up to ``count`` more records in one commit.

    ``again`` records that it has applied before are delivered first.  ``dies`` says when it crashes, if it does:
    ``before`` or ``after`` the commit.
    """

    bucket: int
    count: int
    again: int = 0
    dies: str = ""


Act = Read | ReadAgain | Apply


@dataclass
class Machine:
    """A shop of a few buckets."""

    sources: Sequence[Sequence[Event]]  #: the log of each source partition
    here: Zone
    buckets: int = 1
    book: RuleBook = field(default_factory=book_of)
    store: MemoryStore = field(default_factory=MemoryStore)
    model: Params | None = None

    def __post_init__(self) -> None:
        self.read = [0] * len(self.sources)
        self.records: list[list[bytes]] = [[] for _ in range(self.buckets)]
        self.world = world_of(self.book, self.here, self.model)

    def run(self, acts: Iterable[Act]) -> Machine:
        """Let all this happen, and then everything that is still open, in one piece each."""
        for act in acts:
            self.act(act)
        for partition in range(len(self.sources)):
            self.act(Read(partition, len(self.sources[partition])))
        for bucket in range(self.buckets):
            self.act(Apply(bucket, len(self.records[bucket])))
        return self

    def act(self, act: Act) -> None:
        if isinstance(act, Read):
            self._send(act.partition, act.count)
        elif isinstance(act, ReadAgain):
            self.read[act.partition] = max(self.read[act.partition] - act.back, 0)
        else:
            asyncio.run(self._apply(act))

    def _send(self, partition: int, count: int) -> None:
        start = self.read[partition]
        stretch = self.sources[partition][start : start + count]
        drafts: dict[int, inputs.Draft] = {}
        for offset, event in enumerate(stretch, start):
            drafts.setdefault(bucket_of(event.profile, self.buckets), inputs.Draft()).add(event, offset)
        for bucket, draft in drafts.items():
            batch = draft.batch(TOPIC, partition, max(event.time for event in stretch), END)
            self.records[bucket].append(inputs.encode(batch))
        self.read[partition] = start + len(stretch)

    async def _apply(self, act: Apply) -> None:
        checkpoint = await self.store.checkpoint(act.bucket)
        first, last = (
            max(checkpoint.next - act.again, 0),
            min(checkpoint.next + act.count, len(self.records[act.bucket])),
        )
        raws = [(at, self.records[act.bucket][at]) for at in range(first, last)]
        fresh = [inputs.decode(raw) for at, raw in raws if at >= checkpoint.next]
        if not fresh:
            return
        batches = [record for record in fresh if isinstance(record, inputs.Batch)]
        work = inputs.gather(batches, checkpoint.offsets, self.here)
        rows = await self._load(act.bucket, work)
        step = Step(act.bucket, rows, self.world, self.book, checkpoint.seq, END, self.model)
        step.events(work, "live")
        fields = {"next": last} | {f"s:{source}": at for source, at in work.cursors.items()}
        await self._commit(step.commit(checkpoint.version, fields), act.dies)

    async def _load(self, bucket: int, work: inputs.Work) -> Rows:
        blobs = await self.store.load(bucket, work.profiles)
        sidecars = await self.store.sidecars(bucket, work.profiles)
        return Rows(work.profiles, from_blobs(blobs, {}), dict(zip(work.profiles, sidecars, strict=True)))

    async def _commit(self, commit: Commit, dies: str) -> None:
        if dies == "before":
            return
        await self.store.commit(commit)
        if dies == "after":  # and somebody who thinks it did not go through tries again
            try:
                await self.store.commit(commit)
            except Stale:
                return
            raise AssertionError("a commit was accepted twice")

    def silence(self, until: int, *, bucket: int = 0, limit: int = 1000) -> int:
        """One sweep: everybody who is due up to ``until``, at most ``limit`` customers; returns how many it were."""
        return asyncio.run(self._sweep(bucket, until, limit))

    async def _sweep(self, bucket: int, until: int, limit: int) -> int:
        checkpoint = await self.store.checkpoint(bucket)
        due = await self.store.due(bucket, until, limit)
        blobs = await self.store.load(bucket, due)
        step = Step(bucket, Rows(due, from_blobs(blobs, {})), self.world, self.book, checkpoint.seq, END, self.model)
        step.silence(np.full(len(due), until, np.int64), "sweep")
        await self.store.commit(step.commit(checkpoint.version))
        return len(due)

    def checkpoint(self, bucket: int) -> Checkpoint:
        """How far a bucket has come."""
        return asyncio.run(self.store.checkpoint(bucket))

    def bucket(self, number: int) -> Any:
        """Everything the store holds of one bucket."""
        return self.store._buckets[number]

    def told(self, profile: str) -> dict[str, Any]:
        """Everything that is stored of one customer, sequence numbers apart."""
        return asyncio.run(self._told(profile))

    async def _told(self, profile: str) -> dict[str, Any]:
        bucket = bucket_of(profile, self.buckets)
        outbox = [message for _, group in await self.store.outbox(bucket, 10**6) for message in group]
        (blob,), (sidecar,) = await self.store.load(bucket, [profile]), await self.store.sidecars(bucket, [profile])
        return {
            "blob": blob,
            "sidecar": sidecar,
            "timeline": [
                _without_number(decode(note, bucket, profile, lambda _: self.book.words))
                for note in await self.store.timeline(bucket, profile, 10**6)
            ],
            "messages": [(m.topic, _unnumbered(m.value)) for m in outbox if m.key == profile.encode()],
        }

    def totals(self) -> dict[str, Any]:
        """What is stored of everybody together: who holds which tag, how many do, who is due when."""
        return asyncio.run(self._totals())

    async def _totals(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for bucket in range(self.buckets):
            counts = await self.store.counts(bucket)
            found[f"{bucket} counts"] = {name: n for name, n in counts.items() if n}
            found[f"{bucket} due"] = await self.store.due(bucket, NEVER, 10**6)
            for tag in self.book.document.tags:
                found[f"{bucket} {tag.name}"] = sorted((await self.store.members(bucket, tag.name, 0, 10**6))[1])
            checkpoint = await self.store.checkpoint(bucket)
            found[f"{bucket} seen"] = (checkpoint.applied, checkpoint.duplicates, checkpoint.offsets, checkpoint.seq)
        return found


def _unnumbered(note: bytes) -> Any:
    read = msgspec.json.decode(note)
    if isinstance(read, list):  # a lesson: (sort, bucket, seq, ...)
        return [*read[:2], *read[3:]]
    return _without_number(read)


def _without_number(note: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in note.items() if name != "seq"}

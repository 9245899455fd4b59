"""The first hop: records as apps sent them -> batches of inputs for the bucket of each customer.

Knows: Kafka records, the dead-letter topic, where a customer's bucket is.
Must not know: profiles, rules, where keys are kept.

A source partition is sent on in order, one stretch at a time, each awaited.  After a crash a stretch is sent again,
perhaps cut differently; the update side knows by source offset what it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from profiles import inputs
from profiles.errors import Rejected
from profiles.identity.claims import Claim
from profiles.identity.messages import Joining, Link
from profiles.intake import Event
from profiles.landing import SKIPPED, Landing, carried
from profiles.mapping.fields import Note
from profiles.replay import ARRIVED
from profiles.stable import bucket_of
from profiles.store.vault import Vault
from profiles.suppressed import unwanted
from profiles.wire import KEPT_BYTES, DeadLetter, Origin, headers
from streams import metrics
from streams.quality import Quality
from streams.quarantine import Sender
from streams.sealing import Private, seal
from streams.sift import FAULT, Aside, Poison, said
from streams.topics import DEAD_LETTERS, PROFILE_INPUTS, matching

STRETCH = 1000  #: most events of one record of profile-inputs
HISTORY_STRETCH = 100  #: of history: each may tell of years of silence, and a record is never cut
REMEMBERED = 100_000  #: claims


@dataclass
class Read:
    """What one stretch of records came to."""

    drafts: dict[int, inputs.Draft] = field(default_factory=dict)
    dead: list[tuple[DeadLetter, bytes]] = field(default_factory=list)
    faults: list[Poison] = field(default_factory=list)
    private: list[Private] = field(default_factory=list)
    suppressed: int = 0
    became: list[Event | str] = field(default_factory=list)  #: of each record: its event, or why there is none
    links: dict[int, dict[Claim, Link]] = field(default_factory=dict)  #: by bucket
    notes: dict[int, list[Note]] = field(default_factory=dict)  #: what mappings mended, by the place of its record
    clock: int = 0
    received: int = 0


class IntakeHop:
    """Reads stretches of one source partition after another and sends them on."""

    def __init__(
        self,
        landing: Landing,
        buckets: int,
        sender: Sender,
        aside: Aside | None = None,
        *,
        replay: bool = False,
        history: Sequence[str] = (),
        vault: Vault | None = None,
        suppressed: Callable[[str], bool] = lambda _: False,
        quality: Quality | None = None,
    ) -> None:
        """``replay``: tell every bucket how far each source is, also those that it has nothing for.

        ``history``: topics, names or globs, whose events are told as ``backfill``.
        ``vault``: seals what ``intake`` lets through of private traits; without one there must be nothing.
        ``suppressed``: whose events are not taken; nothing is kept of them, not even as a dead letter.
        Without ``aside`` a fault of ours is raised, with it the record to blame goes there and the rest goes on.
        """
        self._replay = replay
        self._landing = landing
        self._buckets = buckets
        self._sender = sender
        self._aside = aside
        self._history = tuple(history)
        self._vault = vault
        self._suppressed = suppressed
        self._quality = quality
        self._clocks: dict[tuple[str, int], int] = {}
        self._lately = Lately()

    def read(self, records: Sequence[Any], *, carefully: bool = False) -> Read:
        """Understand records of one source partition; what cannot be used is set apart with its reason.

        ``carefully``: see of each event that it can be sent on as well.
        """
        topic, partition = records[0].topic, records[0].partition
        out = Read(clock=self._clocks.get((topic, partition), 0))
        mended: list[Note] = []
        for record in records:
            raw = record.value if record.value is not None else b""
            out.received = max(out.received, record.timestamp)
            try:
                event = self._landing.read(raw, record.timestamp, record.headers or (), topic, mended)
                if mended:
                    out.notes[len(out.became)], mended = mended, []
                if unwanted(event, self._suppressed):
                    out.suppressed += 1
                    out.became.append("suppressed")
                    continue
                bucket = bucket_of(event.profile, self._buckets)
                if carefully:
                    _alone(event, record.offset)
            except Rejected as fault:
                out.became.append(fault.reason)
                if fault.reason == SKIPPED:
                    continue
                out.dead.append((_letter(record, fault.reason, fault.detail), raw))
                continue
            except Exception as error:
                if self._aside is None:
                    raise
                out.became.append(FAULT)
                out.faults.append(Poison(_letter(record, FAULT, said(error)), raw, error, raw=True))
                continue
            out.became.append(event)
            out.clock = max(out.clock, event.time)
            draft = out.drafts.setdefault(bucket, inputs.Draft())
            draft.add(event, record.offset)
            if event.private:
                out.private.append(Private(draft, len(draft) - 1, event.profile, event.private))
            for claim in event.claims:
                if claim not in self._lately:
                    to = bucket_of(claim.small, self._buckets)
                    link = Link(claim.small, claim.large, event.time, claim.explicit, alias=claim.alias)
                    out.links.setdefault(to, {}).setdefault(claim, link)
        self._clocks[topic, partition] = out.clock
        return out

    def forget(self) -> None:
        """Send every claim again: whoever has heard it may have been erased."""
        self._lately = Lately()

    async def handle(self, records: Sequence[Any]) -> list[DeadLetter]:
        """Send records of one source partition on; returns the refused ones once all of it is safely in Kafka."""
        dead = []
        most = HISTORY_STRETCH if self._origin(records[0].topic) == "backfill" else STRETCH
        for start in range(0, len(records), most):
            stretch = records[start : start + most]
            if self._quality is not None:
                await self._quality.begin((stretch[0].topic, stretch[0].partition))
            read, values = await self._packed(stretch)
            if read.faults and self._aside is not None:
                await self._aside.set_aside(read.faults)
            await asyncio.gather(*self._sends(read, values))
            metrics.SUPPRESSED.inc(read.suppressed)
            if self._quality is not None:
                self._quality.count(stretch, read.became, read.notes)
            dead += [letter for letter, _ in read.dead]
            for links in read.links.values():
                self._lately.add(links)
        return dead

    async def _packed(self, stretch: Sequence[Any]) -> tuple[Read, dict[int, bytes]]:
        """A stretch, and what each bucket gets of it."""
        read = await self._sealed(stretch)
        try:
            return read, self._values(stretch, read)
        except Exception:
            if self._aside is None:
                raise
            read = await self._sealed(stretch, carefully=True)
            return read, self._values(stretch, read)

    async def _sealed(self, stretch: Sequence[Any], *, carefully: bool = False) -> Read:
        """A stretch, read; from here on nothing private is in it that is not sealed."""
        read = self.read(stretch, carefully=carefully)
        if read.private and self._vault is not None:
            await seal(read.private, self._vault)
        return read

    def _values(self, stretch: Sequence[Any], read: Read) -> dict[int, bytes]:
        if self._replay and read.received - read.clock > ARRIVED:
            for bucket in range(self._buckets):
                read.drafts.setdefault(bucket, inputs.Draft())
        source = stretch[0].topic, stretch[0].partition
        drafts = list(read.drafts.values())
        batches = inputs.drafted(drafts, *source, read.clock, read.received, self._origin(source[0]))
        return dict(zip(read.drafts, map(inputs.encode, batches), strict=True))

    def _origin(self, topic: str) -> Origin:
        return "backfill" if matching(self._history, [topic]) else "live"

    def _sends(self, read: Read, values: dict[int, bytes]) -> list[Awaitable[Any]]:
        return [
            *(
                self._sender.send_and_wait(DEAD_LETTERS, raw[:KEPT_BYTES], headers=headers(letter))
                for letter, raw in read.dead
            ),
            *(self._sender.send_and_wait(PROFILE_INPUTS, value, partition=bucket) for bucket, value in values.items()),
            *(
                self._sender.send_and_wait(
                    PROFILE_INPUTS, inputs.encode(Joining(tuple(some.values()))), partition=bucket
                )
                for bucket, some in read.links.items()
            ),
        ]


def _letter(record: Any, reason: str, detail: str) -> DeadLetter:
    about = carried(record.headers or ())
    return DeadLetter(record.topic, record.partition, record.offset, reason, detail, record.timestamp, about)


class Lately:
    """Claims that were sent not long ago: sending one again is right, and work for nothing."""

    def __init__(self) -> None:
        self._known: tuple[set[object], set[object]] = set(), set()

    def __contains__(self, claim: object) -> bool:
        return any(claim in some for some in self._known)

    def add(self, claims: Iterable[object]) -> None:
        """Remember them; of the older half the rest is forgotten."""
        self._known[0].update(claims)
        if len(self._known[0]) > REMEMBERED:
            self._known = set(), self._known[0]


def _alone(event: Event, offset: int) -> bytes:
    """One event as it would travel."""
    draft = inputs.Draft()
    draft.add(event, offset)
    return inputs.encode(draft.batch("", 0, 0, 0))

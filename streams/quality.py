"""Counting the quality of sources beside intake: in memory a stretch at a time, in Redis once a second.

What is not in Redis yet is not committed to Kafka either (``safe``), so whoever comes after a kill counts it again; what is,
is not counted again, because the position changes with the counts.
Knows: stretches of records, what intake made of them.  Must not know: what is told of the counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog

from profiles.clock import Millis
from profiles.intake import Event
from profiles.landing import SKIPPED, Headers, key_of
from profiles.mapping.fields import Note
from profiles.quality import OTHERS, SOURCES, Look, fields_of, spread
from profiles.store.quality import Position, QualityStore

REMEMBERED: Final = 20_000  #: latest messages of a partition, at least, that a repeat is recognised among
NOTHING: Final[Mapping[int, Sequence[Note]]] = MappingProxyType({})
Place = tuple[str, int]
Form = Callable[[bytes, Headers, str], bytes]
log = structlog.get_logger("mien")


@dataclass
class _Pending:
    """What was counted of a partition since it was last stored."""

    first: int
    was: Position
    now: Position
    days: dict[str, Counter[str]] = field(default_factory=dict)


class Quality:
    """The counts of one worker."""

    def __init__(self, store: QualityStore, timezone: str, form: Form = lambda raw, *_: raw) -> None:
        """``form``: a record that was understood, as intake read it."""
        self._store = store
        self._form = form
        self._zone = ZoneInfo(timezone)
        self._at: dict[Place, Position] = {}
        self._pending: dict[Place, _Pending] = {}
        self._storing: dict[Place, _Pending] = {}
        self._recent: dict[Place, tuple[set[int], set[int]]] = {}  #: messages, and those before them
        self._sources: dict[str, set[str]] = {}
        self._seen: Counter[str] = Counter()  #: accepted events of a source, to spread looks among

    async def begin(self, place: Place) -> None:
        """Know how far a partition was counted, before anything of it is."""
        if place not in self._at:
            self._at[place] = await self._store.position(f"{place[0]}/{place[1]}")

    def forget(self, place: Place) -> None:
        """Somebody else reads it now; what is not stored yet they will count."""
        for known in (self._at, self._pending, self._storing, self._recent):
            known.pop(place, None)

    def safe(self, place: Place) -> int | None:
        """The first offset that is counted and not stored, if there is one."""
        pending = self._storing.get(place) or self._pending.get(place)
        return pending.first if pending else None

    def count(
        self, records: Sequence[Any], events: Sequence[Event | str], notes: Mapping[int, Sequence[Note]] = NOTHING
    ) -> None:
        """Records of one partition and what each became: an event, or the reason why it did not.

        ``notes``: what mappings mended, by the place of its record.
        """
        place = records[0].topic, records[0].partition
        at = self._at.get(place)
        if at is None:  # it went to another worker meanwhile, who counts it
            return
        if records[0].offset < at.next:
            fresh = [i for i, each in enumerate(records) if each.offset >= at.next or each.timestamp > at.latest]
            if not fresh:
                return
            records, events = [records[i] for i in fresh], [events[i] for i in fresh]
            notes = {place: notes[i] for place, i in enumerate(fresh) if i in notes}
        latest = max(at.latest, *(each.timestamp for each in records))
        now = Position(records[-1].offset + 1, latest)
        pending = self._pending.setdefault(place, _Pending(records[0].offset, at, now))
        pending.now = self._at[place] = now
        day = self._day(records[-1].timestamp)
        counts = pending.days.setdefault(day, Counter())
        for source, (mine, found) in self._by_source(day, records, events).items():
            part = self._counted(place, source, mine, found)
            for name, n in part.items():
                key = f"{source}\t{name}"
                counts[key] = max(counts[key], n) if name.endswith("!") else counts[key] + n
        for i, mended in notes.items():
            source = self._named(day, _source_of(records[i]))
            for note in mended:
                counts[f"{source}\trepaired:{note.field}:{note.code}"] += 1

    async def flush(self) -> None:
        """Store what was counted.

        Raises:
            RedisError: it does not answer; what was counted is kept.
        """
        if not self._storing:  # else the last round was cut short
            self._storing, self._pending = self._pending, {}
        for place, pending in list(self._storing.items()):
            if not await self._store.add(f"{place[0]}/{place[1]}", pending.was, pending.now, pending.days):
                log.warning("counted by another worker", topic=place[0], partition=place[1])
                self.forget(place)
            self._storing.pop(place, None)

    def _counted(
        self, place: Place, source: str, records: Sequence[Any], became: Sequence[Event | str]
    ) -> Counter[str]:
        counts: Counter[str] = Counter(f"refused::{each}" for each in became if isinstance(each, str))
        counts["left_out"] = counts.pop(f"refused::{SKIPPED}", 0)
        events = [(record, each) for record, each in zip(records, became, strict=True) if not isinstance(each, str)]
        counts["accepted"], counts["last!"] = len(events), max(record.timestamp for record in records)
        if not events:
            return counts
        counts["newest!"] = max(event.time for _, event in events)
        counts["repeated"] = self._repeated(place, [event.key for _, event in events if event.key])
        seen = self._seen[source]
        self._seen[source] += len(events)
        some = (events[i] for i in spread(seen, len(events)))
        looks = (
            Look(self._form(record.value or b"", record.headers or (), record.topic), each, record.timestamp)
            for record, each in some
        )
        return counts + fields_of(looks)

    def _repeated(self, place: Place, given: list[int]) -> int:
        """How many of these messages were there before, as far as that is remembered."""
        latest, before = self._recent.get(place, (set(), set()))
        size = len(latest)
        again = sum(key in before and key not in latest for key in set(given)) if before else 0
        latest.update(given)
        fresh = len(latest) - size - again
        self._recent[place] = (latest, before) if len(latest) < REMEMBERED else (set(), latest)
        return len(given) - fresh

    def _by_source(
        self, day: str, records: Sequence[Any], events: Sequence[Event | str]
    ) -> dict[str, tuple[Sequence[Any], Sequence[Event | str]]]:
        """Records and what they became, by topic and, of those that came by one, write key."""
        if not any(record.headers for record in records):
            return {self._named(day, records[0].topic): (records, events)}
        found: dict[str, tuple[list[Any], list[Event | str]]] = {}
        for record, event in zip(records, events, strict=True):
            mine = found.setdefault(self._named(day, _source_of(record)), ([], []))
            mine[0].append(record)
            mine[1].append(event)
        return dict(found)

    def _named(self, day: str, source: str) -> str:
        """A source of a day, unless there are too many: anybody may write that header."""
        known = self._sources.setdefault(day, set())
        if source not in known:
            if len(known) >= SOURCES:
                return OTHERS
            known.add(source)
            for old in sorted(self._sources)[:-2]:
                del self._sources[old]
        return source

    def _day(self, moment: Millis) -> str:
        return datetime.fromtimestamp(moment / 1000, self._zone).date().isoformat()


def _source_of(record: Any) -> str:
    """The topic of a record, and the write key that it came by, if it did."""
    key = key_of(record.headers or ())
    return f"{record.topic}|{key}" if key else str(record.topic)

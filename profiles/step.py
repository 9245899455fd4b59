"""One batch of one bucket, from what was stored to what is to be stored.

All updates go through here: events and silence, live and replayed.  Pure: the same work on the same rows with the same
world gives the same commit.
Knows: rows, rules, messages.  Must not know: Kafka, Redis, the time of day (``clock`` is told).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from math import isnan
from typing import Final

import numpy as np

from profiles import census, timeline
from profiles.clock import WEEK, Int64s, Millis
from profiles.codec import from_blobs, to_blobs
from profiles.features import CUT_FEATURES, INDEX
from profiles.grams import pack
from profiles.identity.family import Held, rest
from profiles.identity.node import encode_part, stored
from profiles.inputs import Work
from profiles.kernels.advance import World, advance, elapse, renew
from profiles.kernels.census import MOST
from profiles.kernels.decide import Bools, Changes, Rules
from profiles.kernels.derive import Floats
from profiles.kinds import Kind
from profiles.layout import LADDERS, TABLES, Layout
from profiles.lessons import Lessons
from profiles.models.churn_inputs import COLUMNS, RAW
from profiles.models.params import Params
from profiles.models.reasons import Reason, reasons
from profiles.rules import RuleBook, Ruling
from profiles.said import Said
from profiles.sidecar import Patch, patched
from profiles.stable import code_of
from profiles.store.base import Commit, Entry, Message
from profiles.wire import Basket, Candidate, Opinion, Origin, Sample, Transition, encode

TRANSITIONS: Final = "transitions"
SAMPLES: Final = "samples"
ROOM: Final = 1024  #: most changes noted between two looks by Python
ROOM_LEAST, ROOM_EACH = 128, 32  #: for few customers less, so that little memory is touched: so many, and for each
SAMPLED: Final = tuple(dict.fromkeys((*CUT_FEATURES, "gap_days", *RAW)))  #: what the learners see
EXACT: Final = 9  #: decimals of a sample: finer than a millisecond in days, coarser than what compilers differ by
MOMENTS: Final = frozenset(
    {Kind.ORDER, Kind.REFUND, Kind.CANCEL, Kind.REVIEW, Kind.COMPLAINT, Kind.SERVICE, Kind.SIGNUP}
)  #: kinds that a timeline tells

REASONS: Final = 3  #: most of an alert
NOBODYS: Final = -1  #: rules by which nobody was ever decided

BEFORE, MOMENT, AFTER = 0, 1, 2  #: what silence did before an event, the event itself, what it changed

_STANDING: Final = TABLES.size - TABLES.facts  #: slots
_RISK: Final = INDEX["risk"]
_STAKE: Final = INDEX["at_stake"]
_PRIORITY: Final = INDEX["rescue_priority"]
_SAMPLED: Final = np.array([INDEX[name] for name in SAMPLED])
_IS_MOMENT: Final = np.array([kind in MOMENTS for kind in sorted(Kind)])  #: by kind


@dataclass(frozen=True)
class Rows:
    """Profiles of one bucket, loaded."""

    profiles: Sequence[str]
    state: Int64s
    sidecars: dict[str, bytes | None] = field(default_factory=dict)
    held: Mapping[str, Held] = field(default_factory=dict)  #: those that are not alone: their rows are in ``state``

    @classmethod
    def of(cls, profiles: Sequence[str], blobs: Sequence[bytes | None], older: dict[int, Layout]) -> Rows:
        return cls(profiles, from_blobs(blobs, older))


class Step:
    """A step in the making: rows change in place, what is to be told collects here."""

    def __init__(
        self,
        bucket: int,
        rows: Rows,
        world: World,
        book: RuleBook,
        seq: int,
        clock: int,
        model: Params | None = None,
        weeks: int = 1,
    ) -> None:
        """``model``: the churn model in ``world``, to say why somebody is at risk; ``weeks``: of its horizon."""
        self._bucket = bucket
        self._rows = rows
        self._world = world
        self._book = book
        self._clock = clock
        self._model = model
        self._weeks = weeks
        self._changes = room_for(min(ROOM, ROOM_LEAST + ROOM_EACH * len(rows.state)), world.rules)
        self._versions, self._dues = rows.state[:, TABLES.version].copy(), rows.state[:, TABLES.due].copy()
        self._told = np.empty(TABLES.facts + len(rows.state) * _STANDING, np.int64)  # rows may be further on
        self._told[TABLES.facts :] = rows.state[:, TABLES.facts :].reshape(-1)
        self._messages: list[Message] = []
        self._held: list[tuple[str, str, bool]] = []
        self._counts: Counter[str] = Counter()
        self._census: Counter[int] = Counter()
        self._timeline: list[tuple[tuple[int, int], str, bytes]] = []
        self._history: list[tuple[int, int, list[float]]] = []  #: samples of it: when, which row, what
        self._lived = 0  #: events so far: the silence that is felt next came after them
        self._patches: dict[str, list[tuple[int, Patch]]] = {}
        self.seq = seq
        self.applied = 0
        self.duplicates = 0
        self.forwarded = 0  #: events that are somebody else's to count

    @cached_property
    def _codes(self) -> Int64s:
        """Of each row, what keeps its weeks apart from those of others."""
        return np.array([code_of(profile) for profile in self._rows.profiles], np.int64)

    def events(self, work: Work, origin: Origin) -> None:
        """Apply the events of ``work``; what falls due before them is decided first."""
        count, start = len(work.events.row), 0
        applied = np.zeros(count, np.bool_)
        lessons = Lessons(work, self._rows.state, applied)
        while start < count:
            part = lessons.part(start)
            start = advance(self._rows.state, part, start, self._codes, self._world, self._changes, applied)
            self._tell(origin, lessons)
            self._teach(lessons, start)
        new = int(np.count_nonzero(applied))
        self.applied += new
        self.duplicates += count - new
        self._lived += count
        self._moments(work, applied)
        for e, patch in work.patches:
            if applied[e]:
                profile = work.profiles[work.events.row[e]]
                self._patches.setdefault(profile, []).append((int(work.events.time[e]), patch))

    def silence(self, until: Int64s, origin: Origin) -> None:
        """Let every row feel the silence up to its ``until``."""
        self._quietly(elapse, until, origin)

    def renewal(self, at: Int64s) -> None:
        """Ask new rules about rows that older rules decided; what changes is told as ``reconcile``."""
        self._quietly(renew, at, "reconcile")

    def joined(self, at: Millis) -> None:
        """Whoever retired leaves everything; whoever got or gave facts is decided anew.  Told as ``merge``."""
        for r, name in enumerate(self._rows.profiles):
            row, held = self._rows.state[r], self._rows.held[name]
            if held.left:
                self._leave(r, max(at, row.item(TABLES.as_of)))
                rest(row)
            if held.retired:
                row[TABLES.rules] = self._world.version  # nobody is to be asked about it
            elif held.decide and row[: TABLES.facts].any():
                row[TABLES.version], row[TABLES.rules] = max(row[TABLES.version], 1), NOBODYS
                if row[TABLES.snapshot] == 0:
                    row[TABLES.snapshot] = (at // WEEK + 1) * WEEK + code_of(name) % WEEK
        self._quietly(renew, np.full(len(self._rows.state), at, np.int64), "merge")

    def send(self, topic: str, key: bytes, value: bytes) -> None:
        """Something else that has to leave with this commit."""
        self.seq += 1
        self._messages.append(Message(topic, key, value))

    def _quietly(self, kernel: Callable[..., int], moments: Int64s, origin: Origin) -> None:
        start = 0
        while start < len(self._rows.state):
            start = kernel(self._rows.state, start, moments, self._world, self._changes)
            self._tell(origin)

    def commit(self, expect: int, fields: dict[str, int] | None = None) -> Commit:
        """Everything that changed, as one commit based on checkpoint version ``expect``."""
        for at, row, values in sorted(self._history):  # as if these customers had lived side by side
            self._sample(row, at, values)
        self._history.clear()
        held = self._rows.held
        changed: Bools = self._rows.state[:, TABLES.version] != self._versions
        if held:
            changed |= [name in held and held[name].changed for name in self._rows.profiles]
        touched = np.flatnonzero(changed)
        blobs = to_blobs(self._rows.state, touched)
        before, after = self._dues[touched].tolist(), self._rows.state[touched, TABLES.due].tolist()
        dues = [new if new != old else None for old, new in zip(before, after, strict=True)]
        names = [self._rows.profiles[i] for i in touched.tolist()]
        if held:
            dues = [None if name in held and held[name].retired else due for name, due in zip(names, dues, strict=True)]
            blobs = [stored(held[name].node, blob) if name in held else blob
                     for name, blob in zip(names, blobs, strict=True)]  # fmt: skip
        self._timeline.sort(key=lambda note: note[0])
        return Commit(
            bucket=self._bucket,
            expect=expect,
            entries=[Entry(*each) for each in zip(names, blobs, dues, strict=True)],
            sidecars=[(profile, self._patched(profile)) for profile in self._patches]
            + [(name, one.side or b"") for name, one in held.items() if one.new_side],
            parts=[(name, part, encode_part(one.parts[part])) for name, one in held.items() for part in one.new_parts],
            left=[name for name, one in held.items() if one.left],
            held=self._held,
            counts={name: n for name, n in self._counts.items() if n} | census.named(self._census),
            timeline=[(profile, note) for _, profile, note in self._timeline],
            messages=self._messages,
            seq=self.seq,
            set={"seq": self.seq, **(fields or {})},
            add={name: n for name, n in self._sums() if n},
        )

    def _leave(self, r: int, at: Millis) -> None:
        """Out of all tags and off all ladders: that id does not stand for a customer any more."""
        profile, row, book = self._rows.profiles[r], self._standing(r), self._book
        tier, stage = book.rung("tier", row), book.rung("stage", row)
        for tag in book.held(row):
            self._held.append((tag, profile, False))
            self._counts[f"tag:{tag}"] -= 1
            self.seq += 1
            left = Transition(
                self._bucket, self.seq, profile, "tag", tag, "left", at, max(self._clock, at), "merge", book.version,
                tier=tier, stage=stage,
            )  # fmt: skip
            encoded = encode(left)
            self._messages.append(Message(TRANSITIONS, profile.encode(), encoded))
            self._timeline.append(((self._lived, BEFORE), profile, timeline.encode(left, book.words) or encoded))
        for ladder in LADDERS:
            if rung := book.rung(ladder, row):
                self._counts[f"{ladder}:{rung}"] -= 1
        row[TABLES.since :] = 0

    def _sums(self) -> tuple[tuple[str, int], ...]:
        held = self._rows.held.values()
        return (
            ("applied", self.applied),
            ("duplicates", self.duplicates),
            ("forwarded", self.forwarded),
            ("joined", sum(one.left for one in held)),
            ("refused", sum(one.refusals for one in held)),
        )

    def _patched(self, profile: str) -> bytes:
        return patched(self._rows.sidecars.get(profile), self._patches[profile])

    def _moments(self, work: Work, applied: Bools) -> None:
        """Put what a person would tell about into the timelines."""
        events = work.events
        for e in (applied & _IS_MOMENT[events.kind]).nonzero()[0].tolist():
            kind, time = Kind(int(events.kind[e])), int(events.time[e])
            note = timeline.encode_moment(time, kind, int(events.amount[e]), int(events.key[e]))
            self._timeline.append(((e, MOMENT), work.profiles[events.row[e]], note))

    def _tell(self, origin: Origin, lessons: Lessons | None = None) -> None:
        """Turn notes into messages, memberships and timeline entries, in the order they were made; empties them.

        A lesson of an event comes after what the event changed and before anything later.
        """
        changes, told = self._changes, 0
        notes, samples, counted = changes.used.tolist()
        self._census.update(changes.census[:counted].tolist())
        what, waits = changes.what[:notes].tolist(), bool(lessons)
        if origin == "backfill":
            self._history += self._chosen(samples)
            samples = 0
        for i, (row, at, until) in enumerate([*changes.samples[:samples].tolist(), (-1, 0, notes)]):
            for j in range(told, until):
                if waits:
                    event = what[j][1]
                    self._teach(lessons, event if event >= 0 else -2 - event)
                self._transition(what[j], changes.features[j], origin)
            told = until
            if row >= 0:
                self._teach(lessons, lessons.place(row, at) if lessons else 0)
                self._sample(row, at, changes.sample_features[i, _SAMPLED].tolist())
        changes.used[:] = 0

    def _chosen(self, samples: int) -> Iterator[tuple[int, int, list[float]]]:
        """The samples of history that are told.

        Those of the last horizon, which what is live will settle, and before that one in a horizon, each of which settles
        the one before; their weeks are other ones for every customer.
        """
        rows, at = self._changes.samples[:samples, 0], self._changes.samples[:samples, 1]
        settles = (at // WEEK + self._codes[rows]) % self._weeks == 0
        late = at > self._clock - self._weeks * WEEK
        for i in (settles | late).nonzero()[0].tolist():
            yield at.item(i), rows.item(i), self._changes.sample_features[i, _SAMPLED].tolist()

    def _teach(self, lessons: Lessons | None, before: int) -> None:
        """Tell the lessons of events earlier than that one."""
        while lessons is not None and lessons.next < before:
            if (told := lessons.take()) is not None:
                self.seq += 1
                profile, at, taught = told
                lesson: Basket | Opinion
                if isinstance(taught, Said):
                    lesson = Opinion(self._bucket, self.seq, profile, at, taught.stars, pack(taught.grams))
                else:
                    lesson = Basket(self._bucket, self.seq, profile, at, *taught)
                self._messages.append(Message(SAMPLES, profile.encode(), encode(lesson)))

    def _sample(self, r: int, at: int, values: Sequence[float]) -> None:
        self.seq += 1
        profile, named = self._rows.profiles[r], zip(SAMPLED, values, strict=True)
        seen = {name: round(value, EXACT) for name, value in named if value == value}  # noqa: PLR0124 - NaN is not
        sample = Sample(self._bucket, self.seq, profile, at, seen)
        self._messages.append(Message(SAMPLES, profile.encode(), encode(sample)))

    def _reasons(self, x: Floats) -> tuple[tuple[str, str], ...]:
        """What raises the risk most."""
        if self._model is None:
            return ()
        raising = (each for each in reasons(self._model, x[COLUMNS]) if each.contribution > 0)
        return tuple(map(_told, islice(raising, REASONS)))

    def _standing(self, r: int) -> Int64s:
        """A row as far as it has been told; what stands where its facts would be means nothing."""
        return self._told[r * _STANDING : r * _STANDING + TABLES.size]

    def _transition(self, what: list[int], x: Floats, origin: Origin) -> None:
        r, event, index, before, after, at = what
        profile, row = self._rows.profiles[r], self._standing(r)
        ruling: Ruling = self._book.ruling(index, before, after)
        because = self._book.because(index, before, after, x, row, self._world.people.cuts)
        if ruling.what == "tag":
            row[TABLES.since + index] = at if after == 1 else 0
            self._held.append((ruling.name, profile, after == 1))
            self._counts[f"tag:{ruling.name}"] += 1 if after == 1 else -1
        else:
            row[TABLES.ladders + 2 * (-1 - index)] = after + 1
            self._counts[f"{ruling.what}:{ruling.name}"] += 1
            if ruling.was is not None:
                self._counts[f"{ruling.what}:{ruling.was}"] -= 1
        candidate = ruling.change != "left" and (ruling.what, ruling.name) in self._book.ranked
        self.seq += 1
        transition = Transition(
            bucket=self._bucket,
            seq=self.seq,
            profile=profile,
            what=ruling.what,
            name=ruling.name,
            change=ruling.change,
            was=ruling.was,
            at=at,
            clock=max(self._clock, at),
            origin=origin if event >= 0 or origin != "live" else "sweep",
            rules=self._book.version,
            because=because,
            risk=_known(x.item(_RISK)),
            stake=_known(x.item(_STAKE), 2),
            below=x.item(_PRIORITY) < 1.0,
            reasons=self._reasons(x) if candidate else (),
            tier=self._book.rung("tier", row),
            stage=self._book.rung("stage", row),
        )
        encoded = encode(transition)
        self._messages.append(Message(TRANSITIONS, profile.encode(), encoded))
        if candidate and transition.stake is not None:
            self.seq += 1
            lesson = Candidate(self._bucket, self.seq, profile, at, transition.stake)
            self._messages.append(Message(SAMPLES, profile.encode(), encode(lesson)))
        place = (event, AFTER) if event >= 0 else (-2 - event, BEFORE) if event < -1 else (self._lived, BEFORE)
        self._timeline.append((place, profile, timeline.encode(transition, self._book.words) or encoded))


def _told(reason: Reason) -> tuple[str, str]:
    """A reason as a line of an alert, in both languages."""
    zh, en = reason.because_zh, reason.because_en
    return f"{reason.zh}：{zh}" if zh else reason.zh, f"{reason.en}: {en}" if en else reason.en


def _known(value: float, digits: int = 4) -> float | None:
    return None if isnan(value) else round(value, digits)


def room_for(changes: int, rules: Rules) -> Changes:
    """Empty notes for so many changes made by ``rules``, at least for those of one decision, and scratch to make them."""
    changes = max(changes, len(rules.tags) + len(rules.rungs))  # else ``advance`` would wait for room for ever
    return Changes(
        what=np.empty((changes, 6), np.int64),
        features=np.empty((changes, len(INDEX))),
        samples=np.empty((changes, 3), np.int64),
        sample_features=np.empty((changes, len(INDEX))),
        census=np.empty(2 * changes + MOST, np.int64),
        used=np.zeros(3, np.int64),
        x=np.empty(len(INDEX)),
        limits=np.empty(len(rules.clauses)),
    )

"""The segment learner: weekly samples in, published segments out.

During a week samples are only kept, the newest of each customer.  When the week of the stream ends, customers are put
where the published segments say, who moved is counted, centres are pulled a little by everyone in the order in which the
samples came, and what comes out is published.  So the same samples give the same params however they are cut.
Scales are those of everybody sampled, so that a season or a young log, which moves all alike, moves nobody across a border.
Centres are seeded afresh when customers lie ``WORSE`` times as far from them (squared) as they would from fresh ones, and
not within ``CALM`` weeks of the last time.  The present centres, settled among all customers until they come within ``NEAR``
of the best, are taken for fresh ones if they do; else fresh centres take over the ids of those they continue.
Knows: samples and their order.  Must not know: Kafka, Redis, who publishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from profiles.clock import WEEK, Int64s
from profiles.errors import ModelMismatch
from profiles.models import roster as rosters
from profiles.models.axes import HASH, NAMES, WEIGHTS, numbers, places, plain, standard
from profiles.models.churn import Batch
from profiles.models.churn_inputs import Floats, usable
from profiles.models.kmeans import distortion, matched, moved, nearest, seeded, settled
from profiles.models.panel import GONE
from profiles.models.portraits import named, portrait
from profiles.models.roster import NOBODY, Roster
from profiles.models.segment_params import Params, Segment, assign, centres, placed

__all__ = ["Memory", "Params", "assign", "decode", "encode", "read", "turn", "update", "zero"]

CAP: Final = 10_000  #: customers followed
SEGMENTS: Final = 6
ENOUGH: Final = 1_000  #: samples before anything is seeded
RIPE: Final = 6  #: weeks of samples before anything is seeded; sooner a third of a grocer's customers moved every week
FEWEST: Final = 10  #: customers a segment, on average, before anything is seeded
WORSE: Final = 1.2
NEAR: Final = 1.05  #: centres that only have to be settled are preferred to fresh ones within this much
CALM: Final = 8  #: weeks


@dataclass
class Memory:
    """The learner's whole state."""

    k: int
    roster: Roster
    served: Params | None = None
    week: int = 0  #: newest week of the stream
    until: int = 0  #: newest sample of the weeks that have ended (ms)
    samples: int = 0
    weeks: int = 0  #: that have ended with samples


class _Stored(msgspec.Struct, frozen=True):
    """A memory as plain data."""

    inputs_hash: str
    k: int
    cap: int
    roster: rosters.Stored
    served: Params | None
    week: int
    until: int
    samples: int
    weeks: int = RIPE  #: of a state that was stored before they were counted


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Stored).decode


def zero(k: int = SEGMENTS, cap: int = CAP) -> Memory:
    """A learner that has seen nothing.

    Raises:
        ValueError: fewer than two segments.
    """
    if k < 2:
        raise ValueError(f"{k} segments do not divide anybody: ask for two or more")
    return Memory(k, Roster(cap))


def update(memory: Memory, batch: Batch) -> None:
    """Take samples in.  The memory changes in place.

    A sample that was given before, one that is not finite and one of a customer outside the roster change nothing.
    """
    batch = batch.part(usable(batch.raw))
    weeks = batch.at // WEEK
    start = 0
    while start < len(weeks):
        if weeks[start] > memory.week:
            _end_week(memory, int(weeks[start]))
        later = np.flatnonzero(weeks[start:] > memory.week)
        end = start + int(later[0]) if len(later) else len(weeks)
        _take(memory, batch.part(slice(start, end)))
        start = end


def turn(memory: Memory, week: int) -> None:
    """The stream has come to ``week``: weeks before it are over, whether or not more samples came."""
    if week > memory.week:
        _end_week(memory, week)


def read(memory: Memory, version: int) -> Params | None:
    """Segments as they stand since the last week ended, or None while there were too few customers to tell any."""
    return None if memory.served is None else msgspec.structs.replace(memory.served, version=version)


def encode(memory: Memory) -> bytes:
    """The whole state; ``decode`` goes on from it to the last bit."""
    stored = memory.roster.stored()
    rest = (memory.served, memory.week, memory.until, memory.samples, memory.weeks)
    return _encode(_Stored(HASH, memory.k, memory.roster.cap, stored, *rest))


def decode(raw: bytes) -> Memory:
    """Raises ModelMismatch: it is no such state, or made of other numbers; begin with ``zero``."""
    try:
        stored = _decode(raw)
    except msgspec.DecodeError as error:
        raise ModelMismatch(f"this is no state of the segment learner: {error}") from error
    if stored.inputs_hash != HASH:
        raise ModelMismatch(f"the segments' state is made of {stored.inputs_hash}, this code of {HASH}: begin anew")
    roster = Roster.restored(stored.roster, stored.cap)
    return Memory(stored.k, roster, stored.served, stored.week, stored.until, stored.samples, stored.weeks)


def _take(memory: Memory, batch: Batch) -> None:
    told, roster = numbers(batch.raw), memory.roster
    before, start = roster.turns, 0
    while start < len(told):
        start += roster.take(batch.codes[start:], batch.at[start:], told[start:])
    memory.samples += roster.turns - before


def _end_week(memory: Memory, week: int) -> None:
    """The week that was newest is over: count who moved, learn, and serve what was learned."""
    roster, ended = memory.roster, memory.week
    memory.until = int(roster.latest[: len(roster)].max(initial=memory.until))
    memory.weeks += roster.turns > 0
    if memory.served is not None:
        _learn(memory, memory.served, ended)
    elif memory.weeks >= RIPE and memory.samples >= ENOUGH and len(roster) >= FEWEST * memory.k:
        _begin(memory, ended)
    roster.next_week(memory.until - GONE)
    memory.week = week


def _begin(memory: Memory, week: int) -> None:
    """The first segments, of everybody's newest sample."""
    on = places(_everybody(memory.roster))
    means, sds = on.mean(axis=0), on.std(axis=0)
    found = seeded(standard(on, means, sds), memory.k)
    _serve(memory, _Learned(found, means, sds, week, 1))


def _everybody(roster: Roster) -> Floats:
    """Everybody's newest numbers, by code: dice choose by place, and who came first must not decide that much."""
    return roster.told[np.argsort(roster.codes())]


def _learn(memory: Memory, served: Params, week: int) -> None:
    """Go on from what is served with the samples of a week, in the order in which they came."""
    roster = memory.roster
    rows = roster.fresh()
    if not len(rows):
        return
    told = roster.told[rows]
    now = placed(served, told)
    migration = _migration(roster.segment[rows], now, memory.k)
    roster.segment[rows] = now
    on, means, sds = places(told), np.array(served.means), np.array(served.sds)
    found = moved(standard(on, means, sds), centres(served))
    share = len(rows) / len(roster)  # a week in which few came says little of all
    means, sds = means + share * (on.mean(axis=0) - means), sds + share * (on.std(axis=0) - sds)
    learned = _Learned(found, means, sds, served.seeded, served.seedings)
    if week >= served.seeded + CALM:
        learned = _looked_at(learned, standard(places(_everybody(roster)), means, sds), week)
    _serve(memory, learned, migration)


@dataclass(frozen=True)
class _Learned:
    """What is learned, without names."""

    centres: Floats
    means: Floats
    sds: Floats
    seeded: int
    seedings: int


def _looked_at(learned: _Learned, x: Floats, week: int) -> _Learned:
    """The same, or seeded afresh if that would be much better."""
    if len(x) < FEWEST * len(learned.centres):
        return learned
    fresh = seeded(x, len(learned.centres))
    best = distortion(x, fresh)
    if distortion(x, learned.centres) <= WORSE * best:
        return learned
    warm = settled(x, learned.centres, NEAR * best)
    fresh = warm if distortion(x, warm) <= NEAR * best else fresh
    return _Learned(matched(x, fresh, learned.centres), learned.means, learned.sds, week, learned.seedings + 1)


def _migration(before: Int64s, now: Int64s, k: int) -> Int64s:
    """How many went from each segment to each."""
    known = before != NOBODY
    return np.bincount(before[known] * k + now[known], minlength=k * k).reshape(k, k)


def _serve(memory: Memory, learned: _Learned, migration: Int64s | None = None) -> None:
    """Publish from now on: who is in each segment, what is typical of it, what it is called."""
    counted = np.zeros((memory.k, memory.k), np.int64) if migration is None else migration
    many, stayed = int(counted.sum()), int(np.trace(counted))
    memory.served = Params(
        version=0,
        inputs_hash=HASH,
        names=NAMES,
        means=tuple(learned.means.tolist()),
        sds=tuple(learned.sds.tolist()),
        segments=_portrayed(learned, _everybody(memory.roster), memory.served.segments if memory.served else ()),
        migration=tuple(tuple(row) for row in counted.tolist()),
        changed=round(1.0 - stayed / many, 4) if many else None,
        seeded=learned.seeded,
        seedings=learned.seedings,
        samples=memory.samples,
        until=memory.until,
    )


def _portrayed(learned: _Learned, told: Floats, before: Sequence[Segment]) -> tuple[Segment, ...]:
    """Each centre with its name, share and typical numbers."""
    which = nearest(standard(places(told), learned.means, learned.sds), learned.centres).which
    count = np.bincount(which, minlength=len(learned.centres))
    typical = np.array([_typical(learned, i, told[which == i]) for i in range(len(count))])
    names = named(learned.centres, typical, [each.en for each in before])
    lines = [portrait(dict(zip(NAMES, row, strict=True))) for row in typical.tolist()]
    return tuple(
        Segment(
            id=i,
            zh=names[i][0],
            en=names[i][1],
            portrait_zh=lines[i][0],
            portrait_en=lines[i][1],
            typical=dict(zip(NAMES, typical[i].tolist(), strict=True)),
            share=round(float(count[i] / len(which)), 4),
            customers=int(count[i]),
            centre=tuple(learned.centres[i].tolist()),
        )
        for i in range(len(count))
    )


def _typical(learned: _Learned, number: int, told: Floats) -> Floats:
    """The median customer's numbers; of a segment without customers the centre's own."""
    if len(told):
        return np.median(told, axis=0).round(2)
    middle = plain(learned.centres[number] / WEIGHTS * learned.sds + learned.means)
    return np.maximum(middle, 0.0).round(2)

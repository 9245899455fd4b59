"""The churn learner: weekly samples in, params out.

A sample freezes what is seen of a customer at t.  The customer's sample exactly H later says whether an order (in a shop
without orders: a visit) came in (t, t+H], for both outcomes at the same moment, and only then is the frozen vector learned: neither a feature of label
time nor an early label can reach the model.  Everything that depends on a batch as a whole (who serves, what is fitted,
how good it was) happens when a week of the stream ends, so the same samples give the same params however they are cut.
Knows: samples and their order.  Must not know: Kafka, Redis, who publishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec
import numpy as np

from profiles.clock import DAY, WEEK, Int64s
from profiles.errors import ModelMismatch
from profiles.models import bgnbd, gammagamma, quality
from profiles.models import contest as contests
from profiles.models import drift as drifts
from profiles.models import panel as panels
from profiles.models.bgnbd import Bgnbd
from profiles.models.churn_inputs import AT, HASH, RAW, SILENT, Bools, Floats, Singles, Target, matrix, usable, vectors
from profiles.models.contest import AGE, COLUMNS, HEAD_START, LABEL, ORDERS, SERVED, SILENCE, Contest, names, unpacked
from profiles.models.drift import Drift
from profiles.models.gammagamma import GammaGamma
from profiles.models.logistic import Logistic, State
from profiles.models.packing import Packed, pack
from profiles.models.panel import SEEN, Due, Panel, mixed
from profiles.models.params import Params, Parts, Source, bought, learned, parts, score
from profiles.stable import code_of
from profiles.wire import Sample

__all__ = ["Batch", "Memory", "Params", "batch_of", "decode", "encode", "read", "score", "turn", "update", "zero"]

CAP: Final = 20_000  #: customers followed
REFIT: Final = 4  #: weeks between fits of the population
FITTED: Final = 10_000  #: most customers of a fit
ASKED: Final = 200  #: customers of a week below which nobody asks whether this is a shop without orders
FEW, MANY = (
    0.02,
    0.1,
)  #: shares of customers with an order: below the first visits are forecast, above the second orders
OTHER: Final[dict[Target, Target]] = {"order": "visit", "visit": "order"}
LEAST: Final[dict[Target, int]] = {"order": 2, "visit": 0}  #: orders of those about whom alerts are compared

_SILENCE, _FIRST, _ORDERS, _VALUE = range(len(panels.STATS))


class Batch(NamedTuple):
    """Samples as columns, in the order in which they arrived."""

    codes: Int64s  #: ``stable.code_of`` of the profile
    at: Int64s
    raw: Floats  #: columns as ``churn_inputs.RAW``

    def part(self, chosen: Int64s | Bools | slice) -> Batch:
        """Some of them, in the order of ``chosen``."""
        return Batch(self.codes[chosen], self.at[chosen], self.raw[chosen])


class Settled(NamedTuple):
    """Snapshots whose labels an update has learned; ``seen`` has the columns of ``panel.SEEN``."""

    codes: Int64s
    asked: Int64s  #: when the snapshot was taken
    seen: Singles
    happened: Bools  #: no order came


@dataclass
class Memory:
    """The learner's whole state."""

    horizon_days: int
    panel: Panel
    contest: Contest
    logistic: Logistic
    served: Params
    week: int = 0  #: newest week of the stream
    until: int = 0  #: newest sample (ms)
    fitted: int = 0  #: week of the latest fit
    fitted_on: int = 0  #: customers it was made on
    rows: list[Singles] = field(default_factory=list)  #: settled this week, columns as ``contest.COLUMNS``
    drift: Drift = field(default_factory=Drift)
    target: Target = "order"
    others: set[int] = field(default_factory=set)  #: this week's, of whom only the other target speaks; at most ``cap``


class _Stored(msgspec.Struct, frozen=True):
    """A memory as plain data."""

    inputs_hash: str
    horizon_days: int
    cap: int
    panel: panels.Stored
    contest: contests.Stored
    logistic: State
    served: Params
    week: int
    until: int
    fitted: int
    fitted_on: int
    rows: Packed
    drift: drifts.Stored | None = None  #: of a state that was stored before there was any
    target: Target = "order"
    others: list[int] = []


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Stored).decode


def batch_of(samples: Sequence[Sample]) -> Batch:
    """Samples as they travel, as columns."""
    return Batch(
        codes=np.array([code_of(sample.profile) for sample in samples], np.int64),
        at=np.array([sample.at for sample in samples], np.int64),
        raw=matrix([sample.features for sample in samples]),
    )


def zero(horizon_days: int, cap: int = CAP) -> Memory:
    """A learner that has seen nothing.

    Raises:
        ValueError: the horizon is not a whole number of weeks, so that no sample would ever settle another.
    """
    if horizon_days < 7 or horizon_days % 7:
        raise ValueError(f"a horizon of {horizon_days} days is not a whole number of weeks: samples are a week apart")
    logistic = Logistic(RAW)
    memory = Memory(
        horizon_days, Panel(horizon_days // 7, cap), Contest(horizon_days), logistic, _nothing(horizon_days)
    )
    memory.served = _serving(memory, None, None)
    return memory


def update(memory: Memory, batch: Batch) -> Settled:
    """Take samples in; returns the snapshots they settled.  The memory changes in place.

    A sample that was given before, one that is not finite and one of a customer outside the panel change nothing.
    """
    done, start, before = [], 0, _before(batch.codes)
    while start < len(batch.codes):
        week = int(batch.at[start]) // WEEK
        if week > memory.week:
            _end_week(memory, week)
        end = _stretch(memory, batch, start, before)
        if end == start:
            memory.panel.halve()
            continue
        done.append(_take(memory, batch.part(slice(start, end))))
        start = end
    return joined(done)


def turn(memory: Memory, week: int) -> None:
    """Say that ``week`` of the stream has begun, before any sample of it; what that ends is judged and fitted now."""
    if week > memory.week:
        _end_week(memory, week)


def joined(pieces: Sequence[Settled]) -> Settled:
    """What several updates settled, in order."""
    pieces = [_NOTHING, *pieces]
    return Settled(
        np.concatenate([each.codes for each in pieces]),
        np.concatenate([each.asked for each in pieces]),
        np.concatenate([each.seen for each in pieces]),
        np.concatenate([each.happened for each in pieces]),
    )


def read(memory: Memory, version: int) -> Params | None:
    """Params as they stand since the last week ended, or None while they would serve nobody."""
    if memory.served.source == "baseline":
        return None
    return msgspec.structs.replace(memory.served, version=version)


def encode(memory: Memory) -> bytes:
    """The whole state; ``decode`` goes on from it to the last bit."""
    rows = np.concatenate([_NO_ROWS, *memory.rows])
    return _encode(
        _Stored(
            inputs_hash=HASH,
            horizon_days=memory.horizon_days,
            cap=memory.panel.cap,
            panel=memory.panel.stored(),
            contest=memory.contest.stored(),
            logistic=memory.logistic.state(),
            served=memory.served,
            week=memory.week,
            until=memory.until,
            fitted=memory.fitted,
            fitted_on=memory.fitted_on,
            rows=pack(rows),
            drift=memory.drift.stored(),
            target=memory.target,
            others=sorted(memory.others),
        )
    )


def decode(raw: bytes) -> Memory:
    """Raises ModelMismatch: it is no such state, or was learned on another list of inputs; begin with ``zero``."""
    try:
        stored = _decode(raw)
    except msgspec.DecodeError as error:
        raise ModelMismatch(f"this is no state of the churn learner: {error}") from error
    if stored.inputs_hash != HASH:
        raise ModelMismatch(f"the learner's state is for inputs {stored.inputs_hash}, this code has {HASH}: begin anew")
    days = stored.horizon_days
    return Memory(
        horizon_days=days,
        panel=Panel.restored(stored.panel, days // 7, stored.cap),
        contest=Contest.restored(stored.contest, days, LEAST[stored.target]),
        logistic=Logistic(RAW, stored.logistic),
        served=stored.served,
        week=stored.week,
        until=stored.until,
        fitted=stored.fitted,
        fitted_on=stored.fitted_on,
        rows=[unpacked(stored.rows)],
        drift=Drift() if stored.drift is None else Drift.restored(stored.drift),
        target=stored.target,
        others=set(stored.others),
    )


def _before(codes: Int64s) -> Int64s:
    """Of each sample the place of the one of the same customer before it, or -1."""
    order = np.argsort(codes, kind="stable")
    before = np.full(len(codes), -1, np.int64)
    same = codes[order[1:]] == codes[order[:-1]]
    before[order[1:][same]] = order[:-1][same]
    return before


def _stretch(memory: Memory, batch: Batch, start: int, before: Int64s) -> int:
    """Where to stop: a new week, a customer's second sample, or a panel that is full."""
    stops = (batch.at[start:] // WEEK > memory.week) | (before[start:] >= start)
    end = start + int(stops.argmax()) if stops.any() else len(batch.codes)
    return start + memory.panel.admit(batch.codes[start:end], usable(batch.raw[start:end], memory.target))


def _take(memory: Memory, batch: Batch) -> Settled:
    """Samples of different customers within a week."""
    panel = memory.panel
    _note_others(memory, batch)
    rows = panel.rows(batch.codes)
    fresh = (rows >= 0) & usable(batch.raw, memory.target)
    fresh[fresh] = batch.at[fresh] > panel.latest[rows[fresh]]
    rows, (codes, at, raw) = rows[fresh], batch.part(fresh)
    if not len(rows):
        return _NOTHING
    due = panel.settle(rows, at)
    silence = raw[:, SILENT[memory.target]]
    happened = silence[due.samples] >= memory.horizon_days
    _learn(memory, due, codes[due.samples], at[due.samples], happened)
    forecast = parts(memory.served, raw)
    x, active = vectors(raw), silence <= memory.horizon_days
    panel.freeze(rows, at, x, _seen(forecast, silence, raw), raw)
    memory.drift.see(x[active], forecast.served[active])
    memory.until = max(memory.until, int(at.max()))
    return Settled(codes[due.samples], due.asked, due.seen, happened)


def _learn(memory: Memory, due: Due, codes: Int64s, now: Int64s, happened: Bools) -> None:
    """Learn vectors that were frozen exactly H ago.

    Raises:
        ModelMismatch: they were not; a model that learns what it could not have known is worse than none.
    """
    if (now - due.asked != memory.horizon_days * DAY).any():
        raise ModelMismatch("a label was about to meet features that were not frozen one horizon before it")
    learner, buying = again(memory.served, due)
    memory.logistic.learn(due.x, happened)
    memory.rows.append(np.column_stack([due.seen, learner, buying, happened, names(codes)]).astype(np.float32))


def again(params: Params, due: Due) -> tuple[Floats, Floats]:
    """What learner and BG/NBD would say today of frozen snapshots."""
    if params.bgnbd is None:
        return learned(params, due.x), np.full(len(due.x), np.nan)
    silence, orders, age = (due.seen[:, column].astype(np.float64) for column in (SILENCE, ORDERS, AGE))
    buying = bought(orders, silence, age)
    return learned(params, due.x), bgnbd.p_no_order(params.bgnbd, *buying, params.horizon_days / 7.0)


def _seen(forecast: Parts, silence: Floats, raw: Floats) -> Singles:
    facts = (silence, raw[:, AT["orders"]], raw[:, AT["days_since_first_order"]])
    return np.column_stack([*forecast, *facts]).astype(np.float32)


def _end_week(memory: Memory, week: int) -> None:
    """The week that was newest is over: judge it, refit the population if it is time, and serve what is best now."""
    ended = memory.week
    if ended:
        settled = np.concatenate([_NO_ROWS, *memory.rows])
        memory.contest.settled(ended, settled)
        memory.drift.end(ended, _losses(settled, memory.horizon_days))
        memory.rows = []
        memory.panel.forget(memory.until - panels.GONE)
        buying, value = memory.served.bgnbd, memory.served.gamma_gamma
        if memory.target == "order" and (week >= memory.fitted + REFIT or len(memory.panel) >= 2 * memory.fitted_on):
            fitted, valued = _fit(memory.panel)
            buying, value = fitted or buying, valued or value
            memory.fitted, memory.fitted_on = (week, len(memory.panel)) if fitted else (0, 0)
        memory.served = _serving(memory, buying, value)
        _aim(memory, ended)
    memory.week, memory.others = week, set()


def _note_others(memory: Memory, batch: Batch) -> None:
    """Visitors who never ordered or, where visits are forecast, buyers who never visited."""
    only = usable(batch.raw, OTHER[memory.target]) & ~usable(batch.raw, memory.target)
    for code in batch.codes[only & (batch.at // WEEK == memory.week)].tolist():
        if len(memory.others) < memory.panel.cap:
            memory.others.add(code)


def _aim(memory: Memory, ended: int) -> None:
    """Forecast what there is in this shop, and begin anew if that has changed."""
    panel, orders = memory.panel, memory.target == "order"
    here = panel.latest[: len(panel)] // WEEK == ended
    others = int(panel.members(np.array(sorted(memory.others), np.int64)).sum())
    many = int(here.sum()) + others
    buyers = int((panel.stats[: len(panel), _ORDERS][here] >= 1).sum()) + (0 if orders else others)
    if many < ASKED or (buyers >= FEW * many if orders else buyers <= MANY * many):
        return
    memory.target = OTHER[memory.target]
    memory.panel = Panel(panel.weeks, panel.cap)
    memory.contest = Contest(memory.horizon_days, LEAST[memory.target])
    memory.logistic, memory.drift = Logistic(RAW), Drift()
    memory.fitted, memory.fitted_on = 0, 0
    memory.served = _serving(memory, None, None)


def _losses(rows: Singles, days: int) -> Floats:
    """How wrong what was served of active customers turned out to be."""
    judged = rows[(rows[:, SILENCE] <= days) & np.isfinite(rows[:, SERVED])].astype(np.float64)
    return quality.losses(judged[:, SERVED], judged[:, LABEL] > 0.5)


def _fit(panel: Panel) -> tuple[Bgnbd | None, GammaGamma | None]:
    """The population as its latest samples show it; of a large one a stable part."""
    codes = np.fromiter(panel.place, np.int64, len(panel))
    chosen = np.argsort(mixed(codes), kind="stable")[:FITTED]
    stats = panel.stats[chosen].astype(np.float64)
    buying = bought(stats[:, _ORDERS], stats[:, _SILENCE], stats[:, _FIRST])
    value = np.nan_to_num(stats[:, _VALUE])
    return bgnbd.fit(*buying), gammagamma.fit(stats[:, _ORDERS], value)


def _serving(memory: Memory, buying: Bgnbd | None, value: GammaGamma | None) -> Params:
    """What is served from now on."""
    state, contest = memory.logistic.state(), memory.contest
    share = contest.share(memory.week)
    source: Source = "blend" if share > 0.0 else "bgnbd"
    if buying is None:  # too few customers ever come back: the learner serves alone, once it had its head start
        ready = bool(contest.first) and memory.week >= contest.first + HEAD_START
        share, source = (1.0, "blend") if ready else (0.0, "baseline")
    return Params(
        version=0,
        inputs_hash=HASH,
        horizon_days=memory.horizon_days,
        names=RAW,
        means=tuple(state.means),
        sds=tuple(np.sqrt(state.variances).tolist()),
        weights=tuple(state.weights),
        intercept=state.intercept,
        typical=tuple(memory.panel.typical(memory.horizon_days).tolist()),
        bgnbd=buying,
        gamma_gamma=value,
        blend=share,
        source=source,
        samples=state.samples,
        until=memory.until,
        metrics=contest.measures(),
        drift=memory.drift.told(),
        target=memory.target,
    )


def _nothing(days: int) -> Params:
    zeros = (0.0,) * len(RAW)
    return Params(0, HASH, days, RAW, zeros, zeros, zeros, 0.0, zeros, None, None, 0.0, "baseline", 0, 0)


_NO_ROWS: Final[Singles] = np.zeros((0, COLUMNS), np.float32)
_NOTHING: Final = Settled(
    np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, len(SEEN)), np.float32), np.zeros(0, np.bool_)
)

"""A log of orders, lived through again: the real kernels fold it, the real learner forecasts it week by week.

Knows: orders as columns, kernels, the learner.  Must not know: files, tables on a terminal.
Nothing here is a second implementation: what is measured is what a stream of the same orders would have served.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from profiles.clock import WEEK, Int64s, zone
from profiles.features import factors
from profiles.kernels.advance import World, advance, elapse
from profiles.kernels.decide import Changes
from profiles.kernels.fold import Events
from profiles.kinds import Channel, Kind
from profiles.layout import TABLES
from profiles.models import churn
from profiles.models.churn import Batch, Memory, Settled
from profiles.models.churn_inputs import COLUMNS, RAW
from profiles.population import Cuts, population
from profiles.rules import assign_slots, compile_rules, load
from profiles.rules.parts import SHIPPED
from profiles.stable import code_of
from profiles.step import room_for

TOGETHER: Final = 512  #: customers folded at once: their rows stay in the processor's cache
ROOM: Final = 4096  #: samples noted between two looks

Progress = Callable[[str, float], None]  #: what is being done, and how much of it is (0..1)


class Orders(NamedTuple):
    """Orders and refunds as columns, in any order."""

    customers: list[str]
    who: Int64s  #: number of the customer
    at: Int64s  #: UTC milliseconds
    cents: Int64s  #: minor units; of a refund, what was paid back, negative
    order: Int64s  #: code of the order


class Lived(NamedTuple):
    """All that the learner settled, and the memory it ended with."""

    memory: Memory
    settled: Settled
    weeks: tuple[int, int]  #: first and last week with samples


def live(orders: Orders, horizon_days: int, progress: Progress) -> Lived:
    """Everything from the first order to the last.

    Raises:
        ValueError: the horizon is not a whole number of weeks.
    """
    memory = churn.zero(horizon_days, cap=len(orders.customers) + 1)
    samples = sampled(orders, progress)
    by_week = np.argsort(samples.at, kind="stable")
    at = samples.at[by_week]
    cuts = np.flatnonzero(np.diff(at // WEEK)) + 1
    done = []
    for start, end in zip([0, *cuts.tolist()], [*cuts.tolist(), len(at)], strict=True):
        chosen = by_week[start:end]
        done.append(churn.update(memory, samples.part(chosen)))
        progress("learning", end / max(len(at), 1))
    return Lived(memory, churn.joined(done), (int(at[0]) // WEEK, int(at[-1]) // WEEK) if len(at) else (0, 0))


def sampled(orders: Orders, progress: Progress) -> Batch:
    """Every weekly sample the kernels take of these customers up to the last order, also in silence."""
    until, world = int(orders.at.max()), shipped_world()
    by_customer = np.lexsort((orders.order, orders.at, orders.who))
    who = orders.who[by_customer]
    codes = np.array([code_of(name) for name in orders.customers], np.int64)
    parts: list[Batch] = []
    for first in range(0, len(codes), TOGETHER):
        last = min(first + TOGETHER, len(codes))
        start, end = np.searchsorted(who, (first, last))
        parts += _lives(orders, by_customer[start:end], first, codes[first:last], until, world)
        progress("folding", last / len(codes))
    return Batch(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def shipped_world() -> World:
    """A shop in UTC with the rules and cut points that Mien ships."""
    document = load(SHIPPED.read_text(encoding="utf-8"), SHIPPED.name)
    here, book = zone("UTC"), compile_rules(document, assign_slots(document, {}))
    return World(factors(2), population(Cuts()), book.rules, here.since, here.offset, 1)


def _lives(orders: Orders, chosen: Int64s, first: int, codes: Int64s, until: int, world: World) -> Iterator[Batch]:
    """The samples of some customers; ``chosen`` are their orders, by customer and time."""
    events = _events(orders, chosen, first)
    state = np.zeros((len(codes), TABLES.size), np.int64)
    changes = room_for(ROOM, world.rules)
    applied, start = np.zeros(len(chosen), np.bool_), 0
    while start < len(chosen):
        start = advance(state, events, start, codes, world, changes, applied)
        yield _noted(changes, codes)
    end, start = np.full(len(codes), until, np.int64), 0
    while start < len(codes):
        start = elapse(state, start, end, world, changes)
        yield _noted(changes, codes)


def _noted(changes: Changes, codes: Int64s) -> Batch:
    """The samples among the notes; empties them."""
    many = int(changes.used[1])
    rows, at = changes.samples[:many, 0], changes.samples[:many, 1].copy()
    raw: npt.NDArray[np.float64] = changes.sample_features[:many, COLUMNS]
    changes.used[:] = 0
    return Batch(codes[rows], at, raw.reshape(many, len(RAW)))


def _events(orders: Orders, chosen: Int64s, first: int) -> Events:
    n, at, cents = len(chosen), orders.at[chosen], orders.cents[chosen]
    zeros, none = np.zeros(n, np.int64), np.zeros((0, 3), np.int64)
    return Events(
        row=orders.who[chosen] - first,
        kind=np.where(cents < 0, int(Kind.REFUND), int(Kind.ORDER)),
        time=at,
        local=at,
        amount=np.abs(cents),
        quantity=np.ones(n, np.int64),
        discount=zeros,
        rating=zeros,
        channel=np.full(n, int(Channel.STORE)),
        key=zeros,
        order=orders.order[chosen],
        line_end=zeros,
        lines=none,
        trait_end=zeros,
        traits=np.zeros((0, 2), np.int64),
    )

"""Customers for tests of rules: rows made the way real ones are, by folding events and letting silence act."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from hypothesis import strategies as st

from profiles.clock import DAY, HOUR, MINUTE, Int64s, Zone, zone
from profiles.features import FEATURES, factors
from profiles.kernels.advance import World, advance, elapse
from profiles.kernels.decide import Changes
from profiles.kernels.derive import Floats, Population, derive
from profiles.kernels.fold import Events, fold
from profiles.kernels.horizon import offset_at
from profiles.kinds import Channel, Kind
from profiles.layout import TABLES
from profiles.population import Cuts, population
from profiles.rules import RuleBook, Seen
from profiles.step import room_for

SHANGHAI, NEW_YORK, SANTIAGO = "Asia/Shanghai", "America/New_York", "America/Santiago"
WHEN: Final = 1_700_000_000_000  #: a November: New York has just left summer time
FACTORS: Final = factors(2)
PEOPLE: Final = Population(
    cuts=np.array(
        [
            [1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0],
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 20.0],
            [50.0, 100.0, 150.0, 200.0, 300.0, 400.0, 600.0, 800.0, 1600.0],
            [5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 60.0, 90.0],
        ]
    ),
    usual_gap=12.0,
    half_risk=3.0,
    steepness=2.0,
    churn=population(Cuts()).churn,
)
_ALL: Final = np.arange(len(FEATURES), dtype=np.int64)


class Did(NamedTuple):
    """One thing a customer did."""

    kind: Kind
    at: int  #: UTC milliseconds
    amount: int = 0  #: minor units
    name: int = 0  #: code of the item, of the category and of the brand
    channel: Channel = Channel.WEB


def row_of(story: Sequence[Did], here: Zone) -> Int64s:
    """The row of a customer who did all this, in this order."""
    row = np.zeros(TABLES.size, np.int64)
    events = _events(sorted(story, key=lambda did: did.at), here)
    for e in range(len(events.row)):
        fold(row, events, e)
    return row


def _events(story: Sequence[Did], here: Zone) -> Events:
    n = len(story)
    time, zeros = np.array([did.at for did in story], np.int64), np.zeros(n, np.int64)
    kind = np.array([did.kind for did in story], np.int64)
    amount = np.array([did.amount for did in story], np.int64)
    return Events(
        row=zeros,
        kind=kind,
        time=time,
        local=here.local(time) if n else time,
        amount=amount,
        quantity=np.ones(n, np.int64),
        discount=amount // 10 * (amount % 3 == 0),
        rating=np.full(n, 4, np.int64),
        channel=np.array([did.channel for did in story], np.int64),
        key=zeros,
        order=np.where(kind == Kind.ORDER, 100 * time + np.arange(n), 0),
        line_end=np.arange(1, n + 1, dtype=np.int64),
        lines=np.array([[did.name] * 3 for did in story], np.int64).reshape(n, 3),
        trait_end=zeros,
        traits=np.zeros((0, 2), np.int64),
    )


def features_at(row: Int64s, at: int, here: Zone, people: Population = PEOPLE) -> Floats:
    """All features of the dictionary."""
    x = np.full(len(FEATURES), np.nan)
    derive(row, at, offset_at(at, here.since, here.offset), _ALL, FACTORS, people, x)
    return x


class Told(NamedTuple):
    """One change of standing, with the features that made it."""

    at: int
    what: int
    before: int
    after: int
    x: Floats


class Life:
    """One customer, living through events and silence under one rule book."""

    def __init__(self, book: RuleBook, here: Zone, people: Population = PEOPLE) -> None:
        self.book = book
        self.here = here
        self.people = people
        self.state = np.zeros((1, TABLES.size), np.int64)
        self.told: list[Told] = []

    @property
    def row(self) -> Int64s:
        row: Int64s = self.state[0]
        return row

    @property
    def world(self) -> World:
        return World(FACTORS, self.people, self.book.rules, self.here.since, self.here.offset, self.book.version)

    def does(self, *story: Did) -> Life:
        """Do all this, in the order of time."""
        events = _events(sorted(story, key=lambda did: did.at), self.here)
        start, applied, jitter = 0, np.zeros(len(story), np.bool_), np.zeros(1, np.int64)
        while start < len(story):
            notes = room_for(512, self.book.rules)
            start = advance(self.state, events, start, jitter, self.world, notes, applied)
            self._note(notes)
        return self

    def waits(self, until: int) -> Life:
        """Nothing happens up to ``until``."""
        done = 0
        while done == 0:
            notes = room_for(512, self.book.rules)
            done = elapse(self.state, 0, np.array([until]), self.world, notes)
            self._note(notes)
        return self

    def stands(self, ladder: str) -> str | None:
        return self.book.rung(ladder, self.row)

    def holds(self, tag: str) -> bool:
        return tag in self.book.held(self.row)

    def when(self, name: str, change: str = "entered") -> list[int]:
        """The moments at which a tag changed so, or at which a rung was moved to."""
        rulings = [(self.book.ruling(*each[1:4]), each.at) for each in self.told]
        return [at for ruling, at in rulings if ruling.name == name and ruling.change in (change, "moved")]

    def seen(self, at: int) -> Seen:
        """A look at the customer at ``at``."""
        return self.book.seen(features_at(self.row, at, self.here, self.people), self.row)

    def _note(self, notes: Changes) -> None:
        many = int(notes.used[0])
        for (_, _, what, before, after, at), x in zip(notes.what[:many].tolist(), notes.features, strict=False):
            self.told.append(Told(at, what, before, after, x.copy()))


_KINDS = st.sampled_from(
    [
        *(Kind.VISIT, Kind.VIEW, Kind.SEARCH, Kind.CART_ADD, Kind.CART_ADD, Kind.CHECKOUT, Kind.ORDER, Kind.ORDER),
        *(Kind.REFUND, Kind.COMPLAINT, Kind.SERVICE, Kind.REVIEW, Kind.MESSAGE_OPEN),
    ]
)


def stories(until: int = WHEN, days: int = 120) -> st.SearchStrategy[list[Did]]:
    """What a customer may have done in the days before ``until``, some of it within minutes."""
    ago = st.one_of(st.integers(0, days * DAY), st.integers(0, 3 * HOUR), st.integers(0, days).map(lambda d: d * DAY))
    did = st.builds(
        lambda kind, before, amount, name: Did(kind, until - before, amount, name),
        _KINDS,
        ago,
        st.integers(1, 20_000),
        st.integers(1, 12),
    )
    bursts = st.builds(
        lambda first, gaps: [Did(Kind.VIEW, first.at + g * 10 * MINUTE, 0, first.name) for g in gaps] + [first],
        did,
        st.lists(st.integers(0, 8), max_size=6),
    ).map(lambda burst: [each for each in burst if each.at <= until])
    return st.lists(bursts, min_size=1, max_size=15).map(lambda found: [each for burst in found for each in burst])


def shop(name: str = SHANGHAI) -> Zone:
    """A shop's zone."""
    return zone(name)

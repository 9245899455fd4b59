"""Lives of customers for the laws to try: every kind of event, at every awkward moment.

A life stays within what a profile remembers exactly (64 messages, 16 orders, a few names of each sort); laws about what
lies beyond say so and draw their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from hypothesis import strategies as st
from msgspec.structs import replace

from profiles import inputs
from profiles.clock import DAY, HOUR, MINUTE, Int64s, Zone, zone
from profiles.intake import Event
from profiles.kernels.fold import fold
from profiles.kernels.merge import merge
from profiles.kinds import Channel, Kind
from profiles.layout import LAYOUT, TABLES
from profiles.measures import INTERESTS, TRAITS
from profiles.said import SAID, SPOKEN, Said, written
from profiles.sidecar import Patch
from profiles.stable import code_of, message_key

END: Final = 1_767_225_600_000  #: 2026-01-01 in UTC; lives are lived in the years before
DAYS: Final = 500
#: where shops are: eight hours from UTC all year; summer time; summer time that begins at midnight; an odd quarter
ZONES: Final = ("Asia/Shanghai", "America/New_York", "America/Santiago", "Asia/Kathmandu")
#: moments at which clocks were changed there, and ends of months and years: a tile ends somewhere near
EDGES: Final = tuple(
    int(np.datetime64(text, "ms").astype(np.int64))
    for text in (
        "2025-11-02T06:00", "2025-03-09T07:00", "2025-09-07T04:00", "2025-04-06T03:00", "2024-11-03T06:00",
        "2025-12-31T16:00", "2025-11-30T16:00", "2025-12-01T05:00", "2025-12-29T00:00", "2024-12-31T18:15",
    )
)  # fmt: skip


def times(days: int = DAYS) -> st.SearchStrategy[int]:
    """Moments of the last so many days: anywhere, within one evening, or around an edge."""
    return st.one_of(
        st.integers(0, days * DAY).map(lambda before: END - before),
        st.integers(0, 3 * HOUR).map(lambda before: END - 40 * DAY - before),
        st.builds(lambda edge, off: edge + off, st.sampled_from(EDGES), st.integers(-2 * HOUR, 2 * HOUR)),
        st.builds(lambda day, off: END - day * DAY + off, st.integers(0, 95), st.sampled_from([-1, 0, 1, MINUTE])),
    )


def names(how_many: int) -> st.SearchStrategy[int]:
    """Codes of names, now and then none."""
    return st.sampled_from([0, *(code_of(f"name-{i}") for i in range(how_many))])


def events(days: int = DAYS) -> st.SearchStrategy[Event]:
    """Anything intake may say about one customer; messages get their keys in ``lives``."""
    fewest = min(INTERESTS.values())
    lines = st.lists(st.tuples(names(fewest), names(fewest), names(fewest)), max_size=3)
    traits = st.lists(st.tuples(st.integers(0, len(TRAITS) - 1), st.integers(0, 3)), max_size=2)
    kinds = st.one_of(st.sampled_from(Kind), st.sampled_from([Kind.ORDER, Kind.VIEW, Kind.CART_ADD, Kind.CART_REMOVE]))
    orders = st.sampled_from([0, *(code_of(f"order-{i}") for i in range(8))])
    return st.builds(
        _event,
        kinds,
        times(days),
        st.tuples(st.integers(0, 10**6), st.integers(0, 9), st.integers(0, 5000), st.integers(0, 5)),
        st.sampled_from(Channel),
        orders,
        lines.map(tuple),
        traits.map(tuple),
    )


def _event(
    kind: Kind,
    time: int,
    numbers: tuple[int, int, int, int],
    channel: Channel,
    order: int,
    lines: tuple[tuple[int, int, int], ...],
    traits: tuple[tuple[int, int], ...],
) -> Event:
    amount, quantity, discount, rating = numbers
    spends = kind in (Kind.ORDER, Kind.REFUND, Kind.CANCEL)
    words: Patch = ()
    if kind in SPOKEN:
        words = ((SAID, written(Said(kind, rating if kind is Kind.REVIEW else 0, (quantity, 10 + discount)))),)
    return Event(
        profile="hh-1",
        kind=kind,
        time=time,
        amount=amount if spends else 0,
        quantity=quantity,
        discount=discount if kind is Kind.ORDER else 0,
        rating=rating if kind is Kind.REVIEW else 0,
        channel=channel,
        order=order if kind is Kind.ORDER else 0,
        lines=lines,
        traits=traits,
        patch=(*((list(TRAITS)[trait], value) for trait, value in traits), *words),
    )


def keyed(life: Iterable[Event]) -> list[Event]:
    """The same events, each a message of its own."""
    return [replace(each, key=message_key(b"message-%d" % i, each.time)) for i, each in enumerate(life)]


def lives(most: int = 24, days: int = DAYS) -> st.SearchStrategy[list[Event]]:
    """What one customer did, in any order."""
    few, many = (
        st.lists(events(days), min_size=1, max_size=3),
        st.lists(events(days), min_size=most // 3, max_size=most),
    )
    return st.one_of(few, many, many).map(keyed)


def zones() -> st.SearchStrategy[Zone]:
    """Where the shop is."""
    return st.sampled_from(ZONES).map(zone)


def packed(life: Sequence[Event], here: Zone) -> inputs.Work:
    """Events through the door every event takes: drafted, encoded, decoded, gathered."""
    draft = inputs.Draft()
    for offset, event in enumerate(life):
        draft.add(event, offset)
    batch = inputs.decode(inputs.encode(draft.batch("events.behavior", 0, 0, 0)))
    assert isinstance(batch, inputs.Batch)
    return inputs.gather([batch], {}, here)


def folded(life: Sequence[Event], here: Zone, into: Int64s | None = None) -> Int64s:
    """The row of a customer who did all this, told in this order."""
    row = np.zeros(TABLES.size, np.int64) if into is None else into.copy()
    if life:
        work = packed(life, here)
        for e in range(len(work.events.row)):
            fold(row, work.events, e)
    return row


def merged(*rows: Int64s) -> Int64s:
    """The first row with all others merged into it."""
    row = rows[0].copy()
    for other in rows[1:]:
        merge(row, other)
    return row


def differences(a: Int64s, b: Int64s, leave: frozenset[str] = frozenset()) -> list[str]:
    """Names of the pieces that are not the same, byte by byte; facts and standing alike."""
    pieces = {name: slice(at, at + size) for (name, size), at in zip(LAYOUT.pieces, LAYOUT.start.values(), strict=True)}
    return [name for name, piece in pieces.items() if name not in leave and not np.array_equal(a[piece], b[piece])]

"""One event into one row.

Knows: what each measure takes from an event, and that an order may be told twice, late, or corrected.
Must not know: features, rules, now.
"""

from __future__ import annotations

from typing import NamedTuple

from profiles.clock import DAY, Int64s
from profiles.compiled import compiled
from profiles.kernels.census import mark_stay
from profiles.kernels.rings import (
    add_interest,
    advance_heads,
    latest,
    mark_session,
    remember,
    swap,
    touch_cart,
)
from profiles.kinds import Kind
from profiles.layout import ORDER_FIELDS, TABLES
from profiles.measures import CART_KEPT, ORDERS_KEPT, Merge, Source

ADD, MAX, MIN = int(Merge.ADD), int(Merge.MAX), int(Merge.MIN)
EVENT, ORDER_SOURCE = int(Source.EVENT), int(Source.ORDER)
ORDER, CART_ADD, CART_REMOVE = int(Kind.ORDER), int(Kind.CART_ADD), int(Kind.CART_REMOVE)
HOUR_MS = 3_600_000
QUARTER = HOUR_MS // 4  #: every time zone since 1972 is whole quarters of an hour from UTC
FIELDS = len(ORDER_FIELDS)

APPLIED, DUPLICATE = 1, 0


class Events(NamedTuple):
    """Events of many customers as columns, one entry an event; times and money are whole numbers."""

    row: Int64s  #: which row of the state
    kind: Int64s
    time: Int64s  #: UTC milliseconds
    local: Int64s  #: the same moment on the shop's clock
    amount: Int64s  #: minor units
    quantity: Int64s
    discount: Int64s  #: minor units
    rating: Int64s  #: stars
    channel: Int64s
    key: Int64s  #: the message's key, 0 if it cannot be repeated
    order: Int64s  #: the order's code, 0 if none
    line_end: Int64s  #: lines of event e are line_end[e-1] .. line_end[e]
    lines: Int64s  #: rows (category, brand, item) codes, 0 if unknown
    trait_end: Int64s
    traits: Int64s  #: rows (trait, value)


@compiled
def fold(row: Int64s, events: Events, e: int) -> int:
    """Apply event ``e``; returns DUPLICATE if its message was applied before, else APPLIED."""
    if events.key[e] != 0 and not remember(row, TABLES.messages, events.key[e]):
        return DUPLICATE
    kind, time, local = events.kind[e], events.time[e], events.local[e]
    advance_heads(row, time, local, TABLES.heads, TABLES.tiles, TABLES.sessions)
    amount, quantity, discount = events.amount[e], events.quantity[e], events.discount[e]
    tally(row, EVENT, kind, time, amount, quantity, discount, events.rating[e], events.channel[e], 1)
    tile(row, EVENT, kind, time, local, amount, quantity, discount, 1)
    if (TABLES.active >> kind) & 1:
        mark_session(row, time, TABLES.sessions)
        latest(row, TABLES.trail, time, kind)
        mark_stay(row, local, TABLES.stay)
        row[TABLES.hours + (local % DAY) // HOUR_MS] += 1
        row[TABLES.hours + 24 + (local // DAY + 3) % 7] += 1
    if (TABLES.funnel >> kind) & 1:
        latest(row, TABLES.step, time, kind)
    if kind == ORDER:
        fold_order(row, events.order[e], time, local - time, amount, quantity, discount)
        row[TABLES.cart] = row[TABLES.last_order]
    fold_names(row, events, e)
    return APPLIED


@compiled
def fold_names(row: Int64s, events: Events, e: int) -> None:
    """What the event names: categories, brands and items it is about, and traits of the customer."""
    kind, time, local = events.kind[e], events.time[e], events.local[e]
    weight = TABLES.weights[kind]
    for i in range(events.line_end[e - 1] if e > 0 else 0, events.line_end[e]):
        for interest in range(3):
            code = events.lines[i, interest]
            if weight > 0 and code != 0:
                add_interest(row, TABLES.interests[interest, 0], TABLES.interests[interest, 1], code, weight, local)
        if (kind == CART_ADD or kind == CART_REMOVE) and events.lines[i, 2] != 0:
            touch_cart(row, TABLES.cart + 1, CART_KEPT, events.lines[i, 2], time, kind == CART_REMOVE)
    for i in range(events.trait_end[e - 1] if e > 0 else 0, events.trait_end[e]):
        latest(row, TABLES.traits + 2 * events.traits[i, 0], time, events.traits[i, 1])


@compiled
def contribution(gives: int, time: int, amount: int, quantity: int, discount: int, rating: int) -> int:
    """What one event adds to a measure (see ``measures.Gives``)."""
    if gives == 0:
        return 1
    if gives == 1:
        return amount
    if gives == 2:
        return quantity
    if gives == 3:
        return discount
    if gives == 4:
        return 1 if discount > 0 else 0
    if gives == 5:
        return time
    return rating if gives == 6 else min(rating, 1)


@compiled
def tally(
    row: Int64s,
    source: int,
    kind: int,
    time: int,
    amount: int,
    quantity: int,
    discount: int,
    rating: int,
    channel: int,
    sign: int,
) -> None:
    """Counters, sums, earliest and latest; ``sign`` -1 takes a sum back (only sums of orders ever are)."""
    for i in range(TABLES.feeds.shape[2]):
        m = TABLES.feeds[source, kind, i]
        if m < 0:
            break
        if TABLES.tallies[m, 3] >= 0 and TABLES.tallies[m, 3] != channel:
            continue
        slot, value = TABLES.tallies[m, 0], contribution(TABLES.tallies[m, 2], time, amount, quantity, discount, rating)
        if TABLES.tallies[m, 1] == ADD:
            row[slot] += sign * value
        elif TABLES.tallies[m, 1] == MAX:
            row[slot] = max(row[slot], value)
        elif row[slot] == 0 or value < row[slot]:
            row[slot] = value


@compiled
def tile(
    row: Int64s,
    source: int,
    kind: int,
    time: int,
    local: int,
    amount: int,
    quantity: int,
    discount: int,
    sign: int,
) -> None:
    """Rings of tiles; what is older than a ring remembers is left out, whenever it arrives."""
    for i in range(TABLES.fills.shape[2]):
        r = TABLES.fills[source, kind, i]
        if r < 0:
            break
        ring = TABLES.tiles[r]
        index = (local if ring[1] >= DAY else time) // ring[1]
        if index > row[ring[4]] - ring[2]:
            row[ring[0] + index % ring[2]] += sign * contribution(ring[3], time, amount, quantity, discount, 0)


@compiled
def count_order(row: Int64s, kept: Int64s, at: int, sign: int) -> None:
    """Add to ``row`` (or take back) what the order at ``kept[at]`` contributes; ``kept`` is a row, often the same."""
    time, amount, quantity, discount = kept[at + 1], kept[at + 3], kept[at + 4], kept[at + 5]
    local = time + kept[at + 6] * QUARTER
    tally(row, ORDER_SOURCE, ORDER, time, amount, quantity, discount, 0, 0, sign)
    tile(row, ORDER_SOURCE, ORDER, time, local, amount, quantity, discount, sign)


@compiled
def fold_order(row: Int64s, code: int, time: int, offset: int, amount: int, quantity: int, discount: int) -> None:
    """An order counts once, at the earliest time any message gave it, with what its latest message says.

    ``offset`` is local minus UTC time.
    """
    for i in range(ORDERS_KEPT):
        at = TABLES.orders + FIELDS * i
        if row[at] == code and code != 0:
            correct_order(row, at, time, offset, amount, quantity, discount)
            sort_orders(row, TABLES.orders)
            best_orders(row)
            return
    last = TABLES.orders + FIELDS * (ORDERS_KEPT - 1)
    if code != 0 and (time > row[last + 1] or (time == row[last + 1] and code > row[last])):
        forget_order(row, row[last + 1], row[last + 3])
        row[last], row[last + 1], row[last + 2], row[last + 3] = code, time, 0, amount
        row[last + 4], row[last + 5], row[last + 6] = quantity, discount, offset // QUARTER
        count_order(row, row, last, 1)
        sort_orders(row, TABLES.orders)
    else:
        forget_order(row, time, amount)
        tally(row, ORDER_SOURCE, ORDER, time, amount, quantity, discount, 0, 0, 1)
        tile(row, ORDER_SOURCE, ORDER, time, time + offset, amount, quantity, discount, 1)
    best_orders(row)


@compiled
def correct_order(row: Int64s, at: int, time: int, offset: int, amount: int, quantity: int, discount: int) -> None:
    """Another message of a known order: the latest one says what it holds."""
    told = row[at + 1] + row[at + 2]
    newer = time > told or (time == told and says_more(row, at, amount, quantity, discount))
    if not newer and time >= row[at + 1]:
        return
    count_order(row, row, at, -1)
    if newer:
        row[at + 3], row[at + 4], row[at + 5] = amount, quantity, discount
    if time < row[at + 1]:
        row[at + 1], row[at + 6] = time, offset // QUARTER
    row[at + 2] = max(told, time) - row[at + 1]
    count_order(row, row, at, 1)


@compiled
def says_more(row: Int64s, at: int, amount: int, quantity: int, discount: int) -> bool:
    """Which of two messages of the same moment is believed; any rule will do that asks only what they say."""
    if amount != row[at + 3]:
        return amount > row[at + 3]
    if quantity != row[at + 4]:
        return quantity > row[at + 4]
    return discount > row[at + 5]


@compiled
def forget_order(row: Int64s, time: int, amount: int) -> None:
    """An order that nobody can correct any more is final."""
    row[TABLES.last_order + 1] = max(row[TABLES.last_order + 1], time)
    row[TABLES.largest_order + 1] = max(row[TABLES.largest_order + 1], amount)


@compiled
def best_orders(row: Int64s) -> None:
    """The last and the largest order: of those kept, as they stand now, and those that are final."""
    row[TABLES.last_order] = max(row[TABLES.last_order + 1], row[TABLES.orders + 1])
    row[TABLES.largest_order] = row[TABLES.largest_order + 1]
    for i in range(ORDERS_KEPT):
        row[TABLES.largest_order] = max(row[TABLES.largest_order], row[TABLES.orders + FIELDS * i + 3])


@compiled
def sort_orders(row: Int64s, first: int) -> None:
    """Latest first (then by code), so that equal sets of orders are equal bytes."""
    for i in range(1, ORDERS_KEPT):
        for j in range(i, 0, -1):
            a, b = first + FIELDS * (j - 1), first + FIELDS * j
            if row[b + 1] < row[a + 1] or (row[b + 1] == row[a + 1] and row[b] <= row[a]):
                break
            swap(row, a, b, FIELDS)

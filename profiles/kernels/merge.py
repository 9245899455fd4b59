"""Two rows of one customer into one: the fourth verb of every measure, beside zero, update (``fold``) and read (``derive``).

Merging the facts of two rows gives the facts of one row that saw the events of both, whichever is merged into which,
as long as no message is in both.  (Interests are exempt once more names compete than are kept: ``rings``.)
Knows: how each memory adds up.  Must not know: why two rows are one customer; standing, which has to be decided anew.
"""

from __future__ import annotations

from profiles.clock import Int64s
from profiles.compiled import compiled
from profiles.kernels.census import merge_stay
from profiles.kernels.fold import ADD, FIELDS, MAX, best_orders, count_order, forget_order, says_more, sort_orders
from profiles.kernels.rings import (
    COUNT_BITS,
    COUNT_MASK,
    clear,
    decayed_counts,
    latest,
    remember,
    shifted,
    sorted_in,
    touch_cart,
)
from profiles.layout import TABLES
from profiles.measures import CART_KEPT, MESSAGES_ROOM, ORDERS_KEPT, SESSION_WORDS, TRAITS

TRAIT_COUNT = len(TRAITS)
HABITS = 24 + 7


@compiled
def merge(row: Int64s, other: Int64s) -> None:
    """Add the facts of ``other`` to ``row``; the standing of ``row`` stays as it was, ``other`` is not changed."""
    merge_tallies(row, other, TABLES.tallies)
    merge_tiles(row, other)
    merge_sessions(row, other, TABLES.sessions)
    for i in range(TABLES.hours, TABLES.hours + HABITS):
        row[i] += other[i]
    for i in range(TABLES.messages, TABLES.messages + MESSAGES_ROOM):
        if other[i] != 0:
            remember(row, TABLES.messages, other[i])
    merge_orders(row, other)
    for interest in range(len(TABLES.interests)):
        merge_interests(row, other, TABLES.interests[interest, 0], TABLES.interests[interest, 1])
    for at in range(TABLES.cart + 1, TABLES.cart + 1 + 3 * CART_KEPT, 3):
        if other[at] != 0:
            changed = max(other[at + 1], other[at + 2])
            touch_cart(row, TABLES.cart + 1, CART_KEPT, other[at], changed, other[at + 2] != 0)
    for at in range(TABLES.traits, TABLES.traits + 2 * TRAIT_COUNT, 2):
        latest(row, at, other[at], other[at + 1])
    latest(row, TABLES.step, other[TABLES.step], other[TABLES.step + 1])
    latest(row, TABLES.trail, other[TABLES.trail], other[TABLES.trail + 1])
    merge_stay(row, other, TABLES.stay)


@compiled
def merge_tallies(row: Int64s, other: Int64s, tallies: Int64s) -> None:
    """Counts and sums add up, the earlier first time and the later last time stay."""
    for m in range(len(tallies)):
        slot = tallies[m, 0]
        if tallies[m, 1] == ADD:
            row[slot] += other[slot]
        elif tallies[m, 1] == MAX:
            row[slot] = max(row[slot], other[slot])
        elif row[slot] == 0 or 0 < other[slot] < row[slot]:
            row[slot] = other[slot]


@compiled
def merge_tiles(row: Int64s, other: Int64s) -> None:
    """The newer head rules; a tile has the same place in both rings, if both still remember it."""
    for h in range(len(TABLES.heads)):
        slot, hop = TABLES.heads[h, 0], TABLES.heads[h, 1]
        head = max(row[slot], other[slot])
        for r in range(len(TABLES.tiles)):
            if TABLES.tiles[r, 1] != hop:
                continue
            first, count = TABLES.tiles[r, 0], TABLES.tiles[r, 2]
            clear(row, first, count, row[slot], head)
            for t in range(head - count + 1, other[slot] + 1):
                row[first + t % count] += other[first + t % count]
        row[slot] = head


@compiled
def merge_sessions(row: Int64s, other: Int64s, sessions: int) -> None:
    """Whoever was active in a 10-minute tile, the customer was."""
    head = max(row[sessions], other[sessions])
    clear(row, sessions + 1, SESSION_WORDS, row[sessions], head)
    for w in range(head - SESSION_WORDS + 1, other[sessions] + 1):
        row[sessions + 1 + w % SESSION_WORDS] |= other[sessions + 1 + w % SESSION_WORDS]
    row[sessions] = head


@compiled
def merge_orders(row: Int64s, other: Int64s) -> None:
    """Orders that both know were counted twice by adding up: one takes them back and tells them once."""
    forget_order(row, other[TABLES.last_order + 1], other[TABLES.largest_order + 1])
    shared = 0  # as bits
    for i in range(ORDERS_KEPT):
        theirs = TABLES.orders + FIELDS * i
        for at in range(TABLES.orders, TABLES.orders + FIELDS * ORDERS_KEPT, FIELDS):
            if other[theirs] != 0 and row[at] == other[theirs]:
                merge_order(row, at, other, theirs)
                shared |= 1 << i
    sort_orders(row, TABLES.orders)
    last = TABLES.orders + FIELDS * (ORDERS_KEPT - 1)
    for i in range(ORDERS_KEPT):
        theirs = TABLES.orders + FIELDS * i
        code, time = other[theirs], other[theirs + 1]
        if code == 0 or (shared >> i) & 1:
            continue
        if time > row[last + 1] or (time == row[last + 1] and code > row[last]):
            forget_order(row, row[last + 1], row[last + 3])
            for k in range(FIELDS):
                row[last + k] = other[theirs + k]
            sort_orders(row, TABLES.orders)
        else:
            forget_order(row, time, other[theirs + 3])
    best_orders(row)
    row[TABLES.cart] = row[TABLES.last_order]


@compiled
def merge_order(row: Int64s, at: int, other: Int64s, theirs: int) -> None:
    """One order that both kept: earliest time, latest word; see ``fold.correct_order``."""
    count_order(row, row, at, -1)
    count_order(row, other, theirs, -1)
    mine_told, told = row[at + 1] + row[at + 2], other[theirs + 1] + other[theirs + 2]
    amount, quantity, discount = other[theirs + 3], other[theirs + 4], other[theirs + 5]
    if told > mine_told or (told == mine_told and says_more(row, at, amount, quantity, discount)):
        row[at + 3], row[at + 4], row[at + 5] = amount, quantity, discount
    if other[theirs + 1] < row[at + 1]:
        row[at + 1], row[at + 6] = other[theirs + 1], other[theirs + 6]
    row[at + 2] = max(mine_told, told) - row[at + 1]
    count_order(row, row, at, 1)


@compiled
def merge_interests(row: Int64s, other: Int64s, first: int, entries: int) -> None:
    """Names that both know add up; of all together those that count most now are kept (of two alike, larger codes)."""
    now, known = 0, 0  # known: as bits
    for at in range(first, first + 3 * entries, 3):
        now = max(now, row[at + 1], other[at + 1])
    for i in range(entries):
        theirs = first + 3 * i
        for at in range(first, first + 3 * entries, 3):
            if other[theirs] != 0 and row[at] == other[theirs]:
                add_counts(row, at, other[theirs + 1], other[theirs + 2])
                known |= 1 << i
    for i in range(entries):
        theirs = first + 3 * i
        if other[theirs] == 0 or (known >> i) & 1:
            continue
        least = first
        for at in range(first + 3, first + 3 * entries, 3):
            if counts_less(row, at, row, least, now):
                least = at
        if counts_less(row, least, other, theirs, now):
            for k in range(3):
                row[least + k] = other[theirs + k]
            sorted_in(row, first, entries, least)


@compiled
def add_counts(row: Int64s, at: int, month: int, counts: int) -> None:
    """Add another row's three counts of a name to the ones at ``at``, tile by tile, none beyond what fits."""
    newest = max(row[at + 1], month)
    mine, theirs, total = shifted(row[at + 1], row[at + 2], newest), shifted(month, counts, newest), 0
    for i in range(3):
        shift = i * COUNT_BITS
        both = ((mine >> shift) & COUNT_MASK) + ((theirs >> shift) & COUNT_MASK)
        total |= min(both, COUNT_MASK) << shift
    row[at + 1], row[at + 2] = newest, total


@compiled
def counts_less(row: Int64s, a: int, other: Int64s, b: int, now: int) -> bool:
    """Whether the name at ``row[a]`` deserves its place less than the one at ``other[b]``; an empty place does."""
    if row[a] == 0 or other[b] == 0:
        return row[a] == 0 and other[b] != 0
    mine = decayed_counts(row[a + 1], row[a + 2], max(now, row[a + 1]))
    theirs = decayed_counts(other[b + 1], other[b + 2], max(now, other[b + 1]))
    return mine < theirs or (mine == theirs and row[a] < other[b])

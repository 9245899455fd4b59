"""Bounded memories inside a row: tiles, sessions, messages, interests, cart.

All but the interests are functions of the *set* of what they saw: order and repetition do not matter, to the byte.
Interests are so until more names compete than are kept; then they are an approximation that never counts too much
(a name that lost its place starts again at nothing).
Knows: slots.  Must not know: kinds of events.
"""

from __future__ import annotations

from profiles.clock import DAY, SECOND, Int64s
from profiles.compiled import compiled
from profiles.measures import MESSAGES_KEPT, MESSAGES_ROOM, MESSAGES_SPAN, SESSION_TILE, SESSION_WORDS, TILES_PER_WORD
from profiles.stable import KEY_BITS

WORD = SESSION_TILE * TILES_PER_WORD
MONTH = 30 * DAY
SPAN = (MESSAGES_SPAN // SECOND) << KEY_BITS
COUNT_BITS = 20
COUNT_MASK = (1 << COUNT_BITS) - 1


@compiled
def advance_heads(row: Int64s, time: int, local: int, heads: Int64s, tiles: Int64s, sessions: int) -> None:
    """Move the newest tile of every ring up to ``time``, emptying what falls out."""
    for h in range(len(heads)):
        slot, hop = heads[h, 0], heads[h, 1]
        tile = (local if hop >= DAY else time) // hop
        head = row[slot]
        if tile <= head:
            continue
        row[slot] = tile
        for r in range(len(tiles)):
            if tiles[r, 1] == hop:
                clear(row, tiles[r, 0], tiles[r, 2], head, tile)
    word = time // WORD
    if word > row[sessions]:
        clear(row, sessions + 1, SESSION_WORDS, row[sessions], word)
        row[sessions] = word


@compiled
def clear(row: Int64s, first: int, count: int, head: int, tile: int) -> None:
    """Empty the places of the tiles after ``head`` up to ``tile``."""
    left = min(tile - head, count)
    slot = first + (tile - left + 1) % count
    for _ in range(left):
        row[slot] = 0
        slot = slot + 1 if slot + 1 < first + count else first


@compiled
def mark_session(row: Int64s, time: int, sessions: int) -> None:
    """Set the bit of the 10-minute tile that ``time`` falls into."""
    word = time // WORD
    if word > row[sessions] - SESSION_WORDS:
        row[sessions + 1 + word % SESSION_WORDS] |= 1 << ((time % WORD) // SESSION_TILE)


@compiled
def remember(row: Int64s, first: int, key: int) -> bool:
    """Keep ``key`` (see ``stable.message_key``) among the latest, in falling order; False if it is there already.

    The latest MESSAGES_KEPT stay however old they are, up to MESSAGES_ROOM while they are within MESSAGES_SPAN of the
    newest.  What is kept depends only on which keys were seen.
    """
    place = 0
    while place < MESSAGES_ROOM and row[first + place] > key:
        place += 1
    if place < MESSAGES_ROOM and row[first + place] == key:
        return False
    oldest = max(row[first], key) - SPAN
    if place >= MESSAGES_ROOM or (place >= MESSAGES_KEPT and key < oldest):
        return True
    end = place
    while end < MESSAGES_ROOM - 1 and row[first + end] != 0:
        end += 1
    for i in range(first + end, first + place, -1):
        row[i] = row[i - 1]
    row[first + place] = key
    while end >= MESSAGES_KEPT and row[first + end] < oldest:
        row[first + end] = 0
        end -= 1
    return True


@compiled
def decayed_counts(month: int, counts: int, now: int) -> int:
    """Counts of three 30-day tiles, each tile before the current one worth half, in quarters of an event."""
    total, age = 0, now - month
    for i in range(3):
        weight = 2 - age - i
        if weight >= 0:
            total += ((counts >> (i * COUNT_BITS)) & COUNT_MASK) << weight
    return total


@compiled
def shifted(month: int, counts: int, now: int) -> int:
    """The same three counts, seen from a later tile."""
    if now - month >= 3:
        return 0
    return (counts << ((now - month) * COUNT_BITS)) & ((1 << (3 * COUNT_BITS)) - 1)


@compiled
def add_interest(row: Int64s, first: int, entries: int, code: int, weight: int, local: int) -> None:
    """Count ``weight`` for ``code``; when all places are taken the one that counts least makes room."""
    month = local // MONTH
    place = first
    while place < first + 3 * entries and row[place] != code:
        place += 3
    if place == first + 3 * entries:
        place = counts_least(row, first, entries, month)
        row[place], row[place + 1], row[place + 2] = code, month, 0
        place = sorted_in(row, first, entries, place)
    if month > row[place + 1]:
        row[place + 2] = shifted(row[place + 1], row[place + 2], month)
        row[place + 1] = month
    age = row[place + 1] - month
    if age < 3:
        count = (row[place + 2] >> (age * COUNT_BITS)) & COUNT_MASK
        row[place + 2] += min(weight, COUNT_MASK - count) << (age * COUNT_BITS)


@compiled
def counts_least(row: Int64s, first: int, entries: int, month: int) -> int:
    """The place of the name that counts least (of two alike, the smaller code); an empty one if there is any."""
    place, least = -1, 0
    for slot in range(first, first + 3 * entries, 3):
        worth = -1 if row[slot] == 0 else decayed_counts(row[slot + 1], row[slot + 2], max(month, row[slot + 1]))
        if place < 0 or worth < least or (worth == least and row[slot] < row[place]):
            place, least = slot, worth
    return place


@compiled
def sorted_in(row: Int64s, first: int, entries: int, place: int) -> int:
    """Move the entry at ``place`` to where its code belongs, largest first: equal sets are equal bytes."""
    while place > first and row[place - 3] < row[place]:
        swap(row, place - 3, place, 3)
        place -= 3
    while place < first + 3 * (entries - 1) and row[place + 3] > row[place]:
        swap(row, place, place + 3, 3)
        place += 3
    return place


@compiled
def swap(row: Int64s, a: int, b: int, width: int) -> None:
    """Exchange two entries of ``width`` slots."""
    for k in range(width):
        row[a + k], row[b + k] = row[b + k], row[a + k]


@compiled
def touch_cart(row: Int64s, first: int, entries: int, code: int, time: int, gone: bool) -> None:
    """An item went into the cart or out of it: keep the latest change (of two at once: out) of the items changed last.

    Latest change first.  As only the latest change of an item is kept, what is forgotten never matters again.
    """
    place = first + 3 * (entries - 1)
    for i in range(entries):
        if row[first + 3 * i] == code:
            place = first + 3 * i
            break
    changed = max(row[place + 1], row[place + 2])
    if row[place] == code:
        if time < changed or (time == changed and not gone):
            return
    elif time < changed or (time == changed and code < row[place]):
        return
    row[place], row[place + 1], row[place + 2] = code, 0 if gone else time, time if gone else 0
    while place > first and later(row, place, place - 3):
        swap(row, place - 3, place, 3)
        place -= 3


@compiled
def later(row: Int64s, a: int, b: int) -> bool:
    """Whether the cart entry at ``a`` changed after the one at ``b`` (of two at once: has the larger code)."""
    here, there = max(row[a + 1], row[a + 2]), max(row[b + 1], row[b + 2])
    return here > there or (here == there and row[a] > row[b])


@compiled
def latest(row: Int64s, pair: int, time: int, value: int) -> None:
    """Keep the value with the latest time; of two at the same time, the larger."""
    if time > row[pair] or (time == row[pair] and value > row[pair + 1]):
        row[pair], row[pair + 1] = time, value

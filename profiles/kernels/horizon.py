"""When silence will next change an answer.

For every clause a rule depends on: the first moment after now at which its truth differs if no event comes, to the
millisecond.  What moves with the clock is computed and put right by asking; what moves in steps is walked edge by edge.
Most clauses are settled without either: a number that only falls cannot come to exceed anything.
Knows: how each operator moves in silence.  Must not know: names, texts.
"""

from __future__ import annotations

import numpy as np

from profiles.clock import DAY, HOUR, NEVER, Int64s
from profiles.compiled import compiled
from profiles.features import FEATURE_ROWS
from profiles.kernels.decide import HELD, Compare, Rules, compare, threshold
from profiles.kernels.derive import Floats, Population, cart, derive_one, usual_gap
from profiles.kernels.rings import MONTH
from profiles.layout import TABLES
from profiles.measures import SESSION_GAP, SESSION_TILE, SESSION_WORDS, TILES_PER_WORD
from profiles.operators import Op

WALK = 400  #: edges walked before giving up; longer than every ring
MONTHS = 3  #: 30-day tiles after which an interest counts no more


@compiled
def piece_at(time: int, since: Int64s) -> int:
    """Which piece of the zone holds ``time`` (see ``clock.Zone``)."""
    low, high = 0, len(since) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if since[middle] <= time:
            low = middle
        else:
            high = middle - 1
    return low


@compiled
def offset_at(time: int, since: Int64s, offset: Int64s) -> int:
    """The shop's local time minus UTC at ``time``."""
    return offset[piece_at(time, since)]


@compiled
def next_edge(now: int, offset: int, hop: int, steps: int, since: Int64s, offsets: Int64s) -> int:
    """When the tile ``steps`` after the current one begins: the first moment the shop's clock shows it, or more.

    (Where a change of the clocks leaves midnight out, the day begins with the change.)
    """
    if hop < DAY:
        return (now // hop + steps) * hop
    local = ((now + offset) // hop + steps) * hop
    i = piece_at(now, since)
    while True:
        at = max(local - offsets[i], since[i], now + 1)
        if i + 1 == len(since) or at < since[i + 1]:
            return at
        i += 1


@compiled
def is_above(op: int) -> bool:
    """Whether the comparison asks for more."""
    return op == Compare.GT.value or op == Compare.GE.value


@compiled
def is_below(op: int) -> bool:
    """Whether the comparison asks for less."""
    return op == Compare.LT.value or op == Compare.LE.value


@compiled
def start_and_scale(row: Int64s, f: int, people: Population) -> tuple[int, float]:
    """SINCE, CART_HOURS and OVERDUE are (t - start) / scale."""
    op = FEATURE_ROWS[f, 0]
    if op == Op.SINCE.value:
        return row[FEATURE_ROWS[f, 1]], float(DAY)
    if op == Op.CART_HOURS.value:
        return cart(row, TABLES.cart)[1], float(HOUR)
    orders, first, last = row[FEATURE_ROWS[f, 1]], row[FEATURE_ROWS[f, 2]], row[FEATURE_ROWS[f, 3]]
    return last, usual_gap(orders, (last - first) / DAY, people.usual_gap) * DAY


@compiled
def rises(
    row: Int64s, now: int, f: int, op: int, limit: float, factor: Floats, people: Population, x: Floats
) -> int:
    """SINCE, CART_HOURS, OVERDUE and RISK rise for ever: when they reach or pass ``limit``."""
    truth = compare(op, x[f], limit)
    coming = is_below(op) if truth else is_above(op)
    if not coming or np.isnan(limit):
        return NEVER
    g, level = f, limit
    if FEATURE_ROWS[f, 0] == Op.RISK.value:
        if limit >= 1.0:
            return NEVER
        g, level = FEATURE_ROWS[f, 1], people.half_risk * (limit / (1.0 - limit)) ** (1.0 / people.steepness)
    start, scale = start_and_scale(row, g, people)
    if level * scale > 1e15:
        return NEVER
    return first_true(row, now, max(start + int(level * scale), now + 1), f, g, op, limit, factor, people, x)


@compiled
def first_true(
    row: Int64s, now: int, guess: int, f: int, g: int, op: int, limit: float,
    factor: Floats, people: Population, x: Floats,
) -> int:  # fmt: skip
    """The very millisecond at which the answer changes, which rounding puts a little before or after ``guess``.

    A tick that came a millisecond early would find nothing changed, and nothing left to wait for.
    """
    truth, before_g, before_f = compare(op, x[f], limit), x[g], x[f]
    low, high, at, step = now, NEVER, guess, 1
    while high - low > 1 and at < NEVER // 2:
        derive_one(row, at, 0, g, factor, people, x)
        derive_one(row, at, 0, f, factor, people, x)
        if compare(op, x[f], limit) != truth:
            high = at
        else:
            low = at
        if high == NEVER:
            at, step = low + step, 2 * step
        elif low == now and high - step > now:
            at, step = high - step, 2 * step
        else:
            at = low + (high - low) // 2
    x[g], x[f] = before_g, before_f
    return high


@compiled
def current_tile(row: Int64s, now: int, offset: int, f: int) -> int:
    """The newest tile of a window."""
    hop = FEATURE_ROWS[f, 3]
    return max((now + offset if hop >= DAY else now) // hop, row[FEATURE_ROWS[f, 4]])


@compiled
def tile_value(row: Int64s, f: int, tile: int) -> int:
    """What tile ``tile`` of the ring behind WINDOW or ACTIVE feature ``f`` adds to it while it is in the window."""
    first, count, head = FEATURE_ROWS[f, 1], FEATURE_ROWS[f, 2], row[FEATURE_ROWS[f, 4]]
    if tile <= head - count or tile > head:
        return 0
    value = row[first + tile % count]
    return value if FEATURE_ROWS[f, 0] == Op.WINDOW.value else min(value, 1)


@compiled
def tiles_leave(
    row: Int64s, now: int, offset: int, f: int, op: int, limit: float, factor: Floats, x: Floats, since: Int64s,
    offsets: Int64s,
) -> int:  # fmt: skip
    """WINDOW and ACTIVE: walk the tiles out of the window until the comparison changes."""
    truth, tiles, current, total = compare(op, x[f], limit), FEATURE_ROWS[f, 5], current_tile(row, now, offset, f), 0
    for tile in range(current - tiles + 1, current + 1):
        total += tile_value(row, f, tile)
    for k in range(1, tiles + 1):
        left = tile_value(row, f, current + k - tiles)
        total -= left
        if left != 0 and compare(op, factor[f] * total, limit) != truth:
            return next_edge(now, offset, FEATURE_ROWS[f, 3], k, since, offsets)
    return NEVER


@compiled
def fades(
    row: Int64s, now: int, offset: int, f: int, op: int, limit: float,
    factor: Floats, people: Population, x: Floats, since: Int64s, offsets: Int64s,
) -> int:  # fmt: skip
    """DECAYED: the day on which the sum, halving every so many days, reaches or passes ``limit``."""
    if not limit > 0.0:
        return NEVER
    truth, before, hop = compare(op, x[f], limit), x[f], FEATURE_ROWS[f, 3]
    k, at = max(int(np.log2(before / limit) * FEATURE_ROWS[f, 5]) - 1, 1), NEVER
    while compare(op, x[f], limit) == truth:
        at = next_edge(now, offset, hop, k, since, offsets)
        derive_one(row, at, offset_at(at, since, offsets), f, factor, people, x)
        k += 1
    x[f] = before
    return at


@compiled
def sessions_leave(row: Int64s, now: int, f: int, op: int, limit: float, x: Floats) -> int:
    """SESSIONS: a session is over for the window when its last 10-minute tile leaves."""
    truth, left, span, head = compare(op, x[f], limit), x[f], FEATURE_ROWS[f, 1], row[TABLES.sessions]
    before = -1
    for w in range(max(head - SESSION_WORDS + 1, 0), head + 1):
        bits = row[TABLES.sessions + 1 + w % SESSION_WORDS]
        for b in range(TILES_PER_WORD if bits != 0 else 0):
            tile = w * TILES_PER_WORD + b
            if not (bits >> b) & 1 or tile * SESSION_TILE + span <= now:
                continue
            if before >= 0 and tile - before > SESSION_GAP:
                left -= 1.0
                if compare(op, left, limit) != truth:
                    return before * SESSION_TILE + span
            before = tile
    return before * SESSION_TILE + span if before >= 0 and compare(op, 0.0, limit) != truth else NEVER


@compiled
def months_pass(
    row: Int64s, now: int, offset: int, f: int, op: int, limit: float,
    factor: Floats, people: Population, x: Floats, since: Int64s, offsets: Int64s,
) -> int:  # fmt: skip
    """TOP and VARIETY: look at each coming 30-day tile until no interest is left."""
    truth, before, found = compare(op, x[f], limit), x[f], NEVER
    for k in range(1, MONTHS + 1):
        at = next_edge(now, offset, MONTH, k, since, offsets)
        derive_one(row, at, offset_at(at, since, offsets), f, factor, people, x)
        if compare(op, x[f], limit) != truth:
            found = at
            break
    x[f] = before
    return found


@compiled
def is_window(f: int) -> bool:
    """Whether feature ``f`` falls tile by tile."""
    return FEATURE_ROWS[f, 0] == Op.WINDOW.value or FEATURE_ROWS[f, 0] == Op.ACTIVE.value


@compiled
def sides_change(
    row: Int64s, now: int, offset: int, f: int, op: int, limit: float, factor: Floats, x: Floats, since: Int64s,
    offsets: Int64s,
) -> int:  # fmt: skip
    """RATIO and LESS: walk the tiles of both windows (of one hop) out until the comparison changes."""
    a, b = FEATURE_ROWS[f, 1], FEATURE_ROWS[f, 2]
    if not (is_window(a) or is_window(b)):
        return NEVER
    truth, hop = compare(op, x[f], limit), FEATURE_ROWS[a if is_window(a) else b, 3]
    left = np.array([x[a], x[b]])
    total = np.zeros(2, np.int64)
    for side in range(2):
        g = a if side == 0 else b
        if is_window(g):
            total[side] = round(x[g] / factor[g])
    for k in range(1, WALK):
        gone = False
        for side in range(2):
            g = a if side == 0 else b
            value = tile_value(row, g, current_tile(row, now, offset, g) + k - FEATURE_ROWS[g, 5]) if is_window(g) else 0
            if value != 0:
                gone = True
                total[side] -= value
                left[side] = factor[g] * total[side]
        if gone:
            if FEATURE_ROWS[f, 0] == Op.LESS.value:
                value_then = left[0] - left[1]
            else:
                value_then = factor[f] * left[0] / left[1] if left[1] != 0 else np.nan
            if compare(op, value_then, limit) != truth:
                return next_edge(now, offset, hop, k, since, offsets)
    return NEVER


@compiled
def flip(
    row: Int64s,
    now: int,
    offset: int,
    c: int,
    rules: Rules,
    factor: Floats,
    people: Population,
    x: Floats,
    since: Int64s,
    offsets: Int64s,
) -> int:
    """The first moment after ``now`` at which silence changes the answer of clause ``c``; NEVER if it does not.

    ``x`` holds the features at ``now``.  What is unknown stays unknown, and what stands still never answers otherwise.
    """
    f, op, limit = rules.clauses[c, 0], rules.clauses[c, 1], threshold(c, rules, people.cuts)
    how = FEATURE_ROWS[f, 0]
    if np.isnan(x[f]):
        return NEVER
    if how == Op.RATIO.value or how == Op.LESS.value:
        return sides_change(row, now, offset, f, op, limit, factor, x, since, offsets)
    if how == Op.TOP.value:
        return months_pass(row, now, offset, f, op, limit, factor, people, x, since, offsets)
    if op >= Compare.UNKNOWN.value:
        return NEVER
    if how == Op.SINCE.value or how == Op.OVERDUE.value or how == Op.RISK.value or how == Op.CART_HOURS.value:
        return rises(row, now, f, op, limit, factor, people, x)
    truth = compare(op, x[f], limit)
    if x[f] == 0.0 or np.isnan(limit) or (is_above(op) and not truth) or (is_below(op) and truth):
        return NEVER  # the rest only falls, and not below nothing
    if how == Op.WINDOW.value or how == Op.ACTIVE.value:
        return tiles_leave(row, now, offset, f, op, limit, factor, x, since, offsets)
    if how == Op.DECAYED.value:
        return fades(row, now, offset, f, op, limit, factor, people, x, since, offsets)
    if how == Op.SESSIONS.value:
        return sessions_leave(row, now, f, op, limit, x)
    if how == Op.VARIETY.value:
        return months_pass(row, now, offset, f, op, limit, factor, people, x, since, offsets)
    return NEVER


@compiled
def horizon(
    row: Int64s,
    now: int,
    offset: int,
    rules: Rules,
    factor: Floats,
    people: Population,
    x: Floats,
    since: Int64s,
    offsets: Int64s,
) -> int:
    """The first moment after ``now`` at which silence may change a tag or a rung of this row."""
    soonest = NEVER
    for i in range(len(rules.rungs) + len(rules.tags)):
        if i < len(rules.rungs):
            rung = rules.rungs[i]
            start, end = rung[2], rung[3]
            other, last = (rung[4], rung[5]) if row[TABLES.ladders + 2 * rung[0]] == rung[1] + 1 else (0, 0)
        else:
            tag = rules.tags[i - len(rules.rungs)]
            start, end = tag[1], tag[2]
            other, last = (tag[3], tag[4]) if row[TABLES.since + tag[0]] != 0 else (0, 0)
        for c in range(start, end + last - other):
            code = rules.code[c if c < end else other + c - end]
            if 0 <= code < HELD:
                at = flip(row, now, offset, code, rules, factor, people, x, since, offsets)
                soonest = min(soonest, at)
    return soonest

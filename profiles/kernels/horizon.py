"""When silence will next change an answer.

For every clause a rule depends on: the first moment after now at which its truth differs if no event comes.  Exact
for everything that moves with the clock; where a closed form is not worth its trouble the tile edges are walked.
Knows: how each operator moves in silence.  Must not know: names, texts.
"""

from __future__ import annotations

import numpy as np

from profiles.clock import DAY, HOUR, NEVER, Int64s
from profiles.compiled import compiled
from profiles.features import FEATURE_ROWS
from profiles.kernels.decide import HELD, Rules, compare, threshold
from profiles.kernels.derive import Floats, Population, cart, derive_one, sessions, usual_gap
from profiles.kernels.rings import MONTH
from profiles.layout import TABLES
from profiles.measures import SESSION_TILE, SESSION_WORDS, TILES_PER_WORD
from profiles.operators import Op

WALK = 400  #: edges walked before giving up; longer than every ring


@compiled
def offset_at(time: int, since: Int64s, offset: Int64s) -> int:
    """The shop's local time minus UTC at ``time`` (see ``clock.Zone``)."""
    low, high = 0, len(since) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if since[middle] <= time:
            low = middle
        else:
            high = middle - 1
    return offset[low]


@compiled
def crossing(start: int, scale: float, limit: float, op: int, now: int) -> int:
    """When (t - start) / scale, which rises for ever, changes what ``op limit`` says; NEVER if it has already."""
    if np.isnan(limit) or np.isinf(limit) or limit < 0 or np.isnan(scale) or limit * scale > 1e15:
        return NEVER
    at = start + int(np.ceil(limit * scale))
    if op == 2 or op == 1:  # above a limit, or at most a limit: changes once the limit is passed
        at = start + int(np.floor(limit * scale)) + 1
    return at if at > now else NEVER


@compiled
def next_edge(now: int, offset: int, hop: int, steps: int, since: Int64s, offsets: Int64s) -> int:
    """UTC start of the tile ``steps`` after the current one."""
    if hop < DAY:
        return (now // hop + steps) * hop
    local = ((now + offset) // hop + steps) * hop
    at = local - offset
    return local - offset_at(at, since, offsets)


@compiled
def tiles_leave(
    row: Int64s, now: int, offset: int, f: int, op: int, limit: float, factor: Floats, since: Int64s, offsets: Int64s
) -> int:
    """WINDOW and ACTIVE: walk the tiles out of the window until the comparison changes."""
    kind, first, count, hop = FEATURE_ROWS[f, 0], FEATURE_ROWS[f, 1], FEATURE_ROWS[f, 2], FEATURE_ROWS[f, 3]
    head, tiles = row[FEATURE_ROWS[f, 4]], FEATURE_ROWS[f, 5]
    current = max((now + offset if hop >= DAY else now) // hop, head)
    total = 0
    for t in range(max(current - tiles + 1, head - count + 1), head + 1):
        value = row[first + t % count]
        total += value if kind == Op.WINDOW.value else (1 if value != 0 else 0)
    truth = compare(op, factor[f] * total, limit)
    for t in range(current - tiles + 1, head + 1):
        if total == 0:
            break
        value = row[first + t % count] if t > head - count else 0
        if value == 0:
            continue
        total -= value if kind == Op.WINDOW.value else 1
        if compare(op, factor[f] * total, limit) != truth:
            at_tile = t + tiles
            now_tile = (now + offset if hop >= DAY else now) // hop
            return next_edge(now, offset, hop, at_tile - now_tile, since, offsets)
    return NEVER


@compiled
def decay_reaches(value: float, limit: float, half_life: float, now: int, offset: int, since: Int64s, offsets: Int64s) -> int:
    """DECAYED: the day on which the sum, halving every ``half_life`` days, falls to ``limit``."""
    if not (value > 0 and limit > 0) or value < limit:
        return NEVER
    days = int(np.log2(value / limit) * half_life)
    return next_edge(now, offset, DAY, max(days, 1), since, offsets)


@compiled
def sessions_leave(row: Int64s, now: int, f: int, op: int, limit: float) -> int:
    """SESSIONS: walk active 10-minute tiles out of the window."""
    span, head = FEATURE_ROWS[f, 1], row[TABLES.sessions]
    truth = compare(op, float(sessions(row, TABLES.sessions, now, span)[0]), limit)
    for w in range(max(head - SESSION_WORDS + 1, 0), head + 1):
        bits = row[TABLES.sessions + 1 + w % SESSION_WORDS]
        for b in range(TILES_PER_WORD if bits != 0 else 0):
            leaves = (w * TILES_PER_WORD + b) * SESSION_TILE + span
            if (bits >> b) & 1 and leaves > now:
                if compare(op, float(sessions(row, TABLES.sessions, leaves, span)[0]), limit) != truth:
                    return leaves
    return NEVER


@compiled
def walk(
    row: Int64s,
    now: int,
    offset: int,
    f: int,
    op: int,
    limit: float,
    factor: Floats,
    people: Population,
    x: Floats,
    since: Int64s,
    offsets: Int64s,
) -> int:
    """RATIO and LESS of windows: look at each coming day until the comparison changes or both sides are still."""
    a, b = FEATURE_ROWS[f, 1], FEATURE_ROWS[f, 2]
    if not (is_window(a) or is_window(b)):
        return NEVER
    truth, found = compare(op, x[f], limit), NEVER
    before_a, before_b, before_f = x[a], x[b], x[f]
    for k in range(1, WALK):
        at = next_edge(now, offset, DAY, k, since, offsets)
        there = offset_at(at, since, offsets)
        derive_one(row, at, there, a, factor, people, x)
        derive_one(row, at, there, b, factor, people, x)
        derive_one(row, at, there, f, factor, people, x)
        if compare(op, x[f], limit) != truth:
            found = at
            break
        if (x[a] == 0 or not is_window(a)) and (x[b] == 0 or not is_window(b)):
            break
    x[a], x[b], x[f] = before_a, before_b, before_f
    return found


@compiled
def is_window(f: int) -> bool:
    op = FEATURE_ROWS[f, 0]
    return op == Op.WINDOW.value or op == Op.ACTIVE.value or op == Op.DECAYED.value


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
    """The first moment after ``now`` at which silence may change clause ``c``; NEVER if it cannot.

    ``x`` holds the features at ``now``.
    """
    f, op, limit = rules.clauses[c, 0], rules.clauses[c, 1], threshold(c, rules, people.cuts)
    how, a = FEATURE_ROWS[f, 0], FEATURE_ROWS[f, 1]
    if op >= 6 or np.isnan(x[f]):
        return NEVER
    if how == Op.SINCE.value:
        return crossing(row[a], float(DAY), limit, op, now)
    if how == Op.OVERDUE.value or how == Op.RISK.value:
        g = a if how == Op.RISK.value else f
        orders, first, last = row[FEATURE_ROWS[g, 1]], row[FEATURE_ROWS[g, 2]], row[FEATURE_ROWS[g, 3]]
        if how == Op.RISK.value:
            if not 0.0 < limit < 1.0:
                return NEVER
            limit = people.half_risk * (limit / (1.0 - limit)) ** (1.0 / people.steepness)
        return crossing(last, usual_gap(orders, (last - first) / DAY, people.usual_gap) * DAY, limit, op, now)
    if how == Op.CART_HOURS.value:
        return crossing(cart(row, TABLES.cart)[1], float(HOUR), limit, op, now)
    if how == Op.WINDOW.value or how == Op.ACTIVE.value:
        return tiles_leave(row, now, offset, f, op, limit, factor, since, offsets)
    if how == Op.DECAYED.value:
        return decay_reaches(x[f], limit, float(FEATURE_ROWS[f, 5]), now, offset, since, offsets)
    if how == Op.SESSIONS.value:
        return sessions_leave(row, now, f, op, limit)
    if how == Op.VARIETY.value or how == Op.TOP.value:
        return next_edge(now, offset, MONTH, 1, since, offsets)
    if how == Op.RATIO.value or how == Op.LESS.value:
        return walk(row, now, offset, f, op, limit, factor, people, x, since, offsets)
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

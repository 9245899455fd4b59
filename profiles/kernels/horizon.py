"""When silence will next change an answer.

For every clause a rule depends on: the first moment after now at which its truth differs if no event comes, to the
millisecond.  What moves with the clock is computed and put right by asking; what moves in steps is walked edge by edge.
What a learned model says is looked at again (see ``churn``).  Most clauses are settled without any of this: a number that only falls cannot come to exceed anything, and nobody walks past
``until``, the soonest change known already.  An answer after ``until`` only means "later than that".
Knows: how each operator moves in silence.  Must not know: names, texts.
"""

from __future__ import annotations

import numpy as np

from profiles.clock import DAY, HOUR, NEVER, SECOND, Int64s
from profiles.compiled import compiled
from profiles.features import FEATURE_ROWS
from profiles.kernels.churn import days_until_look
from profiles.kernels.decide import HELD, Changes, Compare, Rules, compare
from profiles.kernels.derive import Floats, Population, cart, derive_one, risk_of, usual_gap
from profiles.kernels.rings import MONTH
from profiles.layout import TABLES
from profiles.measures import SESSION_GAP, SESSION_TILE, SESSION_WORDS, TILES_PER_WORD
from profiles.operators import Op

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
def moves(f: int, op: int, value: float, limit: float) -> bool:
    """Whether silence can ever change what ``op limit`` says about feature ``f``, which is ``value`` now."""
    how = FEATURE_ROWS[f, 0]
    if np.isnan(value):
        return False  # what is unknown stays unknown
    if how == Op.RATIO.value or how == Op.LESS.value:
        return is_window(FEATURE_ROWS[f, 1]) or is_window(FEATURE_ROWS[f, 2])
    if how == Op.TOP.value:
        return True
    if op >= Compare.UNKNOWN.value or np.isnan(limit):
        return False
    truth = compare(op, value, limit)
    if how == Op.SINCE.value or how == Op.OVERDUE.value or how == Op.RISK.value or how == Op.CART_HOURS.value:
        return is_below(op) if truth else is_above(op)
    if how == Op.WINDOW.value or how == Op.ACTIVE.value or how == Op.SESSIONS.value or how == Op.VARIETY.value:
        return value != 0.0 and not (is_below(op) if truth else is_above(op))
    return how == Op.DECAYED.value and value > 0.0 and limit > 0.0 and (is_above(op) if truth else is_below(op))


@compiled
def is_window(f: int) -> bool:
    """Whether feature ``f`` falls tile by tile."""
    return FEATURE_ROWS[f, 0] == Op.WINDOW.value or FEATURE_ROWS[f, 0] == Op.ACTIVE.value


@compiled
def rises(row: Int64s, now: int, f: int, op: int, limit: float, people: Population, until: int) -> int:
    """SINCE, CART_HOURS, OVERDUE and RISK rise for ever: when they reach or pass ``limit``."""
    how = FEATURE_ROWS[f, 0]
    g = FEATURE_ROWS[f, 1] if how == Op.RISK.value else f
    start, unit, gap, level = row[FEATURE_ROWS[f, 1]], DAY, 1.0, limit
    if how == Op.CART_HOURS.value:
        start, unit = cart(row, TABLES.cart)[1], HOUR
    elif how != Op.SINCE.value:
        orders, first, start = row[FEATURE_ROWS[g, 1]], row[FEATURE_ROWS[g, 2]], row[FEATURE_ROWS[g, 3]]
        gap = usual_gap(orders, (start - first) / DAY, people.usual_gap)
    if how == Op.RISK.value:
        if limit >= 1.0:
            return NEVER
        level = people.half_risk * (limit / (1.0 - limit)) ** (1.0 / people.steepness)
    if level * gap * unit > 1e15:
        return NEVER
    guess = max(start + int(level * gap * unit), now + 1)
    return guess if guess > until + SECOND else first_true(now, guess, start, unit, gap, how, op, limit, people)


@compiled
def first_true(
    now: int, guess: int, start: int, unit: int, gap: float, how: int, op: int, limit: float, people: Population
) -> int:
    """The very millisecond at which the answer changes, which rounding puts a little before or after ``guess``.

    A tick that came a millisecond early would find nothing changed, and nothing left to wait for.
    """
    low, high, at, step = now, NEVER, guess, 1
    while high - low > 1 and at < NEVER // 2:
        value = (at - start) / unit / gap  # to the letter as ``derive`` has it
        if how == Op.RISK.value:
            value = risk_of(value, people.half_risk, people.steepness)
        if compare(op, value, limit) == is_above(op):
            high = at
        else:
            low = at
        if high == NEVER:
            at, step = low + step, 2 * step
        elif low == now and high - step > now:
            at, step = high - step, 2 * step
        else:
            at = low + (high - low) // 2
    return high


@compiled
def current_tile(row: Int64s, now: int, offset: int, f: int) -> int:
    """The newest tile of a window."""
    hop = FEATURE_ROWS[f, 3]
    return max((now + offset if hop >= DAY else now) // hop, row[FEATURE_ROWS[f, 4]])


@compiled
def tile_value(row: Int64s, f: int, tile: int) -> int:
    """What ``tile`` adds to WINDOW or ACTIVE feature ``f`` while it is in the window."""
    first, count, head = FEATURE_ROWS[f, 1], FEATURE_ROWS[f, 2], row[FEATURE_ROWS[f, 4]]
    if tile <= head - count or tile > head:
        return 0
    value = row[first + tile % count]
    return value if FEATURE_ROWS[f, 0] == Op.WINDOW.value else min(value, 1)


@compiled
def tiles_leave(
    row: Int64s, now: int, offset: int, f: int, op: int, limit: float, factor: Floats, x: Floats, until: int,
    since: Int64s, offsets: Int64s,
) -> int:  # fmt: skip
    """WINDOW and ACTIVE: walk the tiles out of the window until the comparison changes."""
    truth, hop, tiles, total = compare(op, x[f], limit), FEATURE_ROWS[f, 3], FEATURE_ROWS[f, 5], round(x[f] / factor[f])
    oldest = current_tile(row, now, offset, f) - tiles
    for k in range(1, min(tiles, (until - now) // hop + 2) + 1):
        left = tile_value(row, f, oldest + k)
        if left == 0:
            continue
        total -= left
        if compare(op, factor[f] * total, limit) != truth:
            return next_edge(now, offset, hop, k, since, offsets)
    return NEVER


@compiled
def sides_change(
    row: Int64s, now: int, offset: int, f: int, op: int, limit: float, factor: Floats, x: Floats, until: int,
    since: Int64s, offsets: Int64s,
) -> int:  # fmt: skip
    """RATIO and LESS: walk the tiles of both windows (of one hop) out until the comparison changes."""
    a, b, truth = FEATURE_ROWS[f, 1], FEATURE_ROWS[f, 2], compare(op, x[f], limit)
    moving_a, moving_b, left_a, left_b = is_window(a), is_window(b), x[a], x[b]
    hop = FEATURE_ROWS[a if moving_a else b, 3]
    total_a, total_b = round(x[a] / factor[a]), round(x[b] / factor[b])
    oldest_a = current_tile(row, now, offset, a) - FEATURE_ROWS[a, 5] if moving_a else 0
    oldest_b = current_tile(row, now, offset, b) - FEATURE_ROWS[b, 5] if moving_b else 0
    longest = max(FEATURE_ROWS[a, 5] if moving_a else 0, FEATURE_ROWS[b, 5] if moving_b else 0)
    for k in range(1, min(longest, (until - now) // hop + 2) + 1):
        gone_a = tile_value(row, a, oldest_a + k) if moving_a else 0
        gone_b = tile_value(row, b, oldest_b + k) if moving_b else 0
        if gone_a == 0 and gone_b == 0:
            continue
        total_a, total_b = total_a - gone_a, total_b - gone_b
        left_a = factor[a] * total_a if moving_a else left_a
        left_b = factor[b] * total_b if moving_b else left_b
        if FEATURE_ROWS[f, 0] == Op.LESS.value:
            value = left_a - left_b
        else:
            value = factor[f] * left_a / left_b if left_b != 0 else np.nan
        if compare(op, value, limit) != truth:
            return next_edge(now, offset, hop, k, since, offsets)
    return NEVER


@compiled
def fades(
    row: Int64s, now: int, offset: int, f: int, op: int, limit: float, factor: Floats, people: Population, x: Floats,
    since: Int64s, offsets: Int64s,
) -> int:  # fmt: skip
    """DECAYED: the day on which the sum, halving every so many days, reaches or passes ``limit``."""
    truth, before, at = compare(op, x[f], limit), x[f], NEVER
    k = max(int(np.log2(before / limit) * FEATURE_ROWS[f, 5]) - 1, 1)
    while compare(op, x[f], limit) == truth:
        at = next_edge(now, offset, FEATURE_ROWS[f, 3], k, since, offsets)
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
    row: Int64s, now: int, offset: int, f: int, op: int, limit: float, factor: Floats, people: Population, x: Floats,
    until: int, since: Int64s, offsets: Int64s,
) -> int:  # fmt: skip
    """TOP and VARIETY: look at each coming 30-day tile until no interest is left."""
    truth, before, found = compare(op, x[f], limit), x[f], NEVER
    for k in range(1, MONTHS + 1):
        at = next_edge(now, offset, MONTH, k, since, offsets)
        if at > until:
            break
        derive_one(row, at, offset_at(at, since, offsets), f, factor, people, x)
        if compare(op, x[f], limit) != truth:
            found = at
            break
    x[f] = before
    return found


@compiled
def is_scored(f: int) -> bool:
    """Whether feature ``f`` is what a learned model says."""
    how = FEATURE_ROWS[f, 0]
    return how == Op.RISK.value or how >= Op.STAKE.value


@compiled
def look(
    now: int, offset: int, f: int, limit: float, people: Population, x: Floats, since: Int64s, offsets: Int64s
) -> int:
    """When to look again at what the model says: the midnight before which it can hardly have come to ``limit``."""
    if np.isnan(x[f]) or np.isnan(limit):
        return NEVER
    how, risk = FEATURE_ROWS[f, 0], x[f]
    wanted = limit
    if how != Op.RISK.value:  # in proportion to the risk, as nothing else of it moves in silence but slowly
        stake = x[f] if how == Op.STAKE.value else x[FEATURE_ROWS[f, 1]]
        line = limit if how == Op.STAKE.value else limit * people.churn.line
        if np.isnan(stake) or stake <= 0.0 or line <= 0.0:
            return NEVER
        risk = x[FEATURE_ROWS[f, 1]] if how == Op.STAKE.value else x[FEATURE_ROWS[f, 2]]
        wanted = risk * line / stake
    return next_edge(now, offset, DAY, days_until_look(risk, wanted), since, offsets)


@compiled
def flip(
    row: Int64s, now: int, offset: int, f: int, op: int, limit: float, factor: Floats, people: Population, x: Floats,
    until: int, since: Int64s, offsets: Int64s,
) -> int:  # fmt: skip
    """The first moment after ``now`` at which silence changes what ``op limit`` says about feature ``f``.

    ``x`` holds the features at ``now``; NEVER if nothing changes, anything after ``until`` if nothing does till then.
    """
    how = FEATURE_ROWS[f, 0]
    if not moves(f, op, x[f], limit):
        return NEVER
    if how == Op.RATIO.value or how == Op.LESS.value:
        return sides_change(row, now, offset, f, op, limit, factor, x, until, since, offsets)
    if how == Op.WINDOW.value or how == Op.ACTIVE.value:
        return tiles_leave(row, now, offset, f, op, limit, factor, x, until, since, offsets)
    if how == Op.TOP.value or how == Op.VARIETY.value:
        return months_pass(row, now, offset, f, op, limit, factor, people, x, until, since, offsets)
    if how == Op.DECAYED.value:
        return fades(row, now, offset, f, op, limit, factor, people, x, since, offsets)
    if how == Op.SESSIONS.value:
        return sessions_leave(row, now, f, op, limit, x)
    return rises(row, now, f, op, limit, people, until)


@compiled
def soonest_of(
    row: Int64s, now: int, offset: int, asked: Int64s, start: int, end: int, clauses: Int64s, limits: Floats,
    factor: Floats, people: Population, x: Floats, until: int, since: Int64s, offsets: Int64s,
) -> int:  # fmt: skip
    """The first moment up to ``until`` at which a clause in ``asked[start:end]`` changes; ``until`` if none does."""
    month = now + MONTH - (now + offset) % MONTH - DAY  # no shop's clock changes by a day
    for i in range(start, end):
        code = asked[i]
        if code < 0 or code >= HELD:
            continue
        f, op, limit = clauses[code, 0], clauses[code, 1], limits[code]
        if len(people.churn.inputs) > 0 and is_scored(f):
            until = min(until, look(now, offset, f, limit, people, x, since, offsets))
            continue
        if not moves(f, op, x[f], limit):
            continue
        how = FEATURE_ROWS[f, 0]  # most are settled here, before anything is handed over
        if how == Op.SINCE.value and row[FEATURE_ROWS[f, 1]] + limit * DAY > until + SECOND:
            continue
        if (how == Op.TOP.value or how == Op.VARIETY.value) and month > until:
            continue
        until = min(until, flip(row, now, offset, f, op, limit, factor, people, x, until, since, offsets))
    return until


@compiled
def horizon(
    row: Int64s, now: int, offset: int, rules: Rules, factor: Floats, people: Population, changes: Changes,
    since: Int64s, offsets: Int64s,
) -> int:  # fmt: skip
    """The first moment after ``now`` at which silence may change a tag or a rung of this row, or its sample is due."""
    x, limits, clauses, code = changes.x, changes.limits, rules.clauses, rules.code
    until = row[TABLES.snapshot] if row[TABLES.snapshot] > now else NEVER
    until = soonest_of(
        row,
        now,
        offset,
        rules.watched,
        0,
        len(rules.watched),
        clauses,
        limits,
        factor,
        people,
        x,
        until,
        since,
        offsets,
    )
    for i in range(len(rules.rungs) + len(rules.tags)):
        if i < len(rules.rungs):
            rung = i
            start, end = rules.rungs[rung, 4], rules.rungs[rung, 5]
            stands = row[TABLES.ladders + 2 * rules.rungs[rung, 0]] == rules.rungs[rung, 1] + 1
        else:
            tag = i - len(rules.rungs)
            start, end = rules.tags[tag, 3], rules.tags[tag, 4]
            stands = row[TABLES.since + rules.tags[tag, 0]] != 0
        if stands and end > start:
            until = soonest_of(
                row, now, offset, code, start, end, clauses, limits, factor, people, x, until, since, offsets
            )
    return until

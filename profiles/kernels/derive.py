"""A row at a moment into features: everything that is read, computed from what is kept.

Knows: how each operator reads slots.  Must not know: feature names, rules.
Each feature is one line of a table: an operator, up to five whole-number arguments, one real parameter.  Features may
use features declared before them.  "Never" and "cannot say" are NaN, not 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from profiles.clock import DAY, HOUR, Int64s
from profiles.compiled import compiled
from profiles.features import FEATURE_ROWS
from profiles.kernels.churn import Churn, at_stake, priority, served
from profiles.kernels.fold import FIELDS
from profiles.kernels.rings import MONTH, WORD, decayed_counts
from profiles.layout import TABLES
from profiles.measures import (
    CART_KEPT,
    ORDERS_KEPT,
    SESSION_GAP,
    SESSION_TILE,
    SESSION_WORDS,
    TILES_PER_WORD,
)
from profiles.operators import Op

Floats = npt.NDArray[np.float64]


class Population(NamedTuple):
    """What is known about all customers together; comes from params, never from one row."""

    cuts: Floats  #: (features with cuts, 9): deciles
    usual_gap: float  #: days
    half_risk: float  #: overdue ratio at which half do not come back, until a model serves
    steepness: float
    churn: Churn


PSEUDO_GAPS = 2.0  #: how many gaps of the population weigh as much as the customer's own


@compiled
def window(row: Int64s, first: int, count: int, head: int, tiles: int, current: int, active: bool) -> int:
    """Sum (or number of non-empty) tiles among the latest ``tiles`` up to ``current``."""
    start = max(current - tiles + 1, head - count + 1, 0)
    left, place, total = head + 1 - start, first + start % count, 0
    while left > 0:  # at most two runs of neighbours: no remainder is taken per tile
        run = min(left, first + count - place)
        for slot in range(place, place + run):
            total += row[slot] if not active else 1 if row[slot] != 0 else 0
        left, place = left - run, first
    return total


@compiled
def decayed(row: Int64s, first: int, count: int, head: int, current: int, half_life: float) -> float:
    """Every tile of the ring, halved once per ``half_life`` tiles of age."""
    total, step = 0.0, 2.0 ** (-1.0 / half_life)
    weight, slot = step ** (current - head), first + head % count
    for _ in range(head - max(head - count, 0)):
        total += weight * row[slot]
        weight *= step
        slot = slot - 1 if slot > first else first + count - 1
    return total


@compiled
def usual_gap(orders: float, days: float, population: float) -> float:
    """Days between orders, as if the customer also had PSEUDO_GAPS gaps of the population's length."""
    return (PSEUDO_GAPS * population + days) / (PSEUDO_GAPS + orders - 1.0)


@compiled
def gap_spread(row: Int64s, first: int) -> float:
    """Standard deviation over mean of the gaps between the orders kept; NaN below two gaps."""
    n, total, squares = 0, 0.0, 0.0
    for i in range(ORDERS_KEPT - 1):
        newer, older = row[first + FIELDS * i + 1], row[first + FIELDS * (i + 1) + 1]
        if older == 0:
            break
        gap = (newer - older) / DAY
        n += 1
        total += gap
        squares += gap * gap
    if n < 2 or total <= 0:
        return np.nan
    mean = total / n
    return np.sqrt(max(squares / n - mean * mean, 0.0)) / mean


@compiled
def sessions(row: Int64s, first: int, now: int, span: int) -> tuple[int, int]:
    """Sessions whose tiles lie within ``span`` before ``now``: how many, and how many tiles they cover together."""
    last_tile = now // SESSION_TILE
    head, found, covered, before = row[first], 0, 0, -(10**15)
    for w in range(max(head - SESSION_WORDS + 1, (now - span) // WORD), head + 1):
        bits = row[first + 1 + w % SESSION_WORDS]
        if bits == 0:
            continue
        for b in range(TILES_PER_WORD):
            tile = w * TILES_PER_WORD + b
            if not (bits >> b) & 1 or tile > last_tile or tile * SESSION_TILE <= now - span:
                continue
            if tile - before > SESSION_GAP:
                found += 1
                covered += 1
            else:
                covered += tile - before
            before = tile
    return found, covered


@compiled
def cart(row: Int64s, first: int) -> tuple[int, int]:
    """Items in the cart and when the oldest of them was added (0 if it is empty)."""
    items, oldest = 0, 0
    for i in range(CART_KEPT):
        at = first + 1 + 3 * i
        added = row[at + 1]
        if added > row[at + 2] and added > row[first]:
            items += 1
            oldest = added if oldest == 0 else min(oldest, added)
    return items, oldest


@compiled
def interests(row: Int64s, first: int, entries: int, local: int) -> tuple[int, int]:
    """The name that counts most now (0 if none does), and how many count at all."""
    month, best, top, found = local // MONTH, 0, 0, 0
    for i in range(entries):
        at = first + 3 * i
        worth = decayed_counts(row[at + 1], row[at + 2], max(month, row[at + 1]))
        if worth > 0 and row[at] != 0:
            found += 1
            if worth > best or (worth == best and row[at] < top):
                best, top = worth, row[at]
    return top, found


@compiled
def score(value: float, cuts: Floats, rising: bool) -> float:
    """1..5 by quintile; ``rising`` False means small values are the good ones."""
    if np.isnan(value):
        return np.nan
    passed = 0
    for q in range(1, 8, 2):
        passed += 1 if (value > cuts[q]) else 0
    return 1.0 + passed if rising else 5.0 - passed


@compiled
def share(row: Int64s, first: int, count: int, start: int, end: int) -> float:
    """Share of counters ``start`` .. ``end`` (wrapping around) in all ``count``."""
    total, part = 0, 0
    for i in range(count):
        total += row[first + i]
        inside = start <= i < end if start < end else (i >= start or i < end)
        part += row[first + i] if inside else 0
    return part / total if total > 0 else np.nan


@compiled
def peak(row: Int64s, first: int, count: int) -> float:
    """Which counter is the largest, the first of equals; NaN if all are zero."""
    best, at = 0, -1
    for i in range(count):
        if row[first + i] > best:
            best, at = row[first + i], i
    return float(at) if at >= 0 else np.nan


@compiled
def risk_of(overdue: float, half: float, steepness: float) -> float:
    """Log-logistic: 0 just after an order, one half at ``half`` usual gaps, towards 1 after."""
    if np.isnan(overdue):
        return np.nan
    if overdue <= 0.0:
        return 0.0
    return 1.0 / (1.0 + (half / overdue) ** steepness)


@compiled
def read_risk(f: int, people: Population, out: Floats) -> float:
    """RISK, STAKE and PRIORITY; their arguments are features."""
    op, a, model = FEATURE_ROWS[f, 0], FEATURE_ROWS[f, 1], people.churn
    if op == Op.PRIORITY.value:
        return priority(out[a], model)
    orders, silence, age = out[FEATURE_ROWS[f, 2]], out[FEATURE_ROWS[f, 3]], out[FEATURE_ROWS[f, 4]]
    if op == Op.STAKE.value:
        return at_stake(out[a], orders, age, out[FEATURE_ROWS[f, 5]], model)
    if len(model.inputs) == 0:
        return risk_of(out[a], people.half_risk, people.steepness)
    return served(out, orders, silence, age, model)


@compiled
def read_tiles(row: Int64s, now: int, local: int, f: int, factor: Floats) -> float:
    """WINDOW, ACTIVE and DECAYED.  Arguments: ring, its length, its hop, slot of its head, tiles of the window."""
    op, first, count, hop = FEATURE_ROWS[f, 0], FEATURE_ROWS[f, 1], FEATURE_ROWS[f, 2], FEATURE_ROWS[f, 3]
    head, current = row[FEATURE_ROWS[f, 4]], (local if hop >= DAY else now) // hop
    if op == Op.DECAYED.value:
        half_life = float(FEATURE_ROWS[f, 5])
        return factor[f] * decayed(row, first, count, head, max(current, head), half_life)
    total = window(row, first, count, head, FEATURE_ROWS[f, 5], max(current, head), op == Op.ACTIVE.value)
    return factor[f] * total


@compiled
def read_orders(row: Int64s, now: int, f: int, people: Population) -> float:
    """GAP, USUAL_GAP, GAP_SPREAD and OVERDUE.  Arguments: slots of orders, first order, last order."""
    op = FEATURE_ROWS[f, 0]
    orders, first, last = row[FEATURE_ROWS[f, 1]], row[FEATURE_ROWS[f, 2]], row[FEATURE_ROWS[f, 3]]
    if orders == 0:
        return np.nan
    days = (last - first) / DAY
    if op == Op.GAP.value:
        return days / (orders - 1) if orders > 1 else np.nan
    if op == Op.USUAL_GAP.value:
        return usual_gap(orders, days, people.usual_gap)
    if op == Op.GAP_SPREAD.value:
        return gap_spread(row, TABLES.orders)
    return max(now - last, 0) / DAY / usual_gap(orders, days, people.usual_gap)


@compiled
def read_habits(row: Int64s, now: int, local: int, f: int) -> float:
    """Peaks, shares, sessions, cart, interests, traits, steps and rungs."""
    op, a, b, c, d = FEATURE_ROWS[f, 0], FEATURE_ROWS[f, 1], FEATURE_ROWS[f, 2], FEATURE_ROWS[f, 3], FEATURE_ROWS[f, 4]
    if op == Op.PEAK.value:
        return peak(row, a, b)
    if op == Op.SHARE.value:
        return share(row, a, b, c, d)
    if op == Op.SESSIONS.value or op == Op.SESSION_MINUTES.value:
        found, covered = sessions(row, TABLES.sessions, now, a)
        if op == Op.SESSIONS.value:
            return float(found)
        return covered * SESSION_TILE / 60_000 / found if found > 0 else np.nan
    if op == Op.CART.value or op == Op.CART_HOURS.value:
        items, oldest = cart(row, TABLES.cart)
        if op == Op.CART.value:
            return float(items)
        return max(now - oldest, 0) / HOUR if items > 0 else np.nan
    if op == Op.TOP.value or op == Op.VARIETY.value:
        top, found = interests(row, TABLES.interests[a, 0], TABLES.interests[a, 1], local)
        if op == Op.VARIETY.value:
            return float(found)
        return float(top) if found > 0 else np.nan
    if op == Op.TRAIT.value or op == Op.STEP.value:
        return float(row[a + 1]) if row[a] != 0 else np.nan
    rung = row[TABLES.ladders + 2 * a]
    return float(rung - 1) if rung > 0 else np.nan


@compiled
def derive_one(row: Int64s, now: int, offset: int, f: int, factor: Floats, people: Population, out: Floats) -> None:
    """Feature ``f`` at ``now`` into ``out[f]``; what it builds on must be there already.

    ``offset`` is the shop's local time minus UTC at ``now``.
    """
    op, a, b = FEATURE_ROWS[f, 0], FEATURE_ROWS[f, 1], FEATURE_ROWS[f, 2]
    if op == Op.LIFE.value:
        out[f] = factor[f] * row[a]
    elif op == Op.SINCE.value:
        out[f] = max(now - row[a], 0) / DAY if row[a] != 0 else np.nan
    elif op == Op.WINDOW.value or op == Op.ACTIVE.value or op == Op.DECAYED.value:
        out[f] = read_tiles(row, now, now + offset, f, factor)
    elif op == Op.RATIO.value:
        out[f] = factor[f] * out[a] / out[b] if out[b] != 0 else np.nan
    elif op == Op.LESS.value:
        out[f] = out[a] - out[b]
    elif op == Op.SCORE.value:
        out[f] = score(out[a], people.cuts[b], factor[f] > 0)
    elif op == Op.RISK.value or op >= Op.STAKE.value:
        out[f] = read_risk(f, people, out)
    elif op >= Op.GAP.value and op <= Op.OVERDUE.value:
        out[f] = read_orders(row, now, f, people)
    else:
        out[f] = read_habits(row, now, now + offset, f)


@compiled
def derive(
    row: Int64s,
    now: int,
    offset: int,
    wanted: Int64s,
    factor: Floats,
    people: Population,
    out: Floats,
) -> None:
    """The features in ``wanted`` (in catalogue order) at ``now``."""
    for i in range(len(wanted)):
        derive_one(row, now, offset, wanted[i], factor, people, out)

"""How a feature can be read from what is kept.

Knows: the names of the ways.  Must not know: how each is computed (``kernels.derive``) or foreseen (``kernels.horizon``).
"""

from __future__ import annotations

from enum import IntEnum


class Op(IntEnum):
    """How a feature is read."""

    LIFE = 0  #: a slot
    WINDOW = 1  #: sum of the tiles of a window
    ACTIVE = 2  #: tiles of a window that are not empty
    SINCE = 3  #: days since the time in a slot
    DECAYED = 4  #: sum of tiles, each losing half its worth per half-life
    RATIO = 5  #: parameter x one feature / another
    LESS = 6  #: one feature minus another
    GAP = 7  #: mean days between orders
    USUAL_GAP = 8  #: the same, drawn towards the population's while there are few orders
    GAP_SPREAD = 9  #: coefficient of variation of the gaps between the orders kept
    OVERDUE = 10  #: days since the last order in units of the usual gap
    PEAK = 11  #: which of a row of counters is the largest
    SHARE = 12  #: share of two stretches of a row of counters in all of it
    SESSIONS = 13  #: sessions in a window
    SESSION_MINUTES = 14  #: their mean length
    CART = 15  #: items in the cart
    CART_HOURS = 16  #: hours since the oldest item in the cart was added
    TRAIT = 17  #: the latest value of a trait
    STEP = 18  #: the latest funnel step
    TOP = 19  #: the name that counts most
    VARIETY = 20  #: how many names count
    SCORE = 21  #: 1..5 against the population's quintiles
    RISK = 22  #: what the churn model says; log-logistic in OVERDUE while there is none
    RUNG = 23  #: where on a ladder the rules put the customer
    STAKE = 24  #: RISK times what the customer is worth in a year
    PRIORITY = 25  #: STAKE in units of the line that the budget of alerts draws

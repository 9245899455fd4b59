"""What is kept about a customer: the catalogue of measures.

A measure is a small aggregation with plain whole-number state.  This file only declares them; ``layout.py`` gives
each its slots in the vector and ``kernels/`` folds, merges and reads them.
Knows: which events feed which measure, and what they contribute.
Must not know: slots, features, rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from profiles.clock import DAY, HOUR, WEEK
from profiles.kinds import Channel, Kind


class Merge(IntEnum):
    """How two states of one slot become one."""

    ADD = 0
    MAX = 1
    MIN = 2  #: zero means "none yet"; every time and amount that is kept this way is positive


class Gives(IntEnum):
    """What one event contributes."""

    ONE = 0
    AMOUNT = 1
    QUANTITY = 2
    DISCOUNT = 3
    DISCOUNTED = 4  #: 1 if the order had any discount
    TIME = 5
    RATING = 6
    RATED = 7  #: 1 if stars were given


class Source(IntEnum):
    """What is counted: every message once, or every order once, however often and in whatever state it is sent."""

    EVENT = 0
    ORDER = 1


Kinds = frozenset[Kind]
ANY: Final[Kinds] = frozenset(set(Kind) - {Kind.IDENTIFY, Kind.MESSAGE_OPEN})
VISITS: Final[Kinds] = ANY - {Kind.ORDER, Kind.REFUND, Kind.CANCEL, Kind.COMPLAINT, Kind.SERVICE}
VOICE: Final[Kinds] = frozenset({Kind.COMPLAINT, Kind.SERVICE})
ONLY_ORDERS: Final[Kinds] = frozenset({Kind.ORDER})


@dataclass(frozen=True)
class Tally:
    """One slot: a count, a sum, an earliest or a latest."""

    name: str
    of: Kinds
    gives: Gives = Gives.ONE
    merge: Merge = Merge.ADD
    source: Source = Source.EVENT
    channel: Channel | None = None


@dataclass(frozen=True)
class Tiles:
    """A ring of the latest ``count`` tiles of ``hop`` milliseconds; a late event lands in its own tile."""

    name: str
    of: Kinds
    hop: int
    count: int
    gives: Gives = Gives.ONE
    source: Source = Source.EVENT


def _count(name: str, *kinds: Kind) -> Tally:
    return Tally(name, frozenset(kinds))


def _latest(name: str, of: Kinds) -> Tally:
    return Tally(name, of, Gives.TIME, Merge.MAX)


TALLIES: Final[tuple[Tally, ...]] = (
    _count("visits", Kind.VISIT),
    _count("views", Kind.VIEW),
    _count("searches", Kind.SEARCH),
    _count("cart_adds", Kind.CART_ADD),
    _count("cart_removes", Kind.CART_REMOVE),
    _count("checkouts", Kind.CHECKOUT),
    _count("refunds", Kind.REFUND, Kind.CANCEL),
    _count("coupons", Kind.COUPON),
    _count("wishes", Kind.WISHLIST),
    _count("reviews", Kind.REVIEW),
    _count("complaints", Kind.COMPLAINT),
    _count("service_contacts", Kind.SERVICE),
    _count("shares", Kind.SHARE),
    _count("invites", Kind.INVITE),
    _count("messages_opened", Kind.MESSAGE_OPEN),
    Tally("events", ANY),
    Tally("web_events", ANY, channel=Channel.WEB),
    Tally("app_events", ANY, channel=Channel.APP),
    Tally("mini_program_events", ANY, channel=Channel.MINI_PROGRAM),
    Tally("store_events", ANY, channel=Channel.STORE),
    Tally("stars", frozenset({Kind.REVIEW}), Gives.RATING),
    Tally("rated", frozenset({Kind.REVIEW}), Gives.RATED),
    Tally("refunded", frozenset({Kind.REFUND, Kind.CANCEL}), Gives.AMOUNT),
    Tally("orders", ONLY_ORDERS, source=Source.ORDER),
    Tally("revenue", ONLY_ORDERS, Gives.AMOUNT, source=Source.ORDER),
    Tally("items", ONLY_ORDERS, Gives.QUANTITY, source=Source.ORDER),
    Tally("discount", ONLY_ORDERS, Gives.DISCOUNT, source=Source.ORDER),
    Tally("discounted_orders", ONLY_ORDERS, Gives.DISCOUNTED, source=Source.ORDER),
    Tally("first_seen", ANY | {Kind.IDENTIFY}, Gives.TIME, Merge.MIN),
    Tally("first_order", ONLY_ORDERS, Gives.TIME, Merge.MIN),
    _latest("last_seen", ANY),
    _latest("last_visit", VISITS),
    _latest("last_cart", frozenset({Kind.CART_ADD})),
    _latest("last_checkout", frozenset({Kind.CHECKOUT, Kind.PAYMENT})),
    _latest("last_refund", frozenset({Kind.REFUND, Kind.CANCEL})),
    _latest("last_review", frozenset({Kind.REVIEW})),
    _latest("last_complaint", frozenset({Kind.COMPLAINT})),
    _latest("last_service", frozenset({Kind.SERVICE})),
    _latest("last_message_open", frozenset({Kind.MESSAGE_OPEN})),
)

#: what is read from the orders kept, because a correction may move it either way
BEST_ORDERS: Final = ("last_order", "largest_order")

TILES: Final[tuple[Tiles, ...]] = (
    Tiles("events_hourly", ANY, HOUR, 25),
    Tiles("views_hourly", frozenset({Kind.VIEW}), HOUR, 25),
    Tiles("carts_hourly", frozenset({Kind.CART_ADD}), HOUR, 25),
    Tiles("orders_hourly", ONLY_ORDERS, HOUR, 25, source=Source.ORDER),
    Tiles("events_daily", ANY, DAY, 91),
    Tiles("visits_daily", frozenset({Kind.VISIT}), DAY, 31),
    Tiles("views_daily", frozenset({Kind.VIEW}), DAY, 31),
    Tiles("searches_daily", frozenset({Kind.SEARCH}), DAY, 31),
    Tiles("carts_daily", frozenset({Kind.CART_ADD}), DAY, 31),
    Tiles("checkouts_daily", frozenset({Kind.CHECKOUT}), DAY, 31),
    Tiles("orders_daily", ONLY_ORDERS, DAY, 91, source=Source.ORDER),
    Tiles("revenue_daily", ONLY_ORDERS, DAY, 91, Gives.AMOUNT, Source.ORDER),
    Tiles("refunds_daily", frozenset({Kind.REFUND, Kind.CANCEL}), DAY, 91),
    Tiles("voice_daily", VOICE, DAY, 91),
    Tiles("orders_weekly", ONLY_ORDERS, WEEK, 53, source=Source.ORDER),
    Tiles("revenue_weekly", ONLY_ORDERS, WEEK, 53, Gives.AMOUNT, Source.ORDER),
    Tiles("items_weekly", ONLY_ORDERS, WEEK, 53, Gives.QUANTITY, Source.ORDER),
)

# How much of each bounded memory one profile has.  Beyond it the oldest is forgotten, so the exactness laws hold
# as long as a repeat or a correction arrives while its message or order is among the latest this many.
MESSAGES_KEPT: Final = 64  #: however old
MESSAGES_ROOM: Final = 256  #: of the latest two days: a retried upload of a busy hour is still recognised
MESSAGES_SPAN: Final = 2 * DAY
ORDERS_KEPT: Final = 16
CART_KEPT: Final = 8

#: interest -> how many names are kept; counts per 30-day tile, the rarest goes when a new one needs its place
INTERESTS: Final[dict[str, int]] = {"category": 8, "brand": 6, "item": 8}

#: how strongly one event speaks for what it names
INTEREST_WEIGHT: Final[dict[Kind, int]] = {
    Kind.VIEW: 1,
    Kind.WISHLIST: 3,
    Kind.CART_ADD: 3,
    Kind.REVIEW: 2,
    Kind.SHARE: 2,
    Kind.ORDER: 5,
}

#: traits that rules may ask about -> True if the value is a number, False if it is a name; the latest one counts
TRAITS: Final[dict[str, bool]] = {
    "age": True,
    "household_size": True,
    "kids_count": True,
    "age_band": False,
    "income_band": False,
    "gender": False,
    "city": False,
    "province": False,
    "marital_status": False,
    "home_ownership": False,
    "member_level": False,
    "origin": False,
}

#: kinds that are steps of the purchase funnel; the latest one is "where the customer stands"
FUNNEL: Final[tuple[Kind, ...]] = (Kind.VISIT, Kind.VIEW, Kind.CART_ADD, Kind.CHECKOUT, Kind.ORDER)

# A session is a run of active 10-minute tiles with gaps under 30 minutes.  60 tiles to a word keeps words positive.
SESSION_TILE: Final = 10 * 60_000
SESSION_GAP: Final = 3
TILES_PER_WORD: Final = 60
SESSION_PAUSE: Final = SESSION_TILE * SESSION_GAP  #: between two steps of different sessions, in milliseconds
SESSION_WORDS: Final = 73  #: 30 days of 10-hour words, and the one that is filling

# Which days and weeks after the first one a customer was active on: bits of one number each.
STAY_DAYS: Final = 61  #: the first day and the 60 after it
STAY_WEEKS: Final = 53  #: the first week (from Monday) and the 52 after it
STAY_SHOWN: Final = (1, 3, 7, 14, 30, 60)  #: days after the first one that customers are counted on

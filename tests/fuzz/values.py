"""Values that go wrong: numbers, texts, times and names as apps, and those who mean harm, send them.

Everything is drawn from the ``Random`` that is handed in, so a seed says it all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final, TypeVar

from profiles.kinds import CALLS, CHANNELS, NAMES
from profiles.measures import TRAITS
from profiles.privacy import PRIVATE

T = TypeVar("T")
NOW: Final = 1_790_000_000_000

NUMBERS: Final = (
    0, -0.0, 1, -1, 0.1, 1e-9, 5e-324, 1e15, 1.5e15, 1e16, 1e308, -1e308, 10**12, 10**13, 2**31, 2**53, 2**53 + 1, 2**62,
    2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 2**70, 10**40, float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
TEXTS: Final = (
    "", " ", "0", "-1", "null", "None", "NaN", "Infinity", "1e400", "1e5", "12.34", "١٢٣", "１２３", "²", "1_000", "0x1f",
    "+86 138 1234 5678", "13812345678", "li.lei@example.com", "a@b@c.d", "@", "张伟", "𠮷野家", "🐼" * 3, "e\u0301",
    "\u202eevil", "\u0000", "a\u0000b", "\ud800", "\udfff\ud800", "\ufeff", "\u2028", "x" * 199, "汉" * 201, "y" * 5000,
    "../../etc", "'; DROP TABLE", "<script>", "{0}:ck", "{", "}", "%s%n", "İ", "ß", "ﬀ",
)  # fmt: skip
TIMES: Final = (
    "1970-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2000-01-01T00:00:00Z", "2026-03-29T02:30:00", "2099-12-31T23:59:59Z",
    "9999-12-31T23:59:59.999999-14:00", "0001-01-01T00:00:00+14:00", "0000-01-01T00:00:00Z", "2026-02-30T00:00:00Z",
    "2026-01-31T24:00:00Z", "2026-01-31T12:00:60Z", "2026-01-31", "2026-01-31 12:00:00", "2026-01-31T12:00:00+24:00",
    "2026-01-31T12:00:00.123456789Z", "2026-01-31t12:00:00z", "tomorrow", "1790000000", "", "２０２６-01-31T12:00:00Z",
)  # fmt: skip
MONEY: Final = (
    "revenue", "subtotal", "total", "shipping", "tax", "value", "discount", "price", "quantity", "rating",
)  # fmt: skip
LABELS: Final = ("order_id", "product_id", "sku", "category", "brand")
CURRENCIES: Final = ("CNY", "USD", "JPY", "cny", "ﬀ", "", "XXX", None, "人民币")
EVENTS: Final = (*sorted(NAMES), "Order Completed", "ORDER COMPLETED ", "Product Viewed", "x", "İ", "")
CALLED: Final = ("track", *sorted(CALLS), "Track", "delete", "")
CHANNEL_NAMES: Final = (*sorted(CHANNELS), "WEB", "fax", "", None)
TRAIT_NAMES: Final = (*sorted(TRAITS), *sorted(PRIVATE), "Phone_Number", "E-Mail", "vip", "", "\u0000", "k" * 300)


def below(rng: Random, limit: int) -> int:
    """One of the whole numbers from 0; a third of the price of ``randrange``."""
    return int(rng.random() * limit)


def one_of(rng: Random, things: Sequence[T]) -> T:
    """One of some things; likewise."""
    return things[int(rng.random() * len(things))]


def number(rng: Random) -> Any:
    """A number, of a sensible size half of the time."""
    pick = rng.random()
    if pick < 0.4:
        return below(rng, 1000)
    if pick < 0.6:
        return round(rng.random() * 10 ** below(rng, 6), below(rng, 4))
    if pick < 0.75:
        return one_of(rng, NUMBERS)
    if pick < 0.85:
        return rng.randrange(-(2 ** rng.randrange(1, 80)), 2 ** rng.randrange(1, 80))
    return rng.uniform(-1, 1) * 10.0 ** rng.randrange(-320, 308)


def text(rng: Random) -> str:
    """A text, sometimes of characters from anywhere."""
    if rng.random() < 0.6:
        return one_of(rng, TEXTS)
    top = one_of(rng, (0x7F, 0x2FF, 0xFFFF, 0x10FFFF))
    return "".join(chr(below(rng, top)) for _ in range(below(rng, 12)))


def label(rng: Random) -> Any:
    """What names a product, a category or an order: a word, a number or nothing."""
    pick = rng.random()
    if pick < 0.5:
        return f"c{below(rng, 60)}"
    return below(rng, 100) if pick < 0.7 else text(rng) if pick < 0.95 else None


def amount(rng: Random) -> Any:
    """Money, written as a number or as text."""
    pick = rng.random()
    if pick < 0.6:
        return round(rng.random() * 10 ** below(rng, 5), 2)
    return str(number(rng)) if pick < 0.7 else text(rng) if pick < 0.75 else number(rng)


def stamp(rng: Random) -> Any:
    """A time: mostly of the last months, as a text or a number of either unit."""
    pick = rng.random()
    if pick < 0.5:
        return NOW - below(rng, 2 * 10**10)
    if pick < 0.65:
        return (NOW - below(rng, 10**10)) / 1000
    if pick < 0.8:
        return f"{rng.randrange(1990, 2040)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 32):02}T{below(rng, 25):02}:00:00Z"
    return one_of(rng, TIMES) if pick < 0.93 else anything(rng)


def anything(rng: Random, depth: int = 4) -> Any:
    """Any JSON value."""
    pick = rng.random()
    if depth and pick < 0.12:
        return [anything(rng, depth - 1) for _ in range(below(rng, 4))]
    if depth and pick < 0.25:
        return {text(rng): anything(rng, depth - 1) for _ in range(below(rng, 4))}
    simple: Sequence[Callable[[Random], Any]] = (number, text, label, lambda rng: one_of(rng, (None, True, False)))
    return one_of(rng, simple)(rng)

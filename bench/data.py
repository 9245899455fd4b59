"""Events to measure with: seeded synthetic ones of any size, and the real year of the Complete Journey.

Knows: what a shop's events look like and how often each kind occurs.  Must not know: who reads them, or how.
The synthetic mix is the one of the demo's year (``streams.shoppers``): shares of kinds, sizes of records, the two
topics.  Texts are made once and reused, so that a million events take seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from streams.shoppers import year
from streams.shoppers.batch import BEHAVIOR, ORDERS, Batch

Skew = Literal["uniform", "zipf", "busy"]
Ints = npt.NDArray[np.int64]

LIVE: Final = 5_000  #: events a second of the shop's own time, where nothing else is said
CHUNK: Final = 20_000
VARIANTS: Final = 500  #: different texts of one kind
BUSY: Final = 1_000  #: customers that a "busy" shop hears from, whatever its size
ZIPF: Final = 1.1
DAY: Final = 86_400_000
CATEGORIES: Final = ("茶叶", "零食", "乳品", "粮油", "酒水", "水果", "清洁", "母婴", "美妆", "家电", "图书", "宠物")
CITIES: Final = ("北京", "上海", "广州", "深圳", "杭州", "成都", "武汉", "西安", "长沙", "青岛")
CHANNELS: Final = ("web", "app", "mini_program", "store")


@dataclass(frozen=True)
class Shop:
    """Which customers a stream of events is about, and when they happen."""

    customers: int
    end: int  #: time of the last event (ms)
    span: int  #: time between the first and the last event (ms)
    skew: Skew = "uniform"
    seed: int = 7
    prefix: str = "c"  #: of the customers' ids

    def name(self, number: int) -> str:
        """The id of a customer."""
        return f"{self.prefix}-{number:07d}"


def live(customers: int, end: int, count: int, skew: Skew = "uniform", seed: int = 7) -> Shop:
    """A busy shop's last ``count`` events before ``end``: so little time that silence has no part in them."""
    return Shop(customers, end, count * 1000 // LIVE, skew, seed)


@dataclass(frozen=True)
class _Kind:
    head: str
    share: float  #: per cent of the demo's events
    properties: Callable[[np.random.Generator], str]
    topic: str = BEHAVIOR
    field: str = "properties"
    order: bool = False


def _item(rng: np.random.Generator, *, quantity: bool = False) -> str:
    number = int(rng.integers(0, 4000))
    item = f'"product_id":"p-{number}","category":"{CATEGORIES[number % len(CATEGORIES)]}","brand":"b-{number % 300}"'
    item += f',"price":{5 + number % 900 / 10:.2f}'
    return f'{item},"quantity":{int(rng.integers(1, 4))}' if quantity else item


def _money(rng: np.random.Generator) -> str:
    return f"{rng.gamma(2.0, 60.0):.2f}"


def _order(rng: np.random.Generator) -> str:
    lines = ",".join(f"{{{_item(rng, quantity=True)}}}" for _ in range(int(rng.geometric(0.14))))
    return f'"revenue":{_money(rng)},"currency":"CNY","discount":{int(rng.integers(0, 20))}.00,"products":[{lines}]'


def _cart(rng: np.random.Generator) -> str:
    return f'"cart_id":"k-{rng.integers(0, 10**9)}","value":{_money(rng)},"currency":"CNY"'


def _traits(rng: np.random.Generator) -> str:
    phone = f"139{rng.integers(0, 10**8):08d}"
    return f'"city":"{rng.choice(CITIES)}","age":{rng.integers(18, 80)},"phone":"{phone}","origin":"app"'


def _track(name: str, share: float, make: Callable[[np.random.Generator], str], **more: object) -> _Kind:
    return _Kind(f'{{"type":"track","event":"{name}","userId":"', share, make, **more)  # type: ignore[arg-type]


KINDS: Final = (
    _track("Product Viewed", 31.65, _item),
    _track("Product Added", 14.64, lambda rng: _item(rng, quantity=True)),
    _Kind('{"type":"page","userId":"', 13.40, lambda _: '"name":"Home"'),
    _track("Order Completed", 12.29, _order, topic=ORDERS, order=True),
    _track("Checkout Started", 8.03, _cart),
    _track("Products Searched", 4.68, lambda rng: f'"query":"{rng.choice(CATEGORIES)}"'),
    _track("Product List Viewed", 4.48, lambda rng: f'"category":"{rng.choice(CATEGORIES)}"'),
    _track("Cart Viewed", 3.90, _cart),
    _track("Payment Info Entered", 2.79, _cart),
    _track("Email Opened", 1.44, lambda rng: f'"campaign":"campaign-{rng.integers(0, 30)}"'),
    _track("Product Removed", 0.97, lambda rng: _item(rng, quantity=True)),
    _track("Coupon Applied", 0.63, _cart),
    _track("Product Reviewed", 0.41, lambda rng: f'{_item(rng)},"rating":{rng.integers(1, 6)},"text":"一切都好"'),
    _Kind('{"type":"identify","userId":"', 0.20, _traits, field="traits"),
    _track("Product Shared", 0.17, _item),
    _track("Order Refunded", 0.13, lambda rng: f'"total":{_money(rng)},"currency":"CNY"', topic=ORDERS, order=True),
    _track("Support Contacted", 0.12, lambda _: '"topic":"points","text":"积分怎么兑换？"'),
    _track("Complaint Filed", 0.07, lambda _: '"text":"收到的商品有破损"'),
)


class Events(Iterator[Batch]):
    """``count`` events of a shop in chunks, oldest first; the same arguments give the same bytes."""

    def __init__(self, shop: Shop, count: int) -> None:
        self._shop, self._count, self._made = shop, count, 0
        self._rng = np.random.default_rng(shop.seed)
        self._who = _chooser(shop, self._rng)
        shares = np.array([kind.share for kind in KINDS])
        self._shares = shares / shares.sum()
        texts = np.random.default_rng(shop.seed)
        self._tails = [[_tail(kind, texts) for _ in range(VARIANTS)] for kind in KINDS]

    def __next__(self) -> Batch:
        n = min(CHUNK, self._count - self._made)
        if n <= 0:
            raise StopIteration
        shop, first = self._shop, self._made
        self._made += n
        who = self._who(n).tolist()
        kinds = self._rng.choice(len(KINDS), n, p=self._shares).tolist()
        texts = self._rng.integers(0, VARIANTS, n).tolist()
        times = shop.end - shop.span + (first + 1 + np.arange(n)) * shop.span // self._count
        stamps = np.datetime_as_string(times.astype("datetime64[ms]")).tolist()
        names = [shop.name(number) for number in who]
        run = f"{shop.prefix}{shop.seed}-{shop.end}"
        tails, heads = self._tails, [kind.head for kind in KINDS]
        orders = [kind.order for kind in KINDS]
        values = [
            (
                f'{heads[kind]}{name}","messageId":"{run}-{number}","timestamp":"{at}Z",'
                f"{tails[kind][text].replace('@', str(number)) if orders[kind] else tails[kind][text]}"
            ).encode()
            for number, kind, name, text, at in zip(range(first, first + n), kinds, names, texts, stamps, strict=True)
        ]
        topics = [KINDS[kind].topic for kind in kinds]
        return Batch(topics, [name.encode() for name in names], values, times.tolist())


def _tail(kind: _Kind, rng: np.random.Generator) -> str:
    order = '"order_id":"o-@",' if kind.order else ""
    channel = CHANNELS[int(rng.integers(0, len(CHANNELS)))]
    return f'"context":{{"channel":"{channel}"}},"{kind.field}":{{{order}{kind.properties(rng)}}}}}'


def _chooser(shop: Shop, rng: np.random.Generator) -> Callable[[int], Ints]:
    """Who the next events are about."""
    if shop.skew == "uniform":
        return lambda n: rng.integers(0, shop.customers, n)
    always = np.random.default_rng(BUSY)  # who is busy does not change from run to run
    if shop.skew == "busy":
        busy = always.permutation(shop.customers)[:BUSY]
        return lambda n: busy[rng.integers(0, len(busy), n)]
    weights = 1.0 / np.arange(1, shop.customers + 1) ** ZIPF
    ranks = np.cumsum(weights) / weights.sum()
    order = always.permutation(shop.customers)
    return lambda n: order[np.minimum(np.searchsorted(ranks, rng.random(n)), shop.customers - 1)]


def journey(end: int, timezone: str, households: int | None = None) -> Iterator[Batch]:
    """The Complete Journey's year as the demo sends it, ending at ``end``; about 1.24 million events in full."""
    return year(7, end, households, None, timezone=timezone)

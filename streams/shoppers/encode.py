"""Acts as Segment-shaped JSON.

JSON is put together from ready-made pieces, whole columns at a time: a generic encoder needs three times as long.
Everything that could need escaping is escaped once, when a piece is made.
Knows: the shape of every event, and its name in the Segment e-commerce spec.
Must not know: why somebody does something, Kafka.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec
import numpy as np

from streams.shoppers.acts import CHANNELS, Act, Acts
from streams.shoppers.aftermath import TEXTS
from streams.shoppers.batch import BEHAVIOR, ORDERS
from streams.shoppers.journey import Ints, Journey
from streams.shoppers.people import INVENTED, People, user_id
from streams.shoppers.texts import COMPLAINTS, QUESTIONS, REVIEWS, TOPICS

CURRENCY: Final = "USD"
NAMES: Final = {
    Act.LIST: "Product List Viewed",
    Act.SEARCH: "Products Searched",
    Act.VIEW: "Product Viewed",
    Act.ADD: "Product Added",
    Act.REMOVE: "Product Removed",
    Act.CART: "Cart Viewed",
    Act.CHECKOUT: "Checkout Started",
    Act.COUPON: "Coupon Applied",
    Act.PAYMENT: "Payment Info Entered",
    Act.ORDER: "Order Completed",
    Act.REFUND: "Order Refunded",
    Act.REVIEW: "Product Reviewed",
    Act.SHARE: "Product Shared",
    Act.COMPLAINT: "Complaint Filed",
    Act.SUPPORT: "Support Contacted",
    Act.EMAIL: "Email Opened",
}
_PAGES: Final = ("Home", "Weekly Deals", "My Account", "Store Finder")
_PAYMENTS: Final = ("wechat_pay", "alipay", "card")
_MONEY: Final = [f"{cents // 100}.{cents % 100:02d}" for cents in range(20_000)]


def _quoted(text: object) -> str:
    return msgspec.json.encode(text).decode()


_HEAD: Final = {act: f'{{"type":"track","event":{_quoted(name)},"userId":"' for act, name in NAMES.items()} | {
    Act.IDENTIFY: '{"type":"identify","userId":"',
    Act.HOME: '{"type":"page","userId":"',
}
_BODY: Final = {act: ',"traits":{' if act is Act.IDENTIFY else ',"properties":{' for act in Act}
_CHANNEL: Final = [f'"context":{{"channel":"{channel}"}}' for channel in CHANNELS]
_REVIEW: Final = {stars: [_quoted(text) for text in texts] for stars, texts in REVIEWS.items()}
_COMPLAINT: Final = [_quoted(text) for text in COMPLAINTS]
_SUPPORT: Final = [f'"topic":"{topic}","text":{_quoted(text)}' for topic, text in zip(TOPICS, QUESTIONS, strict=True)]


def money(cents: Iterable[int]) -> list[str]:
    """Amounts as JSON numbers with two places.

    >>> money([0, 5, 123456])
    ['0.00', '0.05', '1234.56']
    """
    return [_MONEY[c] if 0 <= c < 20_000 else f"{c // 100}.{c % 100:02d}" for c in cents]


class Encoder:
    """Turns acts of one journey into records.

    An order is named by its basket; with a ``run``, by ``basket-run-detail``, apart from the data's and from each other.
    """

    def __init__(self, journey: Journey, people: People, run: str = "") -> None:
        self.baskets, self.lines, self.run = journey.baskets, journey.lines, run
        self.users = [user_id(household) for household in journey.households.tolist()]
        self.keys = [user.encode() for user in self.users]
        self.traits = [self._traits_of(journey, people, place) for place in range(len(self.users))]
        catalogue = journey.catalogue
        self.categories = [_quoted(name) for name in catalogue.category]
        self.products = [
            f'"product_id":"{product}","category":{category},"brand":{_quoted(brand)}'
            for product, category, brand in zip(catalogue.id, self.categories, catalogue.brand, strict=True)
        ]
        self.priced = [
            f'{product},"price":{price}'
            for product, price in zip(self.products, money(catalogue.price.tolist()), strict=True)
        ]
        self._details: dict[Act, Callable[[Acts], list[str]]] = {
            Act.IDENTIFY: lambda rows: [self.traits[place] for place in rows["household"].tolist()],
            Act.HOME: self._pages,
            Act.LIST: lambda rows: [f'"category":{self.categories[p]}' for p in rows["product"].tolist()],
            Act.SEARCH: lambda rows: [f'"query":{self.categories[p].lower()}' for p in rows["product"].tolist()],
            Act.VIEW: self._product,
            Act.ADD: lambda rows: [f'{self.priced[p]},"quantity":1' for p in rows["product"].tolist()],
            Act.REMOVE: lambda rows: [f'{self.priced[p]},"quantity":1' for p in rows["product"].tolist()],
            Act.CART: self._cart,
            Act.CHECKOUT: self._cart,
            Act.COUPON: self._coupon,
            Act.PAYMENT: self._payment,
            Act.ORDER: self._order,
            Act.REFUND: self._refund,
            Act.REVIEW: self._review,
            Act.SHARE: self._product,
            Act.COMPLAINT: self._complaint,
            Act.SUPPORT: lambda rows: [_SUPPORT[detail % len(_SUPPORT)] for detail in rows["detail"].tolist()],
            Act.EMAIL: self._email,
        }

    def values(self, table: Acts, times: Ints, messages: list[str]) -> list[bytes]:
        """One JSON text per row; ``times`` are UTC milliseconds, ``messages`` the message ids."""
        kinds = table["act"]
        details = [""] * len(table)
        for act in np.unique(kinds).tolist():
            rows = np.flatnonzero(kinds == act)
            for place, detail in zip(rows.tolist(), self._details[Act(act)](table[rows]), strict=True):
                details[place] = detail
        stamps = np.datetime_as_string(times.astype("datetime64[ms]")).tolist()
        users = [self.users[place] for place in table["household"].tolist()]
        columns = zip(kinds.tolist(), users, messages, stamps, table["channel"].tolist(), details, strict=True)
        return [
            f'{_HEAD[act]}{user}","messageId":"{message}","timestamp":"{at}Z",{_CHANNEL[where]}{_BODY[act]}{detail}}}}}'.encode()
            for act, user, message, at, where, detail in columns
        ]

    @staticmethod
    def topics(table: Acts) -> list[str]:
        """The topic of each row."""
        return [ORDERS if act in {Act.ORDER, Act.REFUND} else BEHAVIOR for act in table["act"].tolist()]

    def _traits_of(self, journey: Journey, people: People, place: int) -> str:
        columns = (people.names, people.phones, people.emails, people.cities, people.origins)
        invented = dict(zip(INVENTED, (column[place] for column in columns), strict=True))
        traits = {**invented, **journey.traits[place], "simulated": " ".join(INVENTED)}
        return _quoted(traits)[1:-1]

    def _pages(self, rows: Acts) -> list[str]:
        return [f'"name":"{_PAGES[detail % len(_PAGES)]}"' for detail in rows["detail"].tolist()]

    def _product(self, rows: Acts) -> list[str]:
        return [self.priced[place] for place in rows["product"].tolist()]

    def _order_ids(self, rows: Acts) -> list[str]:
        ids = self.baskets.id[rows["basket"]].tolist()
        if not self.run:
            return [str(number) for number in ids]
        return [f"{number}-{self.run}-{n}" for number, n in zip(ids, rows["detail"].tolist(), strict=True)]

    def _cart(self, rows: Acts) -> list[str]:
        values = money(self.baskets.revenue[rows["basket"]].tolist())
        ids = self._order_ids(rows)
        return [f'"cart_id":"c-{i}","value":{v},"currency":"{CURRENCY}"' for i, v in zip(ids, values, strict=True)]

    def _coupon(self, rows: Acts) -> list[str]:
        basket = rows["basket"]
        off = money(self.baskets.coupon_discount[basket].tolist())
        codes = self._codes(basket)
        return [
            f'"cart_id":"c-{i}","discount":{o}{c}' for i, o, c in zip(self._order_ids(rows), off, codes, strict=True)
        ]

    def _payment(self, rows: Acts) -> list[str]:
        methods = (rows["household"] % len(_PAYMENTS)).tolist()
        return [
            f'"cart_id":"c-{i}","payment_method":"{_PAYMENTS[m]}"'
            for i, m in zip(self._order_ids(rows), methods, strict=True)
        ]

    def _codes(self, basket: Ints) -> list[str]:
        """The redeemed coupon and its campaign, or nothing."""
        pairs = zip(self.baskets.coupon[basket].tolist(), self.baskets.campaign[basket].tolist(), strict=True)
        return [f',"coupon":"{upc}","campaign":"campaign-{campaign}"' if upc else "" for upc, campaign in pairs]

    def _order(self, rows: Acts) -> list[str]:
        baskets, basket = self.baskets, rows["basket"]
        revenue = money(baskets.revenue[basket].tolist())
        coupon_off = money(baskets.coupon_discount[basket].tolist())
        retail_off = money(baskets.retail_discount[basket].tolist())
        parts = zip(
            self._order_ids(rows),
            revenue,
            coupon_off,
            retail_off,
            self._codes(basket),
            self._lines(basket),
            strict=True,
        )
        return [
            f'"order_id":"{i}","revenue":{r},"currency":"{CURRENCY}","discount":{c},"retail_discount":{o}{code},"products":[{lines}]'
            for i, r, c, o, code, lines in parts
        ]

    def _lines(self, basket: Ints) -> list[str]:
        first, last = self.baskets.first_line[basket], self.baskets.first_line[basket + 1]
        ends = np.cumsum(last - first)
        place = np.repeat(last - ends, last - first) + np.arange(ends[-1])
        lines = self.lines
        prices = money(lines.price[place].tolist())
        columns = zip(lines.product[place].tolist(), prices, lines.quantity[place].tolist(), strict=True)
        texts = [
            f'{{{self.products[product]},"price":{price},"quantity":{count}}}' for product, price, count in columns
        ]
        starts = (ends - (last - first)).tolist()
        return [",".join(texts[start:end]) for start, end in zip(starts, ends.tolist(), strict=True)]

    def _refund(self, rows: Acts) -> list[str]:
        amounts = money(rows["detail"].tolist())
        columns = zip(self._order_ids(rows), amounts, rows["product"].tolist(), strict=True)
        return [
            f'"order_id":"{i}","total":{a},"currency":"{CURRENCY}","products":[{{{self.priced[p]},"quantity":1}}]'
            for i, a, p in columns
        ]

    def _review(self, rows: Acts) -> list[str]:
        texts = []
        for product, detail in zip(rows["product"].tolist(), rows["detail"].tolist(), strict=True):
            stars, text = divmod(detail, TEXTS)
            words = _REVIEW[stars]
            texts.append(f'{self.products[product]},"rating":{stars},"text":{words[text % len(words)]}')
        return texts

    def _complaint(self, rows: Acts) -> list[str]:
        columns = zip(self._order_ids(rows), rows["detail"].tolist(), strict=True)
        return [f'"order_id":"{i}","text":{_COMPLAINT[detail % len(_COMPLAINT)]}' for i, detail in columns]

    def _email(self, rows: Acts) -> list[str]:
        campaigns = rows["detail"].tolist()
        return [f'"campaign":"campaign-{number}"' if number else '"campaign":"newsletter"' for number in campaigns]

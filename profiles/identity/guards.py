"""Why two customers are not joined although a claim says that they are one.

Knows: what speaks against it.  Must not know: how joining works.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from profiles.identity.messages import Card
from profiles.identity.names import STRONG, kind_of

TOO_MANY, TWO, PARTED = "too_many_ids", "two_of_a_kind", "parted_by_hand"


class Limits(msgspec.Struct, frozen=True):
    """What a shop allows."""

    ids: int = 1000  #: of one customer
    single: tuple[str, ...] = STRONG  #: kinds of which a customer has one


def objection(mine: Card, theirs: Card, explicit: bool, limits: Limits) -> str:
    """Why not; empty if nothing speaks against it.  What somebody said is believed, but for the limit.

    >>> u1, u2 = Card(1, ("u-1",)), Card(3, ("u-2",))
    >>> objection(u1, u2, False, Limits()), objection(u1, u2, True, Limits()), objection(u1, u2, True, Limits(ids=3))
    ('two_of_a_kind', '', 'too_many_ids')
    >>> objection(Card(2, ("u-1", "u-2")), Card(1), False, Limits())  # somebody said that these two are one
    ''
    """
    if mine.weight + theirs.weight > limits.ids:
        return TOO_MANY
    if explicit:
        return ""
    if any(opposite(seal) in theirs.seals for seal in mine.seals):
        return PARTED
    return TWO if any(_differ(kind, mine, theirs) for kind in limits.single) else ""


def _differ(kind: str, mine: Card, theirs: Card) -> bool:
    """Whether each has an id of this kind that the other has not.  Several that were joined explicitly are one's."""
    ours, others = ({name for name in card.anchors if kind_of(name) == kind} for card in (mine, theirs))
    return not (ours <= others or others <= ours)


def opposite(seal: str) -> str:
    """The other half of a seal.

    >>> opposite("+a1"), opposite("-a1")
    ('-a1', '+a1')
    """
    return ("-" if seal[0] == "+" else "+") + seal[1:]


def first_card(name: str, seals: tuple[str, ...], limits: Limits) -> Card:
    """The card of an id alone."""
    return Card(1, (name,) if kind_of(name) in limits.single else (), seals)


def joined_card(cards: Iterable[Card]) -> Card:
    """The card of a customer behind several ids."""
    weight, anchors, seals = 0, set[str](), set[str]()
    for card in cards:
        weight += card.weight
        anchors.update(card.anchors)
        seals.update(card.seals)
    return Card(weight, tuple(sorted(anchors)), tuple(sorted(seals)))

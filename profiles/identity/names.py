"""What a customer is called: ids as names that say what kind of id they are.

Of all the names of one customer the smallest is the root, the one that answers.  User ids keep their text, every other
kind has its prefix, so a name alone tells kind and rank.
Knows: kinds of ids and their order.  Must not know: who claims what, what is stored.
"""

from __future__ import annotations

from typing import Final

USER: Final = "user"
ANONYMOUS: Final = "anon"
KINDS: Final = (USER, "crm", "unionid", "openid", "phone", "email", ANONYMOUS)  #: the first rules
BLIND: Final = frozenset({"phone", "email"})  #: kinds whose values are personal: names hold a keyed hash
STRONG: Final = (USER, "crm", "unionid")  #: kinds of which a customer usually has one
_RANKS: Final = {kind: rank for rank, kind in enumerate(KINDS)}
PART: Final = "\0"  #: no id holds it
VIA: Final = "@"  #: no topic's name holds it


def name_of(kind: str, value: str) -> str:
    """The name of an id.

    >>> name_of("user", "u-1"), name_of("anon", "d7f3")
    ('u-1', 'anon:d7f3')
    """
    return value if kind == USER else f"{kind}:{value}"


def visitor_of(user: str) -> str:
    """The other name that an id has if nobody can tell whether it is a user's or a visitor's.

    >>> visitor_of("d7f3")
    'anon:d7f3'
    """
    return name_of(ANONYMOUS, user)


def kind_of(name: str) -> str:
    """What kind of id a name is.

    >>> kind_of("u-1"), kind_of("crm:77"), kind_of("shop:77")
    ('user', 'crm', 'user')
    """
    kind, colon, _ = name.partition(":")
    return kind if colon and kind != USER and kind in _RANKS else USER


def value_of(name: str) -> str:
    """An id without its kind.

    >>> value_of("anon:d7f3"), value_of("u-1"), value_of("shop:7")
    ('d7f3', 'u-1', 'shop:7')
    """
    return name if kind_of(name) == USER else name.partition(":")[2]


def order_of(name: str) -> tuple[int, str]:
    """The smaller one of two names is the one that stays.

    >>> sorted(["anon:1", "phone:ff", "u-2", "crm:1", "u-1"], key=order_of)
    ['u-1', 'u-2', 'crm:1', 'phone:ff', 'anon:1']
    """
    return _RANKS[kind_of(name)], name


def source_of(topic: str) -> str:
    """The topic that events came from, by whatever buckets they came.

    >>> source_of("events.orders@3@1"), source_of("events.orders")
    ('events.orders', 'events.orders')
    """
    return topic.partition(VIA)[0]


def as_part(owner: str, part: str) -> str:
    """Where an event goes that ``owner`` gets through its part; travels as a name."""
    return f"{owner}{PART}{part}"


def owner_and_part(label: str) -> tuple[str, str]:
    """The inverse of ``as_part``; of a plain name the part is empty.

    >>> owner_and_part(as_part("u-1", "anon:d7f3")), owner_and_part("u-1")
    (('u-1', 'anon:d7f3'), ('u-1', ''))
    """
    owner, _, part = label.partition(PART)
    return owner, part

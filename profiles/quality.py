"""What is counted of the events of a source: which fields they have, how late they come.

A source is a topic, or a topic and the write key its events came in by.  Reasons and repeats are counted of all events,
fields of a source's first ones and then of one in ``ONE_OF``, because to look takes longer than to count.
Knows: counters.  Must not know: Kafka, Redis, when counts are stored, what they say (``worth``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from profiles.clock import DAY, HOUR, MINUTE, Millis
from profiles.intake import Event, Text
from profiles.kinds import Channel, Kind

LOOKED_AT: Final = 200  #: of a source's events in one process, the first so many are looked at for their fields ...
ONE_OF: Final = 64  #: ... and then one of so many
SOURCES: Final = 200  #: of one day in one process; whatever comes beyond shares one
OTHERS: Final = "(others)"


class _Properties(msgspec.Struct):
    order_id: Text | float = None
    currency: Text | float = None


class _Said(msgspec.Struct, rename="camel"):
    """What intake reads and does not hand on."""

    user_id: Text = None
    message_id: Text = None
    timestamp: msgspec.Raw = msgspec.Raw()
    original_timestamp: msgspec.Raw = msgspec.Raw()
    properties: _Properties | None = None
    traits: dict[str, msgspec.Raw] | None = None


_decode: Final = msgspec.json.Decoder(_Said).decode


class Look(NamedTuple):
    """One event that is looked at: its bytes as intake read them, what it became, when it came."""

    raw: bytes
    event: Event
    received: Millis


def fields_of(looks: Iterable[Look]) -> Counter[str]:
    """How many of these events should have each field, and how many do; and how late they came."""
    asked: list[str] = []
    there: list[str] = []
    delays: list[str] = []
    for raw, event, received in looks:
        try:
            said = _decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            said = _Said()  # a field of another type says nothing
        should = _SHOULD.get(event.kind, _ALWAYS)
        asked += should
        there += [field for field in should if _HAS[field](said, event)]
        delay = received - event.time
        delays.append("minute" if delay <= MINUTE else "hour" if delay <= HOUR else "day" if delay <= DAY else "more")
    counts = Counter({f"of:{field}": n for field, n in Counter(asked).items()})
    counts.update({f"has:{field}": n for field, n in Counter(there).items()})
    counts.update({f"delay:{name}": n for name, n in Counter(delays).items()})
    return counts


_HAS: Final[Mapping[str, Callable[[_Said, Event], bool]]] = {
    "user_id": lambda said, _: said.user_id not in (None, ""),
    "message_id": lambda said, _: bool(said.message_id),
    "time": lambda said, _: any(
        bytes(each) not in (b"", b"null", b'""') for each in (said.timestamp, said.original_timestamp)
    ),
    "channel": lambda _, event: event.channel is not Channel.UNKNOWN,
    "order_id": lambda said, _: said.properties is not None and said.properties.order_id not in (None, ""),
    "amount": lambda _, event: event.amount > 0,
    "currency": lambda said, _: said.properties is not None and bool(said.properties.currency),
    "product": lambda _, event: any(line[2] for line in event.lines),
    "traits": lambda said, _: bool(said.traits),
}
_ALWAYS: Final = ["user_id", "message_id", "time", "channel"]
_OF_MONEY: Final = [*_ALWAYS, "order_id", "amount", "currency"]
_SHOULD: Final[Mapping[Kind, list[str]]] = {
    Kind.ORDER: [*_OF_MONEY, "product"],
    Kind.REFUND: _OF_MONEY,
    Kind.CANCEL: _OF_MONEY,
    Kind.VIEW: [*_ALWAYS, "product"],
    Kind.CART_ADD: [*_ALWAYS, "product"],
    Kind.CART_REMOVE: [*_ALWAYS, "product"],
    Kind.IDENTIFY: [*_ALWAYS, "traits"],
}


def spread(seen: int, count: int) -> range:
    """Which of the next ``count`` events are looked at, after ``seen`` others.

    >>> list(spread(0, 3)), list(spread(1000, 100)), list(spread(1100, 10))
    ([0, 1, 2], [24, 88], [])
    """
    return range(count) if seen < LOOKED_AT else range(-seen % ONE_OF, count, ONE_OF)

"""What one request brought: the key it carries in its body, and its events, each ready or unfit.

Knows: the Segment-shaped wire format.  Must not know: where a dialect keeps things.
Events are made one by one as they are asked for, so that a caller without a good key costs little.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from profiles.dialects.names import NONE, Names
from profiles.errors import Rejected
from profiles.identity.claims import stands_for_nobody
from profiles.intake import EVENT_LIMIT
from profiles.kinds import NAMES, Kind

Fields: TypeAlias = dict[str, Any]
Head: TypeAlias = dict[str, msgspec.Raw]
_MONEY: Final = frozenset({Kind.ORDER, Kind.REFUND, Kind.CANCEL})
BROKEN: Final = (msgspec.MsgspecError, ValueError, RecursionError)  #: what bytes that are no JSON can raise
_encode: Final = msgspec.json.Encoder().encode


class Arrived(NamedTuple):
    """A request as a dialect sees it: ``body`` is inflated, header names are lower case."""

    body: bytes
    limit: int = 6 << 20  #: bytes that may come out of what is packed inside the body
    call: str = ""  #: what the path says this is: ``track``, ``identify`` ...
    query: str = ""
    headers: Mapping[str, str] = {}
    names: Names = NONE  #: for dialects whose events have names of their own


class Ready(NamedTuple):
    """An event as it goes to Kafka."""

    value: bytes
    key: bytes | None  #: whom it is about, so that the events of one customer stay in order
    order: bool  #: it moves money


class Unfit(NamedTuple):
    """An event that cannot become one of ours: a dead letter."""

    reason: str
    detail: str
    raw: bytes


Item: TypeAlias = Ready | Unfit


class Parcel(NamedTuple):
    """A request, opened.  ``key`` is the write key its body carries, or empty."""

    key: str
    items: Iterator[Item]


def ready(event: Fields, raw: bytes, seed: bytes = b"") -> Item:
    """One event as a record.  ``raw`` is what was sent; without an id of its own, ``seed`` (or ``raw``) makes one.

    A retried request must be harmless, so the id depends on nothing but what was sent.  An event without a time gets
    none: it cannot be told from one that happened again, and is taken as new, as ``intake`` does.
    """
    try:
        if event.get("messageId") in (None, "") and _timed(event):
            event["messageId"] = digest(seed or raw)
        value = _encode({name: value for name, value in event.items() if value is not None})
    except (*BROKEN, TypeError, OverflowError) as error:
        return Unfit("bad_value", str(error), raw)
    if len(value) > EVENT_LIMIT:
        return Unfit("event_too_large", f"{len(value)} bytes; the limit is {EVENT_LIMIT}", raw)
    return Ready(value, _whom(event.get("userId"), event.get("anonymousId")), is_order(event.get("event")))


def digest(raw: bytes) -> str:
    """A message id made of the message itself.

    >>> digest(b"a")
    'h-27c35e6e9373877f29e562464e46497e'
    """
    return "h-" + blake2b(raw, digest_size=16).hexdigest()


def is_order(name: object) -> bool:
    """Whether an event of this name moves money.

    >>> is_order("Order Completed"), is_order("Product Viewed"), is_order(None)
    (True, False, False)
    """
    return isinstance(name, str) and _is_order(name)


@lru_cache(maxsize=4096)
def _is_order(name: str) -> bool:
    return NAMES.get(name.strip().lower()) in _MONEY


def _timed(event: Fields) -> bool:
    return any(event.get(name) not in (None, "") for name in ("originalTimestamp", "timestamp"))


def _whom(*ids: object) -> bytes | None:
    for each in ids:
        if isinstance(each, (str, int)) and not stands_for_nobody(name := str(each).strip()):
            return name.encode("utf-8", "replace")[:256]
    return None


def opened(raw: bytes | msgspec.Raw) -> Any:
    """JSON of any shape.

    Raises:
        Rejected: it is none.
    """
    try:
        return msgspec.json.decode(raw)
    except BROKEN as error:
        raise Rejected("invalid_json", str(error)) from None


def fields(raw: bytes | msgspec.Raw) -> Fields:
    """A JSON object.

    Raises:
        Rejected: it is none.
    """
    found = opened(raw)
    if not isinstance(found, dict):
        raise Rejected("wrong_type", f"expected a JSON object, got {type(found).__name__}")
    return found


def heads(raw: bytes | msgspec.Raw) -> Head:
    """A JSON object whose values stay as they were sent.

    Raises:
        Rejected: it is none.
    """
    try:
        return _decode_heads(raw)
    except msgspec.ValidationError as error:
        raise Rejected("wrong_type", str(error)) from None
    except BROKEN as error:
        raise Rejected("invalid_json", str(error)) from None


def listed(raw: bytes | msgspec.Raw) -> list[msgspec.Raw]:
    """The elements of a JSON array, each as it was sent.

    Raises:
        Rejected: it is none.
    """
    try:
        return _decode_list(raw)
    except msgspec.ValidationError as error:
        raise Rejected("wrong_type", str(error)) from None
    except BROKEN as error:
        raise Rejected("invalid_json", str(error)) from None


_decode_heads: Final = msgspec.json.Decoder(Head).decode
_decode_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


def part(given: object) -> Fields:
    """A part of an event that should be an object; anything else says nothing."""
    return given if isinstance(given, dict) else {}


def text(given: object) -> str:
    """Something that should be a text.

    >>> text("a"), text(None), text(7)
    ('a', '', '7')
    """
    return given if isinstance(given, str) else str(given) if isinstance(given, int) else ""

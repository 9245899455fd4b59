"""Segment's HTTP API, and RudderStack's and Jitsu's, which are the same but for where they keep traits.

Knows: ``/v1/batch`` and the single calls.  Must not know: what events mean.
Events pass through as they were sent: fields are added, the others stay to the byte.  What is wrong with them is said
by ``intake``, which keeps them as dead letters.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import msgspec

from profiles.dialects.parcel import BROKEN, Arrived, Head, Item, Parcel, Unfit, heads, listed, opened, ready, text
from profiles.errors import Rejected

_LOOKED_AT: Final = ("userId", "anonymousId", "messageId", "event", "timestamp", "originalTimestamp")
_NULL: Final = b"null"


def batch(arrived: Arrived) -> Parcel:
    """``{"batch": [...], "sentAt": ...}``; what stands beside ``batch`` holds for events that do not say it themselves.

    Raises:
        Rejected: the body is no such thing.
    """
    return _batch(arrived, ("sentAt", "context"))


def imported(arrived: Arrived) -> Parcel:
    """The same for history: whenever it is sent, its times are right.

    Raises:
        Rejected: the body is no such thing.
    """
    return _batch(arrived, ("context",))


def single(arrived: Arrived) -> Parcel:
    """One event; the path says its type.

    Raises:
        Rejected: the body is no object.
    """
    head = heads(arrived.body)
    added = {"type": msgspec.Raw(b'"%s"' % arrived.call.encode())} if arrived.call else {}
    return Parcel(_key(head), _events([msgspec.Raw(arrived.body)], added))


def _batch(arrived: Arrived, shared: tuple[str, ...]) -> Parcel:
    head = heads(arrived.body)
    if "batch" not in head:
        raise Rejected("wrong_type", 'expected {"batch": [...]}')
    return Parcel(_key(head), _events(listed(head["batch"]), {name: head[name] for name in shared if _has(head, name)}))


def _key(head: Head) -> str:
    return text(opened(head["writeKey"])) if "writeKey" in head else ""


def _events(sent: list[msgspec.Raw], added: Head) -> Iterator[Item]:
    for raw in sent:
        try:
            head = heads(raw)
        except Rejected as fault:
            yield Unfit(fault.reason, fault.detail, bytes(raw))
            continue
        yield _event(head, bytes(raw), added)


def _event(head: Head, raw: bytes, added: Head) -> Item:
    event: dict[str, Any] = head | {name: value for name, value in added.items() if not _has(head, name)}
    event.pop("writeKey", None)
    for name in _LOOKED_AT:
        if name in head:
            event[name] = _value(bytes(head[name]))
    return ready(event, raw)


def _has(head: Head, name: str) -> bool:
    return name in head and bytes(head[name]) != _NULL


@lru_cache(maxsize=4096)
def _value(raw: bytes) -> Any:
    """Ids and names come again and again.  Numbers stay as they were sent."""
    try:
        found = msgspec.json.decode(raw)
    except BROKEN:  # a number that no float holds
        return msgspec.Raw(raw)
    return found if found is None or isinstance(found, str) or type(found) is int else msgspec.Raw(raw)

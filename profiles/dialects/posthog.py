"""PostHog: ``/batch/`` and the single capture of its SDKs.

Knows: its names that begin with ``$``.  Must not know: feature flags, recordings, anything but events.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from profiles.dialects.parcel import (
    Arrived,
    Fields,
    Item,
    Parcel,
    Unfit,
    fields,
    heads,
    listed,
    opened,
    part,
    ready,
    text,
)
from profiles.errors import Rejected

_CALLS: Final = {
    "$pageview": "page",
    "$screen": "screen",
    "$identify": "identify",
    "$set": "identify",
    "$create_alias": "alias",
    "$merge_dangerously": "alias",
    "$groupidentify": "group",
}
_SERVER: Final = frozenset({"posthog-python", "posthog-node"})


def read(arrived: Arrived) -> Parcel:
    """``{"api_key": ..., "batch": [...], "sent_at": ...}``, or one event with its ``api_key``.

    Raises:
        Rejected: the body is no such thing.
    """
    head = heads(arrived.body)
    said = {name: opened(head[name]) for name in ("api_key", "token", "sent_at") if name in head}
    sent = listed(head["batch"]) if "batch" in head else [msgspec.Raw(arrived.body)]
    return Parcel(text(said.get("api_key") or said.get("token")), _events(sent, said.get("sent_at")))


def _events(sent: list[msgspec.Raw], at: object) -> Iterator[Item]:
    for raw in sent:
        try:
            yield _event(fields(raw), bytes(raw), at)
        except Rejected as fault:
            yield Unfit(fault.reason, fault.detail, bytes(raw))


def _is_visitor(name: str, whom: object, properties: Fields) -> bool:
    """Whether nobody has signed in yet: what an app sends before ``identify`` comes under an id that it made itself."""
    return name != "$identify" and (properties.get("$is_identified") is False or whom == properties.get("$device_id"))


def _event(given: Fields, raw: bytes, at: object) -> Item:
    properties = part(given.get("properties"))
    name = text(given.get("event"))
    known = part(given.get("$set")) or part(properties.get("$set"))
    whom = given.get("distinct_id") or properties.get("distinct_id")
    event: Fields = {
        "type": _CALLS.get(name, "track"),
        "event": name,
        "userId": whom,
        "anonymousId": properties.get("$anon_distinct_id"),
        "messageId": given.get("uuid") or properties.get("$insert_id"),
        "timestamp": given.get("timestamp") or properties.get("timestamp"),
        "sentAt": at,
        "channel": "web" if properties.get("$lib") == "web" else None,
        "properties": {key: value for key, value in properties.items() if key[:1] != "$"},
    }
    if known:
        event["traits"] = known
    if event["type"] == "alias":
        event |= {"userId": None, "anonymousId": whom, "previousId": properties.get("alias")}
    elif _is_visitor(name, whom, properties):
        event |= {"userId": None, "anonymousId": whom}
    return ready(event, raw)

"""CloudEvents 1.0: binary, structured and, over HTTP, batches of structured ones.

Knows: the envelope.  Must not know: what the data means: either it is an event as ``intake`` reads it, or it is the
properties of one, whose name is the envelope's type and whose customer is its subject.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from profiles.dialects.parcel import Arrived, Fields, Item, Parcel, Unfit, digest, fields, listed, opened, part, ready
from profiles.errors import Rejected
from profiles.kinds import CALLS

_NEEDED: Final = ("id", "source", "type", "specversion")
_SHAPED: Final = frozenset({*CALLS, "track"})
_PREFIX: Final = "ce-"
_IN_KAFKA: Final = "ce_"
SIGN: Final = b'"specversion"'  #: what a structured CloudEvent has, also if nobody says that it is one
_STRUCTURED: Final = b"application/cloudevents"


def read(arrived: Arrived) -> Parcel:
    """Whichever of the three modes the headers say.

    Raises:
        Rejected: the body is none of the three.
    """
    kind = arrived.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/cloudevents-batch+json" or (not _binary(arrived) and arrived.body.lstrip()[:1] == b"["):
        return Parcel("", _structured(listed(arrived.body)))
    if _binary(arrived):
        return Parcel("", iter([_sent(_headers(arrived), arrived.body)]))
    opened(arrived.body)
    return Parcel("", _structured([msgspec.Raw(arrived.body)]))


def in_kafka(raw: bytes, headers: Sequence[tuple[str, bytes | None]]) -> Item | None:
    """A record that is a CloudEvent: by its headers, or because it looks like a structured one.  None: it is none."""
    attributes = {
        name[len(_IN_KAFKA) :]: (value or b"").decode("utf-8", "replace")
        for name, value in headers
        if name.startswith(_IN_KAFKA)
    }
    if "id" in attributes or "type" in attributes:
        return _sent({**attributes, "data": msgspec.Raw(raw)}, raw)
    told = next((value or b"" for name, value in headers if name.lower() == "content-type"), b"")
    if not told.startswith(_STRUCTURED) and SIGN not in raw:
        return None
    try:
        envelope = fields(raw)
    except Rejected as fault:
        return Unfit(fault.reason, fault.detail, raw) if told.startswith(_STRUCTURED) else None
    looks = "specversion" in envelope and not {"userId", "anonymousId"} & envelope.keys()
    return _sent(envelope, raw) if looks or told.startswith(_STRUCTURED) else None


def _binary(arrived: Arrived) -> bool:
    return "ce-id" in arrived.headers or "ce-type" in arrived.headers


def _headers(arrived: Arrived) -> Fields:
    found: Fields = {
        name[len(_PREFIX) :]: unquote(value) for name, value in arrived.headers.items() if name.startswith(_PREFIX)
    }
    found["data"] = msgspec.Raw(arrived.body)
    return found


def _structured(sent: list[msgspec.Raw]) -> Iterator[Item]:
    for raw in sent:
        try:
            envelope = fields(raw)
        except Rejected as fault:
            yield Unfit(fault.reason, fault.detail, bytes(raw))
            continue
        yield _sent(envelope, bytes(raw))


def _sent(envelope: Fields, raw: bytes) -> Item:
    missing = [name for name in _NEEDED if not isinstance(envelope.get(name), str) or not envelope[name]]
    if missing:
        return Unfit("no_cloudevent", f"attribute {missing[0]!r} is missing; CloudEvents 1.0 needs it", raw)
    try:
        return ready(_event(envelope, _data(envelope)), raw)
    except Rejected as fault:
        return Unfit(fault.reason, fault.detail, raw)


def _data(envelope: Fields) -> Fields:
    data: Any = envelope.get("data")
    if "data_base64" in envelope:
        try:
            data = msgspec.Raw(b64decode(str(envelope["data_base64"]), validate=True))
        except ValueError as error:
            raise Rejected("bad_base64", str(error)) from None
    if isinstance(data, msgspec.Raw):
        data = opened(data) if bytes(data).strip() else None
    if data is not None and not isinstance(data, dict):
        raise Rejected("wrong_type", "the data of a CloudEvent must be a JSON object")
    return data or {}


def _event(envelope: Fields, data: Fields) -> Fields:
    """Two sources may give the same id to different events, so an event's own id is made of both."""
    message = digest(f"{envelope['source']}\n{envelope['id']}".encode("utf-8", "replace"))
    if data.get("type") in _SHAPED and (data.get("userId") or data.get("anonymousId")):
        event = {**data}
    else:
        name = envelope["type"]
        event = {
            "type": name if name in _SHAPED else "track",
            "event": data.get("event") or name,
            "userId": data.get("userId") or data.get("user_id") or envelope.get("subject"),
            "anonymousId": data.get("anonymousId"),
            "properties": part(data.get("properties")) or data,
            "traits": part(data.get("traits")) or None,
        }
    for field, value in (("messageId", message), ("timestamp", envelope.get("time"))):
        if event.get(field) in (None, ""):
            event[field] = value
    return event

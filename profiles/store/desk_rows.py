"""The rows of the alert desk: how alerts, deliveries and lines of the ledger look in Redis, there and back.

Knows: the fields of its hashes and streams.
Must not know: when they change (``desk.lua``), or who asks (``desk``, ``desk_reads``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from profiles.alerts import Alert, Cause, Episode
from profiles.clock import Millis
from profiles.deliveries import Delivery, Lane
from profiles.store.client import Client

Row = Mapping[bytes, bytes]
Flat = list[str]  #: names and values in turn, as XADD and HSET take them

_decode_alert: Final = msgspec.json.Decoder(Alert).decode
_decode_causes: Final = msgspec.json.Decoder(tuple[Cause, ...]).decode


class LedgerLine(msgspec.Struct, frozen=True):
    """One send, refusal or failure.  ``reason`` is a code of ``profiles.reasons``, empty where all went well."""

    id: str
    at: Millis
    outcome: str  #: refused, withdrawn, delivered, sent, failed, dead, unknown
    reason: str
    channel: str  #: webhook, sms; empty: no alert was made
    alert: str
    profile: str
    policy: str
    delivery: str
    detail: str


class Disabled(msgspec.Struct, frozen=True):
    """Since when, and why, nothing is posted to a URL any more."""

    url: str
    at: Millis
    reason: str


def as_json(value: object) -> str:
    """JSON as text."""
    return msgspec.json.encode(value).decode()


def alert_of(row: Row) -> Alert:
    """An alert as it is now: what was raised, and what has become of it."""
    return msgspec.structs.replace(
        _decode_alert(row[b"alert"]),
        state=row[b"state"].decode(),
        acknowledged_at=int(row[b"acknowledged_at"]) if b"acknowledged_at" in row else None,
        acknowledged_by=row[b"acknowledged_by"].decode() if b"acknowledged_by" in row else None,
        resolved_at=int(row[b"resolved_at"]) if b"resolved_at" in row else None,
    )


def episode_of(row: Row) -> Episode:
    """An open alert with what holds it open."""
    return Episode(alert_of(row), _decode_causes(row[b"causes"]))


def delivery_ids_of(row: Row) -> tuple[str, ...]:
    """The deliveries that were made when this alert was raised."""
    return tuple(row[b"deliveries"].decode().split())


def flat(one: Delivery) -> Flat:
    """A new delivery as the fields of its hash."""
    fields = {
        "lane": one.lane.id,
        "url": one.lane.url,
        "verb": one.verb,
        "alert": one.alert,
        "profile": one.profile,
        "policy": one.policy,
        "created_at": str(one.created_at),
        "state": one.state,
        "attempts": str(one.attempts),
    }
    return [part for pair in fields.items() for part in pair]


def delivery_of(name: str, row: Row) -> Delivery:
    """A delivery from its hash."""
    text = {key.decode(): value.decode() for key, value in row.items()}
    lane = Lane(text.pop("lane"), text.pop("url"))
    return msgspec.convert({**text, "id": name, "lane": lane}, Delivery, strict=False)


def line(at: Millis, outcome: str, reason: str = "", *, detail: str = "", **about: str) -> Flat:
    """A line of the ledger, as the fields of its entry; ``about`` names channel, alert, profile, policy, delivery."""
    fields = {"at": str(at), "outcome": outcome, "reason": reason, **about, "detail": detail[:500]}
    return [part for pair in fields.items() for part in pair]


def line_about(one: Delivery, at: Millis, outcome: str, reason: str = "", detail: str = "") -> Flat:
    """A line of the ledger about a delivery."""
    about = {"channel": one.lane.channel, "delivery": one.id, "alert": one.alert}
    return line(at, outcome, reason, detail=detail, **about, profile=one.profile, policy=one.policy)


def counter(outcome: str, reason: str = "", channel: str = "") -> str:
    """What a line of the ledger is counted under.

    >>> counter("refused", "stale")
    'refused:stale'
    >>> counter("delivered", channel="webhook")
    'webhook:delivered'
    """
    return ":".join(part for part in (channel, outcome, reason) if part)


def line_of(name: bytes, row: Row) -> LedgerLine:
    """A line of the ledger from its stream entry."""
    text: dict[str, Any] = dict.fromkeys(LedgerLine.__struct_fields__, "")
    text |= {key.decode(): value.decode() for key, value in row.items()}
    return msgspec.convert({**text, "id": name.decode()}, LedgerLine, strict=False)


def pairs(values: Iterable[bytes]) -> Row:
    """What HGETALL gives inside a script, as a mapping."""
    items = iter(values)
    return dict(zip(items, items, strict=True))


async def read_rows(redis: Client, names: Iterable[str]) -> list[Row]:
    """Several hashes in one round trip, in order; one that does not exist is empty."""
    pipe: Any = redis.pipeline(transaction=False)
    for name in names:
        pipe.hgetall(name)
    found: list[Row] = await pipe.execute()
    return found

"""The door of the collector: a request, read, opened, and let in.

Knows: where a write key may stand, how large a request may be.
Must not know: what events mean, where they go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs

from fastapi import Request

from api.house import house_of
from api.keys import allowed, given_key
from api.problems import Refusal
from profiles.access import Key
from profiles.dialects.inflate import inflate
from profiles.dialects.parcel import Arrived, Parcel
from profiles.errors import Rejected

READ_LIMIT: Final = 64 << 20  #: bytes that are read, to be able to answer, before the connection is given up
KEY_IN_QUERY: Final = ("token", "writeKey", "write_key", "api_key")

Read = Callable[[Arrived], Parcel]


async def take(request: Request, dialect: str, read: Read, call: str = "") -> None:
    """Returns when all that a request brought is in Kafka.

    Raises:
        Refusal: 400 no such body, 401/403 no such key, 413 too large, 429 too much, 503 Kafka is away.
        NoTopic: no topic is named to write to.
    """
    shown = _key_outside(request)
    key = await _admitted(request, shown) if shown else None
    limit, names = house_of(request).settings.collect_bytes, house_of(request).naming.names
    body = await _body(request, limit)
    try:
        parcel = read(Arrived(body, limit, call, request.url.query, dict(request.headers), names))
    except Rejected as fault:
        if key is None:
            await _admitted(request, None)  # whoever shows no key is told nothing else
        raise _refused(fault) from None
    key = key or await _admitted(request, parcel.key or None)
    await house_of(request).collector.take(list(parcel.items), key, dialect)


async def _admitted(request: Request, shown: str | None) -> Key:
    key = await allowed(request, shown, "write")
    house_of(request).collector.admit(key)
    return key


def _key_outside(request: Request) -> str | None:
    """The write key, where it does not stand in the body."""
    found = given_key(request) or _after_colon(request.headers.get("x-write-key"))
    if found is None and (query := request.url.query):
        asked = parse_qs(query, max_num_fields=32)
        found = next((asked[name][0] for name in KEY_IN_QUERY if name in asked), None)
    return found or None


def _after_colon(given: str | None) -> str | None:
    """Jitsu's SDK insists on ``id:secret``; the secret is the key, the id may be anything."""
    return given and given.rpartition(":")[2]


async def _body(request: Request, limit: int) -> bytes:
    raw, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            raw += chunk
        elif size > READ_LIMIT:
            break
    if size > limit:  # said after it was read: an SDK that still writes would see a broken connection instead
        raise Refusal(413, "body_too_large", f"a request may have {limit} bytes; send smaller batches")
    try:
        return inflate(bytes(raw), limit)
    except Rejected as fault:
        raise _refused(fault) from None


def _refused(fault: Rejected) -> Refusal:
    if fault.reason == "body_too_large":
        return Refusal(413, "body_too_large", fault.detail)
    return Refusal(400, "invalid_body", str(fault))

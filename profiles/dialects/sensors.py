"""神策 Sensors Analytics: ``/sa``, a form whose ``data`` or ``data_list`` is base64 of (mostly gzipped) JSON.

Knows: its types and how its SDKs wrap them.  Must not know: names (``sensors_names``).
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Final
from urllib.parse import parse_qs

import msgspec

from profiles.dialects.inflate import inflate
from profiles.dialects.parcel import Arrived, Fields, Item, Parcel, Unfit, fields, listed, part, ready, text
from profiles.dialects.sensors_names import CHANNELS, EVENTS, FIELDS
from profiles.errors import Rejected

_SETS: Final = frozenset({"profile_set", "profile_set_once"})
_LINKS: Final = frozenset({"track_signup", "track_id_bind"})
_LOGIN: Final = "$identity_login_id"
_once = partial(msgspec.json.encode, order="deterministic")


def read(arrived: Arrived) -> Parcel:
    """One event in ``data`` or many in ``data_list``, of the body's form or, from a browser's image, of the query.

    Raises:
        Rejected: there is neither, or it cannot be unwrapped, or too much comes out.
    """
    try:
        form = parse_qs((arrived.body or arrived.query.encode()).decode("latin-1"), max_num_fields=32)
    except ValueError as error:
        raise Rejected("wrong_type", str(error)) from None
    wrapped = (form.get("data_list") or form.get("data") or [""])[0]
    if not wrapped:
        raise Rejected("wrong_type", "expected a form with data or data_list")
    try:
        packed = b64decode(wrapped.replace(" ", "+"))  # a browser may leave + as it is, which a form reads as a space
    except ValueError as error:
        raise Rejected("bad_base64", str(error)) from None
    return plain(inflate(packed, arrived.limit))


def plain(body: bytes) -> Parcel:
    """One event or a list of them, unwrapped.

    Raises:
        Rejected: a list that is no JSON.
    """
    body = body.strip()
    return Parcel("", _events(listed(body) if body.startswith(b"[") else [msgspec.Raw(body)]))


def _events(sent: list[msgspec.Raw]) -> Iterator[Item]:
    for raw in sent:
        try:
            yield _event(fields(raw), bytes(raw))
        except Rejected as fault:
            yield Unfit(fault.reason, fault.detail, bytes(raw))


def _event(given: Fields, raw: bytes) -> Item:
    sort, properties = text(given.get("type")), part(given.get("properties"))
    event: Fields = {
        **_who(given, properties),
        "timestamp": given.get("time"),
        "sentAt": given.get("_flush_time"),
        "channel": CHANNELS.get(text(properties.get("$lib"))),
        "context": {"library": part(given.get("lib"))},
    }
    if sort == "track":
        called, name = EVENTS.get(text(given.get("event")), ("track", text(given.get("event"))))
        event |= {"type": called, "event": name or text(given.get("event")), "properties": _properties(properties)}
    elif sort in _LINKS:
        event |= {"type": "alias", "previousId": given.get("original_id")}
    elif sort in _SETS:
        event |= {"type": "identify", "traits": {key: value for key, value in properties.items() if key[:1] != "$"}}
    else:
        raise Rejected("unsupported_type", f"type {sort[:40]!r} of 神策 changes what Mien does not keep")
    # Each attempt has another time of sending; what happened has not.
    return ready(event, raw, _once({key: value for key, value in given.items() if key != "_flush_time"}))


def _who(given: Fields, properties: Fields) -> Fields:
    """A login id is a user's, any other is a device's."""
    login = part(given.get("identities")).get(_LOGIN)
    whom = given.get("distinct_id")
    if login:
        return {"userId": login}
    if properties.get("$is_login_id") is True or given.get("type") in _LINKS:
        return {"userId": whom, "anonymousId": given.get("anonymous_id")}
    return {"anonymousId": whom}


def _properties(given: Fields) -> Fields:
    """Under our names where there are any; everything else as it is."""
    out: Fields = {}
    for key, value in given.items():
        name = FIELDS.get(_plain(key))
        if name is not None and name not in given:
            out.setdefault(name, value)
        else:
            out[key] = value
    if isinstance(products := out.get("products"), list):
        out["products"] = [_properties(each) if isinstance(each, dict) else each for each in products]
    return out


@lru_cache(maxsize=4096)
def _plain(name: str) -> str:
    return name.replace("_", "").lower()

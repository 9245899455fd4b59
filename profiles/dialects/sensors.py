"""神策 Sensors Analytics: ``/sa``, a form whose ``data`` or ``data_list`` is base64 of (mostly gzipped) JSON.

Knows: its types and how its SDKs wrap them.  Must not know: what shops call their events (``Arrived.names``).
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from functools import partial
from typing import Final
from urllib.parse import parse_qs

import msgspec

from profiles.dialects.inflate import inflate
from profiles.dialects.names import Names
from profiles.dialects.parcel import Arrived, Fields, Item, Parcel, Unfit, fields, listed, part, ready, text
from profiles.errors import Rejected

#: ``$lib`` -> channel
CHANNELS: Final[dict[str, str]] = {
    "js": "web",
    "Android": "app",
    "iOS": "app",
    "HarmonyOS": "app",
    "Flutter": "app",
    "ReactNative": "app",
    "MiniProgram": "mini_program",
    "WechatMini": "mini_program",
    "AlipayMini": "mini_program",
}
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
    return plain(inflate(packed, arrived.limit), arrived.names)


def plain(body: bytes, names: Names) -> Parcel:
    """One event or a list of them, unwrapped.

    Raises:
        Rejected: a list that is no JSON.
    """
    body = body.strip()
    return Parcel("", _events(listed(body) if body.startswith(b"[") else [msgspec.Raw(body)], names))


def _events(sent: list[msgspec.Raw], names: Names) -> Iterator[Item]:
    for raw in sent:
        try:
            item = _event(fields(raw), bytes(raw), names)
        except Rejected as fault:
            item = Unfit(fault.reason, fault.detail, bytes(raw))
        if item is not None:
            yield item


def _event(given: Fields, raw: bytes, names: Names) -> Item | None:
    """The event, or None if the names say that such events are left out."""
    sort, properties = text(given.get("type")), part(given.get("properties"))
    event: Fields = {
        **_who(given, properties),
        "timestamp": given.get("time"),
        "sentAt": given.get("_flush_time"),
        "channel": CHANNELS.get(text(properties.get("$lib"))),
        "context": {"library": part(given.get("lib"))},
    }
    if sort == "track":
        theirs = text(given.get("event"))
        ours = names.event(theirs)
        if ours is None:
            return None
        event |= {"type": ours[0], "event": ours[1] or theirs, "properties": names.properties(properties)}
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
    if properties.get("$is_login_id") is True or text(given.get("type")) in _LINKS:
        return {"userId": whom, "anonymousId": given.get("anonymous_id")}
    return {"anonymousId": whom}

"""One record of a table, a Segment call or a line of a 神策 log, in one shape.

Knows: where each of them says who, when and what.  Must not know: how names are mapped or values cleaned.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from profiles.dialects.names import plain
from profiles.kinds import CALLS
from profiles.mapping.document import Column, SourceMap

Row = Mapping[str, Any]
NONE: Final[Row] = MappingProxyType({})

_TRAITS_OF: Final = frozenset({"profile_set", "profile_set_once"})
_IGNORED: Final = frozenset(
    {"profile_increment", "profile_append", "profile_unset", "profile_delete", "item_set", "item_delete"}
)
_SENSORS_CALLS: Final = {
    "track": "track", "track_signup": "alias", "track_id_bind": "alias", "track_id_unbind": "", **dict.fromkeys(_TRAITS_OF, "identify"),
}  # fmt: skip
_SENSORS_NAMES: Final = {
    "$pageview": "page",
    "$AppViewScreen": "screen",
    "$MPViewScreen": "screen",
    "$SignUp": "Signed Up",
}


class Said(NamedTuple):
    """What a record says, as it says it."""

    call: str  #: of Segment: track, identify, page ...; empty if nobody knows
    name: str  #: of the event, if it is a track call
    user: object = None
    anonymous: object = None
    time: object = None
    id: object = None  #: its own id
    channel: object = None
    properties: Row = NONE
    traits: Row = NONE
    row: Row = NONE  #: where the mapping's columns are looked for
    extra: Row = NONE  #: what else belongs into the event: an alias's previous id, the device's own clock


def first(row: Row, column: Column | None) -> object:
    """The first of its columns that says anything; in a nested record a column may be one of its properties."""
    if column is None:
        return None
    for name in column.names:
        value = row.get(name)
        if value is not None and value != "":
            return value
    if type(row) is ChainMap:  # a nested record, whose last map knows names without case and _
        for name in column.names:
            value = row.maps[-1].get(plain(name))
            if value is not None and value != "":
                return value
    return None


def said(source: SourceMap, row: Row) -> Said:
    """A record of ``source``, understood."""
    if source.shape == "sensors":
        return _overlaid(source, row, _sensors(row))
    if source.shape == "segment":
        return _overlaid(source, row, _segment(row))
    call = source.event if source.event in CALLS else "track"
    name = "" if call != "track" else source.event
    if source.event_from is not None:
        name = str(_or(first(row, source.event_from), name)).strip()
    channel = _or(first(row, source.channel_from), source.channel or None)
    user, anonymous, time = first(row, source.user), first(row, source.anonymous), first(row, source.time)
    return Said(call, name, user, anonymous, time, None, channel, NONE, NONE, row)


def _overlaid(source: SourceMap, row: Row, found: Said) -> Said:
    """What the mapping finds elsewhere goes before what the shape says."""
    loose = {plain(name): value for name, value in found.properties.items()} if source.shape == "sensors" else {}
    row = ChainMap(dict(found.properties), dict(found.traits), dict(row), loose)
    return found._replace(
        row=row,
        user=_or(first(row, source.user), found.user),
        anonymous=_or(first(row, source.anonymous), found.anonymous),
        time=_or(first(row, source.time), found.time),
        name=str(_or(first(row, source.event_from), found.name)).strip(),
        channel=_or(first(row, source.channel_from), found.channel) or source.channel or None,
    )


def _or(given: object, other: object) -> object:
    return other if given is None else given


def _segment(row: Row) -> Said:
    call, context = row.get("type"), _mapping(row.get("context"))
    return Said(
        call=call if isinstance(call, str) else "track",
        name=str(row.get("event") or ""),
        user=row.get("userId"),
        anonymous=row.get("anonymousId"),
        time=row.get("originalTimestamp") or row.get("timestamp"),
        id=row.get("messageId"),
        channel=row.get("channel") or context.get("channel"),
        properties=_mapping(row.get("properties")),
        traits=_mapping(row.get("traits")) or _mapping(context.get("traits")),
        extra={key: row[key] for key in ("previousId", "groupId") if key in row},
    )


def _sensors(row: Row) -> Said:
    kind = str(row.get("type") or "track")
    properties, name = _mapping(row.get("properties")), str(row.get("event") or "")
    identity, track_id = row.get("distinct_id"), row.get("_track_id")
    own = f"{identity}:{row.get('time')}:{track_id}" if track_id is not None else None
    call = "" if kind in _IGNORED else _SENSORS_CALLS.get(kind, "")
    if call == "track" and name in _SENSORS_NAMES:
        ours = _SENSORS_NAMES[name]
        call, name = (ours, name) if ours in ("page", "screen") else (call, ours)
    return Said(
        call=call,
        name=name,
        user=row.get("login_id") or identity,
        anonymous=row.get("anonymous_id"),
        time=row.get("time"),
        id=own,
        channel=_channel(properties),
        properties={} if call == "identify" else properties,
        traits=properties if call == "identify" else {},
        extra={"previousId": row["original_id"]} if row.get("original_id") else {},
    )


def _channel(properties: Row) -> str | None:
    lib = str(properties.get("$lib") or "").lower()
    for sign, channel in (("mini", "mini_program"), ("android", "app"), ("ios", "app"), ("js", "web")):
        if sign in lib:
            return channel
    return None


def _mapping(value: object) -> Row:
    return value if isinstance(value, Mapping) else NONE


def flat(record: Row, path: str = "") -> Iterator[tuple[str, object]]:
    """A nested record as the columns of a table: ``properties.amount``."""
    for key, value in record.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value

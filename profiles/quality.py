"""What is counted of the events of a source, and what the counts say: complete, valid, repeated, mended, fresh.

A source is a topic, or a topic and the write key its events came in by.  Reasons and repeats are counted of all events,
fields of a source's first ones and then of one in ``ONE_OF``, because to look takes longer than to count.
Knows: counters and their words.  Must not know: Kafka, Redis, when counts are stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from profiles.cleaning.cell import REFUSALS, REPAIRS
from profiles.clock import DAY, HOUR, MINUTE, Millis, iso
from profiles.intake import Event, Text
from profiles.kinds import Channel, Kind

LOOKED_AT: Final = 200  #: of a source's events in one process, the first so many are looked at for their fields ...
ONE_OF: Final = 64  #: ... and then one of so many
KEPT_DAYS: Final = 30
SOURCES: Final = 200  #: of one day in one process; whatever comes beyond shares one
OTHERS: Final = "(others)"

FIELDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "user_id": ("用户 ID", "user id", "all events"),
    "message_id": ("消息 ID", "message id", "all events"),
    "time": ("发生时间", "time", "all events"),
    "channel": ("渠道", "channel", "all events"),
    "order_id": ("订单号", "order id", "orders, refunds, cancellations"),
    "amount": ("金额", "amount", "orders, refunds, cancellations"),
    "currency": ("币种", "currency", "orders, refunds, cancellations"),
    "product": ("商品", "product", "views, carts, orders"),
    "traits": ("客户属性", "traits", "identify calls"),
}
"""Field -> Chinese, English, the events that should have it."""

DELAYS: Final = ("minute", "hour", "day", "more")
REASONS: Final[Mapping[str, tuple[str, str]]] = {
    "invalid_json": ("不是 JSON", "no JSON"),
    "wrong_type": ("JSON 结构不对", "JSON of another shape"),
    "event_too_large": ("单条超过 32 KB", "over 32 KiB"),
    "unknown_type": ("未知的调用类型", "a type of call that is unknown"),
    "missing_event": ("缺少事件名", "a track call without a name"),
    "missing_id": ("缺少客户标识", "neither id names anybody"),
    "id_too_long": ("客户标识过长", "an id over 256 bytes"),
    "bad_id": ("客户标识含控制字符", "control characters in an id"),
    "time_implausible": ("时间不可信", "a time that cannot be"),
    "not_a_number": ("不是数字", "no number"),
    "negative_amount": ("金额为负", "money below zero"),
    "amount_too_large": ("金额过大", "an amount too large to be true"),
    "unknown_currency": ("币种没有汇率", "a currency without a rate"),
    "bad_value": ("值无法处理", "a value that cannot be worked with"),
    "no_cloudevent": ("CloudEvent 缺少必需属性", "a CloudEvent without a needed attribute"),
    "bad_base64": ("base64 无法解码", "base64 that is none"),
    "suppressed": ("客户已注销或被屏蔽，不留存", "of somebody who was suppressed or erased; nothing of it is kept"),
    "fault": ("处理时出错（程序问题）", "a fault of ours"),
}
"""Reason of a refusal -> Chinese, English; those of mappings are in ``cleaning.cell``."""


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


# --- what the counts say ---------------------------------------------------------------------------------------------


class Share(msgspec.Struct, frozen=True):
    """How many of the events that should have a field do, of those that were looked at."""

    field: str
    zh: str
    en: str
    among: str
    looked_at: int
    present: int
    share: float


class Counted(msgspec.Struct, frozen=True):
    """Something that is counted by code, in words."""

    code: str
    zh: str
    en: str
    events: int
    field: str = ""


class Delay(msgspec.Struct, frozen=True):
    """How soon after it happened an event came, of those that were looked at."""

    within_minute: int
    within_hour: int
    within_day: int
    later: int


class Totals(msgspec.Struct, frozen=True):
    """Of one day, or of all days together."""

    received: int
    accepted: int
    refused: int
    repeated: int
    valid: float | None  #: share of what was received that was accepted


class DayTotals(Totals, frozen=True):
    """One day of the shop, by when events came."""

    day: str = ""


class SourceQuality(msgspec.Struct, frozen=True):
    """Everything that is counted of one source, over the days asked for."""

    source: str
    topic: str
    key: str  #: id of the write key, if events came by one
    key_name: str
    totals: Totals
    last_seen: str | None
    newest_event: str | None
    complete: tuple[Share, ...]
    refusals: tuple[Counted, ...]
    repairs: tuple[Counted, ...]
    delays: Delay
    days: tuple[DayTotals, ...]


Counts = Mapping[str, int]


def quality(source: str, days: Mapping[str, Counts], names: Mapping[str, str]) -> SourceQuality:
    """What the counts of some days say; ``names``: of write keys by id."""
    topic, _, key = source.partition("|")
    total: Counter[str] = Counter()
    for counts in days.values():
        total.update({name: n for name, n in counts.items() if name not in _LATEST})
    latest = {name: max((counts.get(name, 0) for counts in days.values()), default=0) for name in _LATEST}
    return SourceQuality(
        source=source,
        topic=topic,
        key=key,
        key_name=names.get(key, ""),
        totals=Totals(*_totals(total)),
        last_seen=_said_at(latest["last"]),
        newest_event=_said_at(latest["newest"]),
        complete=tuple(_shares(total)),
        refusals=_counted(total, "refused"),
        repairs=_counted(total, "repaired"),
        delays=Delay(*(total[f"delay:{name}"] for name in DELAYS)),
        days=tuple(DayTotals(*_totals(days[day]), day=day) for day in sorted(days)),
    )


_LATEST: Final = ("last", "newest")  #: of these the largest counts, not the sum


def _totals(counts: Counts) -> tuple[int, int, int, int, float | None]:
    refused = sum(n for name, n in counts.items() if name.startswith("refused:"))
    accepted = counts.get("accepted", 0)
    received = accepted + refused
    return received, accepted, refused, counts.get("repeated", 0), round(accepted / received, 4) if received else None


def _shares(counts: Counts) -> Iterable[Share]:
    for field, (zh, en, among) in FIELDS.items():
        if of := counts.get(f"of:{field}", 0):
            there = counts.get(f"has:{field}", 0)
            yield Share(field, zh, en, among, of, there, round(there / of, 4))


def _counted(counts: Counts, what: str) -> tuple[Counted, ...]:
    found = []
    for name, n in counts.items():
        kind, _, rest = name.partition(":")
        if kind == what:
            field, _, code = rest.rpartition(":")
            zh, en = REASONS.get(code) or REFUSALS.get(code) or REPAIRS.get(code) or (code, code)
            found.append(Counted(code, zh, en, n, field))
    return tuple(sorted(found, key=lambda each: (-each.events, each.code, each.field)))


def _said_at(moment: Millis) -> str | None:
    return iso(moment) if moment else None


def merged(counts: Iterable[tuple[str, int]]) -> dict[str, dict[str, int]]:
    r"""Counts as they are stored, by source.

    >>> merged([("events.orders\taccepted", 3)])
    {'events.orders': {'accepted': 3}}
    """
    found: dict[str, dict[str, int]] = {}
    for name, n in counts:
        source, _, counter = name.partition("\t")
        found.setdefault(source, {})[counter] = n
    return found


def sources_of(days: Mapping[str, Mapping[str, Counts]], names: Mapping[str, str]) -> Sequence[SourceQuality]:
    """Every source of some days, the one seen last first."""
    known = {source for counts in days.values() for source in counts}
    found = [quality(source, {day: counts[source] for day, counts in days.items() if source in counts}, names)
             for source in known]  # fmt: skip
    return sorted(found, key=lambda each: (each.last_seen or "", each.source), reverse=True)

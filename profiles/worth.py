"""What the counts of a source say: complete, valid, repeated, mended, fresh; each reason and field in Chinese and English.

A source is a topic, a topic and the write key its events came by, or what ``mien import`` read by one mapping.
Knows: counters and their words.  Must not know: how anything is counted, where counts are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from profiles.cleaning.cell import REFUSALS, REPAIRS
from profiles.clock import Millis, iso

KEPT_DAYS: Final = 30
IMPORTED: Final = "import/"  #: begins the names of sources that are files; no topic can be called so
DELAYS: Final = ("minute", "hour", "day", "more")

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

OTHER_FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "who": ("客户标识", "who"),
    "when": ("发生时间", "when"),
    "event": ("事件名", "name of the event"),
    "row": ("整行", "the whole row"),
    "user": ("用户 ID", "user id"),
    "anonymous": ("匿名 ID", "anonymous id"),
    "anonymous_id": ("匿名 ID", "anonymous id"),
    "revenue": ("实付金额", "revenue"),
    "subtotal": ("商品小计", "subtotal"),
    "total": ("订单总额", "total"),
    "shipping": ("运费", "shipping"),
    "tax": ("税费", "tax"),
    "value": ("金额", "value"),
    "discount": ("优惠金额", "discount"),
    "price": ("单价", "price"),
    "products": ("商品明细", "products"),
    "product_id": ("商品编号", "product id"),
    "sku": ("SKU", "SKU"),
    "category": ("类目", "category"),
    "brand": ("品牌", "brand"),
    "quantity": ("数量", "quantity"),
    "rating": ("评分", "rating"),
    "name": ("姓名", "name"),
    "phone": ("手机", "phone"),
    "mobile": ("手机", "phone"),
    "email": ("邮箱", "e-mail"),
    "gender": ("性别", "gender"),
    "age": ("年龄", "age"),
    "birthday": ("生日", "birthday"),
    "city": ("城市", "city"),
    "province": ("省份", "province"),
}
"""The same for what mappings speak of besides; a trait that only a shop knows is called as the shop calls it."""

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
    field_zh: str = ""
    field_en: str = ""


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
    skipped: int  #: left out because a mapping says so; not among what was received
    repeated: int
    valid: float | None  #: share of what was received that was accepted


class DayTotals(Totals, frozen=True):
    """One day of the shop, by when events came."""

    day: str = ""


class SourceQuality(msgspec.Struct, frozen=True):
    """Everything that is counted of one source, over the days asked for."""

    source: str
    kind: str  #: topic, key (what came by one write key) or import (rows of files)
    topic: str  #: empty for an import: the files of a source may go to several
    key: str  #: id of the write key, if events came by one
    key_name: str
    totals: Totals
    last_seen: str | None
    newest_event: str | None
    complete: tuple[Share, ...]
    refusals: tuple[Counted, ...]
    repairs: tuple[Counted, ...]
    dropped: tuple[Counted, ...]  #: values that could not be used; the event stays without them
    delays: Delay
    days: tuple[DayTotals, ...]


Counts = Mapping[str, int]


def quality(source: str, days: Mapping[str, Counts], names: Mapping[str, str]) -> SourceQuality:
    """What the counts of some days say; ``names``: of write keys by id."""
    imported = source.startswith(IMPORTED)
    topic, _, key = ("", "", "") if imported else source.partition("|")
    total: Counter[str] = Counter()
    for counts in days.values():
        total.update({name: n for name, n in counts.items() if name not in _LATEST})
    latest = {name: max((counts.get(name, 0) for counts in days.values()), default=0) for name in _LATEST}
    mended = _counted(total, ("repaired", "dropped"))
    return SourceQuality(
        source=source,
        kind="import" if imported else "key" if key else "topic",
        topic=topic,
        key=key,
        key_name=names.get(key, ""),
        totals=Totals(*_totals(total)),
        last_seen=_said_at(latest["last"]),
        newest_event=_said_at(latest["newest"]),
        complete=tuple(_shares(total, imported=imported)),
        refusals=_counted(total, ("refused",)),
        repairs=tuple(each for each in mended if each.code in REPAIRS),
        dropped=tuple(each for each in mended if each.code not in REPAIRS),
        delays=Delay(*(total[f"delay:{name}"] for name in DELAYS)),
        days=tuple(DayTotals(*_totals(days[day]), day=day) for day in sorted(days)),
    )


_LATEST: Final = ("last", "newest")  #: of these the largest counts, not the sum


def _totals(counts: Counts) -> tuple[int, int, int, int, int, float | None]:
    refused = sum(n for name, n in counts.items() if name.startswith("refused:"))
    accepted, skipped, repeated = (counts.get(name, 0) for name in ("accepted", "left_out", "repeated"))
    received = accepted + refused
    return received, accepted, refused, skipped, repeated, round(accepted / received, 4) if received else None


def _shares(counts: Counts, *, imported: bool) -> Iterable[Share]:
    """Fields that some event should have, those that every source has first."""
    asked = [name.removeprefix("of:") for name, of in counts.items() if name.startswith("of:") and of]
    order = {field: number for number, field in enumerate((*FIELDS, *OTHER_FIELDS))}
    for field in sorted(asked, key=lambda each: (order.get(each, len(order)), each)):
        zh, en = words_of(field)
        among = "all events" if imported or field not in FIELDS else FIELDS[field][2]
        of, there = counts[f"of:{field}"], counts.get(f"has:{field}", 0)
        yield Share(field, zh, en, among, of, there, round(there / of, 4))


def words_of(field: str) -> tuple[str, str]:
    """What a field is called.

    >>> words_of("revenue"), words_of("会员等级")
    (('实付金额', 'revenue'), ('会员等级', '会员等级'))
    """
    return FIELDS[field][:2] if field in FIELDS else OTHER_FIELDS.get(field, (field, field))


def _counted(counts: Counts, kinds: tuple[str, ...]) -> tuple[Counted, ...]:
    found: Counter[tuple[str, str]] = Counter()
    for name, n in counts.items():
        kind, _, rest = name.partition(":")
        if kind in kinds:
            field, _, code = rest.rpartition(":")
            found[field, code] += n
    most = sorted(found.items(), key=lambda each: (-each[1], each[0][1], each[0][0]))
    return tuple(_told(field, code, n) for (field, code), n in most)


def _told(field: str, code: str, n: int) -> Counted:
    zh, en = REASONS.get(code) or REFUSALS.get(code) or REPAIRS.get(code) or (code, code)
    return Counted(code, zh, en, n, field, *words_of(field))


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

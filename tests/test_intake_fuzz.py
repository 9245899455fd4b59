"""Invariant: whatever the bytes, intake gives an Event or raises Rejected, never anything else.

And an Event that came through can be packed, folded, read and stored: bad data may cost a dead letter, never a worker.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from profiles import inputs
from profiles.clock import zone
from profiles.errors import Rejected
from profiles.features import FEATURES, factors
from profiles.intake import Event, Intake
from profiles.kernels.derive import derive
from profiles.kernels.fold import fold
from profiles.kinds import NAMES
from profiles.layout import TABLES
from profiles.measures import TRAITS
from profiles.population import Cuts, population
from profiles.sidecar import patched, read

NOW: Final = 1_790_000_000_000
SHOPS: Final = (Intake("CNY", "Asia/Shanghai", {"USD": 7.1}), Intake("JPY", "America/Santiago"))
HERE: Final = zone("Asia/Shanghai")
PHONE, MAIL, PERSON = "13912345678", "secret.person@example.com", "欧阳娜娜"

words = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", " ", "0", "null", "NaN", "Infinity", "-1", "1e400", "🐼𠮷", "a\u0000b", "\ud800", "x" * 300]),
)
numbers = st.one_of(
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from([0, -0.0, 1e308, -1e308, 5e-324, 2**53, 2**63, 2**64, 10**15, 1.5e15, NOW, NOW / 1000, math.inf]),
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, words),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=6,
)
stamps = st.one_of(
    anything,
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.sampled_from(["1970-01-01T00:00:00Z", "2099-12-31T23:59:59Z", "9999-12-31T23:59:59.999999-14:00", "0001-01-01T00:00:00+14:00"]),
)  # fmt: skip


def _object(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


_product = {
    name: st.one_of(numbers, words, st.sampled_from([1e9, 1e14, "19.99"]))
    for name in ("product_id", "sku", "category", "brand", "price", "quantity")
}
_money = ("revenue", "subtotal", "total", "shipping", "tax", "value", "discount", "rating", "order_id", "currency")
properties = _object(
    **_product,
    **dict.fromkeys(_money, st.one_of(anything, st.floats(0, 1e6), st.sampled_from(["CNY", "USD", "12.34"]))),
    products=st.one_of(anything, st.lists(_object(**_product), max_size=4)),
)
messages = _object(
    type=st.one_of(st.sampled_from(["track", "page", "identify", "screen", "alias"]), anything),
    event=st.one_of(st.sampled_from(sorted(NAMES)), anything),
    userId=st.one_of(st.just("hh-1"), anything),
    anonymousId=anything,
    messageId=st.one_of(st.just("m-1"), anything),
    timestamp=stamps,
    originalTimestamp=stamps,
    sentAt=stamps,
    channel=st.one_of(st.just("web"), anything),
    properties=st.one_of(properties, anything),
    traits=st.one_of(
        st.dictionaries(st.one_of(st.sampled_from(sorted(TRAITS)), words), anything, max_size=4), anything
    ),
    context=st.one_of(_object(channel=anything, traits=anything), anything),
)

#: the same with every field of a type that is allowed: what is wrong, if anything, is what it says
amounts = st.one_of(numbers, st.floats(0, 1e6), st.sampled_from(["12.34", "0", "1e5", "", None, "NaN", 1e9, 1e14]))
labels = st.one_of(words, st.integers(0, 99), st.none())
line = _object(product_id=labels, sku=labels, category=labels, brand=labels, price=amounts, quantity=amounts)
basket = _object(
    **dict.fromkeys((*_money[:-2], "price", "quantity"), amounts),
    order_id=labels,
    currency=st.sampled_from(["CNY", "USD", "JPY", "GBP", "", None]),
    products=st.lists(line, max_size=4),
)
recent = st.one_of(st.integers(NOW - 10**11, NOW + 10**9), st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"))
spoken = st.dictionaries(st.one_of(st.sampled_from(sorted(TRAITS)), words), anything, max_size=4)
plausible = st.builds(
    lambda kind, message: {**kind, "userId": "u", **message},
    st.one_of(st.sampled_from(sorted(NAMES)).map(lambda name: {"event": name}), st.just({"type": "identify"})),
    _object(
        anonymousId=labels,
        messageId=words,
        timestamp=st.one_of(recent, recent, numbers),
        sentAt=recent,
        properties=basket,
        traits=spoken,
        context=_object(channel=words, traits=spoken),
    ),
)


def judged(raw: bytes, shop: Intake) -> Event | None:
    """The event, if there is one, after a trip through everything that touches an event."""
    try:
        event = shop.read(raw, NOW)
    except Rejected:
        return None
    draft = inputs.Draft()
    draft.add(event, 2**40)
    batch = inputs.decode(inputs.encode(draft.batch("events.fuzz", 0, event.time, NOW)))
    assert isinstance(batch, inputs.Batch)
    work = inputs.gather([batch], {}, HERE)
    row, x = np.zeros(TABLES.size, np.int64), np.full(len(FEATURES), np.nan)
    fold(row, work.events, 0)
    every = np.arange(len(FEATURES), dtype=np.int64)
    derive(row, NOW, 0, every, factors(2), population(Cuts()), x)
    assert not np.isinf(x).any(), [feature.name for feature, value in zip(FEATURES, x, strict=True) if np.isinf(value)]
    assert 0 <= event.amount <= 10**12
    assert 946_684_800_000 <= event.time <= NOW + 300_000
    assert set(read(patched(None, [(event.time, event.patch)]))) == {name for name, _ in event.patch}
    return event


@settings(max_examples=400)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(lambda text: text.encode(errors="surrogatepass"))))
@example(b"\xef\xbb\xbf{}")
@example(b'{"type":"page","userId":"\\ud800"}')
@example(b'{"type":"identify","userId":"u","traits":{"a":"\xff"}}')
@example(b'{"type":"identify","userId":"u","traits":{"a":1e999,"\\u0000":{"b":[]}}}')
@example(b'{"a":' * 5000)
def test_any_bytes_are_an_event_or_refused(raw: bytes) -> None:
    judged(raw, SHOPS[0])


@settings(max_examples=600)
@given(st.one_of(plausible, plausible, messages, anything), st.sampled_from(SHOPS))
@example({"userId": "u", "event": "x", "messageId": "m", "timestamp": "9999-12-31T23:59:59Z"}, SHOPS[0])
@example({"userId": "u", "type": "identify", "traits": {"big": 2**70, "deep": {"a": [1]}}}, SHOPS[0])
@example(
    {"userId": "u", "event": "Order Completed", "properties": {"products": [{"price": 1e9, "quantity": 1e14}]}},
    SHOPS[0],
)
def test_any_json_is_an_event_or_refused(message: Any, shop: Intake) -> None:
    judged(json.dumps(message).encode(), shop)


@settings(max_examples=200)
@given(st.data())
def test_half_a_record_is_refused_not_misread(data: st.DataObject) -> None:
    """A valid record cut off anywhere, or with one byte changed."""
    whole = json.dumps(data.draw(plausible), ensure_ascii=False).encode(errors="replace")
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert judged(whole[:cut], SHOPS[0]) is None
    judged(whole[:cut] + data.draw(st.binary(min_size=1, max_size=1)) + whole[cut + 1 :], SHOPS[0])


@settings(max_examples=150)
@given(
    plausible, st.sampled_from(["phone", "Mobile", "email", "E-Mail", "name", "fullName", "手机号", "姓名", "address"])
)
def test_personal_data_never_comes_through_in_plain(message: dict[str, Any], key: str) -> None:
    """Told as a trait, directly or in the context, it is in no field of the event and in no byte that is sent on."""
    secret = PHONE if key in ("phone", "Mobile", "手机号") else PERSON if key in ("name", "fullName", "姓名") else MAIL
    told = message | {"traits": {key: secret}, "context": {"traits": {key: secret}}, "properties": {}}
    event = judged(json.dumps(told).encode(), SHOPS[0])
    if event is not None:
        draft = inputs.Draft()
        draft.add(event, 0)
        sent = inputs.encode(draft.batch("events.fuzz", 0, 0, 0))
        for part in (secret, secret.split("@")[0], secret[3:-4] if secret is PHONE else secret[1:]):
            assert part not in repr(event)
            assert part.encode() not in sent

"""sources.yaml: any source's names, columns and units become events as apps send them."""

from __future__ import annotations

import json
from textwrap import dedent
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.intake import Intake
from profiles.kinds import Kind
from profiles.mapping.apply import Mapped, Mapper
from profiles.mapping.document import SourceMap, load, shipped
from profiles.rules.place import RuleErrors

NOW: Final = 1_795_000_000_000
SHOP: Final = Intake("CNY", "Asia/Shanghai")


def mapper(source: SourceMap) -> Mapper:
    return Mapper(source, "Asia/Shanghai", "CNY", NOW)


def sources(text: str) -> tuple[SourceMap, ...]:
    return load(dedent(text), "my.yaml")


def taken(mapped: Mapped) -> Any:
    """What intake makes of a mapped event."""
    assert mapped.event is not None, mapped.refused
    return SHOP.read(json.dumps(mapped.event).encode(), NOW)


FEN: Final = """\
    version: 1
    sources:
      - name: till
        event_from: 动作
        events: {SubmitOrder: Order Completed, "Refund*": Order Refunded, Test: skip, "*": keep}
        unit: fen
        timezone: Asia/Tokyo
        currency: CNY
        user: [会员号, openid]
        time: 时间
        id: [流水号]
        fields:
          order_id: 流水号
          revenue: 金额
          discount: {from: 优惠, unit: yuan}
          quantity: 数量
        traits:
          phone: 手机
          nickname: {from: 昵称, as: text}
    """


def test_names_units_zones_and_columns_become_ours() -> None:
    [till] = sources(FEN)
    row = {"动作": "SubmitOrder", "会员号": "", "openid": "o9", "时间": "2026/1/3 8:05", "流水号": "A1", "金额": "199,050",
           "优惠": "￥5", "数量": "２件", "手机": "138 1234 1234", "昵称": "　小明 "}  # fmt: skip
    mapped = mapper(till)(row)
    event = taken(mapped)
    assert (event.profile, event.kind, event.amount, event.discount, event.quantity) == (
        "o9",
        Kind.ORDER,
        199_050,
        500,
        2,
    )
    assert event.time == 1_767_395_100_000, "08:05 in Tokyo"
    assert mapped.event is not None
    assert mapped.event["messageId"] == "till:Order Completed:A1"
    assert mapped.event["context"]["origin"] == "backfill"
    assert mapped.event["traits"] == {"phone": "+8613812341234", "nickname": "小明"}
    assert ("revenue", "minor_unit") in mapped.repairs


@pytest.mark.parametrize(
    ("theirs", "kind"), [("RefundPart", Kind.REFUND), ("看直播", Kind.OTHER), ("product viewed", Kind.VIEW)]
)
def test_patterns_are_asked_after_names_and_unknown_names_still_count_as_activity(theirs: str, kind: Kind) -> None:
    [till] = sources(FEN)
    mapped = mapper(till)({"动作": theirs, "会员号": "u1", "时间": "2026-01-03", "流水号": "A1"})
    assert taken(mapped).kind == kind


def test_what_is_to_be_skipped_is_left_out_and_said() -> None:
    [till] = sources(FEN)
    mapped = mapper(till)({"动作": "Test", "会员号": "u1", "时间": "2026-01-03"})
    assert mapped.event is None
    assert mapped.refused is not None
    assert mapped.refused.code == "skipped"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"会员号": ""}, "missing_id"),
        ({"会员号": "NULL"}, "blocked_id"),
        ({"会员号": "anonymous"}, "blocked_id"),
        ({"时间": ""}, "missing_time"),
        ({"时间": "2026-02-30"}, "impossible_date"),
        ({"动作": ""}, "missing_event"),
        ({"金额": "about 5"}, "not_an_amount"),
        ({"金额": "-5"}, "negative_amount"),
        ({"金额": "$5"}, "other_currency"),
    ],
)
def test_an_order_without_who_when_or_how_much_is_refused_with_its_reason(changed: dict[str, str], why: str) -> None:
    [till] = sources(FEN)
    row = {"动作": "SubmitOrder", "会员号": "u1", "时间": "2026-01-03", "流水号": "A1", "金额": "100"} | changed
    found = mapper(till)(row)
    assert found.event is None
    assert found.refused is not None
    assert found.refused.code == why


def test_another_field_that_cannot_be_used_is_left_out_and_the_row_stays() -> None:
    [till] = sources(FEN)
    row = {
        "动作": "SubmitOrder",
        "会员号": "u1",
        "时间": "2026-01-03",
        "流水号": "A1",
        "金额": "100",
        "手机": "n/a!",
        "数量": "many",
    }
    found = mapper(till)(row)
    assert taken(found).amount == 100
    assert set(found.dropped) == {("phone", "not_a_phone"), ("quantity", "not_a_number")}


def test_a_row_has_the_same_message_id_whenever_it_is_read() -> None:
    """Its id columns say it, or all of it."""
    source = sources(FEN.replace("        id: [流水号]\n", ""))[0]
    row = {"动作": "SubmitOrder", "会员号": "u1", "时间": "2026-01-03", "流水号": "A1", "金额": "100"}
    one, two, other = (mapper(source)(each).event for each in (row, dict(row), row | {"金额": "101"}))
    assert one is not None
    assert two is not None
    assert other is not None
    assert one["messageId"] == two["messageId"] != other["messageId"]
    assert mapper(source).narrowed(row)(row).event == one


def test_a_line_of_a_sensors_log_becomes_an_event_or_traits() -> None:
    source = next(each for each in shipped() if each.name == "sensors")
    line = {"type": "track", "event": "SubmitOrder", "distinct_id": "u9", "time": 1767398700000, "_track_id": 5,
            "properties": {"order_amount": 99.5, "order_id": "o1", "$lib": "iOS"}}  # fmt: skip
    event = taken(mapper(source)(line))
    assert (event.profile, event.kind, event.amount, event.time) == ("u9", Kind.ORDER, 9950, 1_767_398_700_000)
    profile = {
        "type": "profile_set",
        "distinct_id": "u9",
        "time": 1767398700000,
        "properties": {"city": "上海", "age": 28},
    }
    event = taken(mapper(source)(profile))
    assert event.kind == Kind.IDENTIFY
    assert dict(event.patch) == {"city": "上海", "age": 28}
    page = {"type": "track", "event": "$pageview", "distinct_id": "u9", "time": 1767398700000, "properties": {}}
    assert taken(mapper(source)(page)).kind == Kind.VISIT
    left = mapper(source)({"type": "item_set", "distinct_id": "u9", "time": 1767398700000, "properties": {}})
    assert left.refused is not None
    assert left.refused.code == "skipped"


def test_a_segment_call_stays_what_it_was() -> None:
    source = next(each for each in shipped() if each.name == "segment")
    call = {"type": "track", "event": "Order Completed", "userId": "u1", "messageId": "m1", "timestamp": "2026-01-03T00:05:00Z",
            "properties": {"order_id": "o1", "products": [{"product_id": "p1", "category": "女装", "price": "10.50", "quantity": 2}]}}  # fmt: skip
    event = taken(mapper(source)(call))
    assert (event.kind, event.amount, event.quantity) == (Kind.ORDER, 2100, 2)
    assert len(event.lines) == 1


@given(st.dictionaries(st.sampled_from(["type", "event", "distinct_id", "userId", "time", "timestamp", "properties", "traits", "context", "_track_id"]),
                       st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))))  # fmt: skip
def test_no_record_makes_a_mapping_raise(record: dict[str, Any]) -> None:
    for source in shipped():
        found = mapper(source)(record)
        assert (found.event is None) == (found.refused is not None)


def test_the_shipped_sources_know_the_usual_chinese_headers() -> None:
    orders = next(each for each in shipped() if each.name == "orders")
    event = taken(
        mapper(orders)({"会员号": "u1", "下单时间": "2026/1/3 8:05", "订单号": "A1", "实付金额": "￥1,234.50"})
    )
    assert (event.kind, event.amount) == (Kind.ORDER, 123_450)


FAULTY: Final = """\
    version: 1
    sources:
      - name: shop
        shape: tabel
        timezone: Asia/Shangai
        events: {SubmitOrder: Order Complete}
        user: 会员号
        time: 时间
        event: Oder Completed
        fields:
          revenu: 金额
          quantity: {from: 数量, unit: fen}
          brand: {from: 品牌, as: phonee}
        trait: {}
    """


def test_every_fault_of_a_file_is_told_with_its_place_and_the_nearest_right_name() -> None:
    with pytest.raises(RuleErrors) as raised:
        sources(FAULTY)
    told = [(fault.line, fault.message) for fault in raised.value.errors]
    expected = {
        4: "unknown shape 'tabel'; did you mean table?",
        5: "unknown time zone 'Asia/Shangai'",
        6: "unknown event 'Order Complete'; did you mean Order Completed?",
        9: "unknown event 'Oder Completed'; did you mean Order Completed?",
        11: "unknown field 'revenu'; did you mean revenue?",
        12: "only amounts have a unit",
        13: "unknown as 'phonee'; did you mean phone?",
        14: "did you mean traits?",
    }
    assert {line for line, _ in told} == expected.keys()
    for line, part in expected.items():
        assert any(part in message for at, message in told if at == line), (line, told)


def test_a_table_that_says_neither_who_nor_when_nor_what_is_a_fault() -> None:
    with pytest.raises(RuleErrors) as raised:
        sources("version: 1\nsources:\n  - name: shop\n    files: ['*']\n")
    assert len(raised.value.errors) == 3


def test_columns_that_a_file_does_not_have_are_told_before_anything_is_sent() -> None:
    [till] = sources(FEN)
    wrong = mapper(till).misfits(["动作", "会员编号", "时间戳"], "my.yaml")
    assert [fault.line for fault in wrong] == [10, 9]
    assert "did you mean 时间戳?" in str(wrong[0])
    assert "did you mean 会员编号?" in str(wrong[1])
    assert mapper(till).misfits(["动作", "openid", "时间"], "my.yaml") == []

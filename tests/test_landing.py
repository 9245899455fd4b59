"""A plain Kafka topic may hold CloudEvents, as the package of the same name writes them, beside events of our own shape."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent
from kafka import KafkaConsumer, KafkaProducer

from profiles.errors import Rejected
from profiles.intake import Event, Intake
from profiles.kinds import Kind
from profiles.landing import Landing
from profiles.mapping.document import load
from profiles.mapping.fields import Note
from profiles.mapping.live import Live, book
from profiles.settings import Settings

NOW: Final = 1_795_000_000_000
LANDING: Final = Landing(Intake("CNY", "Asia/Shanghai"))


def envelope(**changed: object) -> CloudEvent:
    usual = {
        "id": "7", "source": "/shop", "type": "Order Completed", "specversion": "1.0", "subject": "张伟",
        "time": datetime.fromtimestamp(NOW / 1000, UTC), "datacontenttype": "application/json",
    }  # fmt: skip
    return CloudEvent({**usual, **changed}, {"order_id": "o", "revenue": 5})


def landed(message: Any) -> Event:
    return LANDING.read(message.value, NOW, [(name, value) for name, value in message.headers.items()])


def test_both_modes_are_read_from_kafka_keyed_or_not(broker: str) -> None:
    """Through a real topic: header names and bytes are what the package and the broker make of them."""
    topic = "crm-cloudevents"
    written = [kafka.to_binary_event(envelope()), kafka.to_structured_event(envelope(id="8")),
               kafka.to_binary_event(envelope(id="9", partitionkey="k"))]  # fmt: skip
    producer = KafkaProducer(bootstrap_servers=broker, enable_idempotence=False)
    for each in written:
        key = each.key.encode() if isinstance(each.key, str) else each.key
        producer.send(topic, each.value, key=key, headers=list(each.headers.items()))
    producer.close()
    reader = KafkaConsumer(topic, bootstrap_servers=broker, auto_offset_reset="earliest", consumer_timeout_ms=3000)
    try:
        found = [LANDING.read(record.value, record.timestamp, record.headers) for record in reader]
    finally:
        reader.close()
    assert [(event.profile, event.kind, event.amount, event.time) for event in found] == 3 * [
        ("张伟", Kind.ORDER, 500, NOW)
    ]
    assert len({event.key for event in found}) == 3


def test_the_same_cloudevent_in_two_modes_is_one_message() -> None:
    binary, structured = kafka.to_binary_event(envelope()), kafka.to_structured_event(envelope())
    assert landed(binary).key == landed(structured).key


def test_an_envelope_that_nobody_announced_is_seen_and_an_event_that_speaks_of_one_is_left_alone() -> None:
    structured = kafka.to_structured_event(envelope())
    assert LANDING.read(structured.value, NOW).kind is Kind.ORDER
    ours = {"type": "page", "userId": "u-1", "messageId": "m", "properties": {"specversion": "1.0"}}
    assert LANDING.read(json.dumps(ours).encode(), NOW, [("content-type", b"application/json")]).kind is Kind.VISIT


# --- mappings ---------------------------------------------------------------------------------------------------------

SOURCES: Final = """
version: 1
sources:
  - name: crm
    topics: ["crm.*"]
    user: 会员号
    time: 时间
    event_from: 动作
    events: {下单: Order Completed, 心跳: skip, "*": keep}
    id: 流水号
    fields: {order_id: 流水号, revenue: {from: 金额, unit: fen}}
  - name: till
    keys: [k-7]
    shape: segment
    events: {SubmitOrder: Order Completed}
    fields: {revenue: pay}
"""
MAPPED: Final = Landing(Intake("CNY", "Asia/Shanghai"), Live(load(SOURCES), "Asia/Shanghai", "CNY"))
BY_KEY: Final = [("source", b"k-7"), ("dialect", b"segment")]


def row(**changed: object) -> bytes:
    return json.dumps(
        {"会员号": "u-1", "动作": "下单", "流水号": "s-1", "金额": "1,250", "时间": NOW, **changed}
    ).encode()


def test_a_topic_that_a_source_names_is_read_by_its_mapping_and_no_other() -> None:
    notes: list[Note] = []
    event = MAPPED.read(row(), NOW, [], "crm.orders", notes)
    assert (event.profile, event.kind, event.amount, event.time) == ("u-1", Kind.ORDER, 1250, NOW)
    assert {note.code for note in notes} == {"thousands", "minor_unit"}
    assert MAPPED.read(row(), NOW, [], "crm.orders").key == event.key
    assert MAPPED.read(row(动作="摇一摇"), NOW, [], "crm.x").kind is Kind.OTHER
    for topic, changed, reason in [("crm.x", {"金额": "many"}, "not_an_amount"), ("crm.x", {"动作": "心跳"}, "skipped"),
                                   ("crm.x", {"时间": "32.13."}, "not_a_date"), ("events.x", {}, "missing_event")]:  # fmt: skip
        with pytest.raises(Rejected) as refused:
            MAPPED.read(row(**changed), NOW, [], topic)
        assert refused.value.reason == reason


def test_what_came_by_a_write_key_is_read_by_its_source_wherever_it_lies() -> None:
    """The rest of the event stays: its id, its clock, properties that the mapping does not speak of."""
    sent = {"event": "SubmitOrder", "userId": "u", "messageId": "m", "timestamp": NOW - 3_600_000, "sentAt": NOW - 3_600_000,
            "properties": {"pay": "￥8.00", "currency": "CNY", "products": [{"product_id": "p"}]}}  # fmt: skip
    raw = json.dumps(sent).encode()
    event = MAPPED.read(raw, NOW, BY_KEY, "crm.orders")
    assert (event.kind, event.amount, event.time) == (Kind.ORDER, 800, NOW)
    assert event.key == LANDING.read(raw, NOW).key
    assert event.lines[0][2]
    assert LANDING.read(raw, NOW, BY_KEY).kind is Kind.OTHER


def test_what_has_no_time_happened_when_it_came_and_may_happen_again() -> None:
    sent = json.dumps({"event": "SubmitOrder", "userId": "u", "properties": {"pay": 8}}).encode()
    event = MAPPED.read(sent, NOW, BY_KEY)
    assert (event.time, event.key) == (NOW, 0)


def test_the_sources_of_a_shop_go_before_the_shipped_ones_and_replace_those_of_their_name(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(SOURCES.replace("name: till", "name: segment"), encoding="utf-8")
    names = [each.name for each in book(Settings(sources=path))]
    assert names == ["crm", "segment", "sensors", "customers", "orders"]
    assert Landing.of(Settings(sources=path)).read(row(), NOW, [], "crm.x").kind is Kind.ORDER


def test_other_sources_are_in_force_from_the_next_record_on_and_what_was_read_before_stays_readable() -> None:
    """Between reading a stretch and counting its fields somebody may have saved a mapping that refuses it."""
    landing, stricter = Landing.of(Settings()), load(SOURCES.replace("user: 会员号", "user: 卡号"))
    landing.follow(load(SOURCES), Settings())
    assert landing.read(row(), NOW, [], "crm.x").amount == 1250
    landing.follow(stricter, Settings())
    with pytest.raises(Rejected):
        landing.read(row(), NOW, [], "crm.x")
    assert landing.form(row(), [], "crm.x") == row()
    landing.follow((), Settings())
    assert landing.read(json.dumps({"type": "page", "userId": "u"}).encode(), NOW, [], "crm.x").kind is Kind.VISIT


@pytest.mark.parametrize(
    ("raw", "headers", "reason"),
    [
        (b'{"specversion": "1.0", "id": "1"}', [], "no_cloudevent"),
        (b"[1]", [("content-type", b"application/cloudevents+json")], "wrong_type"),
        (b"{", [("content-type", b"application/cloudevents+json; charset=UTF-8")], "invalid_json"),
        (
            b"\xff",
            [("ce_id", b"1"), ("ce_type", b"x"), ("ce_source", b"/s"), ("ce_specversion", b"1.0")],
            "invalid_json",
        ),
        (b"{}", [("ce_id", None)], "no_cloudevent"),
    ],
)
def test_what_is_none_becomes_a_dead_letter(raw: bytes, headers: list[tuple[str, bytes | None]], reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        LANDING.read(raw, NOW, headers)
    assert refused.value.reason == reason

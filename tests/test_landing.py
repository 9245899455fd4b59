"""A plain Kafka topic may hold CloudEvents, as the package of the same name writes them, beside events of our own shape."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent
from kafka import KafkaConsumer, KafkaProducer

from profiles.errors import Rejected
from profiles.intake import Event, Intake
from profiles.kinds import Kind
from profiles.landing import Landing

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

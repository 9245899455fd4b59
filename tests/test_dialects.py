"""Each dialect on its own: what becomes of what was sent, and that no bytes can break it."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.clock import iso
from profiles.dialects import cloudevents, posthog, segment, sensors
from profiles.dialects.inflate import inflate
from profiles.dialects.parcel import Arrived, Item, Parcel, Ready, Unfit
from profiles.errors import Rejected
from profiles.intake import Event, Intake
from profiles.kinds import Channel, Kind
from profiles.mapping.document import load, shipped
from profiles.mapping.live import names_of
from profiles.settings import Settings
from profiles.topics import NoTopic, for_events
from streams.topics import matching

NOW = 1_760_000_000_000
INTAKE = Intake("CNY", "Asia/Shanghai")
READERS: list[Callable[[Arrived], Parcel]] = [
    segment.batch,
    segment.imported,
    segment.single,
    sensors.read,
    posthog.read,
    cloudevents.read,
]


def read_sensors(arrived: Arrived) -> Parcel:
    """As the collector does, with the names that Mien comes with."""
    return sensors.read(arrived._replace(names=names_of(shipped())))


def packed(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def items(parcel: Parcel) -> list[Item]:
    return list(parcel.items)


def one(parcel: Parcel) -> dict[str, Any]:
    """The only event of a request, as Kafka gets it."""
    (item,) = parcel.items
    assert isinstance(item, Ready), item
    found: dict[str, Any] = json.loads(item.value)
    return found


def understood(parcel: Parcel) -> Event:
    (item,) = parcel.items
    assert isinstance(item, Ready), item
    return INTAKE.read(item.value, NOW)


def form(value: object, *, name: str = "data", squeeze: bool = True) -> bytes:
    raw = packed(value)
    return urlencode({name: b64encode(gzip.compress(raw) if squeeze else raw), "gzip": int(squeeze)}).encode()


# --- segment -----------------------------------------------------------------------------------------------------------


def test_a_batch_lends_its_events_the_time_it_was_sent_and_where() -> None:
    own = {"type": "page", "userId": "u", "messageId": "m", "sentAt": "2026-01-01T00:00:00Z"}
    bare = {"type": "page", "userId": "u", "messageId": "n"}
    body = {"batch": [own, bare], "sentAt": "2026-02-02T00:00:00Z", "context": {"channel": "web"}, "writeKey": "wk"}
    parcel = segment.batch(Arrived(packed(body)))
    assert parcel.key == "wk"
    told = [json.loads(item.value) for item in parcel.items if isinstance(item, Ready)]
    assert told == [
        {**own, "context": {"channel": "web"}},
        {**bare, "sentAt": "2026-02-02T00:00:00Z", "context": {"channel": "web"}},
    ]


def test_history_keeps_its_own_time() -> None:
    body = {"batch": [{"type": "page", "userId": "u", "messageId": "n"}], "sentAt": "2026-02-02T00:00:00Z"}
    assert "sentAt" not in one(segment.imported(Arrived(packed(body))))


def test_a_path_says_the_type_and_the_key_goes_no_further() -> None:
    body = {"userId": "u", "event": "Cart Viewed", "messageId": "m", "writeKey": "wk"}
    parcel = segment.single(Arrived(packed(body), call="track"))
    assert parcel.key == "wk"
    assert one(parcel) == {"type": "track", "userId": "u", "event": "Cart Viewed", "messageId": "m"}


def test_what_is_not_looked_at_stays_to_the_byte() -> None:
    body = b'{"batch":[{"userId":"u","messageId":"m","properties":{"price": 1.10,"big":12345678901234567890123}}]}'
    (item,) = segment.batch(Arrived(body)).items
    assert isinstance(item, Ready)
    assert b'{"price": 1.10,"big":12345678901234567890123}' in item.value


def test_an_event_without_an_id_gets_the_same_one_at_every_attempt() -> None:
    """The time of sending is another one each time."""
    event = {"type": "track", "event": "Cart Viewed", "userId": "u", "timestamp": iso(NOW)}
    first, second = (
        one(segment.batch(Arrived(packed({"batch": [event], "sentAt": iso(NOW + n)})))) for n in (1000, 9000)
    )
    assert first["messageId"] == second["messageId"]
    assert first["sentAt"] != second["sentAt"]


def test_an_event_without_an_id_and_without_a_time_is_taken_as_new() -> None:
    event = {"type": "track", "event": "Cart Viewed", "userId": "u"}
    assert "messageId" not in one(segment.batch(Arrived(packed({"batch": [event]}))))


def test_one_bad_event_does_not_spoil_the_others() -> None:
    batch = [{"type": "page", "userId": "u", "messageId": "a"}, 7, None, {"userId": "u", "pad": "x" * 40_000}]
    found = items(segment.batch(Arrived(packed({"batch": batch}))))
    assert [type(item) for item in found] == [Ready, Unfit, Unfit, Unfit]
    assert [item.reason for item in found if isinstance(item, Unfit)] == ["wrong_type", "wrong_type", "event_too_large"]


def test_events_are_keyed_by_whom_they_are_about_and_orders_are_told_apart() -> None:
    batch = [
        {"type": "track", "event": " order completed", "userId": 7, "messageId": "a"},
        {"type": "track", "event": "Product Viewed", "userId": "null", "anonymousId": "张", "messageId": "b"},
        {"type": "track", "event": "Product Viewed", "messageId": "c"},
    ]
    found = [item for item in segment.batch(Arrived(packed({"batch": batch}))).items if isinstance(item, Ready)]
    assert [(item.key, item.order) for item in found] == [(b"7", True), ("张".encode(), False), (None, False)]


# --- 神策 --------------------------------------------------------------------------------------------------------------


def sensed(**changed: object) -> dict[str, object]:
    usual = {"type": "track", "event": "SubmitOrder", "distinct_id": "u-1", "time": NOW, "_track_id": 5,
             "properties": {"orderID": "o-1", "order_actual_amount": 88, "$is_login_id": True}}  # fmt: skip
    return {**usual, **changed}


@pytest.mark.parametrize("name", ["data", "data_list"])
@pytest.mark.parametrize("squeeze", [True, False])
def test_sensors_events_are_unwrapped_and_get_our_names(name: str, squeeze: bool) -> None:
    value = [sensed()] if name == "data_list" else sensed()
    event = understood(read_sensors(Arrived(form(value, name=name, squeeze=squeeze))))
    assert (event.kind, event.amount, event.time, event.profile) == (Kind.ORDER, 8800, NOW, "u-1")


def test_a_browser_sends_them_in_the_address_of_an_image() -> None:
    page = sensed(event="$pageview", properties={"$lib": "js"}, distinct_id="d-1")
    query = urlencode({"data": b64encode(packed(page)), "ext": "crc=1"})
    event = understood(read_sensors(Arrived(b"", query=query)))
    assert (event.kind, event.channel, event.profile) == (Kind.VISIT, Channel.WEB, "anon:d-1")


def test_a_login_id_is_a_user_and_any_other_a_device() -> None:
    assert one(read_sensors(Arrived(form(sensed()))))["userId"] == "u-1"
    assert one(read_sensors(Arrived(form(sensed(properties={})))))["anonymousId"] == "u-1"
    v3 = sensed(properties={}, identities={"$identity_login_id": "u-3"}, distinct_id="$identity_login_id+u-3")
    assert one(read_sensors(Arrived(form(v3))))["userId"] == "u-3"


def test_a_sign_up_links_two_ids_and_profiles_are_traits() -> None:
    linked = one(read_sensors(Arrived(form(sensed(type="track_signup", event="$SignUp", original_id="d-9")))))
    assert (linked["type"], linked["userId"], linked["previousId"]) == ("alias", "u-1", "d-9")
    known = sensed(type="profile_set", properties={"city": "上海", "$is_login_id": True})
    assert one(read_sensors(Arrived(form(known))))["traits"] == {"city": "上海"}


def test_what_mien_does_not_keep_is_a_dead_letter_with_a_reason() -> None:
    found = items(read_sensors(Arrived(form([sensed(), sensed(type="item_set")], name="data_list"))))
    assert [getattr(item, "reason", "") for item in found] == ["", "unsupported_type"]


def test_an_unknown_name_goes_through_and_a_name_of_ours_is_not_overwritten() -> None:
    event = one(read_sensors(Arrived(form(sensed(event="摇一摇", properties={"order_id": "a", "orderID": "b"})))))
    assert event["event"] == "摇一摇"
    assert event["properties"] == {"order_id": "a", "orderID": "b"}


def test_a_repeat_of_a_sensors_event_has_the_same_id_whenever_it_is_sent() -> None:
    first, second, other = (
        one(read_sensors(Arrived(form(sensed(**changed)))))["messageId"]
        for changed in ({"_flush_time": 1}, {"_flush_time": 2}, {"time": NOW + 1})
    )
    assert first == second != other


def test_a_shop_has_names_of_its_own_and_leaves_events_out() -> None:
    """In the order of the mapping, whatever the case; patterns after names; lines of an order as well."""
    text = """
version: 1
sources:
  - name: sensors
    shape: sensors
    events: {提交订单: Order Completed, "app_*": skip}
    fields: {revenue: [total, 实付], product_id: goods_id}
"""
    names = names_of(load(text))
    about = {"实付": 5, "TOTAL": 8, "products": [{"goodsId": "p"}]}
    sent = [sensed(event="提交订单", properties=about), sensed(event="app_start"), sensed(event="SubmitOrder")]
    found = [json.loads(item.value) for item in sensors.plain(packed(sent), names).items if isinstance(item, Ready)]
    assert [each["event"] for each in found] == ["Order Completed", "SubmitOrder"]
    assert found[0]["properties"] == {"revenue": 8, "实付": 5, "products": [{"product_id": "p"}]}


# --- posthog, cloudevents ----------------------------------------------------------------------------------------------


def test_posthog_names_with_a_dollar_are_calls() -> None:
    def told(event: str, **more: object) -> dict[str, Any]:
        sent = {"event": event, "distinct_id": "u", "uuid": "m", "timestamp": iso(NOW), **more}
        return one(posthog.read(Arrived(packed({"api_key": "k", "batch": [sent], "sent_at": iso(NOW)}))))

    assert told("$pageview")["type"] == "page"
    known = told("$identify", properties={"$set": {"city": "北京"}, "$anon_distinct_id": "d"})
    assert (known["type"], known["traits"], known["anonymousId"]) == ("identify", {"city": "北京"}, "d")
    for name in ("$create_alias", "$merge_dangerously"):
        alias = told(name, properties={"alias": "d-2"})
        assert (alias["type"], alias["anonymousId"], alias["previousId"]) == ("alias", "u", "d-2")
    cart = told("Product Added", properties={"quantity": 3, "$lib": "web"})
    assert (cart["properties"], cart["channel"], cart["messageId"]) == ({"quantity": 3}, "web", "m")
    assert posthog.read(Arrived(packed({"api_key": "k", "event": "x", "distinct_id": "u"}))).key == "k"


@pytest.mark.parametrize(
    ("event", "properties", "field"),
    [
        ("Product Viewed", {"$device_id": "u"}, "anonymousId"),
        ("Product Viewed", {"$is_identified": False}, "anonymousId"),
        ("Product Viewed", {"$device_id": "d", "$is_identified": True}, "userId"),
        ("Product Viewed", {}, "userId"),
        ("$identify", {"$anon_distinct_id": "d", "$is_identified": False}, "userId"),
    ],
)
def test_who_has_not_signed_in_with_posthog_is_a_visitor(event: str, properties: dict[str, object], field: str) -> None:
    """A browser sends the id of the device as the customer's, until `identify` says who it is."""
    sent = {"event": event, "distinct_id": "u", "uuid": "m", "timestamp": iso(NOW), "properties": properties}
    found = one(posthog.read(Arrived(packed({"api_key": "k", "batch": [sent], "sent_at": iso(NOW)}))))
    assert found[field] == "u"
    assert (found.get("userId") is None) == (field == "anonymousId")


def test_a_cloudevent_is_an_event_of_ours_or_the_properties_of_one() -> None:
    envelope = {"specversion": "1.0", "id": "7", "source": "/shop", "type": "Order Completed", "time": iso(NOW)}
    bare = {**envelope, "subject": "u-1", "data": {"order_id": "o", "revenue": 5}}
    event = understood(cloudevents.read(Arrived(packed(bare))))
    assert (event.kind, event.amount, event.profile, event.time) == (Kind.ORDER, 500, "u-1", NOW)
    whole = {**envelope, "data": {"type": "page", "userId": "u-2", "messageId": "own"}}
    assert one(cloudevents.read(Arrived(packed(whole)))) == {
        "type": "page", "userId": "u-2", "messageId": "own", "timestamp": iso(NOW)}  # fmt: skip
    encoded = {**bare, "data": None, "data_base64": b64encode(packed({"revenue": 5})).decode()}
    assert understood(cloudevents.read(Arrived(packed(encoded)))).amount == 500


def test_the_same_id_of_two_sources_is_two_cloudevents() -> None:
    def made(source: str) -> str:
        sent = {"specversion": "1.0", "id": "7", "source": source, "type": "x", "subject": "u"}
        return str(one(cloudevents.read(Arrived(packed(sent))))["messageId"])

    assert made("/a") == made("/a") != made("/b")


def test_a_binary_cloudevent_has_its_attributes_in_headers() -> None:
    headers = {"ce-id": "1", "ce-source": "/s", "ce-type": "Product Viewed", "ce-specversion": "1.0",
               "ce-subject": "%E5%BC%A0", "content-type": "application/json"}  # fmt: skip
    event = understood(cloudevents.read(Arrived(b'{"product_id":"p"}', headers=headers)))
    assert (event.kind, event.profile) == (Kind.VIEW, "张")


def test_what_is_no_cloudevent_is_a_dead_letter() -> None:
    good = {"specversion": "1.0", "id": "7", "source": "/a", "type": "x", "subject": "u"}
    bad = [{**good, "id": ""}, {**good, "data": [1]}, {**good, "data_base64": "?"}, 5]
    found = items(cloudevents.read(Arrived(packed([good, *bad]))))
    assert [getattr(item, "reason", "") for item in found] == [
        "", "no_cloudevent", "wrong_type", "bad_base64", "wrong_type"]  # fmt: skip


# --- all ---------------------------------------------------------------------------------------------------------------

JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["batch", "userId", "event", "type", "properties", "distinct_id", "time", "data", "id", "source",
                         "timestamp", "sentAt", "messageId", "context", "specversion", "products", "identities", "x"]),
        inner, max_size=6),
    max_leaves=25,
)  # fmt: skip


@given(JSONS, st.sampled_from(READERS), st.booleans())
def test_any_json_is_taken_apart_or_refused(value: object, read: Callable[[Arrived], Parcel], wrapped: bool) -> None:
    body = json.dumps({"batch": [value, {"userId": value, "event": value}]} if wrapped else value).encode()
    check(read, form(json.loads(body), squeeze=False) if read is sensors.read else body)


@given(st.binary(max_size=200), st.sampled_from(READERS))
def test_any_bytes_are_taken_apart_or_refused(body: bytes, read: Callable[[Arrived], Parcel]) -> None:
    check(read, body)
    check(read, b"data=" + b64encode(body))


def check(read: Callable[[Arrived], Parcel], body: bytes) -> None:
    """Nothing but a refusal is raised, and what is ready is understood by intake, or refused by it."""
    try:
        found = items(read(Arrived(body)))
    except Rejected:
        return
    for item in found:
        if isinstance(item, Ready):
            try:
                INTAKE.read(item.value, NOW)
            except Rejected:
                continue


def test_a_bomb_stops_at_the_limit() -> None:
    bomb = gzip.compress(bytes(50 << 20))
    with pytest.raises(Rejected, match="body_too_large"):
        inflate(bomb, 1 << 20)
    with pytest.raises(Rejected, match="body_too_large"):
        items(read_sensors(Arrived(urlencode({"data": b64encode(bomb)}).encode(), limit=1 << 20)))
    with pytest.raises(Rejected, match="bad_gzip"):
        inflate(bomb[:1000], 60 << 20)


@pytest.mark.parametrize("patterns", [("events.*",), ("*",), ("crm",), ("events.orders", "x"), ("shop.*", "events.o*")])
def test_what_is_collected_goes_where_workers_read(patterns: tuple[str, ...]) -> None:
    chosen = for_events(patterns)
    assert set(matching(patterns, chosen)) == set(chosen)


def test_a_glob_alone_names_no_topic() -> None:
    with pytest.raises(NoTopic, match="MIEN_EVENT_TOPICS"):
        for_events(("shop.*",))
    assert for_events(Settings().event_topics) == ("events.behavior", "events.orders")

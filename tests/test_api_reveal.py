"""Who may read personal data in plain, and what stays of it when somebody did."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from profiles.clock import ManualClock
from profiles.store import keys
from profiles.store.audit import AuditLog
from profiles.store.client import connect
from profiles.vault.audit import Entry, Verdict, check
from profiles.vault.ring import new_entry
from tests.api_shop import NOW, Shop, serving

TRAITS = {"phone": "13812341234", "email": "li.lei@example.com", "city": "上海"}
RING = new_entry("k")
WISH = {"fields": ["phone"], "reason": "客户 13812341234 请求回电"}


@pytest.fixture
def shop(redis_url: str) -> Iterator[Shop]:
    with Shop(redis_url, ManualClock(NOW), pii_keys=RING) as opened:
        opened.open().tell({"type": "identify", "userId": "u-1", "traits": TRAITS})
        yield opened


@pytest.fixture
def http(shop: Shop) -> Iterator[httpx.Client]:
    with serving(shop.settings, shop.clock) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def ask(http: httpx.Client, token: str, wish: Any = WISH, who: str = "u-1") -> httpx.Response:
    return http.post(f"/v1/profiles/{who}/reveal", json=wish, headers={"Authorization": f"Bearer {token}"})


def on_record(shop: Shop) -> list[Entry]:
    return shop.run(AuditLog(shop.client).latest(50))[::-1]


def test_whoever_may_and_says_why_reads_it_in_plain_and_is_on_record(shop: Shop, http: httpx.Client) -> None:
    token = shop.key("pii:reveal")
    wish = {"fields": ["phone", "email", "city", "address"], "reason": WISH["reason"]}

    answer = ask(http, token, wish).raise_for_status().json()

    assert answer == {"profile": "u-1", "fields": TRAITS, "missing": {"address": "absent"}, "audit": 1}
    (entry,) = on_record(shop)
    assert (entry.seq, entry.at, entry.act.fields) == (1, NOW, ("phone", "email", "city", "address"))
    assert (entry.act.outcome, entry.act.reason) == ("done", "客户 138****1234 请求回电")
    assert entry.act.by in token
    assert entry.act.subject == shop.vault.field_of("u-1")  # who it was about is found by whoever knows the name


def test_everybody_else_sees_masks_and_is_on_record_for_trying(shop: Shop, http: httpx.Client) -> None:
    admin, may = shop.key("admin"), shop.key("pii:reveal")
    answers = [
        ask(http, admin), ask(http, may, {"fields": ["phone"]}), ask(http, may, WISH | {"reason": "   "}),
        ask(http, may, who="nobody"), ask(http, "mk_nobody_knows"),
    ]  # fmt: skip
    said = [(each.status_code, each.json()["code"]) for each in answers]
    assert said == [
        (403, "missing_scope"), (422, "invalid_request"), (422, "invalid_request"), (404, "unknown_profile"),
        (401, "unknown_key"),
    ]  # fmt: skip
    assert [entry.act.outcome for entry in on_record(shop)] == [code for _, code in said[:-1]]

    profile = http.get("/v1/profiles/u-1", headers={"Authorization": f"Bearer {admin}"})
    assert profile.json()["traits"] == {"phone": "138****1234", "email": "l***@example.com", "city": "上海"}
    assert not any(TRAITS["phone"] in each.text for each in [profile, *answers])


def test_who_may_not_export_is_on_record_for_trying(shop: Shop, http: httpx.Client) -> None:
    keys_ = [shop.key("read"), shop.key("privacy"), shop.key("privacy", "pii:reveal"), "mk_nobody_knows"]
    wishes = [({}, "u-1"), ({"reason": "客户 13812341234 要求导出"}, "u-1"), ({"reason": "why"}, "nobody"), ({}, "u-1")]
    said = []
    for token, (params, who) in zip(keys_, wishes, strict=True):
        answer = http.get(f"/v1/profiles/{who}/export", params=params, headers={"Authorization": f"Bearer {token}"})
        said.append(answer.json()["code"])
    assert said == ["missing_scope", "missing_scope", "unknown_profile", "unknown_key"]
    acts = [entry.act for entry in on_record(shop)]
    assert [act.outcome for act in acts] == said[:-1]
    assert [(act.fields, act.reason) for act in acts[:2]] == [((), ""), (("personal",), "客户 138****1234 要求导出")]
    assert acts[0].subject == shop.vault.field_of("u-1")


def test_of_a_customer_whose_key_is_destroyed_nothing_is_left_to_reveal(shop: Shop, http: httpx.Client) -> None:
    shred: Any = shop.client
    for bucket in range(shop.settings.buckets):
        shop.run(shred.delete(keys.data_keys(bucket)))

    answer = ask(http, shop.key("pii:reveal")).raise_for_status().json()

    assert (answer["fields"], answer["missing"]) == ({}, {"phone": "shredded"})


@pytest.mark.parametrize("harm", ["change", "drop", "cut", "swap"])
def test_whoever_changes_the_log_breaks_the_chain(shop: Shop, http: httpx.Client, harm: str) -> None:
    token = shop.key("pii:reveal")
    for number in range(4):
        ask(http, token, {"fields": ["phone"], "reason": f"call {number}"}).raise_for_status()
    assert judged(shop) == Verdict(4, shop.run(AuditLog(shop.client).head())[1])

    raw: Any = shop.client
    stored = shop.run(raw.xrange(keys.AUDIT_LOG))
    shop.run(raw.delete(keys.AUDIT_LOG))
    entries = [fields[b"e"] for _, fields in stored]
    entries = {
        "change": [entries[0], entries[1].replace(b"call 1", b"call 9"), *entries[2:]],
        "drop": [entries[0], *entries[2:]],
        "cut": entries[:-1],
        "swap": [entries[1], entries[0], *entries[2:]],
    }[harm]
    for number, entry in enumerate(entries, start=1):
        shop.run(raw.xadd(keys.AUDIT_LOG, {"e": entry}, id=f"{number}-0"))

    assert judged(shop).fault


def test_two_that_write_at_once_make_one_chain(redis_url: str, shop: Shop, http: httpx.Client) -> None:
    token = shop.key("pii:reveal")
    ask(http, token).raise_for_status()
    (before,) = on_record(shop)

    async def crowd() -> list[int]:
        clients = [connect(redis_url) for _ in range(8)]
        numbers = await asyncio.gather(*(AuditLog(each).append(before.act, NOW) for each in clients))
        for client in clients:
            await client.aclose()
        return numbers

    assert sorted(shop.run(crowd())) == list(range(2, 10))
    assert judged(shop).fault == ""


def judged(shop: Shop) -> Verdict:
    async def walk() -> Verdict:
        log = AuditLog(shop.client)
        return check([raw async for raw in log.raw()], await log.head())

    return shop.run(walk())

"""What a customer allows is kept like a trait, and asked before a text leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import msgspec
import pytest

from profiles import consent, sidecar
from profiles.clock import DAY, ManualClock
from profiles.intake import Intake
from profiles.sidecar import TRAITS_KEPT
from profiles.store.desk_reads import DeskReads
from profiles.store.erasure import Regulations
from profiles.vault.ring import new_entry
from profiles.wire import Transition
from streams.alerts import AlertDesk
from streams.contact import Contacts
from streams.sms import Message, Receipt
from streams.webhooks import new_secret
from tests.api_shop import BUCKETS, NOW, RULES, Shop, page

SHOP = Intake("CNY", "Asia/Shanghai")
RING = new_entry("k")


def said(*messages: dict[str, Any]) -> dict[str, bool]:
    """What stands in the end after these records, a second apart."""
    patches = []
    for number, message in enumerate(messages):
        event = SHOP.read(msgspec.json.encode({"userId": "u", "timestamp": NOW + 1000 * number, **message}), NOW + DAY)
        patches.append((event.time, event.patch))
    kept = sidecar.read(sidecar.patched(None, patches[::-1]))
    return {purpose: each.given for purpose, each in consent.consents(kept.items()).items()}


def told(name: str, **properties: object) -> dict[str, Any]:
    return {"type": "track", "event": name, "properties": properties}


def preferences(**given: object) -> dict[str, Any]:
    return {"type": "page", "context": {"consent": {"categoryPreferences": given}}}


@pytest.mark.parametrize(
    ("messages", "stands"),
    [
        ([told("Consent Given", purpose="sms")], {"sms": True}),
        ([told("Consent Given", purposes=["SMS ", "email"]), told("Consent Revoked", purpose="sms")],
         {"sms": False, "email": True}),
        ([told("Consent Revoked"), told("consent given", category="marketing")], {"marketing": True}),
        ([preferences(Advertising=True), preferences(Advertising=False)], {"advertising": False}),
        ([{"type": "identify", "traits": {"consent.sms": "denied"}}], {"sms": False}),
        ([preferences(Advertising="maybe"), told("Consent Given", purpose=[7]), preferences()], {}),
    ],
)  # fmt: skip
def test_the_latest_word_counts_however_it_was_told(messages: list[dict[str, Any]], stands: dict[str, bool]) -> None:
    assert said(*messages) == stands


def test_no_number_of_traits_pushes_out_what_a_customer_refused() -> None:
    patches: list[tuple[int, sidecar.Patch]] = [(1, (("consent.sms", False),))]
    patches += [(n + 2, ((f"trait-{n}", n),)) for n in range(2 * TRAITS_KEPT)]
    kept = sidecar.read(sidecar.patched(None, patches))
    assert (len(kept), kept["consent.sms"]) == (TRAITS_KEPT, (1, False))


class Sent:
    """A provider that remembers."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Message) -> Receipt:
        self.messages.append(message)
        return Receipt("r")


@pytest.fixture
def shop(redis_url: str) -> Iterator[Shop]:
    with Shop(redis_url, ManualClock(NOW), pii_keys=RING) as opened:
        yield opened.open()


@pytest.mark.parametrize(
    ("needed", "word", "why"),
    [
        (False, None, ""), (False, "Consent Given", ""), (False, "Consent Revoked", "no_consent"),
        (True, None, "no_consent"), (True, "Consent Given", ""), (True, "Consent Revoked", "no_consent"),
        (False, "suppressed", "suppressed"),
    ],
)  # fmt: skip
def test_nobody_is_texted_against_their_word(shop: Shop, needed: bool, word: str | None, why: str) -> None:
    shop.tell(page("u-1", context={"traits": {"phone": "13812341234"}}))
    if word == "suppressed":
        shop.order("SUPPRESS", "u-1")
    elif word:
        shop.tell({"userId": "u-1", **told(word, purpose="sms")})
    provider, now = Sent(), shop.clock()
    ask = Contacts(shop.store, Regulations(shop.client), shop.vault, BUCKETS, consent_needed=needed)
    settings = shop.settings.model_copy(
        update={"webhook_urls": ("http://127.0.0.1:9/",), "webhook_secret": new_secret()}
    )
    desk = AlertDesk(settings, shop.client, shop.clock, RULES, httpx2.AsyncClient(), provider, contact=ask)
    moved = Transition(0, 1, "u-1", "tier", "churn_warning", "moved", now, now, "live", 1, "general")

    shop.run(desk.handle(0, [moved]))
    shop.run(desk.settled())

    assert [message.phone for message in provider.messages] == ([] if why else ["138****1234"])
    lines = {line.channel: (line.outcome, line.reason) for line in shop.run(DeskReads(shop.client).ledger())}
    assert lines["sms"] == (("refused", why) if why else ("sent", ""))
    assert (lines["webhook"] == ("refused", "suppressed")) == (why == "suppressed"), "others may be told all the same"

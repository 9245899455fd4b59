"""Webhooks against a real server: what a receiver sees, and what becomes of every answer it may give."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime

import httpx2
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from profiles.alerts import AlertRule, Text
from profiles.clock import DAY, HOUR, MINUTE, SECOND, ManualClock, system_clock
from profiles.deliveries import LADDER, lane_of
from profiles.settings import Settings
from profiles.store.client import Client, connect
from profiles.store.desk import Desk
from profiles.store.desk_reads import DeskReads
from profiles.wire import Transition
from streams.alerts import AlertDesk
from streams.egress import Forbidden, addresses, is_public
from streams.webhooks import BadSecret, Signer, Webhooks, new_secret, payload
from tests.hook_receiver import HANG, Receiver, receiving

RULES = {("tier", "churn_warning"): AlertRule("churn_rescue", Text("流失预警", "churn"), Text("致电", "call"))}
SECRET = new_secret()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


pytestmark = pytest.mark.anyio


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        yield client


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Client]:
    client = connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(system_clock())  # the verifier of the specification believes in the wall clock alone


class Hooks:
    """A desk that posts to some paths of a receiver."""

    def __init__(self, redis: Client, clock: ManualClock, http: httpx2.AsyncClient, *urls: str) -> None:
        settings = Settings(webhook_urls=urls, webhook_secret=SECRET, webhook_private=True, sms="off")
        self.clock, self.reads, self.desk = clock, DeskReads(redis), Desk(redis)
        self.alerts = AlertDesk(settings, redis, clock, RULES, http, None)
        self.seq = 0

    async def lapse(self, profile: str = "hh-1") -> None:
        await self._move(profile, "churn_warning", "general")

    async def recover(self, profile: str = "hh-1") -> None:
        await self._move(profile, "general", "churn_warning")

    async def _move(self, profile: str, to: str, was: str) -> None:
        self.seq += 1
        now = self.clock()
        one = Transition(0, self.seq, profile, "tier", to, "moved", now, now, "live", 1, was=was, risk=0.8)
        await self.alerts.handle(0, [one])

    async def ledger(self) -> list[str]:
        """Lines about webhooks, the first first: outcome, or reason of what was not delivered."""
        lines = [one for one in await self.reads.ledger() if one.channel == "webhook"]
        return [one.reason or one.outcome for one in reversed(lines)]


# --- what a receiver sees ----------------------------------------------------------------------------------------------


async def test_a_lapse_and_a_recovery_arrive_signed_in_order_and_without_a_phone(
    redis: Client, clock: ManualClock, http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    hooks = Hooks(redis, clock, http, receiver.url + "/hook")
    await hooks.lapse()
    await hooks.alerts.settled()
    clock.advance(HOUR)
    await hooks.recover()
    await hooks.alerts.settled()
    clock.advance(-HOUR)

    raised, resolved = receiver.at("/hook")
    assert receiver.types("/hook") == ["churn_rescue.alert.raised", "churn_rescue.alert.resolved"]
    assert Webhook(SECRET).verify(raised.body, raised.headers) == raised.json
    assert raised.headers["content-type"] == "application/json"
    assert raised.id != resolved.id
    assert raised.json["data"]["id"] == resolved.json["data"]["id"]
    assert (raised.json["data"]["state"], resolved.json["data"]["state"]) == ("open", "resolved")
    assert raised.json["data"]["label"] == {"zh": "流失预警", "en": "churn"}
    assert "phone" not in raised.body.decode()
    assert len(raised.body) < 20_000


async def test_every_attempt_carries_the_same_id_and_its_own_time(
    redis: Client, clock: ManualClock, http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    receiver.answers["/hook"].extend([(500, {}), (502, {})])
    hooks = Hooks(redis, clock, http, receiver.url + "/hook")
    await hooks.lapse()
    for pause in (0, 6 * SECOND, 6 * MINUTE):
        clock.advance(pause)
        await hooks.alerts.settled()

    got = receiver.at("/hook")
    assert len({one.id for one in got}) == 1
    assert len({one.headers["webhook-timestamp"] for one in got}) == 3
    assert len({one.body for one in got}) == 1
    assert await hooks.ledger() == ["bad_answer", "bad_answer", "delivered"]


def test_while_secrets_are_rotated_a_receiver_may_hold_either() -> None:
    old, new = new_secret(), new_secret()
    at, body = system_clock(), '{"顾客": 1}'.encode()
    headers = Signer(f"{new} {old}").headers("m-1", at, body)

    for secret in (old, new):
        assert Webhook(secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(body + b" ", headers)


def test_the_signature_is_what_the_specification_s_own_library_makes() -> None:
    at, body = 1_700_000_000_000, '{"a":1}'
    theirs = Webhook(SECRET).sign("m-1", datetime.fromtimestamp(at / 1000, UTC), body)
    assert Signer(SECRET).headers("m-1", at, body.encode())["webhook-signature"] == theirs


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_!!", base64.b64encode(b"x" * 32).decode()])
def test_a_secret_that_is_none_is_refused_and_the_message_shows_one(secret: str) -> None:
    with pytest.raises(BadSecret, match=r"whsec_[A-Za-z0-9+/=]{44}"):
        Signer(secret)


async def test_urls_without_a_secret_are_refused_before_anything_is_sent(
    redis: Client, http: httpx2.AsyncClient
) -> None:
    with pytest.raises(BadSecret, match="MIEN_WEBHOOK_SECRET"):
        AlertDesk(Settings(webhook_urls=("https://example.com",)), redis, system_clock, RULES, http, None)


# --- every answer there is ---------------------------------------------------------------------------------------------


async def test_a_redirect_is_a_failure_and_is_not_followed(
    redis: Client, clock: ManualClock, http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    for status in (301, 302, 303, 307, 308):
        receiver.answers["/hook"].append((status, {"location": receiver.url + "/elsewhere"}))
    hooks = Hooks(redis, clock, http, receiver.url + "/hook")
    await hooks.lapse()
    for pause in (0, 6 * SECOND, 6 * MINUTE, HOUR, 3 * HOUR):
        clock.advance(pause)
        await hooks.alerts.settled()

    assert len(receiver.at("/hook")) == 5
    assert receiver.at("/elsewhere") == []
    assert await hooks.ledger() == ["bad_answer"] * 5


async def test_gone_disables_the_endpoint_for_all_until_somebody_enables_it(
    redis: Client, clock: ManualClock, http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    receiver.answers["/hook"].append((410, {}))
    url = receiver.url + "/hook"
    hooks = Hooks(redis, clock, http, url)
    await hooks.lapse("a")
    await hooks.alerts.settled()
    await hooks.lapse("b")
    await hooks.alerts.settled()

    assert len(receiver.at("/hook")) == 1
    assert await hooks.ledger() == ["endpoint_gone", "endpoint_disabled"]
    [endpoint] = [one for one in await hooks.reads.endpoints() if one.lane.url]
    assert endpoint.disabled is not None
    assert (endpoint.disabled.url, endpoint.disabled.reason, endpoint.waiting) == (url, "HTTP 410", 0)

    await hooks.desk.enable(lane_of(url))
    await hooks.lapse("c")
    await hooks.alerts.settled()
    assert [one.json["data"]["profile"] for one in receiver.at("/hook")] == ["a", "c"]


@pytest.mark.parametrize("status", [429, 503])
async def test_an_endpoint_that_asks_for_a_pause_gets_it_for_all_its_messages(
    redis: Client, clock: ManualClock, http: httpx2.AsyncClient, receiver: Receiver, status: int
) -> None:
    receiver.answers["/hook"].append((status, {"retry-after": "600"}))
    hooks = Hooks(redis, clock, http, receiver.url + "/hook")
    await hooks.lapse("a")
    await hooks.alerts.settled()
    await hooks.lapse("b")
    clock.advance(599 * SECOND)
    await hooks.alerts.settled()
    assert len(receiver.at("/hook")) == 1

    clock.advance(SECOND)
    await hooks.alerts.settled()
    assert sorted(one.json["data"]["profile"] for one in receiver.at("/hook")) == ["a", "a", "b"]


async def test_the_pause_may_be_a_date(http: httpx2.AsyncClient, receiver: Receiver) -> None:
    then = datetime(2030, 1, 1, tzinfo=UTC)
    receiver.answers["/"].append((503, {"retry-after": format_datetime(then, usegmt=True)}))
    clock = ManualClock(int(then.timestamp()) * SECOND - 2 * MINUTE)
    answer = await Webhooks(http, Signer(SECRET), clock, private=True).post(receiver.url + "/", "m-1", b"{}")
    assert (answer.reason, answer.retry_after) == ("bad_answer", 2 * MINUTE)


async def test_after_the_last_rung_of_the_ladder_it_is_a_dead_letter_with_what_was_to_be_sent(
    redis: Client, clock: ManualClock, http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    receiver.answers["/hook"].extend([(500, {})] * 20)
    hooks = Hooks(redis, clock, http, receiver.url + "/hook")
    await hooks.lapse()
    for attempt, pause in enumerate(LADDER):
        clock.advance(max(0, pause - 1))
        await hooks.alerts.settled()
        assert len(receiver.got) == (1 if pause == 0 else attempt), "nothing before its time"
        clock.advance(pause // 10 + 1)
        await hooks.alerts.settled()
        assert len(receiver.got) == attempt + 1

    clock.advance(7 * DAY)
    await hooks.alerts.settled()
    [dead] = await hooks.reads.dead()
    assert len(receiver.got) == len(LADDER)
    assert dead["payload"].encode() == receiver.got[0].body
    assert dead["delivery"] == receiver.got[0].id
    assert (await hooks.reads.counts())["webhook:dead:bad_answer"] == 1


async def test_nobody_at_home_is_tried_again(
    redis: Client, clock: ManualClock, http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    hooks = Hooks(redis, clock, http, "http://127.0.0.1:1/hook", "http://no-such-host.invalid/hook")
    await hooks.lapse()
    await hooks.alerts.settled()
    assert await hooks.ledger() == ["no_answer", "no_answer"]


async def test_an_endpoint_that_hangs_times_out_and_holds_up_nobody(
    redis: Client, clock: ManualClock, http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    receiver.answers["/hangs"].extend([HANG] * 50)
    hooks = Hooks(redis, clock, http, receiver.url + "/hangs", receiver.url + "/works")
    for number in range(30):
        await hooks.lapse(f"hh-{number}")
        await hooks.alerts.deliver_due()
    async with asyncio.timeout(10):
        while len(receiver.at("/works")) < 30:
            await hooks.alerts.deliver_due()
            await asyncio.sleep(0.02)

    assert 1 <= len(receiver.at("/hangs")) <= 8, "and few attempts are wasted on it"
    await hooks.alerts.close(grace=0)


async def test_a_server_that_never_answers_costs_one_timeout(http: httpx2.AsyncClient, receiver: Receiver) -> None:
    receiver.answers["/"].append(HANG)
    webhooks = Webhooks(http, Signer(SECRET), system_clock, private=True, timeout=0.2)
    answer = await webhooks.post(receiver.url + "/", "m-1", b"{}")
    assert (answer.reason, answer.final) == ("no_answer", False)


async def test_what_was_never_heard_of_needs_no_end_and_what_may_have_been_gets_one(
    redis: Client, clock: ManualClock, http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    receiver.answers["/failing"].append((500, {}))
    hooks = Hooks(redis, clock, http, receiver.url + "/failing")
    await hooks.lapse("unheard")
    await hooks.recover("unheard")
    await hooks.alerts.settled()
    assert receiver.got == []
    assert await hooks.ledger() == ["already_recovered"]

    await hooks.lapse("perhaps")
    await hooks.alerts.settled()
    await hooks.recover("perhaps")
    clock.advance(DAY)
    await hooks.alerts.settled()
    assert receiver.types("/failing") == ["churn_rescue.alert.raised", "churn_rescue.alert.resolved"]


async def test_a_url_that_was_taken_out_of_the_settings_gets_nothing_more(
    redis: Client, clock: ManualClock, http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    await Hooks(redis, clock, http, receiver.url + "/old").lapse()
    hooks = Hooks(redis, clock, http, receiver.url + "/new")
    await hooks.alerts.settled()
    assert receiver.got == []
    assert await hooks.ledger() == ["endpoint_removed"]


async def test_a_profile_id_of_monstrous_size_ends_in_the_dead_letters_not_at_the_receiver(
    redis: Client, clock: ManualClock, http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    hooks = Hooks(redis, clock, http, receiver.url + "/hook")
    await hooks.lapse("龘" * 10_000)
    await hooks.alerts.settled()
    assert receiver.got == []
    assert await hooks.ledger() == ["too_large"]


# --- where it may not go -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://10.1.2.3/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://255.255.255.255/",
        "https://224.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1]/",
        "https://[fc00::1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
    ],
)
async def test_private_addresses_and_plain_http_are_refused_and_the_message_names_the_setting(url: str) -> None:
    with pytest.raises(Forbidden, match="MIEN_WEBHOOK_PRIVATE"):
        await addresses(httpx2.URL(url), private=False)


def test_public_addresses_are_public() -> None:
    assert is_public("93.184.216.34")
    assert is_public("2606:2800:220:1:248:1893:25c8:1946")


@pytest.mark.parametrize("url", ["https://127.0.0.1:9/hook", "http://example.com/", "https://", "nonsense"])
async def test_a_forbidden_url_is_final_and_nothing_is_called(url: str, http: httpx2.AsyncClient) -> None:
    answer = await Webhooks(http, Signer(SECRET), system_clock, private=False).post(url, "m-1", b"{}")
    assert (answer.reason, answer.final) == ("forbidden_address", True)


async def test_the_request_goes_to_the_checked_address_in_the_name_of_the_host(
    http: httpx2.AsyncClient, receiver: Receiver
) -> None:
    port = httpx2.URL(receiver.url).port
    webhooks = Webhooks(http, Signer(SECRET), system_clock, private=True)
    answer = await webhooks.post(f"http://localhost:{port}/hook?shop=1", "m-1", b"{}")
    [got] = receiver.got
    assert answer.reason == ""
    assert (got.path, got.headers["host"]) == ("/hook?shop=1", f"localhost:{port}")


async def test_the_payload_is_thin(redis: Client, clock: ManualClock, http: httpx2.AsyncClient) -> None:
    hooks = Hooks(redis, clock, http)
    await hooks.lapse()
    [alert] = (await hooks.reads.alerts()).alerts
    assert b"because" not in payload(alert, "raised"), "numbers behind it are for those who may read the profile"

"""Live streams from a real server and a real store, read by a client that is not ours."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from httpx_sse import ServerSentEvent, connect_sse

from api.live.channel import HELLO, PING, WAITING, Channel
from api.live.profiles import ProfileWatch
from profiles.clock import DAY, ManualClock
from profiles.reader import Reader
from profiles.settings import as_environ
from profiles.store import keys
from profiles.store.access import list_keys, revoke_key
from profiles.store.client import Client
from profiles.store.cluster import Cluster
from profiles.store.registry import Registry
from tests.api_shop import BUCKETS, Shop, order, page, serving
from tests.processes import eventually

pytest_plugins = ["tests.api_fixtures"]

Events = Iterator[ServerSentEvent]


@pytest.fixture
def http(shop: Shop, clock: ManualClock) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {shop.key('read', 'alerts')}"}
    with serving(shop.settings, clock) as url, httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
        yield client


@contextmanager
def listening(http: httpx.Client, path: str, last: str = "") -> Iterator[Events]:
    """A stream; once this begins nothing is missed.  A read that waits for more than 5 s fails."""
    with connect_sse(http, "GET", path, headers={"Last-Event-ID": last} if last else {}) as source:
        assert source.response.status_code == 200, source.response.read()
        yield source.iter_sse()


def watching(http: httpx.Client, customer: str, last: str = "") -> AbstractContextManager[Events]:
    return listening(http, f"/v1/stream/profiles/{quote(customer, safe='')}", last)


def told(event: ServerSentEvent) -> tuple[str, Any]:
    """What an event says, in short."""
    found = event.json()
    if event.event == "profile":
        return "profile", found["features"]["orders"]
    if event.event == "transition":
        return "transition", found["name"]
    return event.event, found.get("type")


# --- one customer ------------------------------------------------------------------------------------------------------


def test_a_screen_sees_the_profile_at_once_and_every_change_as_it_happens(shop: Shop, http: httpx.Client) -> None:
    shop.tell(page("张三"))
    with watching(http, "张三") as events:
        assert told(next(events)) == ("profile", 0)

        shop.tell(order("张三", "o-1", 600))
        changes = [told(next(events)) for _ in range(4)]

        assert set(changes[:3]) == {("transition", name) for name in ("big_spender", "buyer", "high_value")}
        assert changes[3] == ("profile", 1)


def test_what_is_streamed_is_what_is_read(shop: Shop, http: httpx.Client) -> None:
    shop.tell(order("a/b", "o-1", 600))

    with watching(http, "a/b") as events:
        streamed = next(events).json()

    read = http.get("/v1/profiles/a%2Fb").json()
    assert {**streamed, "lag_ms": 0} == {**read, "lag_ms": 0}


def test_a_customer_nobody_has_heard_of_is_told_of_when_somebody_has(shop: Shop, http: httpx.Client) -> None:
    with watching(http, "newcomer") as events:
        shop.tell(page("newcomer"))

        assert told(next(events)) == ("profile", 0)


def test_a_visitor_who_signs_in_while_a_screen_watches_is_followed(shop: Shop, http: httpx.Client) -> None:
    """From then on it is the customer who is told of, beginning with the whole profile and without history."""
    shop.tell(order("u-1", "o-1", 10), *({"type": "page", "anonymousId": "d-1"} for _ in range(2)))
    with watching(http, "anon:d-1") as events:
        assert told(next(events)) == ("profile", 0)
        shop.join("u-1", "anon:d-1")
        event = next(events)
        while event.event != "profile":
            event = next(events)
        assert (event.json()["id"], told(event)) == ("u-1", ("profile", 1))

        shop.tell(order("u-1", "o-2", 600))
        changes = [next(events) for _ in range(3)]
        assert {told(change) for change in changes[:-1]} == {
            ("transition", "big_spender"),
            ("transition", "high_value"),
        }
        assert {change.json()["profile"] for change in changes[:-1]} == {"u-1"}
        assert told(changes[-1]) == ("profile", 2)


def test_a_screen_that_returns_is_told_what_it_missed_and_nothing_twice(shop: Shop, http: httpx.Client) -> None:
    shop.tell(page("u-1"))
    with watching(http, "u-1") as events:
        last = next(events).id

    for number in range(3):
        shop.tell(order("u-1", f"o-{number}", 200))
        seen: list[tuple[str, Any]] = []
        with watching(http, "u-1", last) as events:
            while not seen or seen[-1][0] != "profile":
                event = next(events)
                seen.append(told(event))
                last = event.id
        missed = [{"buyer"}, set(), {"big_spender", "high_value"}][number]
        assert {name for what, name in seen if what == "transition"} == missed
        assert seen[-1] == ("profile", number + 1)


def test_leaving_between_two_events_loses_neither(shop: Shop, http: httpx.Client) -> None:
    shop.tell(page("u-1"))
    with watching(http, "u-1") as events:
        last = next(events).id
    shop.tell(order("u-1", "o-1", 600))
    seen: list[tuple[str, Any]] = []

    while len(seen) < 4:
        with watching(http, "u-1", last) as events:  # leaves after every single event
            event = next(events)
        seen.append(told(event))
        last = event.id

    assert len(set(seen)) == 4
    assert seen[-1] == ("profile", 1)


def test_who_returns_to_an_unchanged_customer_hears_nothing_until_there_is_news(shop: Shop, http: httpx.Client) -> None:
    shop.tell(page("u-1"))
    with watching(http, "u-1") as events:
        last = next(events).id

    with watching(http, "u-1", last) as events, watching(http, "u-1") as newcomer:
        assert told(next(newcomer)) == ("profile", 0)  # so one look is over
        shop.tell(page("u-1"))
        assert next(events).json()["features"]["visits"] == 2


def test_who_was_away_for_longer_than_is_kept_is_told_to_begin_anew(shop: Shop, http: httpx.Client) -> None:
    shop.tell(order("u-1", "o-0", 600))
    with watching(http, "u-1") as events:
        last = next(events).id
    for number in range(1, 60):
        shop.clock.advance(3 * DAY)  # type: ignore[attr-defined]
        shop.tell(order("u-1", f"o-{number}", 1))

    with watching(http, "u-1", last) as events:
        assert next(events).event == "reset"
        assert told(next(events)) == ("profile", 60)


def test_a_store_that_went_back_in_time_is_noticed(shop: Shop, http: httpx.Client) -> None:
    shop.tell(page("u-1"))

    with watching(http, "u-1", "999-999") as events:
        assert next(events).event == "reset"
        assert told(next(events)) == ("profile", 0)


@pytest.mark.parametrize("last", ["x", "1", "1-", "-1--1", "9" * 40 + "-1", "1-1-1"])
def test_an_id_that_was_never_given_out_begins_anew(shop: Shop, http: httpx.Client, last: str) -> None:
    shop.tell(page("u-1"))

    with watching(http, "u-1", last) as events:
        assert told(next(events)) == ("profile", 0)


async def commands(client: Client) -> Counter[str]:
    """How often which command was called, on all servers together."""
    where: dict[str, Any] = {"target_nodes": Cluster.PRIMARIES} if isinstance(client, Cluster) else {}
    told: Any = await client.info("commandstats", **where)
    infos = told.values() if where else [told]
    return sum((Counter({name: about["calls"] for name, about in info.items()}) for info in infos), Counter())


def test_however_many_watch_the_store_is_asked_once_per_bucket(shop: Shop) -> None:
    names = [f"u-{i}" for i in range(40)]
    shop.tell(*map(page, names))
    reader = Reader(shop.store, Registry(shop.client), shop.settings, shop.clock)

    async def one() -> Reader:
        return reader

    async def watch() -> tuple[int, int]:
        live = ProfileWatch(one)
        async with asyncio.timeout(60):
            await reader.open()
            streams = [live.follow(name, None) for name in names for _ in range(3)]
            channels = [await stream.__aenter__() for stream in streams]
            await live.look()
            before = await commands(shop.client)
            await live.look()
            calls = await commands(shop.client) - before
            told = sum(len(each._frames) for each in channels)
            for stream in streams:
                await stream.__aexit__(None, None, None)
        assert set(calls) <= {"cmdstat_mget", "cmdstat_info"}
        return calls["cmdstat_mget"], told

    assert shop.run(watch()) == (BUCKETS, 3 * len(names))


# --- the alert desk ----------------------------------------------------------------------------------------------------


def alert_of(event: ServerSentEvent) -> tuple[str, str, str]:
    found = event.json()
    return found["type"].rsplit(".", 1)[1], found["alert"]["profile"], found["alert"]["state"]


def test_everything_that_happens_at_the_desk_is_heard_by_everybody(shop: Shop, http: httpx.Client) -> None:
    with listening(http, "/v1/stream/alerts") as one, listening(http, "/v1/stream/alerts") as other:
        shop.lapse("hh-1")
        name = http.get("/v1/alerts").json()["alerts"][0]["id"]
        http.post(f"/v1/alerts/{name}:acknowledge", json={"by": "小李"}).raise_for_status()
        shop.recover("hh-1")

        for events in (one, other):
            assert [alert_of(next(events)) for _ in range(3)] == [
                ("raised", "hh-1", "open"),
                ("acknowledged", "hh-1", "acknowledged"),
                ("resolved", "hh-1", "resolved"),
            ]


def test_a_stream_that_breaks_again_and_again_has_no_gap_and_no_double(shop: Shop, http: httpx.Client) -> None:
    heard: list[str] = []
    last = "0-0"
    for number in range(12):
        shop.lapse(*(f"hh-{number}-{i}" for i in range(3)))
        with listening(http, "/v1/stream/alerts", last) as events:
            shop.lapse(f"hh-{number}-live")
            for _ in range(3):  # four were raised: it falls behind, and catches up in the end
                event = next(events)
                heard.append(event.json()["alert"]["profile"])
                last = event.id
    with listening(http, "/v1/stream/alerts", last) as events:
        heard += [next(events).json()["alert"]["profile"] for _ in range(48 - len(heard))]

    assert heard == [f"hh-{n}-{i}" for n in range(12) for i in (0, 1, 2, "live")]


def test_a_stream_without_a_last_id_begins_now(shop: Shop, http: httpx.Client) -> None:
    shop.lapse("before")
    with listening(http, "/v1/stream/alerts") as events:
        shop.lapse("after")

        assert alert_of(next(events))[1] == "after"


def test_who_returns_after_the_feed_was_trimmed_is_told_so_and_goes_on(shop: Shop, http: httpx.Client) -> None:
    with listening(http, "/v1/stream/alerts") as events:
        shop.lapse("a", "b", "c")
        first, _, third = (next(events).id for _ in range(3))
    shop.run(shop.client.xtrim(keys.ALERT_FEED, minid=third, approximate=False))

    with listening(http, "/v1/stream/alerts", first) as events:
        reset = next(events)
        assert (reset.event, reset.id) == ("reset", third)
        shop.lapse("d")
        assert alert_of(next(events))[1] == "d"
    with listening(http, "/v1/stream/alerts", reset.id) as events:
        assert alert_of(next(events))[1] == "d"


@pytest.mark.parametrize("last", ["x", "1", "99999999999999-0", "1-1-1"])
def test_an_id_the_feed_cannot_know_is_answered_with_a_reset(shop: Shop, http: httpx.Client, last: str) -> None:
    shop.lapse("a")

    with listening(http, "/v1/stream/alerts", last) as events:
        assert next(events).event == "reset"


# --- beginning and end -------------------------------------------------------------------------------------------------


def test_open_streams_are_counted_and_those_left_are_forgotten(shop: Shop, http: httpx.Client) -> None:
    def clients(stream: str) -> float:
        [line] = [
            each
            for each in http.get("/metrics").text.splitlines()
            if each.startswith(f'mien_sse_clients{{stream="{stream}"}}')
        ]
        return float(line.split()[1])

    with ExitStack() as open_ones:
        for _ in range(3):
            open_ones.enter_context(watching(http, "u-1"))
        open_ones.enter_context(listening(http, "/v1/stream/alerts"))
        assert (clients("profile"), clients("alerts")) == (3, 1)

    eventually(lambda: (clients("profile"), clients("alerts")) == (0, 0), "all streams are forgotten")


def test_a_stream_is_never_cached_or_held_back_by_a_proxy(http: httpx.Client) -> None:
    with connect_sse(http, "GET", "/v1/stream/alerts") as source:
        assert source.response.headers["content-type"].startswith("text/event-stream")
        assert source.response.headers["cache-control"] == "no-store"
        assert source.response.headers["x-accel-buffering"] == "no"
        assert next(source.response.iter_bytes()) == HELLO


def test_a_silent_stream_is_kept_alive_until_its_key_is_revoked(
    shop: Shop, http: httpx.Client, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Channel, "ping_every", 0.05)
    with connect_sse(http, "GET", "/v1/stream/alerts") as source:
        raw = source.response.iter_bytes()
        assert b"".join(next(raw) for _ in range(4)).endswith(2 * PING)

        [key] = shop.run(list_keys(shop.client))
        shop.run(revoke_key(shop.client, key.id))
        clock.advance(1000)

        for _ in raw:
            pass  # it ends


def test_a_client_that_does_not_read_is_cut_off_with_what_it_has(shop: Shop) -> None:
    async def told_too_much() -> list[bytes]:
        channel = Channel()
        for number in range(WAITING + 5):
            channel.put(b"%d" % number)
        return [frame async for frame in channel.frames()]

    assert shop.run(told_too_much()) == [b"%d" % number for number in range(WAITING)]


def test_open_streams_do_not_hold_up_the_end(shop: Shop) -> None:
    shop.tell(page("u-1"))
    environ = {**as_environ(shop.settings), "MIEN_API_KEYS": "k=admin", "PATH": ""}
    port = free_port()
    command = [sys.executable, "-m", "api"]
    with subprocess.Popen(command, env={**environ, "MIEN_API_PORT": str(port)}, stderr=subprocess.PIPE) as process:
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", headers={"X-Api-Key": "k"}, trust_env=False, timeout=60
            ) as http:
                eventually(lambda: answers(http), "the API is ready", seconds=300)
                with listening(http, "/v1/stream/alerts") as alerts, watching(http, "u-1") as profile:
                    assert next(profile).event == "profile"
                    begun = time.monotonic()
                    process.send_signal(signal.SIGTERM)
                    assert [*alerts, *profile] == []
                    process.wait(10)
                    assert time.monotonic() - begun < 2.0
        finally:
            process.kill()
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


def free_port() -> int:
    from streams.ports import pick_port

    return pick_port(0)[0]


def answers(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False

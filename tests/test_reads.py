"""What a read costs the store, and that the short way to a customer answers as the framework does."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import pytest

from api import express
from profiles.clock import MINUTE, ManualClock
from profiles.reader import CHECKPOINT_TTL, NAMELESS_TTL, Reader
from profiles.store import keys
from profiles.store.cluster import Cluster
from profiles.store.registry import Registry
from tests.api_shop import Shop, order, page, serving

pytest_plugins = ["tests.api_fixtures"]


@pytest.fixture
def reader(shop: Shop) -> Reader:
    found = Reader(shop.store, Registry(shop.client), shop.settings, shop.clock)
    shop.run(found.open())
    return found


class Counted:
    """What the servers were asked since this was made, without this question."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._before = self._now()

    def asked(self) -> tuple[int, dict[str, int]]:
        """Round trips, and commands."""
        now = self._now()
        now.subtract(self._before)
        trips = now.pop("trips") - 2 * self._servers  # the two questions of which the later one is this
        return trips, {name: n for name, n in now.items() if n and name not in ("info", "client|setinfo", "hello")}

    @property
    def _servers(self) -> int:
        return len(self._shop.client.get_primaries()) if isinstance(self._shop.client, Cluster) else 1

    def _now(self) -> Counter[str]:
        where: dict[str, Any] = {"target_nodes": Cluster.PRIMARIES} if isinstance(self._shop.client, Cluster) else {}
        found: Counter[str] = Counter()
        for section in ("commandstats", "stats"):
            told: Any = self._shop.run(self._shop.client.info(section, **where))
            for info in told.values() if where else [told]:
                found.update({name[8:]: each["calls"] for name, each in info.items() if name.startswith("cmdstat_")})
                found["trips"] += info.get("total_reads_processed", 0)
        return found


def test_a_read_is_one_round_trip_also_when_it_asks_how_far_the_bucket_is(
    shop: Shop, reader: Reader, clock: ManualClock
) -> None:
    shop.tell(page("u-1"), order("u-1", "o-1", 20))
    shop.run(reader.profile("u-1"))

    counted = Counted(shop)
    assert shop.run(reader.profile("u-1")) is not None
    assert counted.asked() == (1, {"mget": 1})

    clock.advance(CHECKPOINT_TTL + 1)
    counted = Counted(shop)
    assert shop.run(reader.profile("u-1")) is not None
    pairs = {"get": 2} if counted._servers > 1 else {"mget": 1}  # a pipeline of a Cluster takes no MGET
    assert counted.asked() == (1, {**pairs, "hgetall": 1})


def test_names_seen_for_the_first_time_cost_one_more_round_trip_however_many_they_are(
    shop: Shop, reader: Reader
) -> None:
    shop.tell(*(order(f"u-{n}", f"o-{n}", 20, traits={"city": f"城{n}"}) for n in range(20)))
    shop.run(reader.profile("u-0"))

    for expected in (1, 0):
        counted = Counted(shop)
        found = shop.run(reader.profiles([f"u-{n}" for n in range(20)]))
        assert {each.features["city"] for each in found if each} == {f"城{n}" for n in range(20)}
        assert counted.asked()[1].get("hmget", 0) == expected


def test_many_customers_are_one_round_trip_to_a_server(shop: Shop, reader: Reader) -> None:
    names = [f"u-{n}" for n in range(100)]
    shop.tell(*map(page, names))
    shop.run(reader.profiles(names))

    counted = Counted(shop)
    assert all(shop.run(reader.profiles(names)))
    trips, commands = counted.asked()

    assert trips <= counted._servers
    assert commands.keys() <= {"get" if counted._servers > 1 else "mget", "hgetall"}


def test_a_customer_is_the_same_alone_and_among_many(shop: Shop, reader: Reader) -> None:
    names = [f"u-{n}" for n in range(9)]
    shop.tell(*(order(name, f"o-{name}", 20) for name in names))

    together = shop.run(reader.profiles([*names, "nobody", names[0]]))

    assert together == [shop.run(reader.profile(name)) for name in [*names, "nobody", names[0]]]
    assert together[-2] is None


ASKED = (
    "u-1",
    "%E5%BC%A0%E4%B8%89",
    "a%2Fb",
    "50%25",
    "nobody",
    "x" * 257,
    "a%0Ab",
    "u-1?x=1",
    "",
    "u-1/",
    "u-1/timeline",
)


def answers(shop: Shop, clock: ManualClock, key: str) -> list[tuple[Any, ...]]:
    """What every kind of question about one customer is answered with."""
    told = []
    with serving(shop.settings, clock) as url, httpx.Client(base_url=url, trust_env=False) as http:
        shown: list[dict[str, str]] = [
            {"Authorization": f"Bearer {key}"},
            {"X-Api-Key": key},
            {},
            {"X-Api-Key": "mk_x"},
        ]
        shown += [{"X-Api-Key": shop.key("alerts")}, {"X-Api-Key": key, "If-None-Match": "*"}]
        for path in ASKED:
            for headers in shown:
                for method in ("GET", "HEAD", "POST"):
                    answer = http.request(method, f"/v1/profiles/{path}", headers={"X-Request-Id": "r-1", **headers})
                    told.append((method, path, answer.status_code, sorted(answer.headers.items()), answer.content))
    return [(*each[:3], [pair for pair in each[3] if pair[0] != "date"], each[4]) for each in told]


def test_the_short_way_answers_as_the_framework_does(
    shop: Shop, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.tell(page("u-1"), order("张三", "o-1", 20), page("a/b"), page("50%"))
    key = shop.key("read")
    with_it = answers(shop, clock, key)

    monkeypatch.setattr(express, "_asked", lambda _scope: "")
    without = answers(shop, clock, key)

    assert {each[2] for each in with_it} >= {200, 304, 400, 401, 403, 404, 405}
    assert with_it == without


def test_what_has_not_changed_is_not_worked_out_again(
    shop: Shop, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.tell(page("u-1"))
    put = Counter[str]()
    real = Reader.view

    async def seen(self: Reader, found: Any) -> Any:
        put["view"] += 1
        return await real(self, found)

    monkeypatch.setattr(Reader, "view", seen)
    headers = {"Authorization": f"Bearer {shop.key('read')}"}
    with serving(shop.settings, clock) as url, httpx.Client(base_url=url, headers=headers, trust_env=False) as http:
        tag = http.get("/v1/profiles/u-1").headers["etag"]
        assert http.get("/v1/profiles/u-1", headers={"If-None-Match": tag}).status_code == 304
        assert put["view"] == 1
        clock.advance(MINUTE)
        assert http.get("/v1/profiles/u-1", headers={"If-None-Match": tag}).status_code == 200
        assert put["view"] == 2


def test_a_text_that_the_store_lost_is_not_asked_for_with_every_read_but_is_shown_once_it_is_back(
    shop: Shop, reader: Reader, clock: ManualClock
) -> None:
    shop.tell(order("u-1", "o-1", 20, traits={"city": "上海"}))
    kept: Any = shop.run(shop.client.hgetall(keys.NAMES))
    shop.run(shop.client.delete(keys.NAMES))

    for expected in (1, 0):
        counted = Counted(shop)
        found = shop.run(reader.profile("u-1"))
        assert found is not None
        assert str(found.features["city"]).startswith("#")
        assert counted.asked()[1].get("hmget", 0) == expected

    shop.run(shop.client.hset(keys.NAMES, mapping=kept))
    clock.advance(NAMELESS_TTL + 1)
    found = shop.run(reader.profile("u-1"))
    assert found is not None
    assert found.features["city"] == "上海"

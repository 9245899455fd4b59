"""A customer behind several ids has one timeline for whoever reads it; each id keeps its own."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from profiles.clock import DAY, HOUR, ManualClock, iso
from profiles.reader import Reader
from profiles.store.base import TIMELINE_KEPT
from profiles.store.registry import Registry
from tests.api_shop import Shop, order, page
from tests.test_reads import Counted

pytest_plugins = ["tests.api_fixtures"]

VISITORS = ("anon:d-1", "anon:d-2", "anon:d-3")


def bought(visitor: str, number: int, **more: Any) -> dict[str, Any]:
    """An order without a name, in a shop that sells to visitors."""
    event = order("", f"{visitor}-{number}", 10 + number, **more)
    return {**event, "userId": None, "anonymousId": visitor.partition(":")[2]}


def entries(http: httpx.Client, who: str, limit: int = TIMELINE_KEPT) -> list[dict[str, Any]]:
    answer = http.get(f"/v1/profiles/{who}/timeline", params={"limit": limit}).raise_for_status()
    found: list[dict[str, Any]] = answer.json()["entries"]
    return found


@pytest.fixture
def apart(shop: Shop, http: httpx.Client, clock: ManualClock) -> dict[str, list[dict[str, Any]]]:
    """What four ids do in turn, some of it told late: the timeline of each while nobody knows that they are one."""
    shop.tell(page("u-1"))
    for number in range(14):
        for visitor in VISITORS:
            shop.tell(bought(visitor, number))
        shop.tell(order("u-1", f"o-{number}", 100), bought("anon:d-2", 100 + number, timestamp=iso(clock() - DAY)))
        clock.advance(7 * HOUR)
    return {name: entries(http, name) for name in ("u-1", *VISITORS)}


def test_every_page_is_the_newest_of_what_all_ids_keep(
    shop: Shop, http: httpx.Client, clock: ManualClock, apart: dict[str, list[dict[str, Any]]]
) -> None:
    clock.advance(DAY)
    shop.join("u-1", VISITORS[0])
    shop.join(VISITORS[1], VISITORS[2])
    shop.join("u-1", VISITORS[2])
    reader = Reader(shop.store, Registry(shop.client), shop.settings, shop.clock)
    shop.run(reader.open())
    own = {name: shop.run(reader.timeline(name, TIMELINE_KEPT)) for name in apart}
    union = [each | ({} if name == "u-1" else {"through": name}) for name, some in own.items() for each in some]
    newest = sorted((each["at"] for each in union), reverse=True)
    assert len(union) > TIMELINE_KEPT, "not all of it fits on one page"

    whole = entries(http, "d-3")
    assert [each["at"] for each in whole] == newest[:TIMELINE_KEPT]
    assert all(whole.count(each) <= union.count(each) for each in whole)
    assert {each.get("through") for each in whole} == {None, *VISITORS}
    for limit in (1, 2, 7, TIMELINE_KEPT - 1):
        assert entries(http, "u-1", limit) == whole[:limit]
    for name in apart:
        mine = [each for each in whole if each.get("through", "u-1") == name and "event" in each]
        kept = [each for each in union if each.get("through", "u-1") == name and "event" in each]
        assert mine == sorted(kept, key=lambda each: -each["at"])[: len(mine)], "what is of one id stays in its order"


def test_after_a_parting_they_are_apart_again(
    shop: Shop, http: httpx.Client, clock: ManualClock, apart: dict[str, list[dict[str, Any]]]
) -> None:
    shop.join("u-1", VISITORS[0])
    assert any(each.get("through") for each in entries(http, "u-1"))
    shop.part("u-1", VISITORS[0])
    now = clock()
    for name in ("u-1", VISITORS[0]):
        found = entries(http, name)
        assert not any("through" in each for each in found)
        assert [each for each in found if each["at"] < now] == [each for each in apart[name] if each["at"] < now][
            : len(found)
        ]


def test_an_export_has_what_happened_to_every_id(
    shop: Shop, http: httpx.Client, apart: dict[str, list[dict[str, Any]]]
) -> None:
    for visitor in VISITORS:
        shop.join("u-1", visitor)
    shop.lapse("u-1", VISITORS[0])
    key = {"Authorization": f"Bearer {shop.key('privacy', 'read')}"}
    found = http.get("/v1/profiles/u-1/export", headers=key).raise_for_status().json()
    assert found["ids"] == ["u-1", *VISITORS]
    assert {each["profile"] for each in found["alerts"]} == {"u-1", VISITORS[0]}
    orders = {(each["at"], each["id"]) for some in apart.values() for each in some if each.get("event") == "order"}
    assert orders <= {(each["at"], each["id"]) for each in found["timeline"] if each.get("event") == "order"}


def test_only_who_has_several_ids_pays_for_them(shop: Shop, http: httpx.Client) -> None:
    shop.tell(page("u-9"), page("u-1"), *(bought(visitor, 1) for visitor in VISITORS))
    for visitor in VISITORS:
        shop.join("u-1", visitor)
    for who, lists, families in (("u-9", 1, 0), ("u-1", 4, 1)):
        entries(http, who)
        counted = Counted(shop)
        entries(http, who)
        _, asked = counted.asked()
        assert asked["lrange"] == lists
        assert asked.get("hgetall", 0) in (families, families + 1), "a checkpoint may be read as well"

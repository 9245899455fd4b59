"""Calls that are made at the same time share a trip, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from redis.exceptions import RedisError, ResponseError

from profiles.store.client import connect
from profiles.store.reach import away
from profiles.store.together import MOST, Together
from streams.ports import pick_port
from tests.lanes.nodes import Store


@pytest.fixture
def alone(store: Store, redis_url: str) -> str:
    """URL of one server."""
    if store.cluster:
        pytest.skip("in a Cluster every call travels alone")
    return redis_url


def with_client(url: str, story: Callable[[Any], Awaitable[None]]) -> None:
    async def told() -> None:
        client = connect(url, timeout=1.0)
        assert isinstance(client, Together)
        try:
            await story(client)
        finally:
            await client.aclose()

    asyncio.run(told())


async def trips(client: Any) -> int:
    return int((await client.info("stats"))["total_reads_processed"])


def test_each_call_has_its_own_answer_and_all_of_them_are_a_few_trips(alone: str) -> None:
    async def story(client: Any) -> None:
        await client.mset({f"k{n}": n for n in range(3 * MOST)})
        before = await trips(client)
        answers = await asyncio.gather(*(client.get(f"k{n}") for n in range(3 * MOST)))
        assert [int(answer) for answer in answers] == list(range(3 * MOST))
        assert await trips(client) - before < 3 * MOST / 10

    with_client(alone, story)


def test_a_call_that_fails_fails_alone(alone: str) -> None:
    async def story(client: Any) -> None:
        await client.set("text", "a")
        calls = client.get("text"), client.hgetall("text"), client.strlen("text")
        answers: Any = await asyncio.gather(*calls, return_exceptions=True)
        assert list(answers)[::2] == [b"a", 1]
        assert isinstance(answers[1], ResponseError)

    with_client(alone, story)


def test_whoever_leaves_takes_nobody_along(alone: str) -> None:
    async def story(client: Any) -> None:
        await client.set("k", "a")
        calls = [asyncio.create_task(client.get("k")) for _ in range(5)]
        await asyncio.sleep(0)
        calls[2].cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [answer for n, answer in enumerate(answers) if n != 2] == [b"a"] * 4
        assert isinstance(answers[2], asyncio.CancelledError)

    with_client(alone, story)


def test_calls_of_one_caller_are_carried_out_in_their_order(alone: str) -> None:
    async def story(client: Any) -> None:
        calls = [client.rpush("list", n) for n in range(MOST // 2)]
        await asyncio.gather(*calls)
        assert [int(each) for each in await client.lrange("list", 0, -1)] == list(range(MOST // 2))

    with_client(alone, story)


def test_a_call_that_waits_at_the_server_holds_up_no_other(alone: str) -> None:
    async def story(client: Any) -> None:
        waiting = asyncio.create_task(client.execute_command("XREAD", "BLOCK", 800, "STREAMS", "nothing", "$"))
        await asyncio.sleep(0.05)
        assert await asyncio.wait_for(client.ping(), 0.5)
        assert not await waiting

    with_client(alone, story)


def test_a_server_that_is_away_is_away_for_everybody_and_back_for_everybody(alone: str) -> None:
    async def story(client: Any) -> None:
        answers = await asyncio.gather(*(client.get("k") for _ in range(5)), return_exceptions=True)
        assert all(isinstance(each, RedisError) and away(each) for each in answers)

    with_client(f"redis://127.0.0.1:{pick_port(0, '127.0.0.1')[0]}", story)

    async def cut_off(client: Any) -> None:
        await client.set("k", "a")
        with suppress(RedisError):
            await client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")
        with suppress(RedisError):  # that connection may only be found dead when it is used
            await asyncio.gather(*(client.get("k") for _ in range(5)))
        assert await asyncio.gather(*(client.get("k") for _ in range(5))) == [b"a"] * 5

    with_client(alone, cut_off)

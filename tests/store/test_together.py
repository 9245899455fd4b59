"""Calls that are made at the same time share a trip, and nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from redis.exceptions import DataError, RedisError, ResponseError

from profiles.store import line
from profiles.store.client import connect
from profiles.store.reach import away
from profiles.store.together import Together
from streams.ports import pick_port
from tests.lanes.nodes import Store


@pytest.fixture
def alone(store: Store, redis_url: str) -> str:
    """URL of one server."""
    if store.cluster:
        pytest.skip("in a Cluster every call travels alone")
    return redis_url


MANY = 200


def with_client(url: str, story: Callable[[Any], Awaitable[None]], seconds: float = 1.0) -> None:
    async def told() -> None:
        client = connect(url, timeout=seconds)
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
        await client.mset({f"k{n}": n for n in range(3 * MANY)})
        before = await trips(client)
        answers = await asyncio.gather(*(client.get(f"k{n}") for n in range(3 * MANY)))
        assert [int(answer) for answer in answers] == list(range(3 * MANY))
        assert await trips(client) - before < 3 * MANY / 10

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
        calls = [client.rpush("list", n) for n in range(MANY // 2)]
        await asyncio.gather(*calls)
        assert [int(each) for each in await client.lrange("list", 0, -1)] == list(range(MANY // 2))

    with_client(alone, story)


def test_a_call_that_waits_at_the_server_holds_up_no_other(alone: str) -> None:
    async def story(client: Any) -> None:
        waiting = asyncio.create_task(client.execute_command("XREAD", "BLOCK", 1600, "STREAMS", "nothing", "$"))
        await asyncio.sleep(0.05)
        assert await asyncio.wait_for(client.ping(), 1.3)
        assert not await waiting

    with_client(alone, story, seconds=8.0)


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


def test_a_word_that_cannot_be_sent_is_its_callers_fault_alone(alone: str) -> None:
    async def story(client: Any) -> None:
        await client.set("k", "a")
        answers: Any = await asyncio.gather(
            client.get("k"), client.set("k", None), client.get("k"), return_exceptions=True
        )
        assert list(answers)[::2] == [b"a"] * 2
        assert isinstance(answers[1], DataError)

    with_client(alone, story)


def test_a_server_that_says_nothing_fails_every_call_in_time_and_answers_those_made_later(alone: str) -> None:
    async def story(client: Any) -> None:
        await client.set("k", "a")
        pid = (await client.info("server"))["process_id"]
        os.kill(pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            answers = await asyncio.gather(*(client.get("k") for _ in range(5)), return_exceptions=True)
            assert all(isinstance(each, RedisError) and away(each) for each in answers)
            assert time.monotonic() - begun < 5.0
        finally:
            os.kill(pid, signal.SIGCONT)
        assert await asyncio.gather(*(client.get("k") for _ in range(5))) == [b"a"] * 5

    with_client(alone, story)


def test_a_line_that_was_silent_for_long_is_not_trusted(alone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(client: Any) -> None:
        mine = await client.client_id()
        assert await client.client_id() == mine
        monkeypatch.setattr(line, "IDLE", 0.0)
        assert await client.client_id() != mine

    with_client(alone, story)


def test_a_client_may_be_used_by_one_loop_after_another(alone: str) -> None:
    client = connect(alone, timeout=1.0)

    async def asked() -> Any:
        await client.set("k", "a")
        return await client.get("k")

    async def ended() -> Any:
        told = await asked()
        await client.aclose()
        return told

    assert [asyncio.run(asked()), asyncio.run(ended())] == [b"a", b"a"]

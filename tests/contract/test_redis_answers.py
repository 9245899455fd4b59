"""Reliance: the shapes in which redis-py hands over what a server answers, and how scripts reach it.

All of ``profiles/store`` decodes these answers by hand.  The client is the one ``connect`` makes, so the same holds
on a Cluster (``STORE=cluster``); every key carries one hash tag.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from redis.exceptions import ResponseError

from profiles.store.client import Script
from profiles.store.redis import connect

KEY = "{contract}:"


def asked(url: str, check: Callable[[Any], Awaitable[None]]) -> None:
    """Run ``check`` with a client of the store."""

    async def run() -> None:
        client = connect(url)
        try:
            await check(client)
        finally:
            await client.aclose()

    asyncio.run(run())


def test_what_lua_returns(redis_url: str) -> None:
    """A table is a list up to its first nil, numbers are cut to whole ones, false and nil are None, text is bytes.

    Relied on by ``commit.lua`` ({1, version} -> [1, version]) and ``desk.lua`` (rows as flat lists).
    """

    async def check(client: Any) -> None:
        async def told(text: str, *args: object) -> Any:
            return await Script(client, text)([KEY + "x"], args)

        assert await told("return {1, 42}") == [1, 42]
        assert await told("return {0, tonumber('7')}") == [0, 7]
        assert await told("return {1, nil, 3}") == [1]
        assert await told("return false") is None
        assert await told("return nil") is None
        assert await told("return 3.99") == 3
        assert await told("return {}") == []
        assert await told("return {'a', {'b', 2}}") == [b"a", [b"b", 2]]
        assert await told("return ARGV[1]", "汉") == "汉".encode()
        assert await told("return #ARGV[1]", b"\x00\xff") == 2
        assert await told("return {tonumber(ARGV[1]), ARGV[2]}", 5, 2**53) == [5, b"%d" % 2**53]
        assert await told("redis.call('HSET', KEYS[1], 'a', '1') return redis.call('HGETALL', KEYS[1])") == [b"a", b"1"]

    asked(redis_url, check)


def test_numbers_that_pass_through_lua_unread_keep_every_digit(redis_url: str) -> None:
    """ARGV is text: 2**62 goes into a hash, a zset score is the nearest double, HINCRBY counts in 64 bits.

    Relied on by ``commit.lua``: due times of "never" are 2**62 and source clocks may be large; ``tonumber`` is used
    on versions and counts only, all far below 2**53.
    """
    never = 2**62

    async def check(client: Any) -> None:
        script = Script(
            client,
            """redis.call('HSET', KEYS[1], 'never', ARGV[1])
            redis.call('HINCRBY', KEYS[1], 'sum', ARGV[2])
            redis.call('HINCRBY', KEYS[1], 'sum', ARGV[3])
            return redis.call('ZADD', KEYS[2], ARGV[1], 'a')""",
        )
        assert await script([KEY + "h", KEY + "z"], [never, never - 1, -7]) == 1
        assert await client.hgetall(KEY + "h") == {b"never": b"%d" % never, b"sum": b"%d" % (never - 8)}
        assert await client.zrangebyscore(KEY + "z", "-inf", never, start=0, num=5) == [b"a"]
        assert await client.zrangebyscore(KEY + "z", "-inf", never // 2, start=0, num=5) == []

    asked(redis_url, check)


def test_lua_reads_texts_lists_and_lengths_from_messagepack_and_cuts_bytes(redis_url: str) -> None:
    """Of MessagePack it knows texts and numbers, not bytes; a piece of a text is a piece of its bytes, whatever they are.

    Relied on by ``commit.lua``: one argument says how long each blob is, another holds all of them.
    """

    async def check(client: Any) -> None:
        script = Script(
            client,
            """local said, at, out = cmsgpack.unpack(ARGV[1]), 1, {}
            for i, length in ipairs(said[1]) do
              out[i], at = string.sub(ARGV[2], at, at + length - 1), at + length
            end
            return {out, said[2], #said[3]}""",
        )
        pieces, names = [b"", bytes(range(256)) * 300, b"\x00\xff"], ["顾客", str(2**62), ""]
        said = msgspec.msgpack.encode([[len(each) for each in pieces], names, ["x"] * 70_000])
        assert await script([KEY + "x"], [said, b"".join(pieces)]) == [
            pieces,
            [name.encode() for name in names],
            70_000,
        ]
        with pytest.raises(ResponseError, match="Bad data format"):
            await script([KEY + "x"], [msgspec.msgpack.encode([b"bytes"]), b""])

    asked(redis_url, check)


def test_a_script_that_the_server_forgot_is_sent_again(redis_url: str) -> None:
    """NOSCRIPT is an error of its own, raised before anything has run.

    Relied on by ``profiles/store/client.py``: a server that was restarted, or took over, does not know our scripts.
    """

    async def check(client: Any) -> None:
        script = Script(client, "return redis.call('INCR', KEYS[1])")
        assert await script([KEY + "n"], []) == 1
        for _ in range(2):
            await client.script_flush()
            assert await script([KEY + "n"], []) == await script([KEY + "n"], []) - 1
        assert await client.get(KEY + "n") == b"5"

    asked(redis_url, check)


def test_a_script_takes_tens_of_thousands_of_keys_and_values(redis_url: str) -> None:
    """KEYS and ARGV have no limit that we come near; Lua's ``unpack`` has one, at about 8 000.

    Relied on by ``commit.lua``, which has a key for each of up to 2 000 profiles and their timelines and tags, and unpacks
    a thousand words at once; and by ``desk.lua``, which unpacks short lists only (one line of the ledger, one hash).
    """

    async def check(client: Any) -> None:
        count = 20_000
        walk = Script(client, "local n = 0 for i = 1, #ARGV do n = n + #ARGV[i] end return {#KEYS, #ARGV, n}")
        names = [f"{KEY}{n}" for n in range(count)]
        assert await walk(names, [b"x" * 10] * count) == [count, count, 10 * count]
        spread = Script(client, "return #{unpack(ARGV)}")
        assert await spread([KEY + "x"], [b"x"] * 5000) == 5000
        with pytest.raises(ResponseError, match="too many results to unpack"):
            await spread([KEY + "x"], [b"x"] * 10_000)

    asked(redis_url, check)


def test_a_script_that_fails_half_way_has_written_its_first_half(redis_url: str) -> None:
    """There is no rollback: an error of a command in a script stops it, and leaves what went before.

    Relied on by nobody: therefore ``commit.lua`` compares before it writes, uses each key for one type only, and
    every number in it is one that ``to_fields`` or ``to_blobs`` made.
    """

    async def check(client: Any) -> None:
        await client.set(KEY + "text", "x")
        script = Script(client, "redis.call('SET', KEYS[1], '1') redis.call('LPUSH', KEYS[2], 'a') return 1")
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await script([KEY + "one", KEY + "text"], [])
        assert await client.get(KEY + "one") == b"1"

    asked(redis_url, check)


def test_answers_are_bytes_in_the_shapes_we_decode(redis_url: str) -> None:
    """MGET keeps places, a hash is a dict, a zset's members come without scores unless asked, scans give (cursor, page).

    Relied on by ``profiles/store/redis.py`` and ``desk_reads.py``.  (redis-py speaks RESP3 by itself since 8, where
    servers answer in other shapes; it must go on turning them into these.)
    """

    async def check(client: Any) -> None:
        await client.set(KEY + "a", b"\x00\xff")
        assert await client.mget([KEY + "a", KEY + "none", KEY + "a"]) == [b"\x00\xff", None, b"\x00\xff"]
        assert await client.hgetall(KEY + "none") == {}
        await client.hset(KEY + "h", "name", "值")
        await client.hset(KEY + "h", mapping={"2": "b"})
        assert await client.hgetall(KEY + "h") == {b"name": "值".encode(), b"2": b"b"}
        assert await client.hmget(KEY + "h", ["2", "none"]) == [b"b", None]
        await client.zadd(KEY + "z", {"late": 30, "early": 10, "b": 20, "a": 20})
        assert await client.zrangebyscore(KEY + "z", "-inf", 25, start=0, num=2) == [b"early", b"a"]
        scored = await client.zrevrangebyscore(KEY + "z", "(30", "-inf", start=0, num=9, withscores=True)
        assert [tuple(each) for each in scored] == [(b"b", 20.0), (b"a", 20.0), (b"early", 10.0)]
        cursor, page = await client.zscan(KEY + "z", cursor=0, count=100)
        assert int(cursor) == 0
        assert {name: float(score) for name, score in page} == {b"early": 10.0, b"a": 20.0, b"b": 20.0, b"late": 30.0}
        await client.sadd(KEY + "s", "x", "y")
        cursor, members = await client.sscan(KEY + "s", cursor=0, count=100)
        assert (int(cursor), set(members)) == (0, {b"x", b"y"})
        await client.lpush(KEY + "l", "first", "second")
        assert await client.lrange(KEY + "l", 0, 0) == [b"second"]

    asked(redis_url, check)


def test_streams_are_lists_of_id_and_fields(redis_url: str) -> None:
    """XADD takes our ids, refuses one that is not above the last, and XTRIM MINID removes exactly what is below.

    Relied on by ``commit.lua`` and ``published``: the outbox is a stream whose ids are sequence numbers; and by
    ``desk_reads.py`` for the feed, also while it waits (XREAD BLOCK), where silence is an empty answer.
    """

    async def check(client: Any) -> None:
        name = KEY + "out"
        for seq in (5, 9, 12):
            await client.xadd(name, {"m": b"%d" % seq}, id=f"{seq}-0")
        with pytest.raises(ResponseError, match="equal or smaller"):
            await client.xadd(name, {"m": b"again"}, id="12-0")
        found = await client.xrange(name, count=2)
        assert [(each[0], each[1]) for each in found] == [(b"5-0", {b"m": b"5"}), (b"9-0", {b"m": b"9"})]
        assert [each[0] for each in await client.xrange(name, min="(9-0", max="+")] == [b"12-0"]
        assert await client.xtrim(name, minid="10-0", approximate=False) == 2
        assert [each[0] for each in await client.xrange(name)] == [b"12-0"]
        assert await client.xtrim(name, minid="13-0", approximate=False) == 1
        with pytest.raises(ResponseError, match="equal or smaller"):
            await client.xadd(name, {"m": b"late"}, id="12-0")
        assert await client.xrevrange(name, count=1) == []
        assert not await client.xread({name: "12-0"}, count=5, block=50)
        await client.xadd(name, {"m": b"new"}, id="13-0")
        answer = await client.xread({name: "12-0"}, count=5, block=50)
        assert [tuple(each) for each in answer[0][1]] == [(b"13-0", {b"m": b"new"})]

    asked(redis_url, check)


def test_a_pipeline_answers_in_the_order_it_was_asked(redis_url: str) -> None:
    """Without a transaction: one round trip, each answer in its place.

    Relied on by ``desk.py`` (recall) and ``desk_rows.py`` (read_rows).
    """

    async def check(client: Any) -> None:
        await client.hset(KEY + "h", "a", "1")
        pipe = client.pipeline(transaction=False)
        for n in range(50):
            pipe.hget(KEY + "h", "a" if n % 2 else "b")
        pipe.exists(KEY + "h")
        assert await pipe.execute() == [None, b"1"] * 25 + [1]

    asked(redis_url, check)

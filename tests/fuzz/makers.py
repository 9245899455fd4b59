"""Records as nobody should send them: noise, valid events that were hurt, and JSON of every wrong shape.

A block is a thousand records from one seed and one number: ``block(seed, n)`` is the same on every machine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

from tests.fuzz.values import (
    CALLED,
    CHANNEL_NAMES,
    CURRENCIES,
    EVENTS,
    LABELS,
    MONEY,
    NOW,
    TRAIT_NAMES,
    amount,
    anything,
    below,
    label,
    number,
    one_of,
    stamp,
    text,
)

BLOCK: Final = 1000
PEOPLE: Final = 40  #: customers a block speaks of, besides the strange ones
FIELDS: Final = (
    "type", "event", "userId", "anonymousId", "messageId", "timestamp", "originalTimestamp", "sentAt", "channel",
    "properties", "traits", "context", "integrations", "writeKey",
)  # fmt: skip

LINE: Final = {"product_id": label, "category": label, "brand": label, "price": amount, "quantity": amount}

Message = dict[str, Any]


def block(seed: int, number_of_block: int, size: int = BLOCK) -> Iterator[bytes]:
    """The records of one block, one after another."""
    rng = Random(f"{seed}/{number_of_block}")
    for _ in range(size):
        yield one_of(rng, MAKERS)(rng)


def plausible(rng: Random) -> Message:
    """An event of the right shape; what is wrong, if anything, is what it says."""
    message: Message = {"type": "track", "event": one_of(rng, EVENTS[:-3]), "userId": f"u{below(rng, PEOPLE)}"}
    if rng.random() < 0.15:
        message = {"type": one_of(rng, CALLED[:-3]), "userId": message["userId"], "event": "Product Viewed"}
    optional: dict[str, tuple[float, Callable[[Random], Any]]] = {
        "messageId": (0.8, lambda rng: f"m{below(rng, 10**6)}" if rng.random() < 0.9 else text(rng)),
        "timestamp": (0.9, lambda rng: NOW - below(rng, 10**10) if rng.random() < 0.9 else stamp(rng)),
        "sentAt": (0.3, lambda rng: NOW - below(rng, 10**9)),
        "anonymousId": (0.2, label),
        "properties": (0.8, properties),
        "traits": (0.3, traits),
        "context": (0.3, lambda rng: {"channel": one_of(rng, CHANNEL_NAMES), "traits": traits(rng)}),
        "channel": (0.3, lambda rng: one_of(rng, CHANNEL_NAMES)),
    }
    return message | {name: make(rng) for name, (share, make) in optional.items() if rng.random() < share}


def properties(rng: Random) -> Message:
    """What a track call tells about an order or a product."""
    told: Message = {name: amount(rng) for name in MONEY if rng.random() < 0.25}
    told |= {name: label(rng) for name in LABELS if rng.random() < 0.4}
    if rng.random() < 0.4:
        told["currency"] = one_of(rng, CURRENCIES)
    if rng.random() < 0.4:
        told["products"] = [
            {name: make(rng) for name, make in LINE.items()} for _ in range(one_of(rng, (0, 1, 1, 2, 3)))
        ]
        if rng.random() < 0.02:
            told["products"] *= 30
    return told


def traits(rng: Random) -> Message:
    """What an identify call tells about a person."""
    return {
        one_of(rng, TRAIT_NAMES): anything(rng, 2) if rng.random() < 0.4 else label(rng)
        for _ in range(120 if rng.random() < 0.01 else below(rng, 5))
    }


def wild(rng: Random) -> Message:
    """Any of our fields with any value at all."""
    told = plausible(rng) if rng.random() < 0.5 else {}
    for name in rng.sample(FIELDS, rng.randrange(1, 7)):
        told[name] = stamp(rng) if name.endswith(("At", "tamp")) and rng.random() < 0.5 else anything(rng)
    if rng.random() < 0.3:
        inner = told.setdefault("properties", {})
        if isinstance(inner, dict):
            inner[one_of(rng, (*MONEY, *LABELS, "products", "currency"))] = anything(rng)
    return told


def as_json(message: Any, rng: Random) -> bytes:
    """JSON in one of the ways that encoders write it; lone surrogates stay lone."""
    written = json.dumps(message, ensure_ascii=rng.random() < 0.5, separators=one_of(rng, ((",", ":"), (", ", ": "))))
    return written.encode(errors="surrogatepass")


def of_plausible(rng: Random) -> bytes:
    return as_json(plausible(rng), rng)


def of_wild(rng: Random) -> bytes:
    return as_json(wild(rng), rng)


def of_anything(rng: Random) -> bytes:
    return as_json(anything(rng, 5), rng)


def noise(rng: Random) -> bytes:
    """Bytes from nowhere, sometimes in brackets."""
    raw = rng.randbytes(one_of(rng, (0, 1, 3, 20, 200, 3000)))
    return b'{"userId":"' + raw + b'"}' if rng.random() < 0.3 else raw


def hurt(rng: Random) -> bytes:
    """A valid event after something happened to its bytes."""
    return damaged(as_json(plausible(rng), rng), rng)


def damaged(whole: bytes, rng: Random) -> bytes:
    """Bytes after bits were flipped, or some of them lost, doubled, reversed or replaced."""
    raw = bytearray(whole)
    for _ in range(one_of(rng, (1, 1, 2, 5))):
        if not raw:
            break
        here, there = sorted((rng.randrange(len(raw)), rng.randrange(len(raw))))
        match below(rng, 7):
            case 0:
                raw[here] ^= 1 << below(rng, 8)
            case 1:
                del raw[here:]
            case 2:
                raw[here:here] = raw[here:there]
            case 3:
                del raw[here:there]
            case 4:
                raw[here:there] = as_json(wild(rng), rng)[: rng.randrange(1, 60)]
            case 5:
                raw[here : here + 1] = one_of(
                    rng, (b"\x00", b"\xff", b"\\u0000", b'"', b"\\", b"{", b"[", b"1e999", b"-")
                )
            case _:
                raw[here:there] = raw[here:there][::-1]
    return bytes(raw)


def doubled(rng: Random) -> bytes:
    """An object whose keys come twice, with other values and in other cases."""
    first, second = as_json(plausible(rng), rng), as_json(wild(rng), rng)
    return first[:-1] + b"," + second[1:] if second != b"{}" else first


def deep(rng: Random) -> bytes:
    """Brackets inside brackets, closed or not, alone or in a field."""
    depth = one_of(rng, (10, 100, 1000, 5000))
    opened, closed = one_of(rng, ((b"[", b"]"), (b'{"a":', b"}")))
    inside = opened * depth + b"1" + (closed * depth if rng.random() < 0.6 else b"")
    field = one_of(rng, (b"", b"traits", b"properties", b"x", b"userId"))
    if not field:
        return inside
    return b'{"type":"identify","userId":"u1","%b":{"k":%b}}' % (field, inside)


def foreign(rng: Random) -> bytes:
    """An event in an encoding that is not UTF-8."""
    told = plausible(rng) | {"traits": {"city": one_of(rng, ("上海", "北京", "İstanbul"))}}
    written = json.dumps(told, ensure_ascii=False)
    return written.encode(one_of(rng, ("gb18030", "utf-16", "utf-16-le", "utf-8-sig", "big5", "latin-1")), "ignore")


def large(rng: Random) -> bytes:
    """About as large as an event may be, and larger."""
    told = plausible(rng)
    told[one_of(rng, FIELDS)] = one_of(rng, ("x", "汉", "\u0000", "9")) * one_of(rng, (5_000, 31_000, 33_000))
    if rng.random() < 0.3:
        told["timestamp"] = int("9" * one_of(rng, (18, 400, 4000)))
    return as_json(told, rng)


def numeral(rng: Random) -> bytes:
    """Numbers as no encoder writes them."""
    digits = one_of(
        rng, ("1e999", "-0", "00", "1.", ".5", "0x1", "+1", "1e", "9" * 400, "0." + "0" * 400 + "1", "NaN", "-Infinity")
    )
    name = one_of(rng, ("timestamp", "sentAt", "userId", "messageId", "properties"))
    value = f'{{"revenue":{digits},"price":{number(rng)!r}}}' if name == "properties" else digits
    return f'{{"event":"Order Completed","userId":"u1","{name}":{value}}}'.encode()


#: how often each is asked, in a hundred
SHARES: Final = {
    of_plausible: 38, of_wild: 18, of_anything: 3, noise: 6, hurt: 20, doubled: 6, deep: 1, foreign: 3, large: 1, numeral: 4,
}  # fmt: skip
MAKERS: Final = tuple(maker for maker, share in SHARES.items() for _ in range(share))

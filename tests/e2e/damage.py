"""Damage done on purpose to what a shop has stored, each undone when its block ends.

``DAMAGES`` names each and the kinds of differences that ``mien verify`` must find, and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import msgspec
import numpy as np

from profiles.clock import Int64s
from profiles.codec import from_blobs, to_blobs
from profiles.layout import LAYOUT, TABLES, TAGS
from profiles.store import keys
from tests.e2e.stacks import Stack

TAG: Final = "big_spender"
AGAIN: Final = "f" * 24  #: id of an alert that was raised twice

Damage = Callable[[Stack, int, str], Iterator[None]]
DAMAGES: Final[dict[str, tuple[Callable[[Stack, int, str], AbstractContextManager[None]], frozenset[str]]]] = {}


def found_as(*kinds: str) -> Callable[[Damage], Damage]:
    """Register a damage under the name of its function."""

    def register(damage: Damage) -> Damage:
        DAMAGES[damage.__name__] = contextmanager(damage), frozenset(kinds)
        return damage

    return register


def victim(shop: Stack) -> tuple[int, str]:
    """Somebody who holds a tag."""
    for bucket in shop.buckets:
        for name in sorted(shop.redis.smembers(keys.tag(bucket, TAG))):
            return bucket, name.decode()
    raise AssertionError("nobody spends much")


@contextmanager
def other_row(shop: Stack, bucket: int, name: str, change: Callable[[Int64s], None]) -> Iterator[None]:
    """A profile with something else in its row."""
    key = keys.profile(bucket, name)
    blob = shop.redis.get(key)
    state = from_blobs([blob], {})
    change(state[0])
    shop.redis.set(key, to_blobs(state)[0])
    yield
    shop.redis.set(key, blob)


@contextmanager
def without(shop: Stack, key: str) -> Iterator[None]:
    """A key is gone."""
    kept = shop.redis.dump(key)
    assert kept is not None, key
    shop.redis.delete(key)
    yield
    shop.redis.restore(key, 0, kept)


def plus(slot: int, by: int) -> Callable[[Int64s], None]:
    """Add to one slot."""

    def change(row: Int64s) -> None:
        row[slot] += by

    return change


# --- profiles ------------------------------------------------------------------------------------------------------------


@found_as("fact")
def a_counter_of_a_profile(shop: Stack, bucket: int, name: str) -> Iterator[None]:
    with other_row(shop, bucket, name, plus(LAYOUT.start["views"], 1)):
        yield


@found_as("fact")
def a_tile_of_a_profile(shop: Stack, bucket: int, name: str) -> Iterator[None]:
    with other_row(shop, bucket, name, plus(LAYOUT.start["revenue_daily"] + 5, 100)):
        yield


@found_as("tag")
def since_when_a_tag_is_held(shop: Stack, bucket: int, name: str) -> Iterator[None]:
    def earlier(row: Int64s) -> None:
        row[TABLES.since + np.flatnonzero(row[TABLES.since : TABLES.since + TAGS])[0]] -= 1

    with other_row(shop, bucket, name, earlier):
        yield


@found_as("ladder")
def a_rung(shop: Stack, bucket: int, name: str) -> Iterator[None]:
    with other_row(shop, bucket, name, plus(TABLES.ladders, 1)):
        yield


@found_as("due", "due_index")
def when_silence_is_next_felt(shop: Stack, bucket: int, name: str) -> Iterator[None]:
    with other_row(shop, bucket, name, plus(TABLES.due, 5)):
        yield


@found_as("evaluation")
def the_number_of_decisions(shop: Stack, bucket: int, name: str) -> Iterator[None]:
    with other_row(shop, bucket, name, plus(TABLES.version, 1)):
        yield


@found_as("profile")
def a_whole_profile(shop: Stack, bucket: int, name: str) -> Iterator[None]:
    with without(shop, keys.profile(bucket, name)):
        yield


@found_as("profile")
def bytes_that_are_no_profile(shop: Stack, bucket: int, name: str) -> Iterator[None]:
    key = keys.profile(bucket, name)
    blob = shop.redis.get(key)
    shop.redis.set(key, blob[:-1] + b"\xff")
    yield
    shop.redis.set(key, blob)


@found_as("made_up", "due_index")
def a_profile_that_nobodys_events_explain(shop: Stack, bucket: int, name: str) -> Iterator[None]:
    shop.redis.zadd(keys.due(bucket), {"ghost": 2**50})
    shop.redis.set(keys.profile(bucket, "ghost"), shop.redis.get(keys.profile(bucket, name)))
    yield
    shop.redis.zrem(keys.due(bucket), "ghost")
    shop.redis.delete(keys.profile(bucket, "ghost"))


@found_as("timeline")
def a_timeline(shop: Stack, bucket: int, name: str) -> Iterator[None]:
    with without(shop, keys.timeline(bucket, name)):
        yield


@found_as("sidecar")
def traits_in_words(shop: Stack, bucket: int, name: str) -> Iterator[None]:
    with without(shop, keys.sidecar(bucket, name)):
        yield


# --- indexes, counters, checkpoints --------------------------------------------------------------------------------------


@found_as("tag_index", "count")
def a_member_of_a_tag_less(shop: Stack, bucket: int, name: str) -> Iterator[None]:
    shop.redis.srem(keys.tag(bucket, TAG), name)
    yield
    shop.redis.sadd(keys.tag(bucket, TAG), name)


@found_as("count")
def a_member_of_a_tag_more(shop: Stack, bucket: int, name: str) -> Iterator[None]:
    shop.redis.sadd(keys.tag(bucket, TAG), f"not {name}")
    yield
    shop.redis.srem(keys.tag(bucket, TAG), f"not {name}")


@found_as("due_index")
def the_due_index(shop: Stack, bucket: int, name: str) -> Iterator[None]:
    shop.redis.zincrby(keys.due(bucket), 7, name)
    yield
    shop.redis.zincrby(keys.due(bucket), -7, name)


@contextmanager
def counted(shop: Stack, key: str, **by: int) -> Iterator[None]:
    """Fields of a hash with other numbers."""
    for field, n in by.items():
        shop.redis.hincrby(key, field, n)
    yield
    for field, n in by.items():
        shop.redis.hincrby(key, field, -n)


@found_as("count")
def a_counter_of_a_tag(shop: Stack, bucket: int, _name: str) -> Iterator[None]:
    with counted(shop, keys.counts(bucket), **{f"tag:{TAG}": 1}):
        yield


@found_as("count")
def a_step_that_nobody_took(shop: Stack, bucket: int, _name: str) -> Iterator[None]:
    with counted(shop, keys.counts(bucket), **{"path:START>VIEW": 1}):
        yield


@found_as("count")
def a_customer_who_did_not_come_back(shop: Stack, bucket: int, _name: str) -> Iterator[None]:
    with counted(shop, keys.counts(bucket), **{"retention:2026-01-05:w52": 1}):
        yield


@found_as("gap")
def a_number_that_was_never_told(shop: Stack, bucket: int, _name: str) -> Iterator[None]:
    with counted(shop, keys.checkpoint(bucket), seq=1):
        yield


@found_as("position")
def a_repeat_that_was_counted(shop: Stack, bucket: int, _name: str) -> Iterator[None]:
    with counted(shop, keys.checkpoint(bucket), applied=1, duplicates=-1):
        yield


@found_as("position")
def a_cursor(shop: Stack, bucket: int, _name: str) -> Iterator[None]:
    fields = shop.redis.hgetall(keys.checkpoint(bucket))
    with counted(shop, keys.checkpoint(bucket), **{min(f.decode() for f in fields if f.startswith(b"s:")): 1}):
        yield


@found_as("name")
def a_text_behind_a_code(shop: Stack, _bucket: int, _name: str) -> Iterator[None]:
    code, text = min(shop.redis.hgetall(keys.NAMES).items())
    shop.redis.hdel(keys.NAMES, code)
    yield
    shop.redis.hset(keys.NAMES, code, text)


# --- the alert desk --------------------------------------------------------------------------------------------------------


def an_alert(shop: Stack) -> str:
    """The first that was raised."""
    name: bytes = shop.redis.zrange(keys.ALERT_ALL, 0, 0)[0]
    return name.decode()


@found_as("alert")
def an_alert_that_is_raised_twice(shop: Stack, _bucket: int, _name: str) -> Iterator[None]:
    row = shop.redis.hgetall(keys.alert(an_alert(shop)))
    alert = msgspec.json.encode(msgspec.json.decode(row[b"alert"]) | {"id": AGAIN})
    shop.redis.hset(keys.alert(AGAIN), mapping={**row, b"alert": alert})
    shop.redis.zadd(keys.ALERT_ALL, {AGAIN: 10**6})
    yield
    shop.redis.zrem(keys.ALERT_ALL, AGAIN)
    shop.redis.delete(keys.alert(AGAIN))


@found_as("alert")
def an_alert_that_is_gone(shop: Stack, _bucket: int, _name: str) -> Iterator[None]:
    with without(shop, keys.alert(an_alert(shop))):
        yield


@found_as("delivery")
def an_alert_that_is_sent_twice(shop: Stack, _bucket: int, _name: str) -> Iterator[None]:
    sent = next(line for _, line in shop.redis.xrange(keys.ALERT_LEDGER) if line[b"outcome"] == b"sent")
    added = shop.redis.xadd(keys.ALERT_LEDGER, sent)
    yield
    shop.redis.xdel(keys.ALERT_LEDGER, added)

"""What a timeline keeps is short, and reads as the message and the moment it was made of."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from profiles import wire
from profiles.clock import DAY, zone
from profiles.errors import LayoutError
from profiles.kinds import Kind
from profiles.layout import LADDERS
from profiles.rules.parts import SHIPPED
from profiles.settings import Settings
from profiles.step import TRANSITIONS
from profiles.store import keys
from profiles.store.redis import connect
from profiles.store.registry import Registry
from profiles.store.worlds import Published, Worlds
from profiles.timeline import (
    CHANGES,
    EPOCH,
    MOMENT,
    ORIGINS,
    TIME,
    Note,
    Phrase,
    Words,
    decode,
    encode,
    encode_moment,
    rules_of,
)
from profiles.wire import Because, Transition
from tests.laws.lives import END
from tests.laws.machine import Machine, book_of
from tests.laws.shop import life
from tests.rulebooks import Conditions
from tests.rulebooks import book_of as small_book

BOOK: Final = book_of(SHIPPED)
WORDS: Final = BOOK.words
LAST: Final = EPOCH + 2 ** (8 * TIME) - 1  #: the last moment there is a short form for

values = st.one_of(
    st.none(),
    st.floats(),
    st.floats(0, 100_000).map(lambda value: round(value, 4)),
    st.floats(0, 1_000_000).map(lambda value: round(value, 2)),
    st.integers(-5, 2**60).map(float),
    st.text(max_size=12),
)


@st.composite
def reasons(draw: st.DrawFn) -> Because:
    """Anything the shipped rules may say; the value is often just the limit."""
    phrase = draw(st.sampled_from(WORDS.phrases))
    limit = draw(st.floats(0, 10_000).map(lambda cut: round(cut, 4))) if phrase.open else phrase.limit
    return Because(phrase.feature, phrase.compare, draw(values | st.just(limit)), limit)


@st.composite
def transitions(draw: st.DrawFn) -> Transition:
    """A change of any tag or rung of the shipped rules."""
    what, change = draw(st.sampled_from(CHANGES))
    at = draw(st.integers(EPOCH, LAST))
    names = {ladder: st.sampled_from(sorted(of.values())) for ladder, of in WORDS.names.items()}
    return Transition(
        bucket=3,
        seq=draw(st.integers(0, 2**39)),
        profile="u-1",
        what=what,
        name=draw(names[what]),
        change=draw(st.just(change)),  # type: ignore[arg-type]
        at=at,
        clock=at + draw(st.integers(0, 2**39)),
        origin=draw(st.sampled_from(ORIGINS)),
        rules=draw(st.integers(0, 100_000)),
        was=draw(st.none() | names[what]) if change == "moved" else None,
        because=tuple(draw(st.lists(reasons(), max_size=4))),
        risk=draw(st.none() | st.floats(0, 1).map(lambda risk: round(risk, 4))),
        tier=draw(st.none() | names["tier"]),
        stage=draw(st.none() | names["stage"]),
    )


def read(entry: bytes, words: Words = WORDS) -> Note:
    return decode(entry, 3, "u-1", lambda _: words)


def as_message(said: Transition) -> Any:
    """What has always been shown: the message's JSON."""
    return msgspec.json.decode(wire.encode(said))


# --- the form --------------------------------------------------------------------------------------------------------


@settings(max_examples=400)
@given(transitions())
def test_an_entry_reads_as_the_message_it_was_made_of(said: Transition) -> None:
    entry = encode(said, WORDS)
    assert entry is not None
    assert entry[:1] != b"{"
    assert rules_of(entry) == said.rules
    assert read(entry) == as_message(said)
    assert list(read(entry)) == list(as_message(said)), "in the same order"


@given(st.integers(EPOCH, LAST), st.sampled_from(Kind), st.integers(0, 2**62), st.integers(-(2**63), 2**63 - 1))
def test_a_moment_reads_as_what_happened(at: int, kind: Kind, amount: int, key: int) -> None:
    entry = encode_moment(at, kind, amount, key)
    assert entry[:1] != b"{"
    assert rules_of(entry) is None
    assert read(entry) == {"at": at, "event": kind.name.lower(), "amount": amount, "id": key}


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "never_heard_of"},
        {"tier": "never_heard_of"},
        {"at": EPOCH - 1},
        {"at": LAST + 1},
        {"clock": EPOCH},
        {"since": EPOCH},
        {"risk": 0.12345},
        {"risk": 7.0},
        {"risk": -0.5},
        {"because": (Because("days_silent", ">=", 30.0, 12.345),)},
    ],
)
def test_what_there_is_no_short_form_for_stays_json(changed: dict[str, Any]) -> None:
    """The step then keeps the message itself, and that is read as it is."""
    because = Because("days_silent", ">=", 30.0, 30.0)
    said = Transition(3, 1, "u-1", "tag", "newcomer", "entered", EPOCH + 9, EPOCH + 9, "live", 1, because=(because,))
    assert encode(said, WORDS) is not None
    other = msgspec.structs.replace(said, **changed)
    assert encode(other, WORDS) is None
    message = wire.encode(other)
    assert rules_of(message) is None
    assert read(message) == msgspec.json.decode(message)


@pytest.mark.parametrize(("at", "amount"), [(EPOCH - 1, 5), (LAST + 1, 5), (EPOCH, -5)])
def test_a_moment_there_is_no_short_form_for_is_json(at: int, amount: int) -> None:
    entry = encode_moment(at, Kind.REFUND, amount, 7)
    assert rules_of(entry) is None
    assert read(entry) == {"at": at, "event": "refund", "amount": amount, "id": 7}


@given(st.binary(max_size=40))
@example(b'{"":0}')
def test_bytes_that_nobody_wrote_are_refused_by_name(raw: bytes) -> None:
    """Or they happen to be an entry; nothing else comes out."""
    with suppress(LayoutError):
        assert "at" in read(raw)
    with pytest.raises(LayoutError, match="u-1"):
        read(b"\x7f" + raw)


def test_the_form_never_changes() -> None:
    """Entries stay in stores for years: these were written when the form was new."""
    phrases = [
        Phrase("days_silent", ">=", 30.0),
        Phrase("spend_365d", ">", open=True),
        Phrase("vip", "held"),
        Phrase("city", "=", "上海"),
    ]
    words = Words({"churned": 4, "tier.high": 0, "tier.low": 1, "stage.active": 2}, phrases)
    at = 1_790_000_000_123
    reasons = (
        Because("days_silent", ">=", 30.0, 30.0),
        Because("spend_365d", ">", 512.4, 99.9525),
        Because("vip", "held"),
        Because("city", "=", "上海", "上海"),
        Because("city", "=", "北京", "上海"),
        Because("days_silent", ">=", -1.5, 30.0),
        Because("days_silent", ">=", None, 30.0),
    )
    left = Transition(3, 70_000, "u-1", "tag", "churned", "left", at, at + 45, "sweep", 300, because=reasons, risk=0.25)
    left = msgspec.structs.replace(left, tier="low", stage="active")
    then = (
        "09ac0204000203997add21f47b0111702d09c400e101db0f4065d2c82802e103e103e306e58c97e4baac00e2000000000000f8bf00e0"
    )
    assert encode(left, words) == bytes.fromhex(then)
    assert read(bytes.fromhex(then), words) == as_message(left)
    moved = Transition(3, 0, "u-1", "tier", "high", "moved", at, at, "backfill", 1, was="low")
    assert encode(moved, words) == bytes.fromhex("220100020000007add21f47b")
    assert read(bytes.fromhex("220100020000007add21f47b"), words) == as_message(moved)
    order = bytes.fromhex("4a7add21f47b8000000000000000bc9b01")
    assert encode_moment(at, Kind.ORDER, 19900, -(2**63)) == order
    assert read(order) == {"at": at, "event": "order", "amount": 19900, "id": -(2**63)}


def test_heads_are_few_and_none_of_them_looks_like_json() -> None:
    """Every change and origin there is has one, below those of moments."""
    assert set(ORIGINS) == set(wire.ORIGINS)
    assert {what for what, _ in CHANGES} == {"tag", *LADDERS}
    assert len(CHANGES) << 3 <= MOMENT
    assert max(MOMENT | kind for kind in Kind) < ord("{")


# --- what is kept ----------------------------------------------------------------------------------------------------


def test_lives_are_told_in_a_twelfth_of_the_room() -> None:
    """Three busy customers under the shipped rules: every entry is short, and says what the message said."""
    shop = Machine([life(5, 150)], zone("Asia/Shanghai"), book=BOOK).run([])
    while shop.silence(END + 200 * DAY):
        pass
    bucket = shop.bucket(0)
    said = [m for group in bucket.outbox.values() for m in group if m.topic == TRANSITIONS]
    messages = {note["seq"]: note for note in map(msgspec.json.decode, (m.value for m in said))}
    entries = [(who, entry) for who, kept in bucket.timeline.items() for entry in kept]
    told = [decode(entry, 0, who, lambda _: WORDS) for who, entry in entries]
    changes = [note for note in told if "seq" in note]
    assert len(changes) > 60
    assert all(note == messages[note["seq"]] for note in changes)
    short, whole = sum(len(entry) for _, entry in entries), sum(len(wire.encode(note)) for note in told)
    assert not any(entry.startswith(b"{") for _, entry in entries)
    assert short * 8 < whole


def test_phrases_follow_from_the_rules_alone() -> None:
    """In whatever order the rules stand, the same place means the same phrase."""
    tags: dict[str, Conditions] = {
        "a": "orders >= 3",
        "b": ("spend_365d > CUT(0.8)", "days_silent >= 90 AND NOT HAS('a')"),
    }
    one, other = small_book(tags), small_book({name: tags[name] for name in reversed(tags)})
    assert one.words.phrases == other.words.phrases
    assert Phrase("orders", "<", 3.0) in one.words.phrases, "told of a tag that is left"
    assert Phrase("spend_365d", ">", open=True) in one.words.phrases
    assert Phrase("a", "not held") in one.words.phrases


def test_what_was_told_can_be_read_when_the_rules_no_longer_can(redis_url: str) -> None:
    """A later Mien may refuse an old text, because a feature is gone: its phrases and numbers were published with it."""

    async def run() -> tuple[Words, Words]:
        client: Any = connect(redis_url)
        await client.flushall()
        shop = Settings(redis=redis_url, buckets=1)
        await Worlds(Registry(client), shop).open()
        published = msgspec.json.decode(await client.hget(keys.RULES, "1"), type=Published)
        older = {"text": published.text, "slots": published.slots}  # as it was before there were phrases
        refused = msgspec.structs.replace(published, text="tags: [no rules at all]")
        await client.hset(keys.RULES, mapping={"2": msgspec.json.encode(older), "3": msgspec.json.encode(refused)})
        worlds = Worlds(Registry(client), shop)
        found = await worlds.words(2), await worlds.words(3)
        await client.aclose()
        return found

    for words in asyncio.run(run()):
        assert words.phrases == WORDS.phrases
        assert words.names == WORDS.names

"""What is kept of a text: pieces of it, hashed, few, and the same on every machine; never the text."""

from __future__ import annotations

import re
import unicodedata
from typing import Any
from zlib import crc32

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from profiles import inputs
from profiles.grams import KEPT, LENGTH, SIZE, grams, pack, unpack
from profiles.intake import Event, Intake
from profiles.kinds import Kind
from profiles.said import SAID, TEXTS, Said, read, written
from profiles.sidecar import Patch, latest, patched, traits

INTAKE = Intake("CNY", "Asia/Shanghai")
NOW = 1_760_000_000_000


def event(name: str = "Product Reviewed", **properties: Any) -> Event:
    return INTAKE.read(msgspec.json.encode({"event": name, "userId": "u-1", "properties": properties}), NOW)


def heard(name: str = "Product Reviewed", **properties: Any) -> Said | None:
    return read(dict(event(name, **properties).patch).get(SAID))


def slowly(text: str) -> set[int]:
    """The same pieces, looked for one character after another; for texts without addresses that are not thinned."""
    clean = "".join("0" if re.match(r"\d", c) else c for c in unicodedata.normalize("NFKC", text).lower())
    pieces, run, kind, before = set[str](), "", "", ""

    def close() -> None:
        nonlocal run, before
        if kind == "han":
            pieces.update(run[i : i + n] for n in (1, 2) for i in range(len(run) - n + 1))
            before = ""
        elif kind == "word":
            word = f" {run} "
            pieces.update({word, before + word}, (word[i : i + 4] for i in range(len(word) - 3)))
            before = f" {run}"
        run = ""

    for c in clean:
        now = "han" if "\u4e00" <= c <= "\u9fff" else "word" if c.isalnum() else ""
        if now != kind:
            close()
            kind = now
        if now:
            run += c
        elif not c.isspace():
            pieces.add(c)
            before = ""
    close()
    return {crc32(piece.encode()) >> 17 for piece in pieces}


@given(st.text("很好不新鲜ab cd1２！,😋Ａ", max_size=24))
@example("not good, 很 好")
def test_pieces_are_those_that_a_slow_reader_finds(text: str) -> None:
    assert set(grams(text)) == slowly(text)


@given(st.text(max_size=700))
@example("\ud800 lone")
@example("ﷺ" * 600)
@example("\x00\x00")
def test_whatever_is_written_becomes_few_rising_codes_that_travel_unharmed(text: str) -> None:
    codes = grams(text)
    assert len(codes) <= KEPT
    assert list(codes) == sorted(set(codes))
    assert all(0 <= code < SIZE for code in codes)
    assert unpack(pack(codes)) == codes
    through = msgspec.json.decode(msgspec.json.encode(pack(codes)))
    assert unpack(through) == codes
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(pack(codes))) == pack(codes)


@given(st.text(max_size=300))
def test_bytes_that_were_never_packed_give_codes_within_bounds(text: str) -> None:
    codes = unpack(text)
    assert len(codes) <= KEPT
    assert all(0 <= code < SIZE for code in codes)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ＧＯＯＤ！", "good!"),
        ("订单 13800138000", "订单 15912345678"),
        ("write to li.lei@example.com now", "write to han.mei@mail.example.org now"),
        ("好" * LENGTH + "坏", "好" * LENGTH),
        ("很好很好", "很好，很好".replace("，", "很好")),
    ],
)
def test_width_case_numbers_addresses_and_what_comes_too_late_make_no_difference(one: str, other: str) -> None:
    assert grams(one) == grams(other) != ()


def test_a_megabyte_is_read_as_far_as_its_beginning() -> None:
    text = "好评如潮，物流很快。" * 100_000
    assert grams(text) == grams(text[:LENGTH])


@pytest.mark.parametrize("text", ["", "   ", "\n\t\u3000", "\u200b\u200b"[:0], "a@b.cd"])
def test_what_says_nothing_has_no_pieces(text: str) -> None:
    assert grams(text) == ()


def test_a_packed_text_is_small() -> None:
    """A sidecar has a few hundred bytes in all."""
    codes = grams("".join(chr(0x4E00 + 37 * i) for i in range(LENGTH)))
    assert len(codes) == KEPT
    assert len(pack(codes).encode()) < 2 * KEPT


# --- at intake --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_found_under_its_usual_names(name: str) -> None:
    assert heard(rating=2, **{name: "包装破了"}) == Said(Kind.REVIEW, 2, grams("包装破了"))


def test_complaints_and_calls_to_service_speak_too_and_have_no_stars() -> None:
    assert heard("Complaint Filed", rating=5, text="太慢") == Said(Kind.COMPLAINT, 0, grams("太慢"))
    assert heard("Support Contacted", message="where is it") == Said(Kind.SERVICE, 0, grams("where is it"))
    assert heard("Product Viewed", text="太慢") is None


def test_nothing_of_a_text_goes_on_in_the_clear() -> None:
    text = "我叫张小明，电话 13812341234，邮箱 zhang@example.com，太差了"
    draft = inputs.Draft()
    draft.add(event(rating=1, text=text, review_id="r-1"), 0)
    sent = inputs.encode(draft.batch("events.a", 0, NOW, NOW))
    for word in ("张小明", "小明", "13812341234", "zhang", "example", "太差了"):
        assert word.encode() not in sent


@pytest.mark.parametrize(
    "raw",
    [
        b'{"event":"Product Reviewed","userId":"u","properties":{"text":["a"]}}',
        b'{"event":"Product Reviewed","userId":"u","properties":{"text":{"a":1}}}',
        b'{"event":"Product Reviewed","userId":"u","properties":{"text":null,"comment":7}}',
        b'{"event":"Product Reviewed","userId":"u","properties":{"text":"\xff\xfe"}}',
        b'{"event":"Product Reviewed","userId":"u","properties":{"text":"  "}}',
        b'{"event":"Product Reviewed","userId":"u","properties":null}',
        b'{"event":"Product Reviewed","userId":"u"}',
        b'{"event":"Product Reviewed","userId":"u","properties":{"text":' + b"[" * 400 + b"]" * 400 + b"}}",
    ],
)
def test_a_text_that_is_none_is_no_reason_to_refuse_an_event(raw: bytes) -> None:
    assert INTAKE.read(raw, NOW).patch == ()


def test_the_next_name_is_looked_under_if_one_says_nothing() -> None:
    assert heard(review_body=" ", text=None, comment="好") == Said(Kind.REVIEW, 0, grams("好"))


def test_no_trait_can_pass_for_a_text() -> None:
    message = {
        "type": "identify",
        "userId": "u-1",
        "traits": {SAID: written(Said(Kind.REVIEW, 5, (1,))), "city": "上海"},
    }
    assert dict(INTAKE.read(msgspec.json.encode(message), NOW).patch) == {"city": "上海"}


# --- beside the traits --------------------------------------------------------------------------------------------------


def test_the_latest_text_is_kept_whatever_order_they_come_in_and_is_no_trait() -> None:
    early, late = ((SAID, written(Said(Kind.REVIEW, 5, (1, 2)))),), ((SAID, written(Said(Kind.COMPLAINT, 0, (7,)))),)
    told: list[tuple[int, Patch]] = [(5, (*early, ("city", "上海"))), (9, late)]
    kept = patched(None, told)
    assert kept == patched(None, told[::-1]) == patched(patched(None, told[1:]), told[:1])
    assert latest(kept) == (9, Said(Kind.COMPLAINT, 0, (7,)))
    assert traits(kept) == {"city": "上海"}
    assert latest(patched(None, [(5, (("city", "上海"),))])) is None


@given(st.one_of(st.text(max_size=9), st.integers(), st.booleans(), st.none()))
def test_a_value_that_was_never_written_so_is_read_as_nothing_or_within_bounds(value: object) -> None:
    found = read(value)
    assert found is None or (0 <= found.stars <= 5 and all(0 <= code < SIZE for code in found.grams))

"""Reliance: msgspec, where it does what one would not guess from its types."""

from __future__ import annotations

import itertools
import math

import msgspec
import pytest

from profiles.intake import Message
from profiles.sidecar import patched, read

_read = msgspec.json.Decoder(Message).decode


def test_a_deterministic_encoder_sorts_keys() -> None:
    """The same content is the same bytes, in whatever order it came together.

    Relied on by ``profiles/sidecar.py``: any order of a customer's events must give the byte-identical sidecar.
    """
    encode = msgspec.msgpack.Encoder(order="deterministic").encode
    items = [("b", 1), ("a", 2), ("ä", 3), ("", 4)]
    assert len({encode(dict(order)) for order in itertools.permutations(items)}) == 1


def test_values_come_back_as_the_type_they_were() -> None:
    """1, 1.0, True and "1" are four values; a float keeps every bit; whole numbers keep 64.

    Relied on by ``profiles/sidecar.py``: which of two values wins may depend on its type.
    """
    values: list[str | int | float | bool] = [1, 1.0, True, "1", 2**63 - 1, -(2**63), 0.1, 5e-324, "", "𠮷", False]
    patch = tuple((f"t{n}", value) for n, value in enumerate(values))
    back = read(patched(None, [(5, patch)]))
    assert [back[f"t{n}"][1] for n in range(len(values))] == values
    assert [type(back[f"t{n}"][1]) for n in range(len(values))] == [type(value) for value in values]
    assert math.isnan(float(read(patched(None, [(5, (("n", math.nan),))]))["n"][1]))


def test_wrong_types_and_wrong_bytes_are_told_apart() -> None:
    """``ValidationError`` is a ``DecodeError``; what is no UTF-8, cut off or too deep is never another exception.

    Relied on by ``profiles/intake.py``: which reason a dead letter bears, and that nothing else is ever raised.
    """
    assert issubclass(msgspec.ValidationError, msgspec.DecodeError)
    with pytest.raises(msgspec.ValidationError, match=r"\$\.event"):
        _read(b'{"event": 5}')
    for raw in (b"", b"{", b"{}{", b"nul", b'{"a":\xff}', b"\xef\xbb\xbf{}", b'{"event":"\\ud800"}', b'{"event":NaN}'):
        with pytest.raises(msgspec.DecodeError) as told:
            _read(raw)
        assert not isinstance(told.value, msgspec.ValidationError)
    with pytest.raises(UnicodeDecodeError):
        _read(b'{"event":"\xff"}')
    with pytest.raises(RecursionError):
        _read(b'{"x":' * 100_000)


def test_unknown_fields_are_skipped_and_of_double_ones_the_last_counts() -> None:
    """Also fields with values of any size and shape.

    Relied on by ``profiles/intake.py``: apps send what they like; only what Mien uses has to be right.
    """
    found = _read(b'{"event":"a","x":[{"y":1e999}],"z":123456789012345678901234567890,"event":"b","userId":"u"}')
    assert (found.event, found.user_id) == ("b", "u")


def test_a_number_may_be_of_any_size_where_a_number_is_allowed() -> None:
    """Beyond 64 bits a whole number becomes one of Python's or a float; beyond a float it is refused.

    Relied on by ``profiles/intake.py``, which bounds every number itself.
    """
    found = _read(b'{"userId":123456789012345678901234567890}')
    assert found.user_id == 123456789012345678901234567890
    with pytest.raises(msgspec.DecodeError):
        _read(b'{"timestamp":1e999}')


def test_a_text_that_is_a_time_becomes_one_and_another_is_refused() -> None:
    """RFC 3339, with or without an offset; without one it has no time zone, and the shop's is put in its place.

    Relied on by ``profiles/intake.py``.
    """
    aware, naive = (_read(b'{"timestamp":"2026-01-31T12:00:00%b"}' % end).timestamp for end in (b"Z", b""))
    assert aware.tzinfo is not None  # type: ignore[union-attr]
    assert naive.tzinfo is None  # type: ignore[union-attr]
    for raw in (b"yesterday", b"2026-13-01T00:00:00Z", b"2026-01-31T12:00:00+24:00", b""):
        with pytest.raises(msgspec.ValidationError):
            _read(b'{"timestamp":"%b"}' % raw)


def test_json_has_no_nan() -> None:
    """It is written as null, so a reader gets "unknown" and never an error.

    Relied on by ``profiles/wire.py`` and the API's answers.
    """
    assert msgspec.json.encode([math.nan, math.inf, 1.5]) == b"[null,null,1.5]"

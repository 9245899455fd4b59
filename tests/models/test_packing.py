"""Arrays come back to the last bit, also from states of before; damaged ones are refused."""

from __future__ import annotations

import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from profiles.errors import ModelMismatch
from profiles.models import churn
from profiles.models.packing import Packed, pack, unpack
from tests.models.shop import HORIZON, samples

KINDS = st.sampled_from([np.float32, np.float64, np.int64])


@given(KINDS.flatmap(lambda kind: arrays(kind, array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5))))
def test_every_array_comes_back_to_the_last_bit_also_when_it_was_stored_plain(array: np.ndarray) -> None:
    plain = Packed(array.dtype.newbyteorder("<").str, array.shape, array.tobytes())
    for packed in (pack(array), msgspec.msgpack.decode(msgspec.msgpack.encode(pack(array)), type=Packed), plain):
        again = unpack(packed, array.dtype, array.shape[1:])
        assert (again.dtype, again.shape, again.tobytes()) == (array.dtype, array.shape, array.tobytes())
        assert again.flags.writeable


def test_an_array_of_three_fields_is_one_of_before() -> None:
    array = np.arange(6.0).reshape(2, 3)
    old = msgspec.msgpack.encode(("<f8", array.shape, array.tobytes()))
    assert unpack(msgspec.msgpack.decode(old, type=Packed), np.float64, (3,)).tolist() == array.tolist()


@pytest.mark.parametrize(
    "broken",
    [
        Packed("<f4", (2, 3), b"no such thing", "planes"),
        Packed("<f4", (2, 3), zlib.compress(bytes(23)), "planes"),
        Packed("<f4", (2, 3), zlib.compress(bytes(1_000_000)), "planes"),
        Packed("<f4", (-2, 3), zlib.compress(b""), "planes"),
        Packed("<f4", (2, 3), bytes(23)),
        Packed("<f4", (2, 4), bytes(32)),
        Packed("<f8", (2, 3), bytes(48)),
        Packed("|O8", (2, 3), bytes(48)),
    ],
)
def test_what_does_not_fit_is_refused(broken: Packed) -> None:
    with pytest.raises(ModelMismatch, match="a stored array"):
        unpack(broken, np.float32, (3,))


def test_a_learners_state_is_stored_in_two_thirds_of_its_bytes() -> None:
    memory = churn.zero(HORIZON)
    churn.update(memory, samples())
    panel = memory.panel
    bare = sum(each[: len(panel)].nbytes for each in (panel.latest, panel.stats, panel.asked, panel.frozen, panel.seen))
    bare += sum(rows.nbytes for _, rows in memory.contest.weeks)
    assert len(churn.encode(memory)) < 0.67 * bare

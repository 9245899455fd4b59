"""Arrays inside msgpack: type, shape and bytes, nothing that could run.

Bytes are laid out by place (all first bytes, then all second ones, ...), because neighbouring numbers share their first
bytes, and deflated at the lowest level: a learner's state shrinks to about half, for 30 ms a megabyte.
Knows: numpy's plain number types.  Must not know: what is in an array.
"""

from __future__ import annotations

import math
import zlib
from typing import Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from profiles.errors import ModelMismatch

_TYPES: Final = ("<f4", "<f8", "<i8")
_LEVEL: Final = 1  #: the next levels take twice the time for a twentieth


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """One array."""

    kind: str
    shape: tuple[int, ...]
    data: bytes
    how: Literal["plain", "planes"] = "plain"  #: ``plain``: states that were stored before anything was deflated


def pack(array: npt.NDArray[Any]) -> Packed:
    """The bytes of an array, little-endian, by place, deflated."""
    kind = array.dtype.newbyteorder("<").str
    flat = np.ascontiguousarray(array, kind).reshape(-1)
    planes = flat.view(np.uint8).reshape(len(flat), flat.itemsize).T
    return Packed(kind, array.shape, zlib.compress(planes.tobytes(), _LEVEL), "planes")


def unpack(packed: Packed, like: npt.DTypeLike, width: tuple[int, ...]) -> npt.NDArray[Any]:
    """The array again, its own copy; all but the first dimension must be ``width``.

    Raises:
        ModelMismatch: it is of another type or shape, or its bytes are damaged or not as many as it says.
    """
    if packed.kind not in _TYPES or np.dtype(like) != np.dtype(packed.kind) or packed.shape[1:] != width:
        raise ModelMismatch(f"a stored array {packed.kind}{packed.shape} is not one of {np.dtype(like)} by {width}")
    size = max(math.prod(packed.shape) * np.dtype(packed.kind).itemsize, 0)
    data = packed.data if packed.how == "plain" else _inflated(packed, size)
    if len(data) != size or min(packed.shape) < 0:
        raise ModelMismatch(f"a stored array {packed.kind}{packed.shape} has {len(data)} bytes and should have {size}")
    return np.frombuffer(data, packed.kind).reshape(packed.shape).astype(like)


def _inflated(packed: Packed, size: int) -> bytes:
    """Never more than one byte too many, whatever was stored."""
    try:
        planes = zlib.decompressobj().decompress(packed.data, size + 1)
    except zlib.error as error:
        raise ModelMismatch(f"a stored array {packed.kind}{packed.shape} is damaged: {error}") from error
    if len(planes) != size:
        return planes
    return np.frombuffer(planes, np.uint8).reshape(np.dtype(packed.kind).itemsize, -1).T.tobytes()

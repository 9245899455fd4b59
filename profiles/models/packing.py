"""Arrays inside msgpack: type, shape and bytes, nothing that could run.

Knows: numpy's plain number types.  Must not know: what is in an array.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from profiles.errors import ModelMismatch

_TYPES: Final = ("<f4", "<f8", "<i8")


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """One array."""

    kind: str
    shape: tuple[int, ...]
    data: bytes


def pack(array: npt.NDArray[Any]) -> Packed:
    """The bytes of an array, little-endian."""
    kind = array.dtype.newbyteorder("<").str
    return Packed(kind, array.shape, np.ascontiguousarray(array, kind).tobytes())


def unpack(packed: Packed, like: npt.DTypeLike, width: tuple[int, ...]) -> npt.NDArray[Any]:
    """The array again, its own copy; all but the first dimension must be ``width``.

    Raises:
        ModelMismatch: it is of another type or shape, or its bytes are not as many as it says.
    """
    size = int(np.prod(packed.shape)) * np.dtype(packed.kind).itemsize if packed.kind in _TYPES else -1
    if np.dtype(like) != np.dtype(packed.kind) or packed.shape[1:] != width or size != len(packed.data):
        raise ModelMismatch(f"a stored array {packed.kind}{packed.shape} is not one of {np.dtype(like)} by {width}")
    return np.frombuffer(packed.data, packed.kind).reshape(packed.shape).astype(like)

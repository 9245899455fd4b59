"""A customer's row as bytes: a mark of the layout, then the packed slots.

A row may have a head before it, bytes of ``identity``, which readers of rows pass over.
Knows: how stored profiles are read under a newer layout.  Must not know: where they are stored, what a head says.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from profiles.clock import Int64s
from profiles.errors import LayoutError
from profiles.kernels.pack import WORST, pack_rows, unpack_rows
from profiles.layout import LAYOUT, Layout

AT_ONCE: Final = 256  #: rows packed into one piece of room, which has to do for the worst of them
_MARK: Final = struct.Struct("<I")
_TODAY: Final = _MARK.pack(LAYOUT.fingerprint)
HEAD: Final = b"\xffid1"  #: how a head begins; its length follows


def pack_matrix(state: Int64s, which: Int64s | None = None) -> tuple[bytes, Int64s]:
    """All rows, or those that ``which`` numbers, as one run of bytes, and where each of them ends in it.

    >>> data, ends = pack_matrix(np.array([[0, 0, 7], [0, 0, 0]]))
    >>> len(data), ends.tolist()
    (2, [2, 2])
    """
    which = np.arange(len(state)) if which is None else which
    state, ends, pieces, at = np.ascontiguousarray(state), np.zeros(len(which), np.int64), [], 0
    out = np.empty(min(len(which), AT_ONCE) * state.shape[1] * WORST, np.uint8)  # hardly any of it is ever touched
    for start in range(0, len(which), AT_ONCE):
        some = ends[start : start + AT_ONCE]
        pack_rows(state, which[start : start + AT_ONCE], out, some)
        pieces.append(out[: some[-1]].tobytes())
        some += at
        at = int(some[-1])
    return b"".join(pieces), ends


def unpack(data: bytes, ends: Int64s, width: int) -> Int64s:
    """The inverse of ``pack_matrix``.

    Raises:
        LayoutError: bytes that ``pack_matrix`` never wrote.
    """
    if len(data) != (ends[-1] if len(ends) else 0):
        raise LayoutError(f"{len(data)} bytes where rows end at {ends[-1:].tolist()}")
    state = np.zeros((len(ends), width), np.int64)
    broken = unpack_rows(np.frombuffer(data, np.uint8), ends, state)
    if broken >= 0:
        raise LayoutError(f"row {broken} of {len(ends)} is damaged")
    return state


def to_blobs(state: Int64s, which: Int64s | None = None) -> list[bytes]:
    """Profiles as they are stored: all rows, or those that ``which`` numbers."""
    data, ends = pack_matrix(state, which)
    edges = [0, *ends.tolist()]
    return [_TODAY + data[start:end] for start, end in pairwise(edges)]


def from_blobs(blobs: Sequence[bytes | None], older: Mapping[int, Layout]) -> Int64s:
    """Rows of stored profiles under today's layout; a missing one is a row of zeros.

    ``older`` knows the layouts of the past by fingerprint.

    Raises:
        LayoutError: a profile is damaged, or was written under a layout that nobody remembers.
    """
    if all(blob is None or blob[: _MARK.size] == _TODAY for blob in blobs):
        return _rows(blobs, LAYOUT)
    blobs = [blob if blob is None else split_head(blob)[1] for blob in blobs]
    if any(blob is not None and len(blob) < _MARK.size for blob in blobs):
        raise LayoutError("a profile is cut off before its layout's mark")
    marks = [_MARK.unpack_from(blob)[0] if blob is not None else LAYOUT.fingerprint for blob in blobs]
    state = np.zeros((len(blobs), LAYOUT.size), np.int64)
    for mark in set(marks):
        layout = LAYOUT if mark == LAYOUT.fingerprint else older.get(mark)
        if layout is None:
            raise LayoutError(f"a profile has the unknown layout {mark:08x}; was it written by a newer Mien?")
        here = np.array([i for i, m in enumerate(marks) if m == mark])
        target = LAYOUT.slots_from(layout)
        rows = _rows([blobs[i] for i in here], layout)
        state[np.ix_(here, target[target >= 0])] = rows[:, target >= 0]
    return state


def headed(head: bytes, blob: bytes) -> bytes:
    """A stored profile with a head.

    >>> split_head(headed(b"who", b"row")), split_head(b"row")
    ((b'who', b'row'), (b'', b'row'))
    """
    return HEAD + _MARK.pack(len(head)) + head + blob


def split_head(blob: bytes) -> tuple[bytes, bytes]:
    """Head and row of a stored profile; most have no head.

    Raises:
        LayoutError: it is cut off within the head.
    """
    if not blob.startswith(HEAD):
        return b"", blob
    start = len(HEAD) + _MARK.size
    if len(blob) < start or len(blob) < (end := start + _MARK.unpack_from(blob, len(HEAD))[0]):
        raise LayoutError("a profile is cut off within its head")
    return blob[start:end], blob[end:]


def _rows(blobs: Sequence[bytes | None], layout: Layout) -> Int64s:
    pieces = [blob[_MARK.size :] if blob else b"" for blob in blobs]
    return unpack(b"".join(pieces), np.cumsum([len(piece) for piece in pieces], dtype=np.int64), layout.size)

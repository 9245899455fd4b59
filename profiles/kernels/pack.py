"""Rows to bytes and back: only slots that are not zero, as pairs of small numbers.

A row becomes a run of (distance to the next used slot, value), both as variable-length integers (LEB128, values
zigzag-coded), so a count costs two bytes and a time seven.
Knows: int64 rows.  Must not know: what a slot means.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from profiles.clock import Int64s
from profiles.compiled import compiled

Bytes = npt.NDArray[np.uint8]
WORST = 13  #: bytes of one slot: up to 3 for the distance, 10 for the value


@compiled
def pack_rows(state: Int64s, which: Int64s, out: Bytes, ends: Int64s) -> None:
    """Write the rows ``which`` one after another into ``out``; the i-th of them ends at ``ends[i]``."""
    at = 0
    for i in range(len(which)):
        r, before = which[i], -1
        for slot in range(state.shape[1]):
            value = state[r, slot]
            if value == 0:
                continue
            rest = np.uint64(slot - before)
            before = slot
            while rest >= 128:
                out[at] = np.uint8(rest & np.uint64(127)) | np.uint8(128)
                rest >>= np.uint64(7)
                at += 1
            out[at] = np.uint8(rest)
            at += 1
            rest = np.uint64((value << 1) ^ (value >> 63))
            while rest >= 128:
                out[at] = np.uint8(rest & np.uint64(127)) | np.uint8(128)
                rest >>= np.uint64(7)
                at += 1
            out[at] = np.uint8(rest)
            at += 1
        ends[i] = at


@compiled
def unpack_rows(data: Bytes, ends: Int64s, state: Int64s) -> int:
    """Fill rows of zeros from packed bytes; returns the first row that makes no sense, or -1."""
    at = 0
    for r in range(len(state)):
        slot = np.int64(-1)
        while at < ends[r]:
            for half in range(2):
                rest, shift = np.uint64(0), np.uint64(0)
                while at < ends[r] and data[at] >= 128 and shift < 63:
                    rest |= np.uint64(data[at] & np.uint8(127)) << shift
                    shift += np.uint64(7)
                    at += 1
                if at >= ends[r]:
                    return r
                rest |= np.uint64(data[at]) << shift
                at += 1
                if half == 0:
                    slot += np.int64(rest)
                    if slot < 0 or slot >= state.shape[1]:
                        return r
                else:
                    state[r, slot] = np.int64(rest >> np.uint64(1)) ^ -np.int64(rest & np.uint64(1))
    return -1

"""Matrices as bytes that travel: the length of every row, then the rows.

A call into numpy or a kernel costs some microseconds, however little it is given; so many small matrices are packed at
once, and read at once.
Knows: rows and bytes.  Must not know: what a row is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from profiles.clock import Int64s
from profiles.codec import pack_matrix, unpack
from profiles.errors import LayoutError


def packed(rows: npt.ArrayLike, width: int) -> bytes:
    """A matrix as bytes."""
    table = np.array(rows, np.int64).reshape(-1, width)
    return packed_each(table, [len(table)])[0]


def packed_each(table: Int64s, counts: Sequence[int]) -> list[bytes]:
    """Matrices of ``counts`` rows that stand in ``table`` one below the other, each as if it was packed alone.

    >>> packed_each(np.array([[1, 2], [3, 4], [5, 6]]), [2, 0, 1]) == [
    ...     packed([[1, 2], [3, 4]], 2),
    ...     b"",
    ...     packed([5, 6], 2),
    ... ]
    True
    """
    if not len(table):
        return [b""] * len(counts)
    data, ends = pack_matrix(table)
    lengths = ends.copy()
    lengths[1:] -= ends[:-1]
    heads, edges = lengths.astype("<u2").tobytes(), [0, *ends.tolist()]
    return [
        heads[2 * start : 2 * end] + data[edges[start] : edges[end]]
        for start, end in pairwise([0, *accumulate(counts)])
    ]


def matrix(data: bytes, count: int, width: int) -> Int64s:
    """The inverse of ``packed``.

    Raises:
        LayoutError: bytes that ``packed`` never wrote.
    """
    return matrices([(data, count)], width)


def matrices(pieces: Sequence[tuple[bytes, int]], width: int) -> Int64s:
    """The rows of several matrices (bytes, number of rows), one below the other.

    Raises:
        LayoutError: one of them are bytes that ``packed`` never wrote.
    """
    for data, count in pieces:
        if not 0 <= 2 * count <= len(data):
            raise LayoutError(f"{len(data)} bytes are no matrix of {count} rows")
    if not any(data for data, _ in pieces):
        return np.zeros((0, width), np.int64)
    heads = b"".join([data[: 2 * count] for data, count in pieces])
    rows = b"".join([data[2 * count :] for data, count in pieces])
    edges = np.zeros(len(heads) // 2 + 1, np.int64)
    np.frombuffer(heads, "<u2").cumsum(out=edges[1:])
    _within(edges, pieces)
    return unpack(rows, edges[1:], width)


def _within(edges: Int64s, pieces: Sequence[tuple[bytes, int]]) -> None:
    """Insist that every matrix ends where its bytes do, or what one lacks would be taken from the next."""
    ends = edges[list(accumulate(count for _, count in pieces))].tolist()
    if ends != list(accumulate(len(data) - 2 * count for data, count in pieces)):
        raise LayoutError("the rows of a matrix are longer or shorter than its bytes")

"""Bodies as they were before somebody compressed them, however the headers call it.

Knows: gzip.  Must not know: what is inside.
"""

from __future__ import annotations

import zlib
from typing import Final

from profiles.errors import Rejected

GZIP: Final = b"\x1f\x8b"


def inflate(raw: bytes, limit: int) -> bytes:
    """``raw``, inflated if it is gzip.

    Raises:
        Rejected: ``body_too_large`` if more than ``limit`` bytes come out, ``bad_gzip`` if it is damaged.

    >>> import gzip
    >>> inflate(gzip.compress(b"{}"), 100), inflate(b"{}", 100)
    (b'{}', b'{}')
    """
    if len(raw) > limit:
        raise _too_large(limit)
    if not raw.startswith(GZIP):
        return raw
    machine = zlib.decompressobj(31)
    try:
        out = machine.decompress(raw, limit + 1)
    except zlib.error as error:
        raise Rejected("bad_gzip", f"the body begins like gzip, but {error}") from None
    if len(out) > limit:
        raise _too_large(limit)
    if not machine.eof:
        raise Rejected("bad_gzip", "the body is cut off")
    return out


def _too_large(limit: int) -> Rejected:
    return Rejected("body_too_large", f"a request may have {limit} bytes, inflated; send smaller batches")

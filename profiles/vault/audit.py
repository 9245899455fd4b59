"""Who looked at personal data, or changed what may be kept of it: a chain of which no link can be changed unseen.

Every entry holds the SHA-256 of the one before.  Whoever changes, drops or inserts one breaks the chain there; whoever
writes the whole end anew changes its last hash, which is worth noting elsewhere from time to time.
Customers are named by their blind index: the log stays when they are erased, and then says nothing about them.

Knows: what an entry holds, how the chain is checked.  Must not know: where it is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import msgspec

from profiles.clock import Millis

START: Final = "0" * 64  #: stands for the hash of an entry before the first


class Act(msgspec.Struct, frozen=True):
    """What somebody did, or was kept from doing."""

    by: str  #: id of the API key, or ``cli``
    name: str  #: what that key is called
    action: str  #: reveal, export, consent, regulation, rotate, scrub, letter
    subject: str  #: blind index of the customer; empty if it is about no single one
    fields: tuple[str, ...]
    reason: str
    outcome: str  #: done, or a code of why not


class Entry(msgspec.Struct, frozen=True):
    """One link."""

    seq: int  #: 1, 2, 3 ... without gaps
    at: Millis
    prev: str  #: SHA-256 of the entry before, as it is stored
    act: Act


class Verdict(msgspec.Struct, frozen=True):
    """What a look at the whole chain came to."""

    entries: int
    last: str  #: hash of the last good one
    fault: str = ""  #: where it breaks, and how; empty if it does not


_encode: Final = msgspec.json.Encoder(order="deterministic").encode
decode: Final = msgspec.json.Decoder(Entry).decode


def link(seq: int, at: Millis, prev: str, act: Act) -> tuple[bytes, str]:
    """An entry as it is stored, and its hash."""
    raw = _encode(Entry(seq, at, prev, act))
    return raw, digest(raw)


def digest(raw: bytes) -> str:
    """What the next entry says of this one."""
    return sha256(raw).hexdigest()


def check(stored: Iterable[bytes], head: tuple[int, str], known: tuple[int, str] = (0, START)) -> Verdict:
    """Walk the chain.  ``head``: number and hash that the store says are the last; ``known``: noted earlier, elsewhere.

    >>> act = Act("k", "desk", "reveal", "x", ("phone",), "call back", "done")
    >>> first, at = link(1, 5, START, act)
    >>> second, last = link(2, 6, at, act)
    >>> check([first, second], (2, last)).fault, check([first.replace(b"call", b"kill"), second], (2, last)).fault
    ('', 'entry 2 does not follow from entry 1: one of them was changed')
    """
    seq, last = 0, START
    for raw in stored:
        try:
            entry = decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Verdict(seq, last, f"entry {seq + 1} cannot be read: {error}")
        if entry.seq != seq + 1:
            return Verdict(seq, last, f"entry {seq + 1} is missing: {entry.seq} follows {seq}")
        if entry.prev != last:
            return Verdict(seq, last, f"entry {seq + 1} does not follow from entry {seq}: one of them was changed")
        seq, last = entry.seq, digest(raw)
        if seq == known[0] and last != known[1]:
            return Verdict(seq, last, f"entry {seq} is not the one that was noted: it or one before it was changed")
    if (seq, last) != head:
        return Verdict(seq, last, f"the chain ends with entry {seq}, its head is {head[0]}: the end was changed or cut")
    if seq < known[0]:
        return Verdict(seq, last, f"entry {known[0]} was noted, and the chain ends with {seq}: its end was cut")
    return Verdict(seq, last)

"""An entry of a timeline as bytes: what a screen tells of a customer, in a twelfth of the room its JSON takes.

A transition is, in this order: its head, that is what changed and how (5 or 6 bytes, LEB128: CHANGES and ORIGINS, the
version of the rules, name, rung left, tier, stage); a byte that tells lengths, then the moment (5), sequence number and
delay (up to 5 each) and risk (2, if known); and each reason as a place among the phrases of the rules and the value that
was seen (2 to 5).  Some 23 bytes, where the message that leaves has 300.  A moment (an order, a complaint) takes 16.

What the rules of that version say anyway is not kept: names are the numbers by which tags and rungs are known for
ever, a phrase is ``days_silent >= 30``.  What does not fit (a name the rules do not know, a time before 2010) stays
JSON, as all entries were once: those begin with ``{``, which is no head.
Knows: the shape of an entry.  Must not know: how rules are written, where entries are kept.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from profiles import wire
from profiles.errors import LayoutError
from profiles.kinds import Kind
from profiles.wire import Because, Origin, Transition

Note = dict[str, Any]  #: an entry as people and programs read it
Value = float | str | None  #: of a reason

EPOCH: Final = 1_262_304_000_000  #: 2010-01-01: times are counted from here (ms)
TIME: Final = 5  #: bytes of a time: they end in 2044, then entries are JSON again
KEY: Final = 8  #: bytes of a code
MOMENT: Final = 0x40  #: the head of a moment is this and its kind
KNOWN_RISK: Final = 0x80  #: in the byte of lengths, above three bits each for sequence number and delay
#: stored, so nothing here ever moves: a head is a place in CHANGES times eight and a place in ORIGINS
CHANGES: Final = (("tag", "entered"), ("tag", "left"), ("stage", "moved"), ("rfm", "moved"), ("tier", "moved"))
ORIGINS: Final[tuple[Origin, ...]] = ("live", "sweep", "backfill", "reconcile", "merge")
#: first byte of a value: itself up to SMALL, or a scale and how many bytes follow, or one of four that say something
SMALL: Final = 200
SCALES: Final = ((SMALL, 1), (SMALL + 8, 100), (SMALL + 16, 10_000))
MOST: Final = 1e12  #: ten thousand times as much fits into seven bytes
NOTHING, AS_ASKED, EXACT, TEXT = range(SMALL + 24, SMALL + 28)

REMEMBERED: Final = 4096  #: reasons kept as bytes: six of seven are about the same few numbers

_HEADS: Final = {(*change, origin): i << 3 | j for i, change in enumerate(CHANGES) for j, origin in enumerate(ORIGINS)}
_MEANT: Final = {head: meant for meant, head in _HEADS.items()}
_BYTE: Final = tuple(bytes([i]) for i in range(256))
_FLOAT: Final = struct.Struct("<d")
_json: Final = msgspec.json.Decoder().decode


class Phrase(msgspec.Struct, frozen=True, array_like=True):
    """What rules can say of one comparison, but for the value."""

    feature: str
    compare: str
    limit: Value = None
    open: bool = False  #: the limit is a cut point of the population; these move, so it is kept with the entry


class Words:
    """What the rules of one version know: names by number, phrases by place; and bytes that were made before."""

    def __init__(self, numbers: Mapping[str, int], phrases: Iterable[Phrase]) -> None:
        self.names: dict[str, dict[int, str]] = {}  #: ``tag`` or ladder -> number -> name
        for key, number in numbers.items():
            family, _, name = key.rpartition(".")  # a tag has none
            self.names.setdefault(family or "tag", {})[number] = name
        self.phrases = tuple(phrases)
        self._numbers = {what: {name: n for n, name in of.items()} for what, of in self.names.items()}
        self._places = {
            (p.feature, p.compare, None if p.open else p.limit, p.open): i for i, p in enumerate(self.phrases)
        }
        self.heads: dict[tuple[object, ...], bytes] = {}  #: made before
        self.reasons: dict[Because, bytes] = {}  #: made lately

    def head(self, said: Transition, key: tuple[object, ...]) -> bytes:
        """What many transitions have in common, ``key``, as bytes; remembered.

        Raises:
            KeyError: the rules do not know a name.
        """
        stands = ((said.what, said.was), ("tier", said.tier), ("stage", said.stage))
        places = [0 if name is None else 1 + self._numbers[what][name] for what, name in stands]
        kind = _HEADS[said.what, said.change, said.origin]
        numbers = (said.rules, self._numbers[said.what][said.name], *places)
        self.heads[key] = out = _BYTE[kind] + b"".join(map(_leb, numbers))
        return out

    def reason(self, because: Because) -> bytes:
        """One comparison that decided, as bytes; remembered.

        Raises:
            KeyError, ValueError, OverflowError: the rules cannot have said that.
        """
        place = self._places.get((because.feature, because.compare, because.limit, False))
        if place is None:
            place = self._places[because.feature, because.compare, None, True]
            out = _leb(place) + _value(because.limit, None)
        else:
            out = _leb(place)
        out += _value(because.value, because.limit)
        if len(self.reasons) >= REMEMBERED:
            self.reasons.clear()
        self.reasons[because] = out
        return out


def encode(said: Transition, words: Words) -> bytes | None:
    """A transition as an entry; None if it has to stay JSON.

    >>> phrases = [Phrase("days_silent", ">=", 30.0), Phrase("spend_365d", ">", open=True)]
    >>> words = Words({"churned": 4, "tier.ordinary": 0, "stage.active": 1}, phrases)
    >>> reasons = Because("days_silent", ">=", 30.0, 30.0), Because("spend_365d", ">", 512.4, 99.95)
    >>> at = EPOCH + 1000
    >>> said = Transition(2, 900, "u-1", "tag", "churned", "entered", at, at + 200, "sweep", 1, None, 0, reasons, 0.25)
    >>> entry = encode(said, words)
    >>> len(entry), len(wire.encode(said))
    (26, 313)
    >>> decode(entry, 2, "u-1", lambda version: words) == _json(wire.encode(said))
    True
    """
    at, late, seq, risk = said.at - EPOCH, said.clock - said.at, said.seq, said.risk
    if (at | late | seq) >> 8 * TIME or said.since:  # below zero too
        return None
    a, b = seq.bit_length() + 7 >> 3, late.bit_length() + 7 >> 3
    packed, size, lengths = (at << 8 * a | seq) << 8 * b | late, TIME + a + b, a << 3 | b
    try:
        if risk is not None:
            places = int(risk * 10_000 + 0.5)
            if places / 10_000 != risk or places >> 16:
                return None
            packed, size, lengths = packed << 16 | places, size + 2, lengths | KNOWN_RISK
        key = (said.what, said.change, said.origin, said.rules, said.name, said.was, said.tier, said.stage)
        out = words.heads.get(key) or words.head(said, key)
        out += (lengths << 8 * size | packed).to_bytes(size + 1, "big")
        for each in said.because:
            out += words.reasons.get(each) or words.reason(each)
    except (KeyError, ValueError, OverflowError):  # a name or a number that there is no short way to write
        return None
    return out


def encode_moment(at: int, kind: Kind, amount: int, key: int) -> bytes:
    """Something that happened, as an entry; ``amount`` in minor units, ``key`` the code of the message.

    >>> entry = encode_moment(EPOCH + 1000, Kind.ORDER, 19900, 7)
    >>> len(entry), decode(entry, 2, "u-1", {}.__getitem__)
    (17, {'at': 1262304001000, 'event': 'order', 'amount': 19900, 'id': 7})
    """
    since = at - EPOCH
    if since >> 8 * TIME or amount < 0:  # before EPOCH it is below zero
        return wire.encode({"at": at, "event": kind.name.lower(), "amount": amount, "id": key})
    return _BYTE[MOMENT | kind] + since.to_bytes(TIME, "big") + key.to_bytes(KEY, "big", signed=True) + _leb(amount)


def rules_of(entry: bytes) -> int | None:
    """The version of the rules whose words an entry needs; None if it needs none."""
    return None if not entry or entry[0] & MOMENT else _Reader(entry[1:]).leb()


def decode(entry: bytes, bucket: int, profile: str, words: Callable[[int], Words]) -> Note:
    """An entry in the shape of the message, or of the moment, that it tells of; ``words`` are those of a version.

    Raises:
        LayoutError: nothing that Mien ever wrote.
    """
    try:
        if entry[:1] == b"{":
            note: Note = _json(entry)
            return {"at": note["at"], **note}  # every message that was ever kept has a moment; else it is damaged
        rest = _Reader(entry)
        head = rest.number(1)
        if head & MOMENT:
            at, key = rest.number(TIME) + EPOCH, int.from_bytes(rest.take(KEY), "big", signed=True)
            return {"at": at, "event": Kind(head & ~MOMENT).name.lower(), "amount": rest.leb(), "id": key}
        return _transition(rest, _MEANT[head], bucket, profile, words)
    except (IndexError, KeyError, ValueError) as fault:
        raise LayoutError(f"an entry of the timeline of {profile!r} is damaged: {entry.hex()}") from fault


def _transition(
    rest: _Reader, meant: tuple[str, str, Origin], bucket: int, profile: str, words: Callable[[int], Words]
) -> Note:
    (what, change, origin), known = meant, words(version := rest.leb())
    names, tiers, stages = known.names[what], known.names["tier"], known.names["stage"]
    name, was, tier, stage, lengths = rest.leb(), rest.leb(), rest.leb(), rest.leb(), rest.number(1)
    at, seq, late = rest.number(TIME) + EPOCH, rest.number(lengths >> 3 & 7), rest.number(lengths & 7)
    said = Transition(
        bucket=bucket,
        seq=seq,
        profile=profile,
        what=what,
        name=names[name],
        change="moved" if change == "moved" else "entered" if change == "entered" else "left",
        at=at,
        clock=at + late,
        origin=origin,
        rules=version,
        was=names[was - 1] if was else None,
        risk=rest.number(2) / 10_000 if lengths & KNOWN_RISK else None,
        tier=tiers[tier - 1] if tier else None,
        stage=stages[stage - 1] if stage else None,
        because=tuple(_reasons(rest, known)),
    )
    note: Note = _json(wire.encode(said))  # the shape of the message, whatever that comes to be
    return note


def _reasons(rest: _Reader, known: Words) -> Iterator[Because]:
    while rest:
        phrase = known.phrases[rest.leb()]
        limit = rest.value(None) if phrase.open else phrase.limit
        yield Because(phrase.feature, phrase.compare, rest.value(limit), limit)


def _leb(n: int) -> bytes:
    """A number in pieces of seven bits, the lowest first."""
    if n < 0:
        raise ValueError(n)
    out = b""
    while n > 127:
        out += _BYTE[n & 127 | 128]
        n >>= 7
    return out + _BYTE[n]


def _value(value: Value, asked: Value) -> bytes:
    """A value of a reason, or a limit; ``asked`` is what it was compared with."""
    if value == asked:
        return _BYTE[AS_ASKED]
    if value is None:
        return _BYTE[NOTHING]
    if isinstance(value, str):
        text = value.encode()
        return _BYTE[TEXT] + _leb(len(text)) + text
    if 0 <= value < SMALL and value.is_integer():
        return _BYTE[int(value)]
    for code, scale in SCALES if 0 < value < MOST else ():
        parts = int(value * scale + 0.5)
        if parts / scale == value:
            size = parts.bit_length() + 7 >> 3
            return (code + size << 8 * size | parts).to_bytes(size + 1, "big")
    return _BYTE[EXACT] + _FLOAT.pack(value)


class _Reader:
    """Bytes that are read once, from left to right; reading beyond the end is an IndexError."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        start, self._at = self._at, self._at + count
        if self._at > len(self._data):
            raise IndexError(count)
        return self._data[start : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def leb(self) -> int:
        n = shift = 0
        while (byte := self.number(1)) > 127:
            n, shift = n | (byte & 127) << shift, shift + 7
        return n | byte << shift

    def value(self, asked: Value) -> Value:
        code = self.number(1)
        if code < SMALL:
            return float(code)
        if code < NOTHING:
            return self.number(code & 7) / SCALES[(code - SMALL) >> 3][1]
        if code == TEXT:
            return self.take(self.leb()).decode()
        if code == EXACT:
            exact: float = _FLOAT.unpack(self.take(_FLOAT.size))[0]
            return exact
        return {NOTHING: None, AS_ASKED: asked}[code]

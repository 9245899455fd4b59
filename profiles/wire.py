"""What travels between the parts, as values.

Knows: the shape of every message that leaves or crosses Mien.
Must not know: topics, Redis, how anything is computed.  (What comes in from apps is in ``intake``; the packed batches
between the two hops are in ``inputs``.)
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Origin = Literal["live", "sweep", "backfill", "reconcile", "merge"]
ORIGINS: tuple[Origin, ...] = ("live", "sweep", "backfill", "reconcile", "merge")
MAY_SEND: frozenset[Origin] = frozenset({"live", "sweep"})  #: origins whose transitions may reach a customer


class Because(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One comparison that decided: ``spend_365d 512.40 >= 500.00``."""

    feature: str
    compare: str  #: ``<  <=  >  >=  =  !=  is known  is unknown``, or ``held`` / ``not held`` of a tag
    value: float | str | None = None
    limit: float | str | None = None

    def __str__(self) -> str:
        return " ".join(
            _shown(part) for part in (self.feature, self.value, self.compare, self.limit) if part is not None
        )


def _shown(part: float | str) -> str:
    return part if isinstance(part, str) else f"{part:.2f}".rstrip("0").rstrip(".")


class Transition(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A tag was entered or left, or a customer moved on a ladder (stage, rfm, tier).

    ``bucket`` and ``seq`` identify it for ever: a reader that remembers the last ``seq`` of each bucket sees every
    transition once.  ``at`` is the moment it became true, ``clock`` what time it was when Mien said so (both in
    milliseconds); far apart means stale.
    """

    bucket: int
    seq: int
    profile: str
    what: str  #: ``tag`` or the name of a ladder
    name: str  #: the tag, or the rung moved to
    change: Literal["entered", "left", "moved"]
    at: int
    clock: int
    origin: Origin
    rules: int  #: version of the rules that decided
    was: str | None = None  #: the rung left
    since: int = 0  #: of a tag that was left: when it had been entered
    because: tuple[Because, ...] = ()
    risk: float | None = None
    stake: float | None = None  #: what is at stake, in major units of the shop's currency
    below: bool = False  #: that is less than the budget of alerts asked for
    reasons: tuple[tuple[str, str], ...] = ()  #: what raises the risk most, of candidates for an alert: zh, en
    tier: str | None = None
    stage: str | None = None


class Sample(msgspec.Struct, frozen=True, array_like=True, tag="sample", gc=False):
    """Some features of one customer, frozen at one moment, for the learners."""

    bucket: int
    seq: int
    profile: str
    at: int
    features: dict[str, float]


class Candidate(msgspec.Struct, frozen=True, array_like=True, tag="candidate"):
    """Somebody came to where an alert about what is at stake may be due: what the budget's line is drawn from."""

    bucket: int
    seq: int
    profile: str
    at: int
    stake: float


class Opinion(msgspec.Struct, frozen=True, array_like=True, tag="opinion"):
    """A review that gave stars and said something, for the learner of voices; the words are hashed."""

    bucket: int
    seq: int
    profile: str
    at: int
    stars: int
    grams: str  #: ``profiles.grams.pack``


class Basket(msgspec.Struct, frozen=True, array_like=True, tag="basket"):
    """What one order holds, told when the order is counted: codes, each once, in the order of its lines."""

    bucket: int
    seq: int
    profile: str
    at: int  #: when the order was placed, as its first message says (ms)
    items: tuple[int, ...]
    categories: tuple[int, ...]


class DeadLetter(msgspec.Struct, frozen=True):
    """Why a record was refused; travels as headers of the dead letter, whose value is the record's raw bytes."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str = ""
    received: int = (
        0  #: when the record reached Kafka (ms), by which clocks are corrected; 0: about when it was refused
    )
    about: tuple[tuple[str, bytes], ...] = ()  #: of the record's own headers those that are kept: ``landing.carried``


KEPT_BYTES = 3 << 20  #: most bytes of a dead letter's value; more than any broker of ours accepts from an app


def headers(letter: DeadLetter, form: str = "raw") -> list[tuple[str, bytes]]:
    """Where a dead letter came from and why; topic, partition and offset tell repeats apart."""
    return [
        ("topic", letter.topic.encode()),
        ("partition", str(letter.partition).encode()),
        ("offset", str(letter.offset).encode()),
        ("reason", letter.reason.encode()),
        ("detail", letter.detail[:500].encode(errors="replace")),
        *([("received", str(letter.received).encode())] if letter.received else []),
        *([("form", form.encode())] if form != "raw" else []),
        *letter.about,
    ]


encode = msgspec.json.Encoder().encode
decode_transition = msgspec.json.Decoder(Transition).decode

Lesson: TypeAlias = Sample | Candidate | Opinion | Basket  #: whatever the learners are told; each sort has its tag
decode_lesson = msgspec.json.Decoder(Lesson).decode

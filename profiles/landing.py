"""A record of any event topic: a CloudEvent is opened, a source's mapping is applied, then intake reads it.

Knows: in which order, and how a CloudEvent travels in Kafka (https://github.com/cloudevents/spec, Kafka protocol binding).
Must not know: Kafka, what an event means.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Self, TypeAlias

from profiles.clock import Millis
from profiles.dialects import cloudevents
from profiles.dialects.parcel import Ready
from profiles.errors import Rejected
from profiles.identity.claims import Blind
from profiles.intake import Event, Intake
from profiles.mapping.document import SourceMap
from profiles.mapping.fields import Note
from profiles.mapping.live import Live, book
from profiles.settings import Settings

SKIPPED: Final = "skipped"  #: the reason of what a mapping leaves out; it is no dead letter
Headers: TypeAlias = Sequence[tuple[str, bytes | None]]


class Landing:
    """How one shop reads its topics."""

    def __init__(self, intake: Intake, live: Live | None = None) -> None:
        self._intake = intake
        self._live = live or None

    @classmethod
    def of(
        cls,
        settings: Settings,
        *,
        seals: bool = False,
        blind: Blind | None = None,
        sources: Sequence[SourceMap] | None = None,
    ) -> Self:
        """As the settings of the shop say; ``sources``: by these and not by those of the file."""
        found = cls(Intake.of(settings, seals=seals, blind=blind))
        found.follow(book(settings) if sources is None else sources, settings)
        return found

    def follow(self, sources: Sequence[SourceMap], settings: Settings) -> None:
        """Read by these sources from the next record on."""
        self._live = Live(sources, settings.timezone, settings.currency) or None

    @property
    def maps(self) -> bool:
        """Whether a mapping may change who a record is about."""
        return self._live is not None

    def read(
        self, raw: bytes, received: Millis, headers: Headers = (), topic: str = "", notes: list[Note] | None = None
    ) -> Event:
        """Understand one record that reached Kafka at ``received``; ``notes`` gets what a mapping mended.

        Raises:
            Rejected: the record can never become an update; ``reason`` is a short stable code, ``SKIPPED`` if a mapping
                leaves it out.
        """
        raw = opened(raw, headers)
        if self._live is not None:
            raw, mended = self._live(raw, topic, key_of(headers))
            if notes is not None:
                notes += mended
        return self._intake.read(raw, received)

    def form(self, raw: bytes, headers: Headers, topic: str) -> bytes:
        """A record that was understood, as intake read it; if sources that it is none for came since, as it was sent."""
        raw = opened(raw, headers)
        try:
            return raw if self._live is None else self._live(raw, topic, key_of(headers)).raw
        except Rejected:
            return raw


def key_of(headers: Headers) -> str | None:
    """Id of the write key that a record came by, if it did.

    >>> key_of([("source", b"k-1")]), key_of([])
    ('k-1', None)
    """
    for name, value in headers:
        if name == "source" and value:
            return value.decode("utf-8", "replace")[:64]
    return None


def opened(raw: bytes, headers: Headers = ()) -> bytes:
    """What a CloudEvent says, as intake reads it; anything else as it is.

    Raises:
        Rejected: it is a CloudEvent and says nothing that can be used.
    """
    if not headers and cloudevents.SIGN not in raw:
        return raw
    item = cloudevents.in_kafka(raw, headers)
    if item is None:
        return raw
    if isinstance(item, Ready):
        return item.value
    raise Rejected(item.reason, item.detail)


def carried(headers: Iterable[tuple[str, bytes | None]]) -> tuple[tuple[str, bytes], ...]:
    """Of a record's headers those that its dead letter keeps, because they say what it is or where it came from.

    >>> carried([("source", b"k-1"), ("traceparent", b"00"), ("ce_id", b"7")])
    (('source', b'k-1'), ('ce_id', b'7'))
    """
    return tuple((name, value or b"") for name, value in headers if name in _CARRIED or name.startswith("ce_"))


_CARRIED: Final = frozenset({"source", "dialect", "redrive", "content-type"})

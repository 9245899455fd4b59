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
from profiles.settings import Settings

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]


class Landing:
    """How one shop reads its topics."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    @classmethod
    def of(cls, settings: Settings, *, seals: bool = False, blind: Blind | None = None) -> Self:
        """As the settings of the shop say."""
        return cls(Intake.of(settings, seals=seals, blind=blind))

    def read(self, raw: bytes, received: Millis, headers: Headers = ()) -> Event:
        """Understand one record that reached Kafka at ``received``.

        Raises:
            Rejected: the record can never become an update; ``reason`` is a short stable code.
        """
        return self._intake.read(opened(raw, headers), received)


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

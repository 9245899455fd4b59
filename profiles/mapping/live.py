"""Mappings applied to records as they come: of the topics and write keys that a source names.

Knows: which source a record is of, what stays of a record that is mapped.  Must not know: Kafka, dialects.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from profiles.clock import Millis
from profiles.dialects.names import NONE, Names
from profiles.errors import MienError, Rejected
from profiles.mapping.apply import Mapper
from profiles.mapping.document import SHIPPED, SourceMap, load
from profiles.mapping.fields import Note
from profiles.settings import Settings

LATEST: Final[Millis] = (
    4_102_444_800_000  #: the year 2100: intake says by itself what is too far ahead, once it knows when it came
)
_STAYS: Final = ("sentAt", "context", "channel", "previousId", "groupId")


class UnreadableSources(MienError):
    """The file of MIEN_SOURCES is not there, or no text."""


def book(settings: Settings) -> tuple[SourceMap, ...]:
    """The sources of MIEN_SOURCES, then those Mien comes with that have other names.

    Raises:
        RuleErrors: everything that is wrong with the file.
        UnreadableSources: it cannot be read.
    """
    path = settings.sources
    return with_shipped(load(text_of(path), str(path)) if path else ())


def text_of(path: Path) -> str:
    """What a file of sources says.

    Raises:
        UnreadableSources: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableSources(f"{path} cannot be read: {error}; is MIEN_SOURCES right, and is it UTF-8?") from error


def with_shipped(own: Sequence[SourceMap]) -> tuple[SourceMap, ...]:
    """A shop's own sources, then those Mien comes with that have other names."""
    shipped = load(SHIPPED.read_text(encoding="utf-8"), SHIPPED.name)
    names = {each.name for each in own}
    return (*own, *(each for each in shipped if each.name not in names))


def names_of(sources: Sequence[SourceMap], shape: str = "sensors") -> Names:
    """The names of the first source of a shape, for the collector; a column's unit and cleaning count in ``Live`` alone."""
    source = next((each for each in sources if each.shape == shape), None)
    if source is None:
        return NONE
    return Names(source.events or {}, {column.target: column.names for column in source.fields})


class Mapped(NamedTuple):
    """A record as intake reads it, and what was mended or left out on the way: of one field the same once."""

    raw: bytes
    notes: tuple[Note, ...] = ()


class Live:
    """Finds the source of a record and applies it."""

    def __init__(self, sources: Sequence[SourceMap], timezone: str, currency: str) -> None:
        self._sources = tuple(each for each in sources if each.topics or each.keys)
        self._shop = timezone, currency
        self._known: dict[tuple[str, str | None], Mapper | None] = {}

    def __bool__(self) -> bool:
        """Whether there is any source that claims records."""
        return bool(self._sources)

    def __call__(self, raw: bytes, topic: str, key: str | None) -> Mapped:
        """The record under our names; as it is, if no source claims it.

        Raises:
            Rejected: the mapping cannot make an event of it, or leaves it out (``skipped``).
        """
        mapper = self._of(topic, key)
        return Mapped(raw) if mapper is None else applied(mapper, raw)

    def _of(self, topic: str, key: str | None) -> Mapper | None:
        """The source that names its write key, else the one that names its topic."""
        if (topic, key) not in self._known:
            if len(self._known) > 1000:
                self._known.clear()
            found = next((each for each in self._sources if key is not None and key in each.keys), None)
            if found is None and key is None:
                found = next((s for s in self._sources if any(fnmatchcase(topic, one) for one in s.topics)), None)
            self._known[topic, key] = Mapper(found, *self._shop, LATEST, live=True) if found else None
        return self._known[topic, key]


def applied(mapper: Mapper, raw: bytes) -> Mapped:
    """One record by one mapping; what the mapping does not speak of stays as it was.

    Raises:
        Rejected: the mapping cannot make an event of it, or leaves it out (``skipped``).
    """
    try:
        row: Any = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected("invalid_json", str(error)) from None
    if not isinstance(row, dict):
        raise Rejected("wrong_type", f"expected a JSON object, got {type(row).__name__}")
    found = mapper(row)
    if found.event is None:
        field, code = found.refused or Note("", "not_a_record")
        raise Rejected(code, f"{field}: as the mapping of source {mapper.source.name!r} reads it")
    event = {name: row[name] for name in _STAYS if name in row} | found.event
    own = row.get("messageId")
    if isinstance(own, str) and own:
        event["messageId"] = own
    elif "timestamp" not in event and mapper.source.id is None:
        del event["messageId"]  # made of what was sent, and the same may happen twice
    if isinstance(given := row.get("properties"), dict):
        out = {note.field for note in found.dropped}
        rest = {name: value for name, value in given.items() if name not in out}
        event["properties"] = rest | event.get("properties", {})
    return Mapped(msgspec.json.encode(event), tuple(dict.fromkeys((*found.repairs, *found.dropped))))

"""What the record of a dead letter comes to today: by a mapping, by the dialect it came in, or as it is.

Knows: how each sort of letter becomes a record again, and asks intake whether it would be taken now.
Must not know: Kafka, what was sent before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

import msgspec

from profiles.dialects import cloudevents, posthog, segment, sensors
from profiles.dialects.parcel import Arrived, Parcel, Ready, is_order
from profiles.errors import MienError, Rejected
from profiles.landing import SKIPPED, Headers, Landing
from profiles.mapping.apply import Mapper
from profiles.mapping.document import SourceMap
from profiles.mapping.live import LATEST, applied, book, names_of
from profiles.settings import Settings
from profiles.topics import for_events
from streams.deadletters.letters import Letter
from streams.topics import OWN

State = Literal["ready", "refused", "skipped", "impossible"]
COLLECTED: Final = "collect/"

_REREAD: Final[dict[str, Callable[[Arrived], Parcel]]] = {
    "segment": segment.single,
    "jitsu": segment.single,
    "posthog": posthog.read,
    "sensors": lambda arrived: sensors.plain(arrived.body, arrived.names),
    "cloudevents": cloudevents.read,
}


class Mended(NamedTuple):
    """A record that would be taken now and where it belongs, or why there is none."""

    state: State
    why: str = ""  #: a reason that can be counted
    topic: str = ""
    partition: int | None = None  #: None: whichever its key says
    key: bytes | None = None
    value: bytes = b""
    headers: Headers = ()  #: what it travels with


class Mender:
    """Mends letters; with ``source`` by its mapping."""

    def __init__(self, settings: Settings, source: SourceMap | None = None) -> None:
        self._settings = settings
        self._source = source
        self._names = names_of(book(settings))
        self._landing = Landing.of(settings)

    def __call__(self, letter: Letter) -> Mended:
        """What becomes of a letter; never raises for what is in it."""
        if letter.form != "raw":
            return Mended("impossible", "record_gone")
        if letter.topic in OWN:
            return Mended("impossible", "not_from_an_app")
        try:
            mended = self._mended(letter)
            if mended.state == "ready":
                self._landing.read(mended.value, letter.received, mended.headers, mended.topic)
        except Rejected as fault:
            return Mended("skipped" if fault.reason == SKIPPED else "refused", fault.reason)
        return mended

    def _mended(self, letter: Letter) -> Mended:
        if self._source is not None:
            return self._mapped(letter, self._source)
        if letter.topic.startswith(COLLECTED):
            return self._reread(letter)
        return Mended("ready", "", letter.topic, letter.partition, None, letter.value, letter.own)

    def _mapped(self, letter: Letter, source: SourceMap) -> Mended:
        mapper = Mapper(source, self._settings.timezone, self._settings.currency, LATEST, live=True)
        value = applied(mapper, letter.value).raw
        event: dict[str, Any] = msgspec.json.decode(value)
        where = self._place(letter, is_order(event.get("event")))
        return where._replace(value=value, key=_whom(event))

    def _reread(self, letter: Letter) -> Mended:
        """Once more by its dialect: a newer release may understand what an older one did not."""
        reread = _REREAD.get(letter.topic.removeprefix(COLLECTED))
        if reread is None:
            return Mended("impossible", "unknown_dialect")
        item = next(reread(Arrived(letter.value, names=self._names)).items, None)
        if item is None:
            return Mended("skipped", "skipped")
        if not isinstance(item, Ready):
            return Mended("refused", item.reason)
        return self._place(letter, item.order)._replace(value=item.value, key=item.key)

    def _place(self, letter: Letter, order: bool) -> Mended:
        """Where it came from; what never was in Kafka goes where the collector would have sent it."""
        if letter.topic.startswith(COLLECTED):
            return Mended("ready", "", for_events(self._settings.event_topics)[order], headers=letter.origin)
        return Mended("ready", "", letter.topic, letter.partition, headers=letter.origin)


def _whom(event: dict[str, Any]) -> bytes | None:
    whom = event.get("userId") or event.get("anonymousId")
    return str(whom).encode("utf-8", "replace")[:256] if whom else None


def source_of(sources: tuple[SourceMap, ...], name: str | None) -> SourceMap:
    """The source of that name, or the only one there is.

    Raises:
        MienError: there is none, or several and no name.
    """
    known = ", ".join(each.name for each in sources)
    if name is None and len(sources) == 1:
        return sources[0]
    found = next((each for each in sources if each.name == name), None)
    if found is None:
        asked = f"there is no source {name!r} in it" if name else "the mapping has several sources"
        raise MienError(f"{asked}: say which with --as; there are {known}")
    return found

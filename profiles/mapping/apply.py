"""A record of a source becomes an event as apps send it, with every repair and refusal named.

Knows: how a mapping is applied, which fields an event cannot do without.
Must not know: files, Kafka, what time it is (``now`` is told).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final, NamedTuple

from profiles.cleaning.texts import spelled, text
from profiles.clock import Millis
from profiles.dialects.names import KEEP, SKIP
from profiles.errors import RuleError
from profiles.kinds import CALLS, NAMES, Kind
from profiles.mapping.document import Column, SourceMap
from profiles.mapping.fields import Fields, Note, Washing
from profiles.mapping.message import ByContent, by_own, own_of
from profiles.mapping.records import Row, Said, first, said
from profiles.mapping.targets import MONEY, PROPERTIES, TRAITS

SPENDING: Final = frozenset({Kind.ORDER, Kind.REFUND, Kind.CANCEL})
WHO, WHEN, WHAT, ROW = "who", "when", "event", "row"  #: what is named where no field is to blame


class Mapped(NamedTuple):
    """What became of a record: an event, or why there is none; and what happened to its fields on the way."""

    event: dict[str, Any] | None
    refused: Note | None = None
    repairs: tuple[Note, ...] = ()
    dropped: tuple[Note, ...] = ()  #: fields that were left out, because their values could not be used


class Mapper:
    """Applies one source's mapping.

    ``timezone`` and ``currency`` are the shop's, for sources that do not say; ``now`` bounds what can have happened.
    """

    def __init__(self, source: SourceMap, timezone: str, currency: str, now: Millis, *, live: bool = False) -> None:
        """``live``: what has no time happened when it came, and nothing is history."""
        self.source = source
        self.live = live
        self.clean = clean = Washing(source, timezone, currency, now)
        self._shop = timezone, currency, now
        self._fields = tuple((each, clean.of(each.sort, each.minor_digits)) for each in source.fields)
        self._trait_columns = tuple((each, clean.of(each.sort, each.minor_digits)) for each in source.traits)
        self._identity, self._time = clean.of("id"), clean.of("time")

    def __call__(self, row: Row) -> Mapped:
        """The event that a record becomes; never raises."""
        given = said(self.source, row)
        call, name, refused = self.what(given)
        work = Fields()
        if refused:
            return _refused(work, *refused)
        user = work.identity(given.user, "user", self._identity)
        anonymous = work.identity(given.anonymous, "anonymous", self._identity)
        if user is None and anonymous is None:
            somebody = given.user not in (None, "") or given.anonymous not in (None, "")
            return _refused(work, WHO, "blocked_id" if somebody else "missing_id")
        time = self._time(given.time)
        if time.value is None and (time.refusal or not self.live):
            return _refused(work, WHEN, time.refusal or "missing_time")
        work.note("time", time)
        spending = spends(call, name)
        properties, wrong = self._properties(given, work, spending=spending)
        if wrong:
            return _refused(work, *wrong)
        event: dict[str, Any] = {"type": call, "messageId": self._message(given, row, call, name)}
        if not self.live:
            event["context"] = {"origin": "backfill", "source": self.source.name}
        more = {
            "event" if call == "track" else "name": name,
            "timestamp": time.value,
            "userId": user,
            "anonymousId": anonymous,
            "channel": None if given.channel is None else text(given.channel).value,
            "properties": properties,
            "traits": self._traits(given, work),
            **given.extra,
        }
        event |= {key: value for key, value in more.items() if value}
        return Mapped(event, None, tuple(work.repairs), tuple(work.dropped))

    @staticmethod
    def unreadable(*, table: bool) -> Mapped:
        """What becomes of a row whose cells do not fit the header, or of a line that is no record."""
        return Mapped(None, Note(ROW, "too_many_cells" if table else "not_a_record"))

    def narrowed(self, columns: Iterable[str]) -> Mapper:
        """The same for a table that has these columns and no others: looks nowhere else, so it is quicker."""
        there, given = frozenset(columns), self.source
        source = replace(
            given,
            event_from=_narrow(given.event_from, there),
            user=_narrow(given.user, there),
            anonymous=_narrow(given.anonymous, there),
            time=_narrow(given.time, there),
            channel_from=_narrow(given.channel_from, there),
            fields=_narrowed(given.fields, there),
            traits=_narrowed(given.traits, there),
        )
        return Mapper(source, *self._shop, live=self.live)

    def misfits(self, columns: Iterable[str], file: str) -> list[RuleError]:
        """Columns that the mapping asks for and a table does not have, none of them; and it cannot do without."""
        there = list(columns)
        found = []
        needed = [each for each in (self.source.event_from, self.source.time) if each]
        who = [each for each in (self.source.user, self.source.anonymous) if each]
        if who and not any(set(each.names) & set(there) for each in who):
            needed.append(who[0])
        for column in needed:
            if not set(column.names) & set(there):
                near = get_close_matches(column.names[0], there, n=1, cutoff=0.5)
                fix = f"did you mean {near[0]}?" if near else f"its columns: {', '.join(there[:30])}"
                asked = ", ".join(column.names[:6]) + (" ..." if len(column.names) > 6 else "")
                message = f"{column.target!r} of source {self.source.name!r}: the file has no column {asked}; {fix}"
                found.append(RuleError(message, file=file, line=column.place.line, column=column.place.column))
        return found

    def what(self, given: Said) -> tuple[str, str, Note | None]:
        """(type of call, name of the event, why it cannot be told)."""
        if not given.call:
            return "", "", Note(WHAT, "skipped")
        if given.call != "track":
            return (given.call, given.name, None) if given.call in CALLS else ("", "", Note(WHAT, "unknown_type"))
        name = text(given.name).value or self.source.event
        if not name:
            return "", "", Note(WHAT, "missing_event")
        ours = _renamed(name, tuple(self.source.events.items())) if self.source.events else name
        if ours == SKIP:
            return "", "", Note(WHAT, "skipped")
        return (ours, "", None) if ours in CALLS else ("track", ours, None)

    def _properties(self, given: Said, work: Fields, *, spending: bool) -> tuple[dict[str, Any], Note | None]:
        """What the event is about.  An amount that cannot be read makes an order useless; other fields are left out."""
        found: dict[str, Any] = {}
        for key, value in given.properties.items():
            if key == "products" and isinstance(value, list):
                found["products"] = [self._product(each, work) for each in value if isinstance(each, Mapping)]
            elif key in PROPERTIES:
                work.put(found, key, value, self.clean.of(PROPERTIES[key]))
        for column, clean in self._fields:
            work.put(found, column.target, first(given.row, column), clean)
        if not spending:
            return found, None
        for note in work.dropped:
            if note.field in MONEY:
                return found, note
        for field in MONEY:
            if field in found and found[field] < 0:
                return found, Note(field, "negative_amount")
        if self.source.currency and "currency" not in found:
            found["currency"] = self.source.currency
        return found, None

    def _product(self, line: Mapping[str, Any], work: Fields) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key in ("product_id", "sku", "category", "brand", "price", "quantity"):
            work.put(found, key, line.get(key), self.clean.of(PROPERTIES[key]))
        return found

    def _traits(self, given: Said, work: Fields) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in given.traits.items():
            if isinstance(value, (bool, int, float)) and key not in TRAITS:
                found[key] = value
            else:
                work.put(found, key, value, self.clean.of(TRAITS.get(key, "text")))
        for column, clean in self._trait_columns:
            work.put(found, column.target, first(given.row, column), clean)
        return found

    def _message(self, given: Said, row: Row, call: str, name: str) -> str:
        own = self._own(given, self.source.id)
        if own:
            return by_own(self.source.name, name or call, own)
        return ByContent(self.source.name, call, name, row)(row.values())

    @staticmethod
    def _own(given: Said, column: Column | None) -> str:
        """Its id: all columns of ``id`` together, or what a nested record says."""
        if column is None:
            return spelled(given.id).strip() if given.id is not None else ""
        return own_of(given.row.get(name) for name in column.names)


def spends(call: str, name: str) -> bool:
    """Whether an event is nothing without its amount."""
    return call == "track" and NAMES.get(name.lower()) in SPENDING


def _refused(work: Fields, field: str, code: str) -> Mapped:
    return Mapped(None, Note(field, code), tuple(work.repairs), tuple(work.dropped))


def _narrow(column: Column | None, there: frozenset[str]) -> Column | None:
    names = tuple(name for name in column.names if name in there) if column else ()
    return replace(column, names=names) if column and names else None


def _narrowed(columns: Iterable[Column], there: frozenset[str]) -> tuple[Column, ...]:
    return tuple(each for each in (_narrow(column, there) for column in columns) if each)


@lru_cache(maxsize=10_000)
def _renamed(name: str, events: tuple[tuple[str, str], ...]) -> str:
    """Our name of an event: by its own name, then by the first pattern that fits; else as it is, which is activity."""
    ours = dict(events).get(name)
    if ours is None:
        patterns = ((theirs, our) for theirs, our in events if set(theirs) & set("*?["))
        ours = next((our for theirs, our in patterns if fnmatchcase(name, theirs)), KEEP)
    return name if ours == KEEP else ours

"""A record of a source becomes an event as apps send it, with every repair and refusal named.

Knows: how a mapping is applied, which fields an event cannot do without.
Must not know: files, Kafka, what time it is (``now`` is told).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from profiles.cleaning.amounts import age, amount, number, whole
from profiles.cleaning.cell import NOTHING, Cleaned
from profiles.cleaning.contacts import email, phone
from profiles.cleaning.moments import Local, day, moment
from profiles.cleaning.texts import identity, spelled, text, words
from profiles.clock import Millis
from profiles.errors import RuleError
from profiles.intake import BLOCKED_IDS
from profiles.kinds import CALLS, NAMES, Kind
from profiles.mapping.document import KEEP, SKIP, Column, SourceMap
from profiles.mapping.records import Row, Said, first, said
from profiles.mapping.targets import MONEY, PROPERTIES, TRAITS

SPENDING: Final = frozenset({Kind.ORDER, Kind.REFUND, Kind.CANCEL})
LONGEST_ID: Final = 100  #: characters of a message id that is spelled out
WHO, WHEN, WHAT, ROW = "who", "when", "event", "row"  #: what is named where no field is to blame


class Note(NamedTuple):
    """One repair or refusal: which of our fields, and the code."""

    field: str
    code: str


class Mapped(NamedTuple):
    """What became of a record: an event, or why there is none; and what happened to its fields on the way."""

    event: dict[str, Any] | None
    refused: Note | None = None
    repairs: tuple[Note, ...] = ()
    dropped: tuple[Note, ...] = ()  #: fields that were left out, because their values could not be used
    filled: tuple[str, ...] = ()  #: fields that had a value


class Mapper:
    """Applies one source's mapping.

    ``timezone`` and ``currency`` are the shop's, for sources that do not say; ``now`` bounds what can have happened.
    """

    def __init__(self, source: SourceMap, timezone: str, currency: str, now: Millis) -> None:
        self.source = source
        self._currency = source.currency or currency
        self._now = now
        self._local = Local(ZoneInfo(source.timezone or timezone), source.day_first)
        self._cleaners: dict[str, Callable[[object, int], Cleaned]] = {
            "text": lambda value, _: text(value),
            "words": lambda value, _: words(value),
            "id": lambda value, _: identity(value),
            "amount": lambda value, minor: amount(value, self._currency, minor),
            "number": lambda value, _: number(value),
            "whole": lambda value, _: whole(value),
            "age": lambda value, _: age(value),
            "phone": lambda value, _: phone(value, source.region),
            "email": lambda value, _: email(value),
            "time": lambda value, _: moment(value, self._local, now),
            "date": lambda value, _: day(value, self._local, now),
        }

    def __call__(self, row: Row) -> Mapped:
        """The event that a record becomes; never raises."""
        given = said(self.source, row)
        call, name, refused = self._what(given)
        if refused:
            return Mapped(None, refused)
        work = _Fields(self._cleaners)
        user, anonymous = work.identity(given.user, "user"), work.identity(given.anonymous, "anonymous")
        if user is None and anonymous is None:
            blocked = first(given.row, self.source.user) is not None or given.user is not None
            return work.refused(WHO, "blocked_id" if blocked and given.user not in ("", None) else "missing_id")
        time = self._cleaners["time"](given.time, 0)
        if time.value is None:
            return work.refused(WHEN, time.refusal or "missing_time")
        work.note("time", time)
        spending = call == "track" and NAMES.get(name.lower()) in SPENDING
        properties, wrong = self._properties(given, work, spending=spending)
        if wrong:
            return work.refused(*wrong)
        event: dict[str, Any] = {
            "type": call,
            "messageId": self._message(given, row, call, name),
            "timestamp": time.value,
        }
        if call in ("track", "page", "screen") and name:
            event["event" if call == "track" else "name"] = name
        event |= {key: value for key, value in (("userId", user), ("anonymousId", anonymous)) if value is not None}
        if channel := text(given.channel).value:
            event["channel"] = channel
        if properties:
            event["properties"] = properties
        if traits := self._traits(given, work):
            event["traits"] = traits
        event |= given.extra
        event["context"] = {"origin": "backfill", "source": self.source.name}
        return Mapped(event, None, tuple(work.repairs), tuple(work.dropped), tuple(work.filled))

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
        return Mapper(source, self._local.zone.key, self._currency, self._now)

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

    def _what(self, given: Said) -> tuple[str, str, Note | None]:
        """(type of call, name of the event, why it cannot be told)."""
        if not given.call:
            return "", "", Note(WHAT, "skipped")
        if given.call != "track":
            return (given.call, given.name, None) if given.call in CALLS else ("", "", Note(WHAT, "unknown_type"))
        name = text(given.name).value or self.source.event
        if not name:
            return "", "", Note(WHAT, "missing_event")
        ours = self._named(name)
        if ours == SKIP:
            return "", "", Note(WHAT, "skipped")
        return (ours, "", None) if ours in CALLS else ("track", ours, None)

    def _named(self, name: str) -> str:
        return _renamed(name, tuple((self.source.events or {}).items()))

    def _properties(
        self, given: Said, work: _Fields, *, spending: bool
    ) -> tuple[dict[str, Any], tuple[str, str] | None]:
        """What the event is about.  An amount that cannot be read makes an order useless; other fields are left out."""
        found: dict[str, Any] = {}
        for key, value in given.properties.items():
            if key == "products" and isinstance(value, list):
                found["products"] = [self._product(each, work) for each in value if isinstance(each, Mapping)]
            elif key in PROPERTIES:
                work.put(found, key, value, PROPERTIES[key])
        for column in self.source.fields:
            work.put(found, column.target, first(given.row, column), column.sort, column.minor_digits)
        if spending:
            wrong = next((each for each in work.dropped if each.field in MONEY), None)
            if wrong:
                return found, (wrong.field, wrong.code)
            below = next((key for key in MONEY if isinstance(found.get(key), float) and found[key] < 0), None)
            if below:
                return found, (below, "negative_amount")
            if "currency" not in found and self.source.currency:
                found["currency"] = self.source.currency
        return found, None

    def _product(self, line: Mapping[str, Any], work: _Fields) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key in ("product_id", "sku", "category", "brand", "price", "quantity"):
            work.put(found, key, line.get(key), PROPERTIES[key])
        return found

    def _traits(self, given: Said, work: _Fields) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in given.traits.items():
            if isinstance(value, (bool, int, float)) and key not in TRAITS:
                found[key] = value
            else:
                work.put(found, key, value, TRAITS.get(key, "text"))
        for column in self.source.traits:
            work.put(found, column.target, first(given.row, column), column.sort, column.minor_digits)
        return found

    def _message(self, given: Said, row: Row, call: str, name: str) -> str:
        """The same for the same record, whenever and however often it is imported."""
        own = self._own(given, self.source.id)
        if own:
            spelt = f"{self.source.name}:{name or call}:{own}"
            if len(spelt) <= LONGEST_ID:
                return spelt
        else:
            spelt = "\x1f".join(
                (self.source.name, call, name, *(f"{key}\x1e{spelled(row[key])}" for key in sorted(row, key=str)))
            )
        return f"{self.source.name}:{blake2b(spelt.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"

    def _own(self, given: Said, column: Column | None) -> str:
        """Its id: all columns of ``id`` together, or what a nested record says."""
        if column is None:
            return spelled(given.id).strip()
        parts = [identity(given.row.get(name)).value for name in column.names]
        return ":".join(parts) if all(parts) else ""


def _narrow(column: Column | None, there: frozenset[str]) -> Column | None:
    names = tuple(name for name in column.names if name in there) if column else ()
    return replace(column, names=names) if column and names else None


def _narrowed(columns: Iterable[Column], there: frozenset[str]) -> tuple[Column, ...]:
    return tuple(each for each in (_narrow(column, there) for column in columns) if each)


class _Fields:
    """The fields of one record on their way, and what happened to them."""

    def __init__(self, cleaners: Mapping[str, Callable[[object, int], Cleaned]]) -> None:
        self._cleaners = cleaners
        self.repairs: list[Note] = []
        self.dropped: list[Note] = []
        self.filled: list[str] = []

    def note(self, field: str, cleaned: Cleaned) -> None:
        if cleaned.value is not None:
            self.filled.append(field)
        for code in cleaned.repairs:
            self.repairs.append(Note(field, code))
        if cleaned.refusal:
            self.dropped.append(Note(field, cleaned.refusal))

    def put(self, into: dict[str, Any], field: str, value: object, sort: str, minor_digits: int = 0) -> None:
        """Clean a value and keep it, if anything is left of it."""
        if value is None or value == "":
            return
        cleaned = self._cleaners[sort](value, minor_digits)
        self.note(field, cleaned)
        if cleaned.value is not None:
            into[field] = cleaned.value

    def identity(self, value: object, field: str) -> str | None:
        cleaned = identity(value) if value is not None else NOTHING
        if cleaned.value is not None and cleaned.value.lower() in BLOCKED_IDS:
            cleaned = Cleaned(refusal="blocked_id")
        self.note(field, cleaned)
        return cleaned.value if cleaned.value is None else str(cleaned.value)

    def refused(self, field: str, code: str) -> Mapped:
        return Mapped(None, Note(field, code), tuple(self.repairs), tuple(self.dropped), tuple(self.filled))


@lru_cache(maxsize=10_000)
def _renamed(name: str, events: tuple[tuple[str, str], ...]) -> str:
    """Our name of an event: by its own name, then by the first pattern that fits; else as it is, which is activity."""
    ours = dict(events).get(name)
    if ours is None:
        patterns = ((theirs, our) for theirs, our in events if set(theirs) & set("*?["))
        ours = next((our for theirs, our in patterns if fnmatchcase(name, theirs)), KEEP)
    return name if ours == KEEP else ours

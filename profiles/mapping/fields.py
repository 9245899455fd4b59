"""The fields of one record on their way: each cleaned by its sort, and what happened to it noted.

Knows: cleaners, and which sort takes which.  Must not know: columns, what an event needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from profiles.cleaning.amounts import age, amount, number, whole
from profiles.cleaning.cell import Cleaned
from profiles.cleaning.contacts import email, phone
from profiles.cleaning.days import Moments
from profiles.cleaning.moments import Local, day
from profiles.cleaning.texts import identity, text, words
from profiles.clock import Millis
from profiles.identity.claims import stands_for_nobody
from profiles.mapping.document import SourceMap

REMEMBERED: Final = 20_000  #: values of one sort
Clean = Callable[[object], Cleaned]


class Note(NamedTuple):
    """One repair or refusal: which of our fields, and the code."""

    field: str
    code: str


class Washing:
    """The cleaners of one source."""

    def __init__(self, source: SourceMap, timezone: str, currency: str, now: Millis) -> None:
        self._source = source
        self._currency = source.currency or currency
        self._local = Local(ZoneInfo(source.timezone or timezone), source.day_first)
        self._now = now
        self._known: dict[tuple[str, int], Clean] = {}

    def of(self, sort: str, minor_digits: int = 0) -> Clean:
        """How values of a sort are cleaned; texts that come again are remembered."""
        found = self._known.get((sort, minor_digits))
        if found is None:
            found = self._known[sort, minor_digits] = remembered(self.plain(sort, minor_digits))
        return found

    def plain(self, sort: str, minor_digits: int = 0) -> Clean:
        """The same, and nothing is remembered."""
        local, now, region, currency = self._local, self._now, self._source.region, self._currency
        known: dict[str, Clean] = {
            "text": text,
            "words": words,
            "id": identity,
            "amount": lambda value: amount(value, currency, minor_digits),
            "number": number,
            "whole": whole,
            "age": age,
            "phone": lambda value: phone(value, region),
            "email": email,
            "time": Moments(local, now),
            "date": lambda value: day(value, local, now),
        }
        return known[sort]


def remembered(clean: Clean) -> Clean:
    """A cleaner that remembers texts: most columns say the same again and again."""
    known: dict[str, Cleaned] = {}

    def cleaned(value: object) -> Cleaned:
        if type(value) is not str:  # 1, 1.0 and True would be one key
            return clean(value)
        found = known.get(value)
        if found is None:
            if len(known) >= REMEMBERED:
                known.clear()
            found = known[value] = clean(value)
        return found

    return cleaned


def somebody(cleaned: Cleaned) -> Cleaned:
    """An id, unless it is what apps send when they have none."""
    nobody = cleaned.value is not None and stands_for_nobody(cleaned.value)
    return Cleaned(refusal="blocked_id") if nobody else cleaned


class Fields:
    """What happened to the fields of one record."""

    def __init__(self) -> None:
        self.repairs: list[Note] = []
        self.dropped: list[Note] = []

    def note(self, field: str, cleaned: Cleaned) -> None:
        """Remember what was mended or refused."""
        for code in cleaned.repairs:
            self.repairs.append(Note(field, code))
        if cleaned.refusal:
            self.dropped.append(Note(field, cleaned.refusal))

    def put(self, into: dict[str, Any], field: str, value: object, clean: Clean) -> None:
        """Clean a value and keep it, if anything is left of it."""
        if value is None or value == "":
            return
        cleaned = clean(value)
        if cleaned.value is not None:
            into[field] = cleaned.value
        if cleaned.repairs or cleaned.refusal:
            self.note(field, cleaned)

    def identity(self, value: object, field: str, clean: Clean) -> str | None:
        """An id, if it stands for anybody."""
        if value is None:
            return None
        cleaned = somebody(clean(value))
        if cleaned.repairs or cleaned.refusal:
            self.note(field, cleaned)
        return None if cleaned.value is None else str(cleaned.value)

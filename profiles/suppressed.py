"""Who is suppressed, as whoever takes events knows it, and which events are turned away for it.

The lists are read whole before the first event, and again whenever an order was obeyed.  Whoever has a copy may hear a
second late: what the collector lets through then ends at intake, and what intake lets through at the bucket's gate.
Knows: hashes of names, what an event shows.  Must not know: Kafka, HTTP, orders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from profiles.clock import Millis
from profiles.dialects.parcel import Item, Unfit
from profiles.errors import Rejected
from profiles.identity.names import ANONYMOUS, kind_of, name_of
from profiles.intake import Event
from profiles.landing import Headers, Landing
from profiles.store.erasure import Obeyed, Regulations
from profiles.store.vault import Vault

REMEMBERED: Final = 50_000  #: names


class Suppressed:
    """The customers of all buckets of whom nothing may be taken."""

    def __init__(self, regulations: Regulations, vault: Vault, buckets: int) -> None:
        self._regulations = regulations
        self._vault = vault
        self._buckets = range(buckets)
        self._hashes: frozenset[str] = frozenset()
        self._known: dict[str, bool] = {}  #: of names asked for: to hash one costs as much as to read an event
        self._seen: Sequence[Obeyed] = ()

    async def refresh(self) -> bool:
        """Look whether anything was ordered since; then customers' keys are read anew as well: some are destroyed.

        Returns whether orders were obeyed, or are not any more.

        If an older store came back, the keys that were made here are put back into it.

        Raises:
            StoreDown: the store does not answer.
        """
        seen, before = await self._regulations.obeyed(self._buckets), self._seen
        if any(map(_older, before, seen)):
            await self._vault.restore()
        elif any(now.receipts != was.receipts for was, now in zip(before, seen, strict=False)):
            self._vault.forget()
        changed = [now.receipts for now in seen] != [was.receipts for was in before]
        if changed:
            self._hashes = await self._regulations.suppressed(self._buckets)
            self._known.clear()
        self._seen = seen
        return changed

    def __bool__(self) -> bool:
        """Whether anybody is suppressed."""
        return bool(self._hashes)

    def __call__(self, name: str) -> bool:
        """Whether nothing of this customer may be taken."""
        if not self._hashes:
            return False
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = self._known[name] = self._vault.field_of(name) in self._hashes
        return known


def _older(was: Obeyed, now: Obeyed) -> bool:
    return now.receipts < was.receipts or (now.receipts == was.receipts and now.keys < was.keys)


def unwanted(event: Event, suppressed: Callable[[str], bool]) -> bool:
    """Whether nothing of an event may be taken: of a suppressed customer, or of a visitor without a name who shows one's id."""
    if suppressed(event.profile):
        return True
    nameless = kind_of(event.profile) == ANONYMOUS
    return nameless and any(suppressed(name) for claim in event.claims for name in (claim.small, claim.large))


class Doorkeeper:
    """Looks at events before anything of them is written.

    While nobody is suppressed that costs nothing.  Otherwise an event is only read if its key, or what it shows besides,
    may be somebody's who is.
    """

    def __init__(self, suppressed: Suppressed, landing: Landing) -> None:
        """``landing``: how intake will read it, with the shop's hash of personal ids."""
        self._suppressed = suppressed
        self._landing = landing

    def __call__(self, item: Item, topic: str, headers: Headers, now: Millis) -> bool:
        """Whether an event on its way to a topic is turned away; also if it would be a dead letter, which is in plain."""
        if not self._suppressed:
            return False
        if isinstance(item, Unfit):
            return any(self._suppressed(name) for each in _ids(item.raw) for name in (each, name_of(ANONYMOUS, each)))
        key = item.key or b""
        user = b'"userId":"%b"' % key in item.value  # of whom nothing else that it shows counts
        name = key.decode("utf-8", "replace")
        named = self._suppressed(name) or (not user and self._suppressed(name_of(ANONYMOUS, name)))
        shows = not user and any(sign in item.value for sign in _SHOWS)
        if not (named or shows or self._landing.maps):
            return False
        try:
            return unwanted(self._landing.read(item.value, now, headers, topic), self._suppressed)
        except Rejected:
            return named  # else it becomes a dead letter, and says in plain whose it is


def _ids(raw: bytes) -> list[str]:
    """Whom an event says it is about that cannot be used, if it says so in a usual place.

    >>> _ids(b'{"userId": "u-1", "distinct_id": 7}'), _ids(b'{"userId"')
    (['u-1', '7'], [])
    """
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    said = [found.get(name) for name in _IDS] if isinstance(found, dict) else []
    return [str(each).strip() for each in said if isinstance(each, str | int)]


_IDS: Final = ("userId", "anonymousId", "distinct_id", "login_id", "anonymous_id")  #: of all dialects
_SHOWS: Final = (b'"traits"', b'"previousId"')  #: where ids stand besides the key of a record

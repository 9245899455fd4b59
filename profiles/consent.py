"""What a customer allows, purpose by purpose: as it is told, kept beside the traits, and asked before anything is sent.

A consent is a trait named ``consent.<purpose>`` that is true or false, so it is kept, ordered and erased as traits are:
of each purpose the latest word counts, whatever order events come in.
Knows: how apps tell of consent.  Must not know: what is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

import msgspec

PREFIX: Final = "consent."
PURPOSE_LIMIT: Final = 60  #: characters of the name of a purpose
PURPOSES_LIMIT: Final = 20  #: of one event
GIVEN: Final = frozenset({"consent given", "consent granted", "consent accepted", "同意授权"})
REVOKED: Final = frozenset({"consent revoked", "consent withdrawn", "consent denied", "撤回同意", "unsubscribed"})
FOR_SMS: Final = ("sms", "sms_marketing", "marketing", "短信", "营销")  #: purposes that a rescue text serves

Patch = tuple[tuple[str, bool], ...]


class Consent(msgspec.Struct, frozen=True):
    """What a customer said about one purpose, and when (ms)."""

    given: bool
    at: int


class _Preferences(msgspec.Struct, rename="camel"):
    """As Segment's and RudderStack's SDKs send them with every call."""

    category_preferences: dict[str, bool] = {}


class _Properties(msgspec.Struct):
    purpose: str | list[str] | None = None
    purposes: str | list[str] | None = None
    category: str | list[str] | None = None


class _Told(msgspec.Struct):
    properties: _Properties | None = None


_decode_preferences: Final = msgspec.json.Decoder(_Preferences).decode
_decode_told: Final = msgspec.json.Decoder(_Told).decode


def told(event: str | None, preferences: bytes, raw: bytes) -> Patch:
    """What a record says about consent, as traits; nothing if it cannot be understood, which is no reason to refuse it.

    ``preferences``: ``context.consent`` as it was sent.

    >>> told("Consent Revoked", b"", b'{"properties": {"purpose": "sms"}}')
    (('consent.sms', False),)
    >>> told(None, b'{"categoryPreferences": {"Advertising": true}}', b"{}")
    (('consent.advertising', True),)
    """
    word = _word(event)
    if word is None and not preferences:
        return ()
    found: dict[str, bool] = {}
    try:
        if preferences:
            found |= _decode_preferences(preferences).category_preferences
        if word is not None:
            found |= dict.fromkeys(_names(_decode_told(raw).properties or _Properties()), word)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    return patch(found)


def patch(consents: Mapping[str, bool]) -> Patch:
    """Consents as traits."""
    named = ((name.strip().lower()[:PURPOSE_LIMIT], given) for name, given in list(consents.items())[:PURPOSES_LIMIT])
    return tuple((PREFIX + name, given) for name, given in named if name and name.isprintable())


def consents(traits: Iterable[tuple[str, tuple[int, object]]]) -> dict[str, Consent]:
    """Purpose -> what was said last, out of a sidecar's traits with their times."""
    return {
        name.removeprefix(PREFIX): Consent(_is_yes(value), at)
        for name, (at, value) in sorted(traits)
        if name.startswith(PREFIX)
    }


def allows(said: Mapping[str, Consent], purposes: Iterable[str], *, needed: bool) -> bool:
    """Whether something may be done that serves these purposes: nobody said no and, if that is ``needed``, somebody yes.

    >>> said = {"marketing": Consent(True, 1), "sms": Consent(False, 2)}
    >>> allows(said, FOR_SMS, needed=False), allows({}, FOR_SMS, needed=False), allows({}, FOR_SMS, needed=True)
    (False, True, False)
    """
    words = [said[purpose].given for purpose in purposes if purpose in said]
    return all(words) and (bool(words) or not needed)


@lru_cache(maxsize=4096)
def _word(event: str | None) -> bool | None:
    """Whether an event by this name gives consent or takes it back; None: neither."""
    name = (event or "").strip().lower()
    return True if name in GIVEN else False if name in REVOKED else None


def _names(about: _Properties) -> list[str]:
    given = [each for each in (about.purpose, about.purposes, about.category) if each]
    return [name for each in given for name in (each if isinstance(each, list) else [each])] or ["marketing"]


def _is_yes(value: object) -> bool:
    """Traits may have been told as words.

    >>> [_is_yes(value) for value in (True, "granted", "是", "denied", "0", False)]
    [True, True, True, False, False, False]
    """
    return str(value).strip().lower() in ("true", "1", "yes", "y", "granted", "given", "accepted", "是", "同意")

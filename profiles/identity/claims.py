"""Which ids of one customer an event shows: a claim that they are one.

Knows: where ids stand in events, how they are spelled, which values are nobody's.
Must not know: who joins whom.  Personal ids become names only through a keyed hash (``Blind``); without one they are
not claimed at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

import msgspec

from profiles.cleaning.contacts import email, phone
from profiles.identity.names import BLIND, KINDS, USER, name_of, order_of, visitor_of
from profiles.privacy import PRIVATE, plain

Blind: TypeAlias = Callable[[str, str], str]  #: (kind, value) -> a name that does not tell the value

ID_LIMIT: Final = 256  #: bytes of an id
NOBODY: Final = frozenset({"", "0", "-1", "null", "none", "undefined", "nan", "nil", "unknown", "n/a", "anonymous"})
NOBODYS_MAIL: Final = frozenset({"test@test.com", "a@a.com", "123@qq.com", "admin@admin.com", "noreply@example.com"})
#: trait -> kind of id; keys are compared by their letters and digits alone
SPELLED: Final = {
    **{key: how for key, how in PRIVATE.items() if how in BLIND},
    **dict.fromkeys(("openid", "wxopenid", "wechatopenid", "微信openid"), "openid"),
    **dict.fromkeys(("unionid", "wxunionid", "wechatunionid", "微信unionid"), "unionid"),
    **dict.fromkeys(("crmid", "crmcustomerid", "crmcontactid", "crm编号"), "crm"),
}
_decode: Final = msgspec.json.Decoder().decode


class Claim(NamedTuple):
    """Two names of one customer, the smaller one first.

    ``alias``: the smaller one is a user's name only if it is ever used as one.
    """

    small: str
    large: str
    explicit: bool = False
    alias: bool = False


def stands_for_nobody(value: str, blocked: frozenset[str] = frozenset()) -> bool:
    """Whether an id is what apps send when they have none.

    >>> stands_for_nobody("NULL"), stands_for_nobody("00000000-0000"), stands_for_nobody("u-100")
    (True, True, False)
    """
    plain = value.lower()
    return plain in NOBODY or plain in blocked or not plain.strip("0-")


def claims_of(
    profile: str,
    others: Iterable[tuple[str, str, bool]],
    traits: Mapping[str, msgspec.Raw] | None,
    blind: Blind | None,
    blocked: frozenset[str] = frozenset(),
) -> tuple[Claim, ...]:
    """What an event of ``profile`` claims: ``others`` are (kind, id, explicit) beside it, ``traits`` as they were sent."""
    found: dict[str, bool] = {}
    for kind, value, explicit in others:
        if name := _plain(kind, value, blocked):
            found[name] = explicit or found.get(name, False)
    for key, raw in (traits or {}).items():
        kind = _kind(key)
        if kind and (name := named(kind, _text(raw), blind, blocked)):
            found.setdefault(name, False)
    found.pop(profile, None)
    return tuple(_claim(profile, name, explicit) for name, explicit in found.items())


def aliases_of(ids: Iterable[str], blocked: frozenset[str] = frozenset()) -> tuple[Claim, ...]:
    """That each of these ids, of which an alias does not say whose they are, is one customer as a user's and a visitor's.

    >>> aliases_of(["old-7", "null"])
    (Claim(small='old-7', large='anon:old-7', explicit=True, alias=True),)
    """
    users = (_plain(USER, value, blocked) for value in ids)
    return tuple(Claim(user, visitor_of(user), explicit=True, alias=True) for user in users if user)


@lru_cache(maxsize=100_000)
def _claim(one: str, other: str, explicit: bool) -> Claim:
    return Claim(min(one, other, key=order_of), max(one, other, key=order_of), explicit)


@lru_cache(maxsize=100_000)
def _plain(kind: str, value: str, blocked: frozenset[str]) -> str:
    """The name of an id that is nothing personal; most events of a customer show the same."""
    return named(kind, value, None, blocked)


@lru_cache(maxsize=4096)
def _kind(key: str) -> str:
    return SPELLED.get(plain(key), "")


def _text(raw: msgspec.Raw) -> str:
    value = _decode(raw)
    return str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def named(kind: str, value: str, blind: Blind | None, blocked: frozenset[str]) -> str:
    """The name of an id as it was sent; empty if it is nobody's, or none of ours."""
    if stands_for_nobody(value, blocked) or len(value.encode()) > ID_LIMIT or not value.isprintable():
        return ""
    if kind in BLIND:
        cleaned = (phone if kind == "phone" else email)(value).value
        if blind is None or cleaned is None or str(cleaned) in blocked or str(cleaned) in NOBODYS_MAIL:
            return ""
        return name_of(kind, blind(kind, str(cleaned)))
    return "" if kind == USER and reserved(value) else name_of(kind, value)


def reserved(user: str) -> bool:
    """Whether a user id looks like the name of another kind of id.

    >>> reserved("phone:1"), reserved("shop:1")
    (True, False)
    """
    kind, colon, _ = user.partition(":")
    return bool(colon) and kind in KINDS and kind != USER

"""Who may ask: API keys as values.

Knows: what a key looks like, what is stored of it, which scopes there are.
Must not know: where keys are kept (``store/access``), how one arrives in a request.  It makes no secrets of its own.

A key is shown once, when it is made.  Only its SHA-256 is kept: it holds 192 random bits, so a slow hash would add
nothing but time to every request.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final, Literal, get_args

import msgspec

from profiles.clock import Millis
from profiles.errors import MienError

Scope = Literal["write", "read", "alerts", "privacy", "pii:reveal", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
MEANING: Final[dict[Scope, str]] = {
    "write": "send events",
    "read": "read profiles, tags, features and metrics",
    "alerts": "read and acknowledge alerts",
    "privacy": "change consents, export and erase customers",
    "pii:reveal": "read personal data that is masked for everybody else",
    "admin": "everything that the others may, but not reveal personal data",
}


class UnknownScope(MienError):
    """A scope that Mien does not have; the message names those it has."""


class Key(msgspec.Struct, frozen=True):
    """What is stored of a key.  ``id`` is the readable part of the token: it names the key, and opens nothing."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    created: Millis

    def allows(self, scope: Scope) -> bool:
        """Whether this key opens ``scope``.

        >>> Key("1", "desk", ("alerts",), 0).allows("read"), Key("2", "boss", ("admin",), 0).allows("read")
        (False, True)
        >>> Key("2", "boss", ("admin",), 0).allows("pii:reveal")
        False
        """
        return scope in self.scopes or ("admin" in self.scopes and scope != "pii:reveal")


encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(Key).decode


def token(name: str, secret: str) -> str:
    """The key as its holder writes it.

    >>> token("3f9a1c2b", "c0ffee")
    'mk_3f9a1c2b_c0ffee'
    """
    return f"mk_{name}_{secret}"


def digest(given: str) -> str:
    """What is stored instead of a key, and what it is found by.

    >>> digest("mk_3f9a1c2b_c0ffee")[:16]
    'e12e65a53f5d4321'
    """
    return sha256(given.encode("utf-8", "surrogatepass")).hexdigest()


def scopes(names: Iterable[str]) -> tuple[Scope, ...]:
    """Scopes by name, in their usual order, each once.

    Raises:
        UnknownScope: there is no such scope, or none was named.

    >>> scopes(["read", "write", "read"])
    ('write', 'read')
    """
    wanted = {name.strip() for name in names} - {""}
    if not wanted or wanted - set(SCOPES):
        said = f"{min(wanted - set(SCOPES))!r} is no scope" if wanted else "a key needs a scope"
        raise UnknownScope(f"{said}; there are {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in wanted)


def configured(setting: str) -> Sequence[tuple[str, Key]]:
    """Keys given as a setting, ``secret=scope+scope`` with commas between, as (digest, key).

    Raises:
        UnknownScope: an entry names a scope that does not exist, or none; the message does not show the secret.

    >>> [(key.id, key.scopes) for _, key in configured("s3cret=read+alerts,other=admin")]
    [('setting-1', ('read', 'alerts')), ('setting-2', ('admin',))]
    """
    found = []
    for number, entry in enumerate((part.strip() for part in setting.split(",") if part.strip()), start=1):
        where = f"MIEN_API_KEYS, entry {number}"
        secret, _, allowed = entry.rpartition("=")
        if not secret:
            raise UnknownScope(f"{where}: write it as secret=read+alerts")
        try:
            key = Key(f"setting-{number}", where, scopes(allowed.split("+")), 0)
        except UnknownScope as error:
            raise UnknownScope(f"{where}: {error}; write it as secret=read+alerts") from None
        found.append((digest(secret), key))
    return found

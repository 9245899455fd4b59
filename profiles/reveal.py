"""Personal traits of one customer, in plain.

Knows: where sealed traits and their keys are.  Must not know: who asks, why, whether they may (``api``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from profiles.privacy import is_private
from profiles.said import SAID
from profiles.sidecar import Value, read
from profiles.stable import bucket_of
from profiles.store.base import ProfileStore
from profiles.store.vault import Vault
from profiles.vault.seal import Token, Unreadable, token_of

ABSENT: Final = "absent"  #: the customer never told it
NOT_KEPT: Final = "not_kept"  #: only its mask is there: it came while there was no key to seal it with
SHREDDED: Final = "shredded"  #: it is of an erased life of the customer


class Revealed(msgspec.Struct, frozen=True):
    """What was asked for, as the customer told it; and what there is no way to say, with the reason."""

    values: dict[str, Value]
    missing: dict[str, str]


class Revealer:
    """Opens what intake has sealed."""

    def __init__(self, store: ProfileStore, vault: Vault, buckets: int) -> None:
        self._store = store
        self._vault = vault
        self._buckets = buckets

    async def reveal(self, profile: str, fields: Sequence[str]) -> Revealed:
        """These traits of a customer, in plain.

        Raises:
            StoreDown: the store does not answer.
            Locked: there is no ring, or it lacks a key.
        """
        (blob,) = await self._store.sidecars(bucket_of(profile, self._buckets), [profile])
        told = {name: value for name, (_, value) in read(blob).items() if name != SAID}
        values: dict[str, Value] = {}
        missing: dict[str, str] = {}
        sealed: dict[str, Token] = {}
        for field in dict.fromkeys(fields):
            if field not in told:
                missing[field] = ABSENT
            elif token := token_of(told[field]):
                sealed[field] = token
            elif is_private(field, told[field]):
                missing[field] = NOT_KEPT
            else:
                values[field] = told[field]
        keys = await self._vault.find({token.owner for token in sealed.values()}) if sealed else {}
        for field, token in sealed.items():
            try:
                values[field] = keys[token.owner].open(token, field)
            except (KeyError, Unreadable):
                missing[field] = SHREDDED
        return Revealed(values, missing)

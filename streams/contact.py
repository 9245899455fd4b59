"""Whether a customer may be written to, and at which number, masked.

Knows: consents, who is suppressed, where traits are.  Must not know: what is to be sent, who sends it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from profiles import consent, sidecar
from profiles.erasure import Subject
from profiles.privacy import PRIVATE
from profiles.stable import bucket_of
from profiles.store.base import ProfileStore
from profiles.store.erasure import Regulations
from profiles.store.vault import Vault

SUPPRESSED: Final = "suppressed"


class Contact(NamedTuple):
    """What is known just before something leaves."""

    phone: str | None  #: masked
    unwanted: str  #: why nothing may be sent, as a code of ``profiles.reasons``; empty if it may


class Contacts:
    """Asks the store, each time anew: a refusal counts from the moment it is applied."""

    def __init__(
        self, store: ProfileStore, regulations: Regulations, vault: Vault, buckets: int, *, consent_needed: bool
    ) -> None:
        self._store = store
        self._regulations = regulations
        self._vault = vault
        self._buckets = buckets
        self._needed = consent_needed

    async def __call__(self, profile: str) -> Contact:
        """Look; raises StoreDown."""
        bucket = bucket_of(profile, self._buckets)
        if await self._regulations.is_suppressed(Subject(bucket, self._vault.field_of(profile))):
            return Contact(None, SUPPRESSED)
        (blob,) = await self._store.sidecars(bucket, [profile])
        said = consent.consents(sidecar.read(blob).items())
        unwanted = "" if consent.allows(said, consent.FOR_SMS, needed=self._needed) else "no_consent"
        return Contact(_phone(sidecar.traits(blob)), unwanted)


def _phone(traits: dict[str, sidecar.Value]) -> str | None:
    return next((str(value) for name, value in traits.items() if PRIVATE.get(name.lower()) == "phone"), None)
